//===- ChooseContraction.h - Kernels of contractions ------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_CHOOSECONTRACTION_H
#define SPARSEDROP_LIB_GPU_CHOOSECONTRACTION_H

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

namespace mlir::sparsedrop {

/// What a kernel may count on.
struct Chip {
  std::string name;         ///< sm_90a
  int64_t arch = 90;        ///< compute capability: 90 for 9.0
  bool wgmma = false;       ///< has the instructions of sm_90a
  bool tf32 = false;        ///< f32 factors may be rounded to tf32
  int64_t processors = 108; ///< that a launch should keep busy
  /// What the user wants for products, where it can be obeyed.
  std::optional<KernelFamily> family;
};

/// The chip of a name such as sm_90a; an error if there is none that the
/// kernels run on.
FailureOr<Chip> getChip(Location loc, StringRef name);

/// A choice and why it is one.
struct ContractionChoice {
  KernelAttr kernel;
  std::string reason;
  /// Whether a faster family exists on the chip; the reason is why not.
  bool isFallback = false;
};

/// The kernel of a contraction on buffers that the cost model chooses.
ContractionChoice chooseContraction(ContractOp op, const Chip &chip);

/// Kernels of a contraction on buffers that are worth a measurement, at most
/// `most` and at least one: that choice first, then the others from cheap to
/// dear. All can be obeyed.
SmallVector<KernelAttr> listCandidates(ContractOp op, const Chip &chip,
                                       size_t most);

/// Why a kernel cannot be obeyed by a contraction on buffers; empty if it can.
std::string getKernelProblem(ContractOp op, KernelAttr choice,
                             const Chip &chip);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_CHOOSECONTRACTION_H
