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

/// The bits of a float whose low 13 bits are 0; canonical NaN 0x7fffffff.
uint32_t toTf32(float value, Rounding rounding = Rounding::Away,
                bool isSaturating = false);

//===----------------------------------------------------------------------===//
// e4m3, e5m2
//===----------------------------------------------------------------------===//

float fromE4M3(uint8_t bits);
float fromE5M2(uint8_t bits);

/// To nearest even; .satfinite by default, as cvt has it. NaN becomes 0x7f.
uint8_t toE4M3(double value, bool isSaturating = true);
uint8_t toE5M2(double value, bool isSaturating = true);

/// .relu: what is negative becomes +0; NaN stays.
template <typename T> inline T relu(T value) {
  return value <= T(0) ? T(0) : value;
}

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_FLOATFORMATS_H
