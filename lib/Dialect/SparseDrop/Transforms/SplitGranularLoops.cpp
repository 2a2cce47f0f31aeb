//===- SplitGranularLoops.cpp - Loops over granules -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SplitGranularLoops.h"
#include "LinalgUtils.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SmallVectorExtras.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

//===----------------------------------------------------------------------===//
// Views of one dimension
//===----------------------------------------------------------------------===//

static OpFoldResult multiply(OpBuilder &builder, Location loc, OpFoldResult a,
                             int64_t b) {
  if (std::optional<int64_t> constant = getConstantIntValue(a))
    return builder.getIndexAttr(*constant * b);
  Value factor = arith::ConstantIndexOp::create(builder, loc, b);
  return builder.createOrFold<arith::MulIOp>(
      loc, getValueOrCreateConstantIndexOp(builder, loc, a), factor);
}

/// The sizes of `value` as they are known where it was made: the same size is
/// the same value wherever parts are cut and put together.
static SmallVector<OpFoldResult> getSizes(OpBuilder &builder, Location loc,
                                          Value value) {
  Operation *op = value.getDefiningOp();
  if (auto expand = dyn_cast_if_present<tensor::ExpandShapeOp>(op))
    return expand.getMixedOutputShape();
  if (auto empty = dyn_cast_if_present<tensor::EmptyOp>(op))
    return empty.getMixedSizes();
  if (auto extract = dyn_cast_if_present<tensor::ExtractSliceOp>(op);
      extract && extract.getDroppedDims().none())
    return extract.getMixedSizes();
  if (auto insert = dyn_cast_if_present<tensor::InsertSliceOp>(op))
    return getSizes(builder, loc, insert.getDest());
  if (auto style = dyn_cast_if_present<DestinationStyleOpInterface>(op))
    return getSizes(builder, loc,
                    style.getTiedOpOperand(cast<OpResult>(value))->get());
  auto collapse = dyn_cast_if_present<tensor::CollapseShapeOp>(op);
  if (!collapse)
    return tensor::getMixedSizes(builder, loc, value);
  SmallVector<OpFoldResult> sizes,
      split = getSizes(builder, loc, collapse.getSrc());
  for (const ReassociationIndices &group : collapse.getReassociationIndices()) {
    sizes.push_back(split[group[0]]);
    for (int64_t index : ArrayRef(group).drop_front()) {
      std::optional<int64_t> factor = getConstantIntValue(split[index]);
      if (!factor)
        return tensor::getMixedSizes(builder, loc, value);
      sizes.back() = multiply(builder, loc, sizes.back(), *factor);
    }
  }
  return sizes;
}

/// value[.., offset : offset + size : 1, ..] along `dim`.
static Value slice(OpBuilder &builder, Location loc, Value value, int64_t dim,
                   OpFoldResult offset, OpFoldResult size) {
  SmallVector<OpFoldResult> sizes = getSizes(builder, loc, value);
  if (isZeroInteger(offset) && isEqualConstantIntOrValue(sizes[dim], size))
    return value;
  SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), builder.getIndexAttr(1));
  offsets[dim] = offset;
  sizes[dim] = size;
  return tensor::ExtractSliceOp::create(builder, loc, value, offsets, sizes,
                                        strides);
}

/// The kept granules of a compact value, without the tail: all of it where
/// there is none, so that values which are split and joined again stay as they
/// are.
static Value sliceGranules(OpBuilder &builder, Location loc, Value compact,
                           int64_t dim, OpFoldResult whole,
                           const SplitExtent &split) {
  if (isZeroInteger(split.tail))
    return compact;
  return slice(builder, loc, compact, dim, builder.getIndexAttr(0), whole);
}

