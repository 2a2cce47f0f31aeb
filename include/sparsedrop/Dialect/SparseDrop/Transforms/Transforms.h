//===- Transforms.h - Transformations without passes -------------*- C++
//-*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The embeddable part: what the passes do, as functions.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_DIALECT_SPARSEDROP_TRANSFORMS_TRANSFORMS_H
#define SPARSEDROP_DIALECT_SPARSEDROP_TRANSFORMS_TRANSFORMS_H

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

namespace mlir {
class FunctionOpInterface;
class ModuleOp;
class RewriterBase;

namespace linalg {
class LinalgOp;
} // namespace linalg

namespace sparsedrop {

/// How a distribution is found for a rate.
enum class SearchMethod {
  SGD,   ///< gradient descent on softmax logits (paper, section B.2)
  MaxEnt ///< maximum entropy, by bisection (section B.3)
};

/// Where the masks of `lowerToMasked` come from.
enum class MaskSource {
  Pattern,   ///< the drawn patterns
  Bernoulli, ///< an independent draw per element
  None       ///< nothing is dropped
};

/// The dimensions of the annotated operand that the pattern acts on: one for
/// row and channel, (output, contraction) for tile. Emits an error on `op` when
/// the operand has none, or several and the annotation names none, and when a
/// granule or tile is larger than the dimension.
FailureOr<SmallVector<int64_t>> inferDroppedDims(linalg::LinalgOp op,
                                                 DropoutAttr annotation);

/// Fills the distributions of annotations and samples below `root`, over the
/// candidate `periods`, ascending; without any, over all from 1.
LogicalResult searchDistributions(Operation *root, SearchMethod method,
                                  ArrayRef<int64_t> periods = {});

/// Turns annotations in `module` into sample and dropout ops.
LogicalResult materializeDropout(ModuleOp module);

/// Adds the gradient of `function`, as its attribute asks, to the module. Calls
/// in it are inlined into the gradient; annotations must have been
/// materialized. An op that cannot be differentiated is an error that names it.
LogicalResult differentiate(RewriterBase &rewriter, func::FuncOp function);

/// Adds `F_recalibrate` for a function F with results marked
/// `sparsedrop.statistic`: moves running statistics to those of a batch of
/// which nothing is dropped.
LogicalResult recalibrate(RewriterBase &rewriter, func::FuncOp function);

/// Checks that the samples of one site below `root` (a function, after
/// inlining) agree in kind, rate, distribution and scale.
LogicalResult verifySites(Operation *root);

/// Moves the scales of dropouts below `root` behind the products that they
/// feed, merged into one f32 factor a product; the dropouts become `unscaled`.
/// Dropouts that feed anything else keep their scale.
void hoistDropoutScales(RewriterBase &rewriter, Operation *root);

/// The compaction algebra on one function. Fails, with an error, on patterns
/// that have no compaction.
LogicalResult compactDropout(RewriterBase &rewriter,
                             FunctionOpInterface function);

/// Dropouts below `root` become masks and selects.
LogicalResult lowerToMasked(RewriterBase &rewriter, Operation *root,
                            MaskSource masks);

/// Drops nothing at the draws of `sites`. Fails, with an error, where nothing
/// is dropped at one of them.
LogicalResult excludeSites(RewriterBase &rewriter, ModuleOp module,
                           ArrayRef<std::string> sites);

/// What `op` gives, computed with a mask of its pattern, at the insertion
/// point.
Value maskDropout(RewriterBase &rewriter, DropoutOp op);

/// Lowers every op and type of the dialect in `module` to upstream ops and
/// calls of the runtime library.
LogicalResult lowerToUpstream(RewriterBase &rewriter, ModuleOp module);

/// Counts the work of each product of `module` at run time.
LogicalResult instrumentProducts(ModuleOp module);

} // namespace sparsedrop
} // namespace mlir

#endif // SPARSEDROP_DIALECT_SPARSEDROP_TRANSFORMS_TRANSFORMS_H
