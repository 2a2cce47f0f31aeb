//===- MatrixCompute.cpp - Products of tiles ------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MatrixCompute.h"

#include <algorithm>
#include <cstring>
#include <limits>

using namespace sparsedrop::ptx;

namespace {

/// Eight numbers. Products of int32_t are computed modulo 2^32, as unsigned.
template <typename T> struct Vector {
  typedef T Type __attribute__((vector_size(8 * sizeof(T))));
  static constexpr unsigned kSize = 8;
};

/// By reference: passing vectors by value is another matter in each target.
template <typename V, typename T>
inline __attribute__((always_inline)) void loadVector(V &to, const T *from) {
  std::memcpy(&to, from, sizeof(to));
}

template <typename V, typename T>
inline __attribute__((always_inline)) void accumulate(V &sum, T a, const V &b) {
  sum += a * b;
}
/// The ISA's f64 products are fused (9.7.14.5.14), so never left to the
/// compiler's choice.
inline __attribute__((always_inline)) void
accumulate(Vector<double>::Type &sum, double a, const Vector<double>::Type &b) {
  for (unsigned i = 0; i < Vector<double>::kSize; ++i)
    sum[i] = __builtin_fma(a, b[i], sum[i]);
}

/// A block of Rows rows and 8 * Columns columns, whose sums are in registers.
template <typename T, unsigned Rows, unsigned Columns>
inline __attribute__((always_inline)) void
multiplyBlock(T *sums, const T *a, const T *b, unsigned n, unsigned k) {
  using V = typename Vector<T>::Type;
  V block[Rows][Columns];
  for (unsigned row = 0; row < Rows; ++row)
    for (unsigned column = 0; column < Columns; ++column)
      loadVector(block[row][column], sums + row * n + 8 * column);
  for (unsigned i = 0; i < k; ++i) {
    V line[Columns];
    for (unsigned column = 0; column < Columns; ++column)
      loadVector(line[column], b + i * n + 8 * column);
    for (unsigned row = 0; row < Rows; ++row)
      for (unsigned column = 0; column < Columns; ++column)
        accumulate(block[row][column], a[row * k + i], line[column]);
  }
  for (unsigned row = 0; row < Rows; ++row)
    for (unsigned column = 0; column < Columns; ++column)
      std::memcpy(sums + row * n + 8 * column, &block[row][column], sizeof(V));
}

template <typename T>
inline __attribute__((always_inline)) void
multiplyTile(T *sums, const T *a, const T *b, unsigned m, unsigned n,
             unsigned k) {
  constexpr unsigned kRows = 4;
  for (unsigned row = 0; row < m; row += kRows) {
    unsigned column = 0;
    for (; column + 16 <= n; column += 16)
      multiplyBlock<T, kRows, 2>(sums + row * n + column, a + row * k,
                                 b + column, n, k);
    for (; column < n; column += 8)
      multiplyBlock<T, kRows, 1>(sums + row * n + column, a + row * k,
                                 b + column, n, k);
  }
}

/// The same loops, compiled for the processor that we are on.
#if defined(__x86_64__)
template <typename T>
__attribute__((target("avx2,fma"))) void multiplyWide(T *sums, const T *a,
                                                      const T *b, unsigned m,
                                                      unsigned n, unsigned k) {
  multiplyTile(sums, a, b, m, n, k);
}
#endif

template <typename T>
void multiplyPlain(T *sums, const T *a, const T *b, unsigned m, unsigned n,
                   unsigned k) {
  multiplyTile(sums, a, b, m, n, k);
}

template <typename T> auto pickMultiply() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return multiplyWide<T>;
#endif
  return multiplyPlain<T>;
}

} // namespace

void sparsedrop::ptx::multiplyAdd(float *sums, const float *a, const float *b,
                                  unsigned m, unsigned n, unsigned k) {
  static const auto kMultiply = pickMultiply<float>();
  kMultiply(sums, a, b, m, n, k);
}

void sparsedrop::ptx::multiplyAdd(int32_t *sums, const int32_t *a,
                                  const int32_t *b, unsigned m, unsigned n,
                                  unsigned k) {
  static const auto kMultiply = pickMultiply<uint32_t>();
  kMultiply(reinterpret_cast<uint32_t *>(sums),
            reinterpret_cast<const uint32_t *>(a),
            reinterpret_cast<const uint32_t *>(b), m, n, k);
}

void sparsedrop::ptx::multiplyAdd(double *sums, const double *a,
                                  const double *b, unsigned m, unsigned n,
                                  unsigned k) {
  static const auto kMultiply = pickMultiply<double>();
  kMultiply(sums, a, b, m, n, k);
}

void sparsedrop::ptx::addIntegers(int32_t *sums, const int32_t *values,
                                  unsigned count, bool isSaturating) {
  using Limits = std::numeric_limits<int32_t>;
  for (unsigned i = 0; i < count; ++i) {
    int64_t sum = int64_t(sums[i]) + values[i];
    if (isSaturating)
      sum = std::clamp<int64_t>(sum, Limits::min(), Limits::max());
    sums[i] = static_cast<int32_t>(sum);
  }
}
