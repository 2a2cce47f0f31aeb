//===- Timing.cpp - All modes on the same patterns ------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Actions.h"
#include "Median.h"

#include "sparsedrop-c/Runtime.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "llvm/Support/Format.h"

#include <array>

using namespace mlir;
using namespace mlir::sparsedrop::run;

namespace {
/// The steps of one mode.
struct Series {
  DropoutMode mode;
  std::unique_ptr<Program> program;
  std::vector<double> seconds;
  std::vector<double> graphSeconds; ///< of launches; empty without graphs
  int64_t peakBytes = 0;
};

/// Operations of all steps: dense, of the draws, and expected over all draws.
struct Operations {
  double dense = 0, actual = 0, expected = 0;
};
} // namespace

static double getSum(const std::vector<double> &values) {
  double sum = 0;
  for (double value : values)
    sum += value;
  return sum;
}

/// Counts on an instrumented copy, so that counting does not disturb the times.
static bool countOperations(const Request &request, ArrayRef<Tensor> inputs,
                            int64_t count, Operations &operations) {
  std::unique_ptr<Program> program =
      Program::compile(request.module, request.entry, DropoutMode::Compact,
                       true, request.target);
  if (!program)
    return false;
  auto products = program->getUpstream()->getAttrOfType<ArrayAttr>(
      mlir::sparsedrop::kProductsAttrName);
  sparsedrop_reset_counts();
  std::vector<Tensor> copies(inputs.begin(), inputs.end());
  for (int64_t i = 0; i < count; ++i) {
    if (!program->run(copies, request.seed, request.step + i, nullptr))
      return false;
    program->restore(copies, inputs);
  }
  for (size_t id = 0; products && id < products.size(); ++id) {
    sparsedrop_product_counts counts;
    sparsedrop_product_counts_of(static_cast<int64_t>(id), &counts);
    operations.dense += counts.denseFlops;
    operations.actual += counts.actualFlops;
    operations.expected += counts.expectedFlops;
  }
  return true;
}

static void printTable(const std::array<Series, 4> &series,
                       const Operations &operations, int64_t count) {
  auto n = static_cast<double>(count);
  bool hasGraphs = !series[0].graphSeconds.empty();
  llvm::outs() << llvm::format("%-10s %16s %12s %12s %16s", "mode",
                               "operations/step", "total ms", "median ms",
                               "temporaries, B");
  if (hasGraphs)
    llvm::outs() << llvm::format(" %12s %12s", "graphs, ms", "median ms");
  llvm::outs() << "\n";
  for (const Series &s : series) {
    double work =
        s.mode == DropoutMode::Compact ? operations.actual : operations.dense;
    llvm::outs() << llvm::format(
        "%-10s %16.0f %12.2f %12.3f %16lld", getName(s.mode).str().c_str(),
        work / n, 1e3 * getSum(s.seconds), 1e3 * getMedian(s.seconds),
        static_cast<long long>(s.peakBytes));
    if (hasGraphs)
      llvm::outs() << llvm::format(" %12.2f %12.3f",
                                   1e3 * getSum(s.graphSeconds),
                                   1e3 * getMedian(s.graphSeconds));
    llvm::outs() << "\n";
  }
  auto printRatio = [](const char *what, double a, double b) {
    llvm::outs() << what;
    if (b > 0)
      llvm::outs() << llvm::format("%.3f\n", a / b);
    else
      llvm::outs() << "none\n";
  };
  llvm::outs() << "\n";
  double compact = getSum(series[0].seconds);
  printRatio("time, masked / compact (summed):          ",
             getSum(series[1].seconds), compact);
  if (hasGraphs)
    printRatio("time, compact / its graphs (summed):      ", compact,
               getSum(series[0].graphSeconds));
  printRatio("operations, masked / compact (same draws): ", operations.dense,
             operations.actual);
  printRatio("operations, expected over all draws:       ", operations.dense,
             operations.expected);
}

/// Compiles all modes; false after an error.
static bool prepare(const Request &request, std::vector<Tensor> &copies,
                    ArrayRef<Tensor> inputs, std::array<Series, 4> &series) {
  DropoutMode modes[] = {DropoutMode::Compact, DropoutMode::Masked,
                         DropoutMode::Dense, DropoutMode::Bernoulli};
  for (size_t i = 0; i < series.size(); ++i) {
    series[i].mode = modes[i];
    series[i].program = Program::compile(request.module, request.entry,
                                         modes[i], false, request.target);
    // Once to warm up: pages, threads, the cache of blocks.
    if (!series[i].program ||
        !series[i].program->run(copies, request.seed, request.step, nullptr))
      return false;
    series[i].program->restore(copies, inputs);
  }
  return true;
}

int mlir::sparsedrop::run::time(const Request &request, ArrayRef<Tensor> inputs,
                                int64_t count, bool graph) {
  // Each step starts from the same values: one that updates weights would
  // leave the numbers of a real program after a few steps on drawn inputs.
  std::vector<Tensor> copies(inputs.begin(), inputs.end());
  std::array<Series, 4> series;
  if (!prepare(request, copies, inputs, series))
    return 1;
  for (int64_t i = 0; i < count; ++i)
    for (size_t k = 0; k < series.size(); ++k) {
      // The order rotates, so that no mode always follows the same one.
      Series &s = series[(k + static_cast<size_t>(i)) % series.size()];
      if (!s.program->run(copies, request.seed, request.step + i, nullptr))
        return 1;
      s.program->restore(copies, inputs);
      s.seconds.push_back(s.program->getSeconds());
      s.peakBytes = std::max(s.peakBytes, s.program->getPeakBytes());
      if (graph && !s.program->timeGraph(copies, request.seed, request.step + i,
                                         s.graphSeconds.emplace_back()))
        return 1;
    }
  Operations operations;
  if (!countOperations(request, inputs, count, operations))
    return 1;
  printTable(series, operations, count);
  return 0;
}
