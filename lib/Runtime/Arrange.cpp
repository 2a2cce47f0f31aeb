//===- Arrange.cpp - Order of the loops of a product ----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Product.h"

#include <utility>

using namespace sparsedrop::runtime;

/// Below this, a product per outer iteration costs more than one pass over a
/// temporary C.
static constexpr double kMinItemFlops = 1e7;
static constexpr int64_t kMinItemExtent = 64;

/// Swaps the roles of rows and columns.
static void transpose(Problem &problem) {
  LoopNest &nest = problem.nest;
  for (LoopGroup *group : {&nest.batch, &nest.m, &nest.n, &nest.k})
    for (Loop &loop : group->loops)
      std::swap(loop.strides[A], loop.strides[B]);
  std::swap(nest.m, nest.n);
  std::swap(problem.a, problem.b);
  std::swap(problem.a.operand, problem.b.operand);
}

/// Elements that have to be packed with the contracted loops in this order.
template <typename T>
static int64_t getPackedCount(const Problem &problem, const LoopGroup &k) {
  const LoopNest &nest = problem.nest;
  int64_t count = 0;
  if (!getLayout<T>(problem.a.type, A, nest.m, k))
    count += nest.m.extent();
  if (!getLayout<T>(problem.b.type, B, k, nest.n))
    count += nest.n.extent();
  return count;
}

/// Moves outer loops of rows (`own` is A) or columns (B) to the batch until C
/// has one stride along the group.
template <typename T>
static void promoteOuterLoops(Problem &problem, LoopGroup &group,
                              const LoopGroup &others, bool othersDirect) {
  LoopNest &nest = problem.nest;
  // The other operand would be packed again for each iteration.
  if (problem.c.type != getSumType<T>() || !othersDirect)
    return;
  while (!group.getStride(C)) {
    int64_t rest = group.extent() / group.loops.front().extent;
    double flops = 2.0 * static_cast<double>(rest) *
                   static_cast<double>(others.extent()) *
                   static_cast<double>(nest.k.extent());
    if (rest < kMinItemExtent || flops < kMinItemFlops)
      return;
    nest.batch.loops.push_back(group.loops.front());
    group.loops.erase(group.loops.begin());
  }
}

template <typename T> void sparsedrop::runtime::arrange(Problem &problem) {
  LoopNest &nest = problem.nest;
  nest.m.sortBy(C);
  nest.n.sortBy(C);
  // The column group is the one along which C is contiguous.
  auto getInnerStride = [](const LoopGroup &group) {
    return group.loops.empty() ? INT64_MAX : group.loops.back().strides[C];
  };
  if (getInnerStride(nest.m) < getInnerStride(nest.n) && nest.n.extent() > 1)
    transpose(problem);
  nest.m.merge({A, C});
  nest.n.merge({B, C});
  // The order of the contracted loops decides which operand is a matrix.
  LoopGroup byB = nest.k;
  nest.k.sortBy(A);
  byB.sortBy(B);
  if (getPackedCount<T>(problem, byB) < getPackedCount<T>(problem, nest.k))
    nest.k = byB;
  nest.k.merge({A, B});
  bool directA = getLayout<T>(problem.a.type, A, nest.m, nest.k).has_value();
  bool directB = getLayout<T>(problem.b.type, B, nest.k, nest.n).has_value();
  promoteOuterLoops<T>(problem, nest.m, nest.n, directB);
  promoteOuterLoops<T>(problem, nest.n, nest.m, directA);
  nest.batch.sortBy(C);
  nest.batch.merge({A, B, C});
}

template void sparsedrop::runtime::arrange<float>(Problem &);
template void sparsedrop::runtime::arrange<double>(Problem &);