/// Splits dimension `dim` into (blocks, g).
static Value splitDim(OpBuilder &builder, Location loc, Value value,
                      int64_t dim, OpFoldResult blocks, int64_t granularity) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<OpFoldResult> sizes = getSizes(builder, loc, value);
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0, out = 0; i < type.getRank(); ++i) {
    groups.push_back({out++});
    if (i == dim)
      groups.back().push_back(out++);
  }
  sizes[dim] = blocks;
  sizes.insert(sizes.begin() + dim + 1, builder.getIndexAttr(granularity));
  SmallVector<int64_t> shape;
  SmallVector<Value> dynamic;
  dispatchIndexOpFoldResults(sizes, dynamic, shape);
  // A size that is static on one side must be so on the other.
  if (type.isDynamicDim(dim))
    shape[dim] = ShapedType::kDynamic;
  return tensor::ExpandShapeOp::create(
      builder, loc, RankedTensorType::get(shape, type.getElementType()), value,
      groups, sizes);
}

/// Joins dimensions `dim` and `dim` + 1.
static Value joinDims(OpBuilder &builder, Location loc, Value value,
                      int64_t dim) {
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i < rank; ++i) {
    if (i == dim + 1)
      groups.back().push_back(i);
    else
      groups.push_back({i});
  }
  return tensor::CollapseShapeOp::create(builder, loc, value, groups);
}

/// The whole granules of `full`, as (full, g).
static Value splitFull(OpBuilder &builder, Location loc, Value full,
                       int64_t dim, const LoweredPattern &pattern,
                       const SplitExtent &split) {
  int64_t granularity = pattern.type.getGranularity();
  Value whole = slice(builder, loc, full, dim, builder.getIndexAttr(0),
                      multiply(builder, loc, split.full, granularity));
  return splitDim(builder, loc, whole, dim, split.full, granularity);
}

Value mlir::sparsedrop::sliceKeptGranules(OpBuilder &builder, Location loc,
                                          Value full, int64_t dim,
                                          const LoweredPattern &pattern,
                                          const SplitExtent &split) {
  Value granules = splitFull(builder, loc, full, dim, pattern, split);
  SmallVector<OpFoldResult> sizes = getSizes(builder, loc, granules);
  SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), builder.getIndexAttr(1));
  offsets[dim] = getAsOpFoldResult(pattern.bias);
  sizes[dim] = split.kept;
  strides[dim] = getAsOpFoldResult(pattern.period);
  return tensor::ExtractSliceOp::create(builder, loc, granules, offsets, sizes,
                                        strides);
}

Value mlir::sparsedrop::sliceKeptTail(OpBuilder &builder, Location loc,
                                      Value full, int64_t dim,
                                      const LoweredPattern &pattern,
                                      const SplitExtent &split) {
  return slice(
      builder, loc, full, dim,
      multiply(builder, loc, split.full, pattern.type.getGranularity()),
      split.tail);
}

static Value insertSlice(OpBuilder &builder, Location loc, Value source,
                         Value dest, int64_t dim, OpFoldResult offset,
                         OpFoldResult stride) {
  SmallVector<OpFoldResult> sizes = getSizes(builder, loc, source);
  SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), builder.getIndexAttr(1));
  offsets[dim] = offset;
  strides[dim] = stride;
  return tensor::InsertSliceOp::create(builder, loc, source, dest, offsets,
                                       sizes, strides);
}

InsertOp mlir::sparsedrop::getOuterInsertion(InsertOp inner) {
  auto compact = inner.getDest().getDefiningOp<CompactOp>();
  if (!compact || !inner->hasOneUse())
    return {};
  auto outer = dyn_cast<InsertOp>(*inner->user_begin());
  return outer && outer.getSource() == inner.getResult() &&
                 outer.getDest() == compact.getSource() &&
                 outer.getPattern() == compact.getPattern() &&
                 outer.getDim() == compact.getDim()
             ? outer
             : InsertOp();
}

/// dest[.., offset : offset + size * stride : stride, ..] along `dim`.
static Value getSlot(OpBuilder &builder, Location loc, Value dest, int64_t dim,
                     OpFoldResult offset, OpFoldResult size,
                     OpFoldResult stride) {
  SmallVector<OpFoldResult> sizes = getSizes(builder, loc, dest);
  SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), builder.getIndexAttr(1));
  offsets[dim] = offset;
  sizes[dim] = size;
  strides[dim] = stride;
  return tensor::ExtractSliceOp::create(builder, loc, dest, offsets, sizes,
                                        strides);
}

