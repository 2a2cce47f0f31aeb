//===- HoistScales.cpp - Moves scales behind products ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A dropout scales what it keeps. Where it feeds a product, which is linear in
// it, the factor is applied to the sum instead: one multiplication an output
// instead of one an input, all factors of a product merged, in f32 and before
// rounding to the storage type. The masked reference does the same, so that
// both agree to rounding.
//
//===----------------------------------------------------------------------===//

#include "LinalgUtils.h"
#include "ZeroTest.h"

#include "sparsedrop/Dialect/SparseDrop/Transforms/Transforms.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

/// The dropout that scales `value`, zeros around it or not; null if none does.
static DropoutOp getScaling(Value value) {
  while (tensor::PadOp pad = getZeroPad(value))
    value = pad.getSource();
  auto dropout = value.getDefiningOp<DropoutOp>();
  return dropout && !dropout.getUnscaled() ? dropout : DropoutOp();
}

/// `value` without the scale of its dropout.
static Value createUnscaled(RewriterBase &rewriter, Value value) {
  if (tensor::PadOp pad = getZeroPad(value)) {
    IRMapping mapping;
    mapping.map(pad.getSource(), createUnscaled(rewriter, pad.getSource()));
    return rewriter.clone(*pad, mapping)->getResult(0);
  }
  auto dropout = value.getDefiningOp<DropoutOp>();
  return DropoutOp::create(rewriter, dropout.getLoc(), dropout.getType(),
                           dropout.getSource(), dropout.getPattern(),
                           dropout.getDims(), /*unscaled=*/true);
}

/// The inputs of `op` whose scale can be applied to its result instead.
static SmallVector<OpOperand *> getScaledInputs(LinalgOp op) {
  SmallVector<OpOperand *> inputs;
  for (OpOperand *input : op.getDpsInputOperands())
    if (getScaling(input->get()) &&
        isLinearIn(op, 0, input->getOperandNumber()))
      inputs.push_back(input);
  return inputs;
}

/// The type that sums are scaled in: f32, or f64 where an operand has it.
static FloatType getWideType(LinalgOp op) {
  for (Type type : op->getOperandTypes())
    if (getElementTypeOrSelf(type).isF64())
      return Float64Type::get(op.getContext());
  return Float32Type::get(op.getContext());
}

static Value createZeros(RewriterBase &rewriter, Location loc, Value like,
                         FloatType element) {
  Value empty = tensor::EmptyOp::create(
      rewriter, loc, tensor::getMixedSizes(rewriter, loc, like), element);
  Value zero =
      arith::ConstantOp::create(rewriter, loc, rewriter.getZeroAttr(element));
  return linalg::FillOp::create(rewriter, loc, zero, empty).getResult(0);
}

/// Rebuilds the product `term` of the body of `op` with factors of type `wide`.
static Value widenTerm(OpBuilder &b, Location loc, Value term, FloatType wide,
                       const IRMapping &arguments) {
  if (Value argument = arguments.lookupOrNull(term)) {
    if (argument.getType() == wide)
      return argument;
    return arith::ExtFOp::create(b, loc, wide, argument);
  }
  Operation *op = term.getDefiningOp();
  Value lhs = widenTerm(b, loc, op->getOperand(0), wide, arguments);
  if (isa<arith::ExtFOp, arith::TruncFOp>(op))
    return lhs;
  if (isa<arith::NegFOp>(op))
    return arith::NegFOp::create(b, loc, lhs);
  Value rhs = widenTerm(b, loc, op->getOperand(1), wide, arguments);
  return arith::MulFOp::create(b, loc, lhs, rhs);
}

