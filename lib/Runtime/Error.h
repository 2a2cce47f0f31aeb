//===- Error.h - Failures of the runtime ------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_ERROR_H
#define SPARSEDROP_LIB_RUNTIME_ERROR_H

#include <cstdint>
#include <string>

namespace sparsedrop::runtime {

/// Records `message` as the calling thread's last failure and returns 1, the
/// status of functions that have one. Never exits.
int32_t fail(const std::string &message);

/// Whether something failed in the calling thread's innermost guarded section.
bool hasFailed();

/// While one lives, failures of the calling thread are its own: no section
/// hears of them, and nothing exits. For calls that may fail without harm, or
/// whose message needs words around it.
class Attempt {
public:
  Attempt();
  ~Attempt();
  Attempt(const Attempt &) = delete;
  Attempt &operator=(const Attempt &) = delete;
  /// Of the first failure since it was made, or "".
  std::string getMessage() const;

private:
  std::string before; ///< the thread's last failure
};

/// Runs `call`, which returns a status; what it failed with, or "".
template <typename Call> std::string attempt(Call call) {
  Attempt scope;
  if (call() == 0)
    return "";
  std::string message = scope.getMessage();
  return message.empty() ? "unknown failure" : message;
}

/// Failures of one thread's share of a parallel region. They belong to the
/// thread that opened the region, which may be inside a guarded section that
/// the other threads know nothing of.
struct Capture {
  bool failed = false;
  bool fatal = false; ///< through sparsedrop_fail
  std::string message;
};

/// While `capture` is set, failures of the calling thread outside of its own
/// guarded sections go there. Returns the capture set before; null ends it.
Capture *setCapture(Capture *capture);

/// Reports what another thread captured as a failure of this one.
void reportCapture(const Capture &capture);

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_ERROR_H
