//===- CompactTensor.cpp - Rules C1 and C6 on tensor ops ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CompactionContext.h"
#include "LinalgUtils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// `type` with an unknown size along `dim`.
static RankedTensorType withDynamicDim(Type type, int64_t dim) {
  auto tensor = cast<RankedTensorType>(type);
  SmallVector<int64_t> shape(tensor.getShape());
  shape[dim] = ShapedType::kDynamic;
  return tensor.clone(shape);
}

//===----------------------------------------------------------------------===//
// Reshapes: which source and result dimensions belong together
//===----------------------------------------------------------------------===//

namespace {
/// A dimension of the collapsed side, and the one of its group on the expanded
/// side that counts whole units: `inner` neighbours each, inside a group whose
/// outer dimensions are 1.
struct ReshapeLine {
  int64_t collapsed, expanded, inner;
};
} // namespace

/// The line that `expanded` belongs to, if everything outside of it is 1 and
/// everything inside static.
static std::optional<ReshapeLine>
getReshapeLine(ArrayRef<ReassociationIndices> groups, RankedTensorType type,
               int64_t expanded) {
  for (auto [collapsed, group] : llvm::enumerate(groups)) {
    if (!llvm::is_contained(group, expanded))
      continue;
    ReshapeLine line{static_cast<int64_t>(collapsed), expanded, 1};
    for (int64_t dim : group) {
      if (dim < expanded && type.getDimSize(dim) != 1)
        return std::nullopt;
      if (dim > expanded && type.isDynamicDim(dim))
        return std::nullopt;
      if (dim > expanded)
        line.inner *= type.getDimSize(dim);
    }
    if (line.inner == 0)
      return std::nullopt;
    return line;
  }
  return std::nullopt;
}

/// The first dimension of the group of `collapsed` that is not 1: the one that
/// counts whole units.
static std::optional<ReshapeLine>
getReshapeLineOfCollapsed(ArrayRef<ReassociationIndices> groups,
                          RankedTensorType type, int64_t collapsed) {
  ArrayRef<int64_t> group = groups[collapsed];
  for (int64_t dim : group)
    if (type.getDimSize(dim) != 1)
      return getReshapeLine(groups, type, dim);
  return std::nullopt;
}

static Value createCollapse(CompactionContext &context, Location loc,
                            Value source,
                            ArrayRef<ReassociationIndices> groups) {
  return tensor::CollapseShapeOp::create(context.rewriter, loc, source, groups);
}

/// expand_shape of a compacted `source`, whose group of `line` holds the kept
/// count of `pattern` in place of the full size.
static Value createExpandShape(CompactionContext &context,
                               tensor::ExpandShapeOp op, Value source,
                               const ReshapeLine &line, Value pattern) {
  SmallVector<OpFoldResult> sizes = getMixedValues(
      op.getStaticOutputShape(), op.getOutputShape(), context.rewriter);
  sizes[line.expanded] = context.getKeptCount({pattern, line.expanded});
  return tensor::ExpandShapeOp::create(
      context.rewriter, op.getLoc(),
      withDynamicDim(op.getResultType(), line.expanded), source,
      op.getReassociationIndices(), sizes);
}

//===----------------------------------------------------------------------===//
// Slices
//===----------------------------------------------------------------------===//

namespace {
/// How a slice acts along one source dimension.
enum class SliceKind { Full, Part, Other };
} // namespace

/// `whole` is the tensor that the slice is a part of.
static SliceKind classifySlice(OffsetSizeAndStrideOpInterface op,
                               RankedTensorType whole, int64_t dim) {
  if (!isOneInteger(op.getMixedStrides()[dim]))
    return SliceKind::Other;
  std::optional<int64_t> offset =
      getConstantIntValue(op.getMixedOffsets()[dim]);
  std::optional<int64_t> size = getConstantIntValue(op.getMixedSizes()[dim]);
  if (!offset)
    return SliceKind::Other;
  if (*offset == 0 && size && whole.getDimSize(dim) == *size)
    return SliceKind::Full;
  return SliceKind::Part;
}

static SliceKind classifySlice(tensor::ExtractSliceOp op, int64_t dim) {
  return classifySlice(op, op.getSourceType(), dim);
}

