//===- StridePhases.h - Strided ops as sums of unstrided ones ---*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_STRIDEPHASES_H
#define SPARSEDROP_LIB_TRANSFORMS_STRIDEPHASES_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mlir::sparsedrop {

/// A part of an op that reads a strided slice of an operand.
struct StridePhase {
  linalg::GenericOp op;
  unsigned operand;                                  ///< that reads the slice
  SmallVector<OpFoldResult> offsets, sizes, strides; ///< of the slice
};

/// Writes a sum over windows that are strides apart, whose operand is read at
/// x = s o + d k, as a sum of ops without strides: by the taps k = k0, k0 + s',
/// ... with s' = s / gcd(s, d), for which
///
///     x = s (o + d s' / s t) + d k0,
///
/// each of which reads the elements of one residue class of x, a strided slice,
/// by a slice of the taps. Where gradients are computed by these, nothing is
/// multiplied by the zeros that a stride leaves between outputs.
///
/// The ops are built at the insertion point. Empty when the operand is read
/// without strides; also when a size is not static or a sum has more than one
/// tap.
SmallVector<StridePhase> splitStrides(RewriterBase &rewriter,
                                      linalg::LinalgOp op, OpOperand &operand);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_STRIDEPHASES_H
