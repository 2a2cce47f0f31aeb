//===- Passes.h - Passes of the sparsedrop dialect ---------------*- C++
//-*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_DIALECT_SPARSEDROP_TRANSFORMS_PASSES_H
#define SPARSEDROP_DIALECT_SPARSEDROP_TRANSFORMS_PASSES_H

#include "sparsedrop/Dialect/SparseDrop/Transforms/Transforms.h"

#include "mlir/Pass/Pass.h"

namespace mlir::sparsedrop {

#define GEN_PASS_DECL
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h.inc"

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_DIALECT_SPARSEDROP_TRANSFORMS_PASSES_H