/// The dimension of the slice that shows dimension `dim` of the whole, if it is
/// not dropped from the shape.
template <typename SliceOp>
static std::optional<int64_t> getSlicedDim(SliceOp op, int64_t dim) {
  llvm::SmallBitVector dropped = op.getDroppedDims();
  if (dropped.test(dim))
    return std::nullopt;
  int64_t result = 0;
  for (int64_t i = 0; i < dim; ++i)
    result += !dropped.test(i);
  return result;
}

static Value createSlice(CompactionContext &context, tensor::ExtractSliceOp op,
                         Value source, int64_t dim, int64_t resultDim,
                         OpFoldResult offset, OpFoldResult size) {
  SmallVector<OpFoldResult> offsets = op.getMixedOffsets();
  SmallVector<OpFoldResult> sizes = op.getMixedSizes();
  offsets[dim] = offset;
  sizes[dim] = size;
  return tensor::ExtractSliceOp::create(
      context.rewriter, op.getLoc(), withDynamicDim(op.getType(), resultDim),
      source, offsets, sizes, op.getMixedStrides());
}

/// The dimension of the source that fills dimension `dim` of the result from
/// end to end.
static std::optional<int64_t> getInsertedDim(tensor::InsertSliceOp op,
                                             int64_t dim) {
  if (classifySlice(op, op.getDestType(), dim) != SliceKind::Full)
    return std::nullopt;
  return getSlicedDim(op, dim);
}

/// The insertion of a compacted `source` into a compacted `dest`.
static Value createInsertSlice(CompactionContext &context,
                               tensor::InsertSliceOp op, Value source,
                               Value dest, Line line) {
  SmallVector<OpFoldResult> sizes = op.getMixedSizes();
  sizes[line.dim] = context.getKeptCount(line);
  return tensor::InsertSliceOp::create(context.rewriter, op.getLoc(), source,
                                       dest, op.getMixedOffsets(), sizes,
                                       op.getMixedStrides());
}

/// Whether a pattern may be cut before unit `offset`.
static bool canCut(PatternType type, int64_t offset) {
  return type.getKind() == PatternKind::Channel ||
         offset % type.getGranularity() == 0;
}

/// The pattern of units [offset, offset + extent).
static Value createSlicePattern(CompactionContext &context, Location loc,
                                Value pattern, int64_t offset,
                                OpFoldResult extent) {
  RewriterBase &rewriter = context.rewriter;
  return SlicePatternOp::create(
      rewriter, loc, pattern.getType(), pattern,
      arith::ConstantIndexOp::create(rewriter, loc, offset),
      getValueOrCreateConstantIndexOp(rewriter, loc, extent));
}

/// C6 along the dimension itself: the slice of an expand is the expand, by the
/// shifted pattern, of the slice that holds the kept units in between.
static Value pushThroughPart(CompactionContext &context,
                             tensor::ExtractSliceOp op, ExpandOp expand,
                             int64_t resultDim) {
  int64_t dim = expand.getDim();
  auto type = cast<PatternType>(expand.getPattern().getType());
  std::optional<int64_t> offset =
      getConstantIntValue(op.getMixedOffsets()[dim]);
  if (!offset || !canCut(type, *offset)) {
    context.noteReason(op, "the granularity does not divide the offset of the "
                           "slice");
    return {};
  }
  Location loc = op.getLoc();
  OpFoldResult size = op.getMixedSizes()[dim];
  Value before = createSlicePattern(context, loc, expand.getPattern(), 0,
                                    context.rewriter.getIndexAttr(*offset));
  Value inside =
      createSlicePattern(context, loc, expand.getPattern(), *offset, size);
  Value slice = createSlice(context, op, expand.getSource(), dim, resultDim,
                            context.getKeptCount({before, dim}),
                            context.getKeptCount({inside, dim}));
  return context.createExpand(op.getType(), slice, {inside, resultDim});
}

//===----------------------------------------------------------------------===//
// Expands move down
//===----------------------------------------------------------------------===//

static Value pushThroughSlice(CompactionContext &context,
                              tensor::ExtractSliceOp op, ExpandOp expand) {
  int64_t dim = expand.getDim();
  std::optional<int64_t> resultDim = getSlicedDim(op, dim);
  SliceKind kind = classifySlice(op, dim);
  if (!resultDim || kind == SliceKind::Other) {
    context.noteReason(op, "the slice picks single or strided units");
    return {};
  }
  if (kind == SliceKind::Part)
    return pushThroughPart(context, op, expand, *resultDim);
  Value slice = createSlice(context, op, expand.getSource(), dim, *resultDim,
                            context.rewriter.getIndexAttr(0),
                            context.getKeptCount({expand.getPattern(), dim}));
  return context.createExpand(op.getType(), slice,
                              {expand.getPattern(), *resultDim});
}

