//===- Cubin.cpp - Machine code of GPUs by ptxas --------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Target/Cubin.h"

#include "Commands.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

using namespace llvm;

std::string mlir::sparsedrop::findPtxas() {
  std::vector<std::string> folders;
  for (const char *name : {"CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"})
    if (StringRef root = StringRef(std::getenv(name)); !root.empty()) {
      SmallString<64> folder{root};
      sys::path::append(folder, "bin");
      folders.push_back(folder.str().str());
    }
  if (folders.empty())
    folders.push_back("/usr/local/cuda/bin");
  SmallVector<StringRef> references(folders.begin(), folders.end());
  return findProgram({"ptxas"}, references);
}

Expected<std::string> mlir::sparsedrop::assemble(StringRef ptxas, StringRef ptx,
                                                 StringRef chip) {
  SmallString<64> input, output;
  int file;
  if (std::error_code code =
          sys::fs::createTemporaryFile("sparsedrop", "ptx", file, input))
    return createStringError(code, "cannot make a temporary file");
  FileRemover first(input);
  raw_fd_ostream stream(file, /*shouldClose=*/true);
  stream << ptx;
  stream.close();
  if (std::error_code code =
          sys::fs::createTemporaryFile("sparsedrop", "cubin", output))
    return createStringError(code, "cannot make a temporary file");
  FileRemover second(output);
  std::string arch = ("-arch=" + chip).str();
  if (Error error = runProgram(ptxas, {arch, "-O3", input, "-o", output}))
    return std::move(error);
  ErrorOr<std::unique_ptr<MemoryBuffer>> bytes = MemoryBuffer::getFile(output);
  if (!bytes)
    return createStringError(bytes.getError(), "cannot read what ptxas wrote");
  return (*bytes)->getBuffer().str();
}
