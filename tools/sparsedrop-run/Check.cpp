//===- Check.cpp - Compact against masked ---------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Actions.h"
#include "Agreement.h"

#include "llvm/Support/Format.h"

using namespace mlir;
using namespace mlir::sparsedrop::run;

static bool printVerdict(size_t index, const Tensor &result,
                         const Comparison &worst, double limit) {
  bool within = worst.isWithin(limit);
  llvm::outs() << "result " << index << " ("
               << describe(result.elementType, result.shape) << "): error "
               << worst.describeError() << ", tolerated "
               << llvm::format("%.3e", limit)
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
      worst[r].add(compare(results[0][r], results[1][r]));
  }
  double limit = tolerance.value_or(
      getTolerance(programs[1]->getUpstream(), inputs, request.target.tf32));
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
