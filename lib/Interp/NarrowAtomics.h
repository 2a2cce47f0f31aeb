//===- NarrowAtomics.h - Atomic sums of f16 and bf16 ------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_NARROWATOMICS_H
#define SPARSEDROP_LIB_INTERP_NARROWATOMICS_H

#include "FloatFormats.h"

namespace sparsedrop::ptx {

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

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_NARROWATOMICS_H
