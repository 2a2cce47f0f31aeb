//===- Convert.cpp - Conversions ------------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConvertOps.h"
#include "ConvertPairs.h"
#include "Decoder.h"
#include "FloatOps.h"
#include "Lanes.h"
#include "Machine.h"

using namespace sparsedrop::ptx;
using namespace sparsedrop::ptx::conversions;

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

/// Registers may be wider than the types (ISA 9.4.1): the source's low bytes
/// are read, and the result is extended by its type.
template <typename To, typename From>
static Flow runConvert(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &modes = inst.getData<Modes>();
  auto *to = warp.lanes<uint8_t>(inst.op[0]);
  const auto *from = warp.lanes<uint8_t>(inst.op[1]);
  forEachLane(mask, [&](unsigned lane) {
    typename From::Stored bits;
    std::memcpy(&bits, from + lane * modes.fromSize, sizeof(bits));
    auto result = convert<To, From>(bits, modes);
    int64_t wide = 0;
    if constexpr (To::kIsFloat)
      std::memcpy(&wide, &result, sizeof(result));
    else
      wide = static_cast<int64_t>(result);
    std::memcpy(to + lane * modes.toSize, &wide, modes.toSize);
  });
  return Flow::Next;
}

/// The frequent ones: registers as wide as the types, no modes but what C++
/// does too.
template <typename To, typename From>
static Flow runCast(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<To>(inst.op[0]);
  const auto *from = warp.lanes<From>(inst.op[1]);
  forEachLane(mask,
              [&](unsigned lane) { to[lane] = static_cast<To>(from[lane]); });
  return Flow::Next;
}

/// The same for results that may be NaN.
template <typename To, typename From, To (*Convert)(From)>
static Flow runEach(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<To>(inst.op[0]);
  const auto *from = warp.lanes<From>(inst.op[1]);
  To results[kNumLanes];
  for (unsigned lane = 0; lane < kNumLanes; ++lane)
    results[lane] = Convert(from[lane]);
  forEachLane(mask, [&](unsigned lane) { to[lane] = results[lane]; });
  return Flow::Next;
}

static float widenHalf(uint16_t bits) { return makeCanonical(fromHalf(bits)); }
static float widenBfloat16(uint16_t bits) {
  return makeCanonical(fromBfloat16(bits));
}
static double widen(float value) { return makeCanonical(double(value)); }
static float narrow(double value) { return makeCanonical(float(value)); }

/// To an integer of 32 bits: what is out of range is brought to its end first,
/// so that a double holds everything exactly.
template <typename To, Rounding Mode> static To toInteger(float value) {
  constexpr double kLow = std::numeric_limits<To>::min();
  constexpr double kHigh = std::numeric_limits<To>::max();
  // The sum has no place for bits below 1.
  constexpr double kOnes = 0x1.8p52;
  double wide = value > kLow ? double(value) : kLow;
  wide = wide < kHigh ? wide : kHigh;
  double nearest = (wide + kOnes) - kOnes, result = nearest;
  if (Mode == Rounding::Down || (Mode == Rounding::Zero && kLow == 0))
    result = nearest > wide ? nearest - 1 : nearest;
  if (Mode == Rounding::Up)
    result = nearest < wide ? nearest + 1 : nearest;
  if (Mode == Rounding::Zero && kLow != 0)
    result = wide;
  To integer = static_cast<To>(result); // cuts off what is left
  return value == value ? integer : To(0);
}

//===----------------------------------------------------------------------===//
// Choice of the handler
//===----------------------------------------------------------------------===//

template <typename To> static Handler pickFrom(Type from) {
  switch (from) {
  case Type::U8:
    return runConvert<To, Plain<uint8_t>>;
  case Type::S8:
    return runConvert<To, Plain<int8_t>>;
  case Type::U16:
    return runConvert<To, Plain<uint16_t>>;
  case Type::S16:
    return runConvert<To, Plain<int16_t>>;
  case Type::U32:
    return runConvert<To, Plain<uint32_t>>;
  case Type::S32:
    return runConvert<To, Plain<int32_t>>;
  case Type::U64:
    return runConvert<To, Plain<uint64_t>>;
  case Type::S64:
    return runConvert<To, Plain<int64_t>>;
  case Type::F16:
    return runConvert<To, Half>;
  case Type::BF16:
    return runConvert<To, Bfloat16>;
  case Type::F32:
    return runConvert<To, Plain<float>>;
  case Type::F64:
    return runConvert<To, Plain<double>>;
  default:
    return nullptr;
  }
}

