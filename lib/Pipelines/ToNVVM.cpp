//===- ToNVVM.cpp - From tensors to GPU kernels and host code -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Stages.h"

#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/GPU/Passes.h"
#include "sparsedrop/Pipelines/Pipelines.h"

#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// On tensors, where users of a value are known.
static void addFormation(OpPassManager &pm,
                         const ToNVVMPipelineOptions &options) {
  pm.addPass(createShareElementwise());
  // A thread has room for a whole window, and takes several of them at a time.
  pm.addPass(createUnrollWindows());
  pm.addPass(createPropagateReshapes());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createFormKernels());
  // What is no product reads what it has in common once.
  FuseSiblingsOptions siblings;
  siblings.which = SiblingsToFuse::Alike;
  pm.addPass(createFuseSiblings(siblings));
  // Channels are too few to be the blocks of threads that a device has room
  // for; a second launch pays where it makes them more by this factor.
  SplitReductionsOptions split;
  split.least = 8;
  pm.addPass(createSplitReductions(split));
  siblings.which = SiblingsToFuse::Readers;
  pm.addPass(createFuseSiblings(siblings));
  pm.addPass(createFoldPadding());
  pm.addPass(createSinkScalars());
  FuseEpiloguesOptions epilogues;
  // Rows of a tile of wgmma.
  if (options.chip == "sm_90a")
    epilogues.mostJointRows = 64;
  pm.addPass(createFuseEpilogues(epilogues));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

/// Whether the chip has griddepcontrol (PTX ISA: sm_90 and later). The name is
/// checked later.
static bool hasDependentLaunch(StringRef chip) {
  int64_t arch = 0;
  return chip.consume_front("sm_") && !chip.consumeInteger(10, arch) &&
         arch >= 90;
}

/// On buffers, where strides are known.
static void addPlacement(OpPassManager &pm,
                         const ToNVVMPipelineOptions &options) {
  pm.addNestedPass<func::FuncOp>(createForallToForLoopPass());
  pm.addPass(createPlaceBuffers());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createChooseLayouts());
  PackFactorsOptions pack;
  pack.chip = options.chip;
  pack.tf32 = options.tf32;
  pack.family = options.family;
  pm.addPass(createPackFactors(pack));
  pm.addPass(createPadAllocations());
  pm.addPass(createGroupProducts());
}

static void addKernels(OpPassManager &pm, const ToNVVMPipelineOptions &options,
                       std::shared_ptr<const KernelTable> measured) {
  ChooseKernelsOptions choice;
  choice.chip = options.chip;
  choice.tf32 = options.tf32;
  choice.family = options.family;
  choice.table = options.table;
  pm.addPass(createChooseKernels(choice, std::move(measured)));
  pm.addPass(createGroupKernels());
  EmitKernelsOptions emit;
  emit.overlap = options.overlap && hasDependentLaunch(options.chip);
  pm.addPass(createEmitKernels(emit));
  pm.addPass(createExpandSmallFloats());
  pm.addPass(createLowerKernels());
  SerializeKernelsOptions serialize;
  serialize.chip = options.chip;
  pm.addPass(createSerializeKernels(serialize));
}

void mlir::sparsedrop::buildToDeviceBuffersPipeline(
    OpPassManager &pm, const ToNVVMPipelineOptions &options) {
  addPreparation(pm);
  addFormation(pm, options);
  addBufferization(pm);
  addPlacement(pm, options);
}

void mlir::sparsedrop::buildToNVVMPipeline(
    OpPassManager &pm, const ToNVVMPipelineOptions &options,
    std::shared_ptr<const KernelTable> measured) {
  buildToDeviceBuffersPipeline(pm, options);
  addKernels(pm, options, std::move(measured));
  addHostLowering(pm, /*onDevice=*/true);
}
