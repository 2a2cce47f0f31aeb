//===- Actions.h - What sparsedrop-run does with a program ------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_RUN_ACTIONS_H
#define SPARSEDROP_TOOLS_RUN_ACTIONS_H

#include "Program.h"

#include "llvm/Support/raw_ostream.h"

namespace mlir::sparsedrop::run {

/// What was asked for on the command line.
struct Request {
  mlir::ModuleOp module;
  std::string entry;
  DropoutMode mode = DropoutMode::Compact;
  int64_t seed = 0, step = 0;
  Target target;
};

/// Runs compact, on the target, against masked, on the host, for `steps` steps,
/// on inputs of their own, and prints for each result the largest error and
/// what is tolerated: `tolerance`, or what getTolerance says of the masked
/// program. Returns the exit code.
int check(const Request &request, Program &program,
          llvm::ArrayRef<Tensor> inputs, std::optional<double> tolerance,
          int64_t steps);

/// Times `count` steps in all modes, interleaved, on the same patterns, and
/// with `graph` beside each step a launch of the graph that was captured of it.
/// Returns the exit code.
int time(const Request &request, llvm::ArrayRef<Tensor> inputs, int64_t count,
         bool graph);

/// Runs an instrumented copy once and reports the work of each product.
/// Returns the exit code.
int report(const Request &request, llvm::ArrayRef<Tensor> inputs, bool json);

} // namespace mlir::sparsedrop::run

#endif // SPARSEDROP_TOOLS_RUN_ACTIONS_H
