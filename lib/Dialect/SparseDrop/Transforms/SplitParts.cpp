//===- SplitParts.cpp - Loops over joined parts become one for each -------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where tensors with patterns of their own are joined, no one pattern describes
// the whole. What reads the whole is then done part by part: a loop over the
// joined dimension is split where one part ends and the next begins. On the way
// back, what computes a whole that is only taken apart again is split likewise.
//
//===----------------------------------------------------------------------===//

#include "CompactionContext.h"
#include "LinalgUtils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

namespace {
/// Neighbouring iterations of a loop, or units of a dimension.
struct UnitRange {
  int64_t offset, size;

  bool operator==(const UnitRange &other) const {
    return offset == other.offset && size == other.size;
  }
  bool overlaps(const UnitRange &other) const {
    return offset < other.offset + other.size && other.offset < offset + size;
  }
};
} // namespace

/// The ranges of the parts of `op`; none if a size is not known.
static SmallVector<UnitRange> getPartRanges(tensor::ConcatOp op) {
  SmallVector<UnitRange> ranges;
  int64_t dim = op.getDim(), offset = 0;
  for (Value input : op.getInputs()) {
    int64_t size = cast<RankedTensorType>(input.getType()).getDimSize(dim);
    if (ShapedType::isDynamic(size))
      return {};
    ranges.push_back({offset, size});
    offset += size;
  }
  return ranges;
}

//===----------------------------------------------------------------------===//
// Parts of tensors and of loops
//===----------------------------------------------------------------------===//

static RankedTensorType withSize(Type type, int64_t dim, int64_t size) {
  auto tensor = cast<RankedTensorType>(type);
  SmallVector<int64_t> shape(tensor.getShape());
  shape[dim] = size;
  return tensor.clone(shape);
}

/// Units `range` of dimension `dim` of `value`: what it was joined of, or a
/// smaller fill, where that is what they are.
static Value getPart(CompactionContext &context, Location loc, Value value,
                     int64_t dim, UnitRange range) {
  if (auto concat = value.getDefiningOp<tensor::ConcatOp>();
      concat && static_cast<int64_t>(concat.getDim()) == dim)
    for (auto [input, part] :
         llvm::zip(concat.getInputs(), getPartRanges(concat)))
      if (part == range)
        return input;
  // What acts on another dimension stays on top, for rules to see.
  if (auto compact = value.getDefiningOp<CompactOp>();
      compact && static_cast<int64_t>(compact.getDim()) != dim)
    return context.getCompact(
        getPart(context, loc, compact.getSource(), dim, range),
        {compact.getPattern(), static_cast<int64_t>(compact.getDim())});
  if (auto expand = value.getDefiningOp<ExpandOp>();
      expand && static_cast<int64_t>(expand.getDim()) != dim)
    return context.createExpand(
        withSize(value.getType(), dim, range.size),
        getPart(context, loc, expand.getSource(), dim, range),
        {expand.getPattern(), static_cast<int64_t>(expand.getDim())});
  RewriterBase &rewriter = context.rewriter;
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(rewriter, loc, value);
  SmallVector<OpFoldResult> offsets(sizes.size(), rewriter.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), rewriter.getIndexAttr(1));
  offsets[dim] = rewriter.getIndexAttr(range.offset);
  sizes[dim] = rewriter.getIndexAttr(range.size);
  RankedTensorType type = withSize(value.getType(), dim, range.size);
  Attribute filling = getFilling(value);
  if (!filling && !value.getDefiningOp<tensor::EmptyOp>())
    return tensor::ExtractSliceOp::create(rewriter, loc, type, value, offsets,
                                          sizes, strides);
  Value empty =
      tensor::EmptyOp::create(rewriter, loc, sizes, type.getElementType());
  if (!filling)
    return empty;
  Value scalar =
      arith::ConstantOp::create(rewriter, loc, cast<TypedAttr>(filling));
  return linalg::FillOp::create(rewriter, loc, scalar, empty).getResult(0);
}

/// `op` over iterations `range` of the plain loop `loop`, with `inits` in place
/// of its own where there are some.
static LinalgOp cloneRange(CompactionContext &context, LinalgOp op,
                           unsigned loop, UnitRange range,
                           ValueRange inits = {}) {
  SmallVector<Value> operands;
  for (OpOperand &operand : op->getOpOperands()) {
    std::optional<int64_t> dim = getIndexedDim(op, operand, loop);
    operands.push_back(
        dim ? getPart(context, op.getLoc(), operand.get(), *dim, range)
            : operand.get());
  }
  llvm::copy(inits, operands.begin() + op.getNumDpsInputs());
  SmallVector<Type> types;
  for (Value init : ArrayRef(operands).drop_front(op.getNumDpsInputs()))
    types.push_back(init.getType());
  LinalgOp part = clone(context.rewriter, op, types, operands);
  if (range.offset != 0)
    shiftIndices(context.rewriter, part, loop,
                 context.rewriter.getIndexAttr(range.offset));
  return part;
}

