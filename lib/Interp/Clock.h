//===- Clock.h - Who knows what happened ------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Vector clocks over the warps of a cluster. An access is ordered before
// another if the clock of the second's agent covers the time of the first.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_CLOCK_H
#define SPARSEDROP_LIB_INTERP_CLOCK_H

#include <algorithm>
#include <cstdint>
#include <vector>

namespace sparsedrop::ptx {

/// For each agent of a cluster, the time up to which it is known.
class Clock {
public:
  Clock() = default;
  explicit Clock(size_t numAgents) : times(numAgents, 0) {}

  uint32_t operator[](size_t agent) const {
    return agent < times.size() ? times[agent] : 0;
  }
  void set(size_t agent, uint32_t time) {
    if (agent >= times.size())
      times.resize(agent + 1, 0);
    times[agent] = time;
  }
  bool covers(size_t agent, uint32_t time) const {
    return (*this)[agent] >= time;
  }
  void join(const Clock &other) {
    if (times.size() < other.times.size())
      times.resize(other.times.size(), 0);
    for (size_t i = 0; i < other.times.size(); ++i)
      times[i] = std::max(times[i], other.times[i]);
  }
  void clear() { std::fill(times.begin(), times.end(), 0); }

private:
  std::vector<uint32_t> times;
};

/// What synchronization hands on: what is known, and the part of it that a
/// proxy fence has made visible to the async proxy (ISA 8.6, proxies).
struct Knowledge {
  Clock known;
  Clock fenced;

  void join(const Knowledge &other) {
    known.join(other.known);
    fenced.join(other.fenced);
  }
  void clear() {
    known.clear();
    fenced.clear();
  }
};

/// Somebody who accesses memory: a warp, or the asynchronous operations of one.
/// Times start at 1; 0 is before everything.
struct Agent : Knowledge {
  uint32_t id = 0;
  uint32_t time = 1;

  void initialize(uint32_t number, uint32_t numAgents) {
    id = number;
    known = Clock(numAgents);
    fenced = Clock(numAgents);
    known.set(id, time);
  }
  /// Hands on what this agent knows and did; later accesses are not part of it.
  void release(Knowledge &to) {
    to.join(*this);
    tick();
  }
  void acquire(const Knowledge &from) { join(from); }
  /// fence.proxy.async: what is known now is visible to the async proxy.
  void fenceProxy() {
    fenced.join(known);
    tick();
  }
  /// Lanes of one warp are ordered by this (bar.warp.sync).
  void tick() { known.set(id, ++time); }
};

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_CLOCK_H
