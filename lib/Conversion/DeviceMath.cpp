//===- DeviceMath.cpp - Functions without a library -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/DeviceMath.h"

#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

/// Functions that are instructions, or short sequences of them.
static bool isIntrinsic(Operation *op) {
  return isa<math::AbsFOp, math::AbsIOp, math::CeilOp, math::CopySignOp,
             math::CountLeadingZerosOp, math::CountTrailingZerosOp,
             math::CtPopOp, math::FloorOp, math::FmaOp, math::RoundEvenOp,
             math::SqrtOp, math::TruncOp>(op);
}

static bool isExpanded(StringRef name) {
  return name != math::FloorOp::getOperationName() &&
         name != math::CeilOp::getOperationName() &&
         name != math::RoundEvenOp::getOperationName();
}

LogicalResult mlir::sparsedrop::expandDeviceMath(Operation *root) {
  MLIRContext *context = root->getContext();
  {
    RewritePatternSet patterns(context);
    math::populateExpansionPatterns(
        patterns,
        {"clampf", "fpowi", "ipowi", "rsqrt", "exp2f", "tan", "sinh", "cosh",
         "asinh", "acosh", "atanh", "powf", "ceilf", "roundf"});
    populateMathF32ExpansionPatterns(patterns, isExpanded);
    populateMathPolynomialApproximationPatterns(patterns, isExpanded);
    if (failed(applyPatternsGreedily(root, std::move(patterns))))
      return failure();
  }
  LLVMTypeConverter converter(context);
  RewritePatternSet patterns(context);
  populateMathToLLVMConversionPatterns(converter, patterns);
  LLVMConversionTarget target(*context);
  target.markUnknownOpDynamicallyLegal(
      [](Operation *op) { return !isIntrinsic(op); });
  if (failed(applyPartialConversion(root, target, std::move(patterns))))
    return failure();
  WalkResult result = root->walk([](Operation *op) {
    if (op->getName().getDialectNamespace() != "math")
      return WalkResult::advance();
    op->emitError() << "cannot run on the device: nothing expands '"
                    << op->getName() << "' on " << op->getResult(0).getType();
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}