//===----------------------------------------------------------------------===//
// What reads joined parts
//===----------------------------------------------------------------------===//

/// Whether a part of `concat` is dropped along the joined dimension.
static bool joinsDropped(tensor::ConcatOp concat) {
  return llvm::any_of(concat.getInputs(), [&](Value input) {
    return llvm::any_of(
        CompactionContext::getExpandLines(input), [&](Line line) {
          return line.dim == static_cast<int64_t>(concat.getDim());
        });
  });
}

namespace {
/// A loop over the joined dimension of an operand.
struct JoinedLoop {
  tensor::ConcatOp concat;
  unsigned loop;
};
} // namespace

static std::optional<JoinedLoop> findJoinedLoop(CompactionContext &context,
                                                LinalgOp op) {
  for (OpOperand *input : op.getDpsInputOperands()) {
    auto concat = input->get().getDefiningOp<tensor::ConcatOp>();
    if (!concat || !joinsDropped(concat))
      continue;
    auto expr = dyn_cast<AffineDimExpr>(
        op.getMatchingIndexingMap(input).getResult(concat.getDim()));
    if (!expr || !isPlainLoop(op, expr.getPosition()))
      context.noteReason(concat, "the joined dimension occurs in a compound "
                                 "index expression");
    else if (getPartRanges(concat).empty())
      context.noteReason(concat, "the sizes of the parts are not known");
    else
      return JoinedLoop{concat, expr.getPosition()};
  }
  return std::nullopt;
}

/// The parts of a reduction add to what the one before has left; those of a
/// parallel loop compute parts of the results, which are joined.
bool mlir::sparsedrop::splitAtConcat(CompactionContext &context, LinalgOp op) {
  if (!op.hasPureTensorSemantics())
    return false;
  std::optional<JoinedLoop> found = findJoinedLoop(context, op);
  if (!found)
    return false;
  unsigned loop = found->loop;
  bool isReduction =
      op.getIteratorTypesArray()[loop] == utils::IteratorType::reduction;
  SmallVector<int64_t> dims;
  for (OpOperand &init : op.getDpsInitsMutable()) {
    std::optional<int64_t> dim = getIndexedDim(op, init, loop);
    if (dim.has_value() == isReduction) {
      context.noteReason(found->concat, "a result of what reads it does not "
                                        "come in parts");
      return false;
    }
    dims.push_back(dim.value_or(0));
  }
  RewriterBase &rewriter = context.rewriter;
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(op);
  SmallVector<SmallVector<Value>> parts(op->getNumResults());
  SmallVector<Value> sums;
  for (UnitRange range : getPartRanges(found->concat)) {
    LinalgOp part = cloneRange(context, op, loop, range, sums);
    if (isReduction)
      sums.assign(part->result_begin(), part->result_end());
    for (auto [list, result] : llvm::zip(parts, part->getResults()))
      list.push_back(result);
  }
  for (auto [i, list] : llvm::enumerate(parts))
    if (!isReduction)
      sums.push_back(tensor::ConcatOp::create(
          rewriter, op.getLoc(), op->getResult(i).getType(), dims[i], list));
  rewriter.replaceOp(op, sums);
  return true;
}

//===----------------------------------------------------------------------===//
// What computes a whole that is taken apart
//===----------------------------------------------------------------------===//

/// The range that a slice takes of dimension `dim`, of which it takes nothing
/// else away.
static std::optional<UnitRange> getTakenRange(tensor::ExtractSliceOp op,
                                              int64_t dim) {
  if (!op.hasUnitStride() ||
      op.getType().getRank() != op.getSourceType().getRank())
    return std::nullopt;
  for (int64_t i = 0, e = op.getSourceType().getRank(); i < e; ++i)
    if (i != dim &&
        (!isZeroInteger(op.getMixedOffsets()[i]) ||
         op.getType().isDynamicDim(i) ||
         op.getType().getDimSize(i) != op.getSourceType().getDimSize(i)))
      return std::nullopt;
  std::optional<int64_t> offset =
      getConstantIntValue(op.getMixedOffsets()[dim]);
  std::optional<int64_t> size = getConstantIntValue(op.getMixedSizes()[dim]);
  if (!offset || !size)
    return std::nullopt;
  return UnitRange{*offset, *size};
}

namespace {
struct TakenSlice {
  tensor::ExtractSliceOp op;
  UnitRange range;
};
} // namespace

/// The slices that `value` is taken apart into along `dim`: all its uses, of
/// which no two have a unit in common. None if there are other uses.
static SmallVector<TakenSlice> getSlices(Value value, int64_t dim) {
  SmallVector<TakenSlice> slices;
  for (Operation *user : value.getUsers()) {
    auto op = dyn_cast<tensor::ExtractSliceOp>(user);
    std::optional<UnitRange> range;
    if (op)
      range = getTakenRange(op, dim);
    if (!range || llvm::any_of(slices, [&](const TakenSlice &other) {
          return range->overlaps(other.range);
        }))
      return {};
    slices.push_back({op, *range});
  }
  return slices;
}

