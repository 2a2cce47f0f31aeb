//===- Launch.cpp - Runs a grid -------------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AsyncCopy.h"
#include "Machine.h"
#include "Wgmma.h"

#include <chrono>
#include <thread>

using namespace sparsedrop::ptx;

void Statistics::add(const Statistics &other) {
  for (unsigned i = 0; i < kNumClasses; ++i)
    instructions[i] += other.instructions[i];
  warpInstructions += other.warpInstructions;
  globalReadBytes += other.globalReadBytes;
  globalWriteBytes += other.globalWriteBytes;
  sharedReadBytes += other.sharedReadBytes;
  sharedWriteBytes += other.sharedWriteBytes;
  localBytes += other.localBytes;
  sharedAccesses += other.sharedAccesses;
  bankConflicts += other.bankConflicts;
  asyncCopyBytes += other.asyncCopyBytes;
  multiplyAdds += other.multiplyAdds;
}

Statistics &sparsedrop::ptx::getStatistics(Warp &warp) {
  return warp.getCluster().statistics;
}

std::string_view sparsedrop::ptx::getName(Class kind) {
  static constexpr std::string_view kNames[kNumClasses] = {
      "integer", "float",   "half",   "double", "convert", "move",
      "compare", "control", "load",   "store",  "atomic",  "barrier",
      "warp",    "copy",    "matrix", "other"};
  return kNames[static_cast<unsigned>(kind)];
}

//===----------------------------------------------------------------------===//
// Workers
//===----------------------------------------------------------------------===//

namespace sparsedrop::ptx {

/// A host thread that takes one cluster after the other. Where blocks wait for
/// blocks of other clusters, it has several under way.
class Worker {
public:
  Worker(Launch &launch, unsigned index)
      : launch(launch), stamp(launch.stamps[index]) {}
  void run();

private:
  /// Warp instructions of a cluster before the next one has its turn.
  static constexpr uint64_t kTurn = 1 << 18;
  /// Turns without an end after which the clusters may wait for another one in
  /// a way that does not look like waiting.
  static constexpr uint64_t kPatience = 64;

  bool startNext();
  void runActive();
  void waitForOthers(uint64_t seen);
  bool areStuck() const;

  Launch &launch;
  std::atomic<uint64_t> &stamp;
  std::vector<std::unique_ptr<Cluster>> active;
  uint64_t turnsWithoutEnd = 0;
};

} // namespace sparsedrop::ptx

bool Worker::startNext() {
  uint64_t index = launch.nextCluster.fetch_add(1);
  if (index >= launch.getNumClusters())
    return false;
  active.push_back(std::make_unique<Cluster>(launch, index));
  turnsWithoutEnd = 0;
  return true;
}

bool Worker::areStuck() const {
  for (const auto &cluster : active)
    if (!cluster->isStuck())
      return false;
  return true;
}

/// A turn for each cluster under way.
void Worker::runActive() {
  ++turnsWithoutEnd;
  for (size_t i = 0; i < active.size();) {
    Cluster &cluster = *active[i];
    uint64_t before = cluster.getTicks();
    bool isDone = cluster.run(kTurn);
    launch.executed.fetch_add(cluster.getTicks() - before);
    if (!isDone) {
      ++i;
      continue;
    }
    std::lock_guard<std::mutex> lock(launch.statisticsMutex);
    launch.statistics.add(cluster.statistics);
    launch.effects.fetch_add(1);
    turnsWithoutEnd = 0;
    active.erase(active.begin() + i);
  }
}

/// All clusters of this worker wait, after it has seen a number of effects. If
/// those of all workers do, and all have seen the same, nobody can go on.
void Worker::waitForOthers(uint64_t seen) {
  stamp = seen;
  bool areAllStuck = launch.effects.load() == seen;
  for (const std::atomic<uint64_t> &other : launch.stamps) {
    uint64_t value = other.load();
    areAllStuck &= value == seen || value == Launch::kDone;
  }
  if (areAllStuck && launch.effects.load() == seen) {
    active.front()->reportStuck("nobody can go on: ");
    return;
  }
  std::this_thread::sleep_for(std::chrono::microseconds(200));
}

void Worker::run() {
  Reporter &reporter = launch.getReporter();
  uint64_t most = launch.getOptions().maxInstructions;
  while (!reporter.hasStopped()) {
    if (active.empty() && !startNext())
      break;
    uint64_t seen = launch.effects.load();
    runActive();
    if (most && launch.executed.load() > most && !active.empty()) {
      active.front()->reportStuck("more than " + std::to_string(most) +
                                  " warp instructions have run: ");
      break;
    }
    if (active.empty())
      continue;
    bool stuck = areStuck();
    if ((stuck || turnsWithoutEnd > kPatience) && startNext()) {
      stamp = Launch::kBusy;
      continue;
    }
    if (stuck)
      waitForOthers(seen);
    else
      stamp = Launch::kBusy;
  }
  stamp = Launch::kDone;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

Launch::Launch(const Program &program, const Code &kernel, DeviceMemory &memory,
               LaunchOptions options)
    : program(program), kernel(kernel), memory(memory),
      options(std::move(options)), reporter(this->options.checks) {}

uint64_t Launch::getNumClusters() const {
  return grid.count() / std::max<uint64_t>(cluster.count(), 1);
}

uint32_t Launch::getSharedSize() const {
  return kernel.staticShared + dynamicShared;
}

bool Launch::run() {
  unsigned count =
      options.threads ? options.threads : std::thread::hardware_concurrency();
  // A trace is in the order of execution.
  if (options.trace)
    count = 1;
  count =
      std::max<uint64_t>(1, std::min<uint64_t>({count, getNumClusters(), 256}));
  stamps = std::vector<std::atomic<uint64_t>>(count);
  for (std::atomic<uint64_t> &stamp : stamps)
    stamp = kBusy;
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < count; ++i)
    threads.emplace_back([this, i] { Worker(*this, i).run(); });
  Worker(*this, 0).run();
  for (std::thread &thread : threads)
    thread.join();
  return reporter.isEmpty();
}
