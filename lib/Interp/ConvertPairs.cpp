//===- ConvertPairs.cpp - Conversions of pairs ----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConvertPairs.h"

#include "Decoder.h"
#include "FloatOps.h"
#include "Lanes.h"
#include "Machine.h"

#include <algorithm>

using namespace sparsedrop::ptx;

bool sparsedrop::ptx::isPairConversion(const Instruction &instruction) {
  for (std::string_view type : {"f16x2", "bf16x2", "e4m3x2", "e5m2x2", "tf32"})
    if (instruction.has(type))
      return true;
  return false;
}

namespace {

/// In Inst::flags, below them the rounding mode.
enum : uint8_t { Relu = 8, Satfinite = 16, RoundingMask = 7 };

Rounding getRounding(const Inst &inst) {
  return static_cast<Rounding>(inst.flags & RoundingMask);
}

/// What a float becomes, in the modes of an instruction and in those that are
/// frequent: to nearest, without .satfinite.
struct ToHalf {
  using Part = uint16_t;
  static Part apply(float value) { return toHalf(value); }
  static Part apply(float value, const Inst &inst) {
    return toHalf(double(value), getRounding(inst), inst.flags & Satfinite);
  }
};
struct ToBfloat16 {
  using Part = uint16_t;
  static Part apply(float value) { return toBfloat16(value); }
  static Part apply(float value, const Inst &inst) {
    return toBfloat16(double(value), getRounding(inst), inst.flags & Satfinite);
  }
};
struct ToE4M3 {
  using Part = uint8_t;
  static Part apply(float value) { return toE4M3(value); }
  static Part apply(float value, const Inst &) { return toE4M3(value); }
};
struct ToE5M2 {
  using Part = uint8_t;
  static Part apply(float value) { return toE5M2(value); }
  static Part apply(float value, const Inst &) { return toE5M2(value); }
};

} // namespace

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

template <typename To, bool IsPlain>
static auto narrow(const Inst &inst, float value) {
  value = (inst.flags & Relu) ? relu(value) : value;
  return IsPlain ? To::apply(value) : To::apply(value, inst);
}

/// From two floats: the first becomes the upper part (ISA 9.7.9.21).
template <typename To, bool IsPlain>
static Flow runPack(Warp &warp, const Inst &inst, LaneMask mask) {
  using Part = typename To::Part;
  auto *to = warp.lanes<Part>(inst.op[0]);
  const auto *high = warp.lanes<float>(inst.op[1]);
  const auto *low = warp.lanes<float>(inst.op[2]);
  Part highs[kNumLanes], lows[kNumLanes];
  for (unsigned lane = 0; lane < kNumLanes; ++lane)
    highs[lane] = narrow<To, IsPlain>(inst, high[lane]);
  for (unsigned lane = 0; lane < kNumLanes; ++lane)
    lows[lane] = narrow<To, IsPlain>(inst, low[lane]);
  forEachLane(mask, [&](unsigned lane) {
    to[2 * lane] = lows[lane];
    to[2 * lane + 1] = highs[lane];
  });
  return Flow::Next;
}

/// From two halves to two fp8.
template <typename To>
static Flow runNarrow(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint8_t>(inst.op[0]);
  const auto *from = warp.lanes<uint16_t>(inst.op[1]);
  float values[2 * kNumLanes];
  for (unsigned i = 0; i < 2 * kNumLanes; ++i)
    values[i] = fromHalf(from[i]);
  uint8_t parts[2 * kNumLanes];
  for (unsigned i = 0; i < 2 * kNumLanes; ++i)
    parts[i] = narrow<To, true>(inst, values[i]);
  forEachLane(mask, [&](unsigned lane) {
    to[2 * lane] = parts[2 * lane];
    to[2 * lane + 1] = parts[2 * lane + 1];
  });
  return Flow::Next;
}

