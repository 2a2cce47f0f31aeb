//===- Narrow.cpp - Narrow products, summed in f64 ------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Narrow.h"

#include "Clones.h"
#include "Parallel.h"

#include <algorithm>
#include <cstring>

using namespace sparsedrop::runtime;

/// Columns above which BLAS is much faster, and elements of the wide operand
/// beyond which sums are many or long.
static constexpr int64_t kMaxColumns = 16;
static constexpr int64_t kMaxElements = int64_t{1} << 18;
/// What one more thread has to bring.
static constexpr double kFlopsPerWorker = 2e5;
/// Rows and columns whose sums are held in registers, terms summed at a time.
static constexpr int kRows = 4, kColumns = 2, kLanes = 4;

using Doubles = double __attribute__((vector_size(kLanes * sizeof(double))));
using Floats = float __attribute__((vector_size(kLanes * sizeof(float))));

template <typename Vector, typename T>
static SPARSEDROP_INLINE Vector loadVector(const T *data) {
  Vector result;
  std::memcpy(&result, data, sizeof(Vector));
  return result;
}

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

/// sums[i * ld + j] = x[i * strideX, :] * y[j * depth, :]. The order of the
/// terms does not depend on how many rows and columns there are.
template <int Rows, int Columns>
static SPARSEDROP_INLINE void sumBlock(const float *x, int64_t strideX,
                                       const double *y, int64_t depth,
                                       double *sums, int64_t ld) {
  Doubles parts[Rows][Columns] = {};
  int64_t whole = depth / kLanes * kLanes;
  for (int64_t k = 0; k < whole; k += kLanes) {
    Doubles left[Rows];
    for (int i = 0; i < Rows; ++i)
      left[i] = __builtin_convertvector(loadVector<Floats>(x + i * strideX + k),
                                        Doubles);
    for (int j = 0; j < Columns; ++j) {
      auto right = loadVector<Doubles>(y + j * depth + k);
      for (int i = 0; i < Rows; ++i)
        parts[i][j] += left[i] * right;
    }
  }
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Columns; ++j) {
      double sum =
          (parts[i][j][0] + parts[i][j][2]) + (parts[i][j][1] + parts[i][j][3]);
      for (int64_t k = whole; k < depth; ++k)
        sum += static_cast<double>(x[i * strideX + k]) * y[j * depth + k];
      sums[i * ld + j] = sum;
    }
}

template <int Rows>
static SPARSEDROP_INLINE void sumRows(const float *x, int64_t strideX,
                                      const double *y, int64_t columns,
                                      int64_t depth, double *sums) {
  int64_t j = 0;
  for (; j + kColumns <= columns; j += kColumns)
    sumBlock<Rows, kColumns>(x, strideX, y + j * depth, depth, sums + j,
                             columns);
  for (; j < columns; ++j)
    sumBlock<Rows, 1>(x, strideX, y + j * depth, depth, sums + j, columns);
}

SPARSEDROP_CLONES
static void sumFour(const float *x, int64_t strideX, const double *y,
                    int64_t columns, int64_t depth, double *sums) {
  sumRows<kRows>(x, strideX, y, columns, depth, sums);
}

SPARSEDROP_CLONES
static void sumOne(const float *x, const double *y, int64_t columns,
                   int64_t depth, double *sums) {
  sumRows<1>(x, 0, y, columns, depth, sums);
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

static bool isWide(const View &view, const LoopGroup &loops,
                   const LoopGroup &others, const LoopGroup &k) {
  int64_t depth = k.extent();
  return view.type == SPARSEDROP_F32 && others.extent() <= kMaxColumns &&
         loops.extent() <= kMaxElements / depth &&
         (depth == 1 || k.getStride(view.operand) == 1);
}

static bool isBWide(const Problem &problem) {
  const LoopNest &nest = problem.nest;
  return isWide(problem.b, nest.n, nest.m, nest.k) &&
         !(isWide(problem.a, nest.m, nest.n, nest.k) &&
           nest.m.extent() >= nest.n.extent());
}

bool NarrowProduct::fits(const Problem &problem) {
  const LoopNest &nest = problem.nest;
  return isWide(problem.a, nest.m, nest.n, nest.k) || isBWide(problem);
}

NarrowProduct::NarrowProduct(const Problem &problem, int64_t team)
    : problem(problem), transposed(isBWide(problem)),
      wide(transposed ? problem.b : problem.a),
      narrow(transposed ? problem.a : problem.b),
      wideLoops(transposed ? problem.nest.n : problem.nest.m),
      narrowLoops(transposed ? problem.nest.m : problem.nest.n),
      rows(wideLoops.extent()), columns(narrowLoops.extent()),
      depth(problem.nest.k.extent()) {
  double flops =
      2.0 * static_cast<double>(rows * columns) * static_cast<double>(depth);
  workers = static_cast<int64_t>(
      std::min(static_cast<double>(team), 1 + flops / kFlopsPerWorker));
}

void NarrowProduct::run(int64_t item, double *workspace) const {
  const LoopNest &nest = problem.nest;
  View source = narrow, target = problem.c;
  source.offset += nest.batch.getOffset(source.operand, item);
  target.offset += nest.batch.getOffset(C, item);
  const float *data = static_cast<const float *>(wide.data) + wide.offset +
                      nest.batch.getOffset(wide.operand, item);
  pack(source, narrowLoops, nest.k, {0, columns}, {0, depth}, workspace);
  int64_t size = (rows / workers / kRows + 1) * kRows;
  forPieces(workers, (rows - 1) / size + 1, [&](int64_t, int64_t piece) {
    int64_t begin = piece * size;
    runRows(data, workspace, {begin, std::min(size, rows - begin)}, target);
  });
}

void NarrowProduct::runRows(const float *data, const double *packed,
                            Range range, const View &target) const {
  std::optional<int64_t> stride = wideLoops.getStride(wide.operand);
  double sums[kRows * kMaxColumns];
  int64_t step;
  for (int64_t row = range.begin, end = row + range.count; row < end;
       row += step) {
    step = stride && row + kRows <= end ? kRows : 1;
    const float *x = data + wideLoops.getOffset(wide.operand, row);
    if (step == kRows)
      sumFour(x, *stride, packed, columns, depth, sums);
    else
      sumOne(x, packed, columns, depth, sums);
    for (int64_t i = 0; i < step; ++i) {
      View line = target;
      line.offset += wideLoops.getOffset(C, row + i);
      store(line, LoopGroup(), narrowLoops, {0, 1}, {0, columns},
            sums + i * columns, columns, problem.accumulate);
    }
  }
}
