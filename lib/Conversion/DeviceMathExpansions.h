//===- DeviceMathExpansions.h - Functions that libclc lacks -----*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_CONVERSION_DEVICEMATHEXPANSIONS_H
#define SPARSEDROP_LIB_CONVERSION_DEVICEMATHEXPANSIONS_H

#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {

/// Expands scalar ops that neither LLVM's back end for NVIDIA GPUs nor libclc
/// has, or has with wrong results: `arith.remf` (exactly C's fmod),
/// `math.ipowi`, `math.fpowi`, `math.sincos`, the classifications, and
/// `math.sinh` and `math.cosh` of f64.
void populateDeviceMathExpansionPatterns(RewritePatternSet &patterns);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_CONVERSION_DEVICEMATHEXPANSIONS_H
