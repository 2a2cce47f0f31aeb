//===- HostCode.h - Code for the host ------------------------- -*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TARGET_HOSTCODE_H
#define SPARSEDROP_TARGET_HOSTCODE_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
} // namespace llvm

namespace mlir::sparsedrop {

/// Translates a module of the LLVM dialect to LLVM IR for `machine` and
/// optimises it as clang does at O2; null after an error.
std::unique_ptr<llvm::Module> translateForHost(ModuleOp module,
                                               llvm::LLVMContext &context,
                                               llvm::TargetMachine &machine);

/// A machine of the host's kind: any of its processors, or with `native` the
/// one that this runs on. Position-independent.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
makeHostMachine(bool native);

/// The object file of a module that was translated for `machine`.
llvm::Expected<std::string> compileObject(llvm::Module &module,
                                          llvm::TargetMachine &machine);

/// Links an object file to a shared object at `output` that needs the runtime
/// library only, which it looks for beside itself and where it is now. The
/// error holds what the linker says.
llvm::Error linkShared(StringRef object, StringRef output);

/// The path of the runtime library in this process.
std::string findRuntime();

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_TARGET_HOSTCODE_H
