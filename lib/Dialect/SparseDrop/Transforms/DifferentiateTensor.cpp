//===- DifferentiateTensor.cpp - Gradients of tensor ops ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LinalgUtils.h"
#include "MeasureChannels.h"
#include "ReverseSweep.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using mlir::sparsedrop::InsertOp;

namespace {
/// The rules. `g` is the adjoint of the op's only result. All of them are
/// linear: what a tensor op moves, its gradient moves back.
class TensorReverse {
public:
  TensorReverse(ReverseSweep &sweep, Operation *op)
      : sweep(sweep), b(sweep.rewriter), loc(op->getLoc()),
        g(sweep.lookup(op->getResult(0))) {}

  LogicalResult reverse(tensor::CastOp op);
  LogicalResult reverse(tensor::ExtractSliceOp op);
  LogicalResult reverse(tensor::InsertSliceOp op);
  LogicalResult reverse(tensor::ExpandShapeOp op);
  LogicalResult reverse(tensor::CollapseShapeOp op);
  LogicalResult reverse(tensor::PadOp op);
  LogicalResult reverse(tensor::ConcatOp op);
  LogicalResult reverse(tensor::ExtractOp op);
  LogicalResult reverse(tensor::InsertOp op);
  LogicalResult reverse(tensor::FromElementsOp op);
  LogicalResult reverse(tensor::SplatOp op);
  LogicalResult reverse(DropoutOp op);
  LogicalResult reverse(CompactOp op);
  LogicalResult reverse(ExpandOp op);
  LogicalResult reverse(InsertOp op);

private:
  /// Whether nothing has flowed to a slice of `adjoint` yet.
  bool isZero(Value adjoint, ArrayRef<OpFoldResult> offsets,
              ArrayRef<OpFoldResult> sizes, ArrayRef<OpFoldResult> strides);
  /// Adds `part` to a slice of the adjoint of `value`.
  void addToSlice(Value value, Value part, ArrayRef<OpFoldResult> offsets,
                  ArrayRef<OpFoldResult> sizes, ArrayRef<OpFoldResult> strides);

  ReverseSweep &sweep;
  RewriterBase &b;
  Location loc;
  Value g;
};
} // namespace

bool TensorReverse::isZero(Value adjoint, ArrayRef<OpFoldResult> offsets,
                           ArrayRef<OpFoldResult> sizes,
                           ArrayRef<OpFoldResult> strides) {
  // What overlaps is told of slices that go up.
  auto goesUp = [](OpFoldResult stride) {
    return getConstantIntValue(stride).value_or(0) > 0;
  };
  if (!llvm::all_of(strides, goesUp))
    return false;
  while (auto insert = adjoint.getDefiningOp<tensor::InsertSliceOp>()) {
    if (!llvm::all_of(insert.getMixedStrides(), goesUp))
      return false;
    FailureOr<bool> overlap = ValueBoundsConstraintSet::areOverlappingSlices(
        b.getContext(), HyperrectangularSlice(insert),
        HyperrectangularSlice(offsets, sizes, strides));
    if (failed(overlap) || *overlap)
      return false;
    adjoint = insert.getDest();
  }
  if (sweep.ownSlices.contains(adjoint)) {
    auto argument = cast<BlockArgument>(adjoint);
    auto loop = cast<LoopLikeOpInterface>(argument.getOwner()->getParentOp());
    adjoint = loop.getTiedLoopInit(argument)->get();
  }
  return isZeroFill(adjoint);
}

void TensorReverse::addToSlice(Value value, Value part,
                               ArrayRef<OpFoldResult> offsets,
                               ArrayRef<OpFoldResult> sizes,
                               ArrayRef<OpFoldResult> strides) {
  Value existing = sweep.lookup(value);
  if (!existing)
    existing = sweep.createZeros(value);
  if (isZero(existing, offsets, sizes, strides)) {
    sweep.set(value, tensor::InsertSliceOp::create(b, loc, part, existing,
                                                   offsets, sizes, strides));
    return;
  }
  auto type = cast<RankedTensorType>(part.getType());
  Value slice = tensor::ExtractSliceOp::create(b, loc, type, existing, offsets,
                                               sizes, strides);
  Value sum = linalg::AddOp::create(b, loc, ValueRange{slice, part}, slice)
                  .getResult(0);
  sweep.set(value, tensor::InsertSliceOp::create(b, loc, sum, existing, offsets,
                                                 sizes, strides));
}

