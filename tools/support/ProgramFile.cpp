//===- ProgramFile.cpp - The module of a file -----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramFile.h"

#include "sparsedrop/InitAll.h"

#include "mlir/IR/Remarks.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/Regex.h"

using namespace mlir;
using namespace mlir::sparsedrop::run;

ProgramFile::ProgramFile() {
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  mlir::sparsedrop::registerSparseDropDialect(registry);
  context.appendDialectRegistry(registry);
  // A diagnostic is one line and its place, not the module that it is in.
  context.printOpOnDiagnostic(false);
}

llvm::Error ProgramFile::enableRemarks(StringRef filter) {
  std::string message, all = filter.str();
  if (!llvm::Regex(filter).isValid(message))
    return llvm::createStringError("'" + filter +
                                   "' is not a regular expression: " + message);
  // MLIR builds the filter of a kind only where the kind has one of its own.
  remark::RemarkCategories categories{all, all, all, all, all};
  if (failed(remark::enableOptimizationRemarks(
          context, nullptr, std::make_unique<remark::RemarkEmittingPolicyAll>(),
          categories, /*printAsEmitRemarks=*/true)))
    return llvm::createStringError("remarks cannot be enabled");
  return llvm::Error::success();
}

llvm::Error ProgramFile::load(const std::string &path) {
  std::string message;
  auto file = openInputFile(path, &message);
  if (!file)
    return llvm::createStringError(message);
  sources.AddNewSourceBuffer(std::move(file), llvm::SMLoc());
  handler.emplace(sources, &context);
  module = parseSourceFile<ModuleOp>(sources, &context);
  return llvm::Error::success();
}
