//===- LowerPatterns.cpp - Patterns as values of upstream types -----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LowerPatterns.h"

#include "sparsedrop/Sampling/Distribution.h"
#include "sparsedrop/Sampling/Philox.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::sparsedrop;

//===----------------------------------------------------------------------===//
// Index arithmetic that folds
//===----------------------------------------------------------------------===//

namespace {
/// Builds folded index arithmetic at the insertion point of a builder.
class IndexMath {
public:
  IndexMath(OpBuilder &builder, Location loc) : builder(builder), loc(loc) {}

  Value constant(int64_t value) const {
    return arith::ConstantIndexOp::create(builder, loc, value);
  }
  Value value(OpFoldResult operand) const {
    return getValueOrCreateConstantIndexOp(builder, loc, operand);
  }
  Value add(Value a, Value b) const { return make<arith::AddIOp>(a, b); }
  Value sub(Value a, Value b) const { return make<arith::SubIOp>(a, b); }
  Value mul(Value a, Value b) const { return make<arith::MulIOp>(a, b); }
  Value div(Value a, Value b) const { return make<arith::DivUIOp>(a, b); }
  Value rem(Value a, Value b) const { return make<arith::RemUIOp>(a, b); }
  Value max(Value a, Value b) const { return make<arith::MaxSIOp>(a, b); }
  Value ceilDiv(Value a, Value b) const {
    // Not arith.ceildivui: stock lowerings need an extra pass for it.
    return div(add(a, sub(b, constant(1))), b);
  }
  Value isEqual(Value a, Value b) const {
    return builder.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, a,
                                               b);
  }

private:
  template <typename OpTy> Value make(Value a, Value b) const {
    return builder.createOrFold<OpTy>(loc, a, b);
  }

  OpBuilder &builder;
  Location loc;
};
} // namespace

/// Units b, b + dp, ... below `units`: max(0, ceil((units - b) / dp)).
static Value countKept(const IndexMath &math, Value units, Value period,
                       Value bias) {
  APInt dp;
  if (matchPattern(period, m_ConstantInt(&dp)) && dp.isOne())
    return units;
  // As b < dp, units - b + dp - 1 is not negative.
  Value padded =
      math.sub(math.add(units, math.sub(period, math.constant(1))), bias);
  return math.div(padded, period);
}

Value PatternLowering::countUnits(Location loc, PatternType type,
                                  ValueRange extents) {
  IndexMath math(rewriter, loc);
  if (type.getKind() != PatternKind::Tile)
    return math.ceilDiv(extents[0], math.constant(type.getGranularity()));
  Value columns = math.ceilDiv(extents[1], math.constant(type.getTile()[1]));
  if (type.getOrder() == TileOrder::Skewed)
    return columns;
  return math.mul(columns,
                  math.ceilDiv(extents[0], math.constant(type.getTile()[0])));
}

//===----------------------------------------------------------------------===//
// Calls of the runtime library
//===----------------------------------------------------------------------===//

/// The module that symbols at the insertion point are looked up in.
static ModuleOp getModule(OpBuilder &builder) {
  return builder.getInsertionBlock()
      ->getParentOp()
      ->getParentOfType<ModuleOp>();
}

Value PatternLowering::call(Location loc, StringRef callee, Type result,
                            ValueRange operands) {
  ModuleOp module = getModule(rewriter);
  if (!module.lookupSymbol(callee)) {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(module.getBody());
    auto function = func::FuncOp::create(
        rewriter, loc, callee,
        rewriter.getFunctionType(TypeRange(operands), TypeRange(result)));
    function.setPrivate();
  }
  return func::CallOp::create(rewriter, loc, callee, TypeRange(result),
                              operands)
      .getResult(0);
}

