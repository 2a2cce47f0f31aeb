//===- Report.cpp - What checks find --------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Report.h"

using namespace sparsedrop::ptx;

static constexpr std::string_view kNames[kNumChecks] = {
    "fault", "bounds", "alignment", "uninitialized", "race",
    "proxy", "async",  "deadlock",  "divergence"};

std::string_view sparsedrop::ptx::getName(Check check) {
  return kNames[static_cast<unsigned>(check)];
}

bool sparsedrop::ptx::parseCheck(std::string_view word, Check &check) {
  for (unsigned i = 0; i < kNumChecks; ++i) {
    if (kNames[i] != word)
      continue;
    check = static_cast<Check>(i);
    return true;
  }
  return false;
}

/// "(1,2,3)"
static std::string str(const uint32_t (&id)[3]) {
  return "(" + std::to_string(id[0]) + "," + std::to_string(id[1]) + "," +
         std::to_string(id[2]) + ")";
}

std::string Finding::str() const {
  return "kernel " + kernel + ", line " + std::to_string(line) + ", block " +
         ::str(block) + ", thread " + ::str(thread) + ": " +
         std::string(getName(check)) + ": " + message;
}

static bool endsLaunch(Check check) {
  return check == Check::Fault || check == Check::Bounds ||
         check == Check::Alignment || check == Check::Deadlock;
}

void Reporter::add(Finding finding) {
  if (!isEnabled(finding.check) && !endsLaunch(finding.check))
    return;
  std::lock_guard<std::mutex> lock(mutex);
  if (endsLaunch(finding.check))
    stopped.store(true, std::memory_order_relaxed);
  for (const Finding &other : findings)
    if (other.check == finding.check && other.line == finding.line &&
        other.kernel == finding.kernel)
      return;
  if (findings.size() < kMostFindings)
    findings.push_back(std::move(finding));
}

bool Reporter::isEmpty() {
  std::lock_guard<std::mutex> lock(mutex);
  return findings.empty();
}

std::vector<Finding> Reporter::take() {
  std::lock_guard<std::mutex> lock(mutex);
  return std::move(findings);
}
