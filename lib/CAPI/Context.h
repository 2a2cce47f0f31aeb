//===- Context.h - What stands behind the handles of the C API --*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_CAPI_CONTEXT_H
#define SPARSEDROP_LIB_CAPI_CONTEXT_H

#include "sparsedrop-c/Compiler.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>
#include <mutex>
#include <string>

namespace mlir::sparsedrop::capi {

/// The state of a context. Modules and executables share it, so that handles
/// may be destroyed in any order.
struct ContextState {
  ContextState();

  std::unique_ptr<MLIRContext> context;
  std::mutex mutex; ///< held by the call that works in the context
  sparsedrop_diagnostic_callback callback = nullptr;
  void *user = nullptr;
  bool remarks = false;
};

/// Sets the calling thread's error text; returns 1.
int32_t fail(const llvm::Twine &message);

/// Work of one call in a context: locks it, hands diagnostics to the callback,
/// and makes the errors among them the thread's error text when it ends.
class Session {
public:
  explicit Session(ContextState &state);
  ~Session();

  /// Records an error that has no place in a file.
  void addError(const llvm::Twine &message);

  /// Records an error unless there was one with a place: failures without a
  /// diagnostic must not be silent.
  void addFallback(const llvm::Twine &message);

private:
  void report(Diagnostic &diagnostic, int32_t severity);

  ContextState &state;
  std::lock_guard<std::mutex> lock;
  std::mutex textMutex; ///< passes run on several threads
  std::string errors;
  std::unique_ptr<ScopedDiagnosticHandler> handler;
};

} // namespace mlir::sparsedrop::capi

struct sparsedrop_context {
  std::shared_ptr<mlir::sparsedrop::capi::ContextState> state;
};

struct sparsedrop_module {
  std::shared_ptr<mlir::sparsedrop::capi::ContextState> state;
  mlir::OwningOpRef<mlir::ModuleOp> module;

  ~sparsedrop_module() {
    std::lock_guard<std::mutex> lock(state->mutex);
    module = nullptr;
  }
};

#endif // SPARSEDROP_LIB_CAPI_CONTEXT_H
