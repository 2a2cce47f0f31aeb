//===- Stages.cpp - Parts of the pipelines to machine code ----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Stages.h"

#include "sparsedrop/Conversion/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// Structured ops that bufferization and fusion know.
void mlir::sparsedrop::addPreparation(OpPassManager &pm) {
  // Buffer deallocation refuses loops of branches and mishandles branches that
  // pass tensors.
  pm.addPass(createLiftControlFlowToSCFPass());
  pm.addPass(createPrepareForCPU());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

/// Tensors become buffers that are freed after their last use.
void mlir::sparsedrop::addBufferization(OpPassManager &pm) {
  pm.addPass(createCarryInPlace());
  pm.addPass(createSeparateInits());
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions options;
  options.bufferizeFunctionBoundaries = true;
  // Callers pass contiguous buffers.
  options.functionBoundaryTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  options.allowReturnAllocsFromLoops = true;
  pm.addPass(bufferization::createOneShotBufferizePass(options));
  // Before results become the callers': they would be copied for them.
  pm.addPass(createTieDonated());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createForwardCopies());
  bufferization::BufferDeallocationPipelineOptions deallocation;
  bufferization::buildBufferDeallocationPipeline(pm, deallocation);
  // The pipeline frees at the end of blocks; temporaries should die earlier.
  pm.addNestedPass<func::FuncOp>(
      bufferization::createOptimizeAllocationLivenessPass());
  pm.addPass(createExtendLifetimes());
  pm.addPass(createConvertBufferizationToMemRefPass());
}

void mlir::sparsedrop::addHostLowering(OpPassManager &pm, bool onDevice) {
  pm.addNestedPass<func::FuncOp>(memref::createExpandOpsPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());
  // Conversions of bf16 would otherwise call a library that is not there.
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  pm.addPass(arith::createArithExpandOpsPass(expand));
  // What neither libm nor LLVM has.
  math::MathExpandOpsPassOptions expanded;
  expanded.opMnemonics = {"clampf", "fpowi", "ipowi", "rsqrt"};
  pm.addPass(math::createMathExpandOpsPass(expanded));
  // libm first: LLVM's exp(x) - 1 and log(1 + x) lose what is near 0.
  pm.addPass(createConvertMathToLibmPass());
  pm.addPass(createConvertMathToLLVMPass());
  // Math on 16-bit types has become conversions around f32.
  pm.addPass(arith::createArithExpandOpsPass(expand));
  FinalizeMemRefToLLVMConversionPassOptions memory;
  memory.useAlignedAlloc = true;
  memory.useGenericFunctions = true;
  pm.addPass(createFinalizeMemRefToLLVMConversionPass(memory));
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createAssertsToRuntime());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  EmitEntryPointsOptions entries;
  entries.device = onDevice;
  pm.addPass(createEmitEntryPoints(entries));
}
