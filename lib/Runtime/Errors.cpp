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
#include <utility>
#include <vector>

using namespace sparsedrop::runtime;

namespace {
/// An open guarded section: its first failure, the cause of the others.
struct Section {
  bool failed = false;
  std::string message;
};

/// What a thread knows of its failures.
struct ErrorState {
  std::string message;
  std::vector<Section> sections;
  Capture *capture = nullptr;
};
} // namespace

static ErrorState &getState() {
  thread_local ErrorState state;
  return state;
}

/// Records a failure where the calling thread keeps them; false when nothing
/// but the process's end can tell of it.
static bool record(const std::string &message, bool fatal) {
  ErrorState &state = getState();
  if (!state.sections.empty()) {
    Section &section = state.sections.back();
    if (!section.failed)
      section = {true, message};
    state.message = section.message;
    return true;
  }
  state.message = message;
  if (!state.capture)
    return false;
  // A fatal failure outranks one whose status the caller saw.
  if (!state.capture->failed || (fatal && !state.capture->fatal))
    *state.capture = {true, fatal, message};
  return true;
}

int32_t sparsedrop::runtime::fail(const std::string &message) {
  record(message, /*fatal=*/false);
  return 1;
}

bool sparsedrop::runtime::hasFailed() {
  ErrorState &state = getState();
  return !state.sections.empty() && state.sections.back().failed;
}

Attempt::Attempt() : before(getState().message) {
  getState().sections.emplace_back();
}

Attempt::~Attempt() {
  ErrorState &state = getState();
  state.sections.pop_back();
  state.message = std::move(before);
}

std::string Attempt::getMessage() const {
  return getState().sections.back().message;
}

Capture *sparsedrop::runtime::setCapture(Capture *capture) {
  return std::exchange(getState().capture, capture);
}

void sparsedrop::runtime::reportCapture(const Capture &capture) {
  if (capture.fatal)
    sparsedrop_fail(capture.message.c_str());
  else if (capture.failed)
    fail(capture.message);
}

const char *sparsedrop_last_error() { return getState().message.c_str(); }

void sparsedrop_fail(const char *message) {
  if (!message)
    message = "unknown failure";
  if (record(message, /*fatal=*/true))
    return;
  std::fprintf(stderr, "error: %s\n", message);
  std::exit(1);
}

void sparsedrop_enter() { getState().sections.emplace_back(); }

int32_t sparsedrop_leave() {
  ErrorState &state = getState();
  if (state.sections.empty()) {
    // A region's capture is the thread's outermost section: code that closes
    // them all before sparsedrop_fail counts on that call not to return.
    Capture *capture = std::exchange(state.capture, nullptr);
    return capture && capture->failed;
  }
  Section section = std::move(state.sections.back());
  state.sections.pop_back();
  if (!section.failed)
    return 0;
  state.message = section.message;
  if (!state.sections.empty() && !state.sections.back().failed)
    state.sections.back() = std::move(section);
  return 1;
}