static Value pushThroughInsertSlice(CompactionContext &context,
                                    tensor::InsertSliceOp op, ExpandOp expand) {
  for (int64_t dim = 0, e = op.getDestType().getRank(); dim < e; ++dim) {
    Line line{expand.getPattern(), dim};
    if (getInsertedDim(op, dim) != static_cast<int64_t>(expand.getDim()) ||
        !(isZeroFill(op.getDest()) ||
          CompactionContext::isExpand(op.getDest(), line)))
      continue;
    Value dest = context.getCompact(op.getDest(), line);
    Value result =
        createInsertSlice(context, op, expand.getSource(), dest, line);
    return context.createExpand(op.getType(), result, line);
  }
  context.noteReason(op, "the slice does not replace whole zeros or whole "
                         "expands by the same pattern");
  return {};
}

static Value pushThroughCollapse(CompactionContext &context,
                                 tensor::CollapseShapeOp op, ExpandOp expand) {
  SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
  std::optional<ReshapeLine> line =
      getReshapeLine(groups, op.getSrcType(), expand.getDim());
  bool isRow = expand.getPattern().getType().getKind() == PatternKind::Row;
  if (!line || (line->inner != 1 && !isRow)) {
    context.noteReason(op, "the reshape does not keep whole units together");
    return {};
  }
  Value pattern = context.stretch(expand.getPattern(), line->inner);
  Value collapsed =
      createCollapse(context, op.getLoc(), expand.getSource(), groups);
  return context.createExpand(op.getType(), collapsed,
                              {pattern, line->collapsed});
}

static Value pushThroughExpandShape(CompactionContext &context,
                                    tensor::ExpandShapeOp op, ExpandOp expand) {
  SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
  std::optional<ReshapeLine> line =
      getReshapeLineOfCollapsed(groups, op.getResultType(), expand.getDim());
  Value pattern =
      line ? context.unstretch(expand.getPattern(), line->inner) : Value();
  if (!pattern) {
    context.noteReason(op, "the reshape splits the granules of the pattern");
    return {};
  }
  Value source =
      createExpandShape(context, op, expand.getSource(), *line, pattern);
  return context.createExpand(op.getResultType(), source,
                              {pattern, line->expanded});
}

/// Whether a pad leaves dimension `dim` alone.
static bool padKeeps(tensor::PadOp op, int64_t dim) {
  return isZeroInteger(op.getMixedLowPad()[dim]) &&
         isZeroInteger(op.getMixedHighPad()[dim]);
}

static Value clonePad(CompactionContext &context, tensor::PadOp op,
                      Value source, Line line) {
  RewriterBase &rewriter = context.rewriter;
  IRMapping mapping;
  mapping.map(op.getSource(), source);
  auto pad = cast<tensor::PadOp>(rewriter.clone(*op, mapping));
  pad.getResult().setType(withDynamicDim(op.getType(), line.dim));
  // The value may depend on the original index.
  Value position = pad.getRegion().getArgument(line.dim);
  if (position.use_empty())
    return pad;
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointToStart(&pad.getRegion().front());
  auto original =
      KeptIndexOp::create(rewriter, op.getLoc(), line.pattern, position);
  rewriter.replaceAllUsesExcept(position, original, original);
  return pad;
}

static Value pushThroughPad(CompactionContext &context, tensor::PadOp op,
                            ExpandOp expand) {
  if (!padKeeps(op, expand.getDim()) || !getZeroPad(op.getResult())) {
    context.noteReason(op, "the pad is not with zeros along other dimensions");
    return {};
  }
  Value pad =
      clonePad(context, op, expand.getSource(),
               {expand.getPattern(), static_cast<int64_t>(expand.getDim())});
  return context.createExpand(op.getType(), pad,
                              {expand.getPattern(), expand.getDim()});
}

