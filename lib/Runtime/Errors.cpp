//===- Errors.cpp - Failures of the runtime -------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"

#include "sparsedrop-c/Runtime.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {
/// What a thread knows of its failures.
struct ErrorState {
  std::string message;
  /// For each open guarded section, whether something failed in it.
  std::vector<bool> sections;
};
} // namespace

static ErrorState &getState() {
  thread_local ErrorState state;
  return state;
}

int32_t sparsedrop::runtime::fail(const std::string &message) {
  ErrorState &state = getState();
  // The first failure of a section is the cause of the others.
  if (state.sections.empty() || !state.sections.back())
    state.message = message;
  if (!state.sections.empty())
    state.sections.back() = true;
  return 1;
}

const char *sparsedrop_last_error() { return getState().message.c_str(); }

void sparsedrop_fail(const char *message) {
  bool guarded = !getState().sections.empty();
  sparsedrop::runtime::fail(message);
  if (guarded)
    return;
  std::fprintf(stderr, "error: %s\n", message);
  std::exit(1);
}

void sparsedrop_enter() { getState().sections.push_back(false); }

int32_t sparsedrop_leave() {
  std::vector<bool> &sections = getState().sections;
  if (sections.empty())
    return 0;
  bool failed = sections.back();
  sections.pop_back();
  if (failed && !sections.empty())
    sections.back() = true;
  return failed;
}
