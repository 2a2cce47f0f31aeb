//===- Rounded.h - Rounding modes of the host -------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sums, products and quotients with a rounding mode (ISA 9.7.3). To nearest is
// what the host does; the other modes set the host's mode around a loop over
// the lanes.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_ROUNDED_H
#define SPARSEDROP_LIB_INTERP_ROUNDED_H

#include "FloatFormats.h"

#include <cfenv>

namespace sparsedrop::ptx {

/// Sets the host's rounding mode for a scope.
class RoundingScope {
public:
  explicit RoundingScope(Rounding rounding) : before(std::fegetround()) {
    std::fesetround(rounding == Rounding::Zero   ? FE_TOWARDZERO
                    : rounding == Rounding::Down ? FE_DOWNWARD
                    : rounding == Rounding::Up   ? FE_UPWARD
                                                 : FE_TONEAREST);
  }
  ~RoundingScope() { std::fesetround(before); }

private:
  int before;
};

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_ROUNDED_H
