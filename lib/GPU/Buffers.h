//===- Buffers.h - What ops do to buffers -----------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_BUFFERS_H
#define SPARSEDROP_LIB_GPU_BUFFERS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mlir::sparsedrop {

/// The buffer that `value` is a view of.
Value getRoot(Value value);

/// Whether a root is an allocation that no value but its views is a name of, an
/// argument of a function, or a constant.
bool isOwnBuffer(Value root);

/// Whether `op` may see the memory of `root`, an argument or an allocation.
bool touches(Operation *op, Value root);

/// Whether a structured op or a contraction writes to it.
bool writes(Operation *op, Value root);

/// The fill that an output of `op`, all of whose elements it writes, begins
/// from and that nothing else sees.
linalg::FillOp findFill(linalg::LinalgOp op, OpOperand &init);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_BUFFERS_H
