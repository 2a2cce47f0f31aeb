//===- Stacks.h - What the iterations of a loop keep ------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_STACKS_H
#define SPARSEDROP_LIB_TRANSFORMS_STACKS_H

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"

namespace mlir::sparsedrop {

/// A stack, tensor[count, ...], of values like `state`, whose sizes are known
/// at the insertion point: a tensor or a scalar.
Value createStack(OpBuilder &builder, Location loc, Value state, Value count);

/// `stack` with `state` as the slice `number`.
Value pushSlice(OpBuilder &builder, Location loc, Value state, Value stack,
                Value number);

/// Whether `insert` is what `pushSlice` makes of a stack of `count` slices: it
/// writes all of slice `number`.
bool isPushed(tensor::InsertSliceOp insert, Value number, Value count);

/// The slice `number` of `stack`, which is of `type`.
Value popSlice(OpBuilder &builder, Location loc, Value stack, Value number,
               Type type);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_STACKS_H
