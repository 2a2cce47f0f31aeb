//===- Parallel.h - Parallel loops over lambdas -----------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_PARALLEL_H
#define SPARSEDROP_LIB_RUNTIME_PARALLEL_H

#include "sparsedrop-c/Runtime.h"

#include <algorithm>
#include <atomic>

namespace sparsedrop::runtime {

/// Calls body(slot, piece) once for each piece below `pieces`, on at most
/// `slots` threads. Calls with one slot (below `slots`) never overlap, so a
/// slot owns its part of a workspace.
template <typename Body>
void forPieces(int64_t slots, int64_t pieces, Body body) {
  if (slots <= 1 || pieces <= 1) {
    for (int64_t piece = 0; piece < pieces; ++piece)
      body(int64_t{0}, piece);
    return;
  }
  std::atomic<int64_t> next{0};
  auto takePieces = [&](int64_t begin, int64_t end) {
    for (int64_t slot = begin; slot < end; ++slot)
      for (int64_t piece; (piece = next.fetch_add(1)) < pieces;)
        body(slot, piece);
  };
  sparsedrop_parallel_for(
      0, std::min(slots, pieces), 1,
      [](int64_t begin, int64_t end, void *context) {
        (*static_cast<decltype(takePieces) *>(context))(begin, end);
      },
      &takePieces);
}

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_PARALLEL_H
