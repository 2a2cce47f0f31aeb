//===- Threads.cpp - The threads of the runtime ---------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One pool for products and loops. Regions are short (tens to hundreds of
// microseconds) and follow each other closely, so workers spin for a moment
// before they sleep.
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <sched.h>
#include <thread>

namespace {
using Body = void (*)(int64_t, int64_t, void *);

/// One parallel loop: workers take chunks until none is left.
struct Region {
  Body body;
  void *context;
  int64_t end, chunk;
  std::atomic<int64_t> next;
};

class Pool {
public:
  /// Runs the region on up to `threads` threads, this one included; false when
  /// the pool is busy with another thread's region.
  bool run(Region &region, int32_t threads);

private:
  void start(int32_t workers);
  void work(int32_t index, uint64_t seen);

  std::mutex owner; // held by the thread whose region runs
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> generation{0};
  std::atomic<int32_t> running{0};
  std::atomic<Region *> current{nullptr};
  std::atomic<int32_t> wanted{0};
  int32_t started = 0;
};
} // namespace

static thread_local bool insideRegion = false;

static void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void runChunks(Region &region) {
  bool outer = insideRegion;
  insideRegion = true;
  while (true) {
    int64_t begin = region.next.fetch_add(region.chunk);
    if (begin >= region.end)
      break;
    region.body(begin, std::min(region.end, begin + region.chunk),
                region.context);
  }
  insideRegion = outer;
}

void Pool::work(int32_t index, uint64_t seen) {
  while (true) {
    auto deadline =
        std::chrono::steady_clock::now() + std::chrono::microseconds(50);
    while (generation.load(std::memory_order_acquire) == seen &&
           std::chrono::steady_clock::now() < deadline)
      pause();
    if (generation.load(std::memory_order_acquire) == seen) {
      std::unique_lock<std::mutex> lock(mutex);
      wake.wait(lock, [&] { return generation.load() != seen; });
    }
    seen = generation.load(std::memory_order_acquire);
    if (index < wanted.load())
      runChunks(*current.load());
    running.fetch_sub(1, std::memory_order_release);
  }
}

void Pool::start(int32_t workers) {
  // Detached, as the process may end at any time while they sleep.
  for (; started < workers; ++started)
    std::thread([this, index = started, seen = generation.load()] {
      work(index, seen);
    }).detach();
}

bool Pool::run(Region &region, int32_t threads) {
  std::unique_lock<std::mutex> lock(owner, std::try_to_lock);
  if (!lock)
    return false;
  start(threads - 1);
  current.store(&region);
  wanted.store(threads - 1);
  running.store(started);
  {
    std::lock_guard<std::mutex> guard(mutex);
    generation.fetch_add(1, std::memory_order_release);
  }
  wake.notify_all();
  runChunks(region);
  while (running.load(std::memory_order_acquire) > 0)
    pause();
  return true;
}

static Pool &getPool() {
  static Pool *pool = new Pool();
  return *pool;
}

static int32_t getDefaultThreads() {
  if (const char *text = std::getenv("SPARSEDROP_NUM_THREADS"))
    if (int32_t count = std::atoi(text); count > 0)
      return count;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    return std::max(1, CPU_COUNT(&set));
  return static_cast<int32_t>(std::max(1u, std::thread::hardware_concurrency()));
}

static std::atomic<int32_t> &getThreadCount() {
  static std::atomic<int32_t> count{getDefaultThreads()};
  return count;
}

int32_t sparsedrop_threads() { return getThreadCount().load(); }

void sparsedrop_set_threads(int32_t count) {
  getThreadCount().store(std::max(1, count));
}

void sparsedrop_parallel_for(int64_t begin, int64_t end, int64_t grain,
                             void (*body)(int64_t, int64_t, void *),
                             void *context) {
  if (begin >= end)
    return;
  grain = std::max<int64_t>(grain, 1);
  int64_t count = end - begin;
  auto threads = static_cast<int32_t>(std::min<int64_t>(
      sparsedrop_threads(), (count + grain - 1) / grain));
  if (threads > 1 && !insideRegion) {
    // A few chunks a thread, so that a slow one does not hold up the rest.
    int64_t chunk = std::max(grain, (count + 4 * threads - 1) / (4 * threads));
    Region region{body, context, end, chunk, {begin}};
    if (getPool().run(region, threads))
      return;
  }
  bool outer = insideRegion;
  insideRegion = true;
  body(begin, end, context);
  insideRegion = outer;
}
