//===- OutputFile.h - A file that is there when all of it is ----*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_SUPPORT_OUTPUTFILE_H
#define SPARSEDROP_TOOLS_SUPPORT_OUTPUTFILE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FileSystem.h"

#include <optional>
#include <string>

namespace mlir::sparsedrop::run {

/// A file that lies beside its place under a temporary name until it is kept.
/// Errors name the file.
class OutputFile {
public:
  explicit OutputFile(llvm::StringRef path) : path(path.str()) {}
  ~OutputFile();

  llvm::Error open();
  /// Opens it as well.
  llvm::Error write(llvm::StringRef bytes);
  /// Puts it in its place, instead of a file that is there.
  llvm::Error keep();
  llvm::StringRef getTemporaryName() const { return file->TmpName; }

private:
  llvm::Error refuse(llvm::Error error) const;

  std::string path;
  std::optional<llvm::sys::fs::TempFile> file;
};

/// The whole of it at once.
llvm::Error writeFile(llvm::StringRef path, llvm::StringRef bytes);

} // namespace mlir::sparsedrop::run

#endif // SPARSEDROP_TOOLS_SUPPORT_OUTPUTFILE_H
