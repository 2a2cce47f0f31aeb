//===- Steps.h - Steps that are timed on a device ---------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_TUNE_STEPS_H
#define SPARSEDROP_TOOLS_TUNE_STEPS_H

#include "DeviceArrays.h"

#include <optional>

namespace mlir::sparsedrop::tune {

/// Steps of programs that differ in their kernels only, on inputs that stay on
/// the device. What fails leaves its line in sparsedrop_last_error().
class Steps {
public:
  explicit Steps(sparsedrop_device *device);
  Steps(const Steps &) = delete;
  ~Steps();

  /// Copies `inputs`, which must live as long, to the device. False after a
  /// failure.
  bool prepare(const Executable &program,
               llvm::MutableArrayRef<run::Tensor> inputs);

  /// Microseconds between an event in front of the step and one behind it, on
  /// the values of `inputs`, which a step before may have written over. None
  /// after a failure.
  std::optional<double> run(const Executable &program, int64_t seed,
                            int64_t step);

private:
  bool restore(const Executable &program);

  sparsedrop_device *device;
  run::DeviceArrays arrays;
  llvm::MutableArrayRef<run::Tensor> inputs;
  llvm::SmallVector<Executable::Array> operands;
  sparsedrop_event *start = nullptr, *end = nullptr;
};

} // namespace mlir::sparsedrop::tune

#endif // SPARSEDROP_TOOLS_TUNE_STEPS_H