LogicalResult TensorReverse::reverse(tensor::CastOp op) {
  sweep.add(op.getSource(),
            b.createOrFold<tensor::CastOp>(loc, op.getSource().getType(), g));
  return success();
}

LogicalResult TensorReverse::reverse(tensor::ExtractSliceOp op) {
  addToSlice(op.getSource(), g, op.getMixedOffsets(), op.getMixedSizes(),
             op.getMixedStrides());
  return success();
}

LogicalResult TensorReverse::reverse(tensor::InsertSliceOp op) {
  if (sweep.isActive(op.getSource()))
    sweep.add(op.getSource(),
              tensor::ExtractSliceOp::create(
                  b, loc, cast<RankedTensorType>(op.getSource().getType()), g,
                  op.getMixedOffsets(), op.getMixedSizes(),
                  op.getMixedStrides()));
  if (!sweep.isActive(op.getDest()))
    return success();
  // Nobody comes to this slice again.
  if (sweep.ownSlices.contains(g))
    sweep.add(op.getDest(), g);
  else
    sweep.add(op.getDest(), tensor::InsertSliceOp::create(
                                b, loc, sweep.createZeros(op.getSource()), g,
                                op.getMixedOffsets(), op.getMixedSizes(),
                                op.getMixedStrides()));
  return success();
}

LogicalResult TensorReverse::reverse(tensor::ExpandShapeOp op) {
  sweep.add(op.getSrc(),
            tensor::CollapseShapeOp::create(b, loc, op.getSrcType(), g,
                                            op.getReassociationIndices()));
  return success();
}

LogicalResult TensorReverse::reverse(tensor::CollapseShapeOp op) {
  sweep.add(op.getSrc(),
            tensor::ExpandShapeOp::create(
                b, loc, op.getSrcType(), g, op.getReassociationIndices(),
                tensor::getMixedSizes(b, loc, op.getSrc())));
  return success();
}

LogicalResult TensorReverse::reverse(tensor::PadOp op) {
  Value padding = op.getConstantPaddingValue();
  if (!padding || sweep.isActive(padding))
    return op.emitOpError() << "cannot be differentiated: it pads with a value "
                               "that is not a constant";
  SmallVector<OpFoldResult> strides(op.getSourceType().getRank(),
                                    b.getIndexAttr(1));
  sweep.add(op.getSource(),
            tensor::ExtractSliceOp::create(
                b, loc, op.getSourceType(), g, op.getMixedLowPad(),
                tensor::getMixedSizes(b, loc, op.getSource()), strides));
  return success();
}

LogicalResult TensorReverse::reverse(tensor::ConcatOp op) {
  int64_t dim = op.getDim(), rank = op.getResultType().getRank();
  SmallVector<OpFoldResult> offsets(rank, b.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(rank, b.getIndexAttr(1));
  for (Value input : op.getInputs()) {
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, input);
    if (sweep.isActive(input))
      sweep.add(input, tensor::ExtractSliceOp::create(
                           b, loc, cast<RankedTensorType>(input.getType()), g,
                           offsets, sizes, strides));
    Value next = b.createOrFold<arith::AddIOp>(
        loc, getValueOrCreateConstantIndexOp(b, loc, offsets[dim]),
        getValueOrCreateConstantIndexOp(b, loc, sizes[dim]));
    offsets[dim] = getAsOpFoldResult(next);
  }
  return success();
}

LogicalResult TensorReverse::reverse(tensor::ExtractOp op) {
  Value adjoint = sweep.getOrZeros(op.getTensor());
  Value old = tensor::ExtractOp::create(b, loc, adjoint, op.getIndices());
  Value sum = arith::AddFOp::create(b, loc, old, g);
  sweep.set(op.getTensor(),
            tensor::InsertOp::create(b, loc, sum, adjoint, op.getIndices()));
  return success();
}

