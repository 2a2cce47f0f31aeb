//===- CompactControlFlow.cpp - Rule C6 on structured control flow --------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A value carried by a loop can be compact only if it is so in every
// iteration, which cannot be known before the body has been rewritten under
// that assumption. So the body of a copy is rewritten; if the assumption turns
// out to hold the copy replaces the loop, else it is dropped.
//
//===----------------------------------------------------------------------===//

#include "CompactionContext.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::sparsedrop;

namespace {
/// A result of an op and the line along which it is to be compact.
struct CarriedLine {
  unsigned index;
  Line line;
};
} // namespace

/// Hands `result` on to its users: compacts get it as it is, others its expand.
static void replaceCarried(CompactionContext &context, Value old, Value result,
                           Line line) {
  context.replaceCompacts(old, line, result);
  if (old.use_empty())
    return;
  OpBuilder::InsertionGuard guard(context.rewriter);
  context.rewriter.setInsertionPointAfterValue(result);
  context.rewriter.replaceAllUsesWith(
      old, context.createExpand(old.getType(), result, line));
}

//===----------------------------------------------------------------------===//
// scf.if
//===----------------------------------------------------------------------===//

/// `op` whose result `carried` is compact: its regions yield `values`.
static Operation *replaceIf(CompactionContext &context, scf::IfOp op,
                            const CarriedLine &carried,
                            ArrayRef<Value> values) {
  RewriterBase &rewriter = context.rewriter;
  SmallVector<Type> types(op.getResultTypes());
  types[carried.index] = values[0].getType();
  rewriter.setInsertionPoint(op);
  auto smaller = scf::IfOp::create(rewriter, op.getLoc(), types,
                                   op.getCondition(), /*addElseBlock=*/true);
  rewriter.eraseBlock(smaller.elseBlock());
  if (!smaller.getThenRegion().empty())
    rewriter.eraseBlock(smaller.thenBlock());
  rewriter.inlineRegionBefore(op.getThenRegion(), smaller.getThenRegion(),
                              smaller.getThenRegion().end());
  rewriter.inlineRegionBefore(op.getElseRegion(), smaller.getElseRegion(),
                              smaller.getElseRegion().end());
  for (auto [region, value] : llvm::zip(smaller->getRegions(), values)) {
    Operation *yield = region.front().getTerminator();
    rewriter.startOpModification(yield);
    yield->setOperand(carried.index, value);
    rewriter.finalizeOpModification(yield);
  }
  for (auto [i, old, result] :
       llvm::enumerate(op.getResults(), smaller.getResults())) {
    if (i == carried.index)
      replaceCarried(context, old, result, carried.line);
    else
      rewriter.replaceAllUsesWith(old, result);
  }
  rewriter.eraseOp(op);
  return smaller;
}

