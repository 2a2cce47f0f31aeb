//===- RuntimeTypes.h - The runtime's names of types ------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_CONVERSION_RUNTIMETYPES_H
#define SPARSEDROP_CONVERSION_RUNTIMETYPES_H

#include "mlir/IR/Types.h"

#include <optional>

namespace mlir::sparsedrop {

/// The `sparsedrop_type` (sparsedrop-c/Runtime.h) of elements that the
/// runtime's products take; nothing for other types.
std::optional<int32_t> getRuntimeType(Type type);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_CONVERSION_RUNTIMETYPES_H
