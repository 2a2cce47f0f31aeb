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
#include <cstdlib>
#include <cstring>
#include <limits>
#include <sched.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#ifndef __has_feature // clang's
#define __has_feature(x) 0
#endif

namespace {

struct Visits {
  std::vector<std::atomic<int>> counts;
  explicit Visits(size_t size) : counts(size) {}
};

void countVisits(int64_t lo, int64_t hi, void *context) {
  for (int64_t i = lo; i < hi; ++i)
    ++static_cast<Visits *>(context)->counts[static_cast<size_t>(i)];
}

/// A region in which everyone waits until two threads are inside.
struct Meeting {
  std::thread::id owner;
  std::atomic<int> inside{0};

  void join() {
    ++inside;
    while (inside < 2)
      std::this_thread::yield();
  }
};

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

TEST(Threads, TheWholeRangeOfIndices) {
  std::atomic<uint64_t> total{0};
  int32_t before = sparsedrop_threads();
  sparsedrop_set_threads(3);
  sparsedrop_parallel_for(
      std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(),
      1,
      [](int64_t lo, int64_t hi, void *context) {
        *static_cast<std::atomic<uint64_t> *>(context) +=
            static_cast<uint64_t>(hi) - static_cast<uint64_t>(lo);
      },
      &total);
  EXPECT_EQ(std::numeric_limits<uint64_t>::max(), total);
  sparsedrop_set_threads(before);
}

TEST(Threads, CountIsClamped) {
  int32_t before = sparsedrop_threads();
  sparsedrop_set_threads(-3);
  EXPECT_EQ(1, sparsedrop_threads());
  sparsedrop_set_threads(std::numeric_limits<int32_t>::max());
  Visits visits(5000);
  sparsedrop_parallel_for(0, 5000, 1, countVisits, &visits);
  for (const std::atomic<int> &count : visits.counts)
    ASSERT_EQ(1, count);
  sparsedrop_set_threads(before);
}

// ThreadSanitizer ends children of fork that start threads.
#if !__has_feature(thread_sanitizer)
/// A forked child has none of the parent's workers: it starts its own.
TEST(Threads, AfterFork) {
  int32_t before = sparsedrop_threads();
  sparsedrop_set_threads(2);
  auto meet = [](int64_t, int64_t, void *context) {
    static_cast<Meeting *>(context)->join();
  };
  Meeting ours{std::this_thread::get_id(), {}}, theirs{ours.owner, {}};
  sparsedrop_parallel_for(0, 2, 1, meet, &ours);
  pid_t child = fork();
  if (child == 0) {
    alarm(20); // a hang is a failure
    sparsedrop_parallel_for(0, 2, 1, meet, &theirs);
    _exit(theirs.inside == 2 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  sparsedrop_set_threads(before);
}
#endif

/// The variable is read once, so each value needs a process of its own.
void expectThreads(const char *setting, int count) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  setenv("SPARSEDROP_NUM_THREADS", setting, 1);
  EXPECT_EXIT(std::_Exit(sparsedrop_threads()), testing::ExitedWithCode(count),
              "")
      << setting;
  unsetenv("SPARSEDROP_NUM_THREADS");
}

TEST(ThreadsDeathTest, Environment) {
  cpu_set_t set;
  CPU_ZERO(&set);
  ASSERT_EQ(0, sched_getaffinity(0, sizeof(set), &set));
  int all = CPU_COUNT(&set);
  expectThreads("3", 3);
  for (const char *setting : {"0", "-1", "3x", ""})
    expectThreads(setting, all);
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

// Sanitized builds cache nothing, so that uses after free are seen.
#if !__has_feature(address_sanitizer)
TEST(Memory, FreedBlocksComeBackUntilTrimmed) {
  constexpr uint64_t kBytes = uint64_t{8} << 20;
  void *first = sparsedrop_alloc(64, kBytes);
  sparsedrop_free(first);
  // A little less is the same size class; another alignment is not.
  void *second = sparsedrop_alloc(64, kBytes - 1000);
  EXPECT_EQ(first, second);
  void *other = sparsedrop_alloc(1 << 16, kBytes);
  EXPECT_NE(first, other);
  EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(other) % (1 << 16));
  sparsedrop_free(second);
  sparsedrop_free(other);
  sparsedrop_memory_trim();
}
#endif

TEST(Memory, RefusesAlignmentsThatAreNone) {
  for (uint64_t alignment : {uint64_t{96}, uint64_t{1} << 63}) {
    sparsedrop_enter();
    EXPECT_EQ(nullptr, sparsedrop_alloc(alignment, 100));
    EXPECT_EQ(1, sparsedrop_leave());
  }
  void *pointer = sparsedrop_alloc(0, 100);
  EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(pointer) % 64);
  sparsedrop_free(pointer);
}

TEST(Memory, FromSeveralThreads) {
  int64_t start = sparsedrop_memory_in_use();
  std::vector<std::thread> users;
  for (int i = 0; i < 4; ++i)
    users.emplace_back([i] {
      std::vector<unsigned char *> blocks;
      for (size_t round = 0; round < 300; ++round) {
        size_t bytes = 1 + round * 37 % 5000;
        auto *block = static_cast<unsigned char *>(sparsedrop_alloc(64, bytes));
        std::memset(block, i, bytes);
        blocks.push_back(block);
        if (round % 3 == 0)
          continue;
        EXPECT_EQ(i, blocks[blocks.size() / 2][0]);
        sparsedrop_free(blocks.back());
        blocks.pop_back();
      }
      for (unsigned char *block : blocks)
        sparsedrop_free(block);
    });
  for (std::thread &user : users)
    user.join();
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

/// An inner section has its own first failure and leaves the outer one's alone.
TEST(Errors, EachSectionHasItsFirstFailure) {
  sparsedrop_enter();
  sparsedrop_fail("outer");
  sparsedrop_enter();
  sparsedrop_fail("inner");
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_STREQ("inner", sparsedrop_last_error());
  sparsedrop_enter();
  EXPECT_EQ(0, sparsedrop_leave());
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_STREQ("outer", sparsedrop_last_error());
  EXPECT_EQ(0, sparsedrop_leave());
}

void failOnWorker(int64_t, int64_t, void *context) {
  auto &meeting = *static_cast<Meeting *>(context);
  meeting.join();
  if (std::this_thread::get_id() != meeting.owner)
    sparsedrop_fail("on a worker");
}

TEST(Errors, OfAWorkerBelongToTheCaller) {
  int32_t before = sparsedrop_threads();
  sparsedrop_set_threads(2);
  Meeting meeting{std::this_thread::get_id(), {}};
  sparsedrop_enter();
  sparsedrop_parallel_for(0, 2, 1, failOnWorker, &meeting);
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_STREQ("on a worker", sparsedrop_last_error());
  sparsedrop_set_threads(before);
}

TEST(ErrorsDeathTest, OfAWorkerOutsideOfASection) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto run = [] {
    sparsedrop_set_threads(2);
    Meeting meeting{std::this_thread::get_id(), {}};
    sparsedrop_parallel_for(0, 2, 1, failOnWorker, &meeting);
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(1), "error: on a worker");
}

/// Compiled code that cannot go on closes all sections, the region's as well.
TEST(ErrorsDeathTest, SectionsClosedInARegion) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto run = [] {
    sparsedrop_enter();
    sparsedrop_parallel_for(
        0, 2, 1,
        [](int64_t, int64_t, void *) {
          sparsedrop_fail("no memory");
          while (sparsedrop_leave())
            ;
          sparsedrop_fail("no memory");
          std::_Exit(9); // not reached
        },
        nullptr);
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(1), "error: no memory");
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
