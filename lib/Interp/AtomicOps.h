//===- AtomicOps.h - Atomic operations on values ----------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What atom, red and the reductions of asynchronous copies do (ISA 9.7.13.5):
// of what was there, an operand b and, for cas, c.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_ATOMICOPS_H
#define SPARSEDROP_LIB_INTERP_ATOMICOPS_H

#include "FloatFormats.h"

#include <cmath>
#include <type_traits>

namespace sparsedrop::ptx {
namespace atomic {

struct Exchange {
  template <typename T> static T apply(T, T b, T) { return b; }
};
struct CompareSwap {
  template <typename T> static T apply(T old, T b, T c) {
    return old == b ? c : old;
  }
};
struct And {
  template <typename T> static T apply(T old, T b, T) { return old & b; }
};
struct Or {
  template <typename T> static T apply(T old, T b, T) { return old | b; }
};
struct Xor {
  template <typename T> static T apply(T old, T b, T) { return old ^ b; }
};
struct Add {
  template <typename T> static T apply(T old, T b, T) { return old + b; }
};
struct Min {
  template <typename T> static T apply(T old, T b, T) {
    return b < old ? b : old;
  }
};
struct Max {
  template <typename T> static T apply(T old, T b, T) {
    return old < b ? b : old;
  }
};
/// Counts up to b, then starts at 0.
struct Increment {
  template <typename T> static T apply(T old, T b, T) {
    return old >= b ? 0 : old + 1;
  }
};
/// Counts down from b.
struct Decrement {
  template <typename T> static T apply(T old, T b, T) {
    return old == 0 || old > b ? b : old - 1;
  }
};
/// Sums of floats. Those of .f32 on global memory flush subnormals to zero (ISA
/// 9.7.13.5).
template <bool Flush> struct AddFloat {
  template <typename F> static F flush(F value) {
    return Flush && std::fpclassify(value) == FP_SUBNORMAL
               ? std::copysign(F(0), value)
               : value;
  }
  template <typename U> static U apply(U old, U b, U) {
    using F = std::conditional_t<sizeof(U) == 4, float, double>;
    F sum = flush(flush(bitCast<F>(old)) + flush(bitCast<F>(b)));
    return std::isnan(sum) ? U(~U(0)) >> 1 : bitCast<U>(sum);
  }
};

/// Sums in double: two f16 have an exact one; where that of two bf16 is not,
/// the smaller one is too small to matter.
struct AddHalf {
  static uint16_t apply(uint16_t old, uint16_t b, uint16_t) {
    return toHalf(double(fromHalf(old)) + double(fromHalf(b)));
  }
};
struct AddBfloat16 {
  static uint16_t apply(uint16_t old, uint16_t b, uint16_t) {
    return toBfloat16(double(fromBfloat16(old)) + double(fromBfloat16(b)));
  }
};

/// Both halves of a word.
template <typename Op> struct Packed {
  static uint32_t apply(uint32_t old, uint32_t b, uint32_t) {
    uint32_t low = Op::apply(old & 0xFFFF, b & 0xFFFF, 0);
    uint32_t high = Op::apply(old >> 16, b >> 16, 0);
    return high << 16 | low;
  }
};
using AddHalf2 = Packed<AddHalf>;
using AddBfloat16x2 = Packed<AddBfloat16>;

/// Replaces what is at `bytes` as one step, also for other host threads;
/// returns what was there.
template <typename T, typename Op>
T exchangeAtomically(uint8_t *bytes, T b, T c) {
  auto *place = reinterpret_cast<T *>(bytes);
  T old = __atomic_load_n(place, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(place, &old, Op::apply(old, b, c), true,
                                      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
    ;
  return old;
}

} // namespace atomic
} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_ATOMICOPS_H
