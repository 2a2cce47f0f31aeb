//===- Barriers.cpp - Barriers of blocks and clusters ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "Lanes.h"
#include "Machine.h"

using namespace sparsedrop::ptx;

/// Threads that an arrival of some lanes counts for. The lanes that the last
/// warp of a block lacks come with its first: counts are multiples of a warp
/// (ISA 9.7.13.1).
static uint32_t countArrivals(Warp &warp, LaneMask lanes) {
  LaneMask present = warp.getPresent();
  uint32_t count = __builtin_popcount(lanes);
  if (lanes & (present & -present))
    count += kNumLanes - __builtin_popcount(present);
  return count;
}

//===----------------------------------------------------------------------===//
// barrier.cta (ISA 9.7.13.1)
//===----------------------------------------------------------------------===//

namespace {

enum class Reduction : uint8_t { None, Count, And, Or };

struct BarrierData : InstData {
  bool isAligned = true;
  bool waits = true;
  bool hasCount = false;
  bool isNegated = false;
  Reduction reduction = Reduction::None;
  uint32_t id = 0, count = 0, predicate = 0, result = 0; ///< slots
};

} // namespace

/// Threads that the barrier waits for if it was given no count: all that have
/// not exited.
static uint32_t getAllThreads(Block &block) {
  uint32_t count = 0;
  for (Warp &warp : block.getWarps())
    count += countArrivals(warp, warp.getLive());
  return count;
}

/// Ends the phase if all have come.
static void completeIfFull(Warp &warp, Barrier &barrier, uint32_t expected) {
  if (barrier.arrived < expected || barrier.arrived == 0)
    return;
  ++barrier.phase;
  barrier.complete = barrier.coming;
  barrier.coming.clear();
  barrier.lastCount = barrier.count;
  barrier.lastAll = barrier.all;
  barrier.lastAny = barrier.any;
  barrier.count = 0;
  barrier.all = true;
  barrier.any = false;
  barrier.arrived = barrier.expected = 0;
  warp.getCluster().progress();
}

static void arrive(Warp &warp, const BarrierData &data, Barrier &barrier,
                   Warp::BarrierWait &wait, LaneMask lanes, uint32_t expected) {
  const auto *predicates = warp.lanes<uint8_t>(data.predicate);
  barrier.expected = expected;
  barrier.arrived += countArrivals(warp, lanes);
  warp.getAgent().release(barrier.coming);
  warp.getCluster().progress();
  forEachLane(lanes, [&](unsigned lane) {
    wait.phases[lane] = barrier.phase;
    if (data.reduction == Reduction::None)
      return;
    bool holds = (predicates[lane] != 0) != data.isNegated;
    barrier.count += holds;
    barrier.all &= holds;
    barrier.any |= holds;
  });
}

static void putReduction(Warp &warp, const BarrierData &data,
                         const Barrier &barrier, LaneMask mask) {
  if (data.reduction == Reduction::None)
    return;
  if (data.reduction == Reduction::Count) {
    auto *to = warp.lanes<uint32_t>(data.result);
    forEachLane(mask, [&](unsigned lane) { to[lane] = barrier.lastCount; });
    return;
  }
  bool result =
      data.reduction == Reduction::And ? barrier.lastAll : barrier.lastAny;
  auto *to = warp.lanes<uint8_t>(data.result);
  forEachLane(mask, [&](unsigned lane) { to[lane] = result; });
}

/// The barrier's number and count, the same for all lanes.
static Flow readBarrier(Warp &warp, const Inst &inst, LaneMask mask,
                        uint32_t &id, uint32_t &count) {
  const auto &data = inst.getData<BarrierData>();
  unsigned first = __builtin_ctz(mask);
  id = warp.lanes<uint32_t>(data.id)[first];
  count = data.hasCount ? warp.lanes<uint32_t>(data.count)[first] : 0;
  if (id >= 16)
    return warp.report(inst, first, Check::Fault,
                       "barrier " + std::to_string(id) +
                           " does not exist: there are 16");
  if (data.hasCount && (count == 0 || count % kNumLanes))
    return warp.report(inst, first, Check::Fault,
                       "a barrier of " + std::to_string(count) +
                           " threads, which is no multiple of a warp");
  return Flow::Next;
}

