//===- InsertKept.cpp - Compact values in their places --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InsertKept.h"
#include "GranuleViews.h"
#include "LinalgUtils.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

void JoinedValues::add(Value whole, const JoinedParts &own) {
  parts[whole] = own;
  wholes[own.main] = whole;
  if (own.tail)
    wholes[own.tail] = whole;
}

const JoinedParts *JoinedValues::find(Value whole) const {
  auto known = parts.find(whole);
  return known == parts.end() ? nullptr : &known->second;
}

const JoinedParts *JoinedValues::find(Value whole, int64_t dim,
                                      Value pattern) const {
  const JoinedParts *found = find(whole);
  return found && found->dim == dim && found->pattern == pattern ? found
                                                                 : nullptr;
}

void JoinedValues::replace(Value value, Value whole) {
  auto known = wholes.find(value);
  if (known == wholes.end())
    return;
  // The op of `value` will be gone, and another one may be where it was.
  Value outer = known->second;
  wholes.erase(known);
  JoinedParts own = parts[outer];
  (own.main == value ? own.main : own.tail) = whole;
  add(outer, own);
}

InsertOp mlir::sparsedrop::getOuterInsertion(InsertOp inner) {
  auto compact = inner.getDest().getDefiningOp<CompactOp>();
  if (!compact || !inner->hasOneUse() || !isOfClass(inner))
    return {};
  auto outer = dyn_cast<InsertOp>(*inner->user_begin());
  return outer && outer.getSource() == inner.getResult() &&
                 outer.getDest() == compact.getSource() &&
                 outer.getPattern() == compact.getPattern() &&
                 outer.getDim() == compact.getDim() &&
                 outer.getDim() != inner.getDim()
             ? outer
             : InsertOp();
}

/// What `value` is a view of, or was once before parts of it were replaced.
static Value getRoot(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto insert = dyn_cast<tensor::InsertSliceOp>(op))
      value = insert.getDest();
    else if (isa<tensor::ExtractSliceOp, tensor::ExpandShapeOp,
                 tensor::CollapseShapeOp, tensor::CastOp>(op))
      value = op->getOperand(0);
    else
      break;
  }
  return value;
}

namespace {
/// Puts a compact value in its place.
class Insertion {
public:
  Insertion(RewriterBase &rewriter, Location loc, PatternLowering &lowering,
            const JoinedValues &joined)
      : rewriter(rewriter), loc(loc), lowering(lowering), joined(joined) {}

  /// `source` into `dest`, along the first side and then the others.
  Value insert(Value source, Value dest, ArrayRef<InsertionSide> sides);

private:
  Value insertAt(Value source, Value dest, int64_t dim, OpFoldResult offset,
                 OpFoldResult stride, ArrayRef<InsertionSide> others,
                 bool isSplit);
  Value insertUnits(Value source, Value dest, ArrayRef<InsertionSide> sides);
  Value insertInto(Value source, ArrayRef<InsertionSide> others,
                   function_ref<Value()> getSlot);

  RewriterBase &rewriter;
  Location loc;
  PatternLowering &lowering;
  const JoinedValues &joined;
  /// Whether the source began with kept elements of each side so far.
  bool updates = true;
};
} // namespace

/// What is to be put into a slot: `source`, or the slot with it put in along
/// further sides. The result of a class is computed where it is put, so that it
/// may be computed in place: what it begins with, if it is read, is what is
/// there, which other parts of the class have left alone.
Value Insertion::insertInto(Value source, ArrayRef<InsertionSide> others,
                            function_ref<Value()> getSlot) {
  if (!others.empty())
    return insert(source, getSlot(), others);
  auto op = source.getDefiningOp<LinalgOp>();
  if (!op || !isOfClass(op) || op->getNumResults() != 1)
    return source;
  Value slot = getSlot();
  OpOperand &init = *op.getDpsInitOperand(0);
  SmallVector<Value> operands(op->getOperands());
  bool isThere = !op.payloadUsesValueFromOperand(&init) ||
                 (updates && getRoot(init.get()) == getRoot(slot));
  if (isThere && init.get().getType() == slot.getType())
    operands[init.getOperandNumber()] = slot;
  return clone(rewriter, op.getOperation(), op->getResultTypes(), operands)
      ->getResult(0);
}

