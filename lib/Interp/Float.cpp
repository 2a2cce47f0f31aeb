//===- Float.cpp - Arithmetic of f32 and f64 ------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "FloatRun.h"
#include "Half.h"

#include <optional>

using namespace sparsedrop::ptx;
using namespace sparsedrop::ptx::floats;

//===----------------------------------------------------------------------===//
// Choice of the handler
//===----------------------------------------------------------------------===//

namespace {
/// What an opcode may say beside its type (ISA 9.7.3); what it may not stays,
/// and is refused.
enum : unsigned { Rounds = 1, Ftz = 2, Sat = 4, Approx = 8, Full = 16 };

/// The modifiers of a float instruction.
struct Modifiers {
  Rounding rounding = Rounding::Even;
  bool hasRounding = false, flush = false, saturate = false, approx = false,
       full = false;
};
} // namespace

static Modifiers takeModifiers(Decoder &decoder, unsigned allowed) {
  Modifiers result;
  const std::pair<std::string_view, Rounding> kModes[] = {
      {"rn", Rounding::Even},
      {"rz", Rounding::Zero},
      {"rm", Rounding::Down},
      {"rp", Rounding::Up}};
  for (auto [word, mode] : kModes) {
    if (!(allowed & Rounds) || !decoder.take(word))
      continue;
    result.rounding = mode;
    result.hasRounding = true;
  }
  result.approx = (allowed & Approx) && decoder.take("approx");
  result.full = (allowed & Full) && decoder.take("full");
  result.flush = (allowed & Ftz) && decoder.take("ftz");
  result.saturate = (allowed & Sat) && decoder.take("sat");
  return result;
}

template <Handler Run> static Handler round(const Modifiers &modifiers) {
  return modifiers.rounding == Rounding::Even ? Run : runRounded<Run>;
}

template <typename T, typename Op>
static Handler pickBinary(const Modifiers &m) {
  if (m.flush)
    return m.saturate ? round<runBinary<T, Op, true, true>>(m)
                      : round<runBinary<T, Op, true, false>>(m);
  return m.saturate ? round<runBinary<T, Op, false, true>>(m)
                    : round<runBinary<T, Op, false, false>>(m);
}

template <typename T, typename Op>
static Handler pickUnary(const Modifiers &m) {
  return m.flush ? round<runUnary<T, Op, true, false>>(m)
                 : round<runUnary<T, Op, false, false>>(m);
}

template <typename T> static Handler pickFma(const Modifiers &m) {
#ifdef __x86_64__
  bool isPlain = !m.flush && !m.saturate && m.rounding == Rounding::Even;
  static const bool kHasFma =
      __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2");
  if (sizeof(T) == 4 && isPlain && kHasFma)
    return runFmaVector;
#endif
  if (m.flush)
    return m.saturate ? round<runFma<T, true, true>>(m)
                      : round<runFma<T, true, false>>(m);
  return m.saturate ? round<runFma<T, false, true>>(m)
                    : round<runFma<T, false, false>>(m);
}

//===----------------------------------------------------------------------===//
// Decoders
//===----------------------------------------------------------------------===//

/// Reads operands of one type: a result and `sources` sources.
static bool readOperands(Decoder &decoder, Type type, unsigned sources) {
  if (!decoder.expectOperands(sources + 1) || !decoder.readDestination(0, type))
    return false;
  for (unsigned i = 1; i <= sources; ++i)
    if (!decoder.readSource(i, type))
      return false;
  return true;
}

/// What an instruction allows beside its type.
static bool checkModifiers(Decoder &decoder, Type type, const Modifiers &m) {
  bool isDouble = type == Type::F64;
  if (isDouble && (m.saturate || (m.flush && !m.approx)))
    return decoder.fail("has .ftz or .sat, which .f64 does not have");
  decoder.inst().flags = static_cast<uint8_t>(m.rounding);
  decoder.inst().kind = isDouble ? Class::Double : Class::Float;
  return true;
}

