//===- ProgramPool.h - Memory of programs on a device -----------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_PROGRAMPOOL_H
#define SPARSEDROP_LIB_RUNTIME_PROGRAMPOOL_H

#include "Device.h"

#include <map>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

namespace sparsedrop::runtime {

/// Memory of a device by stream. A freed block serves the stream that it was
/// allocated for again: its work is in order, so nothing waits. Thread-safe.
class Pool {
public:
  struct Statistics {
    uint64_t bytesInUse = 0, bytesPeak = 0; ///< sizes of blocks
    uint64_t misses = 0;                    ///< allocations of the device
    uint64_t synchronizations = 0;
  };

  explicit Pool(Device &device) : device(device) {}

  /// A status; the address is 0 for 0 bytes. `user` is a stream's number, or
  /// what beginGraph() gave.
  int32_t allocate(uint64_t user, uint64_t bytes, uint64_t &address);
  int32_t free(uint64_t address);
  /// Waits, and gives unused blocks back to the device.
  int32_t trim();
  /// A stream is about to go: waits for it if blocks are its own, which any
  /// stream may have then.
  void retire(Stream &stream);
  /// Stands for a graph where else a stream's number does. Nobody else gets
  /// what is allocated for it.
  uint64_t beginGraph();
  /// Nothing of the graph runs any more: its memory is any stream's, unless it
  /// is used, and then when it has been freed.
  void endGraph(uint64_t graph);
  /// Gives everything back to the device, used or not.
  void clear();

  Statistics getStatistics();
  void resetStatistics();

private:
  struct Block {
    uint64_t bytes = 0;
    uint64_t stream = 0; ///< its number, or a graph's
  };
  using Blocks = std::multimap<uint64_t, uint64_t>; ///< addresses by size

  bool take(uint64_t stream, uint64_t size, uint64_t &address, Block &block);
  int32_t map(uint64_t bytes, uint64_t size, uint64_t &address);
  int32_t trimLocked();
  bool knows(uint64_t stream);
  void giveToAll(uint64_t stream);
  bool isGraph(uint64_t user) const { return graphs.count(user) != 0; }

  Device &device;
  std::mutex mutex;                            ///< of the rest
  std::unordered_map<uint64_t, Blocks> unused; ///< by a stream's number
  std::unordered_map<uint64_t, Block> used;    ///< by address
  /// Blocks of graphs count as used until the graph ends.
  std::unordered_set<uint64_t> graphs;
  uint64_t nextGraph = UINT64_MAX - 1; ///< numbers of streams are addresses
  Statistics statistics;
};

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_PROGRAMPOOL_H
