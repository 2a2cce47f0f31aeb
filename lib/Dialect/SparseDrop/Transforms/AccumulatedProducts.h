//===- AccumulatedProducts.h - Sums of products over a loop -----*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gradients through time: the gradient of a weight that every step reads is a
// sum of products with few terms each, which would go through the whole
// gradient once a step. Their factors are stacked instead; the sum is one
// product behind the loop, over the steps, too.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_ACCUMULATEDPRODUCTS_H
#define SPARSEDROP_LIB_TRANSFORMS_ACCUMULATEDPRODUCTS_H

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlir::sparsedrop {

/// Where the iterations of a loop keep something: each its own slice.
struct Slices {
  Value number; ///< of the slice of this iteration, in the loop
  Value count;  ///< of the slices, before the loop
  /// The stack of which a value in the loop is the slice; null if it is none.
  function_ref<Value(Value)> findStack;
};

/// If `loop` carries a value at `index` only to add a contraction to it, the
/// sum as one contraction behind the loop, which no longer adds; otherwise
/// null. `loop` is replaced by one that carries stacks of factors where there
/// are none yet. Factors that are not of static shape, or in which each
/// iteration drops other units, stay in the loop.
Value hoistAccumulation(RewriterBase &rewriter, scf::ForOp &loop,
                        unsigned index, const Slices &slices);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_ACCUMULATEDPRODUCTS_H
