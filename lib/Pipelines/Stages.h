//===- Stages.h - Parts of the pipelines to machine code --------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_PIPELINES_STAGES_H
#define SPARSEDROP_LIB_PIPELINES_STAGES_H

namespace mlir {
class OpPassManager;

namespace sparsedrop {

/// Control flow and structured ops in the forms that the other stages know.
void addPreparation(OpPassManager &pm);

/// Tensors become buffers that are freed after their last use.
void addBufferization(OpPassManager &pm);

/// The host's code, from memref and scf to the LLVM dialect and entry points.
void addHostLowering(OpPassManager &pm, bool onDevice);

} // namespace sparsedrop
} // namespace mlir

#endif // SPARSEDROP_LIB_PIPELINES_STAGES_H
