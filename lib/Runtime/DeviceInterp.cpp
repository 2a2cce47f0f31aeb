//===- DeviceInterp.cpp - The interpreter as a device ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceInterp.h"

#include "DeviceLibrary.h"
#include "Error.h"
#include "Programs.h"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>

using namespace sparsedrop;
using namespace sparsedrop::runtime;

//===----------------------------------------------------------------------===//
// The library
//===----------------------------------------------------------------------===//

static const ptx::Plugin *openPlugin() {
  std::string folder = getLibraryFolder();
  void *library = openLibrary("interpreter", "SPARSEDROP_INTERP_LIBRARY",
                              {folder + "libsparsedrop_interp.so",
                               folder + "libsparsedrop_interp.so.1",
                               "libsparsedrop_interp.so.1"});
  if (!library)
    return nullptr;
  auto get = reinterpret_cast<decltype(&sparsedrop_interp_plugin)>(
      dlsym(library, SPARSEDROP_INTERP_PLUGIN));
  const ptx::Plugin *plugin = get ? get() : nullptr;
  if (plugin && plugin->version == ptx::kPluginVersion)
    return plugin;
  fail(plugin
           ? "the interpreter has version " + std::to_string(plugin->version) +
                 ", but expected " + std::to_string(ptx::kPluginVersion)
           : "the library of the interpreter has no " +
                 std::string(SPARSEDROP_INTERP_PLUGIN));
  return nullptr;
}

/// A failure is not remembered: the variable may be set later.
static const ptx::Plugin *getPlugin() {
  static std::mutex mutex;
  static const ptx::Plugin *plugin = nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  if (!plugin)
    plugin = openPlugin();
  return plugin;
}

int32_t sparsedrop::runtime::countInterpDevices(int32_t &count) {
  count = getPlugin() ? 1 : 0;
  return count ? 0 : 1;
}

