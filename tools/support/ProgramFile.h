//===- ProgramFile.h - The module of a file ---------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_SUPPORT_PROGRAMFILE_H
#define SPARSEDROP_TOOLS_SUPPORT_PROGRAMFILE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/SourceMgr.h"

#include <optional>

namespace mlir::sparsedrop::run {

/// A module with all dialects, and its context, whose diagnostics go to stderr:
/// one line and its place each.
class ProgramFile {
public:
  ProgramFile();

  /// Prints remarks whose category matches the regular expression `filter`;
  /// before `load`.
  llvm::Error enableRemarks(llvm::StringRef filter);
  /// Reads a file. The error is for what cannot be read; what does not parse
  /// leaves no module, after a diagnostic.
  llvm::Error load(const std::string &path);

  mlir::ModuleOp getModule() const { return module.get(); }
  mlir::MLIRContext &getContext() { return context; }

private:
  mlir::MLIRContext context;
  llvm::SourceMgr sources;
  std::optional<mlir::SourceMgrDiagnosticHandler> handler;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace mlir::sparsedrop::run

#endif // SPARSEDROP_TOOLS_SUPPORT_PROGRAMFILE_H
