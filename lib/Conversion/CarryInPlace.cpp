//===- CarryInPlace.cpp - Loops write what they carry where it lies -------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_CARRYINPLACE
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

/// What `result` overwrites, or null if it is an array of its own.
static Value getOverwritten(OpResult result) {
  Operation *op = result.getOwner();
  if (auto insert = dyn_cast<tensor::InsertSliceOp>(op))
    return insert.getDest();
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return loop.getTiedLoopInit(result)->get();
  if (auto dps = dyn_cast<DestinationStyleOpInterface>(op))
    return dps.getTiedOpOperand(result)->get();
  return {};
}

/// Whether `value` is what an iteration makes of `carried` where it lies.
static bool overwrites(Value value, BlockArgument carried) {
  while (value && value != carried) {
    auto result = dyn_cast<OpResult>(value);
    if (!result)
      return false;
    if (auto branch = dyn_cast<scf::IfOp>(result.getOwner())) {
      unsigned number = result.getResultNumber();
      return overwrites(branch.thenYield().getOperand(number), carried) &&
             overwrites(branch.elseYield().getOperand(number), carried);
    }
    value = getOverwritten(result);
  }
  return value == carried;
}

/// `value` written over `dest`, as a slice of all of it: where somebody still
/// needs what was there, bufferization copies.
static Value writeOver(OpBuilder &b, Location loc, Value value, Value dest) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, dest);
  SmallVector<OpFoldResult> offsets(sizes.size(), b.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), b.getIndexAttr(1));
  return tensor::InsertSliceOp::create(b, loc, value, dest, offsets, sizes,
                                       strides);
}

namespace {
struct CarryInPlace
    : public mlir::sparsedrop::impl::CarryInPlaceBase<CarryInPlace> {
  void runOnOperation() override {
    OpBuilder builder(&getContext());
    getOperation().walk([&](scf::ForOp loop) {
      auto yield = cast<scf::YieldOp>(loop.getBody()->getTerminator());
      builder.setInsertionPoint(yield);
      for (auto [operand, carried] :
           llvm::zip(yield->getOpOperands(), loop.getRegionIterArgs()))
        if (isa<RankedTensorType>(carried.getType()) &&
            !overwrites(operand.get(), carried))
          operand.set(
              writeOver(builder, yield.getLoc(), operand.get(), carried));
    });
  }
};
} // namespace
