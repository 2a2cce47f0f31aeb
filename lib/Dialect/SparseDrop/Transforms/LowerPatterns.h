//===- LowerPatterns.h - Patterns as values of upstream types ----*- C++
//-*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_LOWERPATTERNS_H
#define SPARSEDROP_LIB_TRANSFORMS_LOWERPATTERNS_H

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {

/// What a pattern is made of. Row and tile have a period and a bias; row and
/// channel have the number of kept units. Channel has a buffer of the host, of
/// 2 * extent + 1 indices: the kept channels in order, from `extent` on each
/// channel's place among them (-1 where it is dropped), and their number. All
/// of type index but the buffer, memref<?xindex>.
struct LoweredPattern {
  PatternType type;
  SmallVector<Value, 2> extents;
  Value period, bias;
  Value keptList;
  OpFoldResult keptCount;
  bool mayBeEmpty = false; // a slice; all others keep a unit at least
  Value scale;             // f32
};

/// The units of granularity g of a dimension, split for code: `full` whole
/// granules, of which `kept` are kept, and the kept part `tail` of a last one
/// that is cut off. Index values or attributes; `tail` is the attribute 0 where
/// the granularity is known to divide the extent.
struct SplitExtent {
  OpFoldResult full, kept, tail;
};

/// "file:line:column: op: reason", without the newline that ends some reasons:
/// what a failed check of sizes says.
std::string describeMisfit(Operation *op, StringRef reason);

/// Lowers patterns, each once, behind the ops that make them.
class PatternLowering {
public:
  explicit PatternLowering(RewriterBase &rewriter) : rewriter(rewriter) {}

  /// An error when `pattern` is not made by an op of this dialect (a function
  /// argument, a loop-carried value).
  FailureOr<LoweredPattern> lower(Value pattern);

  /// The split of the extent, at the insertion point.
  SplitExtent getSplitExtent(const LoweredPattern &pattern);

  /// Original index of the kept unit at `position`.
  Value getKeptIndex(OpBuilder &builder, Location loc,
                     const LoweredPattern &pattern, Value position);

  /// The classes of a tile pattern that have rows, at the insertion point.
  Value countClasses(Location loc, const LoweredPattern &tiles);

  /// Whether the unit at `indices` is kept; row and tile.
  Value isKept(OpBuilder &builder, Location loc, const LoweredPattern &pattern,
               ValueRange indices);

private:
  FailureOr<LoweredPattern> lowerSample(SampleOp op);
  FailureOr<LoweredPattern> lowerPeriodicSample(SampleOp op);
  LoweredPattern lowerChannelSample(SampleOp op);
  Value getChannelValues(SampleOp op, Value tensor);
  Value createChannelScale(SampleOp op, const LoweredPattern &pattern,
                           Value importance, Value keptCount);
  LoweredPattern lowerMakePattern(MakePatternOp op);
  LoweredPattern lowerChannelList(MakePatternOp op);
  void allocateList(Location loc, LoweredPattern &pattern);
  Value listChannels(Location loc, LoweredPattern &pattern, Value wanted,
                     Value count);
  Value loadKeptCount(Location loc, LoweredPattern &pattern);
  LoweredPattern lowerSlice(SlicePatternOp op, LoweredPattern source);
  LoweredPattern lowerChannelSlice(SlicePatternOp op,
                                   const LoweredPattern &source);
  LoweredPattern lowerStretch(StretchPatternOp op, LoweredPattern source);
  LoweredPattern lowerClass(ClassPatternOp op, LoweredPattern source);
  Value countTiles(Location loc, const LoweredPattern &tiles, int64_t dim);
  Value getRowPeriod(Location loc, const LoweredPattern &tiles);

  OpFoldResult countKept(const LoweredPattern &pattern);
  Value countUnits(Location loc, PatternType type, ValueRange extents);
  void setPeriodAndBias(Location loc, LoweredPattern &pattern, Value packed);
  Value hashSite(SampleOp op);
  Value getDistributionPointer(Location loc, ArrayRef<int32_t> millionths);
  Value call(Location loc, StringRef callee, Type result, ValueRange operands);

  RewriterBase &rewriter;
  DenseMap<Value, LoweredPattern> lowered;
  /// Addresses of distributions, by function and name.
  llvm::StringMap<DenseMap<Operation *, Value>> pointers;
};

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_LOWERPATTERNS_H
