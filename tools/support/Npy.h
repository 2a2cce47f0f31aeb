//===- Npy.h - NumPy files --------------------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_SUPPORT_NPY_H
#define SPARSEDROP_TOOLS_SUPPORT_NPY_H

#include "Tensor.h"

#include "llvm/Support/Error.h"

namespace mlir::sparsedrop::run {

/// Reads a `.npy` file (format 1 to 3, little endian, C or Fortran order) into
/// an argument of `elementType` and `shape` (kDynamic: any size). Files for
/// bf16, f16 and fp8 arguments are f32 and round to nearest even. The error
/// names the file, what was expected and what came.
llvm::Expected<Tensor> readNpy(llvm::StringRef path, mlir::Type elementType,
                               llvm::ArrayRef<int64_t> shape);

/// Writes `tensors`, narrow floats widened to f32, to PREFIX.0.npy and so on:
/// under temporary names that become the files once all are written. There is
/// no half-written file, and none of some.
llvm::Error writeNpyFiles(llvm::StringRef prefix,
                          llvm::ArrayRef<Tensor> tensors);

} // namespace mlir::sparsedrop::run

#endif // SPARSEDROP_TOOLS_SUPPORT_NPY_H
