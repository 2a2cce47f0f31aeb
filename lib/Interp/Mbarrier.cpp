//===- Mbarrier.cpp - mbarrier objects ------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Mbarrier.h"

#include "AsyncCopy.h"

#include <cstring>

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Counts (ISA 9.7.13.15.2 to 9.7.13.15.7)
//===----------------------------------------------------------------------===//

/// Ends the phase if nothing is pending.
static void completeIfDone(Mbarrier &barrier) {
  if (barrier.pending != 0 || barrier.transactions != 0)
    return;
  ++barrier.phase;
  barrier.pending = barrier.expected;
  barrier.complete = barrier.coming;
  barrier.coming.clear();
}

std::string sparsedrop::ptx::initialize(Mbarrier &barrier, uint32_t count) {
  if (count == 0 || count > kMostCount)
    return "is initialized with " + std::to_string(count) +
           " arrivals, expected 1 to 2^20 - 1";
  barrier = Mbarrier();
  barrier.expected = count;
  barrier.pending = count;
  return {};
}

std::string sparsedrop::ptx::arrive(Mbarrier &barrier, uint32_t count,
                                    bool mustNotComplete) {
  if (count == 0 || count > kMostCount)
    return "gets " + std::to_string(count) +
           " arrivals at once, expected 1 to 2^20 - 1";
  if (count > barrier.pending)
    return "gets " + std::to_string(count) +
           (count == 1 ? " arrival" : " arrivals") + " more, but phase " +
           std::to_string(barrier.phase) + " lacks only " +
           std::to_string(barrier.pending);
  if (mustNotComplete && count == barrier.pending)
    return "completes its phase by an arrival with .noComplete";
  barrier.pending -= count;
  completeIfDone(barrier);
  return {};
}

std::string sparsedrop::ptx::drop(Mbarrier &barrier, uint32_t count) {
  if (count > barrier.expected)
    return "drops " + std::to_string(count) + " arrivals, but expects only " +
           std::to_string(barrier.expected);
  barrier.expected -= count;
  return {};
}

static std::string addBytes(Mbarrier &barrier, int64_t bytes) {
  int64_t sum = barrier.transactions + bytes;
  if (sum > int64_t(kMostCount) || sum < -int64_t(kMostCount))
    return "expects " + std::to_string(sum) +
           " bytes, but its transaction count has a range of 2^20 - 1";
  barrier.transactions = sum;
  return {};
}

std::string sparsedrop::ptx::expectBytes(Mbarrier &barrier, uint32_t bytes) {
  return addBytes(barrier, bytes);
}

std::string sparsedrop::ptx::completeBytes(Mbarrier &barrier, uint32_t bytes) {
  std::string error = addBytes(barrier, -int64_t(bytes));
  if (error.empty())
    completeIfDone(barrier);
  return error;
}

std::string sparsedrop::ptx::addArrival(Mbarrier &barrier, uint32_t count) {
  if (barrier.pending + count > kMostCount)
    return "has more than 2^20 - 1 pending arrivals";
  barrier.pending += count;
  return {};
}

//===----------------------------------------------------------------------===//
// Objects
//===----------------------------------------------------------------------===//

std::string sparsedrop::ptx::describeMbarrier(uint32_t offset) {
  char text[48];
  std::snprintf(text, sizeof(text), "mbarrier at shared-memory offset 0x%x",
                offset);
  return text;
}

Flow sparsedrop::ptx::reportMbarrier(Warp &warp, const Inst &inst,
                                     unsigned lane, uint32_t offset,
                                     const std::string &error) {
  if (error.empty())
    return Flow::Next;
  return warp.report(inst, lane, Check::Fault,
                     "the " + describeMbarrier(offset) + " " + error);
}

/// What an mbarrier's bytes hold.
static uint64_t getMark(uint32_t offset) {
  return 0x6d62617272696572 ^ uint64_t(offset) << 20;
}

/// Whether the warp knows that the mbarrier was initialized: in order, or by a
/// fence.mbarrier_init and a barrier of the cluster, which then may be relaxed.
static bool knowsInitialization(Warp &warp, const MbarrierPlace &place) {
  const Mbarrier &barrier = *place.barrier;
  Agent *by = barrier.initializer;
  if (by == &warp.getAgent() ||
      warp.getAgent().known.covers(by->id, barrier.initTime))
    return true;
  Cluster &cluster = warp.getCluster();
  auto key = std::make_pair(place.block->getRank(), place.offset);
  return barrier.isFenced &&
         ClusterCopies::get(cluster).fences[key] != cluster.getBarrier().phase;
}

