//===- BulkOperands.h - Operands of bulk copies -----------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_BULKOPERANDS_H
#define SPARSEDROP_LIB_INTERP_BULKOPERANDS_H

#include "AsyncCopy.h"
#include "CopyOperands.h"

namespace sparsedrop::ptx {

/// From where to where a bulk copy goes: .dst.src.
struct BulkDirection {
  bool toGlobal = false;
  bool isOwn = false; ///< .shared::cta: the destination is the block's own
  Space source = Space::Global;
};
bool takeDirection(Decoder &decoder, BulkDirection &direction);

/// The mbarrier of a copy to shared memory, and the blocks that get it.
struct BulkSignal {
  AddressSource barrier;
  bool isOwn = false;
  bool isMulticast = false;
  uint32_t blocks = 0; ///< slot of the mask
};
/// Takes .mbarrier::complete_tx::bytes, {.multicast::cluster} and the operands
/// from number `index` on: the mbarrier, the mask, the cache policy.
bool takeSignal(Decoder &decoder, size_t index, BulkSignal &signal);
/// Takes {.L2::cache_hint} and, if it is there, operand `index`; there must be
/// no more operands.
bool takePolicy(Decoder &decoder, size_t index);

/// A copy of `size` bytes to a shared address that signals an mbarrier, in each
/// block of a multicast. `load` has all but the destinations; `write` writes to
/// one.
Flow startSignalled(Warp &warp, const Inst &inst, unsigned lane,
                    const BulkSignal &signal, uint64_t address, uint32_t size,
                    uint32_t align, ClusterCopies::Load load,
                    const std::function<void(uint8_t *)> &write);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_BULKOPERANDS_H
