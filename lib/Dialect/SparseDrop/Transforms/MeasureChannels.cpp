//===- MeasureChannels.cpp - Sensitivities in the backward pass -----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MeasureChannels.h"

#include "LinalgUtils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using mlir::sparsedrop::InsertOp;

namespace {
/// Sums over the dimensions of one dropped value.
class ChannelSums {
public:
  ChannelSums(OpBuilder &builder, DropoutOp op)
      : b(builder), loc(op.getLoc()), source(op.getSource()),
        type(op.getType()), channel(op.getDims().front()),
        // What has fewer bits is summed in f32.
        sumType(type.getElementType().isF64() ? b.getF64Type()
                                              : b.getF32Type()) {}

  /// |The sums over the rest of source * dx|, in f32; of each sample and then
  /// added if they are taken `apart`.
  Value createSensitivity(Value dx, bool apart);
  /// The means of |x|, in f32.
  Value createImportance(Value x);

private:
  using Body = function_ref<Value(OpBuilder &, ValueRange)>;

  /// Adds `body` of the elements of `inputs`, over all dimensions but `kept`.
  Value createSum(ValueRange inputs, ArrayRef<int64_t> kept, Type element,
                  Body body);
  Value toF32(Value sums);

  OpBuilder &b;
  Location loc;
  Value source;
  RankedTensorType type;
  int64_t channel;
  FloatType sumType;
};
} // namespace

/// `value` as a float of another width.
static Value convert(OpBuilder &b, Location loc, Value value, FloatType type) {
  unsigned width = cast<FloatType>(value.getType()).getWidth();
  if (width < type.getWidth())
    return arith::ExtFOp::create(b, loc, type, value);
  if (width > type.getWidth())
    return arith::TruncFOp::create(b, loc, type, value);
  return value;
}

Value ChannelSums::createSum(ValueRange inputs, ArrayRef<int64_t> kept,
                             Type element, Body body) {
  Value first = inputs.front();
  int64_t rank = cast<RankedTensorType>(first.getType()).getRank();
  SmallVector<OpFoldResult> sizes;
  SmallVector<AffineExpr> results;
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::reduction);
  for (int64_t dim : kept) {
    sizes.push_back(tensor::getMixedSize(b, loc, first, dim));
    results.push_back(b.getAffineDimExpr(dim));
    iterators[dim] = utils::IteratorType::parallel;
  }
  SmallVector<AffineMap> maps(inputs.size(), b.getMultiDimIdentityMap(rank));
  maps.push_back(AffineMap::get(rank, 0, results, b.getContext()));
  Value zero = arith::ConstantOp::create(b, loc, b.getFloatAttr(element, 0));
  Value empty = tensor::EmptyOp::create(b, loc, sizes, element);
  Value init = linalg::FillOp::create(b, loc, zero, empty).getResult(0);
  return linalg::GenericOp::create(
             b, loc, init.getType(), inputs, init, maps, iterators,
             [&](OpBuilder &inner, Location, ValueRange arguments) {
               Value term = body(inner, arguments.drop_back());
               Value sum =
                   arith::AddFOp::create(inner, loc, arguments.back(), term);
               linalg::YieldOp::create(inner, loc, sum);
             })
      .getResult(0);
}

Value ChannelSums::createSensitivity(Value dx, bool apart) {
  auto multiply = [&](OpBuilder &inner, ValueRange in) -> Value {
    return arith::MulFOp::create(inner, loc,
                                 convert(inner, loc, in[0], sumType),
                                 convert(inner, loc, in[1], sumType));
  };
  auto magnitude = [&](OpBuilder &inner, ValueRange in) -> Value {
    Value value = in.size() == 1 ? in[0] : multiply(inner, in);
    return convert(inner, loc, math::AbsFOp::create(inner, loc, value),
                   b.getF32Type());
  };
  SmallVector<Value> both = {source, dx};
  bool hasSamples = apart && channel != 0;
  // Each sample is a single element.
  if (hasSamples && type.getRank() == 2)
    return createSum(both, channel, b.getF32Type(), magnitude);
  SmallVector<int64_t> kept = {channel};
  if (hasSamples)
    kept.insert(kept.begin(), 0);
  Value sums = createSum(both, kept, sumType, multiply);
  return createSum(sums, hasSamples ? 1 : 0, b.getF32Type(), magnitude);
}

