//===- InsertKept.h - Compact values in their places -----------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_INSERTKEPT_H
#define SPARSEDROP_LIB_TRANSFORMS_INSERTKEPT_H

#include "LowerPatterns.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

namespace mlir::sparsedrop {

/// A value that was put together along `dim`: its granules, as (kept, g), and
/// its tail, null if there is none. `updates`: the op that computes them began
/// with the kept elements of the pattern along the dimension.
struct JoinedParts {
  int64_t dim;
  Value pattern, main, tail;
  bool updates = false;
};

/// Values that were put together. Each part is one value's.
class JoinedValues {
public:
  void add(Value whole, const JoinedParts &parts);
  /// The parts of `whole` by `pattern` along `dim`, or null.
  const JoinedParts *find(Value whole, int64_t dim, Value pattern) const;
  /// The parts of `whole`, or null.
  const JoinedParts *find(Value whole) const;
  /// `value`, which is going to be erased, was put together itself: `whole`.
  void replace(Value value, Value whole);

private:
  DenseMap<Value, JoinedParts> parts;
  DenseMap<Value, Value> wholes; ///< of each part
};

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

/// The insertion that only puts back what `inner`, of a class, has changed of
/// the compact that it inserts into, or null.
InsertOp getOuterInsertion(InsertOp inner);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_INSERTKEPT_H
