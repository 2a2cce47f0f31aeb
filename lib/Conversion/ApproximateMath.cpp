//===- ApproximateMath.cpp - Functions as polynomials ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_APPROXIMATEMATH
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

/// Not log and what is built on it: upstream's log takes numbers below the
/// smallest normal one for that.
static bool isApproximated(StringRef name) {
  return name == math::ErfOp::getOperationName() ||
         name == math::ExpOp::getOperationName() ||
         name == math::TanhOp::getOperationName();
}

namespace {
/// What is an instruction of the processor does not become a call either.
template <typename MathOp, typename Intrinsic>
struct UseIntrinsic : public OpRewritePattern<MathOp> {
  using OpRewritePattern<MathOp>::OpRewritePattern;

  LogicalResult matchAndRewrite(MathOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF32() && !op.getType().isF64())
      return rewriter.notifyMatchFailure(op, "expected f32 or f64");
    rewriter.replaceOpWithNewOp<Intrinsic>(op, op.getType(), op->getOperands());
    return success();
  }
};

struct ApproximateMath
    : public mlir::sparsedrop::impl::ApproximateMathBase<ApproximateMath> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateMathF32ExpansionPatterns(patterns, isApproximated);
    populateMathPolynomialApproximationPatterns(patterns, isApproximated);
    patterns.add<UseIntrinsic<math::AbsFOp, LLVM::FAbsOp>,
                 UseIntrinsic<math::CeilOp, LLVM::FCeilOp>,
                 UseIntrinsic<math::CopySignOp, LLVM::CopySignOp>,
                 UseIntrinsic<math::FloorOp, LLVM::FFloorOp>,
                 UseIntrinsic<math::FmaOp, LLVM::FMAOp>,
                 UseIntrinsic<math::RoundEvenOp, LLVM::RoundEvenOp>,
                 UseIntrinsic<math::SqrtOp, LLVM::SqrtOp>,
                 UseIntrinsic<math::TruncOp, LLVM::FTruncOp>>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
