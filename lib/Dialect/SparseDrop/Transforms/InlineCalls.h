//===- InlineCalls.h - Bodies in the place of calls ------------- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_INLINECALLS_H
#define SPARSEDROP_LIB_TRANSFORMS_INLINECALLS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::sparsedrop {

/// Puts the bodies of called functions in the place of their calls, down to
/// functions without a body or with several blocks. A function that calls
/// itself "cannot be `purpose`".
LogicalResult inlineCalls(func::FuncOp function, StringRef purpose);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_INLINECALLS_H