/// Whether `op` is computed for one of several classes, whose results lie
/// between those of others: what is split is then not put together before.
static bool isOfClass(Operation *op) {
  return op->getParentOp()->hasAttr(kDisjointAttrName);
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
                 getRoot(init.get()) == getRoot(slot);
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
    return getSlot(rewriter, loc, dest, dim, offset,
                   getSizes(rewriter, loc, source)[dim], stride);
  });
  return insertSlice(rewriter, loc, source, dest, dim, offset, stride);
}

/// Along a pattern of single units: the same sizes as those of the compact that
/// it may be an update of.
Value Insertion::insertUnits(Value source, Value dest,
                             ArrayRef<InsertionSide> sides) {
  const LoweredPattern &pattern = *sides[0].lowered;
  int64_t dim = sides[0].dim;
  OpFoldResult bias = getAsOpFoldResult(pattern.bias);
  OpFoldResult period = getAsOpFoldResult(pattern.period);
  source = insertInto(source, sides.drop_front(), [&] {
    return getSlot(rewriter, loc, dest, dim, bias, pattern.keptCount, period);
  });
  SmallVector<OpFoldResult> sizes = getSizes(rewriter, loc, dest);
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
  OpFoldResult whole = multiply(rewriter, loc, split.kept, granularity);
  const auto *parts = joined.find(source);
  bool isJoined = parts != joined.end() && parts->second.dim == dim &&
                  parts->second.pattern == sides[0].pattern;
  Value granules =
      isJoined
          ? parts->second.main
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
  result = insertSlice(rewriter, loc, result, dest, dim, zero, one);
  Value tail = isJoined ? parts->second.tail
                        : slice(rewriter, loc, source, dim, whole, split.tail);
  return insertAt(tail, result, dim,
                  multiply(rewriter, loc, split.full, granularity), one,
                  sides.drop_front(), /*isSplit=*/false);
}

Value mlir::sparsedrop::insertKept(RewriterBase &rewriter, Location loc,
                                   Value source, Value dest,
                                   ArrayRef<InsertionSide> sides,
                                   PatternLowering &lowering,
                                   const JoinedValues &joined) {
  // In the order in which loops are split; single units are left.
  SmallVector<InsertionSide> ordered(sides);
  llvm::stable_sort(
      ordered, [](const InsertionSide &a, const InsertionSide &b) {
        auto getKey = [](const InsertionSide &side) {
          return std::pair(side.lowered->type.getGranularity() > 1, side.dim);
        };
        return getKey(a) > getKey(b);
      });
  return Insertion(rewriter, loc, lowering, joined)
      .insert(source, dest, ordered);
}

//===----------------------------------------------------------------------===//
// Splitting a loop
//===----------------------------------------------------------------------===//

namespace {
/// Splits one loop of one op.
class LoopSplitter {
public:
  LoopSplitter(RewriterBase &rewriter, LinalgOp op, unsigned loop,
               Value pattern, const LoweredPattern &lowered,
               const SplitExtent &split, JoinedValues &joined)
      : rewriter(rewriter), op(op), loc(op.getLoc()), loop(loop),
        pattern(pattern), lowered(lowered), split(split), joined(joined),
        granularity(lowered.type.getGranularity()) {
    whole = multiply(rewriter, loc, split.kept, granularity);
  }

  /// The ops that compute the parts.
  SmallVector<LinalgOp> created;

