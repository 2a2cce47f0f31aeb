//===- CompactTiles.h - Products with dropped tiles -------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_COMPACTTILES_H
#define SPARSEDROP_LIB_TRANSFORMS_COMPACTTILES_H

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {

/// Replaces the dropouts of tiles below `root`: products with the dropped value
/// and products whose result is dropped become loops over classes of rows and
/// columns, which row patterns keep; for all else a mask is multiplied with.
void compactTiles(RewriterBase &rewriter, Operation *root);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_COMPACTTILES_H
