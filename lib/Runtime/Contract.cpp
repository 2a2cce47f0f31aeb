//===- Contract.cpp - Products on the CPU ---------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A product of any number of loops becomes matrix products of BLAS. Operands
// that BLAS can address (two constant strides, one of them 1: every dp-th row
// of a weight among them) are handed over as they are; others (every dp-th
// column, granules, overlapping windows, 16-bit types) are packed, each element
// once, in bounded panels. BLAS runs on one thread; the pool cuts the product.
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "LoopNest.h"
#include "Pack.h"

#include "sparsedrop-c/Runtime.h"

#include <algorithm>
#include <cblas.h>
#include <memory>
#include <mutex>
#include <string>

using namespace sparsedrop::runtime;

//===----------------------------------------------------------------------===//
// BLAS by type
//===----------------------------------------------------------------------===//

namespace {
/// A row-major matrix as BLAS wants it.
template <typename T>
struct Matrix {
  const T *data;
  int64_t ld;
  bool transposed;
};
} // namespace

static void gemm(Matrix<float> a, Matrix<float> b, float *c, int64_t ldc,
                 int64_t m, int64_t n, int64_t k, float beta) {
  cblas_sgemm(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
              b.transposed ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(m), static_cast<blasint>(n),
              static_cast<blasint>(k), 1, a.data, static_cast<blasint>(a.ld),
              b.data, static_cast<blasint>(b.ld), beta, c,
              static_cast<blasint>(ldc));
}

static void gemm(Matrix<double> a, Matrix<double> b, double *c, int64_t ldc,
                 int64_t m, int64_t n, int64_t k, double beta) {
  cblas_dgemm(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
              b.transposed ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(m), static_cast<blasint>(n),
              static_cast<blasint>(k), 1, a.data, static_cast<blasint>(a.ld),
              b.data, static_cast<blasint>(b.ld), beta, c,
              static_cast<blasint>(ldc));
}

static void gemv(Matrix<float> a, const float *x, int64_t incX, float *y,
                 int64_t incY, int64_t m, int64_t k, float beta) {
  cblas_sgemv(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(a.transposed ? k : m),
              static_cast<blasint>(a.transposed ? m : k), 1, a.data,
              static_cast<blasint>(a.ld), x, static_cast<blasint>(incX), beta,
              y, static_cast<blasint>(incY));
}

static void gemv(Matrix<double> a, const double *x, int64_t incX, double *y,
                 int64_t incY, int64_t m, int64_t k, double beta) {
  cblas_dgemv(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(a.transposed ? k : m),
              static_cast<blasint>(a.transposed ? m : k), 1, a.data,
              static_cast<blasint>(a.ld), x, static_cast<blasint>(incX), beta,
              y, static_cast<blasint>(incY));
}

template <typename T>
static constexpr sparsedrop_type getType() {
  return sizeof(T) == 8 ? SPARSEDROP_F64 : SPARSEDROP_F32;
}

//===----------------------------------------------------------------------===//
// Parallel loops over lambdas
//===----------------------------------------------------------------------===//

template <typename Body>
static void parallelFor(int64_t count, int64_t grain, Body body) {
  sparsedrop_parallel_for(
      0, count, grain,
      [](int64_t begin, int64_t end, void *context) {
        (*static_cast<Body *>(context))(begin, end);
      },
      &body);
}

namespace {
/// Memory of the runtime's pool, freed at the end of the scope.
template <typename T>
class Buffer {
public:
  explicit Buffer(int64_t count)
      : data(static_cast<T *>(sparsedrop_alloc(
            64, static_cast<uint64_t>(std::max<int64_t>(count, 1)) *
                    sizeof(T)))) {}
  ~Buffer() { sparsedrop_free(data); }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  T *get() const { return data; }
  explicit operator bool() const { return data; }

private:
  T *data;
};
} // namespace

//===----------------------------------------------------------------------===//
// One product
//===----------------------------------------------------------------------===//

namespace {
/// The product of one batch item, summed in T.
template <typename T>
class Product {
public:
  Product(const LoopNest &nest, const View &a, const View &b, const View &c,
          bool accumulate)
      : nest(nest), a(a), b(b), c(c), accumulate(accumulate),
        rows(nest.m.extent()), columns(nest.n.extent()),
        depth(nest.k.extent()) {}