static bool isNarrow(const Instruction &instruction) {
  for (std::string_view type : {"f16", "f16x2", "bf16", "bf16x2"})
    if (instruction.has(type))
      return true;
  return false;
}

/// The type, which must be f32 or f64.
static bool takeFloatType(Decoder &decoder, Type &type) {
  type = decoder.takeType();
  return type == Type::F32 || type == Type::F64 ||
         decoder.fail("has no form of this type that is supported");
}

template <typename Op> static bool decodeBinary(Decoder &decoder) {
  if (isNarrow(decoder.get()))
    return decodeHalf(decoder);
  Modifiers m = takeModifiers(decoder, Rounds | Ftz | Sat);
  Type type;
  if (!takeFloatType(decoder, type) || !checkModifiers(decoder, type, m))
    return false;
  decoder.inst().run =
      type == Type::F32 ? pickBinary<float, Op>(m) : pickBinary<double, Op>(m);
  return readOperands(decoder, type, 2);
}

static bool decodeFma(Decoder &decoder) {
  if (isNarrow(decoder.get()))
    return decodeHalf(decoder);
  Modifiers m = takeModifiers(decoder, Rounds | Ftz | Sat);
  Type type;
  if (!takeFloatType(decoder, type) || !checkModifiers(decoder, type, m))
    return false;
  if (!m.hasRounding)
    return decoder.fail("expected a rounding mode");
  decoder.inst().run =
      type == Type::F32 ? pickFma<float>(m) : pickFma<double>(m);
  return readOperands(decoder, type, 3);
}

/// rcp and sqrt with a rounding mode or .approx; rsqrt and the functions, which
/// only have .approx.
template <typename Op, bool HasExact, bool HasDouble>
static bool decodeUnary(Decoder &decoder) {
  if (isNarrow(decoder.get()))
    return decodeHalf(decoder);
  Modifiers m = takeModifiers(decoder, Rounds | Ftz | Approx);
  Type type;
  if (!takeFloatType(decoder, type) || !checkModifiers(decoder, type, m))
    return false;
  if (m.hasRounding == m.approx || (m.hasRounding && !HasExact))
    return decoder.fail(HasExact ? "expected a rounding mode or .approx"
                                 : "expected .approx");
  if (type == Type::F64 && !HasDouble)
    return decoder.fail("has no form of this type");
  decoder.inst().run = type == Type::F32 ? pickUnary<float, Op>(m)
                       : m.flush ? pickUnary<double, FloatUpperHalf<Op>>(m)
                                 : pickUnary<double, Op>(m);
  return readOperands(decoder, type, 1);
}

static bool decodeDiv(Decoder &decoder) {
  Modifiers m = takeModifiers(decoder, Rounds | Ftz | Approx | Full);
  Type type;
  if (!takeFloatType(decoder, type) || !checkModifiers(decoder, type, m))
    return false;
  if (m.hasRounding + m.approx + m.full != 1)
    return decoder.fail("expected a rounding mode, .approx or .full");
  if (type == Type::F64 && !m.hasRounding)
    return decoder.fail("has no form of this type");
  decoder.inst().run = type == Type::F64 ? pickBinary<double, FloatDiv>(m)
                       : m.approx        ? pickBinary<float, FloatDivApprox>(m)
                                         : pickBinary<float, FloatDiv>(m);
  return readOperands(decoder, type, 2);
}

template <typename T, bool IsMax>
static Handler pickMinMax(const Modifiers &m, bool nan, bool xorSign) {
  if (xorSign)
    return nan ? pickBinary<T, FloatMinMax<IsMax, true, true>>(m)
               : pickBinary<T, FloatMinMax<IsMax, false, true>>(m);
  return nan ? pickBinary<T, FloatMinMax<IsMax, true, false>>(m)
             : pickBinary<T, FloatMinMax<IsMax, false, false>>(m);
}