Value ChannelSums::createImportance(Value x) {
  Value count = arith::ConstantIndexOp::create(b, loc, 1);
  for (int64_t dim = 0; dim < type.getRank(); ++dim)
    if (dim != channel)
      count = b.createOrFold<arith::MulIOp>(
          loc, count,
          getValueOrCreateConstantIndexOp(
              b, loc, tensor::getMixedSize(b, loc, source, dim)));
  Value integer =
      b.createOrFold<arith::IndexCastOp>(loc, b.getI64Type(), count);
  Value number = arith::SIToFPOp::create(b, loc, sumType, integer);
  Value one = arith::ConstantOp::create(b, loc, b.getFloatAttr(sumType, 1));
  Value share = arith::DivFOp::create(b, loc, one, number);
  return createSum(x, channel, b.getF32Type(),
                   [&](OpBuilder &inner, ValueRange in) -> Value {
                     Value value = convert(inner, loc, in[0], sumType);
                     value = math::AbsFOp::create(inner, loc, value);
                     value = arith::MulFOp::create(inner, loc, value, share);
                     return convert(inner, loc, value, b.getF32Type());
                   });
}

/// The draw of a channel pattern.
static SampleOp getChannelSample(DropoutOp op) {
  auto sample = op.getPattern().getDefiningOp<SampleOp>();
  bool isChannel = op.getPattern().getType().getKind() == PatternKind::Channel;
  return isChannel ? sample : SampleOp();
}

/// Whether `value` is an argument of the function that gradients are taken by.
static bool isRequested(const Activity &activity, Value value) {
  return isa_and_present<BlockArgument>(value) && activity.contains(value);
}

bool mlir::sparsedrop::isMeasured(const Activity &activity, DropoutOp op) {
  SampleOp sample = getChannelSample(op);
  return sample && (isRequested(activity, sample.getSensitivity()) ||
                    isRequested(activity, sample.getImportance()));
}

void mlir::sparsedrop::measureChannels(ReverseSweep &sweep, DropoutOp op,
                                       Value dx) {
  if (!isMeasured(sweep.activity, op))
    return;
  SampleOp sample = getChannelSample(op);
  ChannelSums sums(sweep.rewriter, op);
  if (isRequested(sweep.activity, sample.getSensitivity()))
    sweep.add(sample.getSensitivity(),
              sums.createSensitivity(dx, sweep.samplesApart));
  if (isRequested(sweep.activity, sample.getImportance())) {
    Value kept = DropoutOp::create(
        sweep.rewriter, op.getLoc(), op.getType(), op.getSource(),
        op.getPattern(), op.getDimsAttr(), sweep.rewriter.getUnitAttr());
    sweep.add(sample.getImportance(), sums.createImportance(kept));
  }
}

//===----------------------------------------------------------------------===//
// Moving averages
//===----------------------------------------------------------------------===//

/// The draw in the body of `function` whose sensitivities or importances are
/// `argument`.
static SampleOp findSample(func::FuncOp function, BlockArgument argument) {
  for (Operation *user : argument.getUsers()) {
    auto sample = dyn_cast<SampleOp>(user);
    if (sample && sample->getBlock() == &function.front())
      return sample;
  }
  return {};
}

FailureOr<Value> mlir::sparsedrop::updateChannels(ReverseSweep &sweep,
                                                  func::FuncOp function,
                                                  BlockArgument argument,
                                                  double average) {
  Value measured = sweep.lookup(argument);
  // Nothing was dropped by them.
  if (!measured)
    return Value(argument);
  SampleOp sample = findSample(function, argument);
  if (!sample)
    return function.emitOpError()
           << "cannot update argument " << argument.getArgNumber()
           << ": it is marked as sensitivities or importances, but no draw "
              "outside of loops and branches reads it";
  OpBuilder &b = sweep.rewriter;
  Location loc = sample.getLoc();
  Value old = CompactOp::create(b, loc, argument, sample.getPattern(), 0);
  Value fresh = CompactOp::create(b, loc, measured, sample.getPattern(), 0);
  Value share = arith::ConstantOp::create(
      b, loc, b.getF32FloatAttr(static_cast<float>(1 - average)));
  Value updated = createBlend(b, loc, old, fresh, share);
  return InsertOp::create(b, loc, updated, argument, sample.getPattern(),
                          ArrayRef<int64_t>{0})
      .getResult();
}
