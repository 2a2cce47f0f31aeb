//===- Passes.h - Passes of the GPU back end --------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_GPU_PASSES_H
#define SPARSEDROP_GPU_PASSES_H

#include "sparsedrop/GPU/KernelTable.h"

#include "mlir/Pass/Pass.h"

namespace mlir {
class ModuleOp;

namespace sparsedrop {

#define GEN_PASS_DECL
#include "sparsedrop/GPU/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "sparsedrop/GPU/Passes.h.inc"

/// The same pass with a table in memory, which is used instead of the file of
/// the option unless it is null.
std::unique_ptr<Pass>
createChooseKernels(ChooseKernelsOptions options,
                    std::shared_ptr<const KernelTable> measured);

} // namespace sparsedrop
} // namespace mlir

#endif // SPARSEDROP_GPU_PASSES_H
