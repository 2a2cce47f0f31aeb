//===- SmallFloats.h - Floats of 8 bits -------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_CONVERSION_SMALLFLOATS_H
#define SPARSEDROP_CONVERSION_SMALLFLOATS_H

namespace mlir {
class Operation;
class Type;

namespace sparsedrop {

/// Whether values are, or have elements of, f8E4M3FN or f8E5M2.
bool isSmallFloat(Type type);

/// Ops of arith and math under `root` that compute with floats of 8 bits do so
/// in f32, and conversions from and to them become integer arithmetic: to the
/// nearest, ties to even, as APFloat has it (too large values become infinity
/// in f8E5M2 and NaN in f8E4M3FN). Ops that move values stay as they are.
void expandSmallFloats(Operation *root);

} // namespace sparsedrop
} // namespace mlir

#endif // SPARSEDROP_CONVERSION_SMALLFLOATS_H
