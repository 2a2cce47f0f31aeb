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

namespace {
struct SeparateInits
    : public mlir::sparsedrop::impl::SeparateInitsBase<SeparateInits> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
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
        if (init.get().getDefiningOp<OpTy>() && !init.get().hasOneUse())
          uses.push_back(&init);
    });
    for (OpOperand *use : uses) {
      if (use->get().hasOneUse())
        continue;
      rewriter.setInsertionPoint(use->getOwner());
      Operation *copy = rewriter.clone(*use->get().getDefiningOp());
      rewriter.modifyOpInPlace(use->getOwner(),
                               [&] { use->set(copy->getResult(0)); });
    }
  }
};
} // namespace
