//===- SplitLoop.h - Contractions on the parts of a dimension ---*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kept blocks of channels are two dimensions, of which gradients see one that
// was collapsed, as a copy. Upstream moves reshapes through ops whose maps are
// permutations; here it is one loop that has to be by itself, and an image may
// be indexed by sums of the others.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_SPLITLOOP_H
#define SPARSEDROP_LIB_GPU_SPLITLOOP_H

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {

/// Lets a contraction on tensors read what factor `factor` was collapsed from:
/// a loop for each dimension that was, for all operands. Users of a result that
/// expand it again read it as it is. Returns the new op, or null if the factor
/// was not collapsed, or not along loops that stand alone, or one is joint.
ContractOp splitCollapsed(RewriterBase &rewriter, ContractOp op,
                          unsigned factor);

/// Whether a loop indexes each operand in at most one dimension, by itself.
bool isAloneInOperands(ContractOp op, unsigned loop);

/// Splits such a loop of a contraction on tensors, none of which is joint, into
/// loops of the extents `parts`, from slow to fast, which take its number and
/// those behind it. Operands are expanded, results collapsed.
ContractOp splitLoop(RewriterBase &rewriter, ContractOp op, unsigned loop,
                     ArrayRef<OpFoldResult> parts);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_SPLITLOOP_H
