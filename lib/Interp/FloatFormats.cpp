//===- FloatFormats.cpp - Narrow floating-point formats -------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FloatFormats.h"

#include <algorithm>

using namespace sparsedrop::ptx;

/// Whether a magnitude goes up by one unit, whose half is 2^(shift-1), for what
/// was cut off.
static bool roundsUp(Rounding rounding, bool isNegative, bool isOdd,
                     unsigned __int128 rest, unsigned __int128 half) {
  switch (rounding) {
  case Rounding::Even:
    return rest > half || (rest == half && isOdd);
  case Rounding::Away:
    return rest >= half;
  case Rounding::Zero:
    return false;
  case Rounding::Down:
    return isNegative && rest;
  case Rounding::Up:
    return !isNegative && rest;
  }
  return false;
}

/// Whether a finite value that is too large becomes infinite.
static bool overflows(Rounding rounding, bool isNegative) {
  return rounding == Rounding::Even || rounding == Rounding::Away ||
         rounding == (isNegative ? Rounding::Down : Rounding::Up);
}

template <typename To>
uint64_t sparsedrop::ptx::encode(bool isNegative, uint64_t mantissa,
                                 int exponent, Rounding rounding,
                                 bool isSaturating) {
  uint64_t sign = isNegative ? To::kSign : 0;
  if (mantissa == 0)
    return sign;
  constexpr int kLeast = 1 - To::kBias;
  int lead = 63 - __builtin_clzll(mantissa) + exponent;
  int scale = std::max(lead, kLeast);
  // Bits that are cut off; more than 66 are as good as 66.
  int shift = std::min(scale - int(To::kMantissaBits) - exponent, 66);
  uint64_t kept;
  if (shift <= 0) {
    kept = mantissa << -shift;
  } else {
    unsigned __int128 wide = mantissa, one = 1;
    kept = static_cast<uint64_t>(wide >> shift);
    unsigned __int128 rest = wide & ((one << shift) - 1);
    kept += roundsUp(rounding, isNegative, kept & 1, rest, one << (shift - 1));
  }
  if (scale > To::kBias + 1)
    kept = To::kNaN;
  // A carry out of the mantissa counts up the exponent, and from a subnormal to
  // the least normal number.
  else
    kept += uint64_t(scale - kLeast) << To::kMantissaBits;
  if (kept <= To::kMax)
    return sign | kept;
  bool isInfinite = !isSaturating && overflows(rounding, isNegative);
  return sign | (isInfinite ? To::kInfinity : To::kMax);
}

template <typename To>
uint64_t sparsedrop::ptx::roundTo(double value, Rounding rounding,
                                  bool isSaturating) {
  uint64_t bits = bitCast<uint64_t>(value);
  bool isNegative = bits >> 63;
  int exponent = bits >> 52 & 0x7FF;
  uint64_t mantissa = bits & ((uint64_t(1) << 52) - 1);
  if (exponent == 0x7FF) {
    if (mantissa)
      return To::kNaN;
    return (isNegative ? To::kSign : 0) |
           (isSaturating ? To::kMax : To::kInfinity);
  }
  if (exponent)
    mantissa |= uint64_t(1) << 52;
  return encode<To>(isNegative, mantissa, std::max(exponent, 1) - 1075,
                    rounding, isSaturating);
}

#define INSTANTIATE(FORMAT)                                                    \
  template uint64_t sparsedrop::ptx::encode<FORMAT>(bool, uint64_t, int,       \
                                                    Rounding, bool);           \
  template uint64_t sparsedrop::ptx::roundTo<FORMAT>(double, Rounding, bool);
INSTANTIATE(HalfFormat)
INSTANTIATE(Bfloat16Format)
INSTANTIATE(FloatFormat)
INSTANTIATE(DoubleFormat)
#undef INSTANTIATE

uint16_t sparsedrop::ptx::toHalf(double value, Rounding rounding,
                                 bool isSaturating) {
  return roundTo<HalfFormat>(value, rounding, isSaturating);
}

uint16_t sparsedrop::ptx::toBfloat16(double value, Rounding rounding,
                                     bool isSaturating) {
  return roundTo<Bfloat16Format>(value, rounding, isSaturating);
}
