//===- ReverseSweep.cpp - Reverse-mode differentiation --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReverseSweep.h"
#include "MeasureChannels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mlir::sparsedrop;

//===----------------------------------------------------------------------===//
// Activity
//===----------------------------------------------------------------------===//

bool Activity::insert(Value value) {
  Type type = value.getType();
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    type = tensor.getElementType();
  return isa<FloatType>(type) && active.insert(value).second;
}

void Activity::propagate(Operation &op) {
  bool reads = llvm::any_of(op.getOperands(),
                            [&](Value value) { return contains(value); });
  if (!reads && op.getNumRegions() != 0) {
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(op.getRegions(), captured);
    reads =
        llvm::any_of(captured, [&](Value value) { return contains(value); });
  }
  // What is dropped need not be: its channels are measured by its adjoint.
  if (auto dropout = dyn_cast<DropoutOp>(op))
    reads |= isMeasured(*this, dropout);
  if (!reads)
    return;
  for (Value result : op.getResults())
    insert(result);
  // What a body computes is the business of its op's rule.
  if (isa<linalg::LinalgOp>(op))
    return;
  if (auto loop = dyn_cast<LoopLikeOpInterface>(op))
    for (Value carried : loop.getRegionIterArgs())
      insert(carried);
  for (Region &region : op.getRegions())
    for (Operation &inner : region.getOps())
      propagate(inner);
}

//===----------------------------------------------------------------------===//
// Adjoints
//===----------------------------------------------------------------------===//

Value ReverseSweep::createZeros(Value value) {
  Location loc = value.getLoc();
  auto type = dyn_cast<RankedTensorType>(value.getType());
  Type element = type ? type.getElementType() : value.getType();
  Value zero =
      arith::ConstantOp::create(rewriter, loc, rewriter.getZeroAttr(element));
  if (!type)
    return zero;
  Value empty = tensor::EmptyOp::create(
      rewriter, loc, tensor::getMixedSizes(rewriter, loc, value), element);
  return linalg::FillOp::create(rewriter, loc, zero, empty).getResult(0);
}

Value ReverseSweep::getOrZeros(Value value) {
  Value adjoint = lookup(value);
  return adjoint ? adjoint : createZeros(value);
}

void ReverseSweep::add(Value value, Value contribution) {
  if (!isActive(value))
    return;
  Value &adjoint = adjoints[value];
  if (!adjoint) {
    adjoint = contribution;
    return;
  }
  Location loc = value.getLoc();
  if (!isa<RankedTensorType>(value.getType())) {
    adjoint = arith::AddFOp::create(rewriter, loc, adjoint, contribution);
    return;
  }
  Value empty = tensor::EmptyOp::create(
      rewriter, loc, tensor::getMixedSizes(rewriter, loc, adjoint),
      getElementTypeOrSelf(value.getType()));
  adjoint = linalg::AddOp::create(rewriter, loc,
                                  ValueRange{adjoint, contribution}, empty)
                .getResult(0);
}

//===----------------------------------------------------------------------===//
// The sweep
//===----------------------------------------------------------------------===//

/// arith and math on scalars.
static LogicalResult reverseScalar(ReverseSweep &sweep, Operation *op) {
  Value adjoint = sweep.lookup(op->getResult(0));
  for (OpOperand &operand : op->getOpOperands()) {
    if (!sweep.isActive(operand.get()))
      continue;
    FailureOr<Value> gradient = emitScalarGradient(
        sweep.rewriter, op, operand.getOperandNumber(), adjoint,
        [](Value value) { return value; },
        [&](Value value) { return sweep.isActive(value); });
    if (failed(gradient))
      return op->emitOpError() << "cannot be differentiated";
    if (*gradient)
      sweep.add(operand.get(), *gradient);
  }
  return success();
}

LogicalResult ReverseSweep::reverse(Operation *op) {
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    return reverseLinalg(*this, linalgOp);
  if (std::optional<LogicalResult> done = reverseTensorOp(*this, op))
    return *done;
  if (std::optional<LogicalResult> done = reverseControlFlow(*this, op))
    return *done;
  if (op->getNumResults() == 1 && op->getNumRegions() == 0 &&
      isa<FloatType>(op->getResult(0).getType()))
    return reverseScalar(*this, op);
  return op->emitOpError() << "cannot be differentiated";
}

LogicalResult ReverseSweep::run(ArrayRef<Operation *> ops) {
  for (Operation *op : llvm::reverse(ops)) {
    bool hasAdjoint = llvm::any_of(
        op->getResults(), [&](Value result) { return lookup(result); });
    if (hasAdjoint && failed(reverse(op)))
      return failure();
  }
  return success();
}