bool sparsedrop::ptx::findMbarrier(Warp &warp, const Inst &inst, unsigned lane,
                                   Block &block, uint32_t offset,
                                   MbarrierPlace &place) {
  auto &barriers = block.getMbarriers();
  auto found = barriers.find(offset);
  if (found == barriers.end()) {
    reportMbarrier(warp, inst, lane, offset,
                   "is used, but nothing has initialized it");
    return false;
  }
  place = {&block, offset, &found->second};
  uint64_t mark;
  std::memcpy(&mark, block.getShared() + offset, sizeof(mark));
  if (mark != getMark(offset)) {
    reportMbarrier(warp, inst, lane, offset,
                   "was overwritten by other data, without mbarrier.inval");
    return false;
  }
  if (knowsInitialization(warp, place))
    return true;
  return warp.report(inst, lane, Check::Race,
                     "uses the " + describeMbarrier(offset) +
                         ", which another warp has initialized with no "
                         "barrier between") != Flow::Stop;
}

/// Where an mbarrier's address is; false if the launch has ended.
static bool locateMbarrier(Warp &warp, const Inst &inst, unsigned lane,
                           Space space, uint64_t address, Warp::Place &place) {
  if (!warp.locate(inst, lane, space, address, 8, 8, /*isWrite=*/true, place))
    return false;
  if (place.space == Space::Shared)
    return true;
  warp.report(inst, lane, Check::Fault,
              "the address of an mbarrier is not in shared memory");
  return false;
}

bool sparsedrop::ptx::findMbarrier(Warp &warp, const Inst &inst, unsigned lane,
                                   Space space, uint64_t address,
                                   MbarrierPlace &place) {
  Warp::Place where;
  return locateMbarrier(warp, inst, lane, space, address, where) &&
         findMbarrier(warp, inst, lane, *where.block, where.offset, place);
}

void sparsedrop::ptx::fenceMbarriers(Warp &warp) {
  Cluster &cluster = warp.getCluster();
  uint32_t rank = warp.getBlock().getRank();
  for (auto &[offset, barrier] : warp.getBlock().getMbarriers()) {
    if (barrier.initializer != &warp.getAgent() || barrier.isFenced)
      continue;
    barrier.isFenced = true;
    ClusterCopies::get(cluster).fences[{rank, offset}] =
        cluster.getBarrier().phase;
  }
}

Flow sparsedrop::ptx::makeMbarrier(Warp &warp, const Inst &inst, unsigned lane,
                                   Space space, uint64_t address,
                                   uint32_t count) {
  Warp::Place place;
  if (!locateMbarrier(warp, inst, lane, space, address, place))
    return Flow::Stop;
  if (place.block != &warp.getBlock())
    return reportMbarrier(warp, inst, lane, place.offset,
                          "is in another block, which alone can initialize it");
  auto [entry, isNew] = place.block->getMbarriers().try_emplace(place.offset);
  uint64_t mark = getMark(place.offset), old;
  std::memcpy(&old, place.data, sizeof(old));
  if (!isNew && old == mark)
    return reportMbarrier(warp, inst, lane, place.offset,
                          "is initialized again, without mbarrier.inval");
  Flow flow =
      warp.report(inst, lane,
                  place.block->getShadow().access(
                      warp.getAgent(), lane, place.offset, 8, Access::Write));
  std::string error = initialize(entry->second, count);
  entry->second.initializer = &warp.getAgent();
  entry->second.initTime = warp.getAgent().time;
  std::memcpy(place.data, &mark, sizeof(mark));
  Flow ends = reportMbarrier(warp, inst, lane, place.offset, error);
  return flow == Flow::Stop ? flow : ends;
}

Flow sparsedrop::ptx::removeMbarrier(Warp &warp, const Inst &inst,
                                     unsigned lane, Space space,
                                     uint64_t address) {
  MbarrierPlace place;
  if (!findMbarrier(warp, inst, lane, space, address, place))
    return Flow::Stop;
  if (place.block != &warp.getBlock())
    return reportMbarrier(warp, inst, lane, place.offset,
                          "is in another block, which alone can invalidate it");
  place.block->getMbarriers().erase(place.offset);
  place.block->getShadow().forget(place.offset, 8);
  std::memset(place.block->getShared() + place.offset, 0xFF, 8);
  return Flow::Next;
}
