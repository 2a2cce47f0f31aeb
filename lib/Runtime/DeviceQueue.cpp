//===- DeviceQueue.cpp - Work in order, on a thread -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceQueue.h"

using namespace sparsedrop::runtime;

//===----------------------------------------------------------------------===//
// Milestones
//===----------------------------------------------------------------------===//

void Milestone::reach(const std::string &why) {
  std::lock_guard<std::mutex> lock(mutex);
  isDone = true;
  failure = why;
  time = std::chrono::steady_clock::now();
  reached.notify_all();
}

std::string Milestone::wait() {
  std::unique_lock<std::mutex> lock(mutex);
  reached.wait(lock, [this] { return isDone; });
  return failure;
}

bool Milestone::isReached() {
  std::lock_guard<std::mutex> lock(mutex);
  return isDone;
}

Milestone::Time Milestone::getTime() {
  std::lock_guard<std::mutex> lock(mutex);
  return time;
}

//===----------------------------------------------------------------------===//
// Queues
//===----------------------------------------------------------------------===//

Queue::~Queue() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    mustEnd = true;
    changed.notify_all();
  }
  if (thread.joinable())
    thread.join();
}

void Queue::push(Entry entry) {
  std::lock_guard<std::mutex> lock(mutex);
  entries.push_back(std::move(entry));
  if (!thread.joinable())
    thread = std::thread([this] { work(); });
  changed.notify_all();
}

void Queue::push(Task task) { push(Entry{std::move(task), nullptr}); }

void Queue::push(std::shared_ptr<Milestone> milestone) {
  push(Entry{nullptr, std::move(milestone)});
}

void Queue::run(Entry &entry) {
  std::unique_lock<std::mutex> lock(mutex);
  std::string before = failure;
  lock.unlock();
  if (entry.milestone) {
    entry.milestone->reach(before);
    return;
  }
  if (!before.empty())
    return;
  std::string now = entry.task();
  lock.lock();
  failure = std::move(now);
}

void Queue::work() {
  std::unique_lock<std::mutex> lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return mustEnd || !entries.empty(); });
    if (entries.empty())
      return;
    {
      Entry entry = std::move(entries.front());
      entries.pop_front();
      isRunning = true;
      lock.unlock();
      run(entry);
      // What the task holds is gone before anybody hears that it is done.
    }
    lock.lock();
    isRunning = false;
    changed.notify_all();
  }
}

void Queue::drain() {
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [this] { return entries.empty() && !isRunning; });
}

bool Queue::isIdle() {
  std::lock_guard<std::mutex> lock(mutex);
  return entries.empty() && !isRunning;
}

std::string Queue::takeFailure() {
  std::lock_guard<std::mutex> lock(mutex);
  std::string taken;
  taken.swap(failure);
  return taken;
}
