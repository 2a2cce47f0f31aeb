//===- Counters.cpp - Counters of instrumented programs -------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Counters.h"

#include <utility>

using namespace sparsedrop::runtime;

static thread_local Counters *borrowed = nullptr;

Counters &sparsedrop::runtime::getCounters() {
  static thread_local Counters own;
  return borrowed ? *borrowed : own;
}

Counters *sparsedrop::runtime::setCounters(Counters *counters) {
  return std::exchange(borrowed, counters);
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
