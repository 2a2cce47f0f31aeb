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
class Operation;

namespace sparsedrop {

/// Replaces the scalar `math` ops under `root` by ops that LLVM selects for
/// NVIDIA GPUs without calling a library. An op that cannot be is an error.
LogicalResult expandDeviceMath(Operation *root);

} // namespace sparsedrop
} // namespace mlir

#endif // SPARSEDROP_CONVERSION_DEVICEMATH_H
