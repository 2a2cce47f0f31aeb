//===- Report.cpp - What was measured -------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tuner.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using namespace mlir::sparsedrop::tune;

void mlir::sparsedrop::tune::printProduct(const TunableProduct &product,
                                          size_t number, size_t count) {
  llvm::outs() << "\nproduct " << number << " of " << count << ": "
               << product.signature << "\n";
  for (Location location : product.locations)
    if (auto place = location->findInstanceOf<FileLineColLoc>())
      llvm::outs() << "  at " << place.getFilename().getValue() << ":"
                   << place.getLine() << ":" << place.getColumn() << "\n";
  llvm::outs().flush();
}

void mlir::sparsedrop::tune::printVariants(ArrayRef<Variant> variants,
                                           const Variant &best) {
  const Variant &estimate = variants.front();
  for (const Variant &variant : variants) {
    if (!variant.problem.empty())
      llvm::outs() << llvm::format("  %42s", "left out");
    else if (&variant == &estimate)
      llvm::outs() << llvm::format("  %10.1f us a step", variant.getMedian())
                   << ", the estimate's choice";
    else
      llvm::outs() << llvm::format("  %10.1f us a step, %+17.1f us",
                                   variant.getMedian(),
                                   -variant.getSaved(estimate));
    llvm::outs() << "  " << variant.kernel;
    if (!variant.problem.empty())
      llvm::outs() << ": " << variant.problem;
    llvm::outs() << "\n";
  }
  llvm::outs() << "  kept: " << best.kernel
               << llvm::format(", %.1f us less than the estimate's choice\n",
                               best.getSaved(estimate));
  llvm::outs().flush();
}
