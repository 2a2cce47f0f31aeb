//===- LinalgUtils.h - Small questions about structured ops -----*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_LINALGUTILS_H
#define SPARSEDROP_LIB_TRANSFORMS_LINALGUTILS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::sparsedrop {

/// Whether `loop` occurs only as a plain dimension, once in each map that it
/// occurs in: the condition of every rule of the algebra.
bool isPlainLoop(linalg::LinalgOp op, unsigned loop);

/// The dimension of the operand that `loop` indexes, if any.
std::optional<int64_t> getIndexedDim(linalg::LinalgOp op, OpOperand &operand,
                                     unsigned loop);

/// Makes each `linalg.index loop` of `op` what `create` makes of it, before its
/// other users.
void rewriteIndices(RewriterBase &rewriter, Operation *op, unsigned loop,
                    function_ref<Value(Location, Value)> create);

/// Adds `offset` to each `linalg.index loop` of `op`.
void shiftIndices(RewriterBase &rewriter, Operation *op, unsigned loop,
                  OpFoldResult offset);

/// The constant that all elements of `value` are, or null.
Attribute getFilling(Value value);

/// Whether `value` is a tensor of zeros: a fill or a splat constant, or a
/// compact of one.
bool isZeroFill(Value value);

/// Whether all that `op` does is to round a tensor to fewer bits.
bool isNarrowing(linalg::GenericOp op);

/// The pad that made `value`, of floats with zeros around; null if none did.
tensor::PadOp getZeroPad(Value value);

/// Whether a tensor of type `type` is known to have no elements.
bool isEmptyTensor(Type type);

/// Whether `body` is `out + x * y` of its three arguments x, y and out, in any
/// order, the factors extended to the type of `out` where theirs is another.
bool isProductBody(Block &body);

/// Replaces a generic op that is a matrix product, of whatever transposition
/// and with or without a batch in front, by the named op, which others
/// recognise. Returns the op that is there then.
linalg::LinalgOp nameProduct(RewriterBase &rewriter, linalg::GenericOp op);

/// `scale * x` in f32 (f64 where `x` is f64), rounded once to the type of `x`;
/// `scale` is f32.
Value emitScaled(OpBuilder &builder, Location loc, Value x, Value scale);

/// `scale * value` for each element, as `emitScaled` computes it.
Value createScaled(RewriterBase &rewriter, Location loc, Value value,
                   Value scale);

/// `old + share * (fresh - old)` for each element of two tensors; `share` is of
/// their type.
Value createBlend(OpBuilder &builder, Location loc, Value old, Value fresh,
                  Value share);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_LINALGUTILS_H
