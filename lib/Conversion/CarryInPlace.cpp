//===- CarryInPlace.cpp - Loops write what they carry where it lies -------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_CARRYINPLACE
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

/// What `result` overwrites or is a view of, or null if it is an array of its
/// own.
static Value getOverwritten(OpResult result) {
  Operation *op = result.getOwner();
  if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp>(op))
    return op->getOperand(0);
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

/// The operand of the op that makes `value` which says where to, if nothing is
/// there yet; otherwise null.
static OpOperand *getEmptyInit(Value value) {
  auto result = dyn_cast<OpResult>(value);
  auto dps = result ? dyn_cast<DestinationStyleOpInterface>(result.getOwner())
                    : nullptr;
  OpOperand *init = dps ? dps.getTiedOpOperand(result) : nullptr;
  return init && init->get().getDefiningOp<tensor::EmptyOp>() ? init : nullptr;
}

/// Whether `op` does no more with `operand` than to read it where it writes
/// `init` in the same iteration.
static bool readsInStep(Operation *op, OpOperand &operand, OpOperand &init) {
  // The epilogue of a contraction reads an element right before it writes it.
  if (auto contract = dyn_cast<mlir::sparsedrop::ContractOp>(op))
    return operand.getOperandNumber() >= 2 &&
           operand.getOperandNumber() < contract.getFirstInit() &&
           contract.getMap(operand.getOperandNumber()) ==
               contract.getMap(init.getOperandNumber());
  auto structured = dyn_cast<linalg::LinalgOp>(op);
  return structured && structured.isDpsInput(&operand) &&
         structured.getNumReductionLoops() == 0 &&
         structured.getMatchingIndexingMap(&operand) ==
             structured.getMatchingIndexingMap(&init) &&
         structured.getMatchingIndexingMap(&init).isPermutation();
}

/// Whether what `value` holds, itself or as a view, is needed no more when the
/// op of `init` writes.
static bool isDead(Value value, OpOperand &init) {
  Operation *writer = init.getOwner();
  return llvm::all_of(value.getUses(), [&](OpOperand &use) {
    Operation *user =
        writer->getBlock()->findAncestorOpInBlock(*use.getOwner());
    if (user == writer)
      return use.getOwner() == writer && readsInStep(writer, use, init);
    if (!user || !user->isBeforeInBlock(writer))
      return false;
    bool isView = isa<tensor::ExtractSliceOp, tensor::ExpandShapeOp,
                      tensor::CollapseShapeOp, tensor::CastOp>(use.getOwner());
    bool isRead = isa<linalg::LinalgOp, mlir::sparsedrop::ContractOp,
                      tensor::ExtractOp, tensor::DimOp>(use.getOwner()) ||
                  (isa<tensor::InsertSliceOp>(use.getOwner()) &&
                   use.getOperandNumber() == 0);
    return isView ? isDead(use.getOwner()->getResult(0), init) : isRead;
  });
}

/// Moves what stores `carried` elsewhere before `writer`, where it can be.
static void storeBefore(BlockArgument carried, Operation *writer) {
  for (Operation *user : llvm::make_early_inc_range(carried.getUsers())) {
    bool isLate = user->getBlock() == writer->getBlock() &&
                  isa<tensor::InsertSliceOp>(user) &&
                  writer->isBeforeInBlock(user);
    bool mayMove = llvm::all_of(user->getOperands(), [&](Value operand) {
      Operation *op = operand.getDefiningOp();
      return !op || op->getBlock() != writer->getBlock() ||
             op->isBeforeInBlock(writer);
    });
    if (isLate && mayMove)
      user->moveBefore(writer);
  }
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

/// Lets what is yielded be written to `carried`: directly by what computes it,
/// if that is the last to read it, or at the end of the iteration.
static void writeInPlace(OpBuilder &b, OpOperand &yielded,
                         BlockArgument carried) {
  Operation *yield = yielded.getOwner();
  OpOperand *init = getEmptyInit(yielded.get());
  bool fits = init && init->getOwner()->getBlock() == yield->getBlock() &&
              init->get().getType() == carried.getType();
  if (fits)
    storeBefore(carried, init->getOwner());
  if (fits && isDead(carried, *init))
    init->set(carried);
  else
    yielded.set(writeOver(b, yield->getLoc(), yielded.get(), carried));
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
          writeInPlace(builder, operand, carried);
    });
  }
};
} // namespace