LogicalResult TensorReverse::reverse(tensor::InsertOp op) {
  if (sweep.isActive(op.getScalar()))
    sweep.add(op.getScalar(),
              tensor::ExtractOp::create(b, loc, g, op.getIndices()));
  if (sweep.isActive(op.getDest()))
    sweep.add(op.getDest(), tensor::InsertOp::create(
                                b, loc, sweep.createZeros(op.getScalar()), g,
                                op.getIndices()));
  return success();
}

LogicalResult TensorReverse::reverse(tensor::FromElementsOp op) {
  ArrayRef<int64_t> shape = op.getType().getShape();
  for (auto [i, element] : llvm::enumerate(op.getElements())) {
    if (!sweep.isActive(element))
      continue;
    SmallVector<Value> indices(shape.size());
    int64_t rest = static_cast<int64_t>(i);
    for (size_t dim = shape.size(); dim-- > 0; rest /= shape[dim])
      indices[dim] = arith::ConstantIndexOp::create(b, loc, rest % shape[dim]);
    sweep.add(element, tensor::ExtractOp::create(b, loc, g, indices));
  }
  return success();
}

LogicalResult TensorReverse::reverse(tensor::SplatOp op) {
  SmallVector<int64_t> dims;
  for (int64_t i = 0, e = op.getType().getRank(); i < e; ++i)
    dims.push_back(i);
  Value zero = sweep.createZeros(op.getInput());
  Value init = tensor::FromElementsOp::create(
      b, loc, RankedTensorType::get({}, op.getInput().getType()), zero);
  Value sum = linalg::ReduceOp::create(
                  b, loc, ValueRange{g}, ValueRange{init}, dims,
                  [](OpBuilder &builder, Location l, ValueRange arguments) {
                    Value added = arith::AddFOp::create(
                        builder, l, arguments[0], arguments[1]);
                    linalg::YieldOp::create(builder, l, added);
                  })
                  .getResult(0);
  sweep.add(op.getInput(),
            tensor::ExtractOp::create(b, loc, sum, ValueRange()));
  return success();
}

LogicalResult TensorReverse::reverse(DropoutOp op) {
  Value dx = DropoutOp::create(b, loc, op.getType(), g, op.getPattern(),
                               op.getDimsAttr(), op.getUnscaledAttr());
  measureChannels(sweep, op, dx);
  sweep.add(op.getSource(), dx);
  return success();
}

LogicalResult TensorReverse::reverse(CompactOp op) {
  sweep.add(op.getSource(),
            ExpandOp::create(b, loc, op.getSource().getType(), g,
                             op.getPattern(), op.getDimsAttr()));
  return success();
}

LogicalResult TensorReverse::reverse(ExpandOp op) {
  Value compact = CompactOp::create(b, loc, g, op.getPattern(), op.getDim());
  sweep.add(op.getSource(), b.createOrFold<tensor::CastOp>(
                                loc, op.getSource().getType(), compact));
  return success();
}

LogicalResult TensorReverse::reverse(InsertOp op) {
  if (sweep.isActive(op.getSource())) {
    Value compact = CompactOp::create(b, loc, g, op.getPattern(), op.getDim());
    sweep.add(op.getSource(), b.createOrFold<tensor::CastOp>(
                                  loc, op.getSource().getType(), compact));
  }
  if (sweep.isActive(op.getDest()))
    sweep.add(op.getDest(),
              InsertOp::create(b, loc, sweep.createZeros(op.getSource()), g,
                               op.getPattern(), op.getDimsAttr()));
  return success();
}

std::optional<LogicalResult>
mlir::sparsedrop::reverseTensorOp(ReverseSweep &sweep, Operation *op) {
  if (op->getNumResults() != 1)
    return std::nullopt;
  TensorReverse rules(sweep, op);
  return llvm::TypeSwitch<Operation *, std::optional<LogicalResult>>(op)
      .Case<tensor::CastOp, tensor::ExtractSliceOp, tensor::InsertSliceOp,
            tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::PadOp,
            tensor::ConcatOp, tensor::ExtractOp, tensor::InsertOp,
            tensor::FromElementsOp, tensor::SplatOp, DropoutOp, CompactOp,
            ExpandOp, InsertOp>(
          [&](auto typed) { return rules.reverse(typed); })
      .Default([](Operation *) { return std::nullopt; });
}
