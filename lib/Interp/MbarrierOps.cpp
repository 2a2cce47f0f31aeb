//===- MbarrierOps.cpp - Instructions of mbarriers ------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AsyncCopy.h"
#include "CopyOperands.h"
#include "Lanes.h"
#include "Mbarrier.h"
#include "MemoryAccess.h"

using namespace sparsedrop::ptx;

namespace {

struct MbarrierData : InstData {
  AddressSource address;
  uint32_t count = 0; ///< slot: arrivals, bytes, or what a wait waits for
  bool hasCount = false;
  bool isOrdered = true; ///< releases or acquires
  bool hasState = false; ///< a result
  bool drops = false;
  bool mustNotComplete = false;
  bool expectsBytes = false;
};

} // namespace

//===----------------------------------------------------------------------===//
// init, inval
//===----------------------------------------------------------------------===//

static Flow runInit(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<MbarrierData>();
  const auto *count = warp.lanes<uint32_t>(data.count);
  warp.getCluster().progress();
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    if (makeMbarrier(warp, inst, lane, data.address.space,
                     data.address.get(warp, lane), count[lane]) == Flow::Stop)
      return Flow::Stop;
  }
  return Flow::Next;
}

static Flow runInval(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<MbarrierData>();
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    if (removeMbarrier(warp, inst, lane, data.address.space,
                       data.address.get(warp, lane)) == Flow::Stop)
      return Flow::Stop;
  }
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// arrive, arrive_drop, expect_tx, complete_tx
//===----------------------------------------------------------------------===//

/// What an arrival does to the counts.
static std::string countArrival(const MbarrierData &data, Mbarrier &barrier,
                                uint32_t count) {
  std::string error;
  uint32_t arrivals = data.expectsBytes ? 1 : count;
  if (data.expectsBytes)
    error = expectBytes(barrier, count);
  if (error.empty() && data.drops)
    error = drop(barrier, arrivals);
  if (error.empty())
    error = arrive(barrier, arrivals, data.mustNotComplete);
  return error;
}

static Flow runArrive(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<MbarrierData>();
  const auto *count = warp.lanes<uint32_t>(data.count);
  auto *state = warp.lanes<uint64_t>(inst.op[0]);
  warp.getCluster().progress();
  const Mbarrier *last = nullptr;
  uint32_t lastPhase = 0;
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    MbarrierPlace place;
    if (!findMbarrier(warp, inst, lane, data.address.space,
                      data.address.get(warp, lane), place))
      return Flow::Stop;
    if (data.hasState && place.block != &warp.getBlock())
      return reportMbarrier(warp, inst, lane, place.offset,
                            "is in another block: an arrival there has no "
                            "result but '_'");
    Mbarrier &barrier = *place.barrier;
    // All lanes know the same: once a phase is enough.
    bool isNew = last != &barrier || lastPhase != barrier.phase;
    if (data.isOrdered && isNew)
      warp.getAgent().release(barrier.coming);
    last = &barrier;
    lastPhase = barrier.phase;
    if (data.hasState)
      state[lane] = getState(barrier);
    uint32_t by = data.hasCount ? count[lane] : 1;
    Flow flow = reportMbarrier(warp, inst, lane, place.offset,
                               countArrival(data, barrier, by));
    if (flow == Flow::Stop)
      return flow;
  }
  return Flow::Next;
}

template <std::string (*Change)(Mbarrier &, uint32_t)>
static Flow runBytes(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<MbarrierData>();
  const auto *bytes = warp.lanes<uint32_t>(data.count);
  warp.getCluster().progress();
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    MbarrierPlace place;
    if (!findMbarrier(warp, inst, lane, data.address.space,
                      data.address.get(warp, lane), place))
      return Flow::Stop;
    Flow flow = reportMbarrier(warp, inst, lane, place.offset,
                               Change(*place.barrier, bytes[lane]));
    if (flow == Flow::Stop)
      return flow;
  }
  return Flow::Next;
}

