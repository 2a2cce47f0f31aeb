//===- RuntimeTest.cpp - Threads, memory, errors, counters ----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"

#include "gtest/gtest.h"

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

namespace {

struct Visits {
  std::vector<std::atomic<int>> counts;
  explicit Visits(size_t size) : counts(size) {}
};

void countVisits(int64_t lo, int64_t hi, void *context) {
  for (int64_t i = lo; i < hi; ++i)
    ++static_cast<Visits *>(context)->counts[static_cast<size_t>(i)];
}

TEST(Threads, EachIterationOnce) {
  int32_t before = sparsedrop_threads();
  for (int32_t threads : {1, 2, 5}) {
    sparsedrop_set_threads(threads);
    for (int64_t size : {0, 1, 2, 3, 100, 10007})
      for (int64_t grain : {1, 7, 5000}) {
        Visits visits(static_cast<size_t>(size));
        sparsedrop_parallel_for(0, size, grain, countVisits, &visits);
        for (const std::atomic<int> &count : visits.counts)
          ASSERT_EQ(1, count) << threads << " " << size << " " << grain;
      }
  }
  sparsedrop_set_threads(before);
}

TEST(Threads, NestedAndFromSeveralThreads) {
  struct Nested {
    Visits *visits;
  };
  Visits visits(64 * 64);
  auto outer = [](int64_t lo, int64_t hi, void *context) {
    for (int64_t i = lo; i < hi; ++i)
      sparsedrop_parallel_for(i * 64, (i + 1) * 64, 1, countVisits, context);
  };
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 50; ++repeat)
        sparsedrop_parallel_for(0, 64, 1, outer, &visits);
    });
  for (std::thread &caller : callers)
    caller.join();
  for (const std::atomic<int> &count : visits.counts)
    ASSERT_EQ(200, count);
}

TEST(Memory, AlignmentPeakAndReuse) {
  sparsedrop_memory_trim();
  int64_t start = sparsedrop_memory_in_use();
  sparsedrop_memory_reset_peak();
  void *first = sparsedrop_alloc(64, 1000);
  void *second = sparsedrop_alloc(4096, 5000);
  EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(first) % 64);
  EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(second) % 4096);
  std::memset(first, 1, 1000);
  std::memset(second, 2, 5000);
  EXPECT_EQ(start + 6000, sparsedrop_memory_in_use());
  sparsedrop_free(second);
  EXPECT_EQ(start + 1000, sparsedrop_memory_in_use());
  EXPECT_EQ(start + 6000, sparsedrop_memory_peak());
  sparsedrop_memory_reset_peak();
  EXPECT_EQ(start + 1000, sparsedrop_memory_peak());
  sparsedrop_free(first);
  sparsedrop_free(nullptr);
  void *empty = sparsedrop_alloc(64, 0);
  EXPECT_NE(nullptr, empty);
  sparsedrop_free(empty);
  EXPECT_EQ(start, sparsedrop_memory_in_use());
}

TEST(Memory, OutOfMemoryIsAFailure) {
  sparsedrop_enter();
  EXPECT_EQ(nullptr, sparsedrop_alloc(64, UINT64_MAX / 2));
  EXPECT_EQ(nullptr, sparsedrop_alloc(64, UINT64_MAX));
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_NE(std::string(sparsedrop_last_error()).find("out of memory"),
            std::string::npos);
}

TEST(Errors, SectionsKeepTheirFirstFailure) {
  sparsedrop_enter();
  EXPECT_EQ(0, sparsedrop_leave());
  sparsedrop_enter();
  sparsedrop_enter();
  sparsedrop_fail("first");
  sparsedrop_fail("second");
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_STREQ("first", sparsedrop_last_error());
  std::thread([] { EXPECT_STREQ("", sparsedrop_last_error()); }).join();
}

TEST(ErrorsDeathTest, OutsideOfASectionTheProcessEnds) {
  EXPECT_EXIT(sparsedrop_check_pattern(9, 0, 3), testing::ExitedWithCode(1),
              "error: expected a period between 1 and 3");
}

TEST(Counters, SumAndReset) {
  sparsedrop_reset_counts();
  sparsedrop_record_product(3, 10, 20, 5, 8, 6);
  sparsedrop_record_product(3, 10, 20, 10, 20, 6);
  sparsedrop_product_counts counts;
  sparsedrop_product_counts_of(3, &counts);
  EXPECT_EQ(2, counts.executions);
  EXPECT_EQ(20, counts.denseFlops);
  EXPECT_EQ(15, counts.actualFlops);
  EXPECT_EQ(28, counts.actualBytes);
  EXPECT_EQ(12, counts.expectedFlops);
  sparsedrop_product_counts_of(4, &counts);
  EXPECT_EQ(0, counts.executions);
  sparsedrop_reset_counts();
  sparsedrop_product_counts_of(3, &counts);
  EXPECT_EQ(0, counts.executions);
}

} // namespace
