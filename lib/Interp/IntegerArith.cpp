//===- IntegerArith.cpp - Integer arithmetic ------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Carry.h"
#include "Forms.h"
#include "IntegerOps.h"
#include "Lanes.h"
#include "Machine.h"

#include <algorithm>
#include <type_traits>

using namespace sparsedrop::ptx;
using namespace sparsedrop::ptx::integers;

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

template <typename T, typename Op>
static Flow runUnary(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<T>(inst.op[0]);
  const auto *a = warp.lanes<T>(inst.op[1]);
  forEachLane(mask, [&](unsigned lane) { to[lane] = Op::apply(a[lane]); });
  return Flow::Next;
}

template <typename T, typename Op>
static Flow runBinary(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<T>(inst.op[0]);
  const auto *a = warp.lanes<T>(inst.op[1]);
  const auto *b = warp.lanes<T>(inst.op[2]);
  forEachLane(mask,
              [&](unsigned lane) { to[lane] = Op::apply(a[lane], b[lane]); });
  return Flow::Next;
}

template <typename T, typename Op>
static Flow runTernary(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<T>(inst.op[0]);
  const auto *a = warp.lanes<T>(inst.op[1]);
  const auto *b = warp.lanes<T>(inst.op[2]);
  const auto *c = warp.lanes<T>(inst.op[3]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = Op::apply(a[lane], b[lane], c[lane]);
  });
  return Flow::Next;
}

