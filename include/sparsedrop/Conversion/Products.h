//===- Products.h - Which structured ops are products -----------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_CONVERSION_PRODUCTS_H
#define SPARSEDROP_CONVERSION_PRODUCTS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {

/// Per operand and dimension, the coefficient of each loop.
using Accesses = SmallVector<SmallVector<SmallVector<int64_t>>, 3>;

/// The accesses of an op that adds products of two arrays of floats up,
/// `init + a * b`, whose maps are linear and each of whose loops indexes two
/// operands; or, told to `rewriter`, why it is none.
FailureOr<Accesses> matchProduct(RewriterBase &rewriter, linalg::LinalgOp op);

/// Lets a product that reads a factor at sums of loops, as a convolution and
/// its gradients do, read a matrix of patches of it instead. Fails, told to
/// `rewriter`, where `op` is none.
LogicalResult rewriteProductInIm2Col(RewriterBase &rewriter,
                                     linalg::LinalgOp op);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_CONVERSION_PRODUCTS_H
