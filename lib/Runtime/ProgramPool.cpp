//===- ProgramPool.cpp - Memory of programs on a device -------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramPool.h"

#include "DeviceCapture.h"
#include "Error.h"

#include <algorithm>
#include <string>

using namespace sparsedrop::runtime;

/// Instead of a stream's number: all work on the block is done.
static constexpr uint64_t kAnyStream = UINT64_MAX;

/// Sizes are rounded up to steps of an eighth of their power of two, so that
/// the temporaries of steps with other patterns fit into each other's places.
/// 0 when the size cannot be represented.
static uint64_t roundUp(uint64_t bytes) {
  if (bytes > UINT64_MAX / 4)
    return 0;
  uint64_t step = 256;
  while (step * 16 <= bytes)
    step *= 2;
  return (bytes + step - 1) / step * step;
}

/// Takes the smallest unused block that is not more than twice as large.
bool Pool::take(uint64_t stream, uint64_t size, uint64_t &address,
                Block &block) {
  auto blocks = unused.find(stream);
  if (blocks == unused.end())
    return false;
  auto found = blocks->second.lower_bound(size);
  if (found == blocks->second.end() || found->first / 2 > size)
    return false;
  block.bytes = found->first;
  address = found->second;
  blocks->second.erase(found);
  return true;
}

/// A new block from the device.
int32_t Pool::map(uint64_t bytes, uint64_t size, uint64_t &address) {
  auto allocate = [&] {
    return size ? device.allocate(size, address)
                : fail("no device has so much memory");
  };
  ++statistics.misses;
  std::string error = attempt(allocate);
  // Nobody can wait during a capture.
  if (!error.empty() && device.captures != 0)
    error += "; while a stream is captured, no unused blocks can be given back "
             "(sparsedrop_program_trim does that before)";
  else if (!error.empty() && size) {
    // What other streams have left may be what is missing.
    if (trimLocked() != 0)
      return 1;
    error = attempt(allocate);
  }
  if (error.empty())
    return 0;
  address = 0;
  sparsedrop_device_info info = {};
  attempt([&] { return device.describe(info); });
  return fail("out of memory of the device: " + std::to_string(bytes) +
              " bytes were asked for, programs use " +
              std::to_string(statistics.bytesInUse) + " of " +
              std::to_string(info.memoryBytes) + " bytes: " + error);
}

int32_t Pool::allocate(uint64_t user, uint64_t bytes, uint64_t &address) {
  address = 0;
  if (bytes == 0)
    return 0;
  std::lock_guard<std::mutex> lock(mutex);
  Block block = {roundUp(bytes), user};
  bool isOwn = take(user, block.bytes, address, block);
  if (!isOwn && !take(kAnyStream, block.bytes, address, block) &&
      map(bytes, block.bytes, address) != 0)
    return 1;
  used[address] = block;
  if (!isOwn || !isGraph(user))
    statistics.bytesInUse += block.bytes;
  statistics.bytesPeak = std::max(statistics.bytesPeak, statistics.bytesInUse);
  return 0;
}

int32_t Pool::free(uint64_t address) {
  if (address == 0)
    return 0;
  std::lock_guard<std::mutex> lock(mutex);
  auto found = used.find(address);
  if (found == used.end())
    return fail("cannot free an address that no program has allocated");
  Block block = found->second;
  if (!isGraph(block.stream))
    statistics.bytesInUse -= block.bytes;
  unused[block.stream].insert({block.bytes, address});
  used.erase(found);
  return 0;
}

int32_t Pool::trim() {
  std::lock_guard<std::mutex> lock(mutex);
  return trimLocked();
}

int32_t Pool::trimLocked() {
  // What is still in use must not be given back.
  if (refuseCaptures(device) != 0)
    return 1;
  ++statistics.synchronizations;
  int32_t status = device.synchronize();
  for (auto entry = unused.begin(); entry != unused.end();) {
    if (isGraph(entry->first)) {
      ++entry;
      continue;
    }
    for (auto &[bytes, address] : entry->second)
      status |= device.free(address);
    entry = unused.erase(entry);
  }
  return status;
}

bool Pool::knows(uint64_t stream) {
  std::lock_guard<std::mutex> lock(mutex);
  return unused.count(stream) ||
         std::any_of(used.begin(), used.end(), [&](const auto &entry) {
           return entry.second.stream == stream;
         });
}

void Pool::retire(Stream &stream) {
  uint64_t number = stream.getNumber();
  if (!knows(number))
    return;
  attempt([&] { return stream.synchronize(); });
  std::lock_guard<std::mutex> lock(mutex);
  ++statistics.synchronizations;
  giveToAll(number);
}

/// All work on the blocks of a stream, or of a graph, is done.
void Pool::giveToAll(uint64_t stream) {
  for (auto &[address, block] : used)
    if (block.stream == stream)
      block.stream = kAnyStream;
  auto own = unused.find(stream);
  if (own == unused.end())
    return;
  Blocks blocks = std::move(own->second);
  unused.erase(own);
  unused[kAnyStream].merge(blocks);
}

uint64_t Pool::beginGraph() {
  std::lock_guard<std::mutex> lock(mutex);
  graphs.insert(nextGraph);
  return nextGraph--;
}

void Pool::endGraph(uint64_t graph) {
  std::lock_guard<std::mutex> lock(mutex);
  graphs.erase(graph);
  if (auto own = unused.find(graph); own != unused.end())
    for (auto &[bytes, address] : own->second)
      statistics.bytesInUse -= bytes;
  giveToAll(graph);
}

void Pool::clear() {
  std::lock_guard<std::mutex> lock(mutex);
  attempt([&] {
    trimLocked();
    for (auto &[address, block] : used)
      device.free(address);
    return 0;
  });
  used.clear();
}

Pool::Statistics Pool::getStatistics() {
  std::lock_guard<std::mutex> lock(mutex);
  return statistics;
}

void Pool::resetStatistics() {
  std::lock_guard<std::mutex> lock(mutex);
  uint64_t bytes = statistics.bytesInUse;
  statistics = {bytes, bytes, 0, 0};
}
