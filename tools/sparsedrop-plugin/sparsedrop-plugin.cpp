//===- sparsedrop-plugin.cpp - Plugin of the stock mlir-opt ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   mlir-opt --load-dialect-plugin=SparseDropPlugin.so
//            --pass-pipeline='builtin.module(sparsedrop-pipeline{mode=compact})'
//
// The dialect entry registers the passes as well, so that one option is enough;
// a plugin's passes have no flags of their own. Tied to MLIR 22.1.
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/InitAll.h"

#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/Compiler.h"

static constexpr const char *kName = "SparseDrop";
static constexpr const char *kVersion = "0.1.0 for MLIR " LLVM_VERSION_STRING;

extern "C" LLVM_ATTRIBUTE_WEAK mlir::DialectPluginLibraryInfo
mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, kName, kVersion,
          [](mlir::DialectRegistry *registry) {
            mlir::sparsedrop::registerSparseDropDialect(*registry);
            mlir::sparsedrop::registerAllSparseDropPasses();
          }};
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::PassPluginLibraryInfo
mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, kName, kVersion,
          [] { mlir::sparsedrop::registerAllSparseDropPasses(); }};
}
