//===- Pack.h - Packing of operands -----------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_PACK_H
#define SPARSEDROP_LIB_RUNTIME_PACK_H

#include "LoopNest.h"

#include "sparsedrop-c/Runtime.h"

namespace sparsedrop::runtime {

/// A strided operand in memory.
struct View {
  const void *data;
  sparsedrop_type type;
  Operand operand;
  int64_t offset; ///< of the batch, in elements
};

/// Bytes of an element.
int64_t getElementBytes(sparsedrop_type type);

/// Copies rows [firstRow, firstRow + rows) and columns [firstColumn,
/// firstColumn + columns) of `view` to `packed`, row-major and contiguous, as T
/// (float or double). Rows and columns are indices of the two groups.
template <typename T>
void pack(const View &view, const LoopGroup &rowLoops,
          const LoopGroup &columnLoops, int64_t firstRow, int64_t rows,
          int64_t firstColumn, int64_t columns, T *packed);

/// C = (accumulate ? C : 0) + sum, rounded once to C's type, for the same
/// rows and columns of a row-major `sums` with leading dimension `ld`.
template <typename T>
void store(void *c, sparsedrop_type type, int64_t offset, const LoopGroup &m,
           const LoopGroup &n, int64_t firstRow, int64_t rows,
           int64_t columns, const T *sums, int64_t ld, bool accumulate);

/// One element as T, and back with rounding to nearest even.
template <typename T>
T load(const void *data, sparsedrop_type type, int64_t offset);
template <typename T>
void storeElement(void *data, sparsedrop_type type, int64_t offset, T value);

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_PACK_H
