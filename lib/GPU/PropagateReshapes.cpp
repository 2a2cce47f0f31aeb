//===- PropagateReshapes.cpp - Ops on granules instead of copies ----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kept granules are a slice of an expanded value. Collapsed, their strides are
// no longer one: a buffer would be a copy. Expansions therefore move up and
// collapses down, through structured ops and slices, until they meet and cancel
// each other or reach what is contiguous.
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_PROPAGATERESHAPES
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using tensor::CollapseShapeOp;
using tensor::ExpandShapeOp;
using tensor::ExtractSliceOp;
using tensor::InsertSliceOp;

namespace {
/// Offsets, sizes and strides of a slice.
struct Slice {
  explicit Slice(OffsetSizeAndStrideOpInterface op)
      : offsets(op.getMixedOffsets()), sizes(op.getMixedSizes()),
        strides(op.getMixedStrides()) {}

  /// Whether it has all of dimension `dim` of `whole`.
  bool isWhole(Value whole, int64_t dim) const;
  /// Whether it has all of the dimensions that `groups` expand.
  bool isWholeIn(Value whole, ArrayRef<ReassociationIndices> groups) const;
  /// The slice of the expanded value: all of the new dimensions, of which
  /// `expanded` are the sizes.
  void expand(ArrayRef<ReassociationIndices> groups,
              ArrayRef<OpFoldResult> expanded, OpBuilder &builder);

  SmallVector<OpFoldResult> offsets, sizes, strides;
};
} // namespace

bool Slice::isWhole(Value whole, int64_t dim) const {
  if (!isZeroInteger(offsets[dim]) || !isOneInteger(strides[dim]))
    return false;
  FailureOr<bool> equal =
      ValueBoundsConstraintSet::areEqual(sizes[dim], {whole, dim});
  return succeeded(equal) && *equal;
}

bool Slice::isWholeIn(Value whole,
                      ArrayRef<ReassociationIndices> groups) const {
  for (auto [dim, group] : llvm::enumerate(groups))
    if (group.size() > 1 && !isWhole(whole, static_cast<int64_t>(dim)))
      return false;
  return true;
}

void Slice::expand(ArrayRef<ReassociationIndices> groups,
                   ArrayRef<OpFoldResult> expanded, OpBuilder &builder) {
  SmallVector<OpFoldResult> newOffsets, newSizes, newStrides;
  for (auto [dim, group] : llvm::enumerate(groups)) {
    bool isSplit = group.size() > 1;
    for (int64_t index : group) {
      newOffsets.push_back(isSplit ? builder.getIndexAttr(0) : offsets[dim]);
      newSizes.push_back(isSplit ? expanded[index] : sizes[dim]);
      newStrides.push_back(isSplit ? builder.getIndexAttr(1) : strides[dim]);
    }
  }
  offsets = std::move(newOffsets);
  sizes = std::move(newSizes);
  strides = std::move(newStrides);
}

/// The sizes of `value` with the dimensions that `groups` split taken from
/// `expanded`.
static SmallVector<OpFoldResult>
getExpandedSizes(OpBuilder &builder, Value value,
                 ArrayRef<ReassociationIndices> groups,
                 ArrayRef<OpFoldResult> expanded) {
  SmallVector<OpFoldResult> sizes;
  SmallVector<OpFoldResult> own =
      tensor::getMixedSizes(builder, value.getLoc(), value);
  for (auto [dim, group] : llvm::enumerate(groups))
    for (int64_t index : group)
      sizes.push_back(group.size() > 1 ? expanded[index] : own[dim]);
  return sizes;
}

/// `value` with the dimensions that `groups` split as in `expanded`.
static Value expandValue(OpBuilder &builder, Value value,
                         ArrayRef<ReassociationIndices> groups,
                         ArrayRef<OpFoldResult> expanded) {
  SmallVector<OpFoldResult> sizes =
      getExpandedSizes(builder, value, groups, expanded);
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape;
  SmallVector<Value> dynamic;
  dispatchIndexOpFoldResults(sizes, dynamic, shape);
  // A size that is static on one side must be so on the other.
  SmallVector<int64_t> known(shape);
  for (auto [dim, group] : llvm::enumerate(groups))
    if (type.isDynamicDim(dim) && llvm::none_of(group, [&](int64_t index) {
          return ShapedType::isDynamic(shape[index]);
        }))
      shape[group[0]] = ShapedType::kDynamic;
  for (auto [size, extent] : llvm::zip_equal(sizes, shape))
    if (ShapedType::isDynamic(extent))
      size = getValueOrCreateConstantIndexOp(builder, value.getLoc(), size);
  Value result = ExpandShapeOp::create(builder, value.getLoc(),
                                       type.clone(shape), value, groups, sizes);
  if (shape != known)
    result = tensor::CastOp::create(builder, value.getLoc(), type.clone(known),
                                    result);
  return result;
}

