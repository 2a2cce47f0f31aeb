//===- ToCPU.cpp - From tensors to the LLVM dialect for the host ----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Stages.h"

#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/Pipelines/Pipelines.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// Products go to BLAS, the rest becomes loops on all threads.
static void addLoops(OpPassManager &pm) {
  pm.addPass(createContractionsToRuntime());
  pm.addPass(createLinalgToLoops());
  pm.addNestedPass<func::FuncOp>(createForallToParallelLoopPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createParallelLoopsToRuntime());
}

void mlir::sparsedrop::buildToCPUPipeline(OpPassManager &pm) {
  addPreparation(pm);
  // Whole reductions meet more easily than their parts.
  FuseSiblingsOptions siblings;
  siblings.which = SiblingsToFuse::Alike;
  pm.addPass(createFuseSiblings(siblings));
  pm.addPass(createSplitReductions());
  pm.addPass(createFuseSiblings());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  addBufferization(pm);
  addLoops(pm);
  pm.addPass(createExpandSmallFloats());
  pm.addPass(createApproximateMath());
  addHostLowering(pm, /*onDevice=*/false);
}
