//===- WarpOps.cpp - Exchanges between the lanes of a warp ----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "Groups.h"
#include "Lanes.h"

#include <algorithm>

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// shfl.sync (ISA 9.7.9.6)
//===----------------------------------------------------------------------===//

namespace {
enum class Shuffle { Up, Down, Butterfly, Index };
} // namespace

/// The lane that `lane` reads from, and whether it is in range.
template <Shuffle Mode>
static unsigned getSource(unsigned lane, unsigned b, unsigned c,
                          bool &isInRange) {
  unsigned segment = c >> 8 & 31, clamp = c & 31;
  unsigned low = lane & segment, high = low | (clamp & ~segment);
  b &= 31;
  int source = 0;
  switch (Mode) {
  case Shuffle::Up:
    source = int(lane) - int(b);
    isInRange = source >= int(high);
    break;
  case Shuffle::Down:
    source = int(lane + b);
    isInRange = source <= int(high);
    break;
  case Shuffle::Butterfly:
    source = int(lane ^ b);
    isInRange = source <= int(high);
    break;
  case Shuffle::Index:
    source = int(low | (b & ~segment));
    isInRange = source <= int(high);
    break;
  }
  return isInRange ? source & 31 : lane;
}

/// op: result, value, b, c, members, predicate.
template <Shuffle Mode>
static Flow runShfl(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.convergeGroups(inst, mask, inst.op[4], flow))
    return flow;
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  const auto *b = warp.lanes<uint32_t>(inst.op[2]);
  const auto *c = warp.lanes<uint32_t>(inst.op[3]);
  auto *valid = warp.lanes<uint8_t>(inst.op[5]);
  uint32_t values[kNumLanes];
  std::copy_n(warp.lanes<uint32_t>(inst.op[1]), kNumLanes, values);
  uint32_t results[kNumLanes];
  uint8_t inRange[kNumLanes];
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    bool isInRange = false;
    unsigned source = getSource<Mode>(lane, b[lane], c[lane], isInRange);
    if (!(mask >> source & 1))
      flow = warp.report(inst, lane, Check::Divergence,
                         "reads from lane " + std::to_string(source) +
                             ", which does not take part");
    if (flow == Flow::Stop)
      return flow;
    results[lane] = values[source];
    inRange[lane] = isInRange;
  }
  bool hasPredicate = inst.flags;
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = results[lane];
    if (hasPredicate)
      valid[lane] = inRange[lane];
  });
  return Flow::Next;
}

static bool decodeShfl(Decoder &decoder) {
  Inst &inst = decoder.inst();
  inst.kind = Class::Warp;
  if (!decoder.take("sync"))
    return decoder.fail("needs .sync on this target");
  inst.run = decoder.take("up")     ? runShfl<Shuffle::Up>
             : decoder.take("down") ? runShfl<Shuffle::Down>
             : decoder.take("bfly") ? runShfl<Shuffle::Butterfly>
             : decoder.take("idx")  ? runShfl<Shuffle::Index>
                                    : nullptr;
  if (!inst.run)
    return decoder.fail("expected .up, .down, .bfly or .idx");
  if (!decoder.take("b32"))
    return decoder.fail("expected the type .b32");
  if (!decoder.expectOperands(5))
    return false;
  const Operand &result = decoder.get().operands[0];
  bool isPair = result.kind == Operand::Pair;
  std::optional<uint32_t> slot =
      decoder.destination(isPair ? result.elements[0] : result, Type::B32);
  std::optional<uint32_t> predicate =
      isPair ? decoder.destination(result.elements[1], Type::Pred)
             : std::optional<uint32_t>(0);
  if (!slot || !predicate)
    return false;
  inst.flags = isPair;
  inst.op[0] = *slot;
  inst.op[5] = *predicate;
  return decoder.readSource(1, Type::B32) && decoder.readSource(2, Type::B32) &&
         decoder.readSource(3, Type::B32) && decoder.readSource(4, Type::B32);
}

//===----------------------------------------------------------------------===//
// vote.sync, activemask (ISA 9.7.13.9, 9.7.13.11)
//===----------------------------------------------------------------------===//

namespace {
enum class Vote { All, Any, Uniform, Ballot };
} // namespace

/// op: result, predicate, members; flags: the predicate is negated.
template <Vote Mode>
static void vote(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto *values = warp.lanes<uint8_t>(inst.op[1]);
  LaneMask ballot = 0;
  forEachLane(mask, [&](unsigned lane) {
    bool holds = (values[lane] != 0) != (inst.flags != 0);
    ballot |= LaneMask(holds) << lane;
  });
  if (Mode == Vote::Ballot) {
    auto *to = warp.lanes<uint32_t>(inst.op[0]);
    forEachLane(mask, [&](unsigned lane) { to[lane] = ballot; });
    return;
  }
  bool result = Mode == Vote::All   ? ballot == mask
                : Mode == Vote::Any ? ballot != 0
                                    : ballot == mask || ballot == 0;
  auto *to = warp.lanes<uint8_t>(inst.op[0]);
  forEachLane(mask, [&](unsigned lane) { to[lane] = result; });
}

