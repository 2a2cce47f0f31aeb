//===- Inputs.h - Inputs from files or drawn --------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_SUPPORT_INPUTS_H
#define SPARSEDROP_TOOLS_SUPPORT_INPUTS_H

#include "Tensor.h"

#include "llvm/Support/Error.h"

#include <optional>

namespace mlir::sparsedrop::run {

using mlir::sparsedrop::Executable;
using mlir::sparsedrop::Slot;

/// The inputs of `program`: from `.npy` files, in order, or if there are none
/// normal values drawn from the seed `random`. The error says which input does
/// not fit.
llvm::Expected<std::vector<Tensor>>
makeInputs(const Executable &program, llvm::ArrayRef<std::string> files,
           std::optional<uint64_t> random);

} // namespace mlir::sparsedrop::run

#endif // SPARSEDROP_TOOLS_SUPPORT_INPUTS_H