static Value pushThroughConcat(CompactionContext &context, tensor::ConcatOp op,
                               ExpandOp expand) {
  Line line{expand.getPattern(), expand.getDim()};
  bool agree = llvm::all_of(op.getInputs(), [&](Value input) {
    return CompactionContext::isExpand(input, line);
  });
  if (static_cast<int64_t>(op.getDim()) == line.dim || !agree) {
    context.noteReason(op, "not all parts are expands by one pattern along "
                           "another dimension");
    return {};
  }
  SmallVector<Value> parts;
  for (Value input : op.getInputs())
    parts.push_back(context.stripExpand(input, line));
  Value concat = tensor::ConcatOp::create(
      context.rewriter, op.getLoc(), withDynamicDim(op.getType(), line.dim),
      op.getDim(), parts);
  return context.createExpand(op.getType(), concat, line);
}

/// C1 where a compact meets its expand.
static Value pushThroughCompact(CompactionContext &context, CompactOp op) {
  Line line{op.getPattern(), op.getDim()};
  if (!CompactionContext::isExpand(op.getSource(), line)) {
    // The expand of another dimension comes out, for the users to see.
    auto expand = op.getSource().getDefiningOp<ExpandOp>();
    return expand.getDim() != op.getDim()
               ? context.getCompact(op.getSource(), line)
               : Value();
  }
  Value source = context.stripExpand(op.getSource(), line);
  if (source.getType() != op.getType())
    source = tensor::CastOp::create(context.rewriter, op.getLoc(), op.getType(),
                                    source);
  return source;
}

bool mlir::sparsedrop::pushExpandsThroughTensorOp(CompactionContext &context,
                                                  Operation *op) {
  if (op->getNumOperands() == 0)
    return false;
  auto expand = op->getOperand(0).getDefiningOp<ExpandOp>();
  if (!expand)
    return false;
  OpBuilder::InsertionGuard guard(context.rewriter);
  context.rewriter.setInsertionPoint(op);
  Value result =
      llvm::TypeSwitch<Operation *, Value>(op)
          .Case([&](tensor::CastOp cast) {
            return context.createExpand(cast.getType(), expand.getSource(),
                                        {expand.getPattern(), expand.getDim()});
          })
          .Case([&](tensor::ExtractSliceOp slice) {
            return pushThroughSlice(context, slice, expand);
          })
          .Case([&](tensor::InsertSliceOp insert) {
            return pushThroughInsertSlice(context, insert, expand);
          })
          .Case([&](tensor::CollapseShapeOp collapse) {
            return pushThroughCollapse(context, collapse, expand);
          })
          .Case([&](tensor::ExpandShapeOp reshape) {
            return pushThroughExpandShape(context, reshape, expand);
          })
          .Case([&](tensor::PadOp pad) {
            return pushThroughPad(context, pad, expand);
          })
          .Case([&](tensor::ConcatOp concat) {
            return pushThroughConcat(context, concat, expand);
          })
          .Case([&](CompactOp compact) {
            return pushThroughCompact(context, compact);
          })
          .Default(Value());
  if (!result)
    return false;
  context.rewriter.replaceOp(op, result);
  return true;
}

//===----------------------------------------------------------------------===//
// Compacts move up
//===----------------------------------------------------------------------===//

static Value pullThroughEmpty(CompactionContext &context, tensor::EmptyOp op,
                              Line line) {
  SmallVector<OpFoldResult> sizes = op.getMixedSizes();
  sizes[line.dim] = context.getKeptCount(line);
  return tensor::EmptyOp::create(context.rewriter, op.getLoc(), sizes,
                                 op.getType().getElementType());
}

/// A splat constant becomes a fill of the kept size.
static Value pullThroughConstant(CompactionContext &context,
                                 arith::ConstantOp op, Line line) {
  auto elements = dyn_cast<SplatElementsAttr>(op.getValue());
  if (!elements)
    return {};
  RewriterBase &rewriter = context.rewriter;
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(op.getType());
  SmallVector<OpFoldResult> sizes =
      getAsIndexOpFoldResult(rewriter.getContext(), type.getShape());
  sizes[line.dim] = context.getKeptCount(line);
  Value empty =
      tensor::EmptyOp::create(rewriter, loc, sizes, type.getElementType());
  auto value = cast<TypedAttr>(elements.getSplatValue<Attribute>());
  Value scalar = arith::ConstantOp::create(rewriter, loc, value);
  return linalg::FillOp::create(rewriter, loc, scalar, empty).getResult(0);
}

static Value pullThroughSplat(CompactionContext &context, tensor::SplatOp op,
                              Line line) {
  SmallVector<OpFoldResult> sizes = getMixedValues(
      op.getType().getShape(), op.getDynamicSizes(), context.rewriter);
  sizes[line.dim] = context.getKeptCount(line);
  Value empty = tensor::EmptyOp::create(context.rewriter, op.getLoc(), sizes,
                                        op.getType().getElementType());
  return linalg::FillOp::create(context.rewriter, op.getLoc(), op.getInput(),
                                empty)
      .getResult(0);
}

