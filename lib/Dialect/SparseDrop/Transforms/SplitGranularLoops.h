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

namespace mlir::sparsedrop {

/// The whole kept granules of `full` along `dim`, as a strided view
/// [.., kept, g, ..] with one dimension more.
Value sliceKeptGranules(OpBuilder &builder, Location loc, Value full,
                        int64_t dim, const LoweredPattern &pattern,
                        const SplitExtent &split);

/// The kept part of the last granule of `full`, which the extent cuts off.
Value sliceKeptTail(OpBuilder &builder, Location loc, Value full, int64_t dim,
                    const LoweredPattern &pattern, const SplitExtent &split);

/// Puts the compact `source` into the kept indices of `dest` along `dim`.
Value insertKept(RewriterBase &rewriter, Location loc, Value source, Value dest,
                 int64_t dim, const LoweredPattern &pattern,
                 PatternLowering &lowering);

/// Splits the loops below `root` that read a compact of granularity above 1
/// into (block, within), which stay split; the part of a last granule that is
/// cut off is peeled as a separate small term. Compacts that no structured op
/// reads are packed by one that is made for it.
LogicalResult splitGranularLoops(RewriterBase &rewriter, Operation *root,
                                 PatternLowering &lowering);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_SPLITGRANULARLOOPS_H
