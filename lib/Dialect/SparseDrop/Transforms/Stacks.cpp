//===- Stacks.cpp - What the iterations of a loop keep --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Stacks.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

Value mlir::sparsedrop::createStack(OpBuilder &b, Location loc, Value state,
                                    Value count) {
  SmallVector<OpFoldResult> sizes{getAsOpFoldResult(count)};
  if (isa<RankedTensorType>(state.getType()))
    llvm::append_range(sizes, tensor::getMixedSizes(b, loc, state));
  return tensor::EmptyOp::create(b, loc, sizes,
                                 getElementTypeOrSelf(state.getType()));
}

namespace {
/// Where one state is in a stack.
struct Slice {
  Slice(OpBuilder &b, Location loc, Value stack, Value number)
      : sizes(tensor::getMixedSizes(b, loc, stack)),
        offsets(sizes.size(), b.getIndexAttr(0)),
        strides(sizes.size(), b.getIndexAttr(1)) {
    sizes[0] = b.getIndexAttr(1);
    offsets[0] = number;
  }

  SmallVector<OpFoldResult> sizes, offsets, strides;
};
} // namespace

Value mlir::sparsedrop::pushSlice(OpBuilder &b, Location loc, Value state,
                                  Value stack, Value number) {
  if (!isa<RankedTensorType>(state.getType()))
    return tensor::InsertOp::create(b, loc, state, stack, number);
  Slice slice(b, loc, stack, number);
  return tensor::InsertSliceOp::create(b, loc, state, stack, slice.offsets,
                                       slice.sizes, slice.strides);
}

bool mlir::sparsedrop::isPushed(tensor::InsertSliceOp insert, Value number,
                                Value count) {
  ArrayRef<int64_t> shape = insert.getDestType().getShape();
  return !ShapedType::isDynamicShape(shape) &&
         insert.getSourceType().getShape() == shape.drop_front() &&
         getConstantIntValue(count) == shape.front() &&
         llvm::all_of(insert.getMixedStrides(), isOneInteger) &&
         isOneInteger(insert.getMixedSizes().front()) &&
         insert.getMixedOffsets().front() == OpFoldResult(number) &&
         llvm::all_of(ArrayRef(insert.getMixedOffsets()).drop_front(),
                      isZeroInteger);
}

Value mlir::sparsedrop::popSlice(OpBuilder &b, Location loc, Value stack,
                                 Value number, Type type) {
  auto tensorType = dyn_cast<RankedTensorType>(type);
  if (!tensorType)
    return tensor::ExtractOp::create(b, loc, stack, number);
  Slice slice(b, loc, stack, number);
  return tensor::ExtractSliceOp::create(
      b, loc, tensorType, stack, slice.offsets, slice.sizes, slice.strides);
}