static bool decodeVote(Decoder &decoder) {
  Inst &inst = decoder.inst();
  inst.kind = Class::Warp;
  if (!decoder.take("sync"))
    return decoder.fail("needs .sync on this target");
  bool isBallot = decoder.take("ballot");
  inst.run = isBallot              ? runGroups<2, vote<Vote::Ballot>>
             : decoder.take("all") ? runGroups<2, vote<Vote::All>>
             : decoder.take("any") ? runGroups<2, vote<Vote::Any>>
             : decoder.take("uni") ? runGroups<2, vote<Vote::Uniform>>
                                   : nullptr;
  if (!inst.run || !decoder.take(isBallot ? "b32" : "pred"))
    return decoder.fail("expected .all.pred, .any.pred, .uni.pred or "
                        ".ballot.b32");
  if (!decoder.expectOperands(3))
    return false;
  inst.flags = decoder.get().operands[1].isNegated;
  return decoder.readDestination(0, isBallot ? Type::B32 : Type::Pred) &&
         decoder.readSource(1, Type::Pred) && decoder.readSource(2, Type::B32);
}

static Flow runActivemask(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  forEachLane(mask, [&](unsigned lane) { to[lane] = mask; });
  return Flow::Next;
}

static bool decodeActivemask(Decoder &decoder) {
  decoder.inst().kind = Class::Warp;
  decoder.inst().run = runActivemask;
  if (!decoder.take("b32"))
    return decoder.fail("expected the type .b32");
  return decoder.expectOperands(1) && decoder.readDestination(0, Type::B32);
}

//===----------------------------------------------------------------------===//
// match.sync (ISA 9.7.13.10)
//===----------------------------------------------------------------------===//

/// Lanes of `mask` whose values are equal to that of a lane.
template <typename T>
static LaneMask findEqual(const T *values, LaneMask mask, unsigned lane) {
  LaneMask equal = 0;
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned other = __builtin_ctz(left);
    equal |= LaneMask(values[other] == values[lane]) << other;
  }
  return equal;
}

/// op: result, value, members, predicate.
template <typename T, bool All>
static void match(Warp &warp, const Inst &inst, LaneMask mask) {
  T values[kNumLanes];
  std::copy_n(warp.lanes<T>(inst.op[1]), kNumLanes, values);
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  auto *isEqual = warp.lanes<uint8_t>(inst.op[3]);
  forEachLane(mask, [&](unsigned lane) {
    LaneMask equal = findEqual(values, mask, lane);
    bool all = equal == mask;
    to[lane] = All && !all ? 0 : equal;
    if (All && inst.flags)
      isEqual[lane] = all;
  });
}

static bool decodeMatch(Decoder &decoder) {
  Inst &inst = decoder.inst();
  inst.kind = Class::Warp;
  bool isAll = decoder.take("all");
  if (!isAll && !decoder.take("any"))
    return decoder.fail("expected .any or .all");
  decoder.take("sync");
  bool is64 = decoder.take("b64");
  if (!is64 && !decoder.take("b32"))
    return decoder.fail("expected the type .b32 or .b64");
  if (!decoder.expectOperands(3))
    return false;
  inst.run = is64 ? (isAll ? runGroups<2, match<uint64_t, true>>
                           : runGroups<2, match<uint64_t, false>>)
                  : (isAll ? runGroups<2, match<uint32_t, true>>
                           : runGroups<2, match<uint32_t, false>>);
  const Operand &result = decoder.get().operands[0];
  bool isPair = result.kind == Operand::Pair;
  if (isPair && !isAll)
    return decoder.fail("gives a predicate only with .all");
  std::optional<uint32_t> slot =
      decoder.destination(isPair ? result.elements[0] : result, Type::B32);
  if (!slot)
    return false;
  inst.op[0] = *slot;
  inst.flags = isPair;
  if (isPair) {
    std::optional<uint32_t> predicate =
        decoder.destination(result.elements[1], Type::Pred);
    if (!predicate)
      return false;
    inst.op[3] = *predicate;
  }
  return decoder.readSource(1, is64 ? Type::B64 : Type::B32) &&
         decoder.readSource(2, Type::B32);
}

const OpcodeEntry sparsedrop::ptx::kWarpOpcodes[] = {
    {"shfl", decodeShfl},   {"vote", decodeVote},
    {"match", decodeMatch}, {"activemask", decodeActivemask},
    {"", nullptr},
};
