//===- DifferentiateControlFlow.cpp - Gradients of loops and branches -----===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A branch is taken again, backwards. Backwards, an iteration of a loop is
// computed again and then swept, with the adjoints of what it carries and of
// what it captures as the values carried by the backward loop. What this needs
// of what the loop carries into each iteration, and of the results of
// reductions, products above all, is saved by the loop; what it does not need
// is neither saved nor computed again.
//
//===----------------------------------------------------------------------===//

#include "AccumulatedProducts.h"
#include "LinalgUtils.h"
#include "ReverseSweep.h"
#include "Stacks.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// The active values that the regions of `op` capture.
static SmallVector<Value> getActiveCaptures(ReverseSweep &sweep,
                                            Operation *op) {
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  SmallVector<Value> active;
  for (Value value : captured)
    if (sweep.isActive(value))
      active.push_back(value);
  return active;
}

/// Repeats `ops`, of a block that yields `yielded`, at the insertion point and
/// sweeps them: `adjoints`, where there are any, flow to what is yielded.
static LogicalResult sweepAgain(ReverseSweep &inner, ArrayRef<Operation *> ops,
                                ValueRange yielded, IRMapping &mapping,
                                ArrayRef<Value> adjoints) {
  SmallVector<Operation *> copies;
  for (Operation *op : ops) {
    copies.push_back(inner.rewriter.clone(*op, mapping));
    inner.activity.propagate(*copies.back());
  }
  for (auto [value, adjoint] : llvm::zip(yielded, adjoints))
    if (adjoint)
      inner.add(mapping.lookupOrDefault(value), adjoint);
  return inner.run(copies);
}

static SmallVector<Operation *> getOps(Block &block) {
  SmallVector<Operation *> ops;
  for (Operation &op : block.without_terminator())
    ops.push_back(&op);
  return ops;
}

//===----------------------------------------------------------------------===//
// scf.if
//===----------------------------------------------------------------------===//

static LogicalResult reverseIf(ReverseSweep &sweep, scf::IfOp op) {
  RewriterBase &rewriter = sweep.rewriter;
  SmallVector<Value> captures = getActiveCaptures(sweep, op), adjoints;
  for (Value result : op.getResults())
    adjoints.push_back(sweep.lookup(result));
  auto reversed =
      scf::IfOp::create(rewriter, op.getLoc(), TypeRange(ValueRange(captures)),
                        op.getCondition(), /*withElseRegion=*/true);
  for (auto [from, to] : llvm::zip(op->getRegions(), reversed->getRegions())) {
    OpBuilder::InsertionGuard guard(rewriter);
    if (to.empty())
      rewriter.createBlock(&to);
    while (!to.front().empty())
      rewriter.eraseOp(&to.front().back());
    rewriter.setInsertionPointToStart(&to.front());
    IRMapping mapping;
    ReverseSweep inner(rewriter, sweep.activity);
    if (failed(sweepAgain(inner, getOps(from.front()),
                          from.front().getTerminator()->getOperands(), mapping,
                          adjoints)))
      return failure();
    SmallVector<Value> yields;
    for (Value capture : captures)
      yields.push_back(inner.getOrZeros(capture));
    scf::YieldOp::create(rewriter, op.getLoc(), yields);
  }
  for (auto [capture, result] : llvm::zip(captures, reversed.getResults()))
    sweep.add(capture, result);
  return success();
}

//===----------------------------------------------------------------------===//
// scf.for
//===----------------------------------------------------------------------===//

namespace {
class ForReverse {
public:
  ForReverse(ReverseSweep &sweep, scf::ForOp op)
      : sweep(sweep), b(sweep.rewriter), op(op), loc(op.getLoc()) {}

  LogicalResult run();

private:
  Value toIndex(OpBuilder &builder, Value value);
  Value countIterations();
  Value addStack(Value state, Value count);
  void readSaved(IRMapping &mapping, Value number, Value count);
  void save();
  SmallVector<Value> hoistProducts(scf::ForOp &reversed, Value count);
  bool isReadInSlices(Value capture);
  bool isFilled(unsigned index);
  LogicalResult reverseBody(Value number, Value count, ValueRange carried);