  void run();

private:
  /// `view` over (first, second) as BLAS can address it.
  std::optional<Matrix<T>> getMatrix(const View &view, const LoopGroup &first,
                                     const LoopGroup &second) const;
  bool runVector();
  void runPanels();
  /// All of `view` over (first, second) from `begin` of the contracted group.
  Matrix<T> packAll(const View &view, const LoopGroup &first,
                    const LoopGroup &second, int64_t firstBegin,
                    int64_t firstCount, int64_t secondBegin,
                    int64_t secondCount, T *buffer) const;
  void multiply(std::optional<Matrix<T>> left, Matrix<T> right, T *sums,
                int64_t ld, int64_t begin, int64_t count, T beta);

  const LoopNest &nest;
  const View &a, &b, &c;
  bool accumulate;
  int64_t rows, columns, depth;
};
} // namespace

template <typename T>
std::optional<Matrix<T>> Product<T>::getMatrix(const View &view,
                                               const LoopGroup &first,
                                               const LoopGroup &second) const {
  std::optional<int64_t> outer = first.getStride(view.operand);
  std::optional<int64_t> inner = second.getStride(view.operand);
  if (view.type != getType<T>() || !outer || !inner)
    return std::nullopt;
  const T *data = static_cast<const T *>(view.data) + view.offset;
  int64_t firstExtent = first.extent(), secondExtent = second.extent();
  // A dimension of one iteration fits any stride.
  if (secondExtent == 1)
    inner = 1;
  if (firstExtent == 1)
    outer = std::max<int64_t>(*inner == 1 ? secondExtent : 1, 1);
  if (*inner == 1 && *outer >= std::max<int64_t>(secondExtent, 1))
    return Matrix<T>{data, *outer, false};
  if (*outer == 1 && *inner >= std::max<int64_t>(firstExtent, 1))
    return Matrix<T>{data, *inner, true};
  return std::nullopt;
}

/// The inner loop that has the smaller stride becomes the contiguous one.
template <typename T>
Matrix<T> Product<T>::packAll(const View &view, const LoopGroup &first,
                              const LoopGroup &second, int64_t firstBegin,
                              int64_t firstCount, int64_t secondBegin,
                              int64_t secondCount, T *buffer) const {
  bool transposed =
      first.getInner().extent > 1 &&
      (second.getInner().extent == 1 ||
       first.getInner().strides[view.operand] <
           second.getInner().strides[view.operand]);
  const LoopGroup &outer = transposed ? second : first;
  const LoopGroup &inner = transposed ? first : second;
  int64_t outerBegin = transposed ? secondBegin : firstBegin;
  int64_t outerCount = transposed ? secondCount : firstCount;
  int64_t innerBegin = transposed ? firstBegin : secondBegin;
  int64_t innerCount = transposed ? firstCount : secondCount;
  int64_t grain =
      std::max<int64_t>(1, 16384 / std::max<int64_t>(innerCount, 1));
  parallelFor(outerCount, grain, [&](int64_t lo, int64_t hi) {
    pack<T>(view, outer, inner, outerBegin + lo, hi - lo, innerBegin,
            innerCount, buffer + lo * innerCount);
  });
  return {buffer, innerCount, transposed};
}

/// A matrix times a vector, with any strides of both vectors.
template <typename T>
bool Product<T>::runVector() {
  bool oneColumn = columns == 1;
  if (!oneColumn && rows != 1)
    return false;
  const View &matrix = oneColumn ? a : b, &vector = oneColumn ? b : a;
  const LoopGroup &outputs = oneColumn ? nest.m : nest.n;
  std::optional<Matrix<T>> direct = getMatrix(matrix, outputs, nest.k);
  std::optional<int64_t> incX = nest.k.getStride(vector.operand);
  std::optional<int64_t> incY = outputs.getStride(C);
  if (!direct || !incX || !incY || vector.type != getType<T>() ||
      c.type != getType<T>())
    return false;
  // An increment of 0 belongs to an extent of 1 only.
  int64_t stepX = depth == 1 ? 1 : *incX;
  int64_t count = outputs.extent(), stepY = count == 1 ? 1 : *incY;
  if (stepX <= 0 || stepY <= 0)
    return false;
  const T *x = static_cast<const T *>(vector.data) + vector.offset;
  T *y = static_cast<T *>(const_cast<void *>(c.data)) + c.offset;
  int64_t grain = std::max<int64_t>(1, 65536 / std::max<int64_t>(depth, 1));
  parallelFor(count, grain, [&](int64_t lo, int64_t hi) {
    Matrix<T> part = *direct;
    part.data += part.transposed ? lo : lo * part.ld;
    gemv(part, x, stepX, y + lo * stepY, stepY, hi - lo, depth,
         accumulate ? T(1) : T(0));
  });
  return true;
}