static Handler pickTo(Type to, Type from) {
  switch (to) {
  case Type::U8:
    return pickFrom<Plain<uint8_t>>(from);
  case Type::S8:
    return pickFrom<Plain<int8_t>>(from);
  case Type::U16:
    return pickFrom<Plain<uint16_t>>(from);
  case Type::S16:
    return pickFrom<Plain<int16_t>>(from);
  case Type::U32:
    return pickFrom<Plain<uint32_t>>(from);
  case Type::S32:
    return pickFrom<Plain<int32_t>>(from);
  case Type::U64:
    return pickFrom<Plain<uint64_t>>(from);
  case Type::S64:
    return pickFrom<Plain<int64_t>>(from);
  case Type::F16:
    return pickFrom<Half>(from);
  case Type::BF16:
    return pickFrom<Bfloat16>(from);
  case Type::F32:
    return pickFrom<Plain<float>>(from);
  case Type::F64:
    return pickFrom<Plain<double>>(from);
  default:
    return nullptr;
  }
}

namespace {
struct FastForm {
  Type to, from;
  Handler run;
  Rounding rounding = Rounding::Even;
  bool toInteger = false;
};
} // namespace

#define TO_INTEGER(TYPE, T, MODE)                                              \
  {Type::TYPE, Type::F32, runEach<T, float, toInteger<T, Rounding::MODE>>,     \
   Rounding::MODE, true}

static constexpr FastForm kFastForms[] = {
    {Type::F16, Type::F32, runEach<uint16_t, float, toHalf>},
    {Type::BF16, Type::F32, runEach<uint16_t, float, toBfloat16>},
    {Type::F32, Type::F16, runEach<float, uint16_t, widenHalf>},
    {Type::F32, Type::BF16, runEach<float, uint16_t, widenBfloat16>},
    {Type::F64, Type::F32, runEach<double, float, widen>},
    {Type::F32, Type::F64, runEach<float, double, narrow>},
    TO_INTEGER(S32, int32_t, Zero),
    TO_INTEGER(S32, int32_t, Even),
    TO_INTEGER(S32, int32_t, Down),
    TO_INTEGER(S32, int32_t, Up),
    TO_INTEGER(U32, uint32_t, Zero),
    TO_INTEGER(U32, uint32_t, Even),
    {Type::F32, Type::S32, runCast<float, int32_t>},
    {Type::F32, Type::U32, runCast<float, uint32_t>},
    {Type::F32, Type::S64, runCast<float, int64_t>},
    {Type::F32, Type::U64, runCast<float, uint64_t>},
    {Type::F64, Type::S32, runCast<double, int32_t>},
    {Type::F64, Type::U32, runCast<double, uint32_t>},
    {Type::S64, Type::S32, runCast<int64_t, int32_t>},
    {Type::U64, Type::U32, runCast<uint64_t, uint32_t>},
    {Type::U32, Type::U64, runCast<uint32_t, uint64_t>},
    {Type::S32, Type::S64, runCast<int32_t, int64_t>},
    {Type::U32, Type::U16, runCast<uint32_t, uint16_t>},
    {Type::U16, Type::U32, runCast<uint16_t, uint32_t>},
    {Type::S32, Type::S16, runCast<int32_t, int16_t>},
};
#undef TO_INTEGER

