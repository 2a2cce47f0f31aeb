//===- SeparateInits.cpp - A buffer of its own for each result ------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"

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

namespace {
struct SeparateInits
    : public mlir::sparsedrop::impl::SeparateInitsBase<SeparateInits> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    // Fills first: their copies need empty tensors of their own.
    separate<linalg::FillOp>(rewriter);
    separate<tensor::EmptyOp>(rewriter);
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
