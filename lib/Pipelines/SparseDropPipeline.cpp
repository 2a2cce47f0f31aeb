//===- SparseDropPipeline.cpp - From annotations to upstream dialects -----===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h"
#include "sparsedrop/Pipelines/Pipelines.h"

#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::sparsedrop;

static void addMasks(OpPassManager &pm, MaskSource source) {
  LowerToMaskedOptions options;
  options.masks = source;
  pm.addPass(createLowerToMasked(options));
}

void mlir::sparsedrop::buildSparseDropPipeline(
    OpPassManager &pm, const SparseDropPipelineOptions &options) {
  // While the sizes are those that the program was written with.
  pm.addPass(createCheckSizes());
  // Before functions gain arguments.
  pm.addPass(createRecalibrate());
  SearchDistributionOptions search;
  search.method = options.method;
  search.periods.assign(options.periods.begin(), options.periods.end());
  pm.addPass(createSearchDistribution(search));
  // In every mode, so that the signature does not depend on it.
  pm.addPass(createMaterialize());
  if (!options.exclude.empty()) {
    ExcludeSitesOptions excluded;
    excluded.sites.assign(options.exclude.begin(), options.exclude.end());
    pm.addPass(createExcludeSites(excluded));
  }
  // The rules of both passes below are on structured ops.
  pm.addPass(createConvertElementwiseToLinalgPass());
  // What all iterations drop alike is dropped once.
  pm.addPass(createLoopInvariantCodeMotionPass());
  pm.addPass(createDifferentiate());
  // Patterns do not cross calls. Each function has its seed and step by now, so
  // inlining cannot mix them up; equal draws of one site then become one.
  pm.addPass(createInlinerPass());
  pm.addPass(createCSEPass());
  if (options.mode == DropoutMode::Compact)
    pm.addPass(createCompact());
  // Sizes say which pattern they come from until the lowerings.
  if (options.instrument)
    pm.addPass(createInstrument());
  if (options.mode == DropoutMode::Masked)
    addMasks(pm, MaskSource::Pattern);
  if (options.mode == DropoutMode::Bernoulli)
    addMasks(pm, MaskSource::Bernoulli);
  if (options.mode == DropoutMode::Dense)
    addMasks(pm, MaskSource::None);
  // Draws whose operands are all constant are done now.
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createLowerToUpstream());
  pm.addPass(createCanonicalizerPass());
  if (options.im2col)
    pm.addPass(createConvolutionsToIm2Col());
  pm.addPass(createCSEPass());
}

void mlir::sparsedrop::registerSparseDropPipelines() {
  static bool registered = [] {
    PassPipelineRegistration<SparseDropPipelineOptions>(
        "sparsedrop-pipeline",
        "Annotated linalg in, upstream dialects and runtime calls out",
        buildSparseDropPipeline);
    PassPipelineRegistration<>(
        "sparsedrop-to-cpu",
        "Upstream dialects on tensors to the LLVM dialect for the host",
        buildToCPUPipeline);
    PassPipelineRegistration<ToNVVMPipelineOptions>(
        "sparsedrop-to-nvvm",
        "Upstream dialects on tensors to GPU kernels (gpu.binary) and the LLVM "
        "dialect for the host",
        [](OpPassManager &pm, const ToNVVMPipelineOptions &options) {
          buildToNVVMPipeline(pm, options);
        });
    return true;
  }();
  (void)registered;
}