  ReverseSweep &sweep;
  RewriterBase &b;
  scf::ForOp op;
  Location loc;
  /// Something of each iteration that the backward one reads from a stack.
  struct Read {
    Value source; ///< in the loop
    Value stack;  ///< an empty one; the loop fills it
    Value value;  ///< the slice of this iteration
  };
  SmallVector<Operation *> bodyOps;
  SmallVector<Read> reads;
  SmallVector<unsigned> activeArgs;
  SmallVector<Value> captures;
  Value backNumber; ///< of the iteration that a backward one goes through
};
} // namespace

Value ForReverse::toIndex(OpBuilder &builder, Value value) {
  return builder.createOrFold<arith::IndexCastOp>(loc, builder.getIndexType(),
                                                  value);
}

/// max(0, ceil((upper - lower) / step)) as index.
Value ForReverse::countIterations() {
  auto index = [&](Value value) {
    return value.getType().isIndex() ? value : toIndex(b, value);
  };
  Value lower = index(op.getLowerBound()), upper = index(op.getUpperBound());
  Value step = index(op.getStep());
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value span = b.createOrFold<arith::SubIOp>(loc, upper, lower);
  span = b.createOrFold<arith::MaxSIOp>(loc, span, zero);
  Value last = b.createOrFold<arith::SubIOp>(loc, step, one);
  Value padded = b.createOrFold<arith::AddIOp>(loc, span, last);
  return b.createOrFold<arith::DivUIOp>(loc, padded, step);
}

/// A stack of values like `state`, which is there before the loop or has a
/// static shape.
Value ForReverse::addStack(Value state, Value count) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op);
  return createStack(b, loc, state, count);
}

/// The ops of `body` that what it yields depends on, but for what only makes
/// `leaves`.
static llvm::SmallPtrSet<Operation *, 32> getLiveOps(Block &body,
                                                     ArrayRef<Value> leaves) {
  llvm::SmallPtrSet<Operation *, 32> live;
  SmallVector<Operation *> worklist{body.getTerminator()};
  for (Operation &op : body.without_terminator())
    if (!wouldOpBeTriviallyDead(&op))
      worklist.push_back(&op);
  while (!worklist.empty()) {
    Operation *op = worklist.pop_back_val();
    if (!live.insert(op).second)
      continue;
    llvm::SetVector<Value> operands(op->operand_begin(), op->operand_end());
    getUsedValuesDefinedAbove(op->getRegions(), operands);
    for (Value operand : operands)
      if (Operation *def = operand.getDefiningOp();
          def && def->getBlock() == &body &&
          !llvm::is_contained(leaves, operand))
        worklist.push_back(def);
  }
  return live;
}

/// Whether an op that is in `live` reads `value`.
static bool isRead(Value value,
                   const llvm::SmallPtrSet<Operation *, 32> &live) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    Operation *inBlock = value.getParentBlock()->findAncestorOpInBlock(*user);
    return inBlock && live.contains(inBlock);
  });
}

/// Whether the results of `op` are better saved than computed again: those of
/// reductions are few for what they cost, and what has been rounded is less
/// than what it was.
static bool isSaved(Operation *op) {
  auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
  if (linalgOp && linalgOp.getNumReductionLoops() != 0)
    return true;
  auto generic = dyn_cast<linalg::GenericOp>(op);
  return generic && isNarrowing(generic);
}

/// What is saved of an iteration is read from stacks, too, rather than computed
/// again. Without a static shape nothing tells how large the stack is before
/// the loop.
void ForReverse::readSaved(IRMapping &mapping, Value number, Value count) {
  SmallVector<std::pair<Value, Value>> saved;
  SmallVector<Value> leaves;
  for (Operation *inner : bodyOps) {
    if (!isSaved(inner))
      continue;
    for (Value result : inner->getResults())
      if (cast<RankedTensorType>(result.getType()).hasStaticShape()) {
        saved.push_back({result, mapping.lookup(result)});
        leaves.push_back(mapping.lookup(result));
      }
  }
  Block *body = b.getInsertionBlock();
  auto live = getLiveOps(*body, leaves);
  OpBuilder::InsertionGuard guard(b);
  for (auto [source, copy] : saved) {
    if (!isRead(copy, live))
      continue;
    Value stack = addStack(source, count);
    b.setInsertionPoint(copy.getDefiningOp());
    Value value = popSlice(b, loc, stack, number, source.getType());
    b.replaceAllUsesWith(copy, value);
    reads.push_back({source, stack, value});
  }
}

