//===- SplitGranularLoops.cpp - Loops over granules -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SplitGranularLoops.h"
#include "GranuleViews.h"
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
    whole = multiplySize(rewriter, loc, split.kept, granularity);
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
        addJoined(result, *op.getDpsInitOperand(i), mains[i],
                  tails.empty() ? Value() : tails[i]);
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

  void addJoined(Value result, OpOperand &init, Value main, Value tail) {
    int64_t dim = *getDim(init);
    joined.add(result, {dim, pattern, main, tail, isLeaf(init.get(), dim)});
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
    const JoinedParts *parts = joined.find(value, dim, pattern);
    return !parts ? Value() : isMain ? parts->main : parts->tail;
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
      operands.push_back(
          sliceDim(rewriter, loc, value, *dim, whole, split.tail));
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
    results.push_back(insertAlong(rewriter, loc, value, dest, dim, offset,
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
    if (const JoinedParts *parts = joined.find(operand.get()))
      add(map, parts->dim, parts->pattern);
    auto compact = operand.get().getDefiningOp<CompactOp>();
    for (; compact; compact = compact.getSource().getDefiningOp<CompactOp>())
      if (isGranular(compact))
        add(map, compact.getDim(), compact.getPattern());
  }
  return loops;
}

/// The loop to split first. In a class it is that of the last dimension of
/// result 0, so that all that is read or written part by part is cut in the
/// same order, and reductions at the end.
static std::optional<GranularLoop> findLoop(LinalgOp op,
                                            const JoinedValues &joined) {
  SmallVector<GranularLoop> loops = findLoops(op, joined);
  if (loops.empty())
    return std::nullopt;
  if (!isOfClass(op))
    return loops.front();
  auto getDim = [&](const GranularLoop &found) {
    return getIndexedDim(op, *op.getDpsInitOperand(0), found.loop).value_or(-1);
  };
  return *llvm::max_element(loops,
                            [&](const GranularLoop &a, const GranularLoop &b) {
                              return getDim(a) < getDim(b);
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
        if (const JoinedParts *parts = joined.find(result))
          joined.add(cast, JoinedParts(*parts));
        result = cast;
      }
      rewriter.replaceAllUsesWith(old, result);
      joined.replace(old, result);
    }
    rewriter.eraseOp(op);
  }
  replaceDims(rewriter, root);
  eraseDeadCompacts(rewriter, root);
  return success();
}
