//===- Program.h - A program compiled in one mode ---------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_RUN_PROGRAM_H
#define SPARSEDROP_TOOLS_RUN_PROGRAM_H

#include "Tensor.h"

#include "sparsedrop/Pipelines/Pipelines.h"
#include "sparsedrop/Target/JIT.h"

#include "mlir/IR/BuiltinOps.h"

namespace mlir::sparsedrop::run {

using mlir::sparsedrop::DropoutMode;

/// "compact", "masked", "bernoulli" or "dense".
llvm::StringRef getName(DropoutMode mode);

/// An argument or a result of a function on tensors and scalars.
struct Slot {
  mlir::Type elementType;
  llvm::SmallVector<int64_t> shape; ///< kDynamic where unknown
  bool isTensor = true, isSeed = false, isStep = false;
  /// Of a result: the argument, by its place among the inputs, that it ends in.
  std::optional<size_t> donor;
};

/// One function of a module, compiled for the host in one mode.
class Program {
public:
  /// Runs the pipelines on a copy of `module` and compiles it; an error has
  /// been emitted when the result is null.
  static std::unique_ptr<Program> compile(mlir::ModuleOp module,
                                          llvm::StringRef entry,
                                          DropoutMode mode, bool instrument);

  /// Runs on `inputs` (one for each slot that is neither seed nor step) and
  /// replaces `results` unless null. False, after an error, when the runtime
  /// failed.
  bool run(llvm::ArrayRef<Tensor> inputs, int64_t seed, int64_t step,
           std::vector<Tensor> *results);

  /// Seconds of the last run, without copying results.
  double getSeconds() const { return seconds; }
  /// Most bytes of temporaries and results during the last run.
  int64_t getPeakBytes() const { return peakBytes; }

  llvm::ArrayRef<Slot> getArguments() const { return arguments; }
  llvm::ArrayRef<Slot> getResults() const { return results; }
  /// The module after `sparsedrop-pipeline`.
  mlir::ModuleOp getUpstream() const { return *upstream; }
  llvm::StringRef getEntryName() const { return name; }

private:
  bool findEntry(llvm::StringRef entry);
  bool addSlots(mlir::Operation *function, llvm::ArrayRef<mlir::Type> types,
                llvm::SmallVectorImpl<Slot> &slots, llvm::StringRef what);
  void readResults(const std::vector<uint64_t> &storage,
                   llvm::ArrayRef<Tensor> inputs, std::vector<Tensor> *outputs);

  mlir::OwningOpRef<mlir::ModuleOp> upstream;
  std::unique_ptr<mlir::sparsedrop::JIT> jit;
  mlir::sparsedrop::JIT::Entry entry = nullptr;
  std::string name;
  llvm::SmallVector<Slot> arguments, results;
  double seconds = 0;
  int64_t peakBytes = 0;
};

} // namespace mlir::sparsedrop::run

#endif // SPARSEDROP_TOOLS_RUN_PROGRAM_H