/// The address of a constant array of probabilities in millionths, as i64.
Value PatternLowering::getDistributionPointer(Location loc,
                                              ArrayRef<int32_t> millionths) {
  auto type = MemRefType::get(static_cast<int64_t>(millionths.size()),
                              rewriter.getI32Type());
  std::string name = "sparsedrop_distribution";
  for (int32_t entry : millionths)
    name += "_" + std::to_string(entry);
  ModuleOp module = getModule(rewriter);
  if (!module.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(module.getBody());
    auto values = DenseElementsAttr::get(
        RankedTensorType::get(type.getShape(), type.getElementType()),
        millionths);
    memref::GlobalOp::create(rewriter, loc, name,
                             rewriter.getStringAttr("private"), type, values,
                             /*constant=*/true, /*alignment=*/IntegerAttr());
  }
  Region *region = rewriter.getInsertionBlock()->getParent();
  while (!region->getParentOp()->hasTrait<OpTrait::IsIsolatedFromAbove>())
    region = region->getParentRegion();
  Value &pointer = pointers[name][region->getParentOp()];
  if (pointer)
    return pointer;
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointToStart(&region->front());
  Value global = memref::GetGlobalOp::create(rewriter, loc, type, name);
  Value address =
      memref::ExtractAlignedPointerAsIndexOp::create(rewriter, loc, global);
  return pointer = arith::IndexCastOp::create(rewriter, loc,
                                              rewriter.getI64Type(), address);
}

static Value constantI64(OpBuilder &builder, Location loc, int64_t value) {
  return arith::ConstantIntOp::create(builder, loc, value, 64);
}

static Value toI64(OpBuilder &builder, Location loc, Value index) {
  return builder.createOrFold<arith::IndexCastOp>(loc, builder.getI64Type(),
                                                  index);
}

Value PatternLowering::hashSite(SampleOp op) {
  Location loc = op.getLoc();
  uint64_t hash = sampling::siteHash(op.getSite().data(), op.getSite().size());
  Value value = constantI64(rewriter, loc, static_cast<int64_t>(hash));
  if (!op.getIndex())
    return value;
  return call(loc, "sparsedrop_site_hash_index", rewriter.getI64Type(),
              {value, toI64(rewriter, loc, op.getIndex())});
}

/// Splits period | bias << 32.
void PatternLowering::setPeriodAndBias(Location loc, LoweredPattern &pattern,
                                       Value packed) {
  Value mask = constantI64(rewriter, loc, 0xffffffff);
  Value low = arith::AndIOp::create(rewriter, loc, packed, mask);
  Value high = arith::ShRUIOp::create(rewriter, loc, packed,
                                      constantI64(rewriter, loc, 32));
  Type index = rewriter.getIndexType();
  pattern.period = arith::IndexCastOp::create(rewriter, loc, index, low);
  pattern.bias = arith::IndexCastOp::create(rewriter, loc, index, high);
}

//===----------------------------------------------------------------------===//
// Ops that make patterns
//===----------------------------------------------------------------------===//

/// `value` (index) as f32.
static Value toF32(OpBuilder &builder, Location loc, Value value) {
  return arith::SIToFPOp::create(builder, loc, builder.getF32Type(),
                                 toI64(builder, loc, value));
}

static Value constantF32(OpBuilder &builder, Location loc, double value) {
  return arith::ConstantFloatOp::create(builder, loc, builder.getF32Type(),
                                        APFloat(static_cast<float>(value)));
}

FailureOr<LoweredPattern> PatternLowering::lowerPeriodicSample(SampleOp op) {
  Location loc = op.getLoc();
  if (!op.getDistribution())
    return op.emitOpError() << "has no distribution; run "
                               "sparsedrop-search-distribution first";
  ArrayRef<double> distribution = *op.getDistribution();
  SmallVector<int32_t> millionths(distribution.size());
  std::string message;
  if (!sampling::roundToMillionths(distribution.data(), distribution.size(),
                                   millionths.data(), message))
    return op.emitOpError() << "has a bad distribution: " << message;
  LoweredPattern pattern;
  pattern.type = op.getPattern().getType();
  pattern.extents.assign(op.getExtents().begin(), op.getExtents().end());
  Value units = countUnits(loc, pattern.type, op.getExtents());
  Value packed =
      call(loc, "sparsedrop_draw", rewriter.getI64Type(),
           {op.getSeed(), op.getStep(), hashSite(op),
            getDistributionPointer(loc, millionths),
            constantI64(rewriter, loc, static_cast<int64_t>(millionths.size())),
            toI64(rewriter, loc, units)});
  setPeriodAndBias(loc, pattern, packed);
  pattern.scale =
      op.getScale() == ScaleMode::Pattern
          ? toF32(rewriter, loc, pattern.period)
          : constantF32(rewriter, loc,
                        1 / (1 - sampling::meanRate(millionths.data(),
                                                    millionths.size())));
  return pattern;
}