static Value pullThroughCast(CompactionContext &context, tensor::CastOp op,
                             Line line) {
  if (!isa<RankedTensorType>(op.getSource().getType()))
    return {};
  Value compact = context.getCompact(op.getSource(), line);
  Type type = withDynamicDim(op.getType(), line.dim);
  if (compact.getType() == type)
    return compact;
  return tensor::CastOp::create(context.rewriter, op.getLoc(), type, compact);
}

/// An expand along another dimension commutes.
static Value pullThroughExpand(CompactionContext &context, ExpandOp op,
                               Line line) {
  Line own{op.getPattern(), op.getDim()};
  if (own.dim == line.dim) {
    if (own == line)
      return op.getSource();
    context.noteReason(op, "two different patterns act on one dimension");
    return {};
  }
  Value compact = context.getCompact(op.getSource(), line);
  return context.createExpand(withDynamicDim(op.getType(), line.dim), compact,
                              own);
}

static Value pullThroughInsert(CompactionContext &context, InsertOp op,
                               Line line) {
  Line own{op.getPattern(), op.getDim()};
  if (own == line)
    return op.getSource();
  if (own.dim == line.dim)
    return {};
  Value source = context.getCompact(op.getSource(), line);
  Value dest = context.getCompact(op.getDest(), line);
  return InsertOp::create(context.rewriter, op.getLoc(), source, dest,
                          own.pattern,
                          context.rewriter.getDenseI64ArrayAttr(own.dim));
}

static Value pullThroughPad(CompactionContext &context, tensor::PadOp op,
                            Line line) {
  if (!padKeeps(op, line.dim)) {
    context.noteReason(op, "the pad adds units to the dropped dimension");
    return {};
  }
  return clonePad(context, op, context.getCompact(op.getSource(), line), line);
}

/// Along the concatenated dimension itself every part gets the pattern of its
/// units.
static std::optional<SmallVector<Line>>
getPartLines(CompactionContext &context, tensor::ConcatOp op, Line line) {
  SmallVector<Line> lines(op.getInputs().size(), line);
  if (static_cast<int64_t>(op.getDim()) != line.dim)
    return lines;
  auto type = cast<PatternType>(line.pattern.getType());
  int64_t offset = 0;
  for (auto [part, input] : llvm::zip(lines, op.getInputs())) {
    auto inputType = cast<RankedTensorType>(input.getType());
    if (inputType.isDynamicDim(line.dim) || !canCut(type, offset))
      return std::nullopt;
    int64_t size = inputType.getDimSize(line.dim);
    part.pattern =
        createSlicePattern(context, op.getLoc(), line.pattern, offset,
                           context.rewriter.getIndexAttr(size));
    offset += size;
  }
  return lines;
}

static Value pullThroughConcat(CompactionContext &context, tensor::ConcatOp op,
                               Line line) {
  OpBuilder::InsertionGuard guard(context.rewriter);
  context.rewriter.setInsertionPointAfterValue(line.pattern);
  std::optional<SmallVector<Line>> lines = getPartLines(context, op, line);
  if (!lines) {
    context.noteReason(op, "the parts do not hold whole granules, or are of "
                           "unknown size");
    return {};
  }
  SmallVector<Value> parts;
  for (auto [input, part] : llvm::zip(op.getInputs(), *lines))
    parts.push_back(context.getCompact(input, part));
  context.rewriter.setInsertionPoint(op);
  return tensor::ConcatOp::create(context.rewriter, op.getLoc(),
                                  withDynamicDim(op.getType(), line.dim),
                                  op.getDim(), parts);
}

static Value pullThroughSlice(CompactionContext &context,
                              tensor::ExtractSliceOp op, Line line) {
  // Nothing computes less of an argument: only the slice is compacted.
  auto argument = dyn_cast<BlockArgument>(op.getSource());
  if (argument && argument.getOwner()->isEntryBlock() &&
      argument.getOwner()->getParentOp() == context.function)
    return {};
  for (int64_t dim = 0, e = op.getSourceType().getRank(); dim < e; ++dim) {
    if (getSlicedDim(op, dim) != line.dim ||
        classifySlice(op, dim) != SliceKind::Full)
      continue;
    Value source = context.getCompact(op.getSource(), {line.pattern, dim});
    return createSlice(context, op, source, dim, line.dim,
                       context.rewriter.getIndexAttr(0),
                       context.getKeptCount(line));
  }
  return {};
}

