//===- CompactUpdate.cpp - The second half of rule C5 ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Momentum, decay and biases are not the identity on dropped units, so a dense
// op remains. It sees zeros for what is dropped; the kept slice of its result
// is then updated. So the expanded operand never exists in full width.
//
//===----------------------------------------------------------------------===//

#include "CompactUpdate.h"
#include "ZeroTest.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

bool mlir::sparsedrop::isElementwise(LinalgOp op) {
  // Regions in the body would have to be emitted twice, with other captures.
  if (op.getNumReductionLoops() != 0 ||
      llvm::any_of(*op.getBlock(),
                   [](Operation &inner) { return inner.getNumRegions() != 0; }))
    return false;
  return llvm::all_of(op.getDpsInitsMutable(), [&](OpOperand &init) {
    return op.getMatchingIndexingMap(&init).isPermutation() &&
           isa<FloatType>(getElementTypeOrSelf(init.get().getType()));
  });
}

/// Emits the results of a body for its arguments; none if it cannot.
using EmitBody =
    function_ref<SmallVector<Value>(OpBuilder &builder, ValueRange arguments)>;

/// A generic op over the loops of `op` with the `inits`, results of which are
/// those of `op` in `results`. Its inputs are those of `op` that the body
/// reads.
static linalg::GenericOp createGeneric(RewriterBase &rewriter, LinalgOp op,
                                       const llvm::BitVector &results,
                                       ArrayRef<Value> inits, EmitBody emit) {
  Location loc = op.getLoc();
  auto body = std::make_unique<Block>();
  for (BlockArgument argument : op.getBlock()->getArguments())
    body->addArgument(argument.getType(), argument.getLoc());
  SmallVector<Value> yields;
  {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(body.get());
    yields = emit(rewriter, body->getArguments());
    if (yields.empty())
      return {};
    linalg::YieldOp::create(rewriter, loc, yields);
  }
  unsigned inputCount = op.getNumDpsInputs();
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  llvm::BitVector unused(body->getNumArguments());
  for (OpOperand *input : op.getDpsInputOperands()) {
    if (body->getArgument(input->getOperandNumber()).use_empty()) {
      unused.set(input->getOperandNumber());
      continue;
    }
    inputs.push_back(input->get());
    maps.push_back(op.getMatchingIndexingMap(input));
  }
  for (unsigned i = 0, e = op->getNumResults(); i < e; ++i) {
    if (results[i])
      maps.push_back(op.getMatchingIndexingMap(op.getDpsInitOperand(i)));
    else
      unused.set(inputCount + i);
  }
  body->eraseArguments(unused);
  auto generic =
      linalg::GenericOp::create(rewriter, loc, TypeRange(inits), inputs, inits,
                                maps, op.getIteratorTypesArray());
  generic.getRegion().push_back(body.release());
  return generic;
}

SmallVector<Value>
mlir::sparsedrop::createDenseResults(CompactionContext &context, LinalgOp op,
                                     const llvm::BitVector &zero,
                                     const llvm::BitVector &dense) {
  RewriterBase &rewriter = context.rewriter;
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(op);
  SmallVector<Value> inits;
  for (unsigned i : dense.set_bits())
    inits.push_back(op.getDpsInits()[i]);
  auto emit = [&](OpBuilder &builder, ValueRange arguments) {
    return emitZeroed(builder, op, dense, zero, arguments);
  };
  auto generic = createGeneric(rewriter, op, dense, inits, emit);
  SmallVector<Value> results(generic.getResults());
  for (auto [i, init] : llvm::enumerate(inits)) {
    TypedAttr constant;
    Value yielded = generic.getBody()->getTerminator()->getOperand(i);
    if (!matchPattern(yielded, m_Constant(&constant)))
      continue;
    Value scalar = arith::ConstantOp::create(rewriter, op.getLoc(), constant);
    results[i] = linalg::FillOp::create(rewriter, op.getLoc(), scalar, init)
                     .getResult(0);
  }
  if (llvm::none_of(results, [&](Value result) {
        return result.getDefiningOp() == generic;
      }))
    rewriter.eraseOp(generic);
  return results;
}

/// `sum + term`, as a difference where the term is negated.
static Value createSum(OpBuilder &builder, Value sum, Value term) {
  auto negation = term.getDefiningOp<arith::NegFOp>();
  if (!negation || !term.use_empty())
    return arith::AddFOp::create(builder, term.getLoc(), sum, term);
  Value difference =
      arith::SubFOp::create(builder, term.getLoc(), sum, negation.getOperand());
  negation.erase();
  return difference;
}

/// The results, of which those in `dense` add to the arguments of their inits;
/// none if they are no such sums.
static SmallVector<Value> emitSums(OpBuilder &builder, LinalgOp op,
                                   const llvm::BitVector &zero,
                                   const llvm::BitVector &dense,
                                   ValueRange arguments) {
  llvm::BitVector none(zero.size()), one(dense.size());
  SmallVector<Value> yields;
  for (unsigned i = 0, e = dense.size(); i < e; ++i) {
    one.reset();
    one.set(i);
    yields.push_back(
        dense[i] ? emitDifference(builder, op, i, zero, arguments)
                 : emitZeroed(builder, op, one, none, arguments).front());
  }
  for (unsigned i : dense.set_bits()) {
    // The argument of the init is the dense result now: nothing else reads it.
    Value init = arguments[op.getNumDpsInputs() + i];
    if (!yields[i] || !init.use_empty())
      return {};
  }
  for (unsigned i : dense.set_bits())
    yields[i] =
        createSum(builder, arguments[op.getNumDpsInputs() + i], yields[i]);
  return yields;
}

LinalgOp mlir::sparsedrop::createUpdate(CompactionContext &context, LinalgOp op,
                                        const llvm::BitVector &zero,
                                        const llvm::BitVector &dense,
                                        ValueRange dests) {
  RewriterBase &rewriter = context.rewriter;
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(op);
  llvm::BitVector all(op->getNumResults(), true);
  SmallVector<Value> inits(op.getDpsInits());
  for (auto [i, dest] : llvm::zip(dense.set_bits(), dests))
    inits[i] = dest;
  auto emitSum = [&](OpBuilder &builder, ValueRange arguments) {
    return emitSums(builder, op, zero, dense, arguments);
  };
  if (auto sum = createGeneric(rewriter, op, all, inits, emitSum))
    return sum;
  // A body that reads its init needs the original one.
  for (unsigned i : dense.set_bits())
    if (!op.getBlock()->getArgument(op.getNumDpsInputs() + i).use_empty())
      inits[i] = op.getDpsInits()[i];
  auto emitAnew = [&](OpBuilder &builder, ValueRange arguments) {
    return emitZeroed(builder, op, all, llvm::BitVector(zero.size()),
                      arguments);
  };
  return createGeneric(rewriter, op, all, inits, emitAnew);
}