static Value getAddress(OpBuilder &builder, Location loc, Value buffer) {
  return toI64(
      builder, loc,
      memref::ExtractAlignedPointerAsIndexOp::create(builder, loc, buffer));
}

/// Entries of a list but the last. An extent below 0, which the sizes of no
/// tensor agree with, has none.
static Value countEntries(const IndexMath &math,
                          const LoweredPattern &pattern) {
  return math.mul(math.max(pattern.extents[0], math.constant(0)),
                  math.constant(2));
}

/// Room for a list (see LoweredPattern).
void PatternLowering::allocateList(Location loc, LoweredPattern &pattern) {
  IndexMath math(rewriter, loc);
  Value twice = countEntries(math, pattern);
  pattern.keptList = memref::AllocOp::create(
      rewriter, loc,
      MemRefType::get(ShapedType::kDynamic, rewriter.getIndexType()),
      math.add(twice, math.constant(1)));
}

/// Makes the list of the `count` (i64) channels at an address. Returns the
/// number kept, which is read from the list: to passes that free memory after
/// its last use, an address is none.
Value PatternLowering::listChannels(Location loc, LoweredPattern &pattern,
                                    Value wanted, Value count) {
  call(loc, "sparsedrop_list_channels", rewriter.getI64Type(),
       {wanted, count, toI64(rewriter, loc, pattern.extents[0]),
        getAddress(rewriter, loc, pattern.keptList)});
  return loadKeptCount(loc, pattern);
}

Value PatternLowering::loadKeptCount(Location loc, LoweredPattern &pattern) {
  IndexMath math(rewriter, loc);
  Value last = countEntries(math, pattern);
  Value kept = memref::LoadOp::create(rewriter, loc, pattern.keptList, last);
  pattern.keptCount = kept;
  return kept;
}

/// The address (i64) of sensitivities or importances, which must be as many as
/// there are channels; 0 where there are none.
Value PatternLowering::getChannelValues(SampleOp op, Value tensor) {
  Location loc = op.getLoc();
  if (!tensor)
    return constantI64(rewriter, loc, 0);
  auto type = cast<RankedTensorType>(tensor.getType());
  Value buffer = bufferization::ToBufferOp::create(
      rewriter, loc, MemRefType::get(type.getShape(), type.getElementType()),
      tensor, /*read_only=*/true);
  APInt extent;
  bool isKnown = type.hasStaticShape() &&
                 matchPattern(op.getExtents()[0], m_ConstantInt(&extent)) &&
                 extent.getSExtValue() == type.getDimSize(0);
  if (!isKnown) {
    IndexMath math(rewriter, loc);
    Value size =
        rewriter.createOrFold<memref::DimOp>(loc, buffer, math.constant(0));
    cf::AssertOp::create(
        rewriter, loc, math.isEqual(size, op.getExtents()[0]),
        describeMisfit(op, "there is not one sensitivity or importance for "
                           "each channel"));
  }
  return getAddress(rewriter, loc, buffer);
}

