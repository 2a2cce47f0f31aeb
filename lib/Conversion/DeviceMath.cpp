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
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

/// Functions that are instructions, or short sequences of them.
static bool isIntrinsic(Operation *op) {
  return isa<math::AbsFOp, math::AbsIOp, math::CeilOp, math::CopySignOp,
             math::CountLeadingZerosOp, math::CountTrailingZerosOp,
             math::CtPopOp, math::IsFiniteOp, math::IsNaNOp, math::FloorOp,
             math::FmaOp, math::RoundEvenOp, math::SqrtOp, math::TruncOp>(op);
}

/// Those of which upstream's polynomials for f32 are good to a few units in the
/// last place, also for the smallest numbers.
static bool isApproximated(StringRef name) {
  return name == math::ErfOp::getOperationName() ||
         name == math::ExpOp::getOperationName() ||
         name == math::TanhOp::getOperationName();
}

namespace {
/// sinh and cosh of f64 by exponentials: libclc's read behind the end of a
/// table for infinities and NaN. With u = e^|x| - 1, sinh |x| = (u + u / (u +
/// 1)) / 2 and cosh x = (e^|x| + e^-|x|) / 2; where e^|x| would overflow too
/// early, both are e^(|x|/2) / 2 * e^(|x|/2).
template <typename OpTy>
struct ExpandHyperbolic : public OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF64())
      return rewriter.notifyMatchFailure(op, "libclc's is good for f32");
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto constant = [&](double value) -> Value {
      return arith::ConstantOp::create(b, b.getF64FloatAttr(value));
    };
    Value x = op.getOperand(), size = math::AbsFOp::create(b, x), result;
    Value half = constant(0.5);
    if constexpr (std::is_same_v<OpTy, math::SinhOp>) {
      Value u = math::ExpM1Op::create(b, size);
      Value next = arith::AddFOp::create(b, u, constant(1));
      result = arith::AddFOp::create(b, u, arith::DivFOp::create(b, u, next));
    } else {
      Value up = math::ExpOp::create(b, size);
      result = arith::AddFOp::create(b, up,
                                     arith::DivFOp::create(b, constant(1), up));
    }
    result = arith::MulFOp::create(b, half, result);
    Value root = math::ExpOp::create(b, arith::MulFOp::create(b, half, size));
    Value large =
        arith::MulFOp::create(b, arith::MulFOp::create(b, half, root), root);
    Value isLarge = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, size,
                                          constant(709));
    result = arith::SelectOp::create(b, isLarge, large, result);
    if constexpr (std::is_same_v<OpTy, math::SinhOp>)
      result = math::CopySignOp::create(b, result, x);
    rewriter.replaceOp(op, result);
    return success();
  }
};
} // namespace

/// The name of a function in OpenCL C, where it differs from the op's.
static StringRef getLibraryName(Operation *op) {
  StringRef name = op->getName().stripDialect();
  return llvm::StringSwitch<StringRef>(name).Case("powf", "pow").Default(name);
}

/// Calls a function of libclc, LLVM's library of OpenCL C, which is linked when
/// the kernels become PTX. It has f32 and f64.
static LogicalResult callLibrary(RewriterBase &rewriter, Operation *op) {
  Type type = op->getResult(0).getType();
  Location loc = op->getLoc();
  auto element = dyn_cast<FloatType>(type);
  if (op->getNumResults() != 1 || !element || element.getWidth() > 64 ||
      llvm::any_of(op->getOperandTypes(),
                   [&](Type operand) { return operand != type; }))
    return op->emitError() << "cannot run on the device: nothing expands '"
                           << op->getName() << "' on " << type;
  Type wide = element.getWidth() < 32 ? rewriter.getF32Type() : type;
  StringRef name = getLibraryName(op);
  std::string symbol = ("_Z" + Twine(name.size()) + name).str();
  for (unsigned i = 0; i < op->getNumOperands(); ++i)
    symbol += wide.isF64() ? 'd' : 'f';
  auto scope = op->getParentOfType<gpu::GPUModuleOp>();
  auto callee = scope.lookupSymbol<LLVM::LLVMFuncOp>(symbol);
  if (!callee) {
    OpBuilder top = OpBuilder::atBlockBegin(scope.getBody());
    SmallVector<Type> types(op->getNumOperands(), wide);
    callee = LLVM::LLVMFuncOp::create(top, scope.getLoc(), symbol,
                                      LLVM::LLVMFunctionType::get(wide, types));
  }
  rewriter.setInsertionPoint(op);
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(
        wide == type
            ? operand
            : arith::ExtFOp::create(rewriter, loc, wide, operand).getResult());
  Value result =
      LLVM::CallOp::create(rewriter, loc, callee, operands).getResult();
  if (wide != type)
    result = arith::TruncFOp::create(rewriter, loc, type, result);
  rewriter.replaceOp(op, result);
  return success();
}

static LogicalResult lowerIntrinsics(gpu::GPUModuleOp kernels) {
  MLIRContext *context = kernels.getContext();
  LLVMTypeConverter converter(context);
  RewritePatternSet patterns(context);
  populateMathToLLVMConversionPatterns(converter, patterns);
  LLVMConversionTarget target(*context);
  target.markUnknownOpDynamicallyLegal(
      [](Operation *op) { return !isIntrinsic(op); });
  return applyPartialConversion(kernels, target, std::move(patterns));
}

LogicalResult mlir::sparsedrop::expandDeviceMath(gpu::GPUModuleOp kernels) {
  MLIRContext *context = kernels.getContext();
  RewritePatternSet patterns(context);
  math::populateExpansionPatterns(patterns,
                                  {"clampf", "fpowi", "ipowi", "rsqrt"});
  populateMathF32ExpansionPatterns(patterns, isApproximated);
  populateMathPolynomialApproximationPatterns(patterns, isApproximated);
  patterns.add<ExpandHyperbolic<math::SinhOp>, ExpandHyperbolic<math::CoshOp>>(
      context);
  if (failed(applyPatternsGreedily(kernels, std::move(patterns))) ||
      failed(lowerIntrinsics(kernels)))
    return failure();
  SmallVector<Operation *> calls;
  kernels.walk([&](Operation *op) {
    if (isa<math::MathDialect>(op->getDialect()))
      calls.push_back(op);
  });
  IRRewriter rewriter(context);
  for (Operation *op : calls)
    if (failed(callLibrary(rewriter, op)))
      return failure();
  return success();
}
