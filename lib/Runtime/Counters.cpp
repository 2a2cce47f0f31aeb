//===- Counters.cpp - Counters of instrumented programs -------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"

#include <map>
#include <mutex>

namespace {
struct Counters {
  std::mutex mutex;
  std::map<int64_t, sparsedrop_product_counts> products;
};
} // namespace

static Counters &getCounters() {
  static Counters counters;
  return counters;
}

void sparsedrop_record_product(int64_t id, double denseFlops, double denseBytes,
                               double actualFlops, double actualBytes,
                               double expectedFlops) {
  Counters &counters = getCounters();
  std::lock_guard<std::mutex> lock(counters.mutex);
  sparsedrop_product_counts &product = counters.products[id];
  product.executions += 1;
  product.denseFlops += denseFlops;
  product.denseBytes += denseBytes;
  product.actualFlops += actualFlops;
  product.actualBytes += actualBytes;
  product.expectedFlops += expectedFlops;
}

void sparsedrop_product_counts_of(int64_t id,
                                  sparsedrop_product_counts *counts) {
  Counters &counters = getCounters();
  std::lock_guard<std::mutex> lock(counters.mutex);
  auto it = counters.products.find(id);
  *counts =
      it == counters.products.end() ? sparsedrop_product_counts{} : it->second;
}

void sparsedrop_reset_counts() {
  Counters &counters = getCounters();
  std::lock_guard<std::mutex> lock(counters.mutex);
  counters.products.clear();
}
