//===- UnrollWindows.cpp - Reductions of few elements are elementwise -----===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/Conversion/Reductions.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_UNROLLWINDOWS
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using linalg::GenericOp;
using linalg::LinalgOp;

/// The product of the extents of `loops`; nothing if it is not known or more
/// than `most`.
static std::optional<int64_t> countSteps(LinalgOp op, ArrayRef<unsigned> loops,
                                         int64_t most) {
  SmallVector<int64_t> extents = op.getStaticLoopRanges();
  int64_t steps = 1;
  for (unsigned loop : loops) {
    if (ShapedType::isDynamic(extents[loop]) || extents[loop] > most)
      return std::nullopt;
    steps *= extents[loop];
  }
  return steps <= most ? std::optional<int64_t>(steps) : std::nullopt;
}

/// Where the elements at `indices` of what `type` expands in `groups` are
/// before that; nothing if a size that tells is not known.
static std::optional<SmallVector<AffineExpr>>
linearize(RankedTensorType type, ArrayRef<ReassociationIndices> groups,
          ArrayRef<AffineExpr> indices) {
  SmallVector<AffineExpr> exprs;
  for (const ReassociationIndices &group : groups) {
    ArrayRef<int64_t> sizes =
        type.getShape().slice(group.front(), group.size());
    // How many there are of the outermost does not matter.
    if (llvm::any_of(sizes.drop_front(), ShapedType::isDynamic))
      return std::nullopt;
    exprs.push_back(mlir::linearize(type.getContext(),
                                    indices.slice(group.front(), group.size()),
                                    computeStrides(sizes)));
  }
  return exprs;
}

/// Windows that were a dimension of their own are read from what was expanded:
/// its other readers know it as it was. Null if they are none.
static tensor::ExpandShapeOp readThroughExpansion(Value &value,
                                                  AffineMap &map) {
  auto expand = value.getDefiningOp<tensor::ExpandShapeOp>();
  if (!expand)
    return {};
  SmallVector<ReassociationIndices> groups = expand.getReassociationIndices();
  for (const ReassociationIndices &group : groups)
    if (group.size() > 1 && llvm::none_of(group, [&](int64_t dim) {
          return isa<AffineConstantExpr>(map.getResult(dim));
        }))
      return {};
  auto exprs = linearize(expand.getResultType(), groups, map.getResults());
  if (!exprs)
    return {};
  value = expand.getSrc();
  map = AffineMap::get(map.getNumDims(), 0, *exprs, map.getContext());
  return expand;
}

//===----------------------------------------------------------------------===//
// One window
//===----------------------------------------------------------------------===//

namespace {
/// Makes a reduction elementwise: its steps follow each other in the body.
class Window {
public:
  Window(RewriterBase &rewriter, LinalgOp op)
      : rewriter(rewriter), op(op), loc(op.getLoc()) {}

  /// Collects what each step reads; fails where it is not known how much.
  LogicalResult plan();
  GenericOp unroll();

private:
  /// An operand: so many elements of each dimension, or, dynamic, all of them.
  struct Read {
    Value value;
    AffineMap map;
    SmallVector<int64_t> sizes;

    bool operator==(const Read &other) const {
      return value == other.value && map == other.map && sizes == other.sizes;
    }
  };

  void replaceLoops(ArrayRef<int64_t> step);
  LogicalResult findSizes(OpOperand &input, tensor::ExpandShapeOp expand,
                          Read &read);
  LogicalResult addInputs();
  Value createInput(const Read &read);
  void addInits();
  SmallVector<Value> emitStep(OpBuilder &b, ArrayRef<int64_t> step,
                              ValueRange inputs, ValueRange partial);

  RewriterBase &rewriter;
  LinalgOp op;
  Location loc;
  SmallVector<unsigned> reductions;
  SmallVector<SmallVector<int64_t>> steps;
  /// What each loop is: a loop that is left, or a number.
  SmallVector<AffineExpr> loops;
  unsigned left = 0;
  SmallVector<Read> reads;
  SmallVector<Value> inits;
  SmallVector<AffineMap> initMaps;
  /// Where the inputs of each step are among `reads`.
  SmallVector<SmallVector<unsigned>> places;
};
} // namespace

void Window::replaceLoops(ArrayRef<int64_t> step) {
  loops.assign(op.getNumLoops(), AffineExpr());
  for (auto [loop, number] : llvm::zip(reductions, step))
    loops[loop] = rewriter.getAffineConstantExpr(number);
  left = 0;
  for (AffineExpr &loop : loops)
    if (!loop)
      loop = rewriter.getAffineDimExpr(left++);
}