/// sums = beta * sums + A[:, begin : begin + count] * right, cut into pieces
/// for the threads. `left` is null where A has to be packed row by row.
template <typename T>
void Product<T>::multiply(std::optional<Matrix<T>> left, Matrix<T> right,
                          T *sums, int64_t ld, int64_t begin, int64_t count,
                          T beta) {
  int64_t threads = sparsedrop_threads();
  bool byRows = !left || rows >= columns;
  int64_t length = byRows ? rows : columns;
  double work = 2.0 * static_cast<double>(rows) * static_cast<double>(columns) *
                static_cast<double>(count);
  // Below some tens of microseconds a second thread costs more than it brings.
  int64_t pieces = work < 1e6 ? 1 : threads;
  // What a thread packs of A stays in its cache.
  if (!left)
    pieces = std::max(pieces,
                      rows * count * static_cast<int64_t>(sizeof(T)) >> 20);
  int64_t size = (length + pieces - 1) / std::max<int64_t>(pieces, 1);
  size = std::max<int64_t>((size + 15) / 16 * 16, 16);
  pieces = (length + size - 1) / size;
  parallelFor(pieces, 1, [&](int64_t lo, int64_t hi) {
    for (int64_t piece = lo; piece < hi; ++piece) {
      int64_t first = piece * size, extent = std::min(size, length - first);
      Matrix<T> partRight = right;
      Matrix<T> partLeft = left.value_or(Matrix<T>{});
      std::unique_ptr<Buffer<T>> buffer;
      if (!left) {
        buffer = std::make_unique<Buffer<T>>(extent * count);
        if (!*buffer)
          return;
        partLeft = packAll(a, nest.m, nest.k, first, extent, begin, count,
                           buffer->get());
      } else if (byRows) {
        partLeft.data += partLeft.transposed ? first : first * partLeft.ld;
      }
      if (byRows) {
        gemm(partLeft, partRight, sums + first * ld, ld, extent, columns, count,
             beta);
        continue;
      }
      partRight.data += right.transposed ? first * right.ld : first;
      gemm(partLeft, partRight, sums + first, ld, rows, extent, count, beta);
    }
  });
}

template <typename T>
void Product<T>::runPanels() {
  std::optional<Matrix<T>> left = getMatrix(a, nest.m, nest.k);
  std::optional<Matrix<T>> right = getMatrix(b, nest.k, nest.n);
  std::optional<Matrix<T>> target = getMatrix(c, nest.m, nest.n);
  bool direct = target && !target->transposed;
  // Packed panels of B hold at most 32 MiB, unless one step of depth is more.
  int64_t panel = depth;
  if (!right)
    panel = std::clamp<int64_t>((int64_t{32} << 20) /
                                    (static_cast<int64_t>(sizeof(T)) * columns),
                                1, depth);
  if (!left)
    panel = std::min(panel, std::max<int64_t>(depth < 8192 ? depth : 4096, 1));
  std::unique_ptr<Buffer<T>> packed, temporary;
  if (!right && !*(packed = std::make_unique<Buffer<T>>(panel * columns)))
    return;
  if (!direct && !*(temporary = std::make_unique<Buffer<T>>(rows * columns)))
    return;
  T *sums = direct ? const_cast<T *>(target->data) : temporary->get();
  int64_t ld = direct ? target->ld : columns;

  for (int64_t begin = 0; begin < depth; begin += panel) {
    int64_t count = std::min(panel, depth - begin);
    std::optional<Matrix<T>> partLeft = left;
    Matrix<T> partRight;
    if (left)
      partLeft->data += left->transposed ? begin * left->ld : begin;
    if (right) {
      partRight = *right;
      partRight.data += right->transposed ? begin : begin * right->ld;
    } else {
      partRight = packAll(b, nest.k, nest.n, begin, count, 0, columns,
                          packed->get());
    }
    T beta = begin > 0 || (direct && accumulate) ? T(1) : T(0);
    multiply(partLeft, partRight, sums, ld, begin, count, beta);
  }
  if (direct)
    return;
  int64_t grain = std::max<int64_t>(1, 16384 / columns);
  parallelFor(rows, grain, [&](int64_t lo, int64_t hi) {
    store<T>(const_cast<void *>(c.data), c.type, c.offset, nest.m, nest.n, lo,
             hi - lo, columns, sums + lo * ld, ld, accumulate);
  });
}

