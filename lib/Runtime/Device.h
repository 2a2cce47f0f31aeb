//===- Device.h - What a kind of device implements --------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Behind sparsedrop-c/Device.h. Functions return a status: 0, or 1 after
// fail(). Arguments were checked as far as that does not need the device; all
// objects that meet are of one device.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_DEVICE_H
#define SPARSEDROP_LIB_RUNTIME_DEVICE_H

#include "sparsedrop-c/Device.h"

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sparsedrop::runtime {

class Device;
class Event;
class Stream;

/// Work that was recorded once, to be enqueued by one call.
class Graph {
public:
  virtual ~Graph() = default;
  /// Comes after all earlier launches of it, also of those on other streams.
  virtual int32_t launch(Stream &stream) = 0;
  /// Waits until no launch of it runs. Failures are left to those that ask for
  /// them.
  virtual void wait() = 0;
};

/// A stream that records what is enqueued on it instead of running it.
struct StreamCapture {
  explicit StreamCapture(Device &device);
  ~StreamCapture();
  StreamCapture(const StreamCapture &) = delete;
  StreamCapture &operator=(const StreamCapture &) = delete;

  Device &device;
  /// The first call that cannot be recorded, or "": there will be no graph.
  std::string failure;
  /// What the graph needs as long as it lives.
  std::vector<std::shared_ptr<void>> kept;
};

class Stream {
public:
  virtual ~Stream() = default;
  /// Work of streams with the same number is in order; never UINT64_MAX.
  virtual uint64_t getNumber() const {
    return reinterpret_cast<uintptr_t>(this);
  }
  virtual int32_t synchronize() = 0;
  virtual int32_t query(bool &isDone) = 0;
  virtual int32_t wait(Event &event) = 0;

  virtual int32_t beginCapture() = 0;
  /// Ends it also when it fails. With null what was recorded is forgotten.
  virtual int32_t endCapture(std::unique_ptr<Graph> *graph) = 0;
  /// Whether the driver records the stream, through whatever handle.
  virtual bool isRecorded() { return capture != nullptr; }

  /// Other than null between sparsedrop_capture_begin() and its end.
  std::unique_ptr<StreamCapture> capture;
};

class Event {
public:
  virtual ~Event() = default;
  virtual int32_t record(Stream &stream) = 0;
  virtual int32_t synchronize() = 0;
  virtual int32_t query(bool &isDone) = 0;
  virtual int32_t getElapsed(Event &start, double &milliseconds) = 0;
};

class Kernel {
public:
  virtual ~Kernel() = default;
  /// Asked once, when it is found.
  virtual int32_t describe(sparsedrop_kernel_info &info) = 0;
  /// Bytes of each parameter; called if describe() knows how many there are.
  virtual std::vector<uint64_t> getParameterBytes() = 0;
  virtual int32_t launch(Stream &stream, const sparsedrop_launch &launch) = 0;
};

class Binary {
public:
  virtual ~Binary() = default;
  virtual int32_t findVariable(const char *name, uint64_t &address,
                               uint64_t &bytes) = 0;
  /// Null after fail().
  virtual std::unique_ptr<Kernel> findKernel(const char *name) = 0;
};

/// Outlives what it creates: the handles see to that.
class Device {
public:
  virtual ~Device() = default;

  /// Asked once, when it is opened.
  virtual int32_t describe(sparsedrop_device_info &info) = 0;
  virtual int32_t synchronize() = 0;

  virtual int32_t allocate(uint64_t bytes, uint64_t &address) = 0;
  virtual int32_t free(uint64_t address) = 0;
  virtual void *allocateHost(uint64_t bytes) = 0;
  virtual int32_t freeHost(void *memory) = 0;
  virtual int32_t upload(Stream &stream, uint64_t to, const void *from,
                         uint64_t bytes) = 0;
  virtual int32_t download(Stream &stream, void *to, uint64_t from,
                           uint64_t bytes) = 0;
  virtual int32_t copy(Stream &stream, uint64_t to, uint64_t from,
                       uint64_t bytes) = 0;
  /// An upload whose source may change when the call returns; `hasWaited` says
  /// whether that took waiting for the stream.
  virtual int32_t uploadNow(Stream &stream, uint64_t to, const void *from,
                            uint64_t bytes, bool &hasWaited) = 0;
  /// Whether a range, of at least one byte, lies in the device's memory.
  virtual bool contains(uint64_t address, uint64_t bytes) = 0;
  /// The same of page-locked memory of the host.
  virtual bool isPageLocked(const void *memory, uint64_t bytes) = 0;
  virtual int32_t fill(Stream &stream, uint64_t to, uint32_t value,
                       int32_t elementBytes, uint64_t count) = 0;

  virtual Stream &getDefaultStream() = 0;
  // Null after fail().
  virtual std::unique_ptr<Stream> createStream() = 0;
  virtual std::unique_ptr<Stream> wrapStream(void *native) = 0;
  virtual std::unique_ptr<Event> createEvent() = 0;
  virtual std::unique_ptr<Binary> load(std::string_view image) = 0;

  virtual int32_t encode(const sparsedrop_tensor_map &map, uint8_t *out) = 0;

  std::atomic<int32_t> captures{0}; ///< streams that record
};

inline StreamCapture::StreamCapture(Device &device) : device(device) {
  ++device.captures;
}
inline StreamCapture::~StreamCapture() { --device.captures; }

/// A kind of device. `open` gives null after fail().
struct DeviceKind {
  std::string_view name;
  int32_t (*count)(int32_t &count);
  std::shared_ptr<Device> (*open)(int32_t ordinal);
};

int32_t countCudaDevices(int32_t &count);
std::shared_ptr<Device> openCudaDevice(int32_t ordinal);
int32_t countInterpDevices(int32_t &count);
std::shared_ptr<Device> openInterpDevice(int32_t ordinal);

/// What is wrong with a launch as far as that shows without the driver, or "".
std::string checkLaunch(const sparsedrop_launch &launch,
                        const sparsedrop_device_info &device,
                        const sparsedrop_kernel_info &kernel,
                        const std::vector<uint64_t> &parameterBytes);

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_DEVICE_H
