//===- CompactUpdate.h - The second half of rule C5 -------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_COMPACTUPDATE_H
#define SPARSEDROP_LIB_TRANSFORMS_COMPACTUPDATE_H

#include "CompactionContext.h"

#include "llvm/ADT/BitVector.h"

namespace mlir::sparsedrop {

/// Whether all loops of `op` are parallel, its results, of float type, are
/// indexed by all of them, each by one dimension, and its body has no branches.
bool isElementwise(linalg::LinalgOp op);

/// The results of an elementwise op in `dense`, computed over all units as if
/// the operands in `zero` were zero everywhere: in `a * w + expand(g)`, `a *
/// w`.
SmallVector<Value> createDenseResults(CompactionContext &context,
                                      linalg::LinalgOp op,
                                      const llvm::BitVector &zero,
                                      const llvm::BitVector &dense);

/// An op with the results of `op` that is to be made smaller. The results in
/// `dense` update `dests`, what the op above gave: if the operands in `zero`
/// enter by a sum, their terms are added, and nothing else is read; else the
/// values are computed anew.
linalg::LinalgOp createUpdate(CompactionContext &context, linalg::LinalgOp op,
                              const llvm::BitVector &zero,
                              const llvm::BitVector &dense, ValueRange dests);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_COMPACTUPDATE_H