static Flow runPendingCount(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  const auto *state = warp.lanes<uint64_t>(inst.op[1]);
  forEachLane(mask,
              [&](unsigned lane) { to[lane] = state[lane] & kMostCount; });
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// test_wait, try_wait
//===----------------------------------------------------------------------===//

/// What is wrong with the phase that a wait names: it must be the present one
/// or the one before.
template <bool IsParity>
static std::string checkPhase(const Mbarrier &barrier, uint64_t phase) {
  if (IsParity)
    return phase > 1 ? "is waited for with the parity " +
                           std::to_string(phase) + ", which is none of 0 and 1"
                     : std::string();
  uint32_t ago = barrier.phase - static_cast<uint32_t>(phase >> 32);
  return ago > 1 ? "is waited for with a state that is not of its phase " +
                       std::to_string(barrier.phase) + " or the one before"
                 : std::string();
}

template <bool IsParity>
static bool isComplete(const Mbarrier &barrier, uint64_t phase) {
  return IsParity ? (barrier.phase & 1) != phase
                  : barrier.phase != static_cast<uint32_t>(phase >> 32);
}

static std::string describeWait(const MbarrierPlace &place) {
  const Mbarrier &barrier = *place.barrier;
  return describeMbarrier(place.offset) + ", phase " +
         std::to_string(barrier.phase) + " (parity " +
         std::to_string(barrier.phase & 1) + "), which lacks " +
         std::to_string(barrier.pending) + " arrivals and " +
         std::to_string(barrier.transactions) + " bytes";
}

/// The mbarrier that a lane waits for, with all that it tracks landed.
template <bool IsParity>
static Flow lookAt(Warp &warp, const Inst &inst, unsigned lane, uint64_t phase,
                   MbarrierPlace &place) {
  const auto &data = inst.getData<MbarrierData>();
  if (!findMbarrier(warp, inst, lane, data.address.space,
                    data.address.get(warp, lane), place))
    return Flow::Stop;
  if (place.block != &warp.getBlock())
    return reportMbarrier(warp, inst, lane, place.offset,
                          "is in another block, which alone can wait for it");
  if (landCopies(*place.block, place.offset) == Flow::Stop)
    return Flow::Stop;
  return reportMbarrier(warp, inst, lane, place.offset,
                        checkPhase<IsParity>(*place.barrier, phase));
}

template <bool IsParity, bool MayBlock>
static Flow runWait(Warp &warp, const Inst &inst, LaneMask mask) {
  using Phase = std::conditional_t<IsParity, uint32_t, uint64_t>;
  const auto &data = inst.getData<MbarrierData>();
  const auto *phase = warp.lanes<Phase>(data.count);
  MbarrierPlace places[kNumLanes];
  LaneMask done = 0;
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    if (lookAt<IsParity>(warp, inst, lane, phase[lane], places[lane]) ==
        Flow::Stop)
      return Flow::Stop;
    done |= LaneMask(isComplete<IsParity>(*places[lane].barrier, phase[lane]))
            << lane;
  }
  if (MayBlock && done != mask && !warp.mustGiveUp())
    return warp.wait(describeWait(places[__builtin_ctz(mask & ~done)]));
  auto *to = warp.lanes<uint8_t>(inst.op[0]);
  const Mbarrier *last = nullptr;
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    to[lane] = done >> lane & 1;
    if (!to[lane] || !data.isOrdered || places[lane].barrier == last)
      continue;
    last = places[lane].barrier;
    warp.getAgent().acquire(last->complete);
  }
  warp.getAgent().tick();
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Decoding (ISA 9.7.13.15.9 to 9.7.13.15.17)
//===----------------------------------------------------------------------===//

/// .sem.scope: what it says of the order.
static bool takeOrder(Decoder &decoder, std::string_view word,
                      MbarrierData &data) {
  bool isOrdered = decoder.take(word), isRelaxed = decoder.take("relaxed");
  data.isOrdered = !isRelaxed;
  if (isRelaxed && !decoder.requireArch(90))
    return false;
  if (decoder.get().has("cluster") && !decoder.requireArch(90))
    return false;
  bool hasScope = decoder.take("cta") || decoder.take("cluster");
  if ((isOrdered || isRelaxed) == hasScope)
    return true;
  return decoder.fail("expected an order and a scope together");
}

/// The space, .b64 and operand `index`, the address.
static bool takePlace(Decoder &decoder, bool mayBeCluster, size_t index,
                      MbarrierData &data) {
  if (decoder.get().has("shared::cluster") && !decoder.requireArch(90))
    return false;
  Space space = takeSharedSpace(decoder, mayBeCluster);
  if (!decoder.take("b64"))
    return decoder.fail("expected the type .b64");
  return takeAddress(decoder, decoder.get().operands[index], space,
                     data.address);
}