  /// The results, computed with the loop split.
  SmallVector<Value> run() {
    bool isParallel =
        op.getIteratorTypesArray()[loop] == utils::IteratorType::parallel;
    SmallVector<Value> mains = runMain(), results = mains;
    if (isParallel)
      results =
          putBack(mains, getDests(), rewriter.getIndexAttr(0), /*isMain=*/true);
    SmallVector<Value> tails;
    if (!isZeroInteger(split.tail)) {
      tails = runTail(results);
      results =
          isParallel ? putBack(tails, results, whole, /*isMain=*/false) : tails;
    }
    if (isParallel && isOfClass(op))
      for (auto [i, result] : llvm::enumerate(results))
        joined[result] = {*getDim(*op.getDpsInitOperand(i)), pattern, mains[i],
                          tails.empty() ? Value() : tails[i]};
    return results;
  }

private:
  std::optional<int64_t> getDim(OpOperand &operand) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [dim, expr] : llvm::enumerate(map.getResults()))
      if (expr.isFunctionOfDim(loop))
        return dim;
    return std::nullopt;
  }

  /// Whether `value` is a compact along `dim`, possibly under compacts of
  /// other dimensions, that this split makes a view.
  bool isLeaf(Value value, int64_t dim) {
    auto compact = value.getDefiningOp<CompactOp>();
    if (!compact)
      return false;
    if (compact.getDim() == dim)
      return compact.getPattern() == pattern;
    return isLeaf(compact.getSource(), dim);
  }

  /// What results are put into: of kept elements in their place nothing is
  /// left.
  SmallVector<Value> getDests() {
    SmallVector<Value> dests;
    for (OpOperand &init : op.getDpsInitsMutable()) {
      Value value = init.get();
      if (isLeaf(value, *getDim(init)))
        value = tensor::EmptyOp::create(
            rewriter, loc, tensor::getMixedSizes(rewriter, loc, value),
            getElementTypeOrSelf(value.getType()));
      dests.push_back(value);
    }
    return dests;
  }

  /// The part that a value was put together from along the split loop, or null.
  Value getPart(Value value, int64_t dim, bool isMain) {
    auto known = joined.find(value);
    if (known == joined.end() || known->second.dim != dim ||
        known->second.pattern != pattern)
      return {};
    return isMain ? known->second.main : known->second.tail;
  }

  /// The view in place of that compact; `isMain` selects the whole granules.
  /// Compacts of other dimensions, which commute with it, go on top, where the
  /// next split finds them.
  Value createView(Value value, int64_t dim, bool isMain) {
    SmallVector<CompactOp> others;
    while (auto compact = value.getDefiningOp<CompactOp>()) {
      if (compact.getDim() != dim)
        others.push_back(compact);
      value = compact.getSource();
    }
    Value view =
        isMain ? sliceKeptGranules(rewriter, loc, value, dim, lowered, split)
               : sliceKeptTail(rewriter, loc, value, dim, lowered, split);
    for (CompactOp other : llvm::reverse(others)) {
      int64_t moved = other.getDim() + (isMain && other.getDim() > dim);
      view = CompactOp::create(rewriter, loc, view, other.getPattern(), moved);
    }
    return view;
  }

  SmallVector<Value> runMain();
  SmallVector<Value> runTail(ArrayRef<Value> inits);
  SmallVector<Value> putBack(ArrayRef<Value> parts, ArrayRef<Value> dests,
                             OpFoldResult offset, bool isMain);
  AffineMap splitMap(AffineMap map);
  void cloneBody(OpBuilder &builder, ValueRange arguments);

  RewriterBase &rewriter;
  LinalgOp op;
  Location loc;
  unsigned loop;
  Value pattern;
  const LoweredPattern &lowered;
  const SplitExtent &split;
  JoinedValues &joined;
  int64_t granularity;
  OpFoldResult whole;
};
} // namespace

/// Loop l becomes (l, l + 1), later ones move up by one.
AffineMap LoopSplitter::splitMap(AffineMap map) {
  unsigned count = op.getNumLoops();
  SmallVector<AffineExpr> replacements;
  for (unsigned i = 0; i < count; ++i)
    replacements.push_back(rewriter.getAffineDimExpr(i <= loop ? i : i + 1));
  SmallVector<AffineExpr> results;
  for (AffineExpr expr : map.getResults()) {
    results.push_back(expr.replaceDims(replacements));
    if (expr.isFunctionOfDim(loop))
      results.push_back(rewriter.getAffineDimExpr(loop + 1));
  }
  return AffineMap::get(count + 1, 0, results, rewriter.getContext());
}