static bool isRankReducing(OffsetSizeAndStrideOpInterface op, Type type) {
  return cast<ShapedType>(type).getRank() !=
         static_cast<int64_t>(op.getMixedSizes().size());
}

/// `insert` with the dimensions that `groups` split as in `expanded`, of which
/// the slice has all.
static Value expandInsertion(OpBuilder &builder, InsertSliceOp insert,
                             ArrayRef<ReassociationIndices> groups,
                             ArrayRef<OpFoldResult> expanded) {
  Slice slice(insert);
  Value source = expandValue(builder, insert.getSource(), groups, expanded);
  Value dest = expandValue(builder, insert.getDest(), groups, expanded);
  slice.expand(groups, expanded, builder);
  return InsertSliceOp::create(builder, insert.getLoc(), source, dest,
                               slice.offsets, slice.sizes, slice.strides);
}

namespace {
/// An expansion in two steps: first of some dimensions, then of the others.
struct SplitExpansion {
  SplitExpansion(ExpandShapeOp op, const llvm::BitVector &isFirst);

  SmallVector<ReassociationIndices> first, second;
  SmallVector<OpFoldResult> sizes; ///< in between
};
} // namespace

SplitExpansion::SplitExpansion(ExpandShapeOp op,
                               const llvm::BitVector &isFirst) {
  OpBuilder builder(op);
  SmallVector<OpFoldResult> before =
      tensor::getMixedSizes(builder, op.getLoc(), op.getSrc());
  SmallVector<OpFoldResult> after = op.getMixedOutputShape();
  for (auto [dim, group] : llvm::enumerate(op.getReassociationIndices())) {
    ReassociationIndices &own = first.emplace_back();
    if (!isFirst[dim]) {
      own.push_back(static_cast<int64_t>(sizes.size()));
      sizes.push_back(before[dim]);
      second.push_back(group);
      continue;
    }
    for (int64_t index : group) {
      own.push_back(static_cast<int64_t>(sizes.size()));
      sizes.push_back(after[index]);
      second.push_back({index});
    }
  }
}

namespace {
/// expand(extract_slice(x)) is extract_slice(expand(x)) in those dimensions of
/// which the slice has all.
struct ExpandSourceOfSlice : public OpRewritePattern<ExpandShapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ExpandShapeOp op,
                                PatternRewriter &rewriter) const override {
    auto extract = op.getSrc().getDefiningOp<ExtractSliceOp>();
    if (!extract || isRankReducing(extract, extract.getType()))
      return rewriter.notifyMatchFailure(op, "not of a slice of equal rank");
    Slice slice(extract);
    SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
    llvm::BitVector isWhole(groups.size());
    for (auto [dim, group] : llvm::enumerate(groups))
      isWhole[dim] =
          group.size() > 1 && slice.isWhole(extract.getSource(), dim);
    if (isWhole.none())
      return rewriter.notifyMatchFailure(op, "a part of what is expanded");
    rewriter.setInsertionPoint(op);
    SplitExpansion split(op, isWhole);
    Value source =
        expandValue(rewriter, extract.getSource(), split.first, split.sizes);
    slice.expand(split.first, split.sizes, rewriter);
    Value extracted =
        ExtractSliceOp::create(rewriter, op.getLoc(), source, slice.offsets,
                               slice.sizes, slice.strides);
    // What is not expanded yet is as in the result.
    SmallVector<int64_t> shape(
        cast<RankedTensorType>(extracted.getType()).getShape());
    for (auto [size, group] : llvm::zip_equal(shape, split.second))
      if (group.size() == 1)
        size = op.getResultType().getDimSize(group[0]);
    Type type = op.getResultType().clone(shape);
    if (type != extracted.getType())
      extracted =
          tensor::CastOp::create(rewriter, op.getLoc(), type, extracted);
    if (type == op.getResultType())
      rewriter.replaceOp(op, extracted);
    else
      rewriter.replaceOpWithNewOp<ExpandShapeOp>(op, op.getResultType(),
                                                 extracted, split.second,
                                                 op.getMixedOutputShape());
    return success();
  }
};

