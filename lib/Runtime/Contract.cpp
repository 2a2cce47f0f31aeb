//===- Contract.cpp - Products on the CPU ---------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// A product of any number of loops becomes matrix products of BLAS (Product.h)
// or, where it is tiny, plain loops.
//
//===----------------------------------------------------------------------===//

#include "Narrow.h"
#include "Parallel.h"
#include "sparsedrop-c/Runtime.h"

#include <algorithm>
#include <vector>

using namespace sparsedrop::runtime;

/// Below this, plain loops are faster than setting up a product.
static constexpr double kTinyFlops = 2048;
/// What one more thread has to bring.
static constexpr double kFlopsPerWorker = 2e5;
/// Items above this are shared by all threads, one after the other.
static constexpr double kLargeItemFlops = 1e8;

namespace {
/// Memory of the runtime's cache, freed at the end of the scope.
class Workspace {
public:
  explicit Workspace(int64_t bytes)
      : data(bytes > 0 ? sparsedrop_alloc(64, static_cast<uint64_t>(bytes))
                       : nullptr),
        failed(bytes > 0 && !data) {}
  ~Workspace() { sparsedrop_free(data); }
  Workspace(const Workspace &) = delete;
  Workspace &operator=(const Workspace &) = delete;

  void *const data;
  const bool failed;
};
} // namespace

//===----------------------------------------------------------------------===//
// Tiny products
//===----------------------------------------------------------------------===//

/// The sum over all contracted loops from `level` on, of operands that are
/// mostly T.
template <typename T>
static double sumTerms(const Problem &problem, size_t level, int64_t atA,
                       int64_t atB) {
  const std::vector<Loop> &loops = problem.nest.k.loops;
  if (level == loops.size())
    return load<double>(problem.a.data, problem.a.type, atA) *
           load<double>(problem.b.data, problem.b.type, atB);
  const Loop &loop = loops[level];
  constexpr sparsedrop_type type = getSumType<T>();
  double sum = 0;
  if (level + 1 == loops.size() && problem.a.type == type &&
      problem.b.type == type) {
    const T *a = static_cast<const T *>(problem.a.data) + atA;
    const T *b = static_cast<const T *>(problem.b.data) + atB;
    for (int64_t i = 0; i < loop.extent; ++i)
      sum += static_cast<double>(a[i * loop.strides[A]]) *
             static_cast<double>(b[i * loop.strides[B]]);
    return sum;
  }
  for (int64_t i = 0; i < loop.extent; ++i)
    sum += sumTerms<T>(problem, level + 1, atA + i * loop.strides[A],
                       atB + i * loop.strides[B]);
  return sum;
}

/// Items [begin, end) of the batch by plain loops.
template <typename T>
static void runTiny(const Problem &problem, int64_t begin, int64_t end) {
  const LoopNest &nest = problem.nest;
  int64_t m = nest.m.extent(), n = nest.n.extent();
  void *target = const_cast<void *>(problem.c.data);
  for (LoopGroup::Cursor s(nest.batch, begin); begin < end; ++begin, s.next()) {
    LoopGroup::Cursor i(nest.m, 0);
    for (int64_t row = 0; row < m; ++row, i.next()) {
      LoopGroup::Cursor j(nest.n, 0);
      for (int64_t column = 0; column < n; ++column, j.next()) {
        double sum =
            sumTerms<T>(problem, 0, s.get(A) + i.get(A), s.get(B) + j.get(B));
        int64_t at = s.get(C) + i.get(C) + j.get(C);
        if (problem.accumulate)
          sum += load<double>(target, problem.c.type, at);
        storeElement<double>(target, problem.c.type, at, sum);
      }
    }
  }
}

//===----------------------------------------------------------------------===//
// Whole products
//===----------------------------------------------------------------------===//

/// Calls runItems(slot, begin, end) for all items of the batch, on as many
/// slots as the work is worth.
template <typename RunItems>
static void forItems(int64_t batch, double itemFlops, int64_t slots,
                     RunItems runItems) {
  auto least = static_cast<int64_t>(kFlopsPerWorker / itemFlops) + 1;
  int64_t size = std::max(least, (batch - 1) / (4 * slots) + 1);
  forPieces(slots, (batch - 1) / size + 1, [&](int64_t slot, int64_t piece) {
    int64_t begin = piece * size;
    runItems(slot, begin, std::min(begin + size, batch));
  });
}