void LoopSplitter::cloneBody(OpBuilder &b, ValueRange arguments) {
  IRMapping mapping;
  Block *body = op.getBlock();
  mapping.map(body->getArguments(), arguments);
  for (Operation &inner : body->getOperations()) {
    auto index = dyn_cast<linalg::IndexOp>(inner);
    if (!index) {
      b.clone(inner, mapping);
      continue;
    }
    unsigned dim = index.getDim();
    Value value = linalg::IndexOp::create(b, loc, dim <= loop ? dim : dim + 1);
    if (dim == loop) {
      Value size = arith::ConstantIndexOp::create(b, loc, granularity);
      value = arith::AddIOp::create(b, loc,
                                    arith::MulIOp::create(b, loc, value, size),
                                    linalg::IndexOp::create(b, loc, loop + 1));
    }
    mapping.map(index.getResult(), value);
  }
}

SmallVector<Value> LoopSplitter::runMain() {
  SmallVector<Value> operands;
  for (OpOperand &operand : op->getOpOperands()) {
    std::optional<int64_t> dim = getDim(operand);
    if (!dim) {
      operands.push_back(operand.get());
    } else if (isLeaf(operand.get(), *dim)) {
      operands.push_back(createView(operand.get(), *dim, /*isMain=*/true));
    } else if (Value part = getPart(operand.get(), *dim, /*isMain=*/true)) {
      operands.push_back(part);
    } else {
      Value granules =
          sliceGranules(rewriter, loc, operand.get(), *dim, whole, split);
      operands.push_back(
          splitDim(rewriter, loc, granules, *dim, split.kept, granularity));
    }
  }
  ArrayRef<Value> all(operands);
  ArrayRef<Value> inputs = all.take_front(op.getNumDpsInputs());
  ArrayRef<Value> inits = all.drop_front(op.getNumDpsInputs());
  SmallVector<AffineMap> maps = llvm::map_to_vector(
      op.getIndexingMapsArray(), [&](AffineMap map) { return splitMap(map); });
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  iterators.insert(iterators.begin() + loop, iterators[loop]);
  auto generic = linalg::GenericOp::create(
      rewriter, loc, TypeRange(ValueRange(inits)), inputs, inits, maps,
      iterators, [&](OpBuilder &b, Location, ValueRange arguments) {
        cloneBody(b, arguments);
      });
  for (NamedAttribute attribute : op->getDiscardableAttrs())
    generic->setDiscardableAttr(attribute.getName(), attribute.getValue());
  created.push_back(cast<LinalgOp>(generic.getOperation()));
  return generic.getResults();
}

SmallVector<Value> LoopSplitter::runTail(ArrayRef<Value> inits) {
  SmallVector<Value> operands;
  for (OpOperand &operand : op->getOpOperands()) {
    std::optional<int64_t> dim = getDim(operand);
    Value value = operand.get();
    if (dim && isLeaf(value, *dim)) {
      operands.push_back(createView(value, *dim, /*isMain=*/false));
      continue;
    }
    if (op.isDpsInit(&operand))
      value = inits[operand.getOperandNumber() - op.getNumDpsInputs()];
    if (!dim) {
      operands.push_back(value);
    } else if (Value part = getPart(value, *dim, /*isMain=*/false)) {
      operands.push_back(part);
    } else {
      operands.push_back(slice(rewriter, loc, value, *dim, whole, split.tail));
    }
  }
  SmallVector<Type> types = llvm::map_to_vector(
      ArrayRef<Value>(operands).drop_front(op.getNumDpsInputs()),
      [](Value value) { return value.getType(); });
  Operation *tail = clone(rewriter, op.getOperation(), types, operands);
  shiftIndices(rewriter, tail, loop, whole);
  created.push_back(cast<LinalgOp>(tail));
  return tail->getResults();
}

