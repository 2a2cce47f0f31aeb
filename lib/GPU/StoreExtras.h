//===- StoreExtras.h - Copies become outputs of an epilogue -----*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_STOREEXTRAS_H
#define SPARSEDROP_LIB_GPU_STOREEXTRAS_H

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {

/// Lets a contraction on tensors store what its epilogue reads where a copy of
/// it is inserted, such as the state of a cell before a step, which its
/// gradient needs: one output more instead of a kernel that copies. Returns the
/// op that does, or null if there is no such copy.
ContractOp storeExtra(RewriterBase &rewriter, ContractOp op,
                      const DominanceInfo &dominance);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_STOREEXTRAS_H
