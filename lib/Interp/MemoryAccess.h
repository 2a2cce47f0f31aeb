//===- MemoryAccess.h - The fast path of accesses ---------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Most accesses are of global memory that has been written, inside the
// allocation of the last access, or of the block's own shared memory. What is
// neither goes through Warp::access.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_MEMORYACCESS_H
#define SPARSEDROP_LIB_INTERP_MEMORYACCESS_H

#include "Lanes.h"
#include "Machine.h"

#include <cstring>

namespace sparsedrop::ptx {

/// The bytes of an access of Size bytes, aligned to them; null if the launch
/// has ended.
template <Space Where, unsigned Size>
inline uint8_t *accessFast(Warp &warp, const Inst &inst, unsigned lane,
                           uint64_t address, Access kind) {
  if (Where == Space::Shared) {
    Block &block = warp.getBlock();
    uint64_t offset = address - block.getSharedStart();
    bool isOwn = offset < block.getSharedSize() &&
                 Size <= block.getSharedSize() - offset;
    if (isOwn && address % Size == 0) {
      Violation violation =
          block.getShadow().access(warp.getAgent(), lane, offset, Size, kind);
      if (violation && warp.report(inst, lane, violation) == Flow::Stop)
        return nullptr;
      return block.getShared() + offset;
    }
    return warp.access(inst, lane, Where, address, Size, kind, Size);
  }
  const Allocation *last = warp.getLastAllocation();
  bool isFast = (Where == Space::Global || Where == Space::Generic) && last &&
                address % Size == 0 && last->contains(address, Size) &&
                (isRead(kind) || !last->isReadOnly);
  if (isFast) {
    uint8_t *written = last->written + (address - last->address);
    auto *data = reinterpret_cast<uint8_t *>(address);
    if (!needsValue(kind)) {
      std::memset(written, 1, Size);
      return data;
    }
    uint8_t ones[Size];
    std::memset(ones, 1, Size);
    if (std::memcmp(written, ones, Size) == 0)
      return data;
  }
  return warp.access(inst, lane, Where, address, Size, kind, Size);
}

/// Where a lane's address operand points: base in op[0], offset in imm.
template <bool Is32>
inline uint64_t getAddress(Warp &warp, const Inst &inst, unsigned lane) {
  if (Is32)
    return static_cast<uint32_t>(warp.lanes<uint32_t>(inst.op[0])[lane] +
                                 static_cast<uint32_t>(inst.imm));
  return warp.lanes<uint64_t>(inst.op[0])[lane] + inst.imm;
}

/// Counts a warp's access for the statistics, if they are wanted.
void countAccess(Warp &warp, const Inst &inst, LaneMask mask, Space space,
                 bool is32, unsigned size, bool isWrite);

inline bool collectsStatistics(Warp &warp) {
  return warp.getLaunch().getOptions().collectStatistics;
}

/// Key of an address among those that are used to synchronize.
inline uint64_t getLocationKey(Space space, uint64_t address) {
  return space == Space::Shared ? address | kSharedWindow : address;
}

/// What an atomic access makes known: everything that those did who accessed
/// the address so before, and to those who do so later.
void synchronizeAt(Warp &warp, Space space, uint64_t address);

/// The state space that the modifiers of a memory instruction name: Generic if
/// none.
Space takeSpace(class Decoder &decoder);
/// Takes what says nothing about the result: hints to the caches.
void takeCacheHints(class Decoder &decoder);
/// Takes .cta, .cluster, .gpu, .sys.
bool takeScope(class Decoder &decoder);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_MEMORYACCESS_H
