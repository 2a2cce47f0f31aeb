//===- CompareOps.h - Comparisons of values ---------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Comparisons and their combinations with a predicate (ISA 9.3.1, 9.7.6).
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_COMPAREOPS_H
#define SPARSEDROP_LIB_INTERP_COMPAREOPS_H

#include "FloatFormats.h"
#include "Program.h"

namespace sparsedrop::ptx::comparisons {

/// A comparison as the set of outcomes that make it true.
enum Outcome : uint8_t { Less = 1, Equal = 2, Greater = 4, Unordered = 8 };

struct Word {
  std::string_view word;
  uint8_t outcomes;
  bool isUnsignedOnly;
  bool isFloatOnly;
};

constexpr Word kWords[] = {
    {"eq", Equal, false, false},
    {"ne", Less | Greater, false, false},
    {"lt", Less, false, false},
    {"le", Less | Equal, false, false},
    {"gt", Greater, false, false},
    {"ge", Greater | Equal, false, false},
    {"lo", Less, true, false},
    {"ls", Less | Equal, true, false},
    {"hi", Greater, true, false},
    {"hs", Greater | Equal, true, false},
    {"equ", Equal | Unordered, false, true},
    {"neu", Less | Greater | Unordered, false, true},
    {"ltu", Less | Unordered, false, true},
    {"leu", Less | Equal | Unordered, false, true},
    {"gtu", Greater | Unordered, false, true},
    {"geu", Greater | Equal | Unordered, false, true},
    {"num", Less | Equal | Greater, false, true},
    {"nan", Unordered, false, true},
};

/// How a value of a slot becomes one that C++ can compare.
template <typename T> struct Plain {
  using Stored = T;
  static T load(T value) { return value; }
};
struct Half {
  using Stored = uint16_t;
  static float load(uint16_t value) { return fromHalf(value); }
};
struct FlushedHalf {
  using Stored = uint16_t;
  static float load(uint16_t value) {
    return fromHalf(value & 0x7C00 ? value : value & 0x8000);
  }
};
struct Bfloat16 {
  using Stored = uint16_t;
  static float load(uint16_t value) { return fromBfloat16(value); }
};
/// .ftz: subnormals are zeros of their sign.
struct Flushed {
  using Stored = float;
  static float load(float value) {
    return (bitCast<uint32_t>(value) & 0x7F800000) ? value : value * 0.0f;
  }
};

/// How the outcome is combined with another predicate (ISA 9.7.6).
enum class Combine : uint8_t { None, And, Or, Xor };

template <typename T> inline bool compare(T a, T b, uint8_t outcomes) {
  bool less = a<b, equal = a == b, greater = a> b;
  return (less && (outcomes & Less)) || (equal && (outcomes & Equal)) ||
         (greater && (outcomes & Greater)) ||
         (!less && !equal && !greater && (outcomes & Unordered));
}

struct CompareData : InstData {
  uint8_t outcomes = 0;
  Combine combine = Combine::None;
  bool isNegated = false; ///< the predicate it is combined with
  bool hasSecond = false; ///< p|q: the negation goes to q
  uint64_t one = 1;       ///< what set writes for true
};

/// The outcome of a lane after its combination.
inline bool combineWith(Combine combine, bool value, bool other) {
  switch (combine) {
  case Combine::None:
    return value;
  case Combine::And:
    return value && other;
  case Combine::Or:
    return value || other;
  case Combine::Xor:
    return value != other;
  }
  return value;
}

} // namespace sparsedrop::ptx::comparisons

#endif // SPARSEDROP_LIB_INTERP_COMPAREOPS_H
