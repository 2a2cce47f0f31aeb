//===- Check.cpp - Compact against masked ---------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Actions.h"

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

static double boundError(ModuleOp module, ArrayRef<Tensor> inputs, bool tf32) {
  int64_t largest = 1;
  for (const Tensor &input : inputs)
    for (int64_t extent : input.shape)
      largest = std::max(largest, extent);
  Analysis analysis(largest, tf32);
  analysis.visit(module);
  return analysis.worst;
}

namespace {
struct Comparison {
  double difference = 0, magnitude = 0;
  bool sameFiniteness = true;

  double getError() const {
    return magnitude > 0 ? difference / magnitude : difference;
  }
};
} // namespace

static Comparison compare(const Tensor &compact, const Tensor &masked) {
  Comparison result;
  result.sameFiniteness = compact.shape == masked.shape;
  for (int64_t i = 0, e = masked.size(); i < e && result.sameFiniteness; ++i) {
    double c = compact.get(i), m = masked.get(i);
    if (!std::isfinite(c) || !std::isfinite(m)) {
      result.sameFiniteness = c == m || (std::isnan(c) && std::isnan(m));
      continue;
    }
    result.difference = std::max(result.difference, std::abs(c - m));
    result.magnitude = std::max(result.magnitude, std::abs(m));
  }
  return result;
}

/// The larger error of two steps.
static void accumulate(Comparison &worst, const Comparison &next) {
  worst.sameFiniteness &= next.sameFiniteness;
  if (next.getError() >= worst.getError()) {
    worst.difference = next.difference;
    worst.magnitude = next.magnitude;
  }
}

static bool printVerdict(size_t index, const Tensor &result,
                         const Comparison &worst, double limit) {
  bool within = worst.sameFiniteness && worst.getError() <= limit;
  llvm::outs() << "result " << index << " ("
               << describe(result.elementType, result.shape) << "): error ";
  if (worst.sameFiniteness)
    llvm::outs() << llvm::format("%.3e", worst.getError());
  else
    llvm::outs() << "in shape or non-finite values";
  llvm::outs() << ", tolerated " << llvm::format("%.3e", limit)
               << (within ? "" : "  <-- too large") << "\n";
  return within;
}

int mlir::sparsedrop::run::check(const Request &request, Program &program,
                                 ArrayRef<Tensor> inputs,
                                 std::optional<double> tolerance,
                                 int64_t steps) {
  std::unique_ptr<Program> others[2];
  Program *programs[2] = {&program, &program};
  std::vector<Tensor> results[2], copies[2];
  DropoutMode modes[2] = {DropoutMode::Compact, DropoutMode::Masked};
  for (int i = 0; i < 2; ++i) {
    bool isReference = modes[i] == DropoutMode::Masked;
    bool isOther = isReference && request.target.device;
    if (request.mode == modes[i] && !isOther)
      continue;
    others[i] = Program::compile(request.module, request.entry, modes[i], false,
                                 isReference ? Target() : request.target);
    programs[i] = others[i].get();
    if (!programs[i])
      return 1;
  }
  std::vector<Comparison> worst(program.getResults().size());
  for (int64_t step = request.step; step < request.step + steps; ++step) {
    for (int i = 0; i < 2; ++i) {
      // A step may have written to what was given away to it.
      copies[i].assign(inputs.begin(), inputs.end());
      if (!programs[i]->run(copies[i], request.seed, step, &results[i]))
        return 1;
    }
    for (size_t r = 0; r < worst.size(); ++r)
      accumulate(worst[r], compare(results[0][r], results[1][r]));
  }
  // Both programs round, and their largest values are not where the largest
  // errors are.
  double limit = tolerance.value_or(
      4 * boundError(programs[1]->getUpstream(), inputs, request.target.tf32));
  bool passed = true;
  for (size_t r = 0; r < worst.size(); ++r)
    passed &= printVerdict(r, results[1][r], worst[r], limit);
  llvm::outs() << "check: " << (passed ? "ok" : "FAILED") << " (seed "
               << request.seed << ", step " << request.step;
  if (steps > 1)
    llvm::outs() << " to " << request.step + steps - 1;
  llvm::outs() << ")\n";
  return passed ? 0 : 1;
}
