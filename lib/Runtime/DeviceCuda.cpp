//===- DeviceCuda.cpp - GPUs through the CUDA driver ----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceCuda.h"

#include "DeviceCapture.h"
#include "Error.h"
#include "Programs.h"

#include <string>

using namespace sparsedrop::runtime;

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

int32_t sparsedrop::runtime::countCudaDevices(int32_t &count) {
  const cuda::Driver *driver = cuda::Driver::get();
  int number = 0;
  cuda::Result result =
      driver ? driver->deviceGetCount.ask(&number) : cuda::kSuccess;
  // A driver without a GPU may say so when it is opened.
  count = result == cuda::kSuccess ? number : 0;
  if (result == cuda::kSuccess || result == cuda::kNoDevice)
    return driver ? 0 : 1;
  const char *symbol = driver->deviceGetCount.getName();
  constexpr cuda::Result kNotInitialized = 3;
  return result == kNotInitialized ? 0 : driver->failWith(symbol, result);
}

std::shared_ptr<Device> sparsedrop::runtime::openCudaDevice(int32_t ordinal) {
  const cuda::Driver *driver = cuda::Driver::get();
  cuda::DeviceId id = 0;
  cuda::Context context = nullptr;
  if (!driver || driver->deviceGet(&id, ordinal) != 0 ||
      driver->primaryRetain(&context, id) != 0)
    return nullptr;
  return std::make_shared<CudaDevice>(*driver, id, context);
}

CudaDevice::~CudaDevice() {
  Programs::release(*this);
  driver.primaryRelease.ask(id);
}

ContextScope::ContextScope(const CudaDevice &device)
    : driver(device.getDriver()) {
  cuda::Context current = nullptr;
  if (driver.getCurrent.ask(&current) == cuda::kSuccess &&
      current == device.getContext())
    return;
  isThere = isPushed = driver.pushCurrent(device.getContext()) == 0;
}

ContextScope::~ContextScope() {
  cuda::Context ours = nullptr;
  if (isPushed)
    driver.popCurrent.ask(&ours);
}

int32_t CudaDevice::describe(sparsedrop_device_info &info) {
  info = {};
  int major = 0, minor = 0;
  size_t bytes = 0;
  const auto &get = driver.deviceGetAttribute;
  if (driver.deviceGetName(info.name, sizeof(info.name), id) != 0 ||
      get(&major, cuda::kMajor, id) != 0 ||
      get(&minor, cuda::kMinor, id) != 0 ||
      get(&info.processors, cuda::kProcessors, id) != 0 ||
      get(&info.maxThreads, cuda::kMaxThreads, id) != 0 ||
      get(&info.maxShared, cuda::kMaxSharedOptin, id) != 0 ||
      driver.deviceTotalMem(&bytes, id) != 0)
    return 1;
  // Unknown to older drivers.
  if (get.ask(&info.hasClusters, cuda::kClusterLaunch, id) != cuda::kSuccess)
    info.hasClusters = 0;
  info.arch = 10 * major + minor;
  info.memoryBytes = bytes;
  return 0;
}

int32_t CudaDevice::synchronize() { return call(driver.synchronize); }

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

int32_t CudaDevice::allocate(uint64_t bytes, uint64_t &address) {
  cuda::Pointer pointer = 0;
  int32_t status = call(driver.memAlloc, &pointer, bytes);
  address = pointer;
  return status;
}

int32_t CudaDevice::free(uint64_t address) {
  return call(driver.memFree, address);
}

/// Whether the driver says that an attribute of an address has a value.
static bool hasAttribute(const cuda::Driver &driver, uint64_t address,
                         cuda::PointerAttribute attribute, unsigned value) {
  unsigned own = 0;
  return driver.getPointerAttribute &&
         driver.getPointerAttribute.ask(&own, attribute, address) ==
             cuda::kSuccess &&
         own == value;
}

/// The first and the last byte stand for all: the driver does not tell where
/// memory of a framework's allocator ends.
bool CudaDevice::contains(uint64_t address, uint64_t bytes) {
  ContextScope scope(*this);
  if (!scope || !driver.getPointerAttribute)
    return bool(scope);
  for (uint64_t at : {address, address + bytes - 1})
    if (!hasAttribute(driver, at, cuda::kMemoryType, cuda::kDeviceMemory) ||
        !hasAttribute(driver, at, cuda::kMemoryDevice, unsigned(id)))
      return false;
  return true;
}

bool CudaDevice::isPageLocked(const void *memory, uint64_t bytes) {
  auto first = reinterpret_cast<uintptr_t>(memory);
  ContextScope scope(*this);
  return scope &&
         hasAttribute(driver, first, cuda::kMemoryType, cuda::kHostMemory) &&
         hasAttribute(driver, first + bytes - 1, cuda::kMemoryType,
                      cuda::kHostMemory);
}

void *CudaDevice::allocateHost(uint64_t bytes) {
  void *memory = nullptr;
  return call(driver.hostAlloc, &memory, bytes) == 0 ? memory : nullptr;
}

int32_t CudaDevice::freeHost(void *memory) {
  return call(driver.hostFree, memory);
}