/// Puts parts of the results into `dests` at `offset` along the split loop.
SmallVector<Value> LoopSplitter::putBack(ArrayRef<Value> parts,
                                         ArrayRef<Value> dests,
                                         OpFoldResult offset, bool isMain) {
  SmallVector<Value> results;
  for (auto [i, part, dest] : llvm::enumerate(parts, dests)) {
    int64_t dim = *getDim(*op.getDpsInitOperand(i));
    Value value = isMain ? joinDims(rewriter, loc, part, dim) : part;
    if (isMain && isZeroInteger(split.tail)) {
      if (value.getType() != dest.getType())
        value = tensor::CastOp::create(rewriter, loc, dest.getType(), value);
      results.push_back(value);
      continue;
    }
    results.push_back(insertSlice(rewriter, loc, value, dest, dim, offset,
                                  rewriter.getIndexAttr(1)));
  }
  return results;
}

//===----------------------------------------------------------------------===//
// Driver
//===----------------------------------------------------------------------===//

static bool isGranular(CompactOp op) {
  PatternType type = op.getPattern().getType();
  return type.getKind() == PatternKind::Row && type.getGranularity() > 1;
}

/// Sizes of compacts are asked of their patterns and sources, so that a compact
/// that is split away is not kept for its size.
static void replaceDims(RewriterBase &rewriter, Operation *root) {
  SmallVector<tensor::DimOp> dims;
  root->walk([&](tensor::DimOp op) { dims.push_back(op); });
  // Sources come before what is made of them: innermost last.
  for (tensor::DimOp op : llvm::reverse(dims)) {
    Value value = op.getSource();
    std::optional<int64_t> dim = op.getConstantIndex();
    auto compact = value.getDefiningOp<CompactOp>();
    if (!compact || !dim)
      continue;
    while (compact && compact.getDim() != *dim) {
      value = compact.getSource();
      compact = value.getDefiningOp<CompactOp>();
    }
    rewriter.setInsertionPoint(op);
    if (compact)
      rewriter.replaceOpWithNewOp<KeptCountOp>(op, compact.getPattern());
    else
      rewriter.replaceOp(
          op, rewriter.createOrFold<tensor::DimOp>(op.getLoc(), value, *dim));
  }
}

/// Compacts that were split away are gone; other dead ops may be values that
/// the lowering of patterns still holds.
static void eraseDeadCompacts(RewriterBase &rewriter, Operation *root) {
  SmallVector<CompactOp> ops;
  root->walk([&](CompactOp op) { ops.push_back(op); });
  for (CompactOp op : llvm::reverse(ops))
    if (op->use_empty())
      rewriter.eraseOp(op);
}

/// Whether a use is one that splitting makes a view: an input of a structured
/// op. What is written to, an init, is needed whole, but in classes.
static bool isViewable(OpOperand &use) {
  auto op = dyn_cast<LinalgOp>(use.getOwner());
  auto insert = dyn_cast<InsertOp>(use.getOwner());
  return (op && (op.isDpsInput(&use) || isOfClass(op))) ||
         (insert && getOuterInsertion(insert)) ||
         isa<tensor::DimOp>(use.getOwner());
}

/// Whether only inputs of structured ops read `op`, at most through further
/// compacts.
static bool feedsLinalgOnly(CompactOp op) {
  return llvm::all_of(op->getUses(), [](OpOperand &use) {
    if (auto compact = dyn_cast<CompactOp>(use.getOwner()))
      return feedsLinalgOnly(compact);
    return isViewable(use);
  });
}

/// Copies a compact that other than structured ops read.
static void pack(RewriterBase &rewriter, CompactOp op) {
  if (feedsLinalgOnly(op))
    return;
  Location loc = op.getLoc();
  rewriter.setInsertionPointAfter(op);
  Value empty = tensor::EmptyOp::create(
      rewriter, loc, tensor::getMixedSizes(rewriter, loc, op.getResult()),
      op.getType().getElementType());
  auto copy = linalg::CopyOp::create(rewriter, loc, op.getResult(), empty);
  Value packed = copy.getResult(0);
  if (packed.getType() != op.getType())
    packed = tensor::CastOp::create(rewriter, loc, op.getType(), packed);
  rewriter.replaceUsesWithIf(op.getResult(), packed, [&](OpOperand &use) {
    return use.getOwner() != copy && !isViewable(use);
  });
}

