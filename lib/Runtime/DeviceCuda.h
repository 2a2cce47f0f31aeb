//===- DeviceCuda.h - GPUs through the CUDA driver --------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_DEVICECUDA_H
#define SPARSEDROP_LIB_RUNTIME_DEVICECUDA_H

#include "Device.h"
#include "DeviceCudaDriver.h"

#include <mutex>

namespace sparsedrop::runtime {

class CudaDevice;

/// Makes the device's context the calling thread's while it lives.
class ContextScope {
public:
  explicit ContextScope(const CudaDevice &device);
  ~ContextScope();
  /// Whether the context is there; if not, fail() has been called.
  explicit operator bool() const { return isThere; }

private:
  const cuda::Driver &driver;
  bool isThere = true, isPushed = false;
};

class CudaStream : public Stream {
public:
  CudaStream(CudaDevice &device, cuda::Stream stream, bool isOwned)
      : device(device), stream(stream), isOwned(isOwned) {}
  ~CudaStream() override;
  int32_t synchronize() override;
  int32_t query(bool &isDone) override;
  int32_t wait(Event &event) override;
  int32_t beginCapture() override;
  int32_t endCapture(std::unique_ptr<Graph> *graph) override;
  bool isRecorded() override;
  cuda::Stream get() const { return stream; }
  uint64_t getNumber() const override;
  static cuda::Stream get(Stream &stream) {
    return static_cast<CudaStream &>(stream).get();
  }

private:
  CudaDevice &device;
  cuda::Stream stream;
  bool isOwned;
};

class CudaDevice : public Device {
public:
  CudaDevice(const cuda::Driver &driver, cuda::DeviceId id,
             cuda::Context context)
      : driver(driver), id(id), context(context),
        defaultStream(*this, nullptr, /*isOwned=*/false) {}
  ~CudaDevice() override;

  int32_t describe(sparsedrop_device_info &info) override;
  int32_t synchronize() override;
  int32_t allocate(uint64_t bytes, uint64_t &address) override;
  int32_t free(uint64_t address) override;
  void *allocateHost(uint64_t bytes) override;
  int32_t freeHost(void *memory) override;
  int32_t upload(Stream &stream, uint64_t to, const void *from,
                 uint64_t bytes) override;
  int32_t uploadNow(Stream &stream, uint64_t to, const void *from,
                    uint64_t bytes, bool &hasWaited) override;
  int32_t download(Stream &stream, void *to, uint64_t from,
                   uint64_t bytes) override;
  int32_t copy(Stream &stream, uint64_t to, uint64_t from,
               uint64_t bytes) override;
  int32_t fill(Stream &stream, uint64_t to, uint32_t value,
               int32_t elementBytes, uint64_t count) override;
  bool contains(uint64_t address, uint64_t bytes) override;
  bool isPageLocked(const void *memory, uint64_t bytes) override;
  Stream &getDefaultStream() override { return defaultStream; }
  std::unique_ptr<Stream> createStream() override;
  std::unique_ptr<Stream> wrapStream(void *native) override;
  std::unique_ptr<Event> createEvent() override;
  std::unique_ptr<Binary> load(std::string_view image) override;
  int32_t encode(const sparsedrop_tensor_map &map, uint8_t *out) override;

  const cuda::Driver &getDriver() const { return driver; }
  cuda::Context getContext() const { return context; }
  /// A call of the driver in the device's context.
  template <typename Function, typename... Args>
  int32_t call(const Function &function, Args... args) const {
    ContextScope scope(*this);
    return scope ? function(args...) : 1;
  }

private:
  const cuda::Driver &driver;
  cuda::DeviceId id;
  cuda::Context context;
  CudaStream defaultStream; ///< the one that the driver calls legacy
};

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_DEVICECUDA_H
