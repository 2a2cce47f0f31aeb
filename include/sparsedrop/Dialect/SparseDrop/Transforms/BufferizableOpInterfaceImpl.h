//===- BufferizableOpInterfaceImpl.h - Kernels on buffers -------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_DIALECT_SPARSEDROP_TRANSFORMS_BUFFERIZABLEOPINTERFACEIMPL_H
#define SPARSEDROP_DIALECT_SPARSEDROP_TRANSFORMS_BUFFERIZABLEOPINTERFACEIMPL_H

namespace mlir {
class DialectRegistry;

namespace sparsedrop {
/// How ops of the dialect become ops on buffers.
void registerBufferizableOpInterfaceExternalModels(DialectRegistry &registry);
} // namespace sparsedrop
} // namespace mlir

#endif // SPARSEDROP_DIALECT_SPARSEDROP_TRANSFORMS_BUFFERIZABLEOPINTERFACEIMPL_H
