//===- Compact.cpp - The compaction pass ----------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CompactTiles.h"
#include "CompactionContext.h"
#include "LinalgUtils.h"

#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_COMPACT
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;

//===----------------------------------------------------------------------===//
// Preparation
//===----------------------------------------------------------------------===//

/// Refuses what must be gone.
static LogicalResult checkInput(Operation *root) {
  WalkResult result = root->walk([](Operation *op) {
    if (op->hasAttr(kDropoutAttrName)) {
      op->emitError() << "carries a dropout annotation that has not been "
                         "materialized; run sparsedrop-materialize first";
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// Lets `tensor.dim` of results resolve to sizes of what they come from, so
/// that no full-width value stays alive for its size.
static void resolveDims(Operation *root) {
  RewritePatternSet patterns(root->getContext());
  memref::populateResolveRankedShapedTypeResultDimsPatterns(patterns);
  tensor::DimOp::getCanonicalizationPatterns(patterns, root->getContext());
  ExtentOp::getCanonicalizationPatterns(patterns, root->getContext());
  (void)applyPatternsGreedily(root, std::move(patterns));
}

/// Whether a draw may turn out to be impossible for a number of units that is
/// known at run time only. It is then not done where the program would not.
static bool mayFail(Operation *op) {
  ValueRange checked;
  if (auto sample = dyn_cast<SampleOp>(op))
    checked = sample.getExtents();
  if (isa<MakePatternOp>(op))
    checked = op->getOperands();
  return !llvm::all_of(
      checked, [](Value value) { return matchPattern(value, m_Constant()); });
}

/// Moves `op` and what it is made of to the earliest place where its operands
/// are known.
static void hoist(Operation *op, llvm::SmallPtrSetImpl<Operation *> &visited) {
  if (!visited.insert(op).second || !isPure(op) || op->getNumRegions() != 0)
    return;
  Block *entry = nullptr;
  if (auto function = op->getParentOfType<FunctionOpInterface>())
    entry = &function.getFunctionBody().front();
  Operation *latest = nullptr;
  for (Value operand : op->getOperands()) {
    Operation *definition = operand.getDefiningOp();
    if (definition)
      hoist(definition, visited);
    if (operand.getParentBlock() != entry)
      return; // depends on a loop or a branch
    if (definition && (!latest || latest->isBeforeInBlock(definition)))
      latest = definition;
  }
  if (!entry || (op->getBlock() != entry && mayFail(op)))
    return;
  if (latest)
    op->moveAfter(latest);
  else
    op->moveBefore(entry, entry->begin());
}

/// Draws come first, so that they dominate the ops that they make smaller.
static void hoistPatterns(Operation *root) {
  SmallVector<Operation *> makers;
  root->walk([&](Operation *op) {
    if (op->getNumResults() == 1 &&
        isa<PatternType>(op->getResult(0).getType()))
      makers.push_back(op);
  });
  llvm::SmallPtrSet<Operation *, 16> visited;
  for (Operation *op : makers)
    hoist(op, visited);
}

/// dropout(x, p, d) = expand(scale * compact(x, p, d), p, d).
static void splitDropouts(RewriterBase &rewriter, Operation *root) {
  root->walk([&](DropoutOp op) {
    if (isEmptyTensor(op.getType())) {
      rewriter.replaceOp(op, op.getSource());
      return;
    }
    rewriter.setInsertionPoint(op);
    Location loc = op.getLoc();
    Value compact = CompactOp::create(rewriter, loc, op.getSource(),
                                      op.getPattern(), op.getDims().front());
    if (!op.getUnscaled())
      compact =
          createScaled(rewriter, loc, compact,
                       rewriter.createOrFold<ScaleOp>(loc, op.getPattern()));
    rewriter.replaceOpWithNewOp<ExpandOp>(op, op.getType(), compact,
                                          op.getPattern(), op.getDimsAttr());
  });
}

//===----------------------------------------------------------------------===//
// The two sweeps
//===----------------------------------------------------------------------===//

static void sweepForward(CompactionContext &context, Block &block);
static void sweepBackward(CompactionContext &context, Block &block);

/// Pushes expands through `op`; true if that replaced it.
static bool pushThrough(CompactionContext &context, Operation *op) {
  auto sweep = [&](Block &block) { sweepForward(context, block); };
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    return splitAtConcat(context, linalgOp) ||
           pushExpandsThroughLinalg(context, linalgOp);
  return pushExpandsThroughTensorOp(context, op) ||
         pushExpandsThroughControlFlow(context, op, sweep);
}

static void sweepForward(CompactionContext &context, Block &block) {
  for (Operation *op = block.empty() ? nullptr : &block.front(); op;) {
    Operation *previous = op->getPrevNode();
    if (!isa<linalg::LinalgOp>(op))
      for (Region &region : op->getRegions())
        for (Block &inner : region)
          sweepForward(context, inner);
    // What replaced the op may become smaller still.
    if (pushThrough(context, op))
      op = previous ? previous->getNextNode() : &block.front();
    else
      op = op->getNextNode();
  }
}

/// Pulls compacts through `op` until none of its results has one that moves.
static void pullThrough(CompactionContext &context, Operation *op) {
  if (splitAtSlices(context, op))
    return;
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op)) {
    pullCompactsThroughLinalg(context, linalgOp);
    return;
  }
  pullCompactsThroughTensorOp(context, op);
}

static void sweepBackward(CompactionContext &context, Block &block) {
  auto sweep = [&](Block &inner) { sweepBackward(context, inner); };
  for (Operation *op = block.empty() ? nullptr : &block.back(); op;) {
    if (isOpTriviallyDead(op)) {
      Operation *previous = op->getPrevNode();
      context.rewriter.eraseOp(op);
      op = previous;
      continue;
    }
    if (Operation *replacement =
            pullCompactsThroughControlFlow(context, op, sweep)) {
      op = replacement;
      continue;
    }
    pullThrough(context, op);
    if (!isa<linalg::LinalgOp>(op))
      for (Region &region : op->getRegions())
        for (Block &inner : region)
          sweepBackward(context, inner);
    Operation *previous = op->getPrevNode();
    if (isOpTriviallyDead(op))
      context.rewriter.eraseOp(op);
    op = previous;
  }
}

LogicalResult mlir::sparsedrop::compactDropout(RewriterBase &rewriter,
                                               FunctionOpInterface function) {
  if (function.isExternal())
    return success();
  if (failed(checkInput(function)) || failed(verifySites(function)))
    return failure();
  hoistDropoutScales(rewriter, function);
  compactTiles(rewriter, function);
  splitDropouts(rewriter, function);
  resolveDims(function);
  hoistPatterns(function);

  CompactionContext context(rewriter, function);
  Region &body = function.getFunctionBody();
  for (Block &block : body)
    sweepForward(context, block);
  for (Block &block : llvm::reverse(body))
    sweepBackward(context, block);
  context.reportMissed();
  return success();
}

namespace {
struct Compact : public mlir::sparsedrop::impl::CompactBase<Compact> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    WalkResult result = getOperation().walk([&](FunctionOpInterface function) {
      if (failed(compactDropout(rewriter, function)))
        return WalkResult::interrupt();
      return WalkResult::skip();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
