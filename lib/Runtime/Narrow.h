//===- Narrow.h - Narrow products, summed in f64 ----------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_NARROW_H
#define SPARSEDROP_LIB_RUNTIME_NARROW_H

#include "Product.h"

namespace sparsedrop::runtime {

/// An item of few rows or few columns whose other, wide operand is f32 and
/// contiguous along the depth. The sums are f64.
///
/// The order in which BLAS sums f32 terms depends on the shape: a matrix times
/// one vector and a matrix times two are different kernels, and so are the last
/// bits. Among many units this averages out. Of few units, a relu may leave one
/// whose terms nearly cancel, and the difference is then all that there is to
/// see. Narrow products wait for memory, so that exact sums cost little.
class NarrowProduct {
public:
  /// Whether the items of an arranged problem are of this form, and small
  /// enough to stay in the cache.
  static bool fits(const Problem &problem);

  /// `team` is the number of threads that may share an item.
  NarrowProduct(const Problem &problem, int64_t team);

  /// Elements of double that a run needs.
  int64_t getWorkspace() const { return columns * depth; }

  /// Computes item `item`. Runs may overlap in time on different workspaces.
  void run(int64_t item, double *workspace) const;

private:
  void runRows(const float *wide, const double *packed, Range rows,
               const View &target) const;

  const Problem &problem;
  const bool transposed; ///< the wide operand is B
  const View &wide, &narrow;
  const LoopGroup &wideLoops, &narrowLoops;
  const int64_t rows, columns, depth; ///< of the wide operand, rows x depth
  int64_t workers;
};

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_NARROW_H
