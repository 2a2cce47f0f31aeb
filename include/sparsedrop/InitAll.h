//===- InitAll.h - Registration of dialects, passes, pipelines ---*- C++
//-*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_INITALL_H
#define SPARSEDROP_INITALL_H

namespace mlir {
class DialectRegistry;

namespace sparsedrop {

/// Adds the sparsedrop dialect.
void registerSparseDropDialect(DialectRegistry &registry);

/// Registers all passes and pipelines; may be called more than once.
void registerAllSparseDropPasses();

} // namespace sparsedrop
} // namespace mlir

#endif // SPARSEDROP_INITALL_H
