//===- Commands.h - Programs that others wrote ---------------- -*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TARGET_COMMANDS_H
#define SPARSEDROP_LIB_TARGET_COMMANDS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace mlir::sparsedrop {

/// The first of `names` that is on the PATH or else in one of `folders`; empty
/// if there is none.
std::string findProgram(llvm::ArrayRef<llvm::StringRef> names,
                        llvm::ArrayRef<llvm::StringRef> folders);

/// Runs a program to its end. The error is the first line of what it says
/// that tells of one.
llvm::Error runProgram(llvm::StringRef program,
                       llvm::ArrayRef<llvm::StringRef> arguments);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TARGET_COMMANDS_H
