//===- SparseDropBytecode.h - Attributes and types in bytecode --*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_IR_SPARSEDROPBYTECODE_H
#define SPARSEDROP_LIB_IR_SPARSEDROPBYTECODE_H

namespace mlir::sparsedrop {

class SparseDropDialect;

/// Lets the dialect's attributes and types be read and written as bytecode
/// rather than as text inside of it.
void addBytecodeInterface(SparseDropDialect *dialect);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_IR_SPARSEDROPBYTECODE_H
