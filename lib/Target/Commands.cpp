//===- Commands.cpp - Programs that others wrote --------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Commands.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace llvm;

std::string mlir::sparsedrop::findProgram(ArrayRef<StringRef> names,
                                          ArrayRef<StringRef> folders) {
  for (StringRef name : names) {
    if (ErrorOr<std::string> found = sys::findProgramByName(name))
      return *found;
    if (ErrorOr<std::string> found = sys::findProgramByName(name, folders))
      return *found;
  }
  return "";
}

/// The first line that tells of an error, rather than of a warning or of where
/// one is; else the first line.
static StringRef findError(StringRef log) {
  SmallVector<StringRef> lines;
  log.split(lines, '\n');
  for (StringRef line : lines)
    for (StringRef word : {"error", "fatal", "undefined", "cannot"})
      if (line.contains(word))
        return line.trim();
  return log.trim().split('\n').first;
}

Error mlir::sparsedrop::runProgram(StringRef program,
                                   ArrayRef<StringRef> arguments) {
  SmallString<64> log;
  if (std::error_code code =
          sys::fs::createTemporaryFile("sparsedrop", "log", log))
    return createStringError(code, "cannot make a temporary file");
  FileRemover remover(log);
  SmallVector<StringRef> all{program};
  append_range(all, arguments);
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(log),
                                          StringRef(log)};
  std::string message;
  int status = sys::ExecuteAndWait(program, all, std::nullopt, redirects, 0, 0,
                                   &message);
  if (status == 0)
    return Error::success();
  if (status == -1)
    return createStringError("cannot run '" + program + "': " + message);
  std::string said = message;
  if (ErrorOr<std::unique_ptr<MemoryBuffer>> text = MemoryBuffer::getFile(log))
    if (StringRef line = findError((*text)->getBuffer()); !line.empty())
      said = line.str();
  return createStringError(sys::path::filename(program) + ": " +
                           (said.empty() ? "failed" : said));
}
