//===- SearchDistribution.cpp - Distributions for rates -------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h"
#include "sparsedrop/Sampling/Search.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

#include <map>

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_SEARCHDISTRIBUTION
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;

namespace {
/// Searches each (rate, longest period) once.
class Searcher {
public:
  /// No `candidates`: all periods from 1.
  Searcher(SearchMethod method, ArrayRef<int64_t> candidates)
      : method(method), candidates(candidates) {}

  /// A distribution of `maxPeriod` entries whose periods do not exceed `units`
  /// (kDynamic: unknown, checked when drawn); an error on `op` otherwise.
  FailureOr<SmallVector<double>> search(Operation *op, double rate,
                                        int64_t maxPeriod, int64_t units) {
    int64_t longest = maxPeriod;
    if (!ShapedType::isDynamic(units))
      longest = std::min(longest, std::max<int64_t>(units, 1));
    auto [entry, isNew] = found.try_emplace({rate, longest});
    Result &result = entry->second;
    if (isNew)
      run(rate, longest, result);
    if (!result.reached) {
      InFlightDiagnostic error =
          op->emitOpError()
          << "has a drop rate that its patterns cannot reach: "
          << result.message;
      if (longest < maxPeriod)
        error << "; a period is at most the number of granules, or of columns "
                 "of tiles, which is "
              << units;
      return error;
    }
    SmallVector<double> probabilities(result.probabilities);
    probabilities.resize(maxPeriod, 0.0);
    return probabilities;
  }

private:
  struct Result {
    bool reached = false;
    SmallVector<double> probabilities; ///< of periods 1, 2, ...
    std::string message;
  };

  void run(double rate, int64_t longest, Result &result) const {
    std::vector<int64_t> periods;
    for (int64_t period : candidates)
      if (period <= longest)
        periods.push_back(period);
    for (int64_t i = 1; i <= longest && candidates.empty(); ++i)
      periods.push_back(i);
    SmallVector<double> probabilities(periods.size());
    double *data = probabilities.data();
    result.reached =
        method == SearchMethod::SGD
            ? sampling::searchSgd(rate, periods, data, result.message)
            : sampling::searchMaxent(rate, periods, data, result.message);
    if (!result.reached)
      return;
    result.probabilities.resize(longest);
    for (auto [period, probability] : llvm::zip(periods, probabilities))
      result.probabilities[period - 1] = probability;
  }

  SearchMethod method;
  ArrayRef<int64_t> candidates;
  std::map<std::pair<double, int64_t>, Result> found;
};
} // namespace

/// Units along the dropped dimensions of an annotated operand, or kDynamic.
static int64_t countUnits(RankedTensorType type, ArrayRef<int64_t> dims,
                          DropoutAttr annotation) {
  SmallVector<int64_t> units;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    if (type.isDynamicDim(dim))
      return ShapedType::kDynamic;
    int64_t size = annotation.getKind() == PatternKind::Tile
                       ? annotation.getTile()[i]
                       : annotation.getGranularity();
    units.push_back(llvm::divideCeilSigned(type.getDimSize(dim), size));
  }
  bool linear = annotation.getKind() == PatternKind::Tile &&
                annotation.getOrder() == TileOrder::Linear;
  return linear ? units[0] * units[1] : units.back();
}

static LogicalResult fillAnnotations(linalg::LinalgOp op, Searcher &searcher) {
  SmallVector<DropoutAttr> annotations;
  getDropoutAnnotations(op, annotations);
  SmallVector<Attribute> filled;
  for (DropoutAttr annotation : annotations) {
    if (annotation.isPeriodic() && !annotation.getDistribution() &&
        !annotation.getRate().isZero()) {
      FailureOr<SmallVector<int64_t>> dims = inferDroppedDims(op, annotation);
      if (failed(dims))
        return failure();
      auto type = cast<RankedTensorType>(
          op.getDpsInputs()[annotation.getOperand()].getType());
      FailureOr<SmallVector<double>> probabilities = searcher.search(
          op, annotation.getRateAsDouble(), annotation.getEffectiveMaxPeriod(),
          countUnits(type, *dims, annotation));
      if (failed(probabilities))
        return failure();
      annotation = annotation.withDistribution(*probabilities);
    }
    filled.push_back(annotation);
  }
  if (filled.empty())
    return success();
  bool isArray = isa<ArrayAttr>(op->getDiscardableAttr(kDropoutAttrName));
  op->setDiscardableAttr(kDropoutAttrName,
                         isArray ? ArrayAttr::get(op->getContext(), filled)
                                 : filled.front());
  return success();
}

static LogicalResult fillSample(SampleOp op, Searcher &searcher) {
  PatternType type = op.getPattern().getType();
  if (op.getDistribution() || type.getKind() == PatternKind::Channel)
    return success();
  SmallVector<int64_t> units;
  for (auto [i, extent] : llvm::enumerate(op.getExtents())) {
    APInt value;
    int64_t size = type.getKind() == PatternKind::Tile ? type.getTile()[i]
                                                       : type.getGranularity();
    units.push_back(matchPattern(extent, m_ConstantInt(&value))
                        ? llvm::divideCeilSigned(value.getSExtValue(), size)
                        : ShapedType::kDynamic);
  }
  int64_t count = units.back();
  if (type.getKind() == PatternKind::Tile &&
      type.getOrder() == TileOrder::Linear)
    count = llvm::is_contained(units, ShapedType::kDynamic)
                ? ShapedType::kDynamic
                : units[0] * units[1];
  double rate = op.getRate().convertToDouble();
  int64_t maxPeriod =
      op.getMaxPeriod().value_or(sampling::defaultMaxPeriod(rate));
  FailureOr<SmallVector<double>> probabilities =
      searcher.search(op, rate, maxPeriod, count);
  if (failed(probabilities))
    return failure();
  op.setDistribution(*probabilities);
  // The distribution's length says it now; equal samples stay equal ops.
  op.removeMaxPeriodAttr();
  return success();
}

LogicalResult mlir::sparsedrop::searchDistributions(Operation *root,
                                                    SearchMethod method,
                                                    ArrayRef<int64_t> periods) {
  Searcher searcher(method, periods);
  WalkResult result = root->walk([&](Operation *op) {
    LogicalResult filled = success();
    if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
      filled = fillAnnotations(linalgOp, searcher);
    else if (auto sample = dyn_cast<SampleOp>(op))
      filled = fillSample(sample, searcher);
    return failed(filled) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

namespace {
struct SearchDistribution
    : public mlir::sparsedrop::impl::SearchDistributionBase<
          SearchDistribution> {
  using SearchDistributionBase::SearchDistributionBase;

  void runOnOperation() override {
    if (failed(searchDistributions(getOperation(), method, periods)))
      signalPassFailure();
  }
};
} // namespace