static bool decodeInit(Decoder &decoder, MbarrierData &data) {
  decoder.inst().run = runInit;
  return decoder.expectOperands(2) && takePlace(decoder, false, 0, data) &&
         takeValue(decoder, decoder.get().operands[1], Type::U32, data.count);
}

static bool decodeInval(Decoder &decoder, MbarrierData &data) {
  decoder.inst().run = runInval;
  return decoder.expectOperands(1) && takePlace(decoder, false, 0, data);
}

static bool decodeBytes(Decoder &decoder, MbarrierData &data, Handler handler) {
  decoder.inst().run = handler;
  return decoder.requireArch(90) && decoder.expectOperands(2) &&
         takeOrder(decoder, "relaxed", data) &&
         takePlace(decoder, true, 0, data) &&
         takeValue(decoder, decoder.get().operands[1], Type::U32, data.count);
}

static bool decodeArrive(Decoder &decoder, MbarrierData &data, bool drops) {
  const std::vector<Operand> &operands = decoder.get().operands;
  decoder.inst().run = runArrive;
  data.drops = drops;
  data.expectsBytes = decoder.take("expect_tx");
  data.mustNotComplete = decoder.take("noComplete");
  if (operands.size() != 3 &&
      (operands.size() != 2 || data.expectsBytes || data.mustNotComplete))
    return decoder.expectOperands(3);
  data.hasCount = operands.size() == 3;
  data.hasState = operands[0].kind != Operand::Sink;
  if (data.hasCount && !data.mustNotComplete && !decoder.requireArch(90))
    return false;
  if (data.hasState && decoder.get().has("shared::cluster"))
    return decoder.fail("expected '_' as the result of an arrival in "
                        "shared::cluster memory");
  return takeOrder(decoder, "release", data) &&
         takePlace(decoder, true, 1, data) &&
         decoder.readDestination(0, Type::B64) &&
         (!data.hasCount ||
          takeValue(decoder, operands[2], Type::U32, data.count));
}

template <bool MayBlock>
static bool decodeWait(Decoder &decoder, MbarrierData &data) {
  const std::vector<Operand> &operands = decoder.get().operands;
  bool isParity = decoder.take("parity");
  decoder.inst().run =
      isParity ? runWait<true, MayBlock> : runWait<false, MayBlock>;
  if (MayBlock && !decoder.requireArch(90))
    return false;
  // The time limit of try_wait is one that nobody waits for here.
  uint32_t hint;
  bool hasHint = MayBlock && operands.size() == 4;
  if (!hasHint && !decoder.expectOperands(3))
    return false;
  return takeOrder(decoder, "acquire", data) &&
         takePlace(decoder, false, 1, data) &&
         decoder.readDestination(0, Type::Pred) &&
         takeValue(decoder, operands[2], isParity ? Type::U32 : Type::B64,
                   data.count) &&
         (!hasHint || takeValue(decoder, operands[3], Type::U32, hint));
}

static bool decodePendingCount(Decoder &decoder) {
  decoder.inst().run = runPendingCount;
  decoder.take("b64");
  return decoder.expectOperands(2) && decoder.readDestination(0, Type::U32) &&
         decoder.readSource(1, Type::B64);
}

static bool decodeMbarrier(Decoder &decoder) {
  auto &data = decoder.setData<MbarrierData>();
  decoder.inst().kind = Class::Barrier;
  if (!decoder.requireArch(80))
    return false;
  std::string_view word = decoder.takeAny();
  if (word == "init")
    return decodeInit(decoder, data);
  if (word == "inval")
    return decodeInval(decoder, data);
  if (word == "arrive" || word == "arrive_drop")
    return decodeArrive(decoder, data, word == "arrive_drop");
  if (word == "expect_tx")
    return decodeBytes(decoder, data, runBytes<expectBytes>);
  if (word == "complete_tx")
    return decodeBytes(decoder, data, runBytes<completeBytes>);
  if (word == "test_wait")
    return decodeWait<false>(decoder, data);
  if (word == "try_wait")
    return decodeWait<true>(decoder, data);
  if (word == "pending_count")
    return decodePendingCount(decoder);
  return decoder.fail("is none of the instructions of mbarriers");
}

const OpcodeEntry sparsedrop::ptx::kMbarrierOpcodes[] = {
    {"mbarrier", decodeMbarrier},
    {"", nullptr},
};