/// Whether some of `value` is compacted along `dim`.
static bool isCompacted(Value value, int64_t dim) {
  return llvm::any_of(CompactionContext::getCompactLines(value),
                      [&](Line line) { return line.dim == dim; });
}

/// Units `range` of dimension `dim` of a result of `op`, computed on their own;
/// null if `op` cannot.
static Value computeRange(CompactionContext &context, LinalgOp op, int64_t dim,
                          UnitRange range) {
  if (!op.hasPureTensorSemantics())
    return {};
  AffineMap map = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  auto loop = dyn_cast<AffineDimExpr>(map.getResult(dim));
  if (!loop || !isPlainLoop(op, loop.getPosition()))
    return {};
  return cloneRange(context, op, loop.getPosition(), range)->getResult(0);
}

static Value computeRange(CompactionContext &context, tensor::InsertSliceOp op,
                          int64_t dim, UnitRange range) {
  RankedTensorType type = op.getDestType();
  SmallVector<OpFoldResult> sizes = op.getMixedSizes();
  // What is inserted fills the dimension.
  if (op.getSourceType().getRank() != type.getRank() ||
      type.isDynamicDim(dim) ||
      !isConstantIntValue(sizes[dim], type.getDimSize(dim)))
    return {};
  Location loc = op.getLoc();
  Value source = getPart(context, loc, op.getSource(), dim, range);
  Value dest = getPart(context, loc, op.getDest(), dim, range);
  sizes[dim] = context.rewriter.getIndexAttr(range.size);
  return tensor::InsertSliceOp::create(context.rewriter, loc, source, dest,
                                       op.getMixedOffsets(), sizes,
                                       op.getMixedStrides());
}

static Value computeRange(CompactionContext &context, tensor::PadOp op,
                          int64_t dim, UnitRange range) {
  if (!isZeroInteger(op.getMixedLowPad()[dim]) ||
      !isZeroInteger(op.getMixedHighPad()[dim]) ||
      !op.getRegion().getArgument(dim).use_empty())
    return {};
  IRMapping mapping;
  mapping.map(op.getSource(),
              getPart(context, op.getLoc(), op.getSource(), dim, range));
  Operation *pad = context.rewriter.clone(*op, mapping);
  pad->getResult(0).setType(withSize(op.getType(), dim, range.size));
  return pad->getResult(0);
}

/// Joined parts, or, where it joins along another dimension, the ranges of them
/// all.
static Value computeRange(CompactionContext &context, tensor::ConcatOp op,
                          int64_t dim, UnitRange range) {
  bool isJoined = static_cast<int64_t>(op.getDim()) == dim;
  SmallVector<Value> parts;
  for (auto [input, part] : llvm::zip(op.getInputs(), getPartRanges(op))) {
    if (!isJoined)
      parts.push_back(getPart(context, op.getLoc(), input, dim, range));
    else if (part == range)
      return input;
  }
  if (parts.empty())
    return {};
  return tensor::ConcatOp::create(context.rewriter, op.getLoc(),
                                  withSize(op.getType(), dim, range.size),
                                  op.getDim(), parts);
}

static Value computeRange(CompactionContext &context, Operation *op,
                          int64_t dim, UnitRange range) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<LinalgOp, tensor::InsertSliceOp, tensor::PadOp, tensor::ConcatOp>(
          [&](auto typed) { return computeRange(context, typed, dim, range); })
      .Default(Value());
}

/// Replaces each slice by what computes it; false if something does not.
static bool computeSlices(CompactionContext &context, Operation *op,
                          int64_t dim, ArrayRef<TakenSlice> slices) {
  OpBuilder::InsertionGuard guard(context.rewriter);
  context.rewriter.setInsertionPoint(op);
  for (TakenSlice slice : slices) {
    Value part = computeRange(context, op, dim, slice.range);
    if (!part)
      return false;
    context.rewriter.replaceOp(slice.op, part);
  }
  return true;
}

bool mlir::sparsedrop::splitAtSlices(CompactionContext &context,
                                     Operation *op) {
  auto type = op->getNumResults() == 1
                  ? dyn_cast<RankedTensorType>(op->getResult(0).getType())
                  : RankedTensorType();
  for (int64_t dim = 0, e = type ? type.getRank() : 0; dim < e; ++dim) {
    SmallVector<TakenSlice> slices = getSlices(op->getResult(0), dim);
    if (llvm::any_of(slices, [&](TakenSlice slice) {
          return isCompacted(slice.op.getResult(), dim);
        }))
      return computeSlices(context, op, dim, slices);
  }
  return false;
}