/// A handler that does the same as the general one, and faster.
static Handler pickFast(Type to, Type from, const Modes &modes) {
  bool isPlain = !modes.flush && !modes.saturate && !modes.relu &&
                 !modes.satfinite && modes.toSize == getSize(to) &&
                 modes.fromSize == getSize(from);
  for (const FastForm &form : kFastForms)
    if (isPlain && form.to == to && form.from == from &&
        form.rounding == modes.rounding && form.toInteger == modes.toInteger)
      return form.run;
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Decoder
//===----------------------------------------------------------------------===//

static void takeModes(Decoder &decoder, Modes &modes) {
  struct Word {
    std::string_view word;
    Rounding rounding;
    bool toInteger;
  };
  static constexpr Word kWords[] = {
      {"rn", Rounding::Even, false}, {"rna", Rounding::Away, false},
      {"rz", Rounding::Zero, false}, {"rm", Rounding::Down, false},
      {"rp", Rounding::Up, false},   {"rni", Rounding::Even, true},
      {"rzi", Rounding::Zero, true}, {"rmi", Rounding::Down, true},
      {"rpi", Rounding::Up, true},
  };
  for (const Word &word : kWords) {
    if (!decoder.take(word.word))
      continue;
    modes.rounding = word.rounding;
    modes.toInteger = word.toInteger;
    modes.hasRounding = true;
  }
  modes.flush = decoder.take("ftz");
  modes.saturate = decoder.take("sat");
  modes.relu = decoder.take("relu");
  modes.satfinite = decoder.take("satfinite");
}

static bool isNarrow(Type type) {
  return type == Type::F16 || type == Type::BF16;
}

/// Whether the modes are those that the types must and may have (ISA 9.7.9.21).
static bool checkModes(Decoder &decoder, Type to, Type from,
                       const Modes &modes) {
  bool areFloats = isFloat(to) && isFloat(from);
  bool losesBits = (isFloat(to) && !isFloat(from)) ||
                   (areFloats && to != from && getSize(to) <= getSize(from));
  bool canBeWhole = isFloat(from) && (!isFloat(to) || to == from);
  bool isRounding = modes.hasRounding && !modes.toInteger;
  if ((losesBits && !modes.hasRounding) || (isRounding && !losesBits))
    return decoder.fail(losesBits   ? "expected a rounding modifier"
                        : areFloats ? "rounds, though nothing is lost"
                                    : "expected .rni, .rzi, .rmi or .rpi");
  if (!isFloat(to) && isFloat(from) && !modes.toInteger)
    return decoder.fail("expected a rounding modifier: .rni, .rzi, .rmi or "
                        ".rpi");
  if (modes.toInteger && !canBeWhole)
    return decoder.fail("rounds to an integer, which is for floats that become "
                        "integers or stay of their type");
  if ((modes.relu || modes.satfinite) && !(isNarrow(to) && from == Type::F32))
    return decoder.fail("has .relu or .satfinite, which is for .f16 and .bf16 "
                        "from .f32");
  if (modes.flush && to != Type::F32 && from != Type::F32)
    return decoder.fail("has .ftz, which is for .f32");
  bool isNewer = (to == Type::BF16 && from != Type::F32) ||
                 (from == Type::BF16 && to != Type::F32);
  return decoder.requireArch(isNewer                                  ? 90
                             : to == Type::BF16 || from == Type::BF16 ? 80
                                                                      : 0);
}

static bool decodeCvt(Decoder &decoder) {
  if (isPairConversion(decoder.get()))
    return decodePairConversion(decoder);
  Inst &inst = decoder.inst();
  auto &modes = decoder.setData<Modes>();
  inst.kind = Class::Convert;
  takeModes(decoder, modes);
  Type to = decoder.takeType(), from = decoder.takeType();
  if (!decoder.expectOperands(2))
    return false;
  inst.run = pickTo(to, from);
  if (!inst.run)
    return decoder.fail("has no form of these types that is supported");
  if (!checkModes(decoder, to, from, modes))
    return false;
  const std::vector<Operand> &operands = decoder.get().operands;
  auto slot = [&](const Operand &operand, Type type, unsigned &size,
                  bool isResult) {
    size = std::max(decoder.getRegisterSize(operand), getSize(type));
    return isResult ? decoder.destination(operand, type, /*relaxed=*/true)
                    : decoder.source(operand, type, /*relaxed=*/true);
  };
  std::optional<uint32_t> result = slot(operands[0], to, modes.toSize, true);
  std::optional<uint32_t> source =
      slot(operands[1], from, modes.fromSize, false);
  if (!result || !source)
    return false;
  inst.op[0] = *result;
  inst.op[1] = *source;
  if (Handler fast = pickFast(to, from, modes))
    inst.run = fast;
  return true;
}

const OpcodeEntry sparsedrop::ptx::kConvertOpcodes[] = {
    {"cvt.pack", decodeSaturatedPack},
    {"cvt", decodeCvt},
    {"", nullptr},
};