/// extract_slice(collapse(x)) is collapse(extract_slice(x)) where the slice has
/// all of what was collapsed.
struct CollapseSlice : public OpRewritePattern<ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ExtractSliceOp op,
                                PatternRewriter &rewriter) const override {
    auto collapse = op.getSource().getDefiningOp<CollapseShapeOp>();
    if (!collapse || isRankReducing(op, op.getType()))
      return rewriter.notifyMatchFailure(op, "not an equal rank's of collapse");
    Slice slice(op);
    SmallVector<ReassociationIndices> groups =
        collapse.getReassociationIndices();
    if (!slice.isWholeIn(collapse, groups))
      return rewriter.notifyMatchFailure(op, "a part of what was collapsed");
    SmallVector<OpFoldResult> sizes =
        tensor::getMixedSizes(rewriter, op.getLoc(), collapse.getSrc());
    slice.expand(groups, sizes, rewriter);
    Value extracted =
        ExtractSliceOp::create(rewriter, op.getLoc(), collapse.getSrc(),
                               slice.offsets, slice.sizes, slice.strides);
    rewriter.replaceOpWithNewOp<CollapseShapeOp>(op, op.getType(), extracted,
                                                 groups);
    return success();
  }
};

/// expand(insert_slice(x, y)) is insert_slice(expand(x), expand(y)).
struct ExpandInsertion : public OpRewritePattern<ExpandShapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ExpandShapeOp op,
                                PatternRewriter &rewriter) const override {
    auto insert = op.getSrc().getDefiningOp<InsertSliceOp>();
    if (!insert || isRankReducing(insert, insert.getSourceType()))
      return rewriter.notifyMatchFailure(op, "not of an insertion");
    SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
    if (!Slice(insert).isWholeIn(insert.getDest(), groups))
      return rewriter.notifyMatchFailure(op, "a part of what is expanded");
    rewriter.replaceOp(op, expandInsertion(rewriter, insert, groups,
                                           op.getMixedOutputShape()));
    return success();
  }
};

/// insert_slice(x, collapse(y)) is collapse(insert_slice(expand(x), y)), and
/// so with the collapse on the other operand.
struct CollapseInsertion : public OpRewritePattern<InsertSliceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(InsertSliceOp op,
                                PatternRewriter &rewriter) const override {
    auto collapse = op.getDest().getDefiningOp<CollapseShapeOp>();
    if (!collapse)
      collapse = op.getSource().getDefiningOp<CollapseShapeOp>();
    if (!collapse || isRankReducing(op, op.getSourceType()))
      return rewriter.notifyMatchFailure(op, "neither is collapsed");
    SmallVector<ReassociationIndices> groups =
        collapse.getReassociationIndices();
    if (!Slice(op).isWholeIn(op.getDest(), groups))
      return rewriter.notifyMatchFailure(op, "a part of what was collapsed");
    Value inserted = expandInsertion(
        rewriter, op, groups,
        tensor::getMixedSizes(rewriter, op.getLoc(), collapse.getSrc()));
    rewriter.replaceOpWithNewOp<CollapseShapeOp>(op, op.getType(), inserted,
                                                 groups);
    return success();
  }
};

struct PropagateReshapes
    : public mlir::sparsedrop::impl::PropagateReshapesBase<PropagateReshapes> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<ExpandSourceOfSlice, CollapseSlice, ExpandInsertion,
                 CollapseInsertion>(context);
    linalg::populateFoldReshapeOpsByExpansionPatterns(
        patterns, [](OpOperand *) { return true; });
    tensor::populateBubbleUpExpandShapePatterns(patterns);
    tensor::populateFoldTensorEmptyPatterns(patterns);
    ExpandShapeOp::getCanonicalizationPatterns(patterns, context);
    CollapseShapeOp::getCanonicalizationPatterns(patterns, context);
    linalg::FillOp::getCanonicalizationPatterns(patterns, context);
    tensor::DimOp::getCanonicalizationPatterns(patterns, context);
    memref::populateResolveRankedShapedTypeResultDimsPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
