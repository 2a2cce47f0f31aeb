//===- MatrixCompute.h - Products of tiles ----------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The ISA leaves the order and the precision of the sums inside a matrix unit
// open (9.7.14.5.14, 9.7.15.5.2). Here: products are exact, they are added to
// the accumulator one after the other in ascending k, and each sum is rounded
// to nearest even in the tile's type. So a result differs from the exact sum by
// at most K * 2^-24 * (|c| + sum of |a * b|), to first order, in float. f16
// accumulators are rounded once more, at the end of the instruction. Sums of
// integers are exact, modulo 2^32 or saturated once.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_MATRIXCOMPUTE_H
#define SPARSEDROP_LIB_INTERP_MATRIXCOMPUTE_H

#include <cstdint>

namespace sparsedrop::ptx {

/// sums[m][n] += a[m][k] * b[k][n]; m is a multiple of 4, n of 8.
void multiplyAdd(float *sums, const float *a, const float *b, unsigned m,
                 unsigned n, unsigned k);
/// The same, modulo 2^32.
void multiplyAdd(int32_t *sums, const int32_t *a, const int32_t *b, unsigned m,
                 unsigned n, unsigned k);
/// The same, with each product and sum rounded once.
void multiplyAdd(double *sums, const double *a, const double *b, unsigned m,
                 unsigned n, unsigned k);

/// Sums + values, modulo 2^32 or clamped to what int32_t holds (.satfinite).
void addIntegers(int32_t *sums, const int32_t *values, unsigned count,
                 bool isSaturating);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_MATRIXCOMPUTE_H