/// mul.wide, and mad.wide with an addend of the result's type.
template <typename T, bool Adds>
static Flow runWide(Warp &warp, const Inst &inst, LaneMask mask) {
  using W = std::conditional_t<
      sizeof(T) == 2,
      std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
      std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;
  auto *to = warp.lanes<W>(inst.op[0]);
  const auto *a = warp.lanes<T>(inst.op[1]);
  const auto *b = warp.lanes<T>(inst.op[2]);
  const auto *c = warp.lanes<W>(inst.op[Adds ? 3 : 0]);
  forEachLane(mask, [&](unsigned lane) {
    W product = W(a[lane]) * W(b[lane]);
    to[lane] = Adds ? Add::apply(product, c[lane]) : product;
  });
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Forms
//===----------------------------------------------------------------------===//

/// A form whose operands all have its type.
static constexpr Form makeForm(std::string_view opcode, std::string_view mode,
                               Type type, Handler run, unsigned sources) {
  return {opcode,
          mode,
          type,
          run,
          type,
          type,
          sources > 1 ? type : Type::None,
          sources > 2 ? type : Type::None};
}

#define UNSIGNED(OPCODE, MODE, RUN, OP, COUNT)                                 \
  makeForm(OPCODE, MODE, Type::U16, RUN<uint16_t, OP>, COUNT),                 \
      makeForm(OPCODE, MODE, Type::U32, RUN<uint32_t, OP>, COUNT),             \
      makeForm(OPCODE, MODE, Type::U64, RUN<uint64_t, OP>, COUNT)
#define SIGNED(OPCODE, MODE, RUN, OP, COUNT)                                   \
  makeForm(OPCODE, MODE, Type::S16, RUN<int16_t, OP>, COUNT),                  \
      makeForm(OPCODE, MODE, Type::S32, RUN<int32_t, OP>, COUNT),              \
      makeForm(OPCODE, MODE, Type::S64, RUN<int64_t, OP>, COUNT)
#define INTEGERS(OPCODE, MODE, RUN, OP, COUNT)                                 \
  UNSIGNED(OPCODE, MODE, RUN, OP, COUNT), SIGNED(OPCODE, MODE, RUN, OP, COUNT)
#define WORDS(OPCODE, MODE, RUN, OP, COUNT)                                    \
  makeForm(OPCODE, MODE, Type::U32, RUN<uint32_t, OP>, COUNT),                 \
      makeForm(OPCODE, MODE, Type::S32, RUN<int32_t, OP>, COUNT)
#define BITS(OPCODE, RUN, OP, COUNT)                                           \
  makeForm(OPCODE, "", Type::B16, RUN<uint16_t, OP>, COUNT),                   \
      makeForm(OPCODE, "", Type::B32, RUN<uint32_t, OP>, COUNT),               \
      makeForm(OPCODE, "", Type::B64, RUN<uint64_t, OP>, COUNT)
/// mul.wide and mad.wide, whose results and addends are twice as wide.
#define WIDE(TYPE, RESULT, T)                                                  \
  {"mul",        "wide",     Type::TYPE, runWide<T, false>,                    \
   Type::RESULT, Type::TYPE, Type::TYPE, Type::None},                          \
  {                                                                            \
    "mad", "wide", Type::TYPE, runWide<T, true>, Type::RESULT, Type::TYPE,     \
        Type::TYPE, Type::RESULT                                               \
  }

static constexpr Form kForms[] = {
    INTEGERS("add", "", runBinary, Add, 2),
    makeForm("add", "sat", Type::S32, runBinary<int32_t, AddSat>, 2),
    INTEGERS("sub", "", runBinary, Sub, 2),
    makeForm("sub", "sat", Type::S32, runBinary<int32_t, SubSat>, 2),
    INTEGERS("mul", "lo", runBinary, MulLo, 2),
    INTEGERS("mul", "hi", runBinary, MulHi, 2),
    INTEGERS("mad", "lo", runTernary, MadLo, 3),
    INTEGERS("mad", "hi", runTernary, MadHi, 3),
    makeForm("mad", "hi.sat", Type::S32, runTernary<int32_t, MadHiSat>, 3),
    WIDE(U16, U32, uint16_t),
    WIDE(S16, S32, int16_t),
    WIDE(U32, U64, uint32_t),
    WIDE(S32, S64, int32_t),
    WORDS("mul24", "lo", runBinary, Mul24Lo, 2),
    WORDS("mul24", "hi", runBinary, Mul24Hi, 2),
    WORDS("mad24", "lo", runTernary, Mad24Lo, 3),
    WORDS("mad24", "hi", runTernary, Mad24Hi, 3),
    INTEGERS("sad", "", runTernary, Sad, 3),
    INTEGERS("div", "", runBinary, Div, 2),
    INTEGERS("rem", "", runBinary, Rem, 2),
    INTEGERS("min", "", runBinary, Min, 2),
    INTEGERS("max", "", runBinary, Max, 2),
    SIGNED("abs", "", runUnary, Abs, 1),
    SIGNED("neg", "", runUnary, Neg, 1),
    BITS("and", runBinary, And, 2),
    BITS("or", runBinary, Or, 2),
    BITS("xor", runBinary, Xor, 2),
    BITS("not", runUnary, Not, 1),
    BITS("cnot", runUnary, Cnot, 1),
};

static bool decodeInteger(Decoder &decoder) {
  decoder.inst().kind = Class::Integer;
  return decodeForm(decoder, std::begin(kForms), std::end(kForms));
}

//===----------------------------------------------------------------------===//
// Predicates and pairs of halves
//===----------------------------------------------------------------------===//

/// and, or, xor of predicates; a negated source has its bit in flags.
template <typename Op>
static Flow runLogic(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint8_t>(inst.op[0]);
  const auto *a = warp.lanes<uint8_t>(inst.op[1]);
  const auto *b = warp.lanes<uint8_t>(inst.op[2]);
  uint8_t notA = inst.flags & 1, notB = inst.flags >> 1 & 1;
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = Op::template apply<uint8_t>(a[lane] ^ notA, b[lane] ^ notB);
  });
  return Flow::Next;
}

static Flow runNotPredicate(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint8_t>(inst.op[0]);
  const auto *a = warp.lanes<uint8_t>(inst.op[1]);
  uint8_t flip = !(inst.flags & 1);
  forEachLane(mask, [&](unsigned lane) { to[lane] = a[lane] ^ flip; });
  return Flow::Next;
}

