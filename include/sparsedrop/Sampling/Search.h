//===- Search.h - Distributions for drop rates ------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_SAMPLING_SEARCH_H
#define SPARSEDROP_SAMPLING_SEARCH_H

#include <cstdint>
#include <string>
#include <vector>

namespace sparsedrop::sampling {

/// The default longest period: the smallest N with
/// (N - 1) / N >= rate + 0.4 (1 - rate), at most 32. Long periods make training
/// unstable, short ones leave no choice of patterns.
int64_t defaultMaxPeriod(double rate);

/// The longest period that the searches take: a drop rate of 0.999. It bounds
/// their time and memory whatever a caller passes.
constexpr int64_t kLongestPeriod = 1024;

/// Whether a distribution over `periods` has a mean drop rate of `rate`; says
/// why not in `message`. Periods are ascending, from 1 to kLongestPeriod. A
/// rate between the smallest and the largest drop rate of a period is reached,
/// and the smallest by the shortest period alone; the largest is refused, since
/// it would leave a single pattern length.
bool checkFeasible(double rate, const std::vector<int64_t> &periods,
                   std::string &message);

/// The same for periods 1..maxPeriod.
bool checkFeasible(double rate, int64_t maxPeriod, std::string &message);

/// The distribution over `periods` (an entry each) that gradient descent on
/// softmax logits finds for l1 (mean rate - rate)^2 + l2 / N sum d ln d with l1
/// = 0.99, l2 = 0.01 (paper, section B.2), from a fixed start. Plain descent
/// takes up to 91,000 steps, so Nesterov's momentum is added, and dropped for a
/// step whenever it would go uphill. Stops at max |dL/dv| < 1e-8; the entropy
/// term has then moved the mean off the rate, which a tilt d_i exp(c u_i) puts
/// back exactly. The stationary point is itself some exp(beta u_i) / Z, so the
/// tilted one is the maximum-entropy distribution, up to what the stop leaves:
/// about 2e-6 N in each d_i for N periods. False, with the reason in `message`,
/// when the rate cannot be reached or 200,000 steps do not suffice. `steps`, if
/// not null, receives the number of steps.
bool searchSgd(double rate, const std::vector<int64_t> &periods,
               double *probability, std::string &message,
               int64_t *steps = nullptr);

/// The same for periods 1..maxPeriod.
bool searchSgd(double rate, int64_t maxPeriod, double *probability,
               std::string &message, int64_t *steps = nullptr);

/// The maximum-entropy distribution with that mean: d_i = exp(beta u_i) / Z,
/// by bisection (section B.3). What the search converges to.
bool searchMaxent(double rate, const std::vector<int64_t> &periods,
                  double *probability, std::string &message);

/// The same for periods 1..maxPeriod.
bool searchMaxent(double rate, int64_t maxPeriod, double *probability,
                  std::string &message);

} // namespace sparsedrop::sampling

#endif // SPARSEDROP_SAMPLING_SEARCH_H
