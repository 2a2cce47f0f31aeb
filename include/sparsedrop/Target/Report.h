//===- Report.h - What each product of a program costs ----------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TARGET_REPORT_H
#define SPARSEDROP_TARGET_REPORT_H

#include "sparsedrop-c/Runtime.h"
#include "sparsedrop/Target/Executable.h"

#include "llvm/Support/JSON.h"

namespace mlir::sparsedrop {

/// The work of one product over all executions that were counted.
struct ProductReport {
  std::string location; ///< file:line:column
  std::string site, kind;
  std::string product; ///< forward, dgrad, wgrad or other
  std::string shape;   ///< of the loops of the dense program, "256x2048x784"
  std::string reason;  ///< why it did not shrink, where a rule was missed
  sparsedrop_product_counts counts;
};

/// The products of an instrumented executable, with what the calling thread
/// counted since it last reset its counters. Products of other functions are
/// left out.
std::vector<ProductReport> readProducts(const Executable &executable);

/// The sums over all products.
sparsedrop_product_counts sumProducts(ArrayRef<ProductReport> products);

/// The report in the form that `sparsedrop-run --report=json` prints. On a
/// device the call launched kernels, and the host waited for it.
llvm::json::Value makeReport(const Executable &executable,
                             ArrayRef<ProductReport> products, int64_t seed,
                             int64_t step, int64_t peakBytes,
                             uint64_t launches = 0, uint64_t waits = 0);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_TARGET_REPORT_H
