//===- DeviceMath.h - Functions without a library ---------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_CONVERSION_DEVICEMATH_H
#define SPARSEDROP_CONVERSION_DEVICEMATH_H

#include "mlir/Support/LLVM.h"

namespace mlir {
namespace gpu {
class GPUModuleOp;
} // namespace gpu

namespace sparsedrop {

/// Replaces the scalar `math` ops of kernels: by ops that LLVM selects for NVIDIA
/// GPUs, or by calls of libclc, which `sparsedrop-serialize-kernels` links. An
/// op that neither has is an error.
LogicalResult expandDeviceMath(gpu::GPUModuleOp kernels);

} // namespace sparsedrop
} // namespace mlir

#endif // SPARSEDROP_CONVERSION_DEVICEMATH_H
