//===- Mbarrier.h - mbarrier objects ----------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// mbarriers (ISA 9.7.13.15). What they count is beside the shared memory; their
// 8 bytes there hold a word that tells whether somebody has written over them.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_MBARRIER_H
#define SPARSEDROP_LIB_INTERP_MBARRIER_H

#include "Decoder.h"
#include "Machine.h"

namespace sparsedrop::ptx {

//===----------------------------------------------------------------------===//
// Counts; each returns what is wrong, or ""
//===----------------------------------------------------------------------===//

/// The most that pending arrivals, expected arrivals and bytes may be.
constexpr uint32_t kMostCount = (1u << 20) - 1;

std::string initialize(Mbarrier &barrier, uint32_t count);
/// Arrivals. With `mustNotComplete` (.noComplete) the last ones are refused.
std::string arrive(Mbarrier &barrier, uint32_t count,
                   bool mustNotComplete = false);
/// The phases after this one expect fewer arrivals (.arrive_drop).
std::string drop(Mbarrier &barrier, uint32_t count);
std::string expectBytes(Mbarrier &barrier, uint32_t bytes);
std::string completeBytes(Mbarrier &barrier, uint32_t bytes);
/// One more arrival in this phase (cp.async.mbarrier.arrive).
std::string addArrival(Mbarrier &barrier, uint32_t count);

/// What mbarrier.arrive returns: the phase, and the pending arrivals.
inline uint64_t getState(const Mbarrier &barrier) {
  return uint64_t(barrier.phase) << 32 | uint64_t(barrier.pending);
}

//===----------------------------------------------------------------------===//
// Objects
//===----------------------------------------------------------------------===//

/// An mbarrier that a lane uses.
struct MbarrierPlace {
  Block *block = nullptr;
  uint32_t offset = 0; ///< in the block's shared memory
  Mbarrier *barrier = nullptr;
};

/// The mbarrier at an address; false if the launch has ended, because there is
/// none.
bool findMbarrier(Warp &warp, const Inst &inst, unsigned lane, Space space,
                  uint64_t address, MbarrierPlace &place);
/// The one at an offset of a block.
bool findMbarrier(Warp &warp, const Inst &inst, unsigned lane, Block &block,
                  uint32_t offset, MbarrierPlace &place);
/// mbarrier.init, mbarrier.inval.
Flow makeMbarrier(Warp &warp, const Inst &inst, unsigned lane, Space space,
                  uint64_t address, uint32_t count);
Flow removeMbarrier(Warp &warp, const Inst &inst, unsigned lane, Space space,
                    uint64_t address);
/// Reports that something is wrong with an mbarrier; Next if nothing is.
Flow reportMbarrier(Warp &warp, const Inst &inst, unsigned lane,
                    uint32_t offset, const std::string &error);
/// "mbarrier at shared-memory offset 0x40".
std::string describeMbarrier(uint32_t offset);

/// fence.mbarrier_init, fence.proxy.async: others may use the mbarriers that
/// this warp has initialized.
void fenceMbarriers(Warp &warp);

/// The opcode cp.async.mbarrier.arrive.
bool decodeCopyArrive(Decoder &decoder); // AsyncCopy.cpp

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_MBARRIER_H
