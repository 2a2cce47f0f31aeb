//===- FloatFormats.h - Narrow floating-point formats -----------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Values of f16, bf16, tf32, e4m3 and e5m2 as bits (ISA 5.2.3), and rounding to
// any format in any mode. What is used in every lane is inline and without
// branches, so that loops over lanes vectorize.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_FLOATFORMATS_H
#define SPARSEDROP_LIB_INTERP_FLOATFORMATS_H

#include <cstdint>
#include <cstring>

namespace sparsedrop::ptx {

/// Rounding of floats (ISA 9.7.3, Table 25; .rna of cvt).
enum class Rounding : uint8_t {
  Even, ///< .rn
  Away, ///< .rna: ties away from zero
  Zero, ///< .rz
  Down, ///< .rm
  Up,   ///< .rp
};

template <typename To, typename From> inline To bitCast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

/// A binary format. Those without infinity have one NaN, all bits set.
template <unsigned ExponentBits, unsigned MantissaBits, bool HasInfinity = true>
struct Format {
  static constexpr unsigned kMantissaBits = MantissaBits;
  static constexpr int kBias = (1 << (ExponentBits - 1)) - 1;
  static constexpr uint64_t kSign = uint64_t(1)
                                    << (ExponentBits + MantissaBits);
  /// The canonical NaN: 0x7fff of f16, 0x7fffffff of f32 (ISA 9.7.3).
  static constexpr uint64_t kNaN = kSign - 1;
  static constexpr uint64_t kInfinity =
      HasInfinity ? kNaN >> MantissaBits << MantissaBits : kNaN;
  static constexpr uint64_t kMax = kInfinity - 1;
};
using HalfFormat = Format<5, 10>;
using Bfloat16Format = Format<8, 7>;
using Tf32Format = Format<8, 10>;
using FloatFormat = Format<8, 23>;
using DoubleFormat = Format<11, 52>;
using E4M3Format = Format<4, 3, /*HasInfinity=*/false>;
using E5M2Format = Format<5, 2>;

/// Bits of mantissa * 2^exponent rounded to a format. What is too large becomes
/// the largest finite number if `isSaturating`, else as the mode says.
template <typename To>
uint64_t encode(bool isNegative, uint64_t mantissa, int exponent,
                Rounding rounding, bool isSaturating = false);

/// Bits of a value rounded to a format; canonical NaN for NaN. With
/// `isSaturating`, infinities become the largest finite number too.
template <typename To>
uint64_t roundTo(double value, Rounding rounding, bool isSaturating = false);

/// Rounds to odd: towards zero, with the last bit 1 if anything was cut off.
/// Rounding the result again, to two bits fewer or less, gives what rounding
/// the value once would.
inline float toOddFloat(double value) {
  float nearest = static_cast<float>(value);
  double back = nearest;
  bool isInexact = back < value || back > value; // NaN is neither
  bool isFarther = value < 0 ? back < value : back > value;
  return bitCast<float>((bitCast<uint32_t>(nearest) - isFarther) | isInexact);
}

//===----------------------------------------------------------------------===//
// f16
//===----------------------------------------------------------------------===//

inline float fromHalf(uint16_t half) {
  uint32_t magnitude = half & 0x7FFF;
  // Subnormals are multiples of 2^-24.
  float subnormal =
      static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f;
  uint32_t normal =
      (magnitude << 13) + (magnitude >= 0x7C00 ? 0x70000000u : 0x38000000u);
  uint32_t bits = magnitude < 0x400 ? bitCast<uint32_t>(subnormal) : normal;
  return bitCast<float>(bits | uint32_t(half & 0x8000) << 16);
}

/// To nearest even; canonical NaN 0x7fff.
inline uint16_t toHalf(float value) {
  uint32_t bits = bitCast<uint32_t>(value), magnitude = bits & 0x7FFFFFFF;
  // Adding 0.5 rounds at 2^-24, the lowest bit of subnormals.
  float shifted = bitCast<float>(magnitude) + 0.5f;
  uint32_t subnormal = bitCast<uint32_t>(shifted) - 0x3F000000u;
  uint32_t normal = (magnitude + 0xC8000FFFu + (magnitude >> 13 & 1)) >> 13;
  uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
  half = magnitude >= 0x47800000u ? 0x7C00u : half;
  half |= bits >> 16 & 0x8000;
  return magnitude > 0x7F800000u ? 0x7FFFu : half;
}

/// Rounds to f16 once, where a float would round before.
uint16_t toHalf(double value, Rounding rounding = Rounding::Even,
                bool isSaturating = false);

//===----------------------------------------------------------------------===//
// bf16, tf32
//===----------------------------------------------------------------------===//

inline float fromBfloat16(uint16_t bits) {
  return bitCast<float>(uint32_t(bits) << 16);
}

/// To nearest even; canonical NaN 0x7fff.
inline uint16_t toBfloat16(float value) {
  uint32_t bits = bitCast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1)) >> 16;
  return (bits & 0x7FFFFFFF) > 0x7F800000u ? 0x7FFFu : rounded;
}

