//===- Agreement.h - Whether two programs compute the same ------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_SUPPORT_AGREEMENT_H
#define SPARSEDROP_TOOLS_SUPPORT_AGREEMENT_H

#include "Tensor.h"

#include "mlir/IR/BuiltinOps.h"

namespace mlir::sparsedrop::run {

/// The largest difference of two results, and the largest value of the
/// reference.
struct Comparison {
  double difference = 0, magnitude = 0;
  /// Whether shapes and what is not finite are the same; the difference counts
  /// only then.
  bool sameFiniteness = true;

  double getError() const {
    return magnitude > 0 ? difference / magnitude : difference;
  }
  bool isWithin(double limit) const {
    return sameFiniteness && getError() <= limit;
  }
  /// Keeps the larger error of two steps.
  void add(const Comparison &next);
  /// The error as text: "1.234e-07".
  std::string describeError() const;
};

Comparison compare(const Tensor &result, const Tensor &reference);

/// The relative error by which results of two forms of a program may differ on
/// `inputs`: 4 u sqrt(L) depth with u the unit roundoff of the widest-rounding
/// type, L the longest dense contraction and depth the most contractions on a
/// path of `module`, which is upstream dialects on tensors.
double getTolerance(mlir::ModuleOp module, llvm::ArrayRef<Tensor> inputs,
                    bool tf32);

} // namespace mlir::sparsedrop::run

#endif // SPARSEDROP_TOOLS_SUPPORT_AGREEMENT_H
