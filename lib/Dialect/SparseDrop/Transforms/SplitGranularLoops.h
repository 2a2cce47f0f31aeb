//===- SplitGranularLoops.h - Loops over granules ----------------*- C++
//-*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_SPLITGRANULARLOOPS_H
#define SPARSEDROP_LIB_TRANSFORMS_SPLITGRANULARLOOPS_H

#include "LowerPatterns.h"

#include "llvm/ADT/MapVector.h"

namespace mlir::sparsedrop {

/// The whole kept granules of `full` along `dim`, as a strided view
/// [.., kept, g, ..] with one dimension more.
Value sliceKeptGranules(OpBuilder &builder, Location loc, Value full,
                        int64_t dim, const LoweredPattern &pattern,
                        const SplitExtent &split);

/// The kept part of the last granule of `full`, which the extent cuts off.
Value sliceKeptTail(OpBuilder &builder, Location loc, Value full, int64_t dim,
                    const LoweredPattern &pattern, const SplitExtent &split);

/// A value that was put together along `dim`: its granules, as (kept, g), and
/// its tail.
struct JoinedParts {
  int64_t dim;
  Value pattern, main, tail;
};
using JoinedValues = llvm::MapVector<Value, JoinedParts>;

/// One side of an insertion: the kept indices of a pattern along a dimension.
struct InsertionSide {
  int64_t dim;
  Value pattern;
  const LoweredPattern *lowered;
};

/// Puts the compact `source` into `dest`, at the kept indices of all `sides`.
/// Sources that are in `joined` are put in part by part.
Value insertKept(RewriterBase &rewriter, Location loc, Value source, Value dest,
                 ArrayRef<InsertionSide> sides, PatternLowering &lowering,
                 const JoinedValues &joined);

/// The insertion that only puts back what `inner` has changed of the compact
/// that it inserts into, or null.
InsertOp getOuterInsertion(InsertOp inner);

/// Splits the loops below `root` that read a compact of granularity above 1
/// into (block, within), which stay split; the part of a last granule that is
/// cut off is peeled as a separate small term. Compacts that no structured op
/// reads are packed by one that is made for it. What was put together of parts,
/// in the classes of a tile pattern, is added to `joined`.
LogicalResult splitGranularLoops(RewriterBase &rewriter, Operation *root,
                                 PatternLowering &lowering,
                                 JoinedValues &joined);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_SPLITGRANULARLOOPS_H