int32_t CudaDevice::upload(Stream &stream, uint64_t to, const void *from,
                           uint64_t bytes) {
  return call(driver.upload, to, from, bytes, CudaStream::get(stream));
}

/// The driver has copied what is not page-locked when it returns.
int32_t CudaDevice::uploadNow(Stream &stream, uint64_t to, const void *from,
                              uint64_t bytes, bool &hasWaited) {
  hasWaited = false;
  ContextScope scope(*this);
  if (!scope || upload(stream, to, from, bytes) != 0)
    return 1;
  hasWaited = hasAttribute(driver, reinterpret_cast<uintptr_t>(from),
                           cuda::kMemoryType, cuda::kHostMemory);
  return hasWaited ? stream.synchronize() : 0;
}

int32_t CudaDevice::download(Stream &stream, void *to, uint64_t from,
                             uint64_t bytes) {
  return call(driver.download, to, from, bytes, CudaStream::get(stream));
}

int32_t CudaDevice::copy(Stream &stream, uint64_t to, uint64_t from,
                         uint64_t bytes) {
  return call(driver.copy, to, from, bytes, CudaStream::get(stream));
}

int32_t CudaDevice::fill(Stream &stream, uint64_t to, uint32_t value,
                         int32_t elementBytes, uint64_t count) {
  cuda::Stream on = CudaStream::get(stream);
  if (elementBytes == 1)
    return call(driver.fill8, to, value, count, on);
  if (elementBytes == 2)
    return call(driver.fill16, to, value, count, on);
  return call(driver.fill32, to, value, count, on);
}

//===----------------------------------------------------------------------===//
// Streams and events
//===----------------------------------------------------------------------===//

namespace {
class CudaEvent : public Event {
public:
  CudaEvent(const CudaDevice &device, cuda::Event event)
      : device(device), event(event) {}
  ~CudaEvent() override {
    if (ContextScope scope(device); scope)
      device.getDriver().eventDestroy.ask(event);
  }

  int32_t record(Stream &stream) override {
    return device.call(device.getDriver().eventRecord, event,
                       CudaStream::get(stream));
  }
  int32_t synchronize() override {
    return device.call(device.getDriver().eventSynchronize, event);
  }
  int32_t query(bool &isDone) override;
  int32_t getElapsed(Event &start, double &milliseconds) override {
    float took = 0;
    int32_t status = device.call(device.getDriver().eventElapsed, &took,
                                 static_cast<CudaEvent &>(start).event, event);
    milliseconds = took;
    return status;
  }
  cuda::Event get() const { return event; }

private:
  const CudaDevice &device;
  cuda::Event event;
};
} // namespace

/// "Not ready" is an answer, everything else an error.
template <typename Function, typename Handle>
static int32_t ask(const CudaDevice &device, const Function &function,
                   Handle handle, bool &isDone) {
  ContextScope scope(device);
  if (!scope)
    return 1;
  cuda::Result result = function.ask(handle);
  isDone = result == cuda::kSuccess;
  if (isDone || result == cuda::kNotReady)
    return 0;
  return device.getDriver().failWith(function.getName(), result);
}

int32_t CudaEvent::query(bool &isDone) {
  return ask(device, device.getDriver().eventQuery, event, isDone);
}

uint64_t CudaStream::getNumber() const {
  // CU_STREAM_LEGACY and CU_STREAM_PER_THREAD.
  constexpr uintptr_t kLegacy = 1, kPerThread = 2;
  auto number = reinterpret_cast<uintptr_t>(stream);
  static thread_local char thread;
  if (number == kPerThread)
    return reinterpret_cast<uintptr_t>(&thread);
  return number == kLegacy ? 0 : number;
}

CudaStream::~CudaStream() {
  if (capture)
    cancelCapture(*this);
  if (!isOwned)
    return;
  // The driver may give the next stream the same number.
  Programs::retire(device, *this);
  if (ContextScope scope(device); scope)
    device.getDriver().streamDestroy.ask(stream);
}

int32_t CudaStream::synchronize() {
  return device.call(device.getDriver().streamSynchronize, stream);
}

int32_t CudaStream::query(bool &isDone) {
  return ask(device, device.getDriver().streamQuery, stream, isDone);
}

int32_t CudaStream::wait(Event &event) {
  return device.call(device.getDriver().streamWaitEvent, stream,
                     static_cast<CudaEvent &>(event).get(), 0u);
}

std::unique_ptr<Stream> CudaDevice::createStream() {
  cuda::Stream stream = nullptr;
  if (call(driver.streamCreate, &stream, unsigned(cuda::kNonBlocking)) != 0)
    return nullptr;
  return std::make_unique<CudaStream>(*this, stream, /*isOwned=*/true);
}

std::unique_ptr<Stream> CudaDevice::wrapStream(void *native) {
  return std::make_unique<CudaStream>(*this, static_cast<cuda::Stream>(native),
                                      /*isOwned=*/false);
}

std::unique_ptr<Event> CudaDevice::createEvent() {
  cuda::Event event = nullptr;
  if (call(driver.eventCreate, &event, 0u) != 0)
    return nullptr;
  return std::make_unique<CudaEvent>(*this, event);
}