/// Makes the types of both branches agree.
static SmallVector<Value> unifyTypes(CompactionContext &context, scf::IfOp op,
                                     Value yes, Value no, int64_t dim) {
  SmallVector<Value> values{yes, no};
  if (yes.getType() == no.getType())
    return values;
  auto type = cast<RankedTensorType>(yes.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[dim] = ShapedType::kDynamic;
  for (auto [value, block] : llvm::zip(
           values, SmallVector<Block *>{op.thenBlock(), op.elseBlock()})) {
    context.rewriter.setInsertionPoint(block->getTerminator());
    value = tensor::CastOp::create(context.rewriter, value.getLoc(),
                                   type.clone(shape), value);
  }
  return values;
}

static bool pushThroughIf(CompactionContext &context, scf::IfOp op) {
  if (op.getNumResults() == 0)
    return false;
  OpBuilder::InsertionGuard guard(context.rewriter);
  for (unsigned i = 0, e = op.getNumResults(); i < e; ++i) {
    Value yes = op.thenYield().getOperand(i), no = op.elseYield().getOperand(i);
    for (Line line : CompactionContext::getExpandLines(yes)) {
      if (!CompactionContext::isExpand(no, line) ||
          !context.dominates(line.pattern, op))
        continue;
      SmallVector<Value> values =
          unifyTypes(context, op, context.stripExpand(yes, line),
                     context.stripExpand(no, line), line.dim);
      replaceIf(context, op, {i, line}, values);
      return true;
    }
  }
  return false;
}

static Operation *pullThroughIf(CompactionContext &context, scf::IfOp op) {
  OpBuilder::InsertionGuard guard(context.rewriter);
  for (OpResult result : op.getResults())
    for (Line line : CompactionContext::getCompactLines(result)) {
      unsigned i = result.getResultNumber();
      if (!CompactionContext::allUsesCompact(result, line) ||
          !context.dominates(line.pattern, op))
        continue;
      SmallVector<Value> values;
      for (Operation *yield :
           {op.thenYield().getOperation(), op.elseYield().getOperation()}) {
        // Inside of the branch, so that the other one does not compute it.
        context.rewriter.setInsertionPoint(yield);
        values.push_back(CompactOp::create(context.rewriter, op.getLoc(),
                                           yield->getOperand(i), line.pattern,
                                           line.dim));
      }
      return replaceIf(context, op, {i, line}, values);
    }
  return nullptr;
}

//===----------------------------------------------------------------------===//
// scf.for
//===----------------------------------------------------------------------===//

/// `op` whose carried values are compact. In its body every use of such an
/// argument is a compact and what is yielded for it an expand.
static Operation *replaceFor(CompactionContext &context, scf::ForOp op,
                             ArrayRef<CarriedLine> carried) {
  RewriterBase &rewriter = context.rewriter;
  Operation *yield = op.getBody()->getTerminator();
  SmallVector<Value> inits(op.getInitArgs());
  for (const CarriedLine &c : carried) {
    Value init = context.getCompact(inits[c.index], c.line);
    Value yielded = context.stripExpand(yield->getOperand(c.index), c.line);
    // One type for both: the dynamic one.
    auto type = cast<RankedTensorType>(op.getInitArgs()[c.index].getType());
    SmallVector<int64_t> shape(type.getShape());
    shape[c.line.dim] = ShapedType::kDynamic;
    RankedTensorType common = type.clone(shape);
    rewriter.setInsertionPoint(op);
    inits[c.index] =
        init.getType() == common
            ? init
            : tensor::CastOp::create(rewriter, op.getLoc(), common, init);
    rewriter.setInsertionPoint(yield);
    if (yielded.getType() != common)
      yielded = tensor::CastOp::create(rewriter, op.getLoc(), common, yielded);
    rewriter.modifyOpInPlace(yield,
                             [&] { yield->setOperand(c.index, yielded); });
  }
  rewriter.setInsertionPoint(op);
  auto smaller = scf::ForOp::create(rewriter, op.getLoc(), op.getLowerBound(),
                                    op.getUpperBound(), op.getStep(), inits);
  smaller->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  if (!smaller.getBody()->empty())
    rewriter.eraseOp(smaller.getBody()->getTerminator());
  for (const CarriedLine &c : carried)
    context.replaceCompacts(op.getRegionIterArg(c.index), c.line,
                            smaller.getRegionIterArg(c.index));
  SmallVector<Value> arguments(smaller.getBody()->getArguments());
  for (const CarriedLine &c : carried)
    arguments[c.index + 1] = op.getInitArgs()[c.index]; // no use is left
  rewriter.mergeBlocks(op.getBody(), smaller.getBody(), arguments);
  for (unsigned i = 0, e = op.getNumResults(); i < e; ++i) {
    const auto *found = llvm::find_if(
        carried, [&](const CarriedLine &c) { return c.index == i; });
    if (found != carried.end())
      replaceCarried(context, op.getResult(i), smaller.getResult(i),
                     found->line);
    else
      rewriter.replaceAllUsesWith(op.getResult(i), smaller.getResult(i));
  }
  rewriter.eraseOp(op);
  return smaller;
}

/// Rewrites a copy of `op` under the assumption that `carried` are compact:
/// `assume` writes it into the copy. Lines for which it does not hold are
/// dropped and the rest tried again. Returns the op that replaced `op`, if any.
static Operation *
speculate(CompactionContext &context, scf::ForOp op,
          SmallVector<CarriedLine> carried, function_ref<void(Block &)> sweep,
          function_ref<void(scf::ForOp, const CarriedLine &)> assume) {
  if (carried.empty())
    return nullptr;
  RewriterBase &rewriter = context.rewriter;
  bool outer = context.speculating;
  while (!carried.empty()) {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(op);
    auto copy = cast<scf::ForOp>(rewriter.clone(*op));
    for (const CarriedLine &c : carried)
      assume(copy, c);
    context.speculating = true;
    sweep(*copy.getBody());
    context.speculating = outer;

    size_t before = carried.size();
    llvm::erase_if(carried, [&](const CarriedLine &c) {
      Value yielded = copy.getBody()->getTerminator()->getOperand(c.index);
      return !CompactionContext::isExpand(yielded, c.line) ||
             !CompactionContext::allUsesCompact(copy.getRegionIterArg(c.index),
                                                c.line);
    });
    if (carried.size() == before) {
      rewriter.replaceOp(op, copy);
      return replaceFor(context, copy, carried);
    }
    rewriter.eraseOp(copy);
  }
  context.noteReason(op, "a carried value is not compact in every iteration");
  return nullptr;
}

static Operation *pushThroughFor(CompactionContext &context, scf::ForOp op,
                                 function_ref<void(Block &)> sweep) {
  SmallVector<CarriedLine> carried;
  for (auto [i, init] : llvm::enumerate(op.getInitArgs())) {
    SmallVector<Line> lines = CompactionContext::getExpandLines(init);
    if (!lines.empty())
      carried.push_back({static_cast<unsigned>(i), lines.front()});
  }
  return speculate(
      context, op, carried, sweep, [&](scf::ForOp copy, const CarriedLine &c) {
        BlockArgument argument = copy.getRegionIterArg(c.index);
        context.rewriter.setInsertionPointToStart(copy.getBody());
        auto compact = CompactOp::create(context.rewriter, op.getLoc(),
                                         argument, c.line.pattern, c.line.dim);
        Value expand =
            context.createExpand(argument.getType(), compact, c.line);
        context.rewriter.replaceAllUsesExcept(argument, expand, compact);
      });
}

static Operation *pullThroughFor(CompactionContext &context, scf::ForOp op,
                                 function_ref<void(Block &)> sweep) {
  SmallVector<CarriedLine> carried;
  for (OpResult result : op.getResults())
    for (Line line : CompactionContext::getCompactLines(result))
      if (CompactionContext::allUsesCompact(result, line) &&
          context.dominates(line.pattern, op))
        carried.push_back({result.getResultNumber(), line});
  return speculate(
      context, op, carried, sweep, [&](scf::ForOp copy, const CarriedLine &c) {
        Operation *yield = copy.getBody()->getTerminator();
        Value yielded = yield->getOperand(c.index);
        context.rewriter.setInsertionPoint(yield);
        auto compact = CompactOp::create(context.rewriter, op.getLoc(), yielded,
                                         c.line.pattern, c.line.dim);
        Value expand = context.createExpand(yielded.getType(), compact, c.line);
        context.rewriter.modifyOpInPlace(
            yield, [&] { yield->setOperand(c.index, expand); });
      });
}

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

bool mlir::sparsedrop::pushExpandsThroughControlFlow(
    CompactionContext &context, Operation *op,
    function_ref<void(Block &)> sweep) {
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return pushThroughIf(context, branch);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return pushThroughFor(context, loop, sweep) != nullptr;
  return false;
}

Operation *mlir::sparsedrop::pullCompactsThroughControlFlow(
    CompactionContext &context, Operation *op,
    function_ref<void(Block &)> sweep) {
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return pullThroughIf(context, branch);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return pullThroughFor(context, loop, sweep);
  return nullptr;
}