LoweredPattern PatternLowering::lowerChannelSample(SampleOp op) {
  Location loc = op.getLoc();
  LoweredPattern pattern;
  pattern.type = op.getPattern().getType();
  pattern.extents.assign(op.getExtents().begin(), op.getExtents().end());
  allocateList(loc, pattern);
  Value importance = getChannelValues(op, op.getImportance());
  Value sensitivity = op.getSensitivity()
                          ? getChannelValues(op, op.getSensitivity())
                          : importance;
  Value tau = arith::ConstantFloatOp::create(
      rewriter, loc, rewriter.getF64Type(), op.getTemperature());
  Value count = call(loc, "sparsedrop_sample_channels", rewriter.getI64Type(),
                     {op.getSeed(), op.getStep(), hashSite(op), sensitivity,
                      constantI64(rewriter, loc, 1),
                      toI64(rewriter, loc, op.getExtents()[0]),
                      constantI64(rewriter, loc, pattern.type.getGranularity()),
                      toI64(rewriter, loc, op.getCount()), tau,
                      getAddress(rewriter, loc, pattern.keptList)});
  Value keptCount = listChannels(
      loc, pattern, getAddress(rewriter, loc, pattern.keptList), count);
  pattern.scale = createChannelScale(op, pattern, importance, keptCount);
  return pattern;
}

Value PatternLowering::createChannelScale(SampleOp op,
                                          const LoweredPattern &pattern,
                                          Value importance, Value keptCount) {
  Location loc = op.getLoc();
  if (op.getScale() == ScaleMode::None)
    return constantF32(rewriter, loc, 1);
  if (op.getScale() == ScaleMode::Energy)
    return call(loc, "sparsedrop_energy_scale", rewriter.getF32Type(),
                {importance, constantI64(rewriter, loc, 1),
                 toI64(rewriter, loc, op.getExtents()[0]),
                 getAddress(rewriter, loc, pattern.keptList),
                 toI64(rewriter, loc, keptCount)});
  return arith::DivFOp::create(rewriter, loc,
                               toF32(rewriter, loc, op.getExtents()[0]),
                               toF32(rewriter, loc, keptCount));
}

FailureOr<LoweredPattern> PatternLowering::lowerSample(SampleOp op) {
  if (op.getPattern().getType().getKind() != PatternKind::Channel)
    return lowerPeriodicSample(op);
  return lowerChannelSample(op);
}

/// An explicit list, which is the caller's: checked and copied.
LoweredPattern PatternLowering::lowerChannelList(MakePatternOp op) {
  Location loc = op.getLoc();
  IndexMath math(rewriter, loc);
  LoweredPattern pattern;
  pattern.type = op.getPattern().getType();
  pattern.extents.assign(op.getExtents().begin(), op.getExtents().end());
  Value list = op.getKept();
  auto type = cast<RankedTensorType>(list.getType());
  Value wanted = bufferization::ToBufferOp::create(
      rewriter, loc, MemRefType::get(type.getShape(), type.getElementType()),
      list, /*read_only=*/true);
  Value count =
      rewriter.createOrFold<memref::DimOp>(loc, wanted, math.constant(0));
  allocateList(loc, pattern);
  Value kept = listChannels(loc, pattern, getAddress(rewriter, loc, wanted),
                            toI64(rewriter, loc, count));
  pattern.scale = arith::DivFOp::create(
      rewriter, loc, toF32(rewriter, loc, op.getExtents()[0]),
      toF32(rewriter, loc, kept));
  return pattern;
}

LoweredPattern PatternLowering::lowerMakePattern(MakePatternOp op) {
  Location loc = op.getLoc();
  LoweredPattern pattern;
  pattern.type = op.getPattern().getType();
  pattern.extents.assign(op.getExtents().begin(), op.getExtents().end());
  if (op.getKept()) {
    pattern = lowerChannelList(op);
  } else {
    pattern.period = op.getPeriod();
    pattern.bias = op.getBias();
    SmallVector<Value> checked{op.getPeriod(), op.getBias()};
    llvm::append_range(checked, op.getExtents());
    // What is constant has been verified.
    if (!llvm::all_of(checked,
                      [](Value v) { return matchPattern(v, m_Constant()); })) {
      Value units = countUnits(loc, pattern.type, op.getExtents());
      setPeriodAndBias(loc, pattern,
                       call(loc, "sparsedrop_check_pattern",
                            rewriter.getI64Type(),
                            {toI64(rewriter, loc, op.getPeriod()),
                             toI64(rewriter, loc, op.getBias()),
                             toI64(rewriter, loc, units)}));
    }
    pattern.scale = toF32(rewriter, loc, pattern.period);
  }
  if (op.getScale())
    pattern.scale = op.getScale();
  return pattern;
}

