//===- JointLoop.h - Sums that an epilogue sees together --------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The gates of a cell are one product, whose outputs lie side by side, and an
// elementwise op that reads equal parts of it. Split into (part, element in
// it), the loop that goes through the outputs has a slow half that the epilogue
// can see as a whole.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_JOINTLOOP_H
#define SPARSEDROP_LIB_GPU_JOINTLOOP_H

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {

/// One of `count` equal parts of what a contraction yields, along its last
/// dimension.
struct JointPart {
  OpResult result;
  int64_t count = 1, number = 0;
};

/// The part that a slice takes, if it is one of a few: of a contraction's
/// result, or of one that a joint loop has split into as many parts.
std::optional<JointPart> getJointPart(tensor::ExtractSliceOp slice);

/// Why the last loop of the first output cannot be split into `count` parts
/// that are joint; empty if it can, or they are.
StringRef getJointLoopProblem(ContractOp op, int64_t count);

/// Splits that loop, which has no such problem, and makes its slow half joint;
/// results are collapsed again. Returns the new op.
ContractOp makeJoint(RewriterBase &rewriter, ContractOp op, int64_t count,
                     const DominanceInfo &dominance);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_JOINTLOOP_H
