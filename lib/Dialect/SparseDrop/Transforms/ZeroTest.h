//===- ZeroTest.h - What a body yields for zero inputs ----------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_ZEROTEST_H
#define SPARSEDROP_LIB_TRANSFORMS_ZEROTEST_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/BitVector.h"

namespace mlir::sparsedrop {

/// What one result of a body folds to once some block arguments are zero.
struct ZeroTestResult {
  enum Kind {
    Unknown,  ///< depends on more than the rest of this says
    Zero,     ///< zero
    Argument, ///< block argument `argument`, unchanged
  };
  Kind kind = Unknown;
  unsigned argument = 0;
};

/// The zero test of the compaction algebra (design, section 2.3): sets the
/// block arguments in `zeroArguments` to 0, takes 0 * x and 0 / x for 0, x + 0
/// for x and what is extended and truncated again for what it was, folds the
/// body of `op`, and says what each result is then.
SmallVector<ZeroTestResult> runZeroTest(linalg::LinalgOp op,
                                        const llvm::BitVector &zeroArguments);

/// Whether the reduction that makes result `index` ends in 0 when the block
/// arguments in `zeroArguments` are 0: its first step, from a constant, yields
/// 0, and so does each further one.
bool reducesToZero(linalg::LinalgOp op, unsigned index,
                   const llvm::BitVector &zeroArguments);

/// Emits what the body of `op` yields for `arguments` once those in
/// `zeroArguments` are zero, folded likewise: a value for each of `results`,
/// and what that needs.
SmallVector<Value> emitZeroed(OpBuilder &builder, linalg::LinalgOp op,
                              const llvm::BitVector &results,
                              const llvm::BitVector &zeroArguments,
                              ValueRange arguments);

/// Emits what result `index` of the body adds to `emitZeroed` when the
/// arguments in `zeroArguments` are not zero. Null if they do not enter as a
/// sum of terms: then nothing useful was emitted.
Value emitDifference(OpBuilder &builder, linalg::LinalgOp op, unsigned index,
                     const llvm::BitVector &zeroArguments,
                     ValueRange arguments);

/// Whether result `index` of `op` is `init + term` with a term that is linear
/// in input block argument `argument`: a product that holds it exactly once.
bool isLinearIn(linalg::LinalgOp op, unsigned index, unsigned argument);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_ZEROTEST_H
