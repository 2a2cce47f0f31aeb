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
