//===- PrepareForCPU.cpp - Tensor programs before bufferization -----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_PREPAREFORCPU
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using linalg::LinalgOp;

static bool isPointwise(LinalgOp op) {
  return op.getNumReductionLoops() == 0 && op.hasPureTensorSemantics();
}

/// Softmax and its like become structured ops.
static LogicalResult decomposeAggregates(RewriterBase &rewriter,
                                         ModuleOp module) {
  SmallVector<linalg::AggregatedOpInterface> ops;
  module.walk([&](linalg::AggregatedOpInterface op) { ops.push_back(op); });
  for (linalg::AggregatedOpInterface op : ops) {
    rewriter.setInsertionPoint(op);
    FailureOr<SmallVector<Value>> results = op.decomposeOperation(rewriter);
    if (failed(results))
      return op.emitOpError() << "cannot run on the CPU: it does not decompose";
    rewriter.replaceOp(op, *results);
  }
  return success();
}

/// Fusion works on generic ops.
static void generalizeElementwise(RewriterBase &rewriter, ModuleOp module) {
  SmallVector<LinalgOp> ops;
  module.walk([&](LinalgOp op) {
    if (isPointwise(op) &&
        !isa<linalg::GenericOp, linalg::FillOp, linalg::CopyOp>(op))
      ops.push_back(op);
  });
  for (LinalgOp op : ops) {
    rewriter.setInsertionPoint(op);
    (void)linalg::generalizeNamedOp(rewriter, op);
  }
}

/// Fuse where nothing is computed twice: a single user with the same loops.
/// Products stay as they are: they go to BLAS.
static bool shouldFuse(OpOperand *operand) {
  auto producer = operand->get().getDefiningOp<LinalgOp>();
  auto consumer = dyn_cast<LinalgOp>(operand->getOwner());
  if (!producer || !consumer || !isPointwise(producer) ||
      !operand->get().hasOneUse() ||
      producer.getNumLoops() != consumer.getNumLoops())
    return false;
  return consumer.getNumReductionLoops() == 0 ||
         consumer.getNumDpsInputs() == 1;
}

/// The caller's buffers are read only unless it gives them away.
static void markArguments(ModuleOp module) {
  Builder builder(module.getContext());
  module.walk([&](func::FuncOp function) {
    if (function.isExternal() || !function.isPublic())
      return;
    function->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(),
                      builder.getUnitAttr());
    for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i)
      if (isa<TensorType>(function.getArgumentTypes()[i]) &&
          !function.getArgAttr(i, mlir::sparsedrop::kDonateAttrName))
        function.setArgAttr(
            i, bufferization::BufferizationDialect::kWritableAttrName,
            builder.getBoolAttr(false));
  });
}

namespace {
struct PrepareForCPU
    : public mlir::sparsedrop::impl::PrepareForCPUBase<PrepareForCPU> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    IRRewriter rewriter(&getContext());
    if (failed(decomposeAggregates(rewriter, module)))
      return signalPassFailure();
    generalizeElementwise(rewriter, module);
    RewritePatternSet patterns(&getContext());
    linalg::populateElementwiseOpsFusionPatterns(patterns, shouldFuse);
    tensor::populateDecomposeTensorConcatPatterns(patterns);
    if (failed(applyPatternsGreedily(module, std::move(patterns))))
      return signalPassFailure();
    markArguments(module);
  }
};
} // namespace