/// Loops tell what they run over by dimensions that they are alone in. Where
/// one has become so, `read` has as many elements of the dimension as it takes.
LogicalResult Window::findSizes(OpOperand &input, tensor::ExpandShapeOp expand,
                                Read &read) {
  SmallVector<int64_t> extents = op.getStaticLoopRanges();
  AffineMap before = op.getMatchingIndexingMap(&input);
  read.sizes.assign(read.map.getNumResults(), ShapedType::kDynamic);
  for (auto [dim, expr] : llvm::enumerate(read.map.getResults())) {
    ReassociationIndices group{static_cast<int64_t>(dim)};
    if (expand)
      group = expand.getReassociationIndices()[dim];
    bool wasAlone = group.size() == 1 &&
                    isa<AffineDimExpr>(before.getResult(group.front()));
    if (!isa<AffineDimExpr>(expr) || wasAlone)
      continue;
    int64_t extent = extents[llvm::find(loops, expr) - loops.begin()];
    if (ShapedType::isDynamic(extent))
      return failure();
    if (cast<RankedTensorType>(read.value.getType()).getDimSize(dim) != extent)
      read.sizes[dim] = extent;
  }
  return success();
}

/// The inputs of a step; what several of them read is there once.
LogicalResult Window::addInputs() {
  places.emplace_back();
  for (OpOperand *input : op.getDpsInputOperands()) {
    Read read;
    read.value = input->get();
    read.map = op.getMatchingIndexingMap(input).replaceDimsAndSymbols(loops, {},
                                                                      left, 0);
    tensor::ExpandShapeOp expand = readThroughExpansion(read.value, read.map);
    if (failed(findSizes(*input, expand, read)))
      return failure();
    const Read *found = llvm::find(reads, read);
    places.back().push_back(found - reads.begin());
    if (found == reads.end())
      reads.push_back(read);
  }
  return success();
}

/// What is read, with as many elements of each dimension as it takes.
Value Window::createInput(const Read &read) {
  if (llvm::all_of(read.sizes, ShapedType::isDynamic))
    return read.value;
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(rewriter, loc, read.value);
  for (auto [size, own] : llvm::zip(sizes, read.sizes))
    if (!ShapedType::isDynamic(own))
      size = rewriter.getIndexAttr(own);
  SmallVector<OpFoldResult> offsets(sizes.size(), rewriter.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), rewriter.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(rewriter, loc, read.value, offsets,
                                        sizes, strides);
}

/// What all elements of `init` are; null if they differ.
static Value getFilled(Value init) {
  auto fill = init.getDefiningOp<linalg::FillOp>();
  bool isPlain =
      fill && fill.value().getType() == getElementTypeOrSelf(init.getType());
  return isPlain ? fill.value() : Value();
}

/// What begins from a fill is written only.
void Window::addInits() {
  for (OpOperand &init : op.getDpsInitsMutable()) {
    Value value = init.get();
    if (getFilled(value))
      value = tensor::EmptyOp::create(
          rewriter, loc, tensor::getMixedSizes(rewriter, loc, value),
          getElementTypeOrSelf(value));
    inits.push_back(value);
    initMaps.push_back(op.getMatchingIndexingMap(&init).replaceDimsAndSymbols(
        loops, {}, left, 0));
  }
}

/// The body, for one step.
SmallVector<Value> Window::emitStep(OpBuilder &b, ArrayRef<int64_t> step,
                                    ValueRange inputs, ValueRange partial) {
  IRMapping mapping;
  mapping.map(op.getRegionInputArgs(), inputs);
  mapping.map(op.getRegionOutputArgs(), partial);
  for (Operation &inner : op.getBlock()->without_terminator()) {
    auto index = dyn_cast<linalg::IndexOp>(inner);
    if (!index) {
      b.clone(inner, mapping);
      continue;
    }
    const unsigned *found = llvm::find(reductions, index.getDim());
    Value value;
    if (found == reductions.end())
      value = linalg::IndexOp::create(
          b, loc, cast<AffineDimExpr>(loops[index.getDim()]).getPosition());
    else
      value = arith::ConstantIndexOp::create(b, loc,
                                             step[found - reductions.begin()]);
    mapping.map(index.getResult(), value);
  }
  return llvm::map_to_vector(
      op.getBlock()->getTerminator()->getOperands(),
      [&](Value value) { return mapping.lookupOrDefault(value); });
}

LogicalResult Window::plan() {
  op.getReductionDims(reductions);
  SmallVector<int64_t> extents = op.getStaticLoopRanges(), sizes;
  for (unsigned loop : reductions)
    sizes.push_back(extents[loop]);
  for (int64_t i = 0, e = computeProduct(sizes); i < e; ++i) {
    steps.push_back(delinearize(i, computeStrides(sizes)));
    replaceLoops(steps.back());
    if (failed(addInputs()))
      return failure();
  }
  return success();
}

