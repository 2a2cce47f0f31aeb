//===- BitOps.h - Operations on bits ----------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shifts, fields and counts as functors (ISA 9.7.1, 9.7.8).
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_BITOPS_H
#define SPARSEDROP_LIB_INTERP_BITOPS_H

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <type_traits>

namespace sparsedrop::ptx::bits {

struct ShiftLeft {
  template <typename T> static T apply(T a, uint32_t b, uint32_t) {
    return b >= 8 * sizeof(T) ? T(0) : T(a << b);
  }
};
struct ShiftRight {
  template <typename T> static T apply(T a, uint32_t b, uint32_t) {
    constexpr uint32_t kBits = 8 * sizeof(T);
    return b < kBits ? T(a >> b) : a < T(0) ? T(-1) : T(0);
  }
};
/// shf: a is the low word, b the high one.
template <bool IsLeft, bool Wraps> struct Funnel {
  static uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
    uint32_t n = Wraps ? c & 31 : std::min(c, 32u);
    uint64_t both = uint64_t(b) << 32 | a;
    return IsLeft ? uint32_t((both << n) >> 32) : uint32_t(both >> n);
  }
};
template <typename T> struct ExtractField {
  static T apply(T a, uint32_t b, uint32_t c) {
    constexpr unsigned kBits = 8 * sizeof(T);
    unsigned position = b & 0xFF, length = c & 0xFF;
    using U = std::make_unsigned_t<T>;
    auto bits = U(a);
    // Beyond the field, and beyond the value's end, is the sign.
    unsigned last = std::min(position + length - 1, kBits - 1);
    bool sign = std::is_signed_v<T> && length && (bits >> last & 1);
    unsigned count = std::min(length, kBits - std::min(position, kBits));
    U field = count < kBits ? (U(1) << (count % kBits)) - 1 : ~U(0);
    U shifted = position < kBits ? bits >> (position % kBits) : 0;
    return T((shifted & field) | (sign ? ~field : 0));
  }
};
/// The most significant bit that differs from the sign, or all ones.
template <bool Shift> struct FindBit {
  template <typename T> static uint32_t apply(T a, uint32_t, uint32_t) {
    using U = std::make_unsigned_t<T>;
    U bits = a < T(0) ? U(~a) : U(a);
    if (!bits)
      return ~0u;
    uint32_t position = 63 - __builtin_clzll(bits);
    return Shift ? uint32_t(8 * sizeof(T) - 1) - position : position;
  }
};
/// Neighbours change places: bits, then pairs, then groups of 4, 8, 16, 32.
struct Reverse {
  template <typename T> static T apply(T a, uint32_t, uint32_t) {
    for (unsigned step = 1; step < 8 * sizeof(T); step *= 2) {
      // Ones in every other group of `step` bits.
      T low = T(~T(0)) / T((T(1) << step) + 1);
      a = T((a >> step & low) | (a & low) << step);
    }
    return a;
  }
};
struct LeadingZeros {
  template <typename T> static uint32_t apply(T a, uint32_t, uint32_t) {
    return a ? __builtin_clzll(a) - (64 - 8 * sizeof(T)) : 8 * sizeof(T);
  }
};
struct PopulationCount {
  template <typename T> static uint32_t apply(T a, uint32_t, uint32_t) {
    return __builtin_popcountll(a);
  }
};
/// fns: the n-th set bit from `base`, up for positive n, down for negative.
struct FindNth {
  static uint32_t apply(uint32_t mask, uint32_t base, int32_t offset) {
    if (offset == 0)
      return mask >> (base & 31) & 1 ? base : ~0u;
    int step = offset > 0 ? 1 : -1;
    int64_t left = std::abs(int64_t(offset));
    for (int position = base & 31; position >= 0 && position < 32;
         position += step)
      if ((mask >> position & 1) && --left == 0)
        return position;
    return ~0u;
  }
};
/// szext: the low bits, extended by the type.
template <bool Wraps> struct Extend {
  template <typename T> static T apply(T a, uint32_t n, uint32_t) {
    n = Wraps ? n & 31 : n;
    if (n >= 32)
      return a;
    if (n == 0)
      return 0;
    return T(T(uint32_t(a) << (32 - n)) >> (32 - n));
  }
};
/// bmsk: ones from bit `start`, `width` of them.
template <bool Wraps> struct MakeMask {
  static uint32_t apply(uint32_t start, uint32_t width, uint32_t) {
    start = Wraps ? start & 31 : start;
    width = Wraps ? width & 31 : std::min(width, 32u);
    uint64_t ones = (uint64_t(1) << width) - 1;
    return start >= 32 ? 0 : uint32_t(ones << start);
  }
};

} // namespace sparsedrop::ptx::bits

#endif // SPARSEDROP_LIB_INTERP_BITOPS_H
