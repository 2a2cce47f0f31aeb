//===- InlineCalls.h - Functions without calls ------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_INLINECALLS_H
#define SPARSEDROP_LIB_TRANSFORMS_INLINECALLS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {

/// A copy of `function` behind it, of one block, to be rewritten and named: not
/// marked for differentiation, with the bodies of called functions in the place
/// of their calls, down to those without a body or with several blocks. Where
/// there is none, an error says that `function` "cannot be `purpose`".
FailureOr<func::FuncOp> cloneWithoutCalls(RewriterBase &rewriter,
                                          func::FuncOp function,
                                          StringRef purpose);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_INLINECALLS_H
