//===- JIT.h - Programs compiled and run in the process ---------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TARGET_JIT_H
#define SPARSEDROP_TARGET_JIT_H

#include "sparsedrop-c/Device.h"

#include "mlir/IR/BuiltinOps.h"

#include <memory>

namespace mlir::sparsedrop {

/// A module of the LLVM dialect, as `sparsedrop-to-cpu` makes it, compiled for
/// the host. Symbols that it lacks are looked up in the runtime library, what
/// that links (libm) and the process.
class JIT {
public:
  ~JIT();

  /// Optimises and compiles `module`; emits an error and returns null on
  /// failure.
  static std::unique_ptr<JIT> create(ModuleOp module);

  /// Entry points of the signatures that `sparsedrop-emit-entry-points`
  /// documents.
  using Entry = int32_t (*)(void **arguments);
  using DeviceEntry = int32_t (*)(sparsedrop_device *, sparsedrop_stream *,
                                  void **arguments);

  /// The address of the entry point of function `name`, or null (after an error
  /// on `loc`) when there is none.
  void *lookup(Location loc, StringRef name);

private:
  JIT();
  struct State;
  std::unique_ptr<State> state;
};

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_TARGET_JIT_H