/// Runs all items by a plan, whose workspace is of T.
template <typename Plan, typename T>
static void runItems(const Problem &problem, double flops) {
  int64_t batch = problem.nest.batch.extent(), threads = sparsedrop_threads();
  // Small items run one a thread, large ones on all threads.
  bool apart = batch >= threads && flops < kLargeItemFlops;
  int64_t slots = apart ? threads : 1;
  Plan plan(problem, apart ? 1 : threads);
  int64_t size = plan.getWorkspace();
  Workspace workspace(slots * size * static_cast<int64_t>(sizeof(T)));
  if (workspace.failed)
    return;
  T *memory = static_cast<T *>(workspace.data);
  forItems(batch, flops, slots, [&](int64_t slot, int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item)
      plan.run(item, memory ? memory + slot * size : nullptr);
  });
}

template <typename T> static void runProduct(Problem &problem) {
  arrange<T>(problem);
  const LoopNest &nest = problem.nest;
  double flops = 2.0 * static_cast<double>(nest.m.extent()) *
                 static_cast<double>(nest.n.extent()) *
                 static_cast<double>(nest.k.extent());
  if (flops < kTinyFlops)
    return forItems(nest.batch.extent(), flops, sparsedrop_threads(),
                    [&](int64_t, int64_t begin, int64_t end) {
                      runTiny<T>(problem, begin, end);
                    });
  if (sizeof(T) == sizeof(float) && NarrowProduct::fits(problem))
    return runItems<NarrowProduct, double>(problem, flops);
  useOneBlasThread();
  runItems<Product<T>, T>(problem, flops);
}

/// C = 0, for products without terms.
static void clear(Problem &problem) {
  LoopNest &nest = problem.nest;
  nest.k.loops.clear();
  arrange<float>(problem);
  int64_t rows = nest.m.extent(), columns = nest.n.extent();
  int64_t lines = nest.batch.extent() * rows;
  int64_t size = std::max<int64_t>(1, 65536 / columns);
  forPieces(sparsedrop_threads(), (lines - 1) / size + 1,
            [&](int64_t, int64_t piece) {
              int64_t end = std::min(piece * size + size, lines);
              for (int64_t line = piece * size; line < end; ++line) {
                View c = problem.c;
                c.offset += nest.batch.getOffset(C, line / rows);
                store<float>(c, nest.m, nest.n, {line % rows, 1}, {0, columns},
                             nullptr, 0, /*accumulate=*/false);
              }
            });
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

/// The group that a loop belongs to; null when it indexes other operands.
static LoopGroup *getGroup(LoopNest &nest, const sparsedrop_loop &loop) {
  switch (loop.operands) {
  case SPARSEDROP_A | SPARSEDROP_B | SPARSEDROP_C:
    return &nest.batch;
  case SPARSEDROP_A | SPARSEDROP_C:
    return &nest.m;
  case SPARSEDROP_B | SPARSEDROP_C:
    return &nest.n;
  case SPARSEDROP_A | SPARSEDROP_B:
    return &nest.k;
  default:
    return nullptr;
  }
}

/// Sorts the loops into groups; the reason if they are not a product's.
static const char *sortLoops(const sparsedrop_loop *loops, int64_t count,
                             LoopNest &nest) {
  // Zero extents do not hide an overflow of the others.
  int64_t outputs = 1, terms = 1;
  for (int64_t i = 0; i < count; ++i) {
    const sparsedrop_loop &loop = loops[i];
    LoopGroup *group = getGroup(nest, loop);
    if (!group)
      return "a product with a loop that is not a batch, row, column or "
             "contracted one";
    if (loop.extent < 0)
      return "a product with a loop of negative extent";
    int64_t &total = group == &nest.k ? terms : outputs;
    if (__builtin_mul_overflow(total, std::max<int64_t>(loop.extent, 1),
                               &total))
      return "a product with more than 2^63 elements";
    // The stride of an operand that is not indexed has no meaning.
    auto indexed = [&](int64_t operand, int64_t stride) {
      return loop.operands & operand ? stride : 0;
    };
    if (loop.extent != 1)
      group->loops.push_back({loop.extent,
                              {indexed(SPARSEDROP_A, loop.strideA),
                               indexed(SPARSEDROP_B, loop.strideB),
                               indexed(SPARSEDROP_C, loop.strideC)}});
  }
  return nullptr;
}

static bool isType(int32_t type) {
  return type >= SPARSEDROP_F32 && type <= SPARSEDROP_F8E5M2;
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
  LoopNest &nest = problem.nest;
  if (const char *reason = sortLoops(loops, loopCount, nest))
    return sparsedrop_fail(reason);
  if (nest.batch.extent() == 0 || nest.m.extent() == 0 || nest.n.extent() == 0)
    return;
  if (nest.k.extent() == 0) {
    if (!problem.accumulate)
      clear(problem);
    return;
  }
  if (typeC == SPARSEDROP_F64)
    runProduct<double>(problem);
  else
    runProduct<float>(problem);
}
