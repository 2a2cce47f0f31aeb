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

namespace {
/// How two slices of one value lie.
enum class Relation { Same, Disjoint, Unknown };

/// What a slice reads: what `insert` has put there, or, if that is null,
/// `base`, into which nothing was inserted there.
struct SliceSource {
  ExtractSliceOp slice;
  InsertSliceOp insert;
  Value base;
};

/// Insertions into one value, and what reads the results.
struct Join {
  SmallVector<SliceSource> sources;
  SmallVector<InsertSliceOp> inserts;
};
} // namespace

/// By what is constant or the same value; unknown otherwise.
static Relation compareSizes(ExtractSliceOp slice, InsertSliceOp insert) {
  if (slice.isSameAs(insert, [](OpFoldResult a, OpFoldResult b) {
        return isEqualConstantIntOrValue(a, b);
      }))
    return Relation::Same;
  for (auto [offset, size, begin, count] :
       llvm::zip_equal(slice.getMixedOffsets(), slice.getMixedSizes(),
                       insert.getMixedOffsets(), insert.getMixedSizes())) {
    auto ends = [](OpFoldResult offset, OpFoldResult size, OpFoldResult next) {
      std::optional<int64_t> a = getConstantIntValue(offset),
                             b = getConstantIntValue(size),
                             c = getConstantIntValue(next);
      return a && b && c && *a + *b <= *c;
    };
    if (slice.hasUnitStride() && insert.hasUnitStride() &&
        (ends(offset, size, begin) || ends(begin, count, offset)))
      return Relation::Disjoint;
  }
  return Relation::Unknown;
}

static Relation compare(ExtractSliceOp slice, InsertSliceOp insert) {
  Relation known = compareSizes(slice, insert);
  if (known != Relation::Unknown)
    return known;
  MLIRContext *context = slice.getContext();
  HyperrectangularSlice own(slice), other(insert);
  FailureOr<bool> overlap =
      ValueBoundsConstraintSet::areOverlappingSlices(context, own, other);
  if (succeeded(overlap) && !*overlap)
    return Relation::Disjoint;
  FailureOr<bool> isSame =
      ValueBoundsConstraintSet::areEquivalentSlices(context, own, other);
  return succeeded(isSame) && *isSame ? Relation::Same : Relation::Unknown;
}

/// Nothing if the slice reads some of what was inserted and some of the base.
static std::optional<SliceSource> findSource(ExtractSliceOp slice) {
  if (!isPlain(slice))
    return std::nullopt;
  Value base = slice.getSource();
  while (auto insert = base.getDefiningOp<InsertSliceOp>()) {
    if (!isPlain(insert))
      return std::nullopt;
    Relation relation = compare(slice, insert);
    if (relation == Relation::Same &&
        tensor::CastOp::areCastCompatible(insert.getSourceType(),
                                          slice.getType()))
      return SliceSource{slice, insert, base};
    if (relation != Relation::Disjoint)
      return std::nullopt;
    base = insert.getDest();
  }
  return SliceSource{slice, InsertSliceOp(), base};
}

/// The join that begins with `first`, if all that is made of it are slices that
/// can be read elsewhere, and further insertions of which the same holds.
static std::optional<Join> findJoin(InsertSliceOp first) {
  Join join;
  join.inserts.push_back(first);
  for (size_t i = 0; i < join.inserts.size(); ++i) {
    InsertSliceOp insert = join.inserts[i];
    for (OpOperand &use : insert->getUses()) {
      auto next = dyn_cast<InsertSliceOp>(use.getOwner());
      if (next && use.get() == next.getDest() &&
          next.getSource() != use.get()) {
        join.inserts.push_back(next);
        continue;
      }
      auto slice = dyn_cast<ExtractSliceOp>(use.getOwner());
      std::optional<SliceSource> source =
          slice ? findSource(slice) : std::nullopt;
      if (!source)
        return std::nullopt;
      join.sources.push_back(*source);
    }
  }
  return join.sources.empty() ? std::nullopt : std::optional(join);
}

/// What all elements of `value` are, where it is a fill, or null.
static Value getFillValue(Value value) {
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
  Value filling = getFillValue(base);
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

static void dissolve(RewriterBase &rewriter, const Join &join) {
  for (SliceSource source : join.sources) {
    ExtractSliceOp slice = source.slice;
    rewriter.setInsertionPoint(slice);
    Value part = source.insert ? source.insert.getSource()
                               : sliceBase(rewriter, slice, source.base);
    if (part.getType() != slice.getType())
      part = tensor::CastOp::create(rewriter, slice.getLoc(), slice.getType(),
                                    part);
    rewriter.replaceOp(slice, part);
  }
  for (Operation *insert : llvm::reverse(join.inserts))
    if (insert->use_empty())
      rewriter.eraseOp(insert);
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
    std::optional<Join> join = findJoin(first);
    if (join)
      dissolve(rewriter, *join);
    hasChanged |= join.has_value();
  }
  return hasChanged;
}

/// Slices of a fill are fills.
static void sliceFills(RewriterBase &rewriter, Operation *root) {
  root->walk([&](ExtractSliceOp slice) {
    Operation *source = slice.getSource().getDefiningOp();
    if (!source || source->getBlock() != slice->getBlock() ||
        slice.getSourceType().getRank() != slice.getType().getRank() ||
        !getFillValue(slice.getSource()))
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