GenericOp Window::unroll() {
  SmallVector<Value> values;
  SmallVector<AffineMap> maps;
  for (const Read &read : reads) {
    values.push_back(createInput(read));
    maps.push_back(read.map);
  }
  addInits();
  llvm::append_range(maps, initMaps);
  SmallVector<utils::IteratorType> types(left, utils::IteratorType::parallel);
  auto body = [&](OpBuilder &b, Location, ValueRange arguments) {
    SmallVector<Value> partial(arguments.drop_front(values.size()));
    for (auto [value, init] : llvm::zip(partial, op.getDpsInits()))
      if (Value filled = getFilled(init))
        value = filled;
    for (auto [step, own] : llvm::zip(steps, places)) {
      SmallVector<Value> inputs;
      for (unsigned place : own)
        inputs.push_back(arguments[place]);
      partial = emitStep(b, step, inputs, partial);
    }
    linalg::YieldOp::create(b, loc, partial);
  };
  return GenericOp::create(rewriter, loc, TypeRange(ValueRange(inits)), values,
                           inits, maps, types, body);
}

//===----------------------------------------------------------------------===//
// Patterns
//===----------------------------------------------------------------------===//

/// How many operands differ from step to step.
static int64_t countReduced(LinalgOp op) {
  SmallVector<unsigned> reductions;
  op.getReductionDims(reductions);
  return llvm::count_if(op.getDpsInputOperands(), [&](OpOperand *input) {
    AffineMap map = op.getMatchingIndexingMap(input);
    return !op.getMatchingBlockArgument(input).use_empty() &&
           llvm::any_of(reductions, [&](unsigned loop) {
             return map.isFunctionOfDim(loop);
           });
  });
}

/// Whether neighbours in memory make one result: a warp reads them together.
static bool reducesRows(LinalgOp op) {
  return llvm::any_of(op.getDpsInputOperands(), [&](OpOperand *input) {
    AffineMap map = op.getMatchingIndexingMap(input);
    if (op.getMatchingBlockArgument(input).use_empty() ||
        map.getNumResults() == 0)
      return false;
    // Expanded windows lie beside each other.
    auto expand = input->get().getDefiningOp<tensor::ExpandShapeOp>();
    if (expand && expand.getReassociationIndices().back().size() > 1)
      return false;
    auto last = dyn_cast<AffineDimExpr>(map.getResults().back());
    return last && op.getIteratorTypesArray()[last.getPosition()] ==
                       utils::IteratorType::reduction;
  });
}

namespace {
struct UnrollWindow : public OpInterfaceRewritePattern<LinalgOp> {
  UnrollWindow(MLIRContext *context, int64_t most)
      : OpInterfaceRewritePattern(context), most(most) {}

  LogicalResult matchAndRewrite(LinalgOp op,
                                PatternRewriter &rewriter) const override {
    SmallVector<unsigned> reductions, parallel;
    op.getReductionDims(reductions);
    op.getParallelDims(parallel);
    if (!op.hasPureTensorSemantics() || reductions.empty() || parallel.empty())
      return rewriter.notifyMatchFailure(
          op, "not a reduction of elements of tensors that are several");
    if (op->hasAttr(mlir::sparsedrop::kKernelAttrName))
      return rewriter.notifyMatchFailure(op, "its kernel has been chosen");
    if (countReduced(op) > 1 || reducesRows(op))
      return rewriter.notifyMatchFailure(
          op, "products and reductions of rows have other kernels");
    for (OpOperand &init : op.getDpsInitsMutable()) {
      AffineMap map = op.getMatchingIndexingMap(&init);
      if (!map.isProjectedPermutation() ||
          map.getNumResults() != parallel.size())
        return rewriter.notifyMatchFailure(
            op, "results that not all other loops index, or more");
    }
    if (!countSteps(op, reductions, most).value_or(0))
      return rewriter.notifyMatchFailure(
          op, "no steps, more than are unrolled, or who knows how many");
    Window window(rewriter, op);
    if (failed(window.plan()))
      return rewriter.notifyMatchFailure(
          op, "windows that begin at each of who knows how many elements");
    rewriter.replaceOp(op, window.unroll().getResults());
    return success();
  }

private:
  int64_t most;
};

/// Whether its reader computes `operand` for each element that it reads it for:
/// they are few.
static bool shouldFuse(OpOperand *operand, int64_t repetitions) {
  LinalgOp producer = mlir::sparsedrop::getOwnProducer(*operand);
  if (!producer || !llvm::hasSingleElement(producer->getUsers()))
    return false;
  auto consumer = cast<LinalgOp>(operand->getOwner());
  if (producer->getBlock() != consumer->getBlock() ||
      consumer.getNumReductionLoops() != 0)
    return false;
  if (producer.getNumLoops() == consumer.getNumLoops())
    return true;
  AffineMap map = consumer.getMatchingIndexingMap(operand);
  SmallVector<unsigned> repeated;
  for (unsigned loop = 0; loop < consumer.getNumLoops(); ++loop)
    if (!map.isFunctionOfDim(loop))
      repeated.push_back(loop);
  return mlir::sparsedrop::readsWindows(producer) &&
         countSteps(consumer, repeated, repetitions).has_value();
}

/// The only reader of a collapsed result joins what computes it, with its
/// loops, and its own result is collapsed.
struct FuseBehindCollapse : public OpRewritePattern<GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(GenericOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getNumReductionLoops() != 0 || op.hasIndexSemantics() ||
        op.getNumDpsInits() != 1 || !op.hasPureTensorSemantics() ||
        !op.getRegionOutputArgs()[0].use_empty())
      return rewriter.notifyMatchFailure(op, "not one elementwise result");
    for (OpOperand *input : op.getDpsInputOperands())
      if (auto collapse = input->get().getDefiningOp<tensor::CollapseShapeOp>())
        if (succeeded(fuse(op, *input, collapse, rewriter)))
          return success();
    return rewriter.notifyMatchFailure(
        op, "no operand is the collapsed result of an op that reads windows");
  }

