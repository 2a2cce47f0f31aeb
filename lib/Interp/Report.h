//===- Report.h - What checks find ------------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A launch collects findings; each names kernel, line of PTX, block and thread.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_REPORT_H
#define SPARSEDROP_LIB_INTERP_REPORT_H

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sparsedrop::ptx {

/// What can be checked. `Fault` cannot be switched off: the kernel cannot go
/// on.
enum class Check : uint8_t {
  Fault,         ///< illegal address, bad operand, trap: ends the launch
  Bounds,        ///< outside of any allocation; ends the launch
  Alignment,     ///< ends the launch
  Uninitialized, ///< a read of memory that nothing wrote
  Race,          ///< accesses of shared memory that nothing orders
  Proxy,         ///< generic writes that the async proxy reads without a fence
  Async,         ///< results used before the wait that makes them visible
  Deadlock,      ///< nobody can go on; ends the launch
  Divergence,    ///< .aligned or .sync instructions that lanes do not share
};
constexpr unsigned kNumChecks = 9;

std::string_view getName(Check check);
/// "bounds" and so on; false if the word is none.
bool parseCheck(std::string_view word, Check &check);

/// Something that a check found.
struct Finding {
  Check check = Check::Fault;
  std::string kernel;
  uint32_t line = 0;
  uint32_t block[3] = {0, 0, 0};
  uint32_t thread[3] = {0, 0, 0};
  std::string message;

  /// "kernel k, line 12, block (0,0,0), thread (3,0,0): race: ..."
  std::string str() const;
};

/// Collects what a launch finds; may be used by all of its threads. Findings of
/// one kind at one line are reported once.
class Reporter {
public:
  explicit Reporter(uint32_t checks) : checks(checks) {}

  bool isEnabled(Check check) const {
    return checks & (1u << static_cast<unsigned>(check));
  }
  /// Adds a finding if its check is enabled. Those that end the launch make
  /// `hasStopped` true.
  void add(Finding finding);
  /// Whether a finding ended the launch.
  bool hasStopped() const { return stopped.load(std::memory_order_relaxed); }
  std::vector<Finding> take();
  bool isEmpty();

private:
  static constexpr size_t kMostFindings = 20;

  uint32_t checks;
  std::atomic<bool> stopped{false};
  std::mutex mutex;
  std::vector<Finding> findings;
};

/// All checks on.
constexpr uint32_t kAllChecks = (1u << kNumChecks) - 1;
/// Those that cannot be switched off.
constexpr uint32_t kNoChecks = 1u << static_cast<unsigned>(Check::Fault);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_REPORT_H
