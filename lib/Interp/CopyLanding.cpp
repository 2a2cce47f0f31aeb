//===- CopyLanding.cpp - Where asynchronous copies land -------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AsyncCopy.h"
#include "Mbarrier.h"

#include <cstring>

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Loads that an mbarrier tracks
//===----------------------------------------------------------------------===//

Flow sparsedrop::ptx::startLoad(ClusterCopies::Load load, Block &barrierBlock,
                                uint32_t barrierOffset) {
  Warp &warp = *load.warp;
  Agent &agent = warp.getAsyncAgent();
  agent.acquire(warp.getAgent());
  Flow flow = Flow::Next;
  if (load.source.size)
    flow = warp.report(*load.inst, load.lane,
                       warp.getBlock().getShadow().beginAsyncRead(
                           agent, SharedShadow::kAnyLane, load.source.offset,
                           load.source.size));
  // Others may reduce into the same bytes at the same time.
  if (flow != Flow::Stop && !load.isReduction)
    flow = warp.report(*load.inst, load.lane,
                       load.block->getShadow().beginAsyncWrite(
                           agent, SharedShadow::kAnyLane, load.range.offset,
                           load.range.size, load.proxy));
  auto key = std::make_pair(barrierBlock.getRank(), barrierOffset);
  ClusterCopies::get(warp.getCluster())
      .tracked[key]
      .loads.push_back(std::move(load));
  warp.getCluster().progress();
  return flow;
}

/// Moves a load's bytes; they are known to those who know the mbarrier's phase.
static Flow landLoad(ClusterCopies::Load &load, Mbarrier &barrier,
                     uint32_t offset) {
  Warp &warp = *load.warp;
  Agent &agent = warp.getAsyncAgent();
  SharedShadow &shadow = load.block->getShadow();
  Flow flow = Flow::Next;
  load.write();
  if (load.isReduction)
    flow = warp.report(*load.inst, load.lane,
                       shadow.access(agent, SharedShadow::kAnyLane,
                                     load.range.offset, load.range.size,
                                     Access::Atomic, load.proxy));
  else
    shadow.endAsyncWrite(agent, SharedShadow::kAnyLane, load.range.offset,
                         load.range.size, load.proxy);
  if (load.source.size)
    warp.getBlock().getShadow().endAsyncRead(load.source.offset,
                                             load.source.size);
  agent.release(barrier.coming);
  if (flow == Flow::Stop)
    return flow;
  return reportMbarrier(warp, *load.inst, load.lane, offset,
                        completeBytes(barrier, load.bytes));
}

static Flow landArrival(ClusterCopies::Arrival &arrival, Mbarrier &barrier,
                        uint32_t offset) {
  Warp &warp = *arrival.warp;
  constexpr uint32_t kAnyGroup = ~0u;
  landLaneCopies(warp, arrival.mask, kAnyGroup, arrival.number,
                 warp.getAsyncAgent(), /*isLane=*/false);
  warp.getAsyncAgent().release(barrier.coming);
  return reportMbarrier(warp, *arrival.inst, __builtin_ctz(arrival.mask),
                        offset,
                        arrive(barrier, __builtin_popcount(arrival.mask)));
}

Flow sparsedrop::ptx::landCopies(Block &block, uint32_t offset) {
  Cluster &cluster = block.getCluster();
  if (!cluster.copies)
    return Flow::Next;
  auto &tracked = cluster.copies->tracked;
  auto found = tracked.find({block.getRank(), offset});
  auto barrier = block.getMbarriers().find(offset);
  if (found == tracked.end() || barrier == block.getMbarriers().end())
    return Flow::Next;
  ClusterCopies::Tracked landing = std::move(found->second);
  tracked.erase(found);
  cluster.progress();
  Flow flow = Flow::Next;
  for (ClusterCopies::Load &load : landing.loads)
    if (flow != Flow::Stop)
      flow = landLoad(load, barrier->second, offset);
  for (ClusterCopies::Arrival &arrival : landing.arrivals)
    if (flow != Flow::Stop)
      flow = landArrival(arrival, barrier->second, offset);
  return flow;
}

//===----------------------------------------------------------------------===//
// cp.async
//===----------------------------------------------------------------------===//

/// The bytes of some lanes of a copy; what the source does not have is 0.
static void landCopy(Warp &warp, CopyState::Copy &copy, LaneMask lanes,
                     const Agent &agent, bool isLane) {
  Block &block = warp.getBlock();
  for (LaneMask left = lanes; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    uint8_t *to = block.getShared() + copy.offsets[lane];
    unsigned size = copy.sourceSizes[lane];
    if (size)
      std::memcpy(to, copy.sources[lane], size);
    std::memset(to + size, 0, copy.size - size);
    block.getShadow().endAsyncWrite(
        agent, isLane ? lane : SharedShadow::kAnyLane, copy.offsets[lane],
        copy.size, Proxy::Generic);
  }
  copy.mask &= ~lanes;
}

void sparsedrop::ptx::landLaneCopies(Warp &warp, LaneMask lanes, uint32_t group,
                                     uint64_t number, const Agent &agent,
                                     bool isLane) {
  if (!warp.copies)
    return;
  std::deque<CopyState::Copy> &copies = warp.copies->copies;
  for (CopyState::Copy &copy : copies) {
    if (copy.number >= number)
      break;
    if (copy.group < group && (copy.mask & lanes))
      landCopy(warp, copy, copy.mask & lanes, agent, isLane);
  }
  while (!copies.empty() && !copies.front().mask)
    copies.pop_front();
}

//===----------------------------------------------------------------------===//
// The end
//===----------------------------------------------------------------------===//

/// What a warp has read it also writes. What nobody waited for stays as it is:
/// if somebody looks at it, that is a finding.
void sparsedrop::ptx::finishCopies(Warp &warp) {
  if (!warp.copies)
    return;
  for (CopyState::Store &store : warp.copies->stores)
    if (store.isRead)
      writeStore(warp, store);
}

/// Shared memory must stay until copies have read it.
static void finishStores(Warp &warp) {
  for (CopyState::Store &store : warp.copies->stores) {
    if (!store.isRead)
      warp.report(*store.inst, store.lane, Check::Async,
                  "the block ends while this copy may still read its shared "
                  "memory: nobody has waited for it by "
                  "cp.async.bulk.wait_group");
    readStore(warp, store);
    writeStore(warp, store);
  }
  warp.copies->stores.clear();
}

void sparsedrop::ptx::finishCopies(Block &block) {
  for (Warp &warp : block.getWarps())
    if (warp.copies)
      finishStores(warp);
  Cluster &cluster = block.getCluster();
  if (!cluster.copies)
    return;
  for (auto &[key, tracked] : cluster.copies->tracked) {
    if (key.first != block.getRank())
      continue;
    for (ClusterCopies::Load &load : tracked.loads)
      load.warp->report(*load.inst, load.lane, Check::Async,
                        "the block ends while this copy may still write its "
                        "shared memory: nobody has waited for the " +
                            describeMbarrier(key.second));
    tracked.loads.clear();
  }
}
