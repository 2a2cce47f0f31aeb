//===- sparsedrop-opt.cpp - mlir-opt with SparseDrop registered -----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/InitAll.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/PrettyStackTrace.h"

int main(int argc, char **argv) {
  llvm::setBugReportMsg("PLEASE report this to the SparseDrop project with the "
                        "input and the command line that caused it.\n");
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllPasses();
  mlir::sparsedrop::registerSparseDropDialect(registry);
  mlir::sparsedrop::registerAllSparseDropPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "SparseDrop optimizer driver\n", registry));
}