uint16_t toBfloat16(double value, Rounding rounding = Rounding::Even,
                    bool isSaturating = false);

/// The bits of a float whose low 13 bits are 0; canonical NaN 0x7fffffff. The
/// rounding is Even, Away or Zero.
inline uint32_t toTf32(float value, Rounding rounding = Rounding::Away,
                       bool isSaturating = false) {
  uint32_t bits = bitCast<uint32_t>(value), magnitude = bits & 0x7FFFFFFF;
  uint32_t unit = rounding == Rounding::Zero   ? 0
                  : rounding == Rounding::Away ? 0x1000u
                                               : 0xFFFu + (bits >> 13 & 1);
  uint32_t rounded = (magnitude + unit) & ~0x1FFFu;
  if (isSaturating)
    rounded = rounded >= 0x7F800000u ? 0x7F7FE000u : rounded;
  rounded |= bits & 0x80000000u;
  return magnitude > 0x7F800000u ? 0x7FFFFFFFu : rounded;
}

//===----------------------------------------------------------------------===//
// e4m3, e5m2
//===----------------------------------------------------------------------===//

inline float fromE4M3(uint8_t bits) {
  // The exponent of a half with the bias of e4m3, then of a float.
  float value = fromHalf((bits & 0x80) << 8 | (bits & 0x7F) << 7) * 0x1p8f;
  return (bits & 0x7F) == 0x7F ? bitCast<float>(0x7FFFFFFFu) : value;
}
inline float fromE5M2(uint8_t bits) { return fromHalf(bits << 8); }

/// To nearest even, saturating; NaN becomes 0x7f (.satfinite of cvt).
template <typename To> inline uint8_t toFp8(float value) {
  constexpr unsigned kShift = 23 - To::kMantissaBits;
  constexpr uint32_t kMax = To::kMax;
  // The least normal number, and the one whose last bit is that of subnormals.
  constexpr uint32_t kLeast = uint32_t(128 - To::kBias) << 23;
  constexpr uint32_t kBase = kLeast + (kShift << 23);
  uint32_t bits = bitCast<uint32_t>(value), magnitude = bits & 0x7FFFFFFF;
  float shifted = bitCast<float>(magnitude) + bitCast<float>(kBase);
  uint32_t subnormal = bitCast<uint32_t>(shifted) - kBase;
  uint32_t half = (1u << (kShift - 1)) - 1 + (magnitude >> kShift & 1);
  uint32_t normal = (magnitude - kLeast + (1u << 23) + half) >> kShift;
  uint32_t small = magnitude < kLeast ? subnormal : normal;
  small = magnitude >= 0x47800000u || small > kMax ? kMax : small;
  small |= bits >> 24 & 0x80;
  return magnitude > 0x7F800000u ? 0x7F : small;
}
inline uint8_t toE4M3(float value) { return toFp8<E4M3Format>(value); }
inline uint8_t toE5M2(float value) { return toFp8<E5M2Format>(value); }

/// .relu: what is negative becomes +0; NaN stays.
template <typename T> inline T relu(T value) {
  return value <= T(0) ? T(0) : value;
}

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_FLOATFORMATS_H
