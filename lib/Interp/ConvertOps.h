//===- ConvertOps.h - Conversions of a value --------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Any number to any other in any mode of cvt (ISA 9.7.9.21).
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_CONVERTOPS_H
#define SPARSEDROP_LIB_INTERP_CONVERTOPS_H

#include "FloatOps.h"
#include "Program.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sparsedrop::ptx::conversions {

/// What cvt says beside its types (ISA 9.7.9.21).
struct Modes : InstData {
  Rounding rounding = Rounding::Even;
  bool hasRounding = false, toInteger = false;
  bool flush = false, saturate = false, relu = false, satfinite = false;
  unsigned fromSize = 0, toSize = 0; ///< bytes of the registers
};

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// An integer, or a float that C++ has.
template <typename T> struct Plain {
  using Stored = T;
  using Value = T;
  static constexpr bool kIsFloat = std::is_floating_point_v<T>;
  using Rounds = std::conditional_t<sizeof(T) == 4, FloatFormat, DoubleFormat>;
  static T load(T bits) { return bits; }
};
struct Half {
  using Stored = uint16_t;
  using Value = float;
  static constexpr bool kIsFloat = true;
  using Rounds = HalfFormat;
  static float load(uint16_t bits) { return fromHalf(bits); }
};
struct Bfloat16 {
  using Stored = uint16_t;
  using Value = float;
  static constexpr bool kIsFloat = true;
  using Rounds = Bfloat16Format;
  static float load(uint16_t bits) { return fromBfloat16(bits); }
};

//===----------------------------------------------------------------------===//
// Conversions of a value
//===----------------------------------------------------------------------===//

/// To an integer value (.rni and so on; ISA: the default of .rzi is none).
template <typename F> F roundInteger(F value, Rounding rounding) {
  switch (rounding) {
  case Rounding::Zero:
    return std::trunc(value);
  case Rounding::Down:
    return std::floor(value);
  case Rounding::Up:
    return std::ceil(value);
  default:
    return std::nearbyint(value);
  }
}

template <typename To, typename From>
To convertIntegers(From value, const Modes &modes) {
  if (!modes.saturate)
    return static_cast<To>(value);
  using Wide = __int128;
  Wide low = std::numeric_limits<To>::min(),
       high = std::numeric_limits<To>::max();
  return static_cast<To>(std::clamp(Wide(value), low, high));
}

/// NaN becomes 0, or the highest bit alone where 64 bits take part; what is out
/// of range becomes the end of the range.
template <typename To, typename From>
To convertToInteger(From value, const Modes &modes) {
  if (std::isnan(value)) {
    bool isWide = sizeof(From) == 8 || sizeof(To) == 8;
    using U = std::make_unsigned_t<To>;
    return isWide ? To(U(1) << (8 * sizeof(To) - 1)) : To(0);
  }
  if (modes.flush)
    value = flushSubnormal(value);
  double rounded = roundInteger(double(value), modes.rounding);
  constexpr double kHigh = 2.0 * double(uint64_t(1) << (8 * sizeof(To) - 2)) *
                           (std::is_signed_v<To> ? 1.0 : 2.0);
  constexpr double kLow = std::is_signed_v<To> ? -kHigh : 0.0;
  if (rounded >= kHigh)
    return std::numeric_limits<To>::max();
  if (rounded < kLow)
    return std::numeric_limits<To>::min();
  return static_cast<To>(rounded);
}

/// A value that double holds, as the bits of a format.
template <typename Format>
uint64_t convertToFloat(double value, const Modes &modes) {
  if (modes.toInteger)
    value = roundInteger(value, modes.rounding);
  if (modes.saturate)
    value = saturateUnit(value);
  if (modes.relu && !(value > 0) && !std::isnan(value))
    value = 0;
  Rounding rounding = modes.toInteger ? Rounding::Even : modes.rounding;
  return roundTo<Format>(value, rounding, modes.satfinite);
}

template <typename Format, typename From>
uint64_t convertIntegerToFloat(From value, const Modes &modes) {
  bool isNegative = value < From(0);
  uint64_t magnitude = isNegative ? 0 - uint64_t(value) : uint64_t(value);
  uint64_t bits = encode<Format>(isNegative, magnitude, 0, modes.rounding);
  if (!modes.saturate)
    return bits;
  return value <= From(0) ? 0 : encode<Format>(false, 1, 0, Rounding::Even);
}

template <typename To, typename From>
typename To::Stored convert(typename From::Stored bits, const Modes &modes) {
  auto value = From::load(bits);
  if constexpr (!To::kIsFloat && !From::kIsFloat)
    return convertIntegers<typename To::Stored>(value, modes);
  else if constexpr (!To::kIsFloat)
    return convertToInteger<typename To::Stored>(value, modes);
  else {
    uint64_t result;
    if constexpr (From::kIsFloat) {
      if (modes.flush && sizeof(value) == 4)
        value = flushSubnormal(value);
      result = convertToFloat<typename To::Rounds>(value, modes);
    } else {
      result = convertIntegerToFloat<typename To::Rounds>(value, modes);
    }
    if constexpr (std::is_same_v<To, Plain<float>>)
      if (modes.flush)
        result =
            bitCast<uint32_t>(flushSubnormal(bitCast<float>(uint32_t(result))));
    typename To::Stored stored;
    std::memcpy(&stored, &result, sizeof(stored));
    return stored;
  }
}

} // namespace sparsedrop::ptx::conversions

#endif // SPARSEDROP_LIB_INTERP_CONVERTOPS_H
