//===- Counters.h - Counters of instrumented programs -----------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_COUNTERS_H
#define SPARSEDROP_LIB_RUNTIME_COUNTERS_H

#include "sparsedrop-c/Runtime.h"

#include <map>
#include <mutex>

namespace sparsedrop::runtime {

/// Counts by product; the threads of one region share them.
struct Counters {
  std::mutex mutex;
  std::map<int64_t, sparsedrop_product_counts> products;
};

/// Where the calling thread counts: its own counters, unless it works for
/// another thread.
Counters &getCounters();

/// Makes the calling thread count in `counters` (null: its own); returns what
/// was set before.
Counters *setCounters(Counters *counters);

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_COUNTERS_H
