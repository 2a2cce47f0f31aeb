//===- Median.h - The middle of many times ----------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_SUPPORT_MEDIAN_H
#define SPARSEDROP_TOOLS_SUPPORT_MEDIAN_H

#include <algorithm>
#include <vector>

namespace mlir::sparsedrop::run {

/// Of at least one value; the upper one of the two in the middle.
inline double getMedian(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

} // namespace mlir::sparsedrop::run

#endif // SPARSEDROP_TOOLS_SUPPORT_MEDIAN_H
