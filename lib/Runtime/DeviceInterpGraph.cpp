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
  std::shared_ptr<Milestone> last;
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
  if (last)
    queue.push(Queue::Task([before = last]() -> std::string {
      before->wait();
      return "";
    }));
  queue.push(Queue::Task([tasks = tasks] { return run(*tasks); }));
  last = std::make_shared<Milestone>();
  queue.push(last);
  return 0;
}

void InterpGraph::wait() {
  std::unique_lock<std::mutex> lock(mutex);
  std::shared_ptr<Milestone> awaited = last;
  lock.unlock();
  if (awaited)
    awaited->wait();
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