/// Replaces the loop by one that also fills the stacks that are read.
void ForReverse::save() {
  SmallVector<Value> inits;
  for (const Read &read : reads)
    inits.push_back(read.stack);
  auto yieldStacks = [&](OpBuilder &builder, Location,
                         ArrayRef<BlockArgument> newArgs) {
    // The number of this iteration.
    Value iv = op.getInductionVar(), lower = op.getLowerBound();
    Value distance = arith::SubIOp::create(builder, loc, iv, lower).getResult();
    Value number = arith::DivUIOp::create(builder, loc, distance, op.getStep());
    if (!number.getType().isIndex())
      number = toIndex(builder, number);
    SmallVector<Value> yields;
    for (auto [read, stack] : llvm::zip(reads, newArgs))
      yields.push_back(pushSlice(builder, loc, read.source, stack, number));
    return yields;
  };
  unsigned states = op.getInitArgs().size();
  op = cast<scf::ForOp>(
      *cast<LoopLikeOpInterface>(op.getOperation())
           .replaceWithAdditionalYields(b, inits,
                                        /*replaceInitOperandUsesInLoop=*/false,
                                        yieldStacks));
  for (auto [i, read] : llvm::enumerate(reads))
    b.replaceUsesWithIf(read.stack, op.getResult(states + i),
                        [&](OpOperand &use) { return use.getOwner() != op; });
}

/// The dimension in which a slice is that of an iteration: it has a single
/// element, at the induction variable.
static std::optional<unsigned> getOwnDim(OffsetSizeAndStrideOpInterface slice,
                                         Value induction) {
  for (auto [dim, offset] : llvm::enumerate(slice.getMixedOffsets()))
    if (offset == OpFoldResult(induction) &&
        isOneInteger(slice.getMixedSizes()[dim]))
      return dim;
  return std::nullopt;
}

/// Whether each iteration reads a slice of its own of `capture`, and nobody
/// else in the loop anything.
bool ForReverse::isReadInSlices(Value capture) {
  std::optional<unsigned> common;
  for (Operation *user : capture.getUsers()) {
    if (!op->isProperAncestor(user))
      continue;
    auto slice = dyn_cast<tensor::ExtractSliceOp>(user);
    auto dim = slice && slice->getBlock() == op.getBody()
                   ? getOwnDim(slice, op.getInductionVar())
                   : std::nullopt;
    if (!dim || common.value_or(*dim) != *dim)
      return false;
    common = dim;
  }
  return common.has_value();
}

/// Whether each iteration writes a slice of its own of what is carried, and
/// nobody in the loop reads any, or asks what flows to what it is at first.
bool ForReverse::isFilled(unsigned index) {
  BlockArgument argument = op.getRegionIterArg(index);
  if (!argument.hasOneUse() || sweep.isActive(op.getInitArgs()[index]))
    return false;
  auto insert = dyn_cast<tensor::InsertSliceOp>(*argument.user_begin());
  return insert && insert.getDest() == argument &&
         insert->getBlock() == op.getBody() &&
         getOwnDim(insert, op.getInductionVar()) &&
         insert.getResult().hasOneUse() &&
         op.getYieldedValues()[index] == insert.getResult();
}

