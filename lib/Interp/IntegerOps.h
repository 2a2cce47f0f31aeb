//===- IntegerOps.h - Operations of integers --------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arithmetic of integers as functors (ISA 9.7.1, 9.7.8).
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_INTEGEROPS_H
#define SPARSEDROP_LIB_INTERP_INTEGEROPS_H

#include <cstdint>
#include <type_traits>

namespace sparsedrop::ptx::integers {

template <typename T> using Bits = std::make_unsigned_t<T>;
template <typename T>
using Wide = std::conditional_t<
    sizeof(T) == 8,
    std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>,
    std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

template <typename T> struct Limits {
  static constexpr T kMax =
      std::is_signed_v<T> ? T(Bits<T>(~Bits<T>(0)) >> 1) : T(~Bits<T>(0));
  static constexpr T kMin = std::is_signed_v<T> ? T(-kMax - 1) : T(0);
};

template <typename T> T saturate(Wide<T> value) {
  return value > Limits<T>::kMax   ? Limits<T>::kMax
         : value < Limits<T>::kMin ? Limits<T>::kMin
                                   : T(value);
}

struct Add {
  template <typename T> static T apply(T a, T b) {
    return T(Bits<T>(a) + Bits<T>(b));
  }
};
struct AddSat {
  template <typename T> static T apply(T a, T b) {
    return saturate<T>(Wide<T>(a) + b);
  }
};
struct Sub {
  template <typename T> static T apply(T a, T b) {
    return T(Bits<T>(a) - Bits<T>(b));
  }
};
struct SubSat {
  template <typename T> static T apply(T a, T b) {
    return saturate<T>(Wide<T>(a) - b);
  }
};
struct MulLo {
  template <typename T> static T apply(T a, T b) {
    return T(uint64_t(a) * uint64_t(b));
  }
};
struct MulHi {
  template <typename T> static T apply(T a, T b) {
    return T((Wide<T>(a) * Wide<T>(b)) >> (8 * sizeof(T)));
  }
};
/// The low 24 bits of both, extended by the type.
template <typename T> int64_t low24(T a) {
  return std::is_signed_v<T> ? int64_t(int32_t(uint32_t(a) << 8) >> 8)
                             : int64_t(uint32_t(a) & 0xFFFFFF);
}
struct Mul24Lo {
  template <typename T> static T apply(T a, T b) {
    return T(uint64_t(low24(a) * low24(b)));
  }
};
struct Mul24Hi {
  template <typename T> static T apply(T a, T b) {
    return T(uint64_t(low24(a) * low24(b)) >> 16);
  }
};
/// The ISA leaves a division by zero open; the hardware gives all ones, and the
/// dividend as the remainder.
struct Div {
  template <typename T> static T apply(T a, T b) {
    if (b == 0)
      return T(~Bits<T>(0));
    if (std::is_signed_v<T> && b == T(-1))
      return T(Bits<T>(0) - Bits<T>(a));
    return a / b;
  }
};
struct Rem {
  template <typename T> static T apply(T a, T b) {
    if (b == 0)
      return a;
    if (std::is_signed_v<T> && b == T(-1))
      return 0;
    return a % b;
  }
};
struct Min {
  template <typename T> static T apply(T a, T b) { return b < a ? b : a; }
};
struct Max {
  template <typename T> static T apply(T a, T b) { return a < b ? b : a; }
};
struct And {
  template <typename T> static T apply(T a, T b) { return a & b; }
};
struct Or {
  template <typename T> static T apply(T a, T b) { return a | b; }
};
struct Xor {
  template <typename T> static T apply(T a, T b) { return a ^ b; }
};
struct Neg {
  template <typename T> static T apply(T a) {
    return T(Bits<T>(0) - Bits<T>(a));
  }
};
struct Abs {
  template <typename T> static T apply(T a) {
    return a < 0 ? Neg::apply(a) : a;
  }
};
struct Not {
  template <typename T> static T apply(T a) { return ~a; }
};
struct Cnot {
  template <typename T> static T apply(T a) { return a == 0; }
};
struct MadLo {
  template <typename T> static T apply(T a, T b, T c) {
    return Add::apply(MulLo::apply(a, b), c);
  }
};
struct MadHi {
  template <typename T> static T apply(T a, T b, T c) {
    return Add::apply(MulHi::apply(a, b), c);
  }
};
struct MadHiSat {
  template <typename T> static T apply(T a, T b, T c) {
    return AddSat::apply(MulHi::apply(a, b), c);
  }
};
struct Mad24Lo {
  template <typename T> static T apply(T a, T b, T c) {
    return Add::apply(Mul24Lo::apply(a, b), c);
  }
};
struct Mad24Hi {
  template <typename T> static T apply(T a, T b, T c) {
    return Add::apply(Mul24Hi::apply(a, b), c);
  }
};
struct Sad {
  template <typename T> static T apply(T a, T b, T c) {
    return Add::apply(c, a < b ? Sub::apply(b, a) : Sub::apply(a, b));
  }
};

} // namespace sparsedrop::ptx::integers

#endif // SPARSEDROP_LIB_INTERP_INTEGEROPS_H
