//===- LowerKernels.cpp - Kernels to the LLVM dialect ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "sparsedrop/Conversion/DeviceMath.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Transforms/DialectConversion.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_LOWERKERNELS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

/// Indices of dimensions that have been split or joined, in bodies.
static LogicalResult lowerAffine(gpu::GPUModuleOp kernels) {
  RewritePatternSet patterns(kernels.getContext());
  populateAffineToStdConversionPatterns(patterns);
  ConversionTarget target(*kernels.getContext());
  target.addIllegalDialect<affine::AffineDialect>();
  target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  return applyPartialConversion(kernels, target, std::move(patterns));
}

/// Loops and branches to blocks.
static LogicalResult lowerControlFlow(gpu::GPUModuleOp kernels) {
  RewritePatternSet patterns(kernels.getContext());
  populateSCFToControlFlowConversionPatterns(patterns);
  ConversionTarget target(*kernels.getContext());
  target.addIllegalDialect<scf::SCFDialect>();
  target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  return applyPartialConversion(kernels, target, std::move(patterns));
}

/// Instructions that LLVM has no intrinsic for to inline assembly.
static LogicalResult lowerInstructions(gpu::GPUModuleOp kernels) {
  RewritePatternSet patterns(kernels.getContext());
  populateNVVMToLLVMConversionPatterns(patterns);
  ConversionTarget target(*kernels.getContext());
  target.addLegalDialect<LLVM::LLVMDialect>();
  target.markUnknownOpDynamicallyLegal([](Operation *op) {
    auto instruction = dyn_cast<NVVM::BasicPtxBuilderInterface>(op);
    return !instruction || instruction.hasIntrinsic();
  });
  return applyPartialConversion(kernels, target, std::move(patterns));
}

static LogicalResult lowerToLLVM(gpu::GPUModuleOp kernels) {
  LLVMTypeConverter converter(kernels.getContext());
  RewritePatternSet patterns(kernels.getContext());
  arith::populateArithToLLVMConversionPatterns(converter, patterns);
  cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
  index::populateIndexToLLVMConversionPatterns(converter, patterns);
  LLVMConversionTarget target(*kernels.getContext());
  target.addLegalOp<gpu::GPUModuleOp>();
  target.addLegalDialect<NVVM::NVVMDialect>();
  target.addIllegalDialect<arith::ArithDialect, cf::ControlFlowDialect>();
  return applyPartialConversion(kernels, target, std::move(patterns));
}

/// What loops say of themselves, which branches have as a discardable attribute
/// by now, to where the translation to LLVM looks for it.
static void annotateLoops(gpu::GPUModuleOp kernels) {
  constexpr StringLiteral kName = "llvm.loop_annotation";
  auto annotate = [&](auto branch) {
    if (auto loop =
            branch->template getAttrOfType<LLVM::LoopAnnotationAttr>(kName)) {
      branch->removeDiscardableAttr(kName);
      branch.setLoopAnnotationAttr(loop);
    }
  };
  kernels.walk([&](LLVM::BrOp branch) { annotate(branch); });
  kernels.walk([&](LLVM::CondBrOp branch) { annotate(branch); });
}

namespace {
struct LowerKernels
    : public mlir::sparsedrop::impl::LowerKernelsBase<LowerKernels> {
  void runOnOperation() override {
    for (auto kernels : getOperation().getOps<gpu::GPUModuleOp>())
      if (failed(mlir::sparsedrop::expandDeviceMath(kernels)) ||
          failed(lowerAffine(kernels)) || failed(lowerControlFlow(kernels)) ||
          failed(lowerInstructions(kernels)) || failed(lowerToLLVM(kernels)))
        return signalPassFailure();
    for (auto kernels : getOperation().getOps<gpu::GPUModuleOp>())
      annotateLoops(kernels);
  }
};
} // namespace
