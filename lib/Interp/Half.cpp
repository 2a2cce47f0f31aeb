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
};
struct Bfloat16Kind {
  static constexpr uint16_t kExponent = 0x7F80;
  static float load(uint16_t bits) { return fromBfloat16(bits); }
  static uint16_t store(float value) { return toBfloat16(value); }
};

template <typename Kind> uint16_t flushBits(uint16_t bits) {
  return bits & Kind::kExponent ? bits : bits & 0x8000;
}

/// a * b + c rounded to odd (see toOddFloat). The product of two narrow floats
/// is exact.
double fmaToOdd(double a, double b, double c) {
  double product = a * b, sum = product + c;
  double part = sum - product;
  double error = (product - (sum - part)) + (c - part);
  bool isInexact = error < 0 || error > 0; // NaN, with infinities, is neither
  bool isFarther = sum < 0 ? error > 0 : error < 0;
  return bitCast<double>((bitCast<uint64_t>(sum) - isFarther) | isInexact);
}

//===----------------------------------------------------------------------===//
// Operations: floats that rounding once more makes the results
//===----------------------------------------------------------------------===//

/// A float has more than twice the bits of either format, so that rounding a
/// sum twice does no harm.
struct Add {
  static constexpr unsigned kSources = 2;
  static float apply(float a, float b, float) { return a + b; }
};
struct Sub {
  static constexpr unsigned kSources = 2;
  static float apply(float a, float b, float) { return a - b; }
};
/// In double, since products of bf16 may be subnormal as a float.
struct Mul {
  static constexpr unsigned kSources = 2;
  static float apply(float a, float b, float) {
    return toOddFloat(double(a) * double(b));
  }
};
struct Fma {
  static constexpr unsigned kSources = 3;
  static float apply(float a, float b, float c) {
    return toOddFloat(fmaToOdd(a, b, c));
  }
};
template <bool IsMax, bool KeepsNaN, bool XorSign> struct MinMax {
  static constexpr unsigned kSources = 2;
  static float apply(float a, float b, float) {
    return FloatMinMax<IsMax, KeepsNaN, XorSign>::apply(a, b);
  }
};
struct Ex2 {
  static constexpr unsigned kSources = 1;
  static float apply(float a, float, float) {
    return toOddFloat(exp2Series(a));
  }
};
struct Tanh {
  static constexpr unsigned kSources = 1;
  static float apply(float a, float, float) {
    return toOddFloat(std::tanh(double(a)));
  }
};

/// What is done to the result. It makes no difference that this comes before
/// the last rounding.
enum class After { Nothing, Saturate, Relu };

} // namespace

template <After Then> static float finish(float value) {
  return Then == After::Saturate ? saturateUnit(value)
         : Then == After::Relu   ? relu(value)
                                 : value;
}

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

/// Copies the words of a mask's lanes; a word is one number or two.
template <bool IsPair>
static void storeLanes(uint16_t *to, const uint16_t *values, LaneMask mask) {
  constexpr unsigned kWidth = IsPair ? 2 : 1;
  if (mask == kAllLanes) {
    std::memcpy(to, values, kNumLanes * kWidth * sizeof(uint16_t));
    return;
  }
  forEachLane(mask, [&](unsigned lane) {
    for (unsigned i = kWidth * lane; i < kWidth * (lane + 1); ++i)
      to[i] = values[i];
  });
}

/// op: result and up to three sources. The halves of all lanes lie side by
/// side, so that pairs are only more numbers. Short loops vectorize; one loop
/// would not.
template <typename Kind, typename Op, bool Flush, After Then, bool IsPair>
static Flow runHalf(Warp &warp, const Inst &inst, LaneMask mask) {
  constexpr unsigned kCount = IsPair ? 2 * kNumLanes : kNumLanes;
  float sources[3][kCount], values[kCount];
  for (unsigned source = 0; source < Op::kSources; ++source) {
    const auto *from = warp.lanes<uint16_t>(inst.op[source + 1]);
    for (unsigned i = 0; i < kCount; ++i)
      sources[source][i] =
          Kind::load(Flush ? flushBits<Kind>(from[i]) : from[i]);
  }
  const float *a = sources[0];
  const float *b = sources[Op::kSources > 1 ? 1 : 0];
  const float *c = sources[Op::kSources > 2 ? 2 : 0];
  for (unsigned i = 0; i < kCount; ++i)
    values[i] = finish<Then>(Op::apply(a[i], b[i], c[i]));
  uint16_t results[kCount];
  for (unsigned i = 0; i < kCount; ++i) {
    uint16_t bits = Kind::store(values[i]);
    results[i] = Flush ? flushBits<Kind>(bits) : bits;
  }
  storeLanes<IsPair>(warp.lanes<uint16_t>(inst.op[0]), results, mask);
  return Flow::Next;
}

