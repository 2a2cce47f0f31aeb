//===- Reductions.h - Reductions of structured ops --------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_CONVERSION_REDUCTIONS_H
#define SPARSEDROP_CONVERSION_REDUCTIONS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mlir::sparsedrop {

/// The op that combines two partial results of output `index`, and has a
/// neutral element; null if there is none, or several.
Operation *getCombiner(linalg::LinalgOp op, unsigned index);

/// Whether the result for `init` has an element for each iteration: it is
/// stored where others are combined.
bool isElementwise(linalg::LinalgOp op, OpOperand &init);

/// Whether the sums, maxima, ... of `op` can be formed in parts: each result
/// has a combiner, but for elementwise ones that do not read what is there.
bool isSplittable(linalg::LinalgOp op);

/// The elementwise op on tensors that makes `operand` for its owner, a
/// structured op, alone; null if there is none, or either has a kernel that the
/// user has chosen.
linalg::LinalgOp getOwnProducer(OpOperand &operand);

/// Whether `op` is elementwise and an element depends on several of an operand,
/// or on some only: no product makes its operand as it is needed.
bool readsWindows(linalg::LinalgOp op);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_CONVERSION_REDUCTIONS_H
