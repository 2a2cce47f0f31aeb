//===- FloatOps.h - Operations of f32 and f64 -------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operations of f32 and f64 as functors (ISA 9.7.3), and what is done to their
// operands and results: .ftz, .sat, canonical NaN.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_FLOATOPS_H
#define SPARSEDROP_LIB_INTERP_FLOATOPS_H

#include "FloatFormats.h"

#include <cmath>
#include <type_traits>

namespace sparsedrop::ptx {

template <typename T>
using FloatBits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

/// Subnormals become zeros of their sign.
template <typename T> inline T flushSubnormal(T value) {
  constexpr FloatBits<T> kExponent = sizeof(T) == 4
                                         ? FloatBits<T>(0x7F800000)
                                         : FloatBits<T>(0x7FF0000000000000);
  constexpr FloatBits<T> kSign = FloatBits<T>(1) << (8 * sizeof(T) - 1);
  auto bits = bitCast<FloatBits<T>>(value);
  return bitCast<T>((bits & kExponent) ? bits : bits & kSign);
}

/// f32 has one NaN, 0x7fffffff; the sign of the host's default NaN is cleared
/// for f64.
template <typename T> inline T makeCanonical(T value) {
  constexpr FloatBits<T> kNaN = sizeof(T) == 4
                                    ? FloatBits<T>(0x7FFFFFFF)
                                    : FloatBits<T>(0x7FF8000000000000);
  return value == value ? value : bitCast<T>(kNaN);
}

/// .sat: to [0, 1]; NaN becomes 0.
template <typename T> inline T saturateUnit(T value) {
  T positive = value > T(0) ? value : T(0);
  return positive < T(1) ? positive : T(1);
}

template <bool Flush, typename T> inline T prepare(T value) {
  return Flush ? flushSubnormal(value) : value;
}
template <bool Flush, bool Saturate, typename T> inline T complete(T value) {
  if (Saturate)
    value = saturateUnit(value);
  return makeCanonical(prepare<Flush>(value));
}

struct FloatAdd {
  template <typename T> static T apply(T a, T b) { return a + b; }
};
struct FloatSub {
  template <typename T> static T apply(T a, T b) { return a - b; }
};
struct FloatMul {
  template <typename T> static T apply(T a, T b) { return a * b; }
};
struct FloatDiv {
  template <typename T> static T apply(T a, T b) { return a / b; }
};
/// div.approx, which multiplies by the reciprocal (ISA 9.7.3.8): where that is
/// subnormal, with a divisor above 2^126, the result is 0, or NaN of infinity.
struct FloatDivApprox {
  template <typename T> static T apply(T a, T b) {
    T magnitude = std::fabs(b);
    bool isTooLarge = magnitude > T(0x1p126) && magnitude <= T(0x1.fffffep127);
    return isTooLarge ? a * std::copysign(T(0), b) : a / b;
  }
};
struct FloatRcp {
  template <typename T> static T apply(T a) { return T(1) / a; }
};
struct FloatSqrt {
  template <typename T> static T apply(T a) { return std::sqrt(a); }
};
/// Rounded once: the square root and the quotient are of double.
struct FloatRsqrt {
  template <typename T> static T apply(T a) {
    return T(1.0 / std::sqrt(double(a)));
  }
};
/// rcp and rsqrt with .approx.ftz.f64, which give the upper 32 bits; the others
/// are 0 (ISA 9.7.3.14, 9.7.3.17).
template <typename Op> struct FloatUpperHalf {
  template <typename T> static T apply(T a) {
    T value = makeCanonical(Op::apply(a));
    if constexpr (sizeof(T) == 8) {
      // The lower bits of infinity and NaN are 0.
      uint64_t bits = bitCast<uint64_t>(value) + 0x80000000u;
      value = bitCast<T>(bits & 0xFFFFFFFF00000000u);
    }
    return value;
  }
};
struct FloatSin {
  template <typename T> static T apply(T a) { return T(std::sin(double(a))); }
};
struct FloatCos {
  template <typename T> static T apply(T a) { return T(std::cos(double(a))); }
};
struct FloatLg2 {
  template <typename T> static T apply(T a) { return T(std::log2(double(a))); }
};
/// 2^a, of double, by its series around the nearest integer: within 2^-36, the
/// same on every host, and in a loop that vectorizes.
inline double exp2Series(double a) {
  // The sum has no place for bits below 1; its low bits are the integer.
  constexpr double kOnes = 0x1.8p52;
  // ln(2)^k / k!, highest first.
  constexpr double kSeries[] = {0x1.b5253d395e7c4p-24, 0x1.62c0223a5c824p-20,
                                0x1.ffcbfc588b0c7p-17, 0x1.430912f86c787p-13,
                                0x1.5d87fe78a6731p-10, 0x1.3b2ab6fba4e77p-7,
                                0x1.c6b08d704a0c0p-5,  0x1.ebfbdff82c58fp-3,
                                0x1.62e42fefa39efp-1,  1.0};
  // Beyond are 0 and infinity of every type; NaN stays.
  double inside = a < -1000 ? -1000 : a > 1000 ? 1000 : a;
  double shifted = inside + kOnes, rest = inside - (shifted - kOnes);
  double sum = 0;
  for (double coefficient : kSeries)
    sum = sum * rest + coefficient;
  uint64_t power = (bitCast<uint64_t>(shifted) + 1023) << 52;
  return sum * bitCast<double>(power);
}

struct FloatEx2 {
  template <typename T> static T apply(T a) { return T(exp2Series(a)); }
};
struct FloatTanh {
  template <typename T> static T apply(T a) { return T(std::tanh(double(a))); }
};

/// min and max: of a number and NaN the number; -0 is below +0. With
/// `KeepsNaN`, NaN; with `XorSign`, of magnitudes, with the signs' product.
template <bool IsMax, bool KeepsNaN, bool XorSign> struct FloatMinMax {
  template <typename T> static T apply(T a, T b) {
    using U = FloatBits<T>;
    constexpr U kSign = U(1) << (8 * sizeof(T) - 1);
    U bitsA = bitCast<U>(a), bitsB = bitCast<U>(b);
    U sign = (bitsA ^ bitsB) & kSign;
    if (XorSign) {
      a = bitCast<T>(bitsA & ~kSign);
      b = bitCast<T>(bitsB & ~kSign);
    }
    if (a != a || b != b)
      return KeepsNaN ? makeCanonical(a + b)
             : a != a ? (b != b ? makeCanonical(a) : withSign(b, sign))
                      : withSign(a, sign);
    bool isNegativeA = bitCast<U>(a) & kSign;
    bool less = a < b || (a == b && isNegativeA);
    return withSign(less != IsMax ? a : b, sign);
  }

private:
  template <typename T, typename U> static T withSign(T value, U sign) {
    return XorSign ? bitCast<T>(bitCast<U>(value) | sign) : value;
  }
};

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_FLOATOPS_H
