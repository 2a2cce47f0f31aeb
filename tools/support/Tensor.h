//===- Tensor.h - Arrays that go in and come out ----------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_SUPPORT_TENSOR_H
#define SPARSEDROP_TOOLS_SUPPORT_TENSOR_H

#include "sparsedrop/Target/Executable.h"

#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mlir::sparsedrop::run {

using mlir::sparsedrop::describe;
using mlir::sparsedrop::getElementBytes;
using mlir::sparsedrop::getName;

/// A contiguous array in row-major order of an MLIR element type, as compiled
/// code sees it: i1 and i8 take a byte, index takes eight.
struct Tensor {
  mlir::Type elementType;
  llvm::SmallVector<int64_t> shape;
  std::vector<uint8_t> bytes;

  int64_t size() const;
  /// Element `i` as a number.
  double get(int64_t i) const;
  /// Stores `value`, rounded to nearest even.
  void set(int64_t i, double value);
};

/// Whether files hold the type as f32: floats of fewer bits.
bool isWidened(mlir::Type type);

} // namespace mlir::sparsedrop::run

#endif // SPARSEDROP_TOOLS_SUPPORT_TENSOR_H
