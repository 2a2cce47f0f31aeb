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
/// Sums over all dimensions of arrays but one, the channels.
class ChannelSums {
public:
  ChannelSums(OpBuilder &builder, Location loc, Value x, int64_t channel)
      : b(builder), loc(loc), x(x), type(cast<RankedTensorType>(x.getType())),
        channel(channel),
        // What has fewer bits is summed in f32.
        sumType(type.getElementType().isF64() ? b.getF64Type()
                                              : b.getF32Type()) {}

  /// |The sums of x * dx|, in f32; of each sample and then added if they are
  /// taken `apart`.
  Value createSensitivity(Value dx, bool apart);
  /// The means of |x|, in f32.
  Value createImportance();

private:
  using Body = function_ref<Value(OpBuilder &, ValueRange)>;

  /// Adds `body` of the elements of `inputs`, over all dimensions but `kept`.
  Value createSum(ValueRange inputs, ArrayRef<int64_t> kept, Type element,
                  Body body);

  OpBuilder &b;
  Location loc;
  Value x;
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
  SmallVector<Value> both = {x, dx};
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

Value ChannelSums::createImportance() {
  Value count = arith::ConstantIndexOp::create(b, loc, 1);
  for (int64_t dim = 0; dim < type.getRank(); ++dim)
    if (dim != channel)
      count = b.createOrFold<arith::MulIOp>(
          loc, count,
          getValueOrCreateConstantIndexOp(
              b, loc, tensor::getMixedSize(b, loc, x, dim)));
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

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// The only reader of `value`, behind zeros that are put around it.
static OpOperand *getOnlyReader(Value value) {
  while (value.hasOneUse()) {
    OpOperand &use = *value.use_begin();
    auto pad = dyn_cast<tensor::PadOp>(use.getOwner());
    if (!pad)
      return &use;
    if (use.get() != pad.getSource() || !getZeroPad(pad.getResult()))
      return nullptr;
    value = pad.getResult();
  }
  return nullptr;
}

/// What `op`, a dropout, is a factor with. Sums over loops of the terms
/// x w dy, the channels' own left out, are sums of x dx as well as of w dw
/// where the channels are a plain loop that both are indexed by.
static std::optional<ChannelWeight> findChannelWeight(DropoutOp op) {
  OpOperand *use = getOnlyReader(op.getResult());
  auto product = use ? dyn_cast<linalg::LinalgOp>(use->getOwner()) : nullptr;
  if (!product || product.getNumDpsInputs() != 2 || product.isDpsInit(use) ||
      !isProductBody(*product.getBlock()))
    return std::nullopt;
  OpOperand &weight = product->getOpOperand(1 - use->getOperandNumber());
  auto loop = dyn_cast<AffineDimExpr>(
      product.getMatchingIndexingMap(use).getResult(op.getDims().front()));
  if (!loop || !isPlainLoop(product, loop.getPosition()) ||
      !weight.get().hasOneUse())
    return std::nullopt;
  std::optional<int64_t> dim =
      getIndexedDim(product, weight, loop.getPosition());
  auto type = cast<RankedTensorType>(weight.get().getType());
  // Weights are worth it as long as they are fewer.
  if (!dim || (type.hasStaticShape() && op.getType().hasStaticShape() &&
               type.getNumElements() > op.getType().getNumElements()))
    return std::nullopt;
  return ChannelWeight{weight.get(), *dim};
}

void mlir::sparsedrop::findChannelWeights(ReverseSweep &sweep,
                                          ArrayRef<Operation *> ops) {
  for (Operation *op : ops) {
    auto dropout = dyn_cast<DropoutOp>(op);
    if (!dropout || !isMeasured(sweep.activity, dropout))
      continue;
    if (std::optional<ChannelWeight> weight = findChannelWeight(dropout))
      sweep.weights[op] = *weight;
  }
}

//===----------------------------------------------------------------------===//
// Measures
//===----------------------------------------------------------------------===//

/// |The sums of x dx|, of weights or else of what was dropped.
static Value createSensitivity(ReverseSweep &sweep, DropoutOp op, Value dx) {
  auto weight = sweep.weights.find(op);
  if (weight != sweep.weights.end() && !sweep.samplesApart)
    if (Value dw = sweep.lookup(weight->second.value))
      return ChannelSums(sweep.rewriter, op.getLoc(), weight->second.value,
                         weight->second.dim)
          .createSensitivity(dw, /*apart=*/false);
  return ChannelSums(sweep.rewriter, op.getLoc(), op.getSource(),
                     op.getDims().front())
      .createSensitivity(dx, sweep.samplesApart);
}

void mlir::sparsedrop::measureChannels(ReverseSweep &sweep, DropoutOp op,
                                       Value dx) {
  if (!isMeasured(sweep.activity, op))
    return;
  SampleOp sample = getChannelSample(op);
  if (isRequested(sweep.activity, sample.getSensitivity()))
    sweep.add(sample.getSensitivity(), createSensitivity(sweep, op, dx));
  if (isRequested(sweep.activity, sample.getImportance()))
    sweep.add(sample.getImportance(),
              ChannelSums(sweep.rewriter, op.getLoc(), op.getSource(),
                          op.getDims().front())
                  .createImportance());
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
