//===- SplitGranularLoops.h - Loops over granules ---------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_SPLITGRANULARLOOPS_H
#define SPARSEDROP_LIB_TRANSFORMS_SPLITGRANULARLOOPS_H

#include "InsertKept.h"

namespace mlir::sparsedrop {

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
