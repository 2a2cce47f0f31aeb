//===- DeviceQueue.h - Work in order, on a thread ---------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_DEVICEQUEUE_H
#define SPARSEDROP_LIB_RUNTIME_DEVICEQUEUE_H

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace sparsedrop::runtime {

/// A point in a queue that others may wait for.
class Milestone {
public:
  using Time = std::chrono::steady_clock::time_point;

  void reach(const std::string &failure);
  /// Waits until it is reached; the failure of what was before it, or "".
  std::string wait();
  bool isReached();
  /// When it was reached.
  Time getTime();

private:
  std::mutex mutex;
  std::condition_variable reached;
  bool isDone = false;
  std::string failure;
  Time time;
};

/// Runs tasks one after the other on a thread of its own. After a failure the
/// others are skipped, until somebody has taken notice of it.
class Queue {
public:
  /// What went wrong, or "".
  using Task = std::function<std::string()>;

  /// Finishes what there is.
  ~Queue();

  void push(Task task);
  /// A milestone is reached also after a failure, and hands it on.
  void push(std::shared_ptr<Milestone> milestone);
  /// Waits until nothing is left.
  void drain();
  bool isIdle();
  /// The failure, which is told once, or "".
  std::string takeFailure();

private:
  struct Entry {
    Task task; ///< or:
    std::shared_ptr<Milestone> milestone;
  };
  void push(Entry entry);
  void work();
  void run(Entry &entry);

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Entry> entries;
  bool isRunning = false; ///< an entry that is no longer in `entries`
  bool mustEnd = false;
  std::string failure;
  std::thread thread; ///< started with the first task
};

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_DEVICEQUEUE_H
