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

/// Replaces the scalar `math` ops of kernels, and `arith.remf`: by ops that
/// LLVM selects for NVIDIA GPUs, or by calls of libclc, which
/// `sparsedrop-serialize-kernels` links. Zeros, infinities and NaN are as in C;
/// errors are at most 5 ulp of f32 and 3.5 of f64 (test/GPU/math-accuracy.py),
/// but exp, exp2 and erfc of f32 give 0 below the smallest normal number. An op
/// that nothing expands is an error at that op.
LogicalResult expandDeviceMath(gpu::GPUModuleOp kernels);

} // namespace sparsedrop
} // namespace mlir

#endif // SPARSEDROP_CONVERSION_DEVICEMATH_H