/// The sum of `op` over zeros, with an accumulator of type `wide`: the same op
/// where it has that type already, else a generic one.
static Value createWideSum(RewriterBase &rewriter, LinalgOp op, FloatType wide,
                           ArrayRef<Value> inputs) {
  Location loc = op.getLoc();
  Value init = createZeros(rewriter, loc, op.getDpsInits()[0], wide);
  auto type = cast<RankedTensorType>(init.getType());
  SmallVector<Value> operands(inputs);
  operands.push_back(init);
  if (cast<RankedTensorType>(op->getResult(0).getType()).getElementType() ==
      wide)
    return clone(rewriter, op.getOperation(), type, operands)->getResult(0);

  Block *old = op.getBlock();
  auto add =
      cast<arith::AddFOp>(old->getTerminator()->getOperand(0).getDefiningOp());
  Value oldInit = old->getArguments().back();
  Value term = add.getLhs() == oldInit ? add.getRhs() : add.getLhs();
  auto sum = linalg::GenericOp::create(
      rewriter, loc, type, inputs, init, op.getIndexingMapsArray(),
      op.getIteratorTypesArray(),
      [&](OpBuilder &b, Location l, ValueRange arguments) {
        IRMapping mapping;
        mapping.map(old->getArguments(), arguments);
        Value wideTerm = widenTerm(b, l, term, wide, mapping);
        linalg::YieldOp::create(
            b, l,
            arith::AddFOp::create(b, l, arguments.back(), wideTerm)
                .getResult());
      });
  sum->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  return sum.getResult(0);
}

/// `init + scale * sum`, rounded once to the type of `init`.
static Value createScaledAdd(RewriterBase &rewriter, Location loc, Value init,
                             Value sum, Value scale) {
  auto type = cast<RankedTensorType>(init.getType());
  bool accumulates = !isZeroFill(init);
  Value empty = tensor::EmptyOp::create(
      rewriter, loc, tensor::getMixedSizes(rewriter, loc, init),
      type.getElementType());
  SmallVector<Value> inputs{sum};
  if (accumulates)
    inputs.push_back(init);
  AffineMap identity = rewriter.getMultiDimIdentityMap(type.getRank());
  SmallVector<AffineMap> maps(inputs.size() + 1, identity);
  SmallVector<utils::IteratorType> iterators(type.getRank(),
                                             utils::IteratorType::parallel);
  auto body = [&](OpBuilder &b, Location l, ValueRange arguments) {
    Type wide = arguments[0].getType(), element = type.getElementType();
    Value factor = scale;
    if (wide != scale.getType())
      factor = arith::ExtFOp::create(b, l, wide, factor);
    Value result = arith::MulFOp::create(b, l, arguments[0], factor);
    if (accumulates) {
      Value start = arguments[1];
      if (wide != element)
        start = arith::ExtFOp::create(b, l, wide, start);
      result = arith::AddFOp::create(b, l, start, result);
    }
    if (wide != element)
      result = arith::TruncFOp::create(b, l, element, result);
    linalg::YieldOp::create(b, l, result);
  };
  return linalg::GenericOp::create(rewriter, loc, type, inputs, empty, maps,
                                   iterators, body)
      .getResult(0);
}

static bool hoistScales(RewriterBase &rewriter, LinalgOp op) {
  if (!op.hasPureTensorSemantics() || op->getNumResults() != 1 ||
      op.getNumReductionLoops() == 0)
    return false;
  SmallVector<OpOperand *> scaled = getScaledInputs(op);
  if (scaled.empty())
    return false;
  rewriter.setInsertionPoint(op);
  Location loc = op.getLoc();
  SmallVector<Value> inputs(op.getDpsInputs());
  Value scale;
  for (OpOperand *input : scaled) {
    inputs[input->getOperandNumber()] = createUnscaled(rewriter, input->get());
    Value factor = rewriter.createOrFold<ScaleOp>(
        loc, getScaling(input->get()).getPattern());
    scale =
        scale ? arith::MulFOp::create(rewriter, loc, scale, factor) : factor;
  }
  Value init = op.getDpsInits()[0];
  FloatType wide = getWideType(op);
  Value sum = createWideSum(rewriter, op, wide, inputs);
  rewriter.replaceOp(op, createScaledAdd(rewriter, loc, init, sum, scale));
  return true;
}

void mlir::sparsedrop::hoistDropoutScales(RewriterBase &rewriter,
                                          Operation *root) {
  OpBuilder::InsertionGuard guard(rewriter);
  // Users behind what they use.
  SmallVector<Operation *> scaling;
  root->walk([&](Operation *op) {
    if (isa<DropoutOp, tensor::PadOp>(op))
      scaling.push_back(op);
  });
  SmallVector<LinalgOp> ops;
  root->walk([&](LinalgOp op) { ops.push_back(op); });
  for (LinalgOp op : ops)
    hoistScales(rewriter, op);
  for (Operation *op : llvm::reverse(scaling))
    if (op->use_empty())
      rewriter.eraseOp(op);
}