static Flow runBarrier(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<BarrierData>();
  Flow flow = Flow::Next;
  if (data.isAligned && !warp.convergeAligned(inst, mask, flow))
    return flow;
  uint32_t id, count;
  flow = readBarrier(warp, inst, mask, id, count);
  if (flow == Flow::Stop)
    return flow;
  Barrier &barrier = warp.getBlock().getBarriers()[id];
  Warp::BarrierWait &wait = warp.barrierWaits[id];
  if (LaneMask coming = mask & ~wait.arrived) {
    if (barrier.arrived && barrier.expected != count)
      return warp.report(inst, __builtin_ctz(mask), Check::Fault,
                         "uses barrier " + std::to_string(id) + " with " +
                             std::to_string(count) +
                             " threads, but others in this phase with " +
                             std::to_string(barrier.expected) + " (0: all)");
    arrive(warp, data, barrier, wait, coming, count);
    if (data.waits)
      wait.arrived |= coming;
  }
  uint32_t expected = count ? count : getAllThreads(warp.getBlock());
  if (!data.waits) {
    completeIfFull(warp, barrier, expected);
    return Flow::Next;
  }
  bool isOver = wait.phases[__builtin_ctz(mask)] != barrier.phase;
  if (!isOver) {
    completeIfFull(warp, barrier, expected);
    isOver = wait.phases[__builtin_ctz(mask)] != barrier.phase;
  }
  if (!isOver)
    return warp.wait("barrier " + std::to_string(id) + ", where " +
                     std::to_string(barrier.arrived) + " of " +
                     std::to_string(expected) + " threads have come");
  wait.arrived &= ~mask;
  warp.getAgent().acquire(barrier.complete);
  warp.getAgent().tick();
  putReduction(warp, data, barrier, mask);
  return Flow::Next;
}

/// Reads operand `next` as 32 bits.
static bool takeSlot(Decoder &decoder, size_t next, uint32_t &slot) {
  std::optional<uint32_t> found =
      decoder.source(decoder.get().operands[next], Type::U32);
  if (found)
    slot = *found;
  return found.has_value();
}

static bool takeReduction(Decoder &decoder, BarrierData &data) {
  const Operand &predicate = decoder.get().operands.back();
  bool isCount = decoder.take("popc");
  data.reduction = isCount               ? Reduction::Count
                   : decoder.take("and") ? Reduction::And
                   : decoder.take("or")  ? Reduction::Or
                                         : Reduction::None;
  if (data.reduction == Reduction::None)
    return decoder.fail("expected .popc, .and or .or");
  if (!decoder.take(isCount ? "u32" : "pred"))
    return decoder.fail("expected the type .u32 with .popc, else .pred");
  std::optional<uint32_t> from = decoder.source(predicate, Type::Pred);
  std::optional<uint32_t> to = decoder.destination(
      decoder.get().operands[0], isCount ? Type::U32 : Type::Pred);
  if (!from || !to)
    return false;
  data.isNegated = predicate.isNegated;
  data.predicate = *from;
  data.result = *to;
  return true;
}

static bool decodeBarrier(Decoder &decoder, bool isAligned) {
  auto &data = decoder.setData<BarrierData>();
  decoder.take("cta");
  data.isAligned = decoder.take("aligned") || isAligned;
  decoder.inst().kind = Class::Barrier;
  decoder.inst().run = runBarrier;
  bool isReduction = decoder.take("red");
  data.waits = isReduction || decoder.take("sync");
  if (!data.waits && !decoder.take("arrive"))
    return decoder.fail("expected .sync, .arrive or .red");
  size_t count = decoder.get().operands.size();
  size_t first = isReduction ? 1 : 0, numbers = count - (isReduction ? 2 : 0);
  if (count < (isReduction ? 3u : 1u) || numbers > 2)
    return decoder.fail("has " + std::to_string(count) +
                        " operands, which is none of its forms");
  if (!data.waits && numbers != 2)
    return decoder.fail("expected a number of threads");
  data.hasCount = numbers == 2;
  if (!takeSlot(decoder, first, data.id) ||
      (data.hasCount && !takeSlot(decoder, first + 1, data.count)))
    return false;
  return !isReduction || takeReduction(decoder, data);
}