/// neg and abs: of the sign bits.
template <typename Kind, bool Negate, bool Flush, bool IsPair>
static Flow runSign(Warp &warp, const Inst &inst, LaneMask mask) {
  constexpr unsigned kCount = IsPair ? 2 * kNumLanes : kNumLanes;
  const auto *a = warp.lanes<uint16_t>(inst.op[1]);
  uint16_t results[kCount];
  for (unsigned i = 0; i < kCount; ++i) {
    uint16_t bits = Flush ? flushBits<Kind>(a[i]) : a[i];
    results[i] = Negate ? bits ^ 0x8000 : bits & 0x7FFF;
  }
  storeLanes<IsPair>(warp.lanes<uint16_t>(inst.op[0]), results, mask);
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

namespace {
/// What an opcode may say beside its type (ISA 9.7.4); what it may not stays,
/// and is refused.
enum : unsigned { Rn = 1, Ftz = 2, Sat = 4, Relu = 8, NaN = 16, Approx = 32 };

struct Choice {
  std::string_view opcode;
  Handler (*pick)(const Modifiers &);
  unsigned sources;
  unsigned arch, bfloatArch;
  unsigned allowed, bfloatAllowed;
};
} // namespace

static constexpr Choice kChoices[] = {
    {"add", pick<Add>, 2, 53, 90, Rn | Ftz | Sat, Rn},
    {"sub", pick<Sub>, 2, 53, 90, Rn | Ftz | Sat, Rn},
    {"mul", pick<Mul>, 2, 53, 90, Rn | Ftz | Sat, Rn},
    {"fma", pick<Fma>, 3, 53, 80, Rn | Ftz | Sat | Relu, Rn | Relu},
    {"min", pickMinMax<false>, 2, 80, 80, Ftz | NaN, NaN},
    {"max", pickMinMax<true>, 2, 80, 80, Ftz | NaN, NaN},
    {"neg", pickSign<true>, 1, 53, 80, Ftz, 0},
    {"abs", pickSign<false>, 1, 53, 80, Ftz, 0},
    {"ex2", pick<Ex2>, 1, 75, 90, Approx, Approx | Ftz},
    {"tanh", pick<Tanh>, 1, 75, 90, Approx, Approx},
};

static bool takeModifiers(Decoder &decoder, unsigned allowed, Modifiers &m) {
  auto take = [&](unsigned modifier, std::string_view word) {
    return (allowed & modifier) && decoder.take(word);
  };
  take(Rn, "rn");
  if ((allowed & Approx) && !decoder.take("approx"))
    return decoder.fail("expected .approx");
  m.flush = take(Ftz, "ftz");
  m.nan = take(NaN, "NaN");
  m.xorSign = take(NaN, "xorsign");
  if (m.xorSign && !decoder.take("abs"))
    return decoder.fail("expected .xorsign.abs");
  if (take(Sat, "sat"))
    m.after = After::Saturate;
  else if (take(Relu, "relu"))
    m.after = After::Relu;
  return !m.xorSign || decoder.requireArch(86);
}

bool sparsedrop::ptx::decodeHalf(Decoder &decoder) {
  Inst &inst = decoder.inst();
  inst.kind = Class::Half;
  Modifiers m;
  m.type = decoder.takeType();
  for (const Choice &choice : kChoices) {
    if (choice.opcode != decoder.get().opcode)
      continue;
    unsigned allowed = m.isBfloat() ? choice.bfloatAllowed : choice.allowed;
    if (!decoder.requireArch(m.isBfloat() ? choice.bfloatArch : choice.arch) ||
        !takeModifiers(decoder, allowed, m))
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
