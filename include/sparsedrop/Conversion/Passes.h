//===- Passes.h - Passes of the CPU back end --------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_CONVERSION_PASSES_H
#define SPARSEDROP_CONVERSION_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir {
class ModuleOp;

namespace func {
class FuncOp;
} // namespace func

namespace sparsedrop {

/// Which ops that run over the same array `sparsedrop-fuse-siblings` joins.
enum class SiblingsToFuse { All, Alike, Readers };

#define GEN_PASS_DECL
#include "sparsedrop/Conversion/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "sparsedrop/Conversion/Passes.h.inc"

} // namespace sparsedrop
} // namespace mlir

#endif // SPARSEDROP_CONVERSION_PASSES_H
