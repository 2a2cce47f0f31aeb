//===- SeparateInits.cpp - A buffer of its own for each result ------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_SEPARATEINITS
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

/// What the buffer of `value` belongs to: reshapes and slices are views.
static Value getViewed(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<tensor::CastOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp,
             tensor::ExtractSliceOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// Copies what a function returns for the second time: its caller frees each
/// result.
static void separateResults(RewriterBase &rewriter, func::ReturnOp op) {
  llvm::SmallPtrSet<Value, 8> seen;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()) ||
        seen.insert(getViewed(operand.get())).second)
      continue;
    rewriter.setInsertionPoint(op);
    Value copy = bufferization::AllocTensorOp::create(
        rewriter, op.getLoc(), cast<RankedTensorType>(operand.get().getType()),
        /*dynamicSizes=*/ValueRange(), /*copy=*/operand.get());
    rewriter.modifyOpInPlace(op, [&] { operand.set(copy); });
  }
}

/// Whether what is written to an empty tensor from outside of a loop is
/// inserted in the loop: the place is known there only.
static bool isInsertedFromElsewhere(OpOperand &init) {
  auto op = cast<DestinationStyleOpInterface>(init.getOwner());
  return init.get().getDefiningOp()->getBlock() != op->getBlock() &&
         llvm::any_of(op.getTiedOpResult(&init).getUses(), [](OpOperand &use) {
           auto insertion = dyn_cast<tensor::InsertSliceOp>(use.getOwner());
           return insertion && use.get() == insertion.getSource();
         });
}

/// The slice that an elementwise op reads and that its result, which begins
/// empty, replaces; null if there is none.
static Value getUpdatedSlice(linalg::LinalgOp op, OpOperand &init) {
  OpResult result = op.getTiedOpResult(&init);
  if (op.getNumReductionLoops() != 0 || !result.hasOneUse() ||
      !init.get().getDefiningOp<tensor::EmptyOp>())
    return {};
  auto insertion = dyn_cast<tensor::InsertSliceOp>(*result.user_begin());
  if (!insertion || insertion.getSource() != result)
    return {};
  AffineMap map = op.getMatchingIndexingMap(&init);
  for (OpOperand *input : op.getDpsInputOperands()) {
    auto slice = input->get().getDefiningOp<tensor::ExtractSliceOp>();
    if (slice && slice->hasOneUse() &&
        slice.getSource() == insertion.getDest() &&
        slice.getType() == init.get().getType() && map.isPermutation() &&
        op.getMatchingIndexingMap(input) == map &&
        slice.isSameAs(insertion, isEqualConstantIntOrValue))
      return slice;
  }
  return {};
}

namespace {
struct SeparateInits
    : public mlir::sparsedrop::impl::SeparateInitsBase<SeparateInits> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    getOperation().walk([&](linalg::LinalgOp op) {
      for (OpOperand &init : op.getDpsInitsMutable())
        if (Value slice = op.hasPureTensorSemantics()
                              ? getUpdatedSlice(op, init)
                              : Value())
          rewriter.modifyOpInPlace(op, [&] { init.set(slice); });
    });
    // Fills first: their copies need empty tensors of their own.
    separate<linalg::FillOp>(rewriter);
    separate<tensor::EmptyOp>(rewriter);
    getOperation().walk(
        [&](func::ReturnOp op) { separateResults(rewriter, op); });
  }

  template <typename OpTy> void separate(RewriterBase &rewriter) {
    SmallVector<OpOperand *> uses;
    getOperation().walk([&](DestinationStyleOpInterface op) {
      for (OpOperand &init : op.getDpsInitsMutable())
        if (init.get().getDefiningOp<OpTy>())
          uses.push_back(&init);
    });
    for (OpOperand *use : uses) {
      bool isElsewhere = std::is_same_v<OpTy, tensor::EmptyOp> &&
                         isInsertedFromElsewhere(*use);
      if (use->get().hasOneUse() && !isElsewhere)
        continue;
      rewriter.setInsertionPoint(use->getOwner());
      Operation *copy = rewriter.clone(*use->get().getDefiningOp());
      rewriter.modifyOpInPlace(use->getOwner(),
                               [&] { use->set(copy->getResult(0)); });
    }
  }
};
} // namespace
