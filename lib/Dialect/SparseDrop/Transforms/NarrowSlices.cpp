//===- NarrowSlices.cpp - Slices move to what computes them ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReverseSweep.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace mlir::sparsedrop;

namespace {
/// A slice of what lies spread out in zeros, where nothing of it is cut off,
/// lies in fewer zeros.
struct SliceOfSpread : public OpRewritePattern<tensor::ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::ExtractSliceOp slice,
                                PatternRewriter &rewriter) const override;
};
} // namespace

/// The offsets of `spread` in `slice`; nothing unless they are known to lie in
/// it.
static std::optional<SmallVector<OpFoldResult>>
getInnerOffsets(Builder &builder, tensor::ExtractSliceOp slice,
                tensor::InsertSliceOp spread) {
  SmallVector<OpFoldResult> offsets;
  for (auto [begin, size, at, count, stride] :
       llvm::zip_equal(slice.getMixedOffsets(), slice.getMixedSizes(),
                       spread.getMixedOffsets(), spread.getMixedSizes(),
                       spread.getMixedStrides())) {
    std::optional<int64_t> first = getConstantIntValue(begin),
                           known = getConstantIntValue(at);
    if (!first || !known)
      return std::nullopt;
    offsets.push_back(builder.getIndexAttr(*known - *first));
    // All of a dimension of any size.
    if (*first == 0 && *known == 0 && size == count && isOneInteger(stride))
      continue;
    std::optional<int64_t> length = getConstantIntValue(size),
                           elements = getConstantIntValue(count),
                           distance = getConstantIntValue(stride);
    if (!length || !elements || !distance || *known < *first ||
        *known - *first + (*elements - 1) * *distance >= *length)
      return std::nullopt;
  }
  return offsets;
}

LogicalResult SliceOfSpread::matchAndRewrite(tensor::ExtractSliceOp slice,
                                             PatternRewriter &rewriter) const {
  auto spread = slice.getSource().getDefiningOp<tensor::InsertSliceOp>();
  if (!spread || !spread->hasOneUse())
    return rewriter.notifyMatchFailure(slice, "no slice of an insertion that "
                                              "nothing else reads");
  auto fill = spread.getDest().getDefiningOp<linalg::FillOp>();
  if (!fill || !slice.hasUnitStride() ||
      spread.getSourceType().getRank() != spread.getDestType().getRank() ||
      slice.getType().getRank() != slice.getSourceType().getRank())
    return rewriter.notifyMatchFailure(slice, "not an insertion into a fill");
  std::optional<SmallVector<OpFoldResult>> offsets =
      getInnerOffsets(rewriter, slice, spread);
  if (!offsets)
    return rewriter.notifyMatchFailure(slice, "it may cut something off");
  Location loc = slice.getLoc();
  Value empty = tensor::EmptyOp::create(rewriter, loc, slice.getMixedSizes(),
                                        slice.getType().getElementType());
  Value zeros =
      linalg::FillOp::create(rewriter, loc, fill.getInputs()[0], empty)
          .getResult(0);
  rewriter.replaceOpWithNewOp<tensor::InsertSliceOp>(
      slice, spread.getSource(), zeros, *offsets, spread.getMixedSizes(),
      spread.getMixedStrides());
  return success();
}

void mlir::sparsedrop::narrowSlices(RewriterBase &rewriter,
                                    ArrayRef<Operation *> slices) {
  RewritePatternSet patterns(rewriter.getContext());
  patterns.add<SliceOfSpread>(patterns.getContext());
  linalg::populateBubbleUpExtractSliceOpPatterns(patterns);
  linalg::populateSwapExtractSliceWithFillPatterns(patterns);
  tensor::populateFoldTensorEmptyPatterns(patterns);
  // What a slice was taken of is dead afterwards and must go: it is a use.
  (void)applyOpPatternsGreedily(slices, std::move(patterns));
}
