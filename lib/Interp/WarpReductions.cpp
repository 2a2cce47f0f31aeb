//===- WarpReductions.cpp - Reductions and elections in a warp ------------===//
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
// redux.sync (ISA 9.7.13.12)
//===----------------------------------------------------------------------===//

namespace {
struct Sum {
  template <typename T> static T apply(T a, T b) { return a + b; }
};
struct Least {
  template <typename T> static T apply(T a, T b) { return std::min(a, b); }
};
struct Most {
  template <typename T> static T apply(T a, T b) { return std::max(a, b); }
};
struct BitAnd {
  template <typename T> static T apply(T a, T b) { return a & b; }
};
struct BitOr {
  template <typename T> static T apply(T a, T b) { return a | b; }
};
struct BitXor {
  template <typename T> static T apply(T a, T b) { return a ^ b; }
};
} // namespace

template <typename T, typename Op>
static void redux(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<T>(inst.op[0]);
  const auto *from = warp.lanes<T>(inst.op[1]);
  T result = from[__builtin_ctz(mask)];
  for (LaneMask left = mask & (mask - 1); left; left &= left - 1)
    result = Op::apply(result, from[__builtin_ctz(left)]);
  forEachLane(mask, [&](unsigned lane) { to[lane] = result; });
}

static bool decodeRedux(Decoder &decoder) {
  struct Form {
    std::string_view op, type;
    Handler run;
  };
  static constexpr Form kForms[] = {
      {"add", "u32", runGroups<2, redux<uint32_t, Sum>>},
      {"add", "s32", runGroups<2, redux<uint32_t, Sum>>},
      {"min", "u32", runGroups<2, redux<uint32_t, Least>>},
      {"min", "s32", runGroups<2, redux<int32_t, Least>>},
      {"max", "u32", runGroups<2, redux<uint32_t, Most>>},
      {"max", "s32", runGroups<2, redux<int32_t, Most>>},
      {"and", "b32", runGroups<2, redux<uint32_t, BitAnd>>},
      {"or", "b32", runGroups<2, redux<uint32_t, BitOr>>},
      {"xor", "b32", runGroups<2, redux<uint32_t, BitXor>>},
  };
  if (!decoder.requireArch(80))
    return false;
  decoder.take("sync");
  Inst &inst = decoder.inst();
  inst.kind = Class::Warp;
  for (const Form &form : kForms) {
    if (!decoder.get().has(form.op) || !decoder.get().has(form.type))
      continue;
    decoder.take(form.op);
    decoder.take(form.type);
    inst.run = form.run;
    return decoder.expectOperands(3) && decoder.readDestination(0, Type::B32) &&
           decoder.readSource(1, Type::B32) && decoder.readSource(2, Type::B32);
  }
  return decoder.fail("is not an operation and a type that are supported");
}

//===----------------------------------------------------------------------===//
// elect.sync (ISA 9.7.13.14)
//===----------------------------------------------------------------------===//

/// op: leader, predicate, members. The ISA leaves open which lane it is.
static void elect(Warp &warp, const Inst &inst, LaneMask mask) {
  unsigned leader = __builtin_ctz(mask);
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  auto *elected = warp.lanes<uint8_t>(inst.op[1]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = leader;
    elected[lane] = lane == leader;
  });
}

static bool decodeElect(Decoder &decoder) {
  Inst &inst = decoder.inst();
  inst.kind = Class::Warp;
  inst.run = runGroups<2, elect>;
  if (!decoder.requireArch(90))
    return false;
  decoder.take("sync");
  if (!decoder.expectOperands(2))
    return false;
  const Operand &pair = decoder.get().operands[0];
  if (pair.kind != Operand::Pair || pair.elements.size() != 2)
    return decoder.fail("expected a lane and a predicate, r|p");
  std::optional<uint32_t> lane =
      decoder.destination(pair.elements[0], Type::B32);
  std::optional<uint32_t> predicate =
      decoder.destination(pair.elements[1], Type::Pred);
  std::optional<uint32_t> members =
      decoder.source(decoder.get().operands[1], Type::B32);
  if (!lane || !predicate || !members)
    return false;
  inst.op[0] = *lane;
  inst.op[1] = *predicate;
  inst.op[2] = *members;
  return true;
}

//===----------------------------------------------------------------------===//
// bar.warp.sync (ISA 9.7.13.2)
//===----------------------------------------------------------------------===//

static Flow runWarpSync(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.convergeGroups(inst, mask, inst.op[0], flow))
    return flow;
  warp.getAgent().tick();
  return Flow::Next;
}

static bool decodeWarpSync(Decoder &decoder) {
  decoder.take("warp");
  decoder.take("sync");
  decoder.inst().kind = Class::Barrier;
  decoder.inst().run = runWarpSync;
  return decoder.expectOperands(1) && decoder.readSource(0, Type::B32);
}

const OpcodeEntry sparsedrop::ptx::kReductionOpcodes[] = {
    {"redux", decodeRedux},
    {"elect", decodeElect},
    {"bar.warp", decodeWarpSync},
    {"", nullptr},
};
