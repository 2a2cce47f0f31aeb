//===- OutputFile.cpp - A file that is there when all of it is ------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OutputFile.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir::sparsedrop::run;

OutputFile::~OutputFile() {
  if (file)
    llvm::consumeError(file->discard());
}

llvm::Error OutputFile::open() {
  auto opened = llvm::sys::fs::TempFile::create(path + "-%%%%%%.tmp");
  if (!opened)
    return refuse(opened.takeError());
  file.emplace(std::move(*opened));
  return llvm::Error::success();
}

llvm::Error OutputFile::write(llvm::StringRef bytes) {
  if (llvm::Error error = open())
    return error;
  llvm::raw_fd_ostream stream(file->FD, /*shouldClose=*/false);
  stream << bytes;
  stream.flush();
  std::error_code code = stream.error();
  stream.clear_error();
  return code ? refuse(llvm::errorCodeToError(code)) : llvm::Error::success();
}

llvm::Error OutputFile::keep() {
  llvm::Error error = file->keep(path);
  file.reset();
  return error ? refuse(std::move(error)) : llvm::Error::success();
}

llvm::Error OutputFile::refuse(llvm::Error error) const {
  return llvm::createStringError("cannot write '" + path +
                                 "': " + llvm::toString(std::move(error)));
}

llvm::Error mlir::sparsedrop::run::writeFile(llvm::StringRef path,
                                             llvm::StringRef bytes) {
  OutputFile file(path);
  if (llvm::Error error = file.write(bytes))
    return error;
  return file.keep();
}