template <typename T>
void Product<T>::run() {
  if (!runVector())
    runPanels();
}

//===----------------------------------------------------------------------===//
// Whole products
//===----------------------------------------------------------------------===//

namespace {
/// The arguments of sparsedrop_contract, checked and sorted.
struct Problem {
  LoopNest nest;
  View a, b, c;
  bool accumulate;
};
} // namespace

/// Plain loops, for products too small to set up more.
template <typename T>
static void runTiny(const Problem &problem) {
  const LoopNest &nest = problem.nest;
  void *target = const_cast<void *>(problem.c.data);
  for (int64_t s = 0, batch = nest.batch.extent(); s < batch; ++s)
    for (int64_t i = 0, m = nest.m.extent(); i < m; ++i)
      for (int64_t j = 0, n = nest.n.extent(); j < n; ++j) {
        int64_t atA = nest.batch.getOffset(A, s) + nest.m.getOffset(A, i);
        int64_t atB = nest.batch.getOffset(B, s) + nest.n.getOffset(B, j);
        int64_t atC = nest.batch.getOffset(C, s) + nest.m.getOffset(C, i) +
                      nest.n.getOffset(C, j);
        T sum = 0;
        for (int64_t l = 0, k = nest.k.extent(); l < k; ++l)
          sum += load<T>(problem.a.data, problem.a.type,
                         atA + nest.k.getOffset(A, l)) *
                 load<T>(problem.b.data, problem.b.type,
                         atB + nest.k.getOffset(B, l));
        if (problem.accumulate)
          sum += load<T>(target, problem.c.type, atC);
        storeElement<T>(target, problem.c.type, atC, sum);
      }
}

/// Swaps the roles of rows and columns.
static void transpose(Problem &problem) {
  auto swapLoops = [](LoopGroup &group) {
    for (Loop &loop : group.loops)
      std::swap(loop.strides[A], loop.strides[B]);
  };
  for (LoopGroup *group : {&problem.nest.batch, &problem.nest.m,
                           &problem.nest.n, &problem.nest.k})
    swapLoops(*group);
  std::swap(problem.nest.m, problem.nest.n);
  std::swap(problem.a, problem.b);
  std::swap(problem.a.operand, problem.b.operand);
}

/// Orders and joins loops so that as little as possible has to be packed.
static void arrange(Problem &problem) {
  LoopNest &nest = problem.nest;
  nest.m.sortBy(C);
  nest.n.sortBy(C);
  // The column group is the one along which C is contiguous.
  auto innerStride = [](const LoopGroup &group) {
    return group.loops.empty() ? INT64_MAX : group.loops.back().strides[C];
  };
  if (innerStride(nest.m) < innerStride(nest.n) && nest.n.extent() > 1)
    transpose(problem);
  nest.m.merge({A, C});
  nest.n.merge({B, C});
  nest.batch.sortBy(C);
  nest.batch.merge({A, B, C});
  // The order of the contracted loops decides which operand collapses.
  nest.k.sortBy(A);
  bool collapsesA = nest.k.getStride(A).has_value();
  LoopGroup other = nest.k;
  other.sortBy(B);
  if (!collapsesA && other.getStride(B))
    nest.k = other;
  nest.k.merge({A, B});
}

