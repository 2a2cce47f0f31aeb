//===- AsyncCopy.h - Copies under way ---------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An asynchronous copy checks its operands when it is issued, and moves its
// bytes as late as may be: when somebody waits for them (ISA 9.7.9.25). Three
// kinds are waited for in three ways:
//
//   cp.async        by its thread, in groups           CopyState::copies
//   loads in bulk   by those who look at an mbarrier   ClusterCopies
//   stores in bulk  by their thread, in bulk groups    CopyState::stores
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_ASYNCCOPY_H
#define SPARSEDROP_LIB_INTERP_ASYNCCOPY_H

#include "Machine.h"

#include <deque>
#include <functional>
#include <map>

namespace sparsedrop::ptx {

class Decoder;

/// Bytes of a block's shared memory.
struct SharedRange {
  uint32_t offset = 0, size = 0;
};

/// Copies of a warp that its own lanes wait for.
struct CopyState {
  /// A cp.async of some lanes, all of which have committed as many groups.
  struct Copy {
    LaneMask mask = 0; ///< lanes whose bytes have not landed
    uint32_t group = 0;
    uint64_t number = 0;
    uint8_t size = 0; ///< bytes of each lane
    uint8_t sourceSizes[kNumLanes] = {};
    uint32_t offsets[kNumLanes] = {}; ///< in shared memory
    const uint8_t *sources[kNumLanes] = {};
  };
  /// A bulk copy from shared memory to global memory.
  struct Store {
    const Inst *inst = nullptr;
    unsigned lane = 0;
    uint32_t group = 0;
    SharedRange source;
    std::vector<SharedRange> reads; ///< what of it is read
    std::vector<uint8_t> bytes;     ///< of the source, once they were read
    bool isRead = false;
    /// Writes the bytes.
    std::function<void(const uint8_t *bytes)> write;
  };

  std::deque<Copy> copies;
  std::deque<Store> stores;
  /// Groups that a lane has committed: what it issues belongs to the next one.
  std::array<uint32_t, kNumLanes> numGroups{}, numBulkGroups{};
  uint64_t numCopies = 0;
  bool hasArrivals = false; ///< cp.async.mbarrier.arrive was used

  static CopyState &get(Warp &warp) {
    if (!warp.copies)
      warp.copies = std::make_unique<CopyState>();
    return *warp.copies;
  }
};

/// Copies that mbarriers of the cluster track.
struct ClusterCopies {
  /// A copy to shared memory of some block.
  struct Load {
    Warp *warp = nullptr; ///< who issued it
    const Inst *inst = nullptr;
    unsigned lane = 0;
    Block *block = nullptr; ///< the destination
    SharedRange range;
    uint32_t bytes = 0; ///< that the mbarrier counts
    Proxy proxy = Proxy::Async;
    bool isReduction = false;
    SharedRange source;          ///< in the issuer's shared memory, if any
    std::function<void()> write; ///< writes the destination
  };
  /// cp.async.mbarrier.arrive of some lanes.
  struct Arrival {
    Warp *warp = nullptr;
    const Inst *inst = nullptr;
    LaneMask mask = 0;
    uint64_t number = 0; ///< for copies before this one
  };
  struct Tracked {
    std::vector<Load> loads;
    std::vector<Arrival> arrivals;
  };

  /// By the mbarrier: rank of the block, and offset.
  std::map<std::pair<uint32_t, uint32_t>, Tracked> tracked;
  /// Phase of the cluster's barrier when an mbarrier was fenced.
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> fences;

  static ClusterCopies &get(Cluster &cluster) {
    if (!cluster.copies)
      cluster.copies = std::make_unique<ClusterCopies>();
    return *cluster.copies;
  }
};

//===----------------------------------------------------------------------===//
// Landing (CopyLanding.cpp)
//===----------------------------------------------------------------------===//

/// A load is under way: its destination is poison until somebody who looks at
/// the mbarrier makes it land.
Flow startLoad(ClusterCopies::Load load, Block &barrierBlock,
               uint32_t barrierOffset);
/// Somebody looks at an mbarrier: all that it tracks lands.
Flow landCopies(Block &block, uint32_t offset);
/// cp.async of some lanes, issued before copy `number` and in groups before
/// `group`, land as writes of `agent`.
void landLaneCopies(Warp &warp, LaneMask lanes, uint32_t group, uint64_t number,
                    const Agent &agent, bool isLane);

/// A warp has exited, a block's cluster has ended.
void finishCopies(Warp &warp);
void finishCopies(Block &block);

//===----------------------------------------------------------------------===//
// Bulk groups (BulkGroups.cpp)
//===----------------------------------------------------------------------===//

/// A store is under way.
Flow startStore(Warp &warp, CopyState::Store store);
/// Reads a store's source; writes its destination.
void readStore(Warp &warp, CopyState::Store &store);
void writeStore(Warp &warp, CopyState::Store &store);

//===----------------------------------------------------------------------===//
// Functions of opcodes
//===----------------------------------------------------------------------===//

bool decodeBulkCopy(Decoder &decoder, bool isReduction);   // BulkCopy.cpp
bool decodeBulkPrefetch(Decoder &decoder);                 // BulkCopy.cpp
bool decodeBulkGroup(Decoder &decoder);                    // BulkGroups.cpp
bool decodeBulkTensor(Decoder &decoder, bool isReduction); // BulkTensor.cpp
bool decodeStoreAsync(Decoder &decoder);                   // StoreAsync.cpp
bool decodeReduceAsync(Decoder &decoder);                  // StoreAsync.cpp
bool decodeTensorMapReplace(Decoder &decoder); // TensorMapReplace.cpp

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_ASYNCCOPY_H