private:
  static LogicalResult fuse(GenericOp op, OpOperand &input,
                            tensor::CollapseShapeOp collapse,
                            PatternRewriter &rewriter);
};
} // namespace

LogicalResult FuseBehindCollapse::fuse(GenericOp op, OpOperand &input,
                                       tensor::CollapseShapeOp collapse,
                                       PatternRewriter &rewriter) {
  auto producer = collapse.getSrc().getDefiningOp<GenericOp>();
  AffineMap map = op.getMatchingIndexingMap(&input);
  if (!producer || producer->getBlock() != op->getBlock() ||
      op->hasAttr(mlir::sparsedrop::kKernelAttrName) ||
      !mlir::sparsedrop::readsWindows(producer) || !collapse->hasOneUse() ||
      !collapse.getSrc().hasOneUse() || !map.isPermutation() ||
      op.getMatchingIndexingMap(op.getDpsInitOperand(0)) != map)
    return failure();
  RankedTensorType type = collapse.getSrcType();
  AffineMap identity = rewriter.getMultiDimIdentityMap(type.getRank());
  SmallVector<ReassociationIndices> groups = collapse.getReassociationIndices();
  auto exprs = linearize(type, groups, identity.getResults());
  if (!exprs)
    return failure();
  SmallVector<AffineExpr> loops(map.getNumDims());
  for (auto [dim, expr] : llvm::enumerate(*exprs))
    loops[map.getDimPosition(dim)] = expr;
  SmallVector<Value> inputs = op.getDpsInputs();
  SmallVector<AffineMap> maps;
  for (AffineMap old : op.getIndexingMapsArray())
    maps.push_back(old.replaceDimsAndSymbols(loops, {}, type.getRank(), 0));
  inputs[input.getOperandNumber()] = collapse.getSrc();
  maps[input.getOperandNumber()] = maps.back() = identity;
  Value init = tensor::EmptyOp::create(
      rewriter, op.getLoc(),
      tensor::getMixedSizes(
          rewriter, op.getLoc(),
          producer.getTiedOpOperand(cast<OpResult>(collapse.getSrc()))->get()),
      getElementTypeOrSelf(op.getResultTypes()[0]));
  SmallVector<utils::IteratorType> types(type.getRank(),
                                         utils::IteratorType::parallel);
  auto wide = GenericOp::create(rewriter, op.getLoc(), init.getType(), inputs,
                                init, maps, types);
  rewriter.inlineRegionBefore(op.getRegion(), wide.getRegion(),
                              wide.getRegion().begin());
  rewriter.replaceOpWithNewOp<tensor::CollapseShapeOp>(
      op, op.getResultTypes()[0], wide.getResult(0), groups);
  return success();
}

namespace {
struct UnrollWindows
    : public mlir::sparsedrop::impl::UnrollWindowsBase<UnrollWindows> {
  using UnrollWindowsBase::UnrollWindowsBase;

  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<UnrollWindow>(context, most);
    patterns.add<FuseBehindCollapse>(context);
    linalg::populateEraseUnusedOperandsAndResultsPatterns(patterns);
    tensor::EmptyOp::getCanonicalizationPatterns(patterns, context);
    linalg::populateElementwiseOpsFusionPatterns(
        patterns,
        [&](OpOperand *operand) { return shouldFuse(operand, repetitions); });
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