std::shared_ptr<Device> sparsedrop::runtime::openInterpDevice(int32_t) {
  const ptx::Plugin *plugin = getPlugin();
  ptx::PluginDevice *device = plugin ? plugin->open() : nullptr;
  if (device)
    return std::make_shared<InterpDevice>(*plugin, device);
  if (plugin)
    fail(plugin->getLastError());
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

InterpDevice::InterpDevice(const ptx::Plugin &plugin, ptx::PluginDevice *device)
    : plugin(plugin), device(device) {
  defaultStream = std::make_unique<InterpStream>(*this);
}

InterpDevice::~InterpDevice() {
  Programs::release(*this);
  defaultStream.reset();
  plugin.close(device);
}

int32_t InterpDevice::failAsPlugin() { return fail(plugin.getLastError()); }

int32_t InterpDevice::describe(sparsedrop_device_info &info) {
  plugin.describe(device, &info);
  return 0;
}

void InterpDevice::addQueue(Queue *queue) {
  std::lock_guard<std::mutex> lock(mutex);
  queues.push_back(queue);
}

void InterpDevice::removeQueue(Queue *queue) {
  queue->drain();
  std::lock_guard<std::mutex> lock(mutex);
  queues.erase(std::find(queues.begin(), queues.end(), queue));
  if (failure.empty())
    failure = queue->takeFailure();
}

void InterpDevice::drain() {
  std::lock_guard<std::mutex> lock(mutex);
  for (Queue *queue : queues)
    queue->drain();
}

int32_t InterpDevice::synchronize() {
  std::lock_guard<std::mutex> lock(mutex);
  std::string first;
  first.swap(failure);
  for (Queue *queue : queues) {
    queue->drain();
    std::string own = queue->takeFailure();
    if (first.empty())
      first = std::move(own);
  }
  return first.empty() ? 0 : fail(first);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

int32_t InterpDevice::allocate(uint64_t bytes, uint64_t &address) {
  address = plugin.allocate(device, bytes);
  return address ? 0 : failAsPlugin();
}

int32_t InterpDevice::free(uint64_t address) {
  drain();
  return plugin.free(device, address) == 0 ? 0 : failAsPlugin();
}

bool InterpDevice::contains(uint64_t address, uint64_t bytes) {
  return plugin.contains(device, address, bytes);
}

void *InterpDevice::allocateHost(uint64_t bytes) {
  void *memory = std::malloc(bytes);
  if (!memory) {
    fail("there is no memory for " + std::to_string(bytes) + " bytes");
    return nullptr;
  }
  std::lock_guard<std::mutex> lock(mutex);
  hostMemory[reinterpret_cast<uintptr_t>(memory)] = bytes;
  return memory;
}

bool InterpDevice::isPageLocked(const void *memory, uint64_t bytes) {
  auto first = reinterpret_cast<uintptr_t>(memory);
  std::lock_guard<std::mutex> lock(mutex);
  auto next = hostMemory.upper_bound(first);
  if (next == hostMemory.begin())
    return false;
  auto &[start, size] = *--next;
  return first - start <= size && bytes <= size - (first - start);
}

int32_t InterpDevice::freeHost(void *memory) {
  drain();
  {
    std::lock_guard<std::mutex> lock(mutex);
    hostMemory.erase(reinterpret_cast<uintptr_t>(memory));
  }
  std::free(memory);
  return 0;
}

int32_t InterpDevice::upload(Stream &stream, uint64_t to, const void *from,
                             uint64_t bytes) {
  return enqueue(stream, [=] { return plugin.write(device, to, from, bytes); });
}

int32_t InterpDevice::uploadNow(Stream &stream, uint64_t to, const void *from,
                                uint64_t bytes, bool &hasWaited) {
  hasWaited = false;
  auto *first = static_cast<const char *>(from);
  auto copy = std::make_shared<const std::vector<char>>(first, first + bytes);
  return enqueue(stream, [=] {
    return plugin.write(device, to, copy->data(), copy->size());
  });
}

int32_t InterpDevice::download(Stream &stream, void *to, uint64_t from,
                               uint64_t bytes) {
  return enqueue(stream, [=] { return plugin.read(device, to, from, bytes); });
}

int32_t InterpDevice::copy(Stream &stream, uint64_t to, uint64_t from,
                           uint64_t bytes) {
  return enqueue(stream, [=] { return plugin.copy(device, to, from, bytes); });
}

int32_t InterpDevice::fill(Stream &stream, uint64_t to, uint32_t value,
                           int32_t elementBytes, uint64_t count) {
  return enqueue(stream, [=] {
    return plugin.fill(device, to, value, elementBytes, count);
  });
}

//===----------------------------------------------------------------------===//
// Streams and events
//===----------------------------------------------------------------------===//

namespace {
class InterpEvent : public Event {
public:
  int32_t record(Stream &stream) override {
    auto next = std::make_shared<Milestone>();
    static_cast<InterpStream &>(stream).getQueue().push(next);
    std::lock_guard<std::mutex> lock(mutex);
    milestone = std::move(next);
    return 0;
  }

  int32_t synchronize() override {
    std::shared_ptr<Milestone> last = getLast();
    std::string failure = last ? last->wait() : "";
    return failure.empty() ? 0 : fail(failure);
  }

  int32_t query(bool &isDone) override {
    std::shared_ptr<Milestone> last = getLast();
    isDone = !last || last->isReached();
    return isDone ? synchronize() : 0;
  }

  int32_t getElapsed(Event &start, double &milliseconds) override {
    std::shared_ptr<Milestone> from =
        static_cast<InterpEvent &>(start).getLast();
    std::shared_ptr<Milestone> to = getLast();
    if (!from || !to || !from->isReached() || !to->isReached())
      return fail("an event has not been recorded, or is not done yet");
    std::chrono::duration<double, std::milli> took =
        to->getTime() - from->getTime();
    milliseconds = took.count();
    return 0;
  }

  /// The last record, or null.
  std::shared_ptr<Milestone> getLast() {
    std::lock_guard<std::mutex> lock(mutex);
    return milestone;
  }

private:
  std::mutex mutex;
  std::shared_ptr<Milestone> milestone;
};
} // namespace

InterpStream::~InterpStream() {
  device.removeQueue(&queue);
  Programs::retire(device, *this);
}

int32_t InterpStream::synchronize() {
  queue.drain();
  std::string failure = queue.takeFailure();
  return failure.empty() ? 0 : fail(failure);
}

int32_t InterpStream::query(bool &isDone) {
  isDone = queue.isIdle();
  return isDone ? synchronize() : 0;
}

int32_t InterpStream::wait(Event &event) {
  std::shared_ptr<Milestone> last = static_cast<InterpEvent &>(event).getLast();
  if (last)
    queue.push(Queue::Task([last] { return last->wait(); }));
  return 0;
}

std::unique_ptr<Stream> InterpDevice::createStream() {
  return std::make_unique<InterpStream>(*this);
}

std::unique_ptr<Stream> InterpDevice::wrapStream(void *) {
  fail("the interpreter has no streams but its own");
  return nullptr;
}

std::unique_ptr<Event> InterpDevice::createEvent() {
  return std::make_unique<InterpEvent>();
}

//===----------------------------------------------------------------------===//
// Binaries and kernels
//===----------------------------------------------------------------------===//

namespace {
class InterpKernel : public Kernel {
public:
  InterpKernel(InterpDevice &device, ptx::PluginKernel *kernel)
      : device(device), kernel(kernel) {}

  int32_t describe(sparsedrop_kernel_info &info) override {
    device.getPlugin().describeKernel(kernel, &info);
    count = info.parameterCount;
    return 0;
  }

  std::vector<uint64_t> getParameterBytes() override {
    std::vector<uint64_t> bytes;
    for (int32_t i = 0; i < count; ++i)
      bytes.push_back(device.getPlugin().getParameterBytes(kernel, i));
    return bytes;
  }

  int32_t launch(Stream &stream, const sparsedrop_launch &launch) override {
    const ptx::Plugin &plugin = device.getPlugin();
    std::shared_ptr<ptx::PluginLaunch> prepared(
        plugin.prepare(kernel, &launch), [&plugin](ptx::PluginLaunch *gone) {
          if (gone)
            plugin.release(gone);
        });
    if (!prepared)
      return device.failAsPlugin();
    return device.enqueue(
        stream, [&plugin, prepared] { return plugin.run(prepared.get()); });
  }

private:
  InterpDevice &device;
  ptx::PluginKernel *kernel;
  int32_t count = 0;
};

class InterpBinary : public Binary {
public:
  InterpBinary(InterpDevice &device, ptx::PluginProgram *program)
      : device(device), program(program) {}
  ~InterpBinary() override {
    device.drain();
    device.getPlugin().unload(program);
  }

  int32_t findVariable(const char *name, uint64_t &address,
                       uint64_t &bytes) override {
    int32_t status =
        device.getPlugin().findVariable(program, name, &address, &bytes);
    return status == 0 ? 0 : device.failAsPlugin();
  }

  std::unique_ptr<Kernel> findKernel(const char *name) override {
    if (ptx::PluginKernel *found = device.getPlugin().findKernel(program, name))
      return std::make_unique<InterpKernel>(device, found);
    device.failAsPlugin();
    return nullptr;
  }

private:
  InterpDevice &device;
  ptx::PluginProgram *program;
};
} // namespace

std::unique_ptr<Binary> InterpDevice::load(std::string_view image) {
  // ELF, and the header of a fatbin.
  for (std::string_view magic : {"\x7f"
                                 "ELF",
                                 "\x50\xed\x55\xba"}) {
    if (image.substr(0, 4) != magic)
      continue;
    fail("the interpreter executes PTX, but got machine code");
    return nullptr;
  }
  ptx::PluginProgram *program = plugin.load(device, image.data(), image.size());
  if (program)
    return std::make_unique<InterpBinary>(*this, program);
  failAsPlugin();
  return nullptr;
}

int32_t InterpDevice::encode(const sparsedrop_tensor_map &map, uint8_t *out) {
  return plugin.encode(&map, out) == 0 ? 0 : failAsPlugin();
}