static bool decodeBar(Decoder &decoder) {
  return decodeBarrier(decoder, /*isAligned=*/true);
}
static bool decodeBarrierCta(Decoder &decoder) {
  return decodeBarrier(decoder, /*isAligned=*/false);
}

//===----------------------------------------------------------------------===//
// barrier.cluster (ISA 9.7.13.4)
//===----------------------------------------------------------------------===//

static uint32_t countLive(Cluster &cluster) {
  uint32_t count = 0;
  for (Block &block : cluster.getBlocks())
    count += block.getNumLive();
  return count;
}

static Flow runClusterArrive(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (inst.flags && !warp.convergeAligned(inst, mask, flow))
    return flow;
  Cluster &cluster = warp.getCluster();
  Barrier &barrier = cluster.getBarrier();
  Warp::BarrierWait &wait = warp.clusterWait;
  if (wait.arrived & mask)
    return warp.report(inst, __builtin_ctz(wait.arrived & mask), Check::Fault,
                       "arrives at the cluster's barrier again, without a wait "
                       "between");
  wait.arrived |= mask;
  forEachLane(mask, [&](unsigned lane) { wait.phases[lane] = barrier.phase; });
  barrier.arrived += __builtin_popcount(mask);
  // .relaxed orders nothing.
  if (inst.imm)
    warp.getAgent().release(barrier.coming);
  cluster.progress();
  completeIfFull(warp, barrier, countLive(cluster));
  return Flow::Next;
}

static Flow runClusterWait(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (inst.flags && !warp.convergeAligned(inst, mask, flow))
    return flow;
  Cluster &cluster = warp.getCluster();
  Barrier &barrier = cluster.getBarrier();
  Warp::BarrierWait &wait = warp.clusterWait;
  if (LaneMask early = mask & ~wait.arrived)
    return warp.report(inst, __builtin_ctz(early), Check::Fault,
                       "waits at the cluster's barrier without having arrived");
  unsigned first = __builtin_ctz(mask);
  uint32_t expected = countLive(cluster);
  if (wait.phases[first] == barrier.phase)
    completeIfFull(warp, barrier, expected);
  if (wait.phases[first] == barrier.phase)
    return warp.wait("the cluster's barrier, where " +
                     std::to_string(barrier.arrived) + " of " +
                     std::to_string(expected) + " threads have come");
  wait.arrived &= ~mask;
  warp.getAgent().acquire(barrier.complete);
  warp.getAgent().tick();
  return Flow::Next;
}

static bool decodeClusterBarrier(Decoder &decoder) {
  Inst &inst = decoder.inst();
  inst.kind = Class::Barrier;
  if (!decoder.requireArch(90))
    return false;
  decoder.take("cluster");
  bool isArrive = decoder.take("arrive");
  if (!isArrive && !decoder.take("wait"))
    return decoder.fail("expected .arrive or .wait");
  inst.imm = !decoder.take("relaxed");
  decoder.take("release");
  decoder.take("acquire");
  inst.flags = decoder.take("aligned");
  inst.run = isArrive ? runClusterArrive : runClusterWait;
  return decoder.expectOperands(0);
}

const OpcodeEntry sparsedrop::ptx::kBarrierOpcodes[] = {
    {"bar", decodeBar},
    {"barrier", decodeBarrierCta},
    {"barrier.cluster", decodeClusterBarrier},
    {"", nullptr},
};
