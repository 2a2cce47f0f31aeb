//===- Program.h - A program that runs on arrays of its own -----*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_SUPPORT_PROGRAM_H
#define SPARSEDROP_TOOLS_SUPPORT_PROGRAM_H

#include "Tensor.h"

#include "sparsedrop-c/Program.h"
#include "sparsedrop/Target/Executable.h"

namespace mlir::sparsedrop::run {

using mlir::sparsedrop::DropoutMode;
using mlir::sparsedrop::Slot;

/// What programs are compiled for and run on: the host without a device.
struct Target {
  std::string chip;
  sparsedrop_device *device = nullptr;
  bool tf32 = false;
  std::string family;
  std::string table; ///< file of measured kernels; empty: none
  /// Measured kernels in memory instead; null: none.
  std::shared_ptr<const mlir::sparsedrop::KernelTable> measured;
};

/// An executable and what its last run took.
class Program {
public:
  /// An error has been emitted when the result is null.
  static std::unique_ptr<Program> compile(mlir::ModuleOp module,
                                          llvm::StringRef entry,
                                          DropoutMode mode, bool instrument,
                                          const Target &target);

  /// Runs on `inputs` (one for each slot that is neither seed nor step), which
  /// it writes to where they are donated, and replaces `results` unless null.
  /// False, after an error, when the runtime failed.
  bool run(llvm::MutableArrayRef<Tensor> inputs, int64_t seed, int64_t step,
           std::vector<Tensor> *results);

  /// Captures the call that run() would make and launches the graph twice, each
  /// time on the values of `inputs`, which stay as they are. `seconds` receives
  /// what the second launch took until the device was done. False, after an
  /// error, when the call cannot be captured or fails.
  bool timeGraph(llvm::MutableArrayRef<Tensor> inputs, int64_t seed,
                 int64_t step, double &seconds);

  /// Gives `inputs` the values of `original` again where a run writes to them.
  void restore(llvm::MutableArrayRef<Tensor> inputs,
               llvm::ArrayRef<Tensor> original) const;

  /// Seconds of the last run, without copying results.
  double getSeconds() const { return costs.seconds; }
  /// Most bytes of temporaries and results during the last run.
  int64_t getPeakBytes() const { return costs.peakBytes; }
  /// What the last run did on its device; all zero on the host.
  const sparsedrop_program_statistics &getStatistics() const {
    return statistics;
  }

  llvm::ArrayRef<Slot> getArguments() const {
    return executable->getArguments();
  }
  llvm::ArrayRef<Slot> getResults() const { return executable->getResults(); }
  mlir::ModuleOp getUpstream() const { return executable->getUpstream(); }
  const mlir::sparsedrop::Executable &getExecutable() const {
    return *executable;
  }
  llvm::StringRef getEntryName() const { return executable->getEntryName(); }

private:
  std::unique_ptr<mlir::sparsedrop::Executable> executable;
  bool runOnDevice(llvm::MutableArrayRef<Tensor> inputs, int64_t seed,
                   int64_t step, std::vector<Tensor> *results);
  bool fail();

  Target target;
  mlir::sparsedrop::Executable::Costs costs;
  sparsedrop_program_statistics statistics = {};
};

} // namespace mlir::sparsedrop::run

#endif // SPARSEDROP_TOOLS_SUPPORT_PROGRAM_H
