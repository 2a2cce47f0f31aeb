//===- Alignment.h - What divides addresses and strides ---------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_ALIGNMENT_H
#define SPARSEDROP_LIB_GPU_ALIGNMENT_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/OpDefinition.h"

namespace mlir::sparsedrop {

/// What the layout of a buffer is known to be, in elements.
struct Layout {
  /// Divides the address of the first element.
  int64_t base = 1;
  /// Divides each stride.
  SmallVector<int64_t> strides;
};

/// Reads the layout off where the buffer comes from: arguments lie at multiples
/// of 16 bytes (which calls check), allocations at multiples of 256, and views
/// are computed from both.
Layout getLayout(Value buffer);

/// The largest known divisor of an index; 0 for zero.
int64_t getDivisor(OpFoldResult index);

/// The most elements, a power of two of at most `limit` bytes, that can be
/// moved at a time along the last dimension of `buffer`.
int64_t getVectorWidth(Value buffer, int64_t limit = 16);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_ALIGNMENT_H
