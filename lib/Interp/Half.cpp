//===- Half.cpp - Arithmetic of f16 and bf16 ------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Half.h"

#include "Decoder.h"
#include "FloatOps.h"
#include "Lanes.h"
#include "Machine.h"

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Formats
//===----------------------------------------------------------------------===//

namespace {

struct HalfKind {
  static constexpr uint16_t kExponent = 0x7C00;
  static float load(uint16_t bits) { return fromHalf(bits); }
  static uint16_t store(float value) { return toHalf(value); }
  static uint16_t store(double value) { return toHalf(value); }
};
struct Bfloat16Kind {
  static constexpr uint16_t kExponent = 0x7F80;
  static float load(uint16_t bits) { return fromBfloat16(bits); }
  static uint16_t store(float value) { return toBfloat16(value); }
  static uint16_t store(double value) { return toBfloat16(value); }
};

template <typename Kind> uint16_t flushBits(uint16_t bits) {
  return bits & Kind::kExponent ? bits : bits & 0x8000;
}

/// a * b + c so that rounding it once more, to fewer bits, gives what rounding
/// the exact value would: its last bit is 1 if anything was cut off (rounding
/// to odd). The product of two narrow floats is exact.
double fmaToOdd(double a, double b, double c) {
  double product = a * b, sum = product + c;
  double part = sum - product;
  double error = (product - (sum - part)) + (c - part);
  if (!(error != 0) || !std::isfinite(sum))
    return sum;
  auto bits = bitCast<uint64_t>(sum);
  if ((error < 0) != (sum < 0))
    --bits; // cut off, not rounded up
  return bitCast<double>(bits | 1);
}

//===----------------------------------------------------------------------===//
// Operations: on the values of the operands, giving bits
//===----------------------------------------------------------------------===//

/// A float has more than twice the bits of either format, so that rounding a
/// sum twice does no harm; nor a product of two halves, which is exact.
struct Add {
  template <typename Kind> static uint16_t apply(float a, float b, float) {
    return Kind::store(a + b);
  }
};
struct Sub {
  template <typename Kind> static uint16_t apply(float a, float b, float) {
    return Kind::store(a - b);
  }
};
/// In double, since products of bf16 may be subnormal as a float.
struct Mul {
  template <typename Kind> static uint16_t apply(float a, float b, float) {
    return Kind::store(double(a) * double(b));
  }
};
struct Fma {
  template <typename Kind> static uint16_t apply(float a, float b, float c) {
    return Kind::store(fmaToOdd(a, b, c));
  }
};
template <bool IsMax, bool KeepsNaN, bool XorSign> struct MinMax {
  template <typename Kind> static uint16_t apply(float a, float b, float) {
    return Kind::store(FloatMinMax<IsMax, KeepsNaN, XorSign>::apply(a, b));
  }
};
struct Ex2 {
  template <typename Kind> static uint16_t apply(float a, float, float) {
    return Kind::store(std::exp2(double(a)));
  }
};
struct Tanh {
  template <typename Kind> static uint16_t apply(float a, float, float) {
    return Kind::store(std::tanh(double(a)));
  }
};

/// What is done to the result.
enum class After { Nothing, Saturate, Relu };

} // namespace

template <typename Kind, After Then> static uint16_t finish(uint16_t bits) {
  float value = Kind::load(bits);
  if (Then == After::Saturate)
    return Kind::store(saturateUnit(value));
  if (Then == After::Relu)
    return value < 0 || bits == 0x8000 ? 0 : bits;
  return bits;
}

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

template <typename Kind, typename Op, bool Flush, After Then>
static uint16_t compute(uint16_t a, uint16_t b, uint16_t c) {
  if (Flush) {
    a = flushBits<Kind>(a);
    b = flushBits<Kind>(b);
    c = flushBits<Kind>(c);
  }
  uint16_t bits =
      Op::template apply<Kind>(Kind::load(a), Kind::load(b), Kind::load(c));
  return finish<Kind, Then>(Flush ? flushBits<Kind>(bits) : bits);
}

/// op: result and up to three sources; slots of sources that there are not hold
/// anything.
template <typename Kind, typename Op, bool Flush, After Then, bool IsPair>
static Flow runHalf(Warp &warp, const Inst &inst, LaneMask mask) {
  using Word = std::conditional_t<IsPair, uint32_t, uint16_t>;
  auto *to = warp.lanes<Word>(inst.op[0]);
  const auto *a = warp.lanes<Word>(inst.op[1]);
  const auto *b = warp.lanes<Word>(inst.op[2]);
  const auto *c = warp.lanes<Word>(inst.op[3]);
  auto one = compute<Kind, Op, Flush, Then>;
  forEachLane(mask, [&](unsigned lane) {
    Word low = one(a[lane], b[lane], c[lane]);
    if (IsPair)
      low |= Word(uint32_t(one(uint32_t(a[lane]) >> 16, uint32_t(b[lane]) >> 16,
                               uint32_t(c[lane]) >> 16))
                  << 16);
    to[lane] = low;
  });
  return Flow::Next;
}