static Value pullThroughInsertSlice(CompactionContext &context,
                                    tensor::InsertSliceOp op, Line line) {
  std::optional<int64_t> dim = getInsertedDim(op, line.dim);
  if (!dim) {
    context.noteReason(op, "the slice fills a part of the dropped dimension");
    return {};
  }
  Value source = context.getCompact(op.getSource(), {line.pattern, *dim});
  Value dest = context.getCompact(op.getDest(), line);
  return createInsertSlice(context, op, source, dest, line);
}

static Value pullThroughCollapse(CompactionContext &context,
                                 tensor::CollapseShapeOp op, Line line) {
  SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
  std::optional<ReshapeLine> reshape =
      getReshapeLineOfCollapsed(groups, op.getSrcType(), line.dim);
  Value pattern =
      reshape ? context.unstretch(line.pattern, reshape->inner) : Value();
  if (!pattern || !context.dominates(pattern, op)) {
    context.noteReason(op, "the granules of the pattern are not whole units of "
                           "the reshaped dimension");
    return {};
  }
  Value source = context.getCompact(op.getSrc(), {pattern, reshape->expanded});
  return createCollapse(context, op.getLoc(), source, groups);
}

static Value pullThroughExpandShape(CompactionContext &context,
                                    tensor::ExpandShapeOp op, Line line) {
  std::optional<ReshapeLine> reshape = getReshapeLine(
      op.getReassociationIndices(), op.getResultType(), line.dim);
  bool isRow =
      cast<PatternType>(line.pattern.getType()).getKind() == PatternKind::Row;
  if (!reshape || (reshape->inner != 1 && !isRow)) {
    context.noteReason(op, "the reshape does not keep whole units together");
    return {};
  }
  Value pattern = context.stretch(line.pattern, reshape->inner);
  Value source = context.getCompact(op.getSrc(), {pattern, reshape->collapsed});
  return createExpandShape(context, op, source, *reshape, line.pattern);
}

static Value pullLine(CompactionContext &context, Operation *op, Line line) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case(
          [&](tensor::EmptyOp o) { return pullThroughEmpty(context, o, line); })
      .Case([&](arith::ConstantOp o) {
        return pullThroughConstant(context, o, line);
      })
      .Case(
          [&](tensor::SplatOp o) { return pullThroughSplat(context, o, line); })
      .Case([&](tensor::CastOp o) { return pullThroughCast(context, o, line); })
      .Case([&](ExpandOp o) { return pullThroughExpand(context, o, line); })
      .Case([&](InsertOp o) { return pullThroughInsert(context, o, line); })
      .Case([&](tensor::PadOp o) { return pullThroughPad(context, o, line); })
      .Case([&](tensor::ConcatOp o) {
        return pullThroughConcat(context, o, line);
      })
      .Case([&](tensor::ExtractSliceOp o) {
        return pullThroughSlice(context, o, line);
      })
      .Case([&](tensor::InsertSliceOp o) {
        return pullThroughInsertSlice(context, o, line);
      })
      .Case([&](tensor::CollapseShapeOp o) {
        return pullThroughCollapse(context, o, line);
      })
      .Case([&](tensor::ExpandShapeOp o) {
        return pullThroughExpandShape(context, o, line);
      })
      .Default(Value());
}

bool mlir::sparsedrop::pullCompactsThroughTensorOp(CompactionContext &context,
                                                   Operation *op) {
  if (op->getNumResults() != 1)
    return false;
  bool changed = false;
  Value result = op->getResult(0);
  for (Line line : CompactionContext::getCompactLines(result)) {
    OpBuilder::InsertionGuard guard(context.rewriter);
    // Constants are where they are for everybody: what replaces them goes
    // behind the pattern.
    if (context.dominates(line.pattern, op))
      context.rewriter.setInsertionPoint(op);
    else if (op->getNumOperands() == 0)
      context.rewriter.setInsertionPointAfterValue(line.pattern);
    else
      continue;
    if (Value replacement = pullLine(context, op, line)) {
      context.replaceCompacts(result, line, replacement);
      changed = true;
    }
  }
  return changed;
}