namespace {
/// A loop to split, for the granules of a pattern.
struct GranularLoop {
  unsigned loop;
  Value pattern;
};
} // namespace

/// The loops of `op` that granular compacts among its operands call to split,
/// or operands that were put together.
static SmallVector<GranularLoop> findLoops(LinalgOp op,
                                           const JoinedValues &joined) {
  SmallVector<GranularLoop> loops;
  auto add = [&](AffineMap map, int64_t dim, Value pattern) {
    if (auto expr = dyn_cast<AffineDimExpr>(map.getResult(dim)))
      loops.push_back({expr.getPosition(), pattern});
  };
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    if (const auto *parts = joined.find(operand.get()); parts != joined.end())
      add(map, parts->second.dim, parts->second.pattern);
    auto compact = operand.get().getDefiningOp<CompactOp>();
    for (; compact; compact = compact.getSource().getDefiningOp<CompactOp>())
      if (isGranular(compact))
        add(map, compact.getDim(), compact.getPattern());
  }
  return loops;
}

/// The loop to split first: that of the last dimension of the results, so that
/// all that is read or written part by part is cut in the same order, and
/// reductions at the end.
static std::optional<GranularLoop> findLoop(LinalgOp op,
                                            const JoinedValues &joined) {
  SmallVector<GranularLoop> loops = findLoops(op, joined);
  if (loops.empty())
    return std::nullopt;
  auto getRank = [&](const GranularLoop &found) {
    return getIndexedDim(op, *op.getDpsInitOperand(0), found.loop).value_or(-1);
  };
  return *llvm::max_element(loops,
                            [&](const GranularLoop &a, const GranularLoop &b) {
                              return getRank(a) < getRank(b);
                            });
}

LogicalResult mlir::sparsedrop::splitGranularLoops(RewriterBase &rewriter,
                                                   Operation *root,
                                                   PatternLowering &lowering,
                                                   JoinedValues &joined) {
  replaceDims(rewriter, root);
  SmallVector<CompactOp> compacts;
  root->walk([&](CompactOp op) {
    if (isGranular(op))
      compacts.push_back(op);
  });
  for (CompactOp op : compacts)
    pack(rewriter, op);
  // Parts are split further before what reads them.
  SmallVector<LinalgOp> worklist;
  root->walk([&](LinalgOp op) { worklist.push_back(op); });
  std::reverse(worklist.begin(), worklist.end());
  while (!worklist.empty()) {
    LinalgOp op = worklist.pop_back_val();
    std::optional<GranularLoop> found = findLoop(op, joined);
    if (!found)
      continue;
    auto [loop, pattern] = *found;
    FailureOr<LoweredPattern> lowered = lowering.lower(pattern);
    if (failed(lowered))
      return failure();
    rewriter.setInsertionPoint(op);
    SplitExtent split = lowering.getSplitExtent(*lowered);
    LoopSplitter splitter(rewriter, op, loop, pattern, *lowered, split, joined);
    SmallVector<Value> results = splitter.run();
    // The parts may have further loops to split.
    llvm::append_range(worklist, splitter.created);
    for (auto [old, result] : llvm::zip(op->getResults(), results)) {
      if (result.getType() != old.getType()) {
        Value cast = tensor::CastOp::create(rewriter, op.getLoc(),
                                            old.getType(), result);
        if (const auto *parts = joined.find(result); parts != joined.end())
          joined[cast] = JoinedParts(parts->second);
        result = cast;
      }
      rewriter.replaceAllUsesWith(old, result);
      for (auto &[whole, parts] : joined)
        for (Value *part : {&parts.main, &parts.tail})
          if (*part == old)
            *part = result;
    }
    rewriter.eraseOp(op);
  }
  replaceDims(rewriter, root);
  eraseDeadCompacts(rewriter, root);
  return success();
}
