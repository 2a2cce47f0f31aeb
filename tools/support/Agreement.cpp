//===- Agreement.cpp - Whether two programs compute the same --------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Agreement.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/Format.h"

#include <cmath>

using namespace mlir;
using namespace mlir::sparsedrop::run;

/// Terms of each sum of `op`; extents that are not known count as the largest
/// one of the inputs.
static double getLength(linalg::LinalgOp op, int64_t largest) {
  double length = 1;
  SmallVector<int64_t> ranges = op.getStaticLoopRanges();
  for (auto [range, iterator] : llvm::zip(ranges, op.getIteratorTypesArray()))
    if (iterator == utils::IteratorType::reduction)
      length *=
          static_cast<double>(ShapedType::isDynamic(range) ? largest : range);
  return length;
}

/// Half a unit in the last place of 1; 0 for what is not rounded.
static double getRoundoff(Type type) {
  auto floating = dyn_cast<FloatType>(getElementTypeOrSelf(type));
  if (!floating)
    return 0;
  return std::ldexp(1.0, -static_cast<int>(floating.getFPMantissaWidth()));
}

/// Whether the results of a body's op are rounded.
static bool isRounded(Operation &op) {
  return !isa<arith::ConstantOp, arith::ExtFOp, arith::SelectOp, arith::NegFOp,
              arith::MaximumFOp, arith::MinimumFOp, arith::MaxNumFOp,
              arith::MinNumFOp, math::AbsFOp>(op);
}

namespace {
/// Bounds the rounding errors of a program: each value's relative error is that
/// of its operands and what its op adds. Sums of n terms add the square root of
/// n roundings, since these go up as often as down.
class Analysis {
public:
  Analysis(int64_t largest, bool tf32) : largest(largest), tf32(tf32) {}

  void visit(Operation *op);

  double worst = 0;

private:
  double getError(ValueRange values) const {
    double error = 0;
    for (Value value : values)
      error = std::max(error, errors.lookup(value));
    return error;
  }
  void setError(ValueRange values, double error) {
    for (Value value : values)
      errors[value] = error;
    worst = std::max(worst, error);
  }
  void visitRegions(Operation *op) {
    for (Region &region : op->getRegions())
      for (Operation &inner : region.getOps())
        visit(&inner);
  }
  void visitLoop(scf::ForOp loop);
  double addedBy(linalg::LinalgOp op) const;

  int64_t largest;
  bool tf32;
  DenseMap<Value, double> errors;
};
} // namespace

/// Products of narrow types are summed in f32, whichever the kernel.
double Analysis::addedBy(linalg::LinalgOp op) const {
  double error = 0;
  for (Operation &inner : op.getBlock()->without_terminator())
    if (isRounded(inner))
      for (Type type : inner.getResultTypes())
        error += getRoundoff(type);
  if (op.getNumReductionLoops() == 0)
    return error;
  double sums = 0;
  for (Value init : op.getDpsInits())
    sums = std::max(sums, getRoundoff(init.getType()));
  if (linalg::isaContractionOpInterface(op) ||
      linalg::isaConvolutionOpInterface(op)) {
    // Two factors of ten bits behind the point (PTX ISA, 9.7.15.2).
    if (tf32 && sums == 0x1p-24)
      error += 0x1p-10;
    sums = std::min(sums, 0x1p-24);
  }
  return error + sums * std::sqrt(getLength(op, largest));
}

/// Each iteration adds what one adds; one is counted where their number is not
/// known.
void Analysis::visitLoop(scf::ForOp loop) {
  double start = getError(loop.getInitArgs());
  setError(loop.getRegionIterArgs(), start);
  visitRegions(loop);
  double growth =
      getError(loop.getBody()->getTerminator()->getOperands()) - start;
  double trips = 1;
  if (std::optional<llvm::APInt> count = loop.getStaticTripCount())
    trips = std::max<double>(1, static_cast<double>(count->getSExtValue()));
  setError(loop.getResults(), start + std::max(growth, 0.0) * trips);
}

void Analysis::visit(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return visitLoop(loop);
  double error = getError(op->getOperands());
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op)) {
    error += addedBy(linalgOp);
  } else {
    visitRegions(op);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        if (block.mightHaveTerminator())
          error =
              std::max(error, getError(block.getTerminator()->getOperands()));
  }
  setError(op->getResults(), error);
}

double mlir::sparsedrop::run::getTolerance(ModuleOp module,
                                           ArrayRef<Tensor> inputs, bool tf32) {
  int64_t largest = 1;
  for (const Tensor &input : inputs)
    for (int64_t extent : input.shape)
      largest = std::max(largest, extent);
  Analysis analysis(largest, tf32);
  analysis.visit(module);
  // Both programs round, and their largest values are not where the largest
  // errors are.
  return 4 * analysis.worst;
}

Comparison mlir::sparsedrop::run::compare(const Tensor &result,
                                          const Tensor &reference) {
  Comparison comparison;
  comparison.sameFiniteness = result.shape == reference.shape;
  for (int64_t i = 0, e = reference.size(); i < e && comparison.sameFiniteness;
       ++i) {
    double value = result.get(i), expected = reference.get(i);
    if (!std::isfinite(value) || !std::isfinite(expected)) {
      comparison.sameFiniteness =
          value == expected || (std::isnan(value) && std::isnan(expected));
      continue;
    }
    comparison.difference =
        std::max(comparison.difference, std::abs(value - expected));
    comparison.magnitude = std::max(comparison.magnitude, std::abs(expected));
  }
  return comparison;
}

void Comparison::add(const Comparison &next) {
  sameFiniteness &= next.sameFiniteness;
  if (next.getError() >= getError()) {
    difference = next.difference;
    magnitude = next.magnitude;
  }
}

std::string Comparison::describeError() const {
  if (!sameFiniteness)
    return "in shape or non-finite values";
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.3e", getError());
  return text;
}
