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
double clip(const Inst &inst, double value) {
  return (inst.flags & Relu) && !(value > 0) && value == value ? 0 : value;
}

struct ToHalf {
  using Pair = uint32_t;
  static uint32_t apply(const Inst &inst, double value) {
    return toHalf(clip(inst, value), getRounding(inst), inst.flags & Satfinite);
  }
};
struct ToBfloat16 {
  using Pair = uint32_t;
  static uint32_t apply(const Inst &inst, double value) {
    return toBfloat16(clip(inst, value), getRounding(inst),
                      inst.flags & Satfinite);
  }
};
struct ToE4M3 {
  using Pair = uint16_t;
  static uint32_t apply(const Inst &inst, double value) {
    return toE4M3(clip(inst, value));
  }
};
struct ToE5M2 {
  using Pair = uint16_t;
  static uint32_t apply(const Inst &inst, double value) {
    return toE5M2(clip(inst, value));
  }
};

} // namespace

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

/// From two floats: the first becomes the upper part (ISA 9.7.9.21).
template <typename To>
static Flow runPack(Warp &warp, const Inst &inst, LaneMask mask) {
  constexpr unsigned kBits = 4 * sizeof(typename To::Pair);
  auto *to = warp.lanes<typename To::Pair>(inst.op[0]);
  const auto *high = warp.lanes<float>(inst.op[1]);
  const auto *low = warp.lanes<float>(inst.op[2]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = To::apply(inst, low[lane]) | To::apply(inst, high[lane])
                                                << kBits;
  });
  return Flow::Next;
}

/// From two halves to two fp8.
template <typename To>
static Flow runNarrow(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint16_t>(inst.op[0]);
  const auto *from = warp.lanes<uint32_t>(inst.op[1]);
  forEachLane(mask, [&](unsigned lane) {
    uint32_t low = To::apply(inst, fromHalf(from[lane]));
    to[lane] = low | To::apply(inst, fromHalf(from[lane] >> 16)) << 8;
  });
  return Flow::Next;
}

/// From two fp8 to two halves, which hold them exactly.
template <float (*From)(uint8_t)>
static Flow runWiden(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  const auto *from = warp.lanes<uint16_t>(inst.op[1]);
  auto half = [&](uint8_t bits) -> uint32_t {
    return toHalf(clip(inst, From(bits)));
  };
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = half(from[lane]) | half(from[lane] >> 8) << 16;
  });
  return Flow::Next;
}

static Flow runToTf32(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  const auto *from = warp.lanes<float>(inst.op[1]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = toTf32(float(clip(inst, from[lane])), getRounding(inst),
                      inst.flags & Satfinite);
  });
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Decoder
//===----------------------------------------------------------------------===//

namespace {
struct Form {
  Type to, from;
  Handler run;
  unsigned sources;
  unsigned arch;
};
} // namespace

static constexpr Form kForms[] = {
    {Type::F16x2, Type::F32, runPack<ToHalf>, 2, 80},
    {Type::BF16x2, Type::F32, runPack<ToBfloat16>, 2, 80},
    {Type::E4M3x2, Type::F32, runPack<ToE4M3>, 2, 89},
    {Type::E5M2x2, Type::F32, runPack<ToE5M2>, 2, 89},
    {Type::E4M3x2, Type::F16x2, runNarrow<ToE4M3>, 1, 89},
    {Type::E5M2x2, Type::F16x2, runNarrow<ToE5M2>, 1, 89},
    {Type::F16x2, Type::E4M3x2, runWiden<fromE4M3>, 1, 89},
    {Type::F16x2, Type::E5M2x2, runWiden<fromE5M2>, 1, 89},
    {Type::TF32, Type::F32, runToTf32, 1, 80},
};

static bool takeRounding(Decoder &decoder) {
  uint8_t &flags = decoder.inst().flags;
  const std::pair<std::string_view, Rounding> kWords[] = {
      {"rn", Rounding::Even}, {"rna", Rounding::Away}, {"rz", Rounding::Zero}};
  bool found = false;
  for (auto [word, rounding] : kWords) {
    if (!decoder.take(word))
      continue;
    flags = static_cast<uint8_t>(rounding);
    found = true;
  }
  if (decoder.take("relu"))
    flags |= Relu;
  if (decoder.take("satfinite"))
    flags |= Satfinite;
  return found || decoder.fail("expected a rounding modifier");
}

/// The type of a register of two values, or of one.
static Type getStorage(Type type) {
  return getSize(type) == 2 ? Type::B16 : Type::B32;
}

bool sparsedrop::ptx::decodePairConversion(Decoder &decoder) {
  Inst &inst = decoder.inst();
  inst.kind = Class::Convert;
  if (!takeRounding(decoder))
    return false;
  Type to = decoder.takeType(), from = decoder.takeType();
  for (const Form &form : kForms) {
    if (form.to != to || form.from != from)
      continue;
    if (!decoder.requireArch(form.arch) ||
        !decoder.expectOperands(form.sources + 1))
      return false;
    inst.run = form.run;
    Type source = from == Type::F32 ? Type::F32 : getStorage(from);
    return decoder.readDestination(0, getStorage(to)) &&
           decoder.readSource(1, source) &&
           (form.sources < 2 || decoder.readSource(2, source));
  }
  return decoder.fail("has no form of these types that is supported");
}