/// The body of the backward loop, at the insertion point.
LogicalResult ForReverse::reverseBody(Value number, Value count,
                                      ValueRange carried) {
  IRMapping mapping;
  Value iv = number;
  if (Type type = op.getInductionVar().getType(); !type.isIndex())
    iv = arith::IndexCastOp::create(b, loc, type, iv);
  iv = b.createOrFold<arith::MulIOp>(loc, iv, op.getStep());
  iv = b.createOrFold<arith::AddIOp>(loc, iv, op.getLowerBound());
  mapping.map(op.getInductionVar(), iv);
  unsigned states = op.getInitArgs().size();
  for (unsigned i = 0; i < states; ++i) {
    Value argument = op.getRegionIterArg(i);
    Value stack = addStack(op.getInitArgs()[i], count);
    Value state = popSlice(b, loc, stack, number, argument.getType());
    reads.push_back({argument, stack, state});
    mapping.map(argument, state);
    if (llvm::is_contained(activeArgs, i))
      sweep.activity.insert(state);
  }
  ReverseSweep inner(b, sweep.activity);
  SmallVector<Value> adjoints(states);
  for (auto [i, index] : llvm::enumerate(activeArgs)) {
    adjoints[index] = carried[i];
    if (isFilled(index))
      inner.ownSlices.insert(carried[i]);
  }
  for (auto [i, capture] : llvm::enumerate(captures)) {
    inner.add(capture, carried[activeArgs.size() + i]);
    if (isReadInSlices(capture))
      inner.ownSlices.insert(carried[activeArgs.size() + i]);
  }
  ValueRange yielded = op.getBody()->getTerminator()->getOperands();
  if (failed(sweepAgain(inner, bodyOps, yielded.take_front(states), mapping,
                        adjoints)))
    return failure();
  SmallVector<Value> yields;
  for (unsigned index : activeArgs)
    yields.push_back(
        inner.getOrZeros(mapping.lookup(op.getRegionIterArg(index))));
  for (Value capture : captures)
    yields.push_back(inner.getOrZeros(capture));
  scf::YieldOp::create(b, loc, yields);
  readSaved(mapping, number, count);
  auto live = getLiveOps(*b.getInsertionBlock(), {});
  llvm::erase_if(reads,
                 [&](const Read &read) { return !isRead(read.value, live); });
  return success();
}

/// The adjoints of the captures; those that are sums of products over the
/// iterations are computed behind the loop.
SmallVector<Value> ForReverse::hoistProducts(scf::ForOp &reversed,
                                             Value count) {
  auto findStack = [&](Value value) {
    for (const Read &read : reads)
      if (read.value == value)
        return read.stack;
    return Value();
  };
  Slices slices{backNumber, count, findStack};
  SmallVector<Value> sums;
  for (unsigned i = 0, e = captures.size(); i < e; ++i)
    sums.push_back(
        hoistAccumulation(b, reversed, activeArgs.size() + i, slices));
  for (auto [i, sum] : llvm::enumerate(sums))
    if (!sum)
      sum = reversed.getResult(activeArgs.size() + i);
  return sums;
}

LogicalResult ForReverse::run() {
  captures = getActiveCaptures(sweep, op);
  bodyOps = getOps(*op.getBody());
  SmallVector<Value> adjoints;
  for (auto [i, argument] : llvm::enumerate(op.getRegionIterArgs())) {
    Type element = getElementTypeOrSelf(argument.getType());
    if (!element.isIntOrIndexOrFloat())
      return op.emitOpError()
             << "cannot be differentiated: it carries " << argument.getType();
    if (!sweep.isActive(argument))
      continue;
    activeArgs.push_back(i);
    adjoints.push_back(sweep.getOrZeros(op.getResult(i)));
  }
  for (Value capture : captures)
    adjoints.push_back(sweep.getOrZeros(capture));
  SmallVector<Value> inits(op.getInitArgs());

  OpBuilder::InsertPoint here = b.saveInsertionPoint();
  scf::ForOp original = op;
  b.setInsertionPoint(original);
  Value count = countIterations();
  b.restoreInsertionPoint(here);

  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  auto reversed =
      scf::ForOp::create(b, loc, zero, count, one, ValueRange(adjoints));
  {
    OpBuilder::InsertionGuard guard(b);
    Block *body = reversed.getBody();
    while (!body->empty())
      b.eraseOp(&body->back());
    b.setInsertionPointToStart(body);
    Value last = arith::SubIOp::create(b, loc, count, one);
    Value number =
        arith::SubIOp::create(b, loc, last, reversed.getInductionVar());
    backNumber = number;
    if (failed(reverseBody(number, count, reversed.getRegionIterArgs())))
      return failure();
  }
  SmallVector<Value> ofCaptures = hoistProducts(reversed, count);
  save();
  // A capture may be what the loop begins with, too.
  for (auto [capture, adjoint] : llvm::zip(captures, ofCaptures))
    sweep.set(capture, adjoint);
  for (auto [i, index] : llvm::enumerate(activeArgs))
    sweep.add(inits[index], reversed.getResult(i));
  return success();
}

std::optional<LogicalResult>
mlir::sparsedrop::reverseControlFlow(ReverseSweep &sweep, Operation *op) {
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return reverseIf(sweep, branch);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return ForReverse(sweep, loop).run();
  return std::nullopt;
}
