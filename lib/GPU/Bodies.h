//===- Bodies.h - Bodies of structured ops in kernels -----------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_BODIES_H
#define SPARSEDROP_LIB_GPU_BODIES_H

#include "KernelBuilder.h"

#include "mlir/IR/AffineMap.h"

namespace mlir::sparsedrop {

/// The strides of a buffer as the host knows them.
SmallVector<HostIndex> getStrides(KernelBuilder &k, Value buffer);

/// The extent of a dimension of a buffer.
HostIndex getExtent(KernelBuilder &k, Value buffer, int64_t dim);

/// The address of the element of `buffer` that `map` gives at `indices`, which
/// are of type index.
Value getElementPointer(KernelBuilder &k, Value buffer, AffineMap map,
                        ValueRange indices);

/// Copies `body` without its terminator into the kernel. Its arguments have the
/// values of `arguments` (null where nothing uses one), `linalg.index i` is
/// `indices[i]`, and what it takes from the host becomes a parameter. Returns
/// what it yields.
SmallVector<Value> inlineBody(KernelBuilder &k, Block &body,
                              ValueRange arguments, ValueRange indices);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_BODIES_H