/// A list of its own, of those that lie in the slice.
LoweredPattern
PatternLowering::lowerChannelSlice(SlicePatternOp op,
                                   const LoweredPattern &source) {
  Location loc = op.getLoc();
  LoweredPattern slice = source;
  slice.extents.assign(1, op.getExtent());
  slice.mayBeEmpty = true;
  allocateList(loc, slice);
  call(loc, "sparsedrop_slice_channels", rewriter.getI64Type(),
       {getAddress(rewriter, loc, source.keptList),
        toI64(rewriter, loc, source.extents[0]),
        toI64(rewriter, loc, op.getOffset()),
        toI64(rewriter, loc, op.getExtent()),
        getAddress(rewriter, loc, slice.keptList)});
  loadKeptCount(loc, slice);
  return slice;
}

LoweredPattern PatternLowering::lowerSlice(SlicePatternOp op,
                                           LoweredPattern source) {
  if (source.keptList)
    return lowerChannelSlice(op, source);
  IndexMath math(rewriter, op.getLoc());
  // Unit j of the slice is unit j + o of the source: kept iff
  // j mod dp = (b - o) mod dp.
  Value units =
      math.div(op.getOffset(), math.constant(source.type.getGranularity()));
  Value shift = math.rem(units, source.period);
  source.bias = math.rem(math.sub(math.add(source.bias, source.period), shift),
                         source.period);
  source.extents.assign(1, op.getExtent());
  return source;
}

LoweredPattern PatternLowering::lowerStretch(StretchPatternOp op,
                                             LoweredPattern source) {
  IndexMath math(rewriter, op.getLoc());
  source.type = op.getPattern().getType();
  source.extents[0] = math.mul(
      source.extents[0], math.constant(static_cast<int64_t>(op.getFactor())));
  return source;
}

Value PatternLowering::countTiles(Location loc, const LoweredPattern &tiles,
                                  int64_t dim) {
  IndexMath math(rewriter, loc);
  return math.ceilDiv(tiles.extents[dim],
                      math.constant(tiles.type.getTile()[dim]));
}

/// How many tile rows further the same columns are kept again.
Value PatternLowering::getRowPeriod(Location loc, const LoweredPattern &tiles) {
  if (tiles.type.getOrder() == TileOrder::Skewed)
    return tiles.period;
  Value period = call(loc, "sparsedrop_tile_row_period", rewriter.getI64Type(),
                      {toI64(rewriter, loc, tiles.period),
                       toI64(rewriter, loc, countTiles(loc, tiles, 1))});
  return arith::IndexCastOp::create(rewriter, loc, rewriter.getIndexType(),
                                    period);
}

Value PatternLowering::countClasses(Location loc, const LoweredPattern &tiles) {
  return rewriter.createOrFold<arith::MinUIOp>(loc, getRowPeriod(loc, tiles),
                                               countTiles(loc, tiles, 0));
}

LoweredPattern PatternLowering::lowerClass(ClassPatternOp op,
                                           LoweredPattern tiles) {
  Location loc = op.getLoc();
  IndexMath math(rewriter, loc);
  LoweredPattern part = tiles;
  part.type = op.getPattern().getType();
  part.extents.assign(1, tiles.extents[op.getDim()]);
  if (op.getDim() == 0) {
    part.period = getRowPeriod(loc, tiles);
    part.bias = op.getNumber();
    return part;
  }
  // The unit of row q, column c is q s + c: kept iff c = b - q s mod dp.
  Value start = op.getNumber();
  if (tiles.type.getOrder() == TileOrder::Linear)
    start = math.mul(start, countTiles(loc, tiles, 1));
  Value shift = math.rem(start, tiles.period);
  part.bias = math.rem(math.sub(math.add(tiles.bias, tiles.period), shift),
                       tiles.period);
  return part;
}