template <bool IsMax> static bool decodeMinMax(Decoder &decoder) {
  if (isNarrow(decoder.get()))
    return decodeHalf(decoder);
  Modifiers m = takeModifiers(decoder, Ftz);
  bool nan = decoder.take("NaN"), xorSign = decoder.take("xorsign");
  if (xorSign && !decoder.take("abs"))
    return decoder.fail("expected .xorsign.abs");
  Type type;
  if (!takeFloatType(decoder, type) || !checkModifiers(decoder, type, m))
    return false;
  if (type == Type::F64 && (nan || xorSign))
    return decoder.fail("has modifiers that .f64 does not have");
  if ((nan && !decoder.requireArch(80)) ||
      (xorSign && !decoder.requireArch(86)))
    return false;
  decoder.inst().run = type == Type::F32
                           ? pickMinMax<float, IsMax>(m, nan, xorSign)
                           : pickMinMax<double, IsMax>(m, nan, xorSign);
  return readOperands(decoder, type, 2);
}

template <bool Negate> static bool decodeSign(Decoder &decoder) {
  if (isNarrow(decoder.get()))
    return decodeHalf(decoder);
  Modifiers m = takeModifiers(decoder, Ftz);
  Type type;
  if (!takeFloatType(decoder, type) || !checkModifiers(decoder, type, m))
    return false;
  decoder.inst().run = type == Type::F64 ? runSign<double, Negate, false>
                       : m.flush         ? runSign<float, Negate, true>
                                         : runSign<float, Negate, false>;
  return readOperands(decoder, type, 1);
}

static bool decodeCopysign(Decoder &decoder) {
  Type type;
  decoder.inst().kind = Class::Float;
  if (!takeFloatType(decoder, type))
    return false;
  decoder.inst().run =
      type == Type::F32 ? runCopysign<float> : runCopysign<double>;
  return readOperands(decoder, type, 2);
}

template <typename T> static Handler pickTestp(std::string_view word) {
  return word == "finite"       ? runTestp<T, Test::Finite>
         : word == "infinite"   ? runTestp<T, Test::Infinite>
         : word == "number"     ? runTestp<T, Test::Number>
         : word == "notanumber" ? runTestp<T, Test::NotANumber>
         : word == "normal"     ? runTestp<T, Test::Normal>
         : word == "subnormal"  ? runTestp<T, Test::Subnormal>
                                : nullptr;
}

static bool decodeTestp(Decoder &decoder) {
  std::string word(decoder.takeAny());
  Type type;
  decoder.inst().kind = Class::Compare;
  if (!takeFloatType(decoder, type))
    return false;
  decoder.inst().run =
      type == Type::F32 ? pickTestp<float>(word) : pickTestp<double>(word);
  if (!decoder.inst().run)
    return decoder.fail("has no test ." + word);
  return decoder.expectOperands(2) && decoder.readDestination(0, Type::Pred) &&
         decoder.readSource(1, type);
}

const OpcodeEntry sparsedrop::ptx::kFloatOpcodes[] = {
    {"add", decodeBinary<FloatAdd>},
    {"sub", decodeBinary<FloatSub>},
    {"mul", decodeBinary<FloatMul>},
    {"fma", decodeFma},
    {"mad", decodeFma},
    {"div", decodeDiv},
    {"rcp", decodeUnary<FloatRcp, true, true>},
    {"sqrt", decodeUnary<FloatSqrt, true, true>},
    {"rsqrt", decodeUnary<FloatRsqrt, false, true>},
    {"sin", decodeUnary<FloatSin, false, false>},
    {"cos", decodeUnary<FloatCos, false, false>},
    {"lg2", decodeUnary<FloatLg2, false, false>},
    {"ex2", decodeUnary<FloatEx2, false, false>},
    {"tanh", decodeUnary<FloatTanh, false, false>},
    {"min", decodeMinMax<false>},
    {"max", decodeMinMax<true>},
    {"abs", decodeSign<false>},
    {"neg", decodeSign<true>},
    {"copysign", decodeCopysign},
    {"testp", decodeTestp},
    {"", nullptr},
};
