//===- Blas.cpp - BLAS by element type ------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Blas.h"

#include <algorithm>
#include <cblas.h>
#include <mutex>

using namespace sparsedrop::runtime;

static blasint toBlas(int64_t value) { return static_cast<blasint>(value); }

static CBLAS_TRANSPOSE toBlas(bool transposed) {
  return transposed ? CblasTrans : CblasNoTrans;
}

template <typename T>
std::optional<Matrix<T>>
sparsedrop::runtime::getLayout(sparsedrop_type type, Operand operand,
                               const LoopGroup &first,
                               const LoopGroup &second) {
  std::optional<int64_t> outer = first.getStride(operand);
  std::optional<int64_t> inner = second.getStride(operand);
  if (type != getSumType<T>() || !outer || !inner)
    return std::nullopt;
  int64_t rows = first.extent(), columns = second.extent();
  // A dimension of one iteration fits any stride.
  if (columns == 1)
    inner = 1;
  if (rows == 1)
    outer = *inner == 1 ? columns : 1;
  if (std::max(*outer, *inner) > kMaxBlasExtent)
    return std::nullopt;
  if (*inner == 1 && *outer >= columns)
    return Matrix<T>{nullptr, *outer, false};
  if (*outer == 1 && *inner >= rows)
    return Matrix<T>{nullptr, *inner, true};
  return std::nullopt;
}

static void gemm(Matrix<float> a, Matrix<float> b, float *c, int64_t ldc,
                 int64_t m, int64_t n, int64_t k, bool accumulate) {
  cblas_sgemm(CblasRowMajor, toBlas(a.transposed), toBlas(b.transposed),
              toBlas(m), toBlas(n), toBlas(k), 1, a.data, toBlas(a.ld), b.data,
              toBlas(b.ld), accumulate ? 1 : 0, c, toBlas(ldc));
}

static void gemm(Matrix<double> a, Matrix<double> b, double *c, int64_t ldc,
                 int64_t m, int64_t n, int64_t k, bool accumulate) {
  cblas_dgemm(CblasRowMajor, toBlas(a.transposed), toBlas(b.transposed),
              toBlas(m), toBlas(n), toBlas(k), 1, a.data, toBlas(a.ld), b.data,
              toBlas(b.ld), accumulate ? 1 : 0, c, toBlas(ldc));
}

/// Zeroes y rather than passing beta = 0: some versions of OpenBLAS scale y by
/// beta, and NaN * 0 is NaN.
template <typename T> static void clear(T *y, int64_t incY, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    y[i * incY] = 0;
}

template <>
void sparsedrop::runtime::gemv(Matrix<float> a, const float *x, int64_t incX,
                               float *y, int64_t incY, int64_t m, int64_t k,
                               bool accumulate) {
  if (!accumulate)
    clear(y, incY, m);
  cblas_sgemv(CblasRowMajor, toBlas(a.transposed), toBlas(a.transposed ? k : m),
              toBlas(a.transposed ? m : k), 1, a.data, toBlas(a.ld), x,
              toBlas(incX), 1, y, toBlas(incY));
}

template <>
void sparsedrop::runtime::gemv(Matrix<double> a, const double *x, int64_t incX,
                               double *y, int64_t incY, int64_t m, int64_t k,
                               bool accumulate) {
  if (!accumulate)
    clear(y, incY, m);
  cblas_dgemv(CblasRowMajor, toBlas(a.transposed), toBlas(a.transposed ? k : m),
              toBlas(a.transposed ? m : k), 1, a.data, toBlas(a.ld), x,
              toBlas(incX), 1, y, toBlas(incY));
}

template <typename T>
void sparsedrop::runtime::multiply(Matrix<T> a, Matrix<T> b, T *c, int64_t ldc,
                                   int64_t m, int64_t n, int64_t k,
                                   bool accumulate) {
  // A column is as far apart as its leading dimension says, unless it lies
  // along that dimension.
  if (n == 1)
    return gemv(a, b.data, b.transposed ? 1 : b.ld, c, ldc, m, k, accumulate);
  // C' = B' * A'.
  if (m == 1)
    return gemv(Matrix<T>{b.data, b.ld, !b.transposed}, a.data,
                a.transposed ? a.ld : 1, c, 1, n, k, accumulate);
  gemm(a, b, c, ldc, m, n, k, accumulate);
}

void sparsedrop::runtime::useOneBlasThread() {
  static std::once_flag once;
  std::call_once(once, [] { openblas_set_num_threads(1); });
}

template std::optional<Matrix<float>>
sparsedrop::runtime::getLayout(sparsedrop_type, Operand, const LoopGroup &,
                               const LoopGroup &);
template std::optional<Matrix<double>>
sparsedrop::runtime::getLayout(sparsedrop_type, Operand, const LoopGroup &,
                               const LoopGroup &);
template void sparsedrop::runtime::multiply(Matrix<float>, Matrix<float>,
                                            float *, int64_t, int64_t, int64_t,
                                            int64_t, bool);
template void sparsedrop::runtime::multiply(Matrix<double>, Matrix<double>,
                                            double *, int64_t, int64_t, int64_t,
                                            int64_t, bool);
