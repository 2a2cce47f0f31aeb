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
// before they sleep, and a region never waits for a worker that is still
// asleep: whoever is awake takes the chunks.
//
//===----------------------------------------------------------------------===//

#include "Counters.h"
#include "Error.h"

#include "sparsedrop-c/Runtime.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <thread>
#include <utility>

using namespace sparsedrop::runtime;

namespace {
using Body = void (*)(int64_t, int64_t, void *);

/// One parallel loop over `count` iterations from `begin`: threads take chunks
/// until none is left.
struct Region {
  Body body;
  void *context;
  int64_t begin;
  uint64_t count, chunk;
  std::atomic<uint64_t> nextChunk{0};
  std::atomic<int32_t> seats; ///< workers that may still join
  Counters *counters;         ///< of the thread whose region it is
  std::mutex mutex;
  Capture failure; // guarded by mutex

  void runChunks();
};

class Pool {
public:
  /// Runs the region with up to `helpers` workers beside this thread; false
  /// when the pool is busy with another thread's region.
  bool run(Region &region, int32_t helpers);

private:
  void start(int32_t workers);
  void work();
  void waitForRegion(uint64_t seen);

  std::mutex owner; // held by the thread whose region runs
  std::mutex mutex;
  std::condition_variable wake;
  int32_t sleeping = 0; // guarded by mutex
  std::atomic<uint64_t> generation{0};
  std::atomic<Region *> current{nullptr};
  std::atomic<int32_t> inside{0}; // workers that may hold `current`
  int32_t started = 0;            // guarded by owner
};
} // namespace

/// More than any machine this runs on has; guards against mistyped settings.
static constexpr int32_t kMaxThreads = 1024;

static thread_local bool insideRegion = false;

static void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

void Region::runChunks() {
  Capture captured;
  Capture *outerCapture = setCapture(&captured);
  Counters *outerCounters = setCounters(counters);
  bool outer = std::exchange(insideRegion, true);
  uint64_t chunks = (count - 1) / chunk + 1;
  // Late workers overshoot by one each: far from wrapping around.
  for (uint64_t i; (i = nextChunk.fetch_add(1)) < chunks;) {
    uint64_t lo = i * chunk, hi = lo + std::min(chunk, count - lo);
    body(static_cast<int64_t>(static_cast<uint64_t>(begin) + lo),
         static_cast<int64_t>(static_cast<uint64_t>(begin) + hi), context);
  }
  insideRegion = outer;
  setCounters(outerCounters);
  setCapture(outerCapture);
  if (!captured.failed)
    return;
  std::lock_guard<std::mutex> lock(mutex);
  if (!failure.failed || (captured.fatal && !failure.fatal))
    failure = std::move(captured);
}

void Pool::waitForRegion(uint64_t seen) {
  auto deadline =
      std::chrono::steady_clock::now() + std::chrono::microseconds(50);
  while (generation.load(std::memory_order_acquire) == seen &&
         std::chrono::steady_clock::now() < deadline)
    pause();
  if (generation.load(std::memory_order_acquire) != seen)
    return;
  std::unique_lock<std::mutex> lock(mutex);
  ++sleeping;
  wake.wait(lock, [&] { return generation.load() != seen; });
  --sleeping;
}

void Pool::work() {
  uint64_t seen = 0;
  while (true) {
    waitForRegion(seen);
    seen = generation.load(std::memory_order_acquire);
    // `inside` is raised before `current` is read and `current` is cleared
    // before `inside` is read (both sequentially consistent): either the owner
    // sees this worker and waits, or this worker sees no region.
    inside.fetch_add(1);
    if (Region *region = current.load())
      if (region->seats.fetch_sub(1) > 0)
        region->runChunks();
    inside.fetch_sub(1);
  }
}

void Pool::start(int32_t workers) {
  for (; started < workers; ++started) {
    pthread_t thread;
    auto entry = [](void *pool) -> void * {
      static_cast<Pool *>(pool)->work();
      return nullptr;
    };
    // Fewer threads than asked for are slower, not wrong.
    if (pthread_create(&thread, nullptr, entry, this) != 0)
      return;
    // The process may end at any time while they sleep.
    pthread_detach(thread);
  }
}

bool Pool::run(Region &region, int32_t helpers) {
  std::unique_lock<std::mutex> lock(owner, std::try_to_lock);
  if (!lock)
    return false;
  start(helpers);
  current.store(&region);
  int32_t asleep;
  {
    std::lock_guard<std::mutex> guard(mutex);
    generation.fetch_add(1, std::memory_order_release);
    asleep = sleeping;
  }
  for (int32_t i = 0; i < std::min(asleep, helpers); ++i)
    wake.notify_one();
  region.runChunks();
  current.store(nullptr);
  // A worker that lost its processor inside a chunk may need this one.
  for (int32_t spins = 0; inside.load() > 0; ++spins)
    spins < 1000 ? pause() : std::this_thread::yield();
  return true;
}

static std::atomic<Pool *> &getPool() {
  // Never destroyed: detached threads use it until the process ends. A forked
  // child has none of them, nor anyone to release the locks: it starts anew.
  static std::atomic<Pool *> pool{[] {
    pthread_atfork(nullptr, nullptr, [] { getPool().store(new Pool()); });
    return new Pool();
  }()};
  return pool;
}

static int32_t getDefaultThreads() {
  if (const char *text = std::getenv("SPARSEDROP_NUM_THREADS")) {
    char *end = nullptr;
    long count = std::strtol(text, &end, 10);
    if (end != text && *end == '\0' && count > 0)
      return static_cast<int32_t>(std::min<long>(count, kMaxThreads));
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int32_t>(std::thread::hardware_concurrency()));
}

static std::atomic<int32_t> &getThreadCount() {
  static std::atomic<int32_t> count{getDefaultThreads()};
  return count;
}

int32_t sparsedrop_threads() { return getThreadCount().load(); }

void sparsedrop_set_threads(int32_t count) {
  getThreadCount().store(std::clamp(count, 1, kMaxThreads));
}

void sparsedrop_parallel_for(int64_t begin, int64_t end, int64_t grain,
                             void (*body)(int64_t, int64_t, void *),
                             void *context) {
  if (begin >= end)
    return;
  // Unsigned, as the whole range of int64_t is a valid one.
  uint64_t count = static_cast<uint64_t>(end) - static_cast<uint64_t>(begin);
  uint64_t least = static_cast<uint64_t>(std::max<int64_t>(grain, 1));
  uint64_t shares = (count - 1) / least + 1;
  uint64_t threads =
      std::min(static_cast<uint64_t>(sparsedrop_threads()), shares);
  if (threads > 1 && !insideRegion) {
    // A few chunks a thread, so that a slow one does not hold up the rest.
    uint64_t chunk = std::max(least, (count - 1) / (4 * threads) + 1);
    auto helpers = static_cast<int32_t>(threads - 1);
    Region region{body, context,   begin,          count, chunk,
                  {},   {helpers}, &getCounters(), {},    {}};
    if (getPool().load()->run(region, helpers)) {
      reportCapture(region.failure);
      return;
    }
  }
  bool outer = std::exchange(insideRegion, true);
  body(begin, end, context);
  insideRegion = outer;
}
