//===- DeviceInterp.h - The interpreter as a device -------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// libsparsedrop_interp does everything at once; streams and events are made
// here, of a thread for each stream.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_DEVICEINTERP_H
#define SPARSEDROP_LIB_RUNTIME_DEVICEINTERP_H

#include "Device.h"
#include "DeviceQueue.h"

#include "../Interp/Plugin.h"

#include <map>

namespace sparsedrop::runtime {

class InterpDevice : public Device {
public:
  InterpDevice(const ptx::Plugin &plugin, ptx::PluginDevice *device);
  ~InterpDevice() override;

  int32_t describe(sparsedrop_device_info &info) override;
  int32_t synchronize() override;
  int32_t allocate(uint64_t bytes, uint64_t &address) override;
  int32_t free(uint64_t address) override;
  void *allocateHost(uint64_t bytes) override;
  int32_t freeHost(void *memory) override;
  int32_t upload(Stream &stream, uint64_t to, const void *from,
                 uint64_t bytes) override;
  int32_t download(Stream &stream, void *to, uint64_t from,
                   uint64_t bytes) override;
  int32_t copy(Stream &stream, uint64_t to, uint64_t from,
               uint64_t bytes) override;
  int32_t fill(Stream &stream, uint64_t to, uint32_t value,
               int32_t elementBytes, uint64_t count) override;
  int32_t uploadNow(Stream &stream, uint64_t to, const void *from,
                    uint64_t bytes, bool &hasWaited) override;
  bool contains(uint64_t address, uint64_t bytes) override;
  bool isPageLocked(const void *memory, uint64_t bytes) override;
  Stream &getDefaultStream() override { return *defaultStream; }
  std::unique_ptr<Stream> createStream() override;
  std::unique_ptr<Stream> wrapStream(void *native) override;
  std::unique_ptr<Event> createEvent() override;
  std::unique_ptr<Binary> load(std::string_view image) override;
  int32_t encode(const sparsedrop_tensor_map &map, uint8_t *out) override;

  const ptx::Plugin &getPlugin() const { return plugin; }
  /// Waits until no stream has anything left.
  void drain();
  /// Makes the plugin's message the calling thread's; returns 1.
  int32_t failAsPlugin();
  /// A call of the plugin on a stream; `call` returns a status.
  template <typename Call> int32_t enqueue(Stream &stream, Call call);
  void addQueue(Queue *queue);
  /// Drains a queue that is about to go, and keeps its failure.
  void removeQueue(Queue *queue);

private:
  const ptx::Plugin &plugin;
  ptx::PluginDevice *device;
  std::mutex mutex; ///< of the rest
  std::vector<Queue *> queues;
  std::string failure; ///< of a stream that is gone
  std::map<uintptr_t, uint64_t>
      hostMemory; ///< bytes of allocateHost() by place
  std::unique_ptr<Stream> defaultStream;
};

class InterpStream : public Stream {
public:
  explicit InterpStream(InterpDevice &device) : device(device) {
    device.addQueue(&queue);
  }
  ~InterpStream() override;
  int32_t synchronize() override;
  int32_t query(bool &isDone) override;
  int32_t wait(Event &event) override;
  int32_t beginCapture() override;
  int32_t endCapture(std::unique_ptr<Graph> *graph) override;
  Queue &getQueue() { return queue; }
  /// Runs a task in its turn, or records it.
  void add(Queue::Task task);

private:
  InterpDevice &device;
  Queue queue;
  std::unique_ptr<std::vector<Queue::Task>> recorded; ///< in a capture
};

template <typename Call>
int32_t InterpDevice::enqueue(Stream &stream, Call call) {
  const ptx::Plugin &table = plugin;
  static_cast<InterpStream &>(stream).add([&table, call]() -> std::string {
    return call() == 0 ? "" : table.getLastError();
  });
  return 0;
}

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_DEVICEINTERP_H
