//===- Call.h - Executables of the C API ------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_CAPI_CALL_H
#define SPARSEDROP_LIB_CAPI_CALL_H

#include "Context.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"
#include "sparsedrop/Target/Executable.h"

#include <vector>

namespace mlir::sparsedrop::capi {

/// "", or that a number of arrays is below 0.
std::string checkCounts(int64_t inputs, int64_t results);

/// Sets the calling thread's costs and is "", or says what is wrong. In a
/// capture of the thread's programs on `place.stream` the call is only
/// recorded, and costs stay as they are.
std::string runCall(const sparsedrop_executable &executable,
                    const DevicePlace &place, ArrayRef<sparsedrop_array> inputs,
                    int64_t seed, int64_t step,
                    MutableArrayRef<sparsedrop_array> results, bool isCaptured);

/// A slot and the shape that it points to.
struct SlotText {
  sparsedrop_slot slot{};
  std::vector<int64_t> shape;
};

} // namespace mlir::sparsedrop::capi

struct sparsedrop_executable {
  std::shared_ptr<mlir::sparsedrop::capi::ContextState> state;
  std::unique_ptr<mlir::sparsedrop::Executable> executable;
  std::string name;
  std::vector<mlir::sparsedrop::capi::SlotText> inputs, results;

  /// MLIR's part dies in its context.
  ~sparsedrop_executable();
};

#endif // SPARSEDROP_LIB_CAPI_CALL_H
