//===- BulkOperands.cpp - Operands of bulk copies -------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BulkOperands.h"

#include "Mbarrier.h"
#include "MemoryAccess.h"

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

bool sparsedrop::ptx::takeDirection(Decoder &decoder,
                                    BulkDirection &direction) {
  std::vector<std::string_view> spaces;
  for (const std::string &word : decoder.get().modifiers)
    if (word == "global" || word == "shared::cta" || word == "shared::cluster")
      spaces.push_back(word);
  if (spaces.size() != 2)
    return decoder.fail("expected the spaces of the destination and of the "
                        "source");
  decoder.take(spaces[0]);
  decoder.take(spaces[1]);
  direction.toGlobal = spaces[0] == "global";
  direction.isOwn = spaces[0] == "shared::cta";
  direction.source = spaces[1] == "global" ? Space::Global : Space::Shared;
  bool isKnown = direction.toGlobal ? spaces[1] == "shared::cta"
                 : direction.isOwn  ? spaces[1] == "global"
                                    : spaces[1] != "shared::cluster";
  return isKnown ||
         decoder.fail("does not copy from ." + std::string(spaces[1]) +
                      " to ." + std::string(spaces[0]));
}

bool sparsedrop::ptx::takePolicy(Decoder &decoder, size_t index) {
  bool hasPolicy = decoder.take("L2::cache_hint");
  if (!decoder.expectOperands(index + hasPolicy))
    return false;
  uint32_t slot;
  return !hasPolicy ||
         takeValue(decoder, decoder.get().operands[index], Type::B64, slot);
}

bool sparsedrop::ptx::takeSignal(Decoder &decoder, size_t index,
                                 BulkSignal &signal) {
  if (!decoder.take("mbarrier::complete_tx::bytes"))
    return decoder.fail("expected .mbarrier::complete_tx::bytes");
  signal.isMulticast = decoder.take("multicast::cluster");
  if (signal.isMulticast && signal.isOwn)
    return decoder.fail("has .multicast::cluster with the destination "
                        ".shared::cta");
  size_t last = index + 1 + signal.isMulticast;
  const std::vector<Operand> &operands = decoder.get().operands;
  return takePolicy(decoder, last) &&
         takeAddress(decoder, operands[index], Space::Shared, signal.barrier) &&
         (!signal.isMulticast ||
          takeValue(decoder, operands[index + 1], Type::U16, signal.blocks));
}

//===----------------------------------------------------------------------===//
// Execution
//===----------------------------------------------------------------------===//

/// The shared address of the same place in another block.
static uint64_t moveToBlock(uint64_t address, uint32_t rank) {
  uint64_t offsets = (uint64_t(1) << kClusterRankShift) - 1;
  return (address & offsets) | uint64_t(rank) << kClusterRankShift;
}

/// In one block.
static Flow startInBlock(Warp &warp, const Inst &inst, unsigned lane,
                         const BulkSignal &signal, uint64_t address,
                         uint64_t barrierAddress, uint32_t align,
                         ClusterCopies::Load load,
                         const std::function<void(uint8_t *)> &write) {
  Warp::Place place;
  MbarrierPlace barrier;
  if (!warp.locate(inst, lane, Space::Shared, address, load.range.size, align,
                   /*isWrite=*/true, place) ||
      !findMbarrier(warp, inst, lane, Space::Shared, barrierAddress, barrier))
    return Flow::Stop;
  if (signal.isOwn && place.block != &warp.getBlock())
    return warp.report(inst, lane, Check::Fault,
                       "the destination is not in the block's shared memory");
  if (barrier.block != place.block)
    return reportMbarrier(warp, inst, lane, barrier.offset,
                          "is in another block than the destination");
  load.warp = &warp;
  load.inst = &inst;
  load.lane = lane;
  load.block = place.block;
  load.range.offset = place.offset;
  load.write = [write, to = place.data] { write(to); };
  return startLoad(std::move(load), *barrier.block, barrier.offset);
}

Flow sparsedrop::ptx::startSignalled(
    Warp &warp, const Inst &inst, unsigned lane, const BulkSignal &signal,
    uint64_t address, uint32_t size, uint32_t align, ClusterCopies::Load load,
    const std::function<void(uint8_t *)> &write) {
  uint64_t barrier = signal.barrier.get(warp, lane);
  load.range.size = size;
  countCopy(warp, size);
  if (!signal.isMulticast)
    return startInBlock(warp, inst, lane, signal, address, barrier, align,
                        std::move(load), write);
  uint32_t blocks = warp.lanes<uint16_t>(signal.blocks)[lane];
  uint32_t count = warp.getCluster().getBlocks().size();
  if (blocks >> count || !blocks)
    return warp.report(inst, lane, Check::Fault,
                       "copies to the blocks of the mask " +
                           std::to_string(blocks) + " in a cluster of " +
                           std::to_string(count));
  for (; blocks; blocks &= blocks - 1) {
    uint32_t rank = __builtin_ctz(blocks);
    if (startInBlock(warp, inst, lane, signal, moveToBlock(address, rank),
                     moveToBlock(barrier, rank), align, load,
                     write) == Flow::Stop)
      return Flow::Stop;
  }
  return Flow::Next;
}
