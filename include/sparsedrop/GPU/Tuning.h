//===- Tuning.h - Kernels that a measurement tries --------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_GPU_TUNING_H
#define SPARSEDROP_GPU_TUNING_H

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/IR/BuiltinOps.h"

namespace mlir::sparsedrop {

/// All products of a module that have one signature.
struct TunableProduct {
  std::string signature;
  SmallVector<Location> locations;
  /// The cost model's choice for the first of them, then what can be obeyed by
  /// all, from cheap to dear.
  SmallVector<KernelAttr> candidates;
};

/// The products of a module on buffers, in front of sparsedrop-choose-kernels,
/// except for those whose kernel the program names; at most `most` candidates
/// each, and at least one. An error if kernels do not run on `chip`.
FailureOr<SmallVector<TunableProduct>>
findTunableProducts(ModuleOp module, StringRef chip, bool tf32, size_t most);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_GPU_TUNING_H
