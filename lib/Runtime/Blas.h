//===- Blas.h - BLAS by element type ----------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_BLAS_H
#define SPARSEDROP_LIB_RUNTIME_BLAS_H

#include "Pack.h"

#include <cstdint>
#include <optional>

namespace sparsedrop::runtime {

/// A row-major matrix as BLAS wants it.
template <typename T> struct Matrix {
  const T *data = nullptr;
  int64_t ld = 0;
  bool transposed = false;

  /// The part that begins at (row, column).
  Matrix from(int64_t row, int64_t column) const {
    return {data + (transposed ? column * ld + row : row * ld + column), ld,
            transposed};
  }
};

/// Most rows, columns, depth, increment or leading dimension of one call: BLAS
/// counts in 32 bits. A multiple of 16.
constexpr int64_t kMaxBlasExtent = int64_t{1} << 30;

/// The element type that a sum in T is formed of.
template <typename T> constexpr sparsedrop_type getSumType() {
  return sizeof(T) == 8 ? SPARSEDROP_F64 : SPARSEDROP_F32;
}

/// Leading dimension and orientation of a view of `type` over (first, second)
/// if BLAS can address it as it is. The data pointer is left null.
template <typename T>
std::optional<Matrix<T>> getLayout(sparsedrop_type type, Operand operand,
                                   const LoopGroup &first,
                                   const LoopGroup &second);

/// c (m x n, row-major) = a (m x k) * b (k x n) + (accumulate ? c : 0) on the
/// calling thread; a vector in place of a matrix goes to gemv.
template <typename T>
void multiply(Matrix<T> a, Matrix<T> b, T *c, int64_t ldc, int64_t m, int64_t n,
              int64_t k, bool accumulate);

/// y (m) = a (m x k) * x (k) + (accumulate ? y : 0) with increments above 0.
template <typename T>
void gemv(Matrix<T> a, const T *x, int64_t incX, T *y, int64_t incY, int64_t m,
          int64_t k, bool accumulate);

/// Takes OpenBLAS's own threads out of the game; the pool cuts the products.
void useOneBlasThread();

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_BLAS_H
