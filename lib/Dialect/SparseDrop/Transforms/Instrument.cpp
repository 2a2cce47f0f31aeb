//===- Instrument.cpp - Counts the work of products at run time -----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ZeroTest.h"

#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h"
#include "sparsedrop/Sampling/Distribution.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/raw_ostream.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_INSTRUMENT
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

/// The pattern that made dimension `dim` of `value` smaller, or null.
static Value findPattern(Value value, int64_t dim) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto compact = dyn_cast<CompactOp>(op)) {
      if (compact.getDim() == dim)
        return compact.getPattern();
      value = compact.getSource();
    } else if (auto expand = dyn_cast<ExpandOp>(op)) {
      if (expand.getDim() == dim)
        return {};
      value = expand.getSource();
    } else if (auto empty = dyn_cast<tensor::EmptyOp>(op)) {
      auto size = dyn_cast<Value>(empty.getMixedSizes()[dim]);
      auto count = size ? size.getDefiningOp<KeptCountOp>() : KeptCountOp();
      return count ? count.getPattern() : Value();
    } else if (auto cast = dyn_cast<tensor::CastOp>(op)) {
      value = cast.getSource();
    } else if (auto linalgOp = dyn_cast<LinalgOp>(op)) {
      value = linalgOp.getTiedOpOperand(llvm::cast<OpResult>(value))->get();
    } else {
      return {};
    }
  }
  return {};
}

/// The sample that `pattern` was derived from, or null.
static SampleOp findSample(Value pattern) {
  while (Operation *op = pattern.getDefiningOp()) {
    if (auto sample = dyn_cast<SampleOp>(op))
      return sample;
    if (!isDerivedPattern(op))
      return {};
    pattern = op->getOperand(0);
  }
  return {};
}

/// A product is an op of two inputs whose sum is linear in both.
static bool isProduct(LinalgOp op) {
  return op.hasPureTensorSemantics() && op.getNumDpsInputs() == 2 &&
         op.getNumDpsInits() == 1 && isLinearIn(op, 0, 0) &&
         isLinearIn(op, 0, 1);
}

namespace {
/// Size of one loop or dimension: as executed, as in the dense program, and
/// the pattern that makes the difference.
struct Size {
  OpFoldResult actual, dense;
  Value pattern;
};

/// Emits the counts of one product.
class ProductCounter {
public:
  ProductCounter(OpBuilder &builder, LinalgOp op)
      : builder(builder), op(op), loc(op.getLoc()) {}

  /// Emits the call; `entry` receives what is known at compile time.
  void run(ModuleOp module, int64_t id, NamedAttrList &entry);

private:
  Size getSize(Value value, int64_t dim);
  Size getLoopSize(unsigned loop);
  Value toF64(OpFoldResult size);
  Value constant(double value);
  Value multiply(Value a, Value b);
  Value expectedFlops(ArrayRef<Size> loops, Value dense);
  std::pair<Value, Value> countBytes();
  void describe(NamedAttrList &entry, int64_t id, ArrayRef<Size> loops);

  OpBuilder &builder;
  LinalgOp op;
  Location loc;
};
} // namespace

/// Whether `pattern` is the rows of a class of tiles. All classes together do
/// what the dense program does to all rows: each counts as its own.
static bool isClassRows(Value pattern) {
  auto part = pattern.getDefiningOp<ClassPatternOp>();
  return part && part.getDim() == 0;
}

Size ProductCounter::getSize(Value value, int64_t dim) {
  Size size;
  size.actual = tensor::getMixedSize(builder, loc, value, dim);
  size.dense = size.actual;
  size.pattern = findPattern(value, dim);
  if (size.pattern && !isClassRows(size.pattern))
    size.dense =
        getAsOpFoldResult(builder.createOrFold<ExtentOp>(loc, size.pattern, 0));
  return size;
}

