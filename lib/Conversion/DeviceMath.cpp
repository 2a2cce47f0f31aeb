//===- DeviceMath.cpp - Functions without a library -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/DeviceMath.h"

#include "DeviceMathExpansions.h"

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

/// Functions that give +0 for -0, where C's give -0: libclc's of f64, and
/// upstream's erf.
static bool losesSignOfZero(Operation *op) {
  if (isa<math::ErfOp>(op))
    return true;
  return op->getNumResults() == 1 && op->getResult(0).getType().isF64() &&
         isa<math::AsinOp, math::AtanOp, math::ExpM1Op, math::SinOp,
             math::TanOp>(op);
}

/// Zeros are their own results there.
static void keepZeros(gpu::GPUModuleOp kernels) {
  kernels.walk([](Operation *op) {
    if (!losesSignOfZero(op) || !isa<FloatType>(op->getResult(0).getType()))
      return;
    ImplicitLocOpBuilder b(op->getLoc(), op->getContext());
    b.setInsertionPointAfter(op);
    Value x = op->getOperand(0), result = op->getResult(0);
    Value zero = arith::ConstantOp::create(b, b.getFloatAttr(x.getType(), 0.0));
    Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, zero);
    Value kept = arith::SelectOp::create(b, isZero, x, result);
    result.replaceAllUsesExcept(kept, kept.getDefiningOp());
  });
}

/// libclc's pow of f64 goes wrong for |y| above 2^100 or so: 0.5^(2^130) is
/// 9e-303. From 2^64 on the result is that of 2^64: |x|^y is 0, 1 or infinite,
/// y even.
static void boundPowers(gpu::GPUModuleOp kernels) {
  kernels.walk([](math::PowFOp op) {
    if (!op.getType().isF64())
      return;
    ImplicitLocOpBuilder b(op.getLoc(), op);
    auto constant = [&](double value) -> Value {
      return arith::ConstantOp::create(b, b.getF64FloatAttr(value));
    };
    // These keep NaN.
    Value y = arith::MinimumFOp::create(b, op.getRhs(), constant(0x1p64));
    y = arith::MaximumFOp::create(b, y, constant(-0x1p64));
    op.getRhsMutable().assign(y);
  });
}

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
  RewritePatternSet expansions(context);
  mlir::sparsedrop::populateDeviceMathExpansionPatterns(expansions);
  // In 16 bits, the quotient would be rounded twice.
  populateMathF32ExpansionPatterns(expansions, [](StringRef name) {
    return name == math::RsqrtOp::getOperationName();
  });
  if (failed(applyPatternsGreedily(kernels, std::move(expansions))))
    return failure();
  keepZeros(kernels);
  boundPowers(kernels);
  RewritePatternSet patterns(context);
  math::populateExpansionPatterns(patterns, {"clampf", "rsqrt"});
  populateMathF32ExpansionPatterns(patterns, isApproximated);
  populateMathPolynomialApproximationPatterns(patterns, isApproximated);
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
