//===- InitAll.cpp - Registration -----------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/InitAll.h"

#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"
#include "sparsedrop/Dialect/SparseDrop/Transforms/BufferizableOpInterfaceImpl.h"
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h"
#include "sparsedrop/GPU/Passes.h"
#include "sparsedrop/Pipelines/Pipelines.h"

#include "mlir/Dialect/Linalg/Transforms/RuntimeOpVerification.h"
#include "mlir/Dialect/Tensor/Transforms/RuntimeOpVerification.h"
#include "mlir/IR/DialectRegistry.h"

using namespace mlir;
using namespace mlir::sparsedrop;

void mlir::sparsedrop::registerSparseDropDialect(DialectRegistry &registry) {
  registry.insert<SparseDropDialect>();
  registerBufferizableOpInterfaceExternalModels(registry);
  // What sparsedrop-check-sizes asks.
  linalg::registerRuntimeVerifiableOpInterfaceExternalModels(registry);
  tensor::registerRuntimeVerifiableOpInterfaceExternalModels(registry);
}

void mlir::sparsedrop::registerAllSparseDropPasses() {
  static bool registered = [] {
    registerSparseDropPasses();
    registerSparseDropConversionPasses();
    registerSparseDropGPUPasses();
    registerSparseDropPipelines();
    return true;
  }();
  (void)registered;
}