/// From two fp8 to two halves, which hold them exactly.
template <float (*From)(uint8_t)>
static Flow runWiden(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint16_t>(inst.op[0]);
  const auto *from = warp.lanes<uint8_t>(inst.op[1]);
  float values[2 * kNumLanes];
  for (unsigned i = 0; i < 2 * kNumLanes; ++i)
    values[i] = From(from[i]);
  uint16_t halves[2 * kNumLanes];
  for (unsigned i = 0; i < 2 * kNumLanes; ++i)
    halves[i] = narrow<ToHalf, true>(inst, values[i]);
  forEachLane(mask, [&](unsigned lane) {
    to[2 * lane] = halves[2 * lane];
    to[2 * lane + 1] = halves[2 * lane + 1];
  });
  return Flow::Next;
}

template <Rounding Mode>
static Flow runToTf32(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  const auto *from = warp.lanes<float>(inst.op[1]);
  bool isRelu = inst.flags & Relu, isSaturating = inst.flags & Satfinite;
  forEachLane(mask, [&](unsigned lane) {
    float value = isRelu ? relu(from[lane]) : from[lane];
    to[lane] = toTf32(value, Mode, isSaturating);
  });
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Decoder
//===----------------------------------------------------------------------===//

namespace {
/// What a form may say; what it may not stays, and is refused.
enum : unsigned { Rz = 1, Rna = 2, Satfin = 4 };

struct Form {
  Type to, from;
  Handler run, runPlain; ///< in all modes; to nearest without .satfinite
  unsigned sources;
  unsigned arch;
  unsigned allowed;
};
} // namespace

static constexpr Form kForms[] = {
    {Type::F16x2, Type::F32, runPack<ToHalf, false>, runPack<ToHalf, true>, 2,
     80, Rz | Satfin},
    {Type::BF16x2, Type::F32, runPack<ToBfloat16, false>,
     runPack<ToBfloat16, true>, 2, 80, Rz | Satfin},
    {Type::E4M3x2, Type::F32, runPack<ToE4M3, true>, nullptr, 2, 89, Satfin},
    {Type::E5M2x2, Type::F32, runPack<ToE5M2, true>, nullptr, 2, 89, Satfin},
    {Type::E4M3x2, Type::F16x2, runNarrow<ToE4M3>, nullptr, 1, 89, Satfin},
    {Type::E5M2x2, Type::F16x2, runNarrow<ToE5M2>, nullptr, 1, 89, Satfin},
    {Type::F16x2, Type::E4M3x2, runWiden<fromE4M3>, runWiden<fromE4M3>, 1, 89,
     0},
    {Type::F16x2, Type::E5M2x2, runWiden<fromE5M2>, runWiden<fromE5M2>, 1, 89,
     0},
    {Type::TF32, Type::F32, runToTf32<Rounding::Even>, nullptr, 1, 80,
     Rz | Rna | Satfin},
};

/// The modes, in Inst::flags; false if there is no rounding.
static bool takeModes(Decoder &decoder, unsigned allowed) {
  uint8_t &flags = decoder.inst().flags;
  bool found = decoder.take("rn");
  flags = static_cast<uint8_t>(Rounding::Even);
  if (!found && (allowed & Rz) && (found = decoder.take("rz")))
    flags = static_cast<uint8_t>(Rounding::Zero);
  if (!found && (allowed & Rna) && (found = decoder.take("rna")))
    flags = static_cast<uint8_t>(Rounding::Away);
  if (decoder.take("relu"))
    flags |= Relu;
  if ((allowed & Satfin) && decoder.take("satfinite"))
    flags |= Satfinite;
  return found || decoder.fail("expected a rounding modifier");
}

/// The handler for the modes in Inst::flags.
static bool pickHandler(Decoder &decoder, const Form &form) {
  Inst &inst = decoder.inst();
  bool isPlain = (inst.flags & ~Relu) == uint8_t(Rounding::Even);
  inst.run = isPlain && form.runPlain ? form.runPlain : form.run;
  if (form.to != Type::TF32)
    // Without .satfinite there is no conversion to fp8 (ISA 9.7.9.21).
    return !isPlain || form.runPlain || decoder.fail("expected .satfinite");
  Rounding rounding = getRounding(inst);
  if (rounding == Rounding::Away) {
    inst.run = runToTf32<Rounding::Away>;
    return !(inst.flags & Relu) ||
           decoder.fail("has .relu, which .rna does not have");
  }
  if (rounding == Rounding::Zero)
    inst.run = runToTf32<Rounding::Zero>;
  return decoder.requireArch(90);
}

/// The type of a register of two values, or of one.
static Type getStorage(Type type) {
  return getSize(type) == 2 ? Type::B16 : Type::B32;
}

bool sparsedrop::ptx::decodePairConversion(Decoder &decoder) {
  Inst &inst = decoder.inst();
  inst.kind = Class::Convert;
  Type to = decoder.takeType(), from = decoder.takeType();
  for (const Form &form : kForms) {
    if (form.to != to || form.from != from)
      continue;
    if (!decoder.requireArch(form.arch) || !takeModes(decoder, form.allowed) ||
        !pickHandler(decoder, form) ||
        !decoder.expectOperands(form.sources + 1))
      return false;
    Type source = from == Type::F32 ? Type::F32 : getStorage(from);
    return decoder.readDestination(0, getStorage(to)) &&
           decoder.readSource(1, source) &&
           (form.sources < 2 || decoder.readSource(2, source));
  }
  return decoder.fail("has no form of these types that is supported");
}

//===----------------------------------------------------------------------===//
// cvt.pack (ISA 9.7.9.22)
//===----------------------------------------------------------------------===//

/// b saturated, above it a, above these what c has lowest. Inst::flags is the
/// number of bits of a part.
template <bool IsSigned>
static Flow runSaturatedPack(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  const auto *a = warp.lanes<int32_t>(inst.op[1]);
  const auto *b = warp.lanes<int32_t>(inst.op[2]);
  const auto *c = warp.lanes<uint32_t>(inst.op[3]);
  unsigned bits = inst.flags;
  uint32_t ones = (1u << bits) - 1;
  int32_t high = IsSigned ? ones >> 1 : ones, low = IsSigned ? -high - 1 : 0;
  forEachLane(mask, [&](unsigned lane) {
    uint32_t first = std::clamp(b[lane], low, high) & ones;
    uint32_t second = std::clamp(a[lane], low, high) & ones;
    uint32_t rest = bits < 16 ? c[lane] << (2 * bits % 32) : 0;
    to[lane] = first | second << bits | rest;
  });
  return Flow::Next;
}

bool sparsedrop::ptx::decodeSaturatedPack(Decoder &decoder) {
  Inst &inst = decoder.inst();
  inst.kind = Class::Convert;
  decoder.take("pack");
  if (!decoder.take("sat"))
    return decoder.fail("expected .sat");
  std::string_view part = decoder.takeAny();
  const std::pair<std::string_view, unsigned> kWidths[] = {
      {"16", 16}, {"8", 8}, {"4", 4}, {"2", 2}};
  for (auto [width, bits] : kWidths)
    if (!part.empty() && part.substr(1) == width)
      inst.flags = bits;
  bool isSigned = !part.empty() && part[0] == 's';
  if (!inst.flags || (!isSigned && part[0] != 'u') || !decoder.take("s32"))
    return decoder.fail("has no form of these types that is supported");
  inst.run = isSigned ? runSaturatedPack<true> : runSaturatedPack<false>;
  bool hasRest = inst.flags < 16;
  if (hasRest && !decoder.take("b32"))
    return decoder.fail("expected the type .b32 of what is above");
  return decoder.requireArch(inst.flags < 8 ? 75 : 72) &&
         decoder.expectOperands(hasRest ? 4 : 3) &&
         decoder.readDestination(0, Type::B32) &&
         decoder.readSource(1, Type::S32) && decoder.readSource(2, Type::S32) &&
         (!hasRest || decoder.readSource(3, Type::B32));
}
