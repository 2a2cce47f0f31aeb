//===- FloatRun.h - Handlers of f32 and f64 ---------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arithmetic of f32 and f64 for the lanes of a warp (ISA 9.7.3).
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_FLOATRUN_H
#define SPARSEDROP_LIB_INTERP_FLOATRUN_H

#include "FloatOps.h"
#include "Lanes.h"
#include "Machine.h"
#include "Rounded.h"

namespace sparsedrop::ptx::floats {

/// op: result, sources. What is not rounded to nearest has its mode in flags.
template <typename T, typename Op, bool Flush, bool Saturate>
Flow runBinary(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<T>(inst.op[0]);
  const auto *a = warp.lanes<T>(inst.op[1]);
  const auto *b = warp.lanes<T>(inst.op[2]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = complete<Flush, Saturate>(
        Op::apply(prepare<Flush>(a[lane]), prepare<Flush>(b[lane])));
  });
  return Flow::Next;
}

template <typename T, typename Op, bool Flush, bool Saturate>
Flow runUnary(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<T>(inst.op[0]);
  const auto *a = warp.lanes<T>(inst.op[1]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = complete<Flush, Saturate>(Op::apply(prepare<Flush>(a[lane])));
  });
  return Flow::Next;
}

template <typename T, bool Flush, bool Saturate>
Flow runFma(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<T>(inst.op[0]);
  const auto *a = warp.lanes<T>(inst.op[1]);
  const auto *b = warp.lanes<T>(inst.op[2]);
  const auto *c = warp.lanes<T>(inst.op[3]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = complete<Flush, Saturate>(std::fma(prepare<Flush>(a[lane]),
                                                  prepare<Flush>(b[lane]),
                                                  prepare<Flush>(c[lane])));
  });
  return Flow::Next;
}

#ifdef __x86_64__
/// The most frequent one where the host has the instruction: it is not part of
/// what all x86-64 have.
__attribute__((target("avx2,fma"))) inline Flow
runFmaVector(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<float>(inst.op[0]);
  const auto *a = warp.lanes<float>(inst.op[1]);
  const auto *b = warp.lanes<float>(inst.op[2]);
  const auto *c = warp.lanes<float>(inst.op[3]);
  float results[kNumLanes];
  for (unsigned lane = 0; lane < kNumLanes; ++lane) {
    float value = __builtin_fmaf(a[lane], b[lane], c[lane]);
    uint32_t bits =
        value == value ? __builtin_bit_cast(uint32_t, value) : 0x7FFFFFFFu;
    results[lane] = __builtin_bit_cast(float, bits);
  }
  if (mask == kAllLanes) {
    std::memcpy(to, results, sizeof(results));
    return Flow::Next;
  }
  for (LaneMask left = mask; left; left &= left - 1)
    to[__builtin_ctz(left)] = results[__builtin_ctz(left)];
  return Flow::Next;
}
#endif

/// Around another handler: a rounding mode other than to nearest.
template <Handler Run>
Flow runRounded(Warp &warp, const Inst &inst, LaneMask mask) {
  RoundingScope scope(static_cast<Rounding>(inst.flags));
  return Run(warp, inst, mask);
}

template <typename T, bool Negate, bool Flush>
Flow runSign(Warp &warp, const Inst &inst, LaneMask mask) {
  using U = FloatBits<T>;
  constexpr U kSign = U(1) << (8 * sizeof(T) - 1);
  auto *to = warp.lanes<U>(inst.op[0]);
  const auto *a = warp.lanes<T>(inst.op[1]);
  forEachLane(mask, [&](unsigned lane) {
    U bits = bitCast<U>(prepare<Flush>(a[lane]));
    to[lane] = Negate ? bits ^ kSign : bits & ~kSign;
  });
  return Flow::Next;
}

/// copysign d, a, b: b with the sign of a.
template <typename T>
Flow runCopysign(Warp &warp, const Inst &inst, LaneMask mask) {
  using U = FloatBits<T>;
  constexpr U kSign = U(1) << (8 * sizeof(T) - 1);
  auto *to = warp.lanes<U>(inst.op[0]);
  const auto *a = warp.lanes<U>(inst.op[1]);
  const auto *b = warp.lanes<U>(inst.op[2]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = (b[lane] & ~kSign) | (a[lane] & kSign);
  });
  return Flow::Next;
}

enum class Test { Finite, Infinite, Number, NotANumber, Normal, Subnormal };

template <typename T, Test Which>
Flow runTestp(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint8_t>(inst.op[0]);
  const auto *a = warp.lanes<T>(inst.op[1]);
  forEachLane(mask, [&](unsigned lane) {
    int kind = std::fpclassify(a[lane]);
    switch (Which) {
    case Test::Finite:
      to[lane] = kind != FP_NAN && kind != FP_INFINITE;
      break;
    case Test::Infinite:
      to[lane] = kind == FP_INFINITE;
      break;
    case Test::Number:
      to[lane] = kind != FP_NAN;
      break;
    case Test::NotANumber:
      to[lane] = kind == FP_NAN;
      break;
    case Test::Normal:
      to[lane] = kind == FP_NORMAL;
      break;
    case Test::Subnormal:
      to[lane] = kind == FP_SUBNORMAL;
      break;
    }
  });
  return Flow::Next;
}

} // namespace sparsedrop::ptx::floats

#endif // SPARSEDROP_LIB_INTERP_FLOATRUN_H
