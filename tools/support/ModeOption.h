//===- ModeOption.h - The values of --mode ----------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_SUPPORT_MODEOPTION_H
#define SPARSEDROP_TOOLS_SUPPORT_MODEOPTION_H

#include "sparsedrop/Pipelines/Pipelines.h"

#include "llvm/Support/CommandLine.h"

namespace mlir::sparsedrop::run {

/// The modes by name, as --help explains them.
inline llvm::cl::ValuesClass getModeValues() {
  return llvm::cl::values(
      clEnumValN(DropoutMode::Compact, "compact", "remove dropped work"),
      clEnumValN(DropoutMode::Masked, "masked",
                 "dense compute with masks of the same patterns"),
      clEnumValN(DropoutMode::Bernoulli, "bernoulli",
                 "ordinary dropout, a draw per element"),
      clEnumValN(DropoutMode::Dense, "dense", "no dropout"));
}

} // namespace mlir::sparsedrop::run

#endif // SPARSEDROP_TOOLS_SUPPORT_MODEOPTION_H