Size ProductCounter::getLoopSize(unsigned loop) {
  Size found;
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [dim, expr] : llvm::enumerate(map.getResults()))
      if (expr == builder.getAffineDimExpr(loop)) {
        Size size = getSize(operand.get(), dim);
        if (size.pattern)
          return size;
        found = size;
      }
  }
  return found;
}

Value ProductCounter::constant(double value) {
  return arith::ConstantFloatOp::create(builder, loc, builder.getF64Type(),
                                        APFloat(value));
}

Value ProductCounter::toF64(OpFoldResult size) {
  if (std::optional<int64_t> known = getConstantIntValue(size))
    return constant(static_cast<double>(*known));
  Value integer = arith::IndexCastOp::create(builder, loc, builder.getI64Type(),
                                             cast<Value>(size));
  return arith::SIToFPOp::create(builder, loc, builder.getF64Type(), integer);
}

Value ProductCounter::multiply(Value a, Value b) {
  return builder.createOrFold<arith::MulFOp>(loc, a, b);
}

/// Mean of kept / extent to the power `power` over all draws of `sample`. The
/// mean of the first power is the keep rate, exactly and for every extent.
static double meanKeptShare(SampleOp sample, OpFoldResult extent,
                            int64_t granularity, int power) {
  if (!sample.getDistribution())
    return std::pow(1 - sample.getRate().convertToDouble(), power);
  ArrayRef<double> distribution = *sample.getDistribution();
  SmallVector<int32_t> millionths(distribution.size());
  std::string message;
  if (!sampling::roundToMillionths(distribution.data(), distribution.size(),
                                   millionths.data(), message))
    return 1;
  double keep = 1 - sampling::meanRate(millionths.data(), millionths.size());
  std::optional<int64_t> size = getConstantIntValue(extent);
  if (power == 1 || !size || *size == 0)
    return std::pow(keep, power);
  return sampling::expectedKept(millionths.data(), millionths.size(), *size,
                                granularity, power) /
         std::pow(static_cast<double>(*size), power);
}

/// Dense operations times the mean kept share of each pattern; a pattern that
/// acts on several loops counts with that power.
Value ProductCounter::expectedFlops(ArrayRef<Size> loops, Value dense) {
  llvm::MapVector<Value, std::pair<int, OpFoldResult>> powers;
  Value expected = dense;
  for (const Size &size : loops) {
    if (!size.pattern || isClassRows(size.pattern))
      continue;
    auto &entry = powers[size.pattern];
    ++entry.first;
    entry.second = size.dense;
  }
  for (const auto &[pattern, entry] : powers) {
    SampleOp sample = findSample(pattern);
    int64_t granularity = cast<PatternType>(pattern.getType()).getGranularity();
    if (sample)
      expected =
          multiply(expected, constant(meanKeptShare(sample, entry.second,
                                                    granularity, entry.first)));
  }
  return expected;
}

/// Bytes of all operands, each once: (dense, actual).
std::pair<Value, Value> ProductCounter::countBytes() {
  Value dense = constant(0), actual = constant(0);
  for (Value operand : op->getOperands()) {
    auto type = cast<RankedTensorType>(operand.getType());
    Value bytes = constant(type.getElementType().getIntOrFloatBitWidth() / 8.0);
    Value denseBytes = bytes, actualBytes = bytes;
    for (int64_t dim = 0, e = type.getRank(); dim < e; ++dim) {
      Size size = getSize(operand, dim);
      denseBytes = multiply(denseBytes, toF64(size.dense));
      actualBytes = multiply(actualBytes, toF64(size.actual));
    }
    dense = builder.createOrFold<arith::AddFOp>(loc, dense, denseBytes);
    actual = builder.createOrFold<arith::AddFOp>(loc, actual, actualBytes);
  }
  return {dense, actual};
}

static std::string printLocation(Location loc) {
  auto file = loc->findInstanceOf<FileLineColLoc>();
  if (!file)
    return "unknown";
  return (file.getFilename().getValue() + ":" + Twine(file.getLine()) + ":" +
          Twine(file.getColumn()))
      .str();
}

