//===- DissolveJoins.cpp - Values that are joined to be taken apart -------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DissolveJoins.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using tensor::ExtractSliceOp;
using tensor::InsertSliceOp;

/// Whether slices go up and have as many dimensions as what they are of: only
/// of those upstream tells what overlaps.
template <typename SliceOp> static bool isPlain(SliceOp op) {
  return op.getSourceType().getRank() == op.getType().getRank() &&
         llvm::all_of(op.getMixedStrides(), [](OpFoldResult stride) {
           return getConstantIntValue(stride).value_or(0) > 0;
         });
}

/// What `slice` reads: what was inserted there, or null if it is of `base`,
/// into which nothing was inserted there. Nothing if it reads some of both.
static std::optional<Value> findPart(ExtractSliceOp slice, Value &base) {
  if (!isPlain(slice))
    return std::nullopt;
  base = slice.getSource();
  while (auto insert = base.getDefiningOp<InsertSliceOp>()) {
    if (!isPlain(insert))
      return std::nullopt;
    HyperrectangularSlice own(slice), other(insert);
    MLIRContext *context = slice.getContext();
    FailureOr<bool> isSame =
        ValueBoundsConstraintSet::areEquivalentSlices(context, own, other);
    if (succeeded(isSame) && *isSame &&
        tensor::CastOp::areCastCompatible(insert.getSourceType(),
                                          slice.getType()))
      return insert.getSource();
    FailureOr<bool> overlap =
        ValueBoundsConstraintSet::areOverlappingSlices(context, own, other);
    if (failed(overlap) || *overlap)
      return std::nullopt;
    base = insert.getDest();
  }
  return Value();
}

/// Whether all that is made of `insert` are slices that can be read elsewhere,
/// which are added to `slices`, and further insertions of which the same holds.
static bool collect(InsertSliceOp insert, SmallVectorImpl<Operation *> &slices,
                    SmallVectorImpl<Operation *> &inserts) {
  inserts.push_back(insert);
  for (OpOperand &use : insert->getUses()) {
    Value base;
    if (auto slice = dyn_cast<ExtractSliceOp>(use.getOwner())) {
      if (!findPart(slice, base))
        return false;
      slices.push_back(slice);
      continue;
    }
    auto next = dyn_cast<InsertSliceOp>(use.getOwner());
    if (!next || use.get() != next.getDest() || next.getSource() == use.get() ||
        !collect(next, slices, inserts))
      return false;
  }
  return true;
}

/// What all elements of `value` are, where it is a fill, or null.
static Value getFilling(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto fill = dyn_cast<linalg::FillOp>(op))
      return fill.getInputs()[0];
    if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op))
      return {};
    value = op->getOperand(0);
  }
  return {};
}

/// A slice of `base`; of a fill, which others read, too, it is a fill.
static Value sliceBase(RewriterBase &rewriter, ExtractSliceOp slice,
                       Value base) {
  Location loc = slice.getLoc();
  Value filling = getFilling(base);
  if (!filling)
    return ExtractSliceOp::create(
        rewriter, loc, slice.getType(), base, slice.getMixedOffsets(),
        slice.getMixedSizes(), slice.getMixedStrides());
  Value empty = tensor::EmptyOp::create(rewriter, loc, slice.getMixedSizes(),
                                        slice.getType().getElementType());
  if (empty.getType() != slice.getType())
    empty = tensor::CastOp::create(rewriter, loc, slice.getType(), empty);
  return linalg::FillOp::create(rewriter, loc, filling, empty).getResult(0);
}

/// Whether `value` is, or is a view of, what something was inserted into.
static bool isOfJoin(Value value) {
  Operation *op = value.getDefiningOp();
  while (
      op &&
      isa<ExtractSliceOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op))
    op = op->getOperand(0).getDefiningOp();
  return isa_and_present<InsertSliceOp>(op);
}

/// Moves what is computed for `insert` alone behind what it is inserted into,
/// where it can be computed in place.
static void sinkSource(InsertSliceOp insert) {
  Operation *dest = insert.getDest().getDefiningOp();
  Operation *next = insert;
  Value value = insert.getSource();
  while (Operation *op = value.getDefiningOp()) {
    if (!dest || op->getBlock() != insert->getBlock() ||
        dest->getBlock() != insert->getBlock() || !op->hasOneUse() ||
        !isMemoryEffectFree(op))
      return;
    if (op->isBeforeInBlock(dest))
      op->moveBefore(next);
    next = op;
    auto style = dyn_cast<DestinationStyleOpInterface>(op);
    if (!style || op->getNumResults() != 1)
      return;
    value = style.getDpsInits()[0];
  }
}

/// Dissolves what can be; whether anything could.
static bool dissolveOnce(RewriterBase &rewriter, Operation *root) {
  SmallVector<InsertSliceOp> firsts;
  root->walk([&](InsertSliceOp op) {
    if (!op.getDest().getDefiningOp<InsertSliceOp>())
      firsts.push_back(op);
  });
  bool hasChanged = false;
  for (InsertSliceOp first : firsts) {
    SmallVector<Operation *> slices, inserts;
    if (!collect(first, slices, inserts) || slices.empty())
      continue;
    hasChanged = true;
    for (Operation *op : slices) {
      auto slice = cast<ExtractSliceOp>(op);
      rewriter.setInsertionPoint(slice);
      Value base, part = *findPart(slice, base);
      if (!part)
        part = sliceBase(rewriter, slice, base);
      if (part.getType() != slice.getType())
        part = tensor::CastOp::create(rewriter, slice.getLoc(), slice.getType(),
                                      part);
      rewriter.replaceOp(slice, part);
    }
    for (Operation *insert : llvm::reverse(inserts))
      if (insert->use_empty())
        rewriter.eraseOp(insert);
  }
  return hasChanged;
}

/// Slices of a fill are fills.
static void sliceFills(RewriterBase &rewriter, Operation *root) {
  root->walk([&](ExtractSliceOp slice) {
    Operation *source = slice.getSource().getDefiningOp();
    if (!source || source->getBlock() != slice->getBlock() ||
        slice.getSourceType().getRank() != slice.getType().getRank() ||
        !getFilling(slice.getSource()))
      return;
    rewriter.setInsertionPoint(slice);
    rewriter.replaceOp(slice, sliceBase(rewriter, slice, slice.getSource()));
  });
}

void mlir::sparsedrop::dissolveJoins(RewriterBase &rewriter, Operation *root) {
  // Parts may be joined themselves; nobody reads them together then.
  do {
    sliceFills(rewriter, root);
    (void)runRegionDCE(rewriter, root->getRegions());
  } while (dissolveOnce(rewriter, root));
  root->walk([](InsertSliceOp op) {
    if (isOfJoin(op.getDest()))
      sinkSource(op);
  });
}