/// `source` into the slice of `dest` that begins at `offset`, or along further
/// sides into that; `isSplit`: `dim` has become two.
Value Insertion::insertAt(Value source, Value dest, int64_t dim,
                          OpFoldResult offset, OpFoldResult stride,
                          ArrayRef<InsertionSide> others, bool isSplit) {
  SmallVector<InsertionSide> moved(others);
  for (InsertionSide &side : moved)
    side.dim += isSplit && side.dim > dim;
  source = insertInto(source, moved, [&] {
    return sliceStrided(rewriter, loc, dest, dim, offset,
                        getKnownSizes(rewriter, loc, source)[dim], stride);
  });
  return insertAlong(rewriter, loc, source, dest, dim, offset, stride);
}

/// Along a pattern of single units: the same sizes as those of the compact that
/// it may be an update of.
Value Insertion::insertUnits(Value source, Value dest,
                             ArrayRef<InsertionSide> sides) {
  const LoweredPattern &pattern = *sides[0].lowered;
  int64_t dim = sides[0].dim;
  OpFoldResult bias = getAsOpFoldResult(pattern.bias);
  OpFoldResult period = getAsOpFoldResult(pattern.period);
  llvm::SaveAndRestore unknown(updates, false);
  source = insertInto(source, sides.drop_front(), [&] {
    return sliceStrided(rewriter, loc, dest, dim, bias, pattern.keptCount,
                        period);
  });
  SmallVector<OpFoldResult> sizes = getKnownSizes(rewriter, loc, dest);
  SmallVector<OpFoldResult> offsets(sizes.size(), rewriter.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), rewriter.getIndexAttr(1));
  sizes[dim] = pattern.keptCount;
  offsets[dim] = bias;
  strides[dim] = period;
  // A constant count is a static size.
  SmallVector<int64_t> shape(
      cast<RankedTensorType>(source.getType()).getShape());
  shape[dim] = getConstantIntValue(sizes[dim]).value_or(shape[dim]);
  Type type = cast<RankedTensorType>(source.getType()).clone(shape);
  if (type != source.getType())
    source = tensor::CastOp::create(rewriter, loc, type, source);
  return tensor::InsertSliceOp::create(rewriter, loc, source, dest, offsets,
                                       sizes, strides);
}

Value Insertion::insert(Value source, Value dest,
                        ArrayRef<InsertionSide> sides) {
  const LoweredPattern &pattern = *sides[0].lowered;
  int64_t dim = sides[0].dim, granularity = pattern.type.getGranularity();
  if (isEmptyTensor(dest.getType()))
    return dest;
  if (granularity == 1)
    return insertUnits(source, dest, sides);
  OpFoldResult one = rewriter.getIndexAttr(1), zero = rewriter.getIndexAttr(0);
  SplitExtent split = lowering.getSplitExtent(pattern);
  OpFoldResult whole = multiplySize(rewriter, loc, split.kept, granularity);
  const JoinedParts *parts = joined.find(source, dim, sides[0].pattern);
  llvm::SaveAndRestore own(updates, updates && parts && parts->updates);
  Value granules =
      parts ? parts->main
            : splitDim(rewriter, loc,
                       sliceGranules(rewriter, loc, source, dim, whole, split),
                       dim, split.kept, granularity);
  Value target = splitFull(rewriter, loc, dest, dim, pattern, split);
  target = insertAt(granules, target, dim, getAsOpFoldResult(pattern.bias),
                    getAsOpFoldResult(pattern.period), sides.drop_front(),
                    /*isSplit=*/true);
  Value result = joinDims(rewriter, loc, target, dim);
  if (isZeroInteger(split.tail))
    return result.getType() == dest.getType()
               ? result
               : tensor::CastOp::create(rewriter, loc, dest.getType(), result);
  result = insertAlong(rewriter, loc, result, dest, dim, zero, one);
  Value tail = parts ? parts->tail
                     : sliceDim(rewriter, loc, source, dim, whole, split.tail);
  return insertAt(tail, result, dim,
                  multiplySize(rewriter, loc, split.full, granularity), one,
                  sides.drop_front(), /*isSplit=*/false);
}

Value mlir::sparsedrop::insertKept(RewriterBase &rewriter, Location loc,
                                   Value source, Value dest,
                                   ArrayRef<InsertionSide> sides,
                                   PatternLowering &lowering,
                                   const JoinedValues &joined) {
  // In the order in which loops are split; single units are left.
  SmallVector<InsertionSide> ordered(sides);
  llvm::sort(ordered, [](const InsertionSide &a, const InsertionSide &b) {
    auto getKey = [](const InsertionSide &side) {
      return std::pair(side.lowered->type.getGranularity() > 1, side.dim);
    };
    return getKey(a) > getKey(b);
  });
  return Insertion(rewriter, loc, lowering, joined)
      .insert(source, dest, ordered);
}
