//===- SparseDropPatternOps.cpp - Ops that make and read patterns ---------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"
#include "sparsedrop/Sampling/Distribution.h"
#include "sparsedrop/Sampling/Pattern.h"
#include "sparsedrop/Sampling/Philox.h"
#include "sparsedrop/Sampling/Search.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// Number of units (tile columns, tiles) of a pattern over static extents.
static int64_t countUnits(PatternType type, ArrayRef<int64_t> extents) {
  if (type.getKind() != PatternKind::Tile)
    return llvm::divideCeilSigned(extents[0], type.getGranularity());
  int64_t columns = llvm::divideCeilSigned(extents[1], type.getTile()[1]);
  if (type.getOrder() == TileOrder::Skewed)
    return columns;
  return columns * llvm::divideCeilSigned(extents[0], type.getTile()[0]);
}

/// The values of `operands` if all are constants.
static std::optional<SmallVector<int64_t>> getConstants(ValueRange operands) {
  SmallVector<int64_t> values;
  for (Value operand : operands) {
    APInt value;
    if (!matchPattern(operand, m_ConstantInt(&value)))
      return std::nullopt;
    values.push_back(value.getSExtValue());
  }
  return values;
}

static LogicalResult verifyExtents(Operation *op, PatternType type,
                                   ValueRange extents) {
  if (static_cast<int64_t>(extents.size()) != type.getRank())
    return op->emitOpError()
           << "expects " << type.getRank() << " extents for kind '"
           << stringifyPatternKind(type.getKind()) << "', but got "
           << extents.size();
  for (Value extent : extents) {
    APInt value;
    if (matchPattern(extent, m_ConstantInt(&value)) && value.isNegative())
      return op->emitOpError() << "expects extents of at least 0, but got "
                               << value.getSExtValue();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// SampleOp
//===----------------------------------------------------------------------===//

/// Periods that have a probability must not exceed the units.
static LogicalResult verifyPeriods(SampleOp op, ArrayRef<double> distribution) {
  std::optional<SmallVector<int64_t>> extents = getConstants(op.getExtents());
  if (!extents)
    return success();
  int64_t units = countUnits(op.getPattern().getType(), *extents);
  for (auto [i, p] : llvm::enumerate(distribution))
    if (p > 0 && static_cast<int64_t>(i) + 1 > std::max<int64_t>(units, 1))
      return op.emitOpError()
             << "expects periods of at most " << units
             << ", the number of units, but the distribution gives period "
             << i + 1 << " a probability of " << p;
  return success();
}

/// Checks `max_period` of a sample that has one.
static LogicalResult verifyMaxPeriod(SampleOp op) {
  if (op.getPattern().getType().getKind() == PatternKind::Channel)
    return op.emitOpError() << "expects max_period for periodic kinds only";
  if (op.getDistribution())
    return op.emitOpError()
           << "expects max_period or a distribution, but got both";
  int64_t period = *op.getMaxPeriod();
  if (period < 1 || period > sampling::kLongestPeriod)
    return op.emitOpError()
           << "expects max_period in [1, " << sampling::kLongestPeriod
           << "], but got " << period;
  return success();
}

/// Checks sensitivities or importances: of kind channel, one for each channel.
static LogicalResult verifyChannels(SampleOp op, Value values, StringRef what) {
  if (!values)
    return success();
  if (op.getPattern().getType().getKind() != PatternKind::Channel)
    return op.emitOpError() << "expects " << what << " for kind 'channel' only";
  int64_t size = cast<RankedTensorType>(values.getType()).getDimSize(0);
  APInt channels;
  if (!ShapedType::isDynamic(size) &&
      matchPattern(op.getExtents()[0], m_ConstantInt(&channels)) &&
      channels.getSExtValue() != size)
    return op.emitOpError()
           << "expects " << what << " of " << channels.getSExtValue()
           << " channels, but got " << size;
  return success();
}

/// Checks what only samples of kind channel have.
static LogicalResult verifyChannelSample(SampleOp op) {
  bool isChannel = op.getPattern().getType().getKind() == PatternKind::Channel;
  if (isChannel != static_cast<bool>(op.getCount()))
    return op.emitOpError()
           << (isChannel ? "expects a count of channels to keep"
                         : "expects a count for kind 'channel' only");
  if (failed(verifyChannels(op, op.getSensitivity(), "sensitivities")) ||
      failed(verifyChannels(op, op.getImportance(), "importances")))
    return failure();
  double temperature = op.getTemperature().convertToDouble();
  if (temperature == 0 || std::isnan(temperature))
    return op.emitOpError()
           << "expects a temperature other than 0, but got " << temperature;
  if (op.getScale() == ScaleMode::Energy && !op.getImportance())
    return op.emitOpError() << "expects importances for scale 'energy'";
  APInt count, channels;
  if (!isChannel || !matchPattern(op.getCount(), m_ConstantInt(&count)) ||
      !matchPattern(op.getExtents()[0], m_ConstantInt(&channels)))
    return success();
  if (count.isStrictlyPositive() && count.sle(channels))
    return success();
  // An empty dimension has nothing to keep.
  if (channels.isZero() && count.isZero())
    return success();
  return op.emitOpError() << "expects to keep between 1 and "
                          << channels.getSExtValue() << " channels, but got "
                          << count.getSExtValue();
}

LogicalResult SampleOp::verify() {
  PatternType type = getPattern().getType();
  if (failed(verifyExtents(*this, type, getExtents())))
    return failure();
  if (getSite().empty())
    return emitOpError() << "expects a site name, but got an empty string";
  double rate = getRate().convertToDouble();
  if (!(rate >= 0 && rate < 1))
    return emitOpError() << "expects a rate in [0, 1), but got " << rate;
  bool isChannel = type.getKind() == PatternKind::Channel;
  bool channelScale =
      getScale() != ScaleMode::Target && getScale() != ScaleMode::Pattern;
  if (isChannel != channelScale)
    return emitOpError() << "expects a scale of kind '"
                         << stringifyPatternKind(type.getKind())
                         << "', but got '" << stringifyScaleMode(getScale())
                         << "'";
  if (failed(verifyChannelSample(*this)))
    return failure();
  if (getMaxPeriod() && failed(verifyMaxPeriod(*this)))
    return failure();
  if (!getDistribution())
    return success();
  if (isChannel)
    return emitOpError() << "expects a distribution for periodic kinds only";
  SmallVector<int32_t> millionths(getDistribution()->size());
  std::string message;
  if (!sampling::roundToMillionths(getDistribution()->data(),
                                   getDistribution()->size(), millionths.data(),
                                   message))
    return emitOpError() << "has a bad distribution: " << message;
  double mean = sampling::meanRate(millionths.data(), millionths.size());
  if (std::abs(mean - rate) > 1e-3)
    return emitOpError() << "expects a distribution with the mean rate " << rate
                         << ", but got one with " << mean;
  return verifyPeriods(*this, *getDistribution());
}

namespace {
/// Draws at compile time when seed, step, extents and index are constants.
struct FoldConstantSample : public OpRewritePattern<SampleOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(SampleOp op,
                                PatternRewriter &rewriter) const override {
    PatternType type = op.getPattern().getType();
    if (type.getKind() == PatternKind::Channel || !op.getDistribution())
      return rewriter.notifyMatchFailure(op, "not a periodic pattern with a "
                                             "distribution");
    SmallVector<Value> inputs{op.getSeed(), op.getStep()};
    if (op.getIndex())
      inputs.push_back(op.getIndex());
    std::optional<SmallVector<int64_t>> drawn = getConstants(inputs);
    std::optional<SmallVector<int64_t>> extents = getConstants(op.getExtents());
    if (!drawn || !extents)
      return rewriter.notifyMatchFailure(op, "not all operands are constants");

    ArrayRef<double> distribution = *op.getDistribution();
    SmallVector<int32_t> millionths(distribution.size());
    std::string message;
    if (!sampling::roundToMillionths(distribution.data(), distribution.size(),
                                     millionths.data(), message))
      return rewriter.notifyMatchFailure(op, "bad distribution");
    uint64_t hash =
        sampling::siteHash(op.getSite().data(), op.getSite().size());
    if (op.getIndex())
      hash = sampling::siteHashIndex(hash, (*drawn)[2]);
    sampling::RowPattern pattern = sampling::draw(
        (*drawn)[0], (*drawn)[1], hash, millionths.data(), millionths.size());
    double factor = pattern.period;
    if (op.getScale() == ScaleMode::Target)
      factor =
          1 / (1 - sampling::meanRate(millionths.data(), millionths.size()));

    Location loc = op.getLoc();
    auto index = [&](int64_t value) -> Value {
      return arith::ConstantIndexOp::create(rewriter, loc, value);
    };
    Value scale =
        arith::ConstantFloatOp::create(rewriter, loc, rewriter.getF32Type(),
                                       APFloat(static_cast<float>(factor)));
    rewriter.replaceOpWithNewOp<MakePatternOp>(op, type, index(pattern.period),
                                               index(pattern.bias), Value(),
                                               op.getExtents(), scale);
    return success();
  }
};
} // namespace

void SampleOp::getCanonicalizationPatterns(RewritePatternSet &results,
                                           MLIRContext *context) {
  results.add<FoldConstantSample>(context);
}

//===----------------------------------------------------------------------===//
// MakePatternOp
//===----------------------------------------------------------------------===//

/// Checks what is constant of an explicit period and bias.
static LogicalResult verifyPeriodAndBias(MakePatternOp op) {
  PatternType type = op.getPattern().getType();
  APInt constant;
  std::optional<int64_t> period, bias;
  if (matchPattern(op.getPeriod(), m_ConstantInt(&constant)))
    period = constant.getSExtValue();
  if (matchPattern(op.getBias(), m_ConstantInt(&constant)))
    bias = constant.getSExtValue();
  if (period && *period < 1)
    return op.emitOpError()
           << "expects a period of at least 1, but got " << *period;
  if (bias && (*bias < 0 || (period && *bias >= *period)))
    return op.emitOpError() << "expects a bias of at least 0 and less than the "
                               "period, but got "
                            << *bias;
  std::optional<SmallVector<int64_t>> extents = getConstants(op.getExtents());
  if (!extents || !period)
    return success();
  int64_t units = countUnits(type, *extents);
  if (*period > std::max<int64_t>(units, 1))
    return op.emitOpError() << "expects a period of at most " << units
                            << ", the number of units, but got " << *period;
  return success();
}

LogicalResult MakePatternOp::verify() {
  PatternType type = getPattern().getType();
  if (failed(verifyExtents(*this, type, getExtents())))
    return failure();
  bool isChannel = type.getKind() == PatternKind::Channel;
  if (isChannel) {
    if (!getKept() || getPeriod() || getBias())
      return emitOpError() << "expects a list of kept channels, and neither "
                              "period nor bias, for kind 'channel'";
    return success();
  }
  if (getKept() || !getPeriod() || !getBias())
    return emitOpError() << "expects period and bias, and no list of kept "
                            "units, for kind '"
                         << stringifyPatternKind(type.getKind()) << "'";
  return verifyPeriodAndBias(*this);
}

//===----------------------------------------------------------------------===//
// Ops that make patterns of patterns
//===----------------------------------------------------------------------===//

bool mlir::sparsedrop::isDerivedPattern(Operation *op) {
  return isa<SlicePatternOp, StretchPatternOp, ClassPatternOp>(op);
}

bool mlir::sparsedrop::isPatternMaker(Operation *op) {
  return isa<SampleOp, MakePatternOp>(op) || isDerivedPattern(op);
}

LogicalResult SlicePatternOp::verify() {
  PatternType type = getPattern().getType();
  int64_t granularity =
      type.getKind() == PatternKind::Row ? type.getGranularity() : 1;
  std::optional<SmallVector<int64_t>> offset = getConstants({getOffset()});
  if (offset && (offset->front() < 0 || offset->front() % granularity != 0))
    return emitOpError() << "expects an offset that granularity " << granularity
                         << " divides, but got " << offset->front();
  return success();
}

LogicalResult StretchPatternOp::verify() {
  int64_t factor = static_cast<int64_t>(getFactor());
  if (factor < 1)
    return emitOpError() << "expects a factor of at least 1, but got "
                         << factor;
  int64_t expected = getSource().getType().getGranularity() * factor;
  if (getPattern().getType().getGranularity() != expected)
    return emitOpError() << "expects a granularity of " << expected
                         << ", but got "
                         << getPattern().getType().getGranularity();
  return success();
}

LogicalResult ClassPatternOp::verify() {
  int64_t dim = getDim();
  if (dim < 0 || dim > 1)
    return emitOpError() << "expects dim 0 (rows) or 1 (columns), but got "
                         << dim;
  int64_t expected = getSource().getType().getTile()[dim];
  if (getPattern().getType().getGranularity() != expected)
    return emitOpError() << "expects the granularity " << expected
                         << " of the tile, but got "
                         << getPattern().getType().getGranularity();
  return success();
}

//===----------------------------------------------------------------------===//
// Ops that read patterns
//===----------------------------------------------------------------------===//

OpFoldResult KeptCountOp::fold(FoldAdaptor) {
  auto pattern = getPattern().getDefiningOp<MakePatternOp>();
  if (!pattern)
    return {};
  auto index = [&](int64_t value) {
    return IntegerAttr::get(IndexType::get(getContext()), value);
  };
  // What is wrong with a list is known at run time, and all is kept then.
  if (pattern.getKept())
    return {};
  std::optional<SmallVector<int64_t>> values = getConstants(
      {pattern.getPeriod(), pattern.getBias(), pattern.getExtents().front()});
  if (!values || (*values)[0] < 1)
    return {};
  return index(sampling::keptCount((*values)[2],
                                   getPattern().getType().getGranularity(),
                                   {(*values)[0], (*values)[1]}));
}

LogicalResult MaskOp::verify() {
  int64_t rank = cast<ShapedType>(getMask().getType()).getRank();
  if (rank != getPattern().getType().getRank())
    return emitOpError() << "expects a mask of rank "
                         << getPattern().getType().getRank() << ", but got "
                         << getMask().getType();
  return success();
}

LogicalResult ExtentOp::verify() {
  if (static_cast<int64_t>(getDim()) >= getPattern().getType().getRank() ||
      static_cast<int64_t>(getDim()) < 0)
    return emitOpError() << "expects dim in [0, "
                         << getPattern().getType().getRank() << "), but got "
                         << getDim();
  return success();
}

OpFoldResult ExtentOp::fold(FoldAdaptor) {
  Operation *op = getPattern().getDefiningOp();
  if (auto sample = dyn_cast_or_null<SampleOp>(op))
    return sample.getExtents()[getDim()];
  if (auto pattern = dyn_cast_or_null<MakePatternOp>(op))
    return pattern.getExtents()[getDim()];
  if (auto slice = dyn_cast_or_null<SlicePatternOp>(op))
    return slice.getExtent();
  if (auto part = dyn_cast_or_null<ClassPatternOp>(op)) {
    Operation *maker = part.getSource().getDefiningOp();
    if (auto sample = dyn_cast_or_null<SampleOp>(maker))
      return sample.getExtents()[part.getDim()];
    if (auto pattern = dyn_cast_or_null<MakePatternOp>(maker))
      return pattern.getExtents()[part.getDim()];
  }
  return {};
}

OpFoldResult ScaleOp::fold(FoldAdaptor) {
  Operation *op = getPattern().getDefiningOp();
  auto f32 = [&](double value) {
    return FloatAttr::get(Float32Type::get(getContext()), value);
  };
  if (auto pattern = dyn_cast_or_null<MakePatternOp>(op)) {
    if (pattern.getScale())
      return pattern.getScale();
    if (!pattern.getPeriod())
      return {};
    std::optional<SmallVector<int64_t>> period =
        getConstants({pattern.getPeriod()});
    return period ? OpFoldResult(f32(period->front())) : OpFoldResult();
  }
  auto sample = dyn_cast_or_null<SampleOp>(op);
  if (!sample)
    return {};
  if (sample.getScale() == ScaleMode::None)
    return f32(1.0);
  if (sample.getScale() != ScaleMode::Target || !sample.getDistribution())
    return {};
  ArrayRef<double> distribution = *sample.getDistribution();
  SmallVector<int32_t> millionths(distribution.size());
  std::string message;
  if (!sampling::roundToMillionths(distribution.data(), distribution.size(),
                                   millionths.data(), message))
    return {};
  return f32(1 /
             (1 - sampling::meanRate(millionths.data(), millionths.size())));
}
