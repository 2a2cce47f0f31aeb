//===- DeviceInterpGraph.cpp - Graphs on the interpreter ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A graph is the tasks that its stream would have run. Each replay runs them
// all, with all checks.
//
//===----------------------------------------------------------------------===//

#include "DeviceInterp.h"

#include <map>

using namespace sparsedrop::runtime;

namespace {
class InterpGraph : public Graph {
public:
  explicit InterpGraph(std::vector<Queue::Task> recorded)
      : tasks(std::make_shared<const std::vector<Queue::Task>>(
            std::move(recorded))) {}

  int32_t launch(Stream &stream) override;
  void wait() override;

private:
  using Tasks = std::shared_ptr<const std::vector<Queue::Task>>;
  static std::string run(const std::vector<Queue::Task> &tasks);

  Tasks tasks;
  std::mutex mutex; ///< of the rest, and of the order of launches
  /// Behind the last launch of each stream: one that has failed reaches its own
  /// at once, and does not stand for the others.
  std::map<Queue *, std::shared_ptr<Milestone>> launches;
};
} // namespace

/// What is behind a failure does not run.
std::string InterpGraph::run(const std::vector<Queue::Task> &tasks) {
  for (const Queue::Task &task : tasks)
    if (std::string failure = task(); !failure.empty())
      return failure;
  return "";
}

int32_t InterpGraph::launch(Stream &stream) {
  Queue &queue = static_cast<InterpStream &>(stream).getQueue();
  std::lock_guard<std::mutex> lock(mutex);
  // As the driver does it, one launch follows the other; a failure of the one
  // before is its stream's.
  for (const auto &[other, before] : launches)
    if (other != &queue && !before->isReached())
      queue.push(Queue::Task([before = before]() -> std::string {
        before->wait();
        return "";
      }));
  queue.push(Queue::Task([tasks = tasks] { return run(*tasks); }));
  auto launch = std::make_shared<Milestone>();
  queue.push(launch);
  launches[&queue] = std::move(launch);
  return 0;
}

void InterpGraph::wait() {
  std::unique_lock<std::mutex> lock(mutex);
  auto awaited = launches;
  lock.unlock();
  for (const auto &[queue, launch] : awaited)
    launch->wait();
}

void InterpStream::add(Queue::Task task) {
  if (recorded)
    recorded->push_back(std::move(task));
  else
    queue.push(std::move(task));
}

int32_t InterpStream::beginCapture() {
  recorded = std::make_unique<std::vector<Queue::Task>>();
  return 0;
}

int32_t InterpStream::endCapture(std::unique_ptr<Graph> *graph) {
  std::unique_ptr<std::vector<Queue::Task>> tasks = std::move(recorded);
  if (graph)
    *graph = std::make_unique<InterpGraph>(std::move(*tasks));
  return 0;
}