void ProductCounter::describe(NamedAttrList &entry, int64_t id,
                              ArrayRef<Size> loops) {
  SmallVector<StringRef> sites;
  StringRef kind;
  auto addPattern = [&](Value pattern) {
    if (SampleOp sample = findSample(pattern))
      if (!llvm::is_contained(sites, sample.getSite()))
        sites.push_back(sample.getSite());
    kind = stringifyPatternKind(cast<PatternType>(pattern.getType()).getKind());
  };
  for (const Size &size : loops)
    if (size.pattern)
      addPattern(size.pattern);
  for (Value operand : op->getOperands()) {
    if (auto dropout = operand.getDefiningOp<DropoutOp>())
      addPattern(dropout.getPattern());
    if (auto expand = operand.getDefiningOp<ExpandOp>())
      addPattern(expand.getPattern());
  }
  std::string shape;
  llvm::raw_string_ostream stream(shape);
  llvm::interleave(
      loops, stream,
      [&](const Size &size) {
        if (std::optional<int64_t> known = getConstantIntValue(size.dense))
          stream << *known;
        else
          stream << '?';
      },
      "x");
  auto product = op->getAttrOfType<StringAttr>(kProductAttrName);
  auto reason = op->getAttrOfType<StringAttr>(kMissedAttrName);
  auto function = op->getParentOfType<FunctionOpInterface>();
  auto text = [&](StringRef value) { return builder.getStringAttr(value); };
  entry.append("id", builder.getI64IntegerAttr(id));
  entry.append("loc", text(printLocation(loc)));
  entry.append("function", text(function ? function.getName() : ""));
  entry.append("site", text(llvm::join(sites, ",")));
  entry.append("kind", text(kind));
  entry.append("product", text(product ? product.getValue() : "forward"));
  entry.append("shape", text(shape));
  entry.append("reason", text(reason ? reason.getValue() : ""));
}

void ProductCounter::run(ModuleOp module, int64_t id, NamedAttrList &entry) {
  builder.setInsertionPoint(op);
  SmallVector<Size> loops;
  Value dense = constant(2), actual = constant(2);
  for (unsigned loop = 0, e = op.getNumLoops(); loop < e; ++loop) {
    Size size = loops.emplace_back(getLoopSize(loop));
    dense = multiply(dense, toF64(size.dense));
    actual = multiply(actual, toF64(size.actual));
  }
  Value expected = expectedFlops(loops, dense);
  auto [denseBytes, actualBytes] = countBytes();
  describe(entry, id, loops);

  StringRef callee = "sparsedrop_record_product";
  Value idValue = arith::ConstantIntOp::create(builder, loc, id, 64);
  SmallVector<Value> operands{idValue, dense,       denseBytes,
                              actual,  actualBytes, expected};
  if (!module.lookupSymbol(callee)) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    auto function = func::FuncOp::create(
        builder, loc, callee,
        builder.getFunctionType(TypeRange(ValueRange(operands)), {}));
    function.setPrivate();
  }
  func::CallOp::create(builder, loc, callee, TypeRange(), operands);
}

LogicalResult mlir::sparsedrop::instrumentProducts(ModuleOp module) {
  SmallVector<LinalgOp> products;
  module.walk([&](LinalgOp op) {
    if (isProduct(op))
      products.push_back(op);
  });
  OpBuilder builder(module.getContext());
  SmallVector<Attribute> entries;
  for (auto [id, op] : llvm::enumerate(products)) {
    NamedAttrList entry;
    ProductCounter(builder, op).run(module, static_cast<int64_t>(id), entry);
    entries.push_back(entry.getDictionary(module.getContext()));
  }
  module->setDiscardableAttr(kProductsAttrName, builder.getArrayAttr(entries));
  return success();
}

namespace {
struct Instrument : public mlir::sparsedrop::impl::InstrumentBase<Instrument> {
  void runOnOperation() override {
    if (failed(instrumentProducts(getOperation())))
      signalPassFailure();
  }
};
} // namespace