/// neg and abs: of the sign bits.
template <typename Kind, bool Negate, bool Flush, bool IsPair>
static Flow runSign(Warp &warp, const Inst &inst, LaneMask mask) {
  using Word = std::conditional_t<IsPair, uint32_t, uint16_t>;
  auto *to = warp.lanes<Word>(inst.op[0]);
  const auto *a = warp.lanes<Word>(inst.op[1]);
  forEachLane(mask, [&](unsigned lane) {
    uint32_t bits = a[lane];
    if (Flush)
      bits = flushBits<Kind>(bits) | uint32_t(flushBits<Kind>(bits >> 16))
                                         << 16;
    to[lane] = Word(Negate ? bits ^ 0x80008000u : bits & 0x7FFF7FFFu);
  });
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Decoder
//===----------------------------------------------------------------------===//

namespace {
struct Modifiers {
  Type type = Type::None;
  bool flush = false, nan = false, xorSign = false;
  After after = After::Nothing;

  bool isPair() const { return type == Type::F16x2 || type == Type::BF16x2; }
  bool isBfloat() const { return type == Type::BF16 || type == Type::BF16x2; }
};
} // namespace

template <typename Kind, typename Op, bool IsPair>
static Handler pickAfter(const Modifiers &m) {
  if (m.after == After::Saturate)
    return m.flush ? runHalf<Kind, Op, true, After::Saturate, IsPair>
                   : runHalf<Kind, Op, false, After::Saturate, IsPair>;
  if (m.after == After::Relu)
    return m.flush ? runHalf<Kind, Op, true, After::Relu, IsPair>
                   : runHalf<Kind, Op, false, After::Relu, IsPair>;
  return m.flush ? runHalf<Kind, Op, true, After::Nothing, IsPair>
                 : runHalf<Kind, Op, false, After::Nothing, IsPair>;
}

template <typename Op> static Handler pick(const Modifiers &m) {
  if (m.isBfloat())
    return m.isPair() ? pickAfter<Bfloat16Kind, Op, true>(m)
                      : pickAfter<Bfloat16Kind, Op, false>(m);
  return m.isPair() ? pickAfter<HalfKind, Op, true>(m)
                    : pickAfter<HalfKind, Op, false>(m);
}

template <bool IsMax> static Handler pickMinMax(const Modifiers &m) {
  if (m.xorSign)
    return m.nan ? pick<MinMax<IsMax, true, true>>(m)
                 : pick<MinMax<IsMax, false, true>>(m);
  return m.nan ? pick<MinMax<IsMax, true, false>>(m)
               : pick<MinMax<IsMax, false, false>>(m);
}

template <bool Negate> static Handler pickSign(const Modifiers &m) {
  if (m.isBfloat())
    return m.isPair() ? runSign<Bfloat16Kind, Negate, false, true>
                      : runSign<Bfloat16Kind, Negate, false, false>;
  if (m.flush)
    return m.isPair() ? runSign<HalfKind, Negate, true, true>
                      : runSign<HalfKind, Negate, true, false>;
  return m.isPair() ? runSign<HalfKind, Negate, false, true>
                    : runSign<HalfKind, Negate, false, false>;
}

static bool takeModifiers(Decoder &decoder, Modifiers &m) {
  m.type = decoder.takeType();
  decoder.take("rn");
  decoder.take("approx");
  m.flush = decoder.take("ftz");
  m.nan = decoder.take("NaN");
  m.xorSign = decoder.take("xorsign");
  if (m.xorSign && !decoder.take("abs"))
    return decoder.fail("expected .xorsign.abs");
  if (decoder.take("sat"))
    m.after = After::Saturate;
  if (decoder.take("relu"))
    m.after = After::Relu;
  return true;
}

bool sparsedrop::ptx::decodeHalf(Decoder &decoder) {
  struct Choice {
    std::string_view opcode;
    Handler (*pick)(const Modifiers &);
    unsigned sources;
    unsigned arch, bfloatArch;
  };
  static constexpr Choice kChoices[] = {
      {"add", pick<Add>, 2, 53, 90},
      {"sub", pick<Sub>, 2, 53, 90},
      {"mul", pick<Mul>, 2, 53, 90},
      {"fma", pick<Fma>, 3, 53, 80},
      {"min", pickMinMax<false>, 2, 80, 80},
      {"max", pickMinMax<true>, 2, 80, 80},
      {"neg", pickSign<true>, 1, 53, 80},
      {"abs", pickSign<false>, 1, 53, 80},
      {"ex2", pick<Ex2>, 1, 75, 90},
      {"tanh", pick<Tanh>, 1, 75, 90},
  };
  Inst &inst = decoder.inst();
  inst.kind = Class::Half;
  Modifiers m;
  if (!takeModifiers(decoder, m))
    return false;
  for (const Choice &choice : kChoices) {
    if (choice.opcode != decoder.get().opcode)
      continue;
    if (!decoder.requireArch(m.isBfloat() ? choice.bfloatArch : choice.arch))
      return false;
    inst.run = choice.pick(m);
    if (!decoder.expectOperands(choice.sources + 1) ||
        !decoder.readDestination(0, m.type))
      return false;
    for (unsigned i = 1; i <= choice.sources; ++i)
      if (!decoder.readSource(i, m.type))
        return false;
    return true;
  }
  return decoder.fail("has no form of this type that is supported");
}
