//===- Half.h - Floats of 16 and 8 bits -------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// Conversions by bits, the same on every processor and free of branches, so
// that loops over them vectorise. To fewer bits they round to nearest even; NaN
// stays NaN. What is too large is infinity, in e4m3, which has none, NaN.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_HALF_H
#define SPARSEDROP_LIB_RUNTIME_HALF_H

#include <cstdint>
#include <cstring>

namespace sparsedrop::runtime {

/// Storage of the 16-bit and the 8-bit types.
struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};
struct E4m3 {
  uint8_t bits;
};
struct E5m2 {
  uint8_t bits;
};

inline float fromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline uint32_t toBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

inline float widen(Bf16 half) {
  return fromBits(static_cast<uint32_t>(half.bits) << 16);
}

inline float widen(F16 half) {
  uint32_t sign = static_cast<uint32_t>(half.bits & 0x8000u) << 16;
  uint32_t magnitude = half.bits & 0x7fffu;
  // Zero and subnormals are multiples of 2^-24; the integer conversion keeps
  // them right where the processor flushes subnormal floats to zero.
  uint32_t small =
      toBits(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f);
  uint32_t rebias = magnitude >= 0x7c00u ? 224u << 23 : 112u << 23;
  uint32_t normal = (magnitude << 13) + rebias;
  return fromBits(sign | (magnitude < 0x400u ? small : normal));
}

inline float widen(E5m2 small) {
  return widen(F16{static_cast<uint16_t>(small.bits << 8)});
}

inline float widen(E4m3 small) {
  // An f16 but for the bias of the exponent (2^8) and NaN.
  uint32_t magnitude = small.bits & 0x7fu;
  uint32_t sign = small.bits & 0x80u;
  float half = widen(F16{static_cast<uint16_t>(sign << 8 | magnitude << 7)});
  uint32_t nan = sign << 24 | 0x7fc00000u;
  return fromBits(magnitude == 0x7fu ? nan : toBits(half * 256.0f));
}

inline float widen(float value) { return value; }
inline double widen(double value) { return value; }

inline void narrow(float value, Bf16 &half) {
  uint32_t bits = toBits(value);
  uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
  uint32_t quiet = bits >> 16 | 0x40u;
  bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  half.bits = static_cast<uint16_t>(nan ? quiet : rounded);
}

inline void narrow(float value, F16 &half) {
  uint32_t bits = toBits(value);
  uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  // Below 2^-14: adding 0.5 lets the adder round to multiples of 2^-24.
  uint32_t small = toBits(fromBits(magnitude) + 0.5f) - 0x3f000000u;
  uint32_t normal =
      (magnitude + 0xfffu + (magnitude >> 13 & 1) - 0x38000000u) >> 13;
  uint32_t result = magnitude < 0x38800000u ? small : normal;
  // 65520 is halfway to what would be the next number: infinity.
  result = magnitude >= 0x477ff000u ? 0x7c00u : result;
  uint32_t quiet = 0x7e00u | (magnitude >> 13 & 0x3ffu);
  result = magnitude > 0x7f800000u ? quiet : result;
  half.bits = static_cast<uint16_t>(sign | result);
}

/// The bits of a float of 8 bits: `overflow` and `nan` without the sign.
template <int kMantissa, int kBias>
uint8_t narrowTo8(float value, uint32_t overflow, uint32_t nan) {
  constexpr int kCut = 23 - kMantissa;
  constexpr uint32_t kMove = static_cast<uint32_t>(127 - kBias) << 23;
  constexpr uint32_t kLeastNormal = static_cast<uint32_t>(128 - kBias) << 23;
  // The float whose last place is the smallest number: the adder rounds to it.
  constexpr uint32_t kMagic =
      static_cast<uint32_t>(127 + 24 - kBias - kMantissa) << 23;
  uint32_t bits = toBits(value);
  uint32_t sign = bits >> 24 & 0x80u, magnitude = bits & 0x7fffffffu;
  uint32_t small = toBits(fromBits(magnitude) + fromBits(kMagic)) - kMagic;
  uint32_t normal = (magnitude + ((1u << (kCut - 1)) - 1) +
                     (magnitude >> kCut & 1) - kMove) >>
                    kCut;
  normal = normal < overflow ? normal : overflow;
  uint32_t result = magnitude < kLeastNormal ? small : normal;
  result = magnitude > 0x7f800000u ? nan : result;
  return static_cast<uint8_t>(sign | result);
}

inline void narrow(float value, E4m3 &small) {
  small.bits = narrowTo8<3, 7>(value, 0x7f, 0x7f);
}
inline void narrow(float value, E5m2 &small) {
  small.bits = narrowTo8<2, 15>(value, 0x7c, 0x7e);
}

inline void narrow(float value, float &out) { out = value; }
inline void narrow(double value, float &out) {
  out = static_cast<float>(value);
}
inline void narrow(float value, double &out) { out = value; }
inline void narrow(double value, double &out) { out = value; }

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_HALF_H
