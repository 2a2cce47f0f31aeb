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

/// Iterations [begin, begin + count) of a group.
struct Range {
  int64_t begin, count;
};

/// Copies (rows, columns) of `view`, indices of the two groups, to `packed`,
/// row-major and contiguous, as T (float or double).
template <typename T>
void pack(const View &view, const LoopGroup &rowLoops,
          const LoopGroup &columnLoops, Range rows, Range columns, T *packed);

/// C = (accumulate ? C : 0) + sum, rounded once to C's type, for (rows,
/// columns) of C. `sums` is row-major with leading dimension `ld`; null sums
/// are zero.
template <typename T>
void store(const View &c, const LoopGroup &m, const LoopGroup &n, Range rows,
           Range columns, const T *sums, int64_t ld, bool accumulate);

/// One element as T, and back with rounding to nearest even.
template <typename T>
T load(const void *data, sparsedrop_type type, int64_t offset);
template <typename T>
void storeElement(void *data, sparsedrop_type type, int64_t offset, T value);

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_PACK_H
