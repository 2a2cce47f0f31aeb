//===- Check.cpp - Compact against masked ---------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Actions.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/Format.h"

#include <cmath>

using namespace mlir;
using namespace mlir::sparsedrop::run;

namespace {
/// What bounds the rounding errors of a program.
struct ErrorModel {
  double roundoff = 0x1p-53; ///< of the widest-rounding type
  double length = 1;         ///< of the longest reduction
  int64_t depth = 1;         ///< most reductions on a path
};
} // namespace

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

static void noteType(Type type, ErrorModel &model) {
  if (auto floating = dyn_cast<FloatType>(getElementTypeOrSelf(type)))
    model.roundoff = std::max(
        model.roundoff,
        std::ldexp(1.0, -static_cast<int>(floating.getFPMantissaWidth())));
}

namespace {
/// Reads the model off the dense program.
class Analysis {
public:
  explicit Analysis(int64_t largest) : largest(largest) {}

  void visit(Operation *op);

  ErrorModel model;

private:
  int64_t getDepth(ValueRange values) const {
    int64_t depth = 0;
    for (Value value : values)
      depth = std::max(depth, depths.lookup(value));
    return depth;
  }
  void setDepth(ValueRange values, int64_t depth) {
    for (Value value : values)
      depths[value] = depth;
    model.depth = std::max(model.depth, depth);
  }
  void visitRegions(Operation *op) {
    for (Region &region : op->getRegions())
      for (Operation &inner : region.getOps())
        visit(&inner);
  }
  void visitLoop(scf::ForOp loop);

  int64_t largest;
  DenseMap<Value, int64_t> depths;
};
} // namespace

/// Each iteration adds what one adds; one is counted where their number is not
/// known.
void Analysis::visitLoop(scf::ForOp loop) {
  int64_t start = getDepth(loop.getInitArgs());
  setDepth(loop.getRegionIterArgs(), start);
  visitRegions(loop);
  int64_t growth =
      getDepth(loop.getBody()->getTerminator()->getOperands()) - start;
  int64_t trips = 1;
  if (std::optional<llvm::APInt> count = loop.getStaticTripCount())
    trips = count->getSExtValue();
  setDepth(loop.getResults(),
           start + std::max<int64_t>(growth, 0) * std::max<int64_t>(trips, 1));
}

void Analysis::visit(Operation *op) {
  for (Value operand : op->getOperands())
    if (isa<TensorType>(operand.getType()))
      noteType(operand.getType(), model);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return visitLoop(loop);
  int64_t depth = getDepth(op->getOperands());
  auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
  if (linalgOp && linalgOp.getNumReductionLoops() > 0) {
    ++depth;
    model.length = std::max(model.length, getLength(linalgOp, largest));
  }
  if (!linalgOp) {
    visitRegions(op);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        if (block.mightHaveTerminator())
          depth =
              std::max(depth, getDepth(block.getTerminator()->getOperands()));
  }
  setDepth(op->getResults(), depth);
}

static ErrorModel analyze(ModuleOp module, ArrayRef<Tensor> inputs) {
  int64_t largest = 1;
  for (const Tensor &input : inputs)
    for (int64_t extent : input.shape)
      largest = std::max(largest, extent);
  Analysis analysis(largest);
  analysis.visit(module);
  return analysis.model;
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
  ErrorModel model = analyze(programs[1]->getUpstream(), inputs);
  double limit =
      tolerance.value_or(4 * model.roundoff * std::sqrt(model.length) *
                         static_cast<double>(model.depth));
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