/// and, or, xor, not: of bits or of predicates.
template <typename Op> static bool decodeLogic(Decoder &decoder) {
  if (!decoder.take("pred"))
    return decodeInteger(decoder);
  Inst &inst = decoder.inst();
  inst.kind = Class::Compare;
  constexpr bool kIsNot = std::is_same_v<Op, Not>;
  const std::vector<Operand> &operands = decoder.get().operands;
  if (!decoder.expectOperands(kIsNot ? 2 : 3))
    return false;
  for (size_t i = 1; i < operands.size(); ++i) {
    inst.flags |= operands[i].isNegated << (i - 1);
    if (!decoder.readSource(i, Type::Pred))
      return false;
  }
  if constexpr (kIsNot)
    inst.run = runNotPredicate;
  else
    inst.run = runLogic<Op>;
  return decoder.readDestination(0, Type::Pred);
}

/// Both halves of a word, each as a number.
template <typename T, typename Op, bool Relu>
static Flow runPair(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  const auto *a = warp.lanes<uint32_t>(inst.op[1]);
  const auto *b = warp.lanes<uint32_t>(inst.op[2]);
  auto half = [](uint32_t x, uint32_t y) -> uint32_t {
    T result = Op::template apply<T>(T(x), T(y));
    return uint16_t(Relu && result < T(0) ? T(0) : result);
  };
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = half(a[lane], b[lane]) | half(a[lane] >> 16, b[lane] >> 16)
                                            << 16;
  });
  return Flow::Next;
}

/// Relu for .s32, too.
template <typename Op>
static Flow runRelu(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<int32_t>(inst.op[0]);
  const auto *a = warp.lanes<int32_t>(inst.op[1]);
  const auto *b = warp.lanes<int32_t>(inst.op[2]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = std::max(Op::apply(a[lane], b[lane]), 0);
  });
  return Flow::Next;
}

/// add, min and max of .u16x2 and .s16x2, and .relu of min and max (sm_90).
template <typename Op> static bool decodePair(Decoder &decoder) {
  Inst &inst = decoder.inst();
  bool isUnsigned = decoder.get().has("u16x2");
  bool isPair = isUnsigned || decoder.get().has("s16x2");
  if (!isPair && !decoder.get().has("relu"))
    return decodeInteger(decoder);
  inst.kind = Class::Integer;
  Type type = decoder.takeType();
  bool isRelu = decoder.take("relu");
  if (!decoder.requireArch(90))
    return false;
  if (isRelu &&
      (isUnsigned || std::is_same_v<Op, Add> || (!isPair && type != Type::S32)))
    return decoder.fail(
        "has .relu, which is for .s16x2 and .s32 of min and max");
  inst.run = !isPair      ? runRelu<Op>
             : isUnsigned ? runPair<uint16_t, Op, false>
             : isRelu     ? runPair<int16_t, Op, true>
                          : runPair<int16_t, Op, false>;
  return decoder.expectOperands(3) && decoder.readDestination(0, type) &&
         decoder.readSource(1, type) && decoder.readSource(2, type);
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

/// add, sub and mad with a carry are in Carry.cpp.
template <bool (*Plain)(Decoder &)>
static bool decodeCarrying(Decoder &decoder) {
  return decoder.get().has("cc") ? decodeCarry(decoder) : Plain(decoder);
}

const OpcodeEntry sparsedrop::ptx::kIntegerOpcodes[] = {
    {"add", decodeCarrying<decodePair<Add>>},
    {"addc", decodeCarry},
    {"sub", decodeCarrying<decodeInteger>},
    {"subc", decodeCarry},
    {"mul", decodeInteger},
    {"mad", decodeCarrying<decodeInteger>},
    {"madc", decodeCarry},
    {"mul24", decodeInteger},
    {"mad24", decodeInteger},
    {"sad", decodeInteger},
    {"div", decodeInteger},
    {"rem", decodeInteger},
    {"min", decodePair<Min>},
    {"max", decodePair<Max>},
    {"abs", decodeInteger},
    {"neg", decodeInteger},
    {"and", decodeLogic<And>},
    {"or", decodeLogic<Or>},
    {"xor", decodeLogic<Xor>},
    {"not", decodeLogic<Not>},
    {"cnot", decodeInteger},
    {"", nullptr},
};