template <typename T>
static void runBatches(const Problem &problem) {
  const LoopNest &nest = problem.nest;
  int64_t batch = nest.batch.extent();
  double work = 2.0 * static_cast<double>(nest.m.extent()) *
                static_cast<double>(nest.n.extent()) *
                static_cast<double>(nest.k.extent());
  if (work * static_cast<double>(batch) < 4096)
    return runTiny<T>(problem);
  auto runItem = [&](int64_t s) {
    View a = problem.a, b = problem.b, c = problem.c;
    a.offset += nest.batch.getOffset(A, s);
    b.offset += nest.batch.getOffset(B, s);
    c.offset += nest.batch.getOffset(C, s);
    Product<T>(nest, a, b, c, problem.accumulate).run();
  };
  // Small items run one a thread, large ones on all threads.
  if (batch >= sparsedrop_threads() && work < 1e8) {
    auto grain = static_cast<int64_t>(1e5 / work) + 1;
    parallelFor(batch, grain, [&](int64_t lo, int64_t hi) {
      for (int64_t s = lo; s < hi; ++s)
        runItem(s);
    });
    return;
  }
  for (int64_t s = 0; s < batch; ++s)
    runItem(s);
}

/// C = 0, for products without terms.
static void clear(const Problem &problem) {
  const LoopNest &nest = problem.nest;
  for (int64_t s = 0, batch = nest.batch.extent(); s < batch; ++s)
    for (int64_t i = 0, m = nest.m.extent(); i < m; ++i)
      for (int64_t j = 0, n = nest.n.extent(); j < n; ++j)
        storeElement<double>(const_cast<void *>(problem.c.data),
                             problem.c.type,
                             nest.batch.getOffset(C, s) +
                                 nest.m.getOffset(C, i) +
                                 nest.n.getOffset(C, j),
                             0.0);
}

/// Sorts a loop into its group; false when it indexes a single operand.
static bool addLoop(LoopNest &nest, const sparsedrop_loop &loop) {
  LoopGroup *group = nullptr;
  switch (loop.operands) {
  case SPARSEDROP_A | SPARSEDROP_B | SPARSEDROP_C:
    group = &nest.batch;
    break;
  case SPARSEDROP_A | SPARSEDROP_C:
    group = &nest.m;
    break;
  case SPARSEDROP_B | SPARSEDROP_C:
    group = &nest.n;
    break;
  case SPARSEDROP_A | SPARSEDROP_B:
    group = &nest.k;
    break;
  default:
    return false;
  }
  if (loop.extent != 1)
    group->loops.push_back(
        {loop.extent, {loop.strideA, loop.strideB, loop.strideC}});
  return true;
}

static bool isType(int32_t type) {
  return type >= SPARSEDROP_F32 && type <= SPARSEDROP_F16;
}

static void useOneBlasThread() {
  static std::once_flag once;
  std::call_once(once, [] { openblas_set_num_threads(1); });
}

void sparsedrop_contract(const sparsedrop_loop *loops, int64_t loopCount,
                         int32_t typeA, int32_t typeB, int32_t typeC,
                         const void *a, const void *b, void *c,
                         int32_t accumulate) {
  if (!isType(typeA) || !isType(typeB) || !isType(typeC))
    return sparsedrop_fail("a product of unknown element types");
  Problem problem{{},
                  {a, static_cast<sparsedrop_type>(typeA), A, 0},
                  {b, static_cast<sparsedrop_type>(typeB), B, 0},
                  {c, static_cast<sparsedrop_type>(typeC), C, 0},
                  accumulate != 0};
  bool empty = false;
  for (int64_t i = 0; i < loopCount; ++i) {
    if (!addLoop(problem.nest, loops[i]) || loops[i].extent < 0)
      return sparsedrop_fail("a product with a loop that is not a batch, row, "
                             "column or contracted one");
    empty |= loops[i].extent == 0 &&
             loops[i].operands != (SPARSEDROP_A | SPARSEDROP_B);
  }
  if (empty)
    return;
  if (problem.nest.k.extent() == 0) {
    if (!problem.accumulate)
      clear(problem);
    return;
  }
  useOneBlasThread();
  arrange(problem);
  if (typeC == SPARSEDROP_F64)
    runBatches<double>(problem);
  else
    runBatches<float>(problem);
}