FailureOr<LoweredPattern> PatternLowering::lower(Value pattern) {
  if (auto it = lowered.find(pattern); it != lowered.end())
    return it->second;
  Operation *op = pattern.getDefiningOp();
  if (!op || !isPatternMaker(op)) {
    emitError(pattern.getLoc())
        << "cannot lower a pattern that is a function argument, a call's "
           "result or carried by control flow; inline what draws it";
    return failure();
  }
  FailureOr<LoweredPattern> source = LoweredPattern();
  if (isDerivedPattern(op))
    source = lower(op->getOperand(0));
  if (failed(source))
    return failure();
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfter(op);
  FailureOr<LoweredPattern> result =
      llvm::TypeSwitch<Operation *, FailureOr<LoweredPattern>>(op)
          .Case([&](SampleOp o) { return lowerSample(o); })
          .Case([&](MakePatternOp o) { return lowerMakePattern(o); })
          .Case([&](SlicePatternOp o) { return lowerSlice(o, *source); })
          .Case([&](StretchPatternOp o) { return lowerStretch(o, *source); })
          .Case([&](ClassPatternOp o) { return lowerClass(o, *source); });
  if (failed(result))
    return failure();
  // Once, for all that is as large.
  if (result->type.getKind() == PatternKind::Row)
    result->keptCount = countKept(*result);
  lowered[pattern] = *result;
  return result;
}

//===----------------------------------------------------------------------===//
// Reading patterns
//===----------------------------------------------------------------------===//

SplitExtent PatternLowering::getSplitExtent(const LoweredPattern &pattern) {
  Location loc = pattern.period.getLoc();
  IndexMath math(rewriter, loc);
  Value granularity = math.constant(pattern.type.getGranularity());
  Value full = math.div(pattern.extents[0], granularity);
  Value rest = math.rem(pattern.extents[0], granularity);
  SplitExtent split;
  split.full = getAsOpFoldResult(full);
  split.kept =
      getAsOpFoldResult(::countKept(math, full, pattern.period, pattern.bias));
  split.tail = getAsOpFoldResult(rest);
  if (isZeroInteger(split.tail))
    return split;
  Value isKept = math.isEqual(math.rem(full, pattern.period), pattern.bias);
  split.tail = getAsOpFoldResult(rewriter.createOrFold<arith::SelectOp>(
      loc, isKept, rest, math.constant(0)));
  return split;
}

OpFoldResult PatternLowering::countKept(const LoweredPattern &pattern) {
  IndexMath math(rewriter, pattern.period.getLoc());
  if (pattern.type.getGranularity() == 1)
    return getAsOpFoldResult(
        ::countKept(math, pattern.extents[0], pattern.period, pattern.bias));
  SplitExtent split = getSplitExtent(pattern);
  Value whole = math.mul(math.value(split.kept),
                         math.constant(pattern.type.getGranularity()));
  return getAsOpFoldResult(math.add(whole, math.value(split.tail)));
}

Value PatternLowering::getKeptIndex(OpBuilder &builder, Location loc,
                                    const LoweredPattern &pattern,
                                    Value position) {
  if (pattern.keptList)
    return memref::LoadOp::create(builder, loc, pattern.keptList, position);
  IndexMath math(builder, loc);
  Value granularity = math.constant(pattern.type.getGranularity());
  Value block = math.add(
      math.mul(math.div(position, granularity), pattern.period), pattern.bias);
  return math.add(math.mul(block, granularity),
                  math.rem(position, granularity));
}

Value PatternLowering::isKept(OpBuilder &builder, Location loc,
                              const LoweredPattern &pattern,
                              ValueRange indices) {
  IndexMath math(builder, loc);
  Value unit;
  if (pattern.type.getKind() == PatternKind::Tile) {
    ArrayRef<int64_t> tile = pattern.type.getTile();
    Value row = math.div(indices[0], math.constant(tile[0]));
    Value column = math.div(indices[1], math.constant(tile[1]));
    if (pattern.type.getOrder() == TileOrder::Linear)
      row = math.mul(row,
                     math.ceilDiv(pattern.extents[1], math.constant(tile[1])));
    unit = math.add(row, column);
  } else {
    unit = math.div(indices[0], math.constant(pattern.type.getGranularity()));
  }
  return math.isEqual(math.rem(unit, pattern.period), pattern.bias);
}
