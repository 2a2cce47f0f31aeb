//===- SplitReductions.cpp - Outer reductions run in parallel -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/Conversion/Reductions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_SPLITREDUCTIONS
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using linalg::GenericOp;

/// Partial results are worth their memory from so many terms each on.
static constexpr int64_t kTerms = 8;

/// The reduction loop along the outermost dimension of an operand that all
/// loops index, if there are reductions inside of it.
static std::optional<unsigned> getOuterReduction(GenericOp op, int64_t least) {
  SmallVector<utils::IteratorType> types = op.getIteratorTypesArray();
  for (OpOperand *input : op.getDpsInputOperands()) {
    AffineMap map = op.getMatchingIndexingMap(input);
    if (!map.isPermutation() || map.getNumResults() < 2)
      continue;
    unsigned outer = map.getDimPosition(0);
    if (types[outer] == utils::IteratorType::parallel)
      return std::nullopt;
    int64_t terms = 1;
    for (auto [type, extent] : llvm::zip(types, op.getStaticLoopRanges()))
      if (type == utils::IteratorType::reduction)
        terms *= ShapedType::isDynamic(extent) ? kTerms : extent;
    int64_t extent = op.getStaticLoopRanges()[outer];
    bool isWorth = ShapedType::isDynamic(extent) ||
                   (extent >= least && terms / extent >= kTerms);
    return isWorth && op.getNumReductionLoops() > 1
               ? std::optional<unsigned>(outer)
               : std::nullopt;
  }
  return std::nullopt;
}

/// The size of `loop`, of an operand that all loops index.
static OpFoldResult getLoopSize(RewriterBase &rewriter, GenericOp op,
                                unsigned loop) {
  for (OpOperand *input : op.getDpsInputOperands())
    if (AffineMap map = op.getMatchingIndexingMap(input); map.isPermutation())
      return tensor::getMixedSize(
          rewriter, op.getLoc(), input->get(),
          *map.getResultPosition(rewriter.getAffineDimExpr(loop)));
  llvm_unreachable("an input is indexed by all loops");
}

/// Neutral elements, one `init` of them for each iteration of a loop.
static Value createPartialInit(RewriterBase &rewriter, Location loc, Value init,
                               OpFoldResult loopSize, Operation *combiner) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(rewriter, loc, init);
  sizes.insert(sizes.begin(), loopSize);
  Value empty = tensor::EmptyOp::create(rewriter, loc, sizes,
                                        getElementTypeOrSelf(init.getType()));
  Value neutral = arith::ConstantOp::create(
      rewriter, loc, *arith::getNeutralElement(combiner));
  return linalg::FillOp::create(rewriter, loc, neutral, empty).getResult(0);
}

/// `op` with `outer` as a parallel loop.
static GenericOp createPartial(RewriterBase &rewriter, GenericOp op,
                               unsigned outer, ValueRange inits) {
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  for (AffineMap &map :
       MutableArrayRef(maps).drop_front(op.getNumDpsInputs())) {
    SmallVector<AffineExpr> results(map.getResults());
    results.insert(results.begin(), rewriter.getAffineDimExpr(outer));
    map = AffineMap::get(op.getNumLoops(), 0, results, rewriter.getContext());
  }
  SmallVector<utils::IteratorType> types = op.getIteratorTypesArray();
  types[outer] = utils::IteratorType::parallel;
  auto partial = GenericOp::create(rewriter, op.getLoc(), TypeRange(inits),
                                   op.getInputs(), inits, maps, types);
  rewriter.cloneRegionBefore(op.getRegion(), partial.getRegion(),
                             partial.getRegion().begin());
  return partial;
}

/// The reductions of the first dimensions of `partials`, which have one shape,
/// into `inits`; `outs` are what the combiners have added to.
static ValueRange combine(RewriterBase &rewriter, Location loc,
                          ValueRange partials, ValueRange inits,
                          ArrayRef<Operation *> combiners, ValueRange outs) {
  int64_t rank = cast<RankedTensorType>(inits[0].getType()).getRank();
  AffineMap all = rewriter.getMultiDimIdentityMap(rank + 1);
  SmallVector<AffineMap> maps(partials.size(), all);
  maps.append(inits.size(), all.getSliceMap(1, rank));
  SmallVector<utils::IteratorType> types(rank + 1,
                                         utils::IteratorType::parallel);
  types[0] = utils::IteratorType::reduction;
  auto body = [&](OpBuilder &b, Location l, ValueRange arguments) {
    SmallVector<Value> results;
    for (auto [i, combiner] : llvm::enumerate(combiners)) {
      IRMapping mapping;
      for (Value operand : combiner->getOperands())
        mapping.map(operand, operand == outs[i]
                                 ? arguments[combiners.size() + i]
                                 : arguments[i]);
      results.push_back(b.clone(*combiner, mapping)->getResult(0));
    }
    linalg::YieldOp::create(b, l, results);
  };
  return GenericOp::create(rewriter, loc, TypeRange(inits), partials, inits,
                           maps, types, body)
      .getResults();
}

/// Products with a vector have kernels of their own; sums of the products of
/// two arrays of one shape do not.
static bool isVectorProduct(GenericOp op) {
  return linalg::isaContractionOpInterface(op) &&
         !llvm::all_of(op.getDpsInputOperands(), [&](OpOperand *input) {
           return op.getMatchingIndexingMap(input).isPermutation();
         });
}

/// Whether one loop can combine all partial results.
static bool areResultsAlike(GenericOp op) {
  return llvm::all_equal(
      llvm::map_range(op.getDpsInitsMutable(), [&](OpOperand &init) {
        return op.getMatchingIndexingMap(&init);
      }));
}

static void split(RewriterBase &rewriter, GenericOp op, int64_t least) {
  if (!op.hasPureTensorSemantics() || isVectorProduct(op) ||
      op.hasIndexSemantics())
    return;
  std::optional<unsigned> outer = getOuterReduction(op, least);
  SmallVector<Operation *> combiners;
  for (unsigned i = 0, e = op->getNumResults(); i < e; ++i)
    combiners.push_back(sparsedrop::getCombiner(op, i));
  if (!outer || llvm::is_contained(combiners, nullptr))
    return;
  rewriter.setInsertionPoint(op);
  Location loc = op.getLoc();
  OpFoldResult loopSize = getLoopSize(rewriter, op, *outer);
  SmallVector<Value> inits, results;
  for (auto [init, combiner] : llvm::zip(op.getOutputs(), combiners))
    inits.push_back(createPartialInit(rewriter, loc, init, loopSize, combiner));
  GenericOp partial = createPartial(rewriter, op, *outer, inits);
  size_t count = combiners.size(), step = areResultsAlike(op) ? count : 1;
  ValueRange outs = op.getRegionOutputArgs();
  for (size_t i = 0; i < count; i += step)
    llvm::append_range(results, combine(rewriter, loc,
                                        partial.getResults().slice(i, step),
                                        op.getOutputs().slice(i, step),
                                        ArrayRef(combiners).slice(i, step),
                                        outs.slice(i, step)));
  rewriter.replaceOp(op, results);
}

namespace {
struct SplitReductions
    : public mlir::sparsedrop::impl::SplitReductionsBase<SplitReductions> {
  using SplitReductionsBase::SplitReductionsBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<GenericOp> ops;
    getOperation().walk([&](GenericOp op) { ops.push_back(op); });
    for (GenericOp op : ops)
      split(rewriter, op, least);
  }
};
} // namespace
