//===- SearchAPI.cpp - C ABI: distributions -------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"
#include "sparsedrop/Sampling/Distribution.h"
#include "sparsedrop/Sampling/Search.h"

#include "Error.h"

using namespace sparsedrop;

int32_t sparsedrop_round_distribution(const double *probability, int64_t count,
                                      int32_t *millionths) {
  std::string message;
  if (sampling::roundToMillionths(probability, count, millionths, message))
    return 0;
  return runtime::fail(message);
}

int32_t sparsedrop_search_sgd(double rate, int64_t maxPeriod,
                              double *probability, int64_t *steps) {
  std::string message;
  if (sampling::searchSgd(rate, maxPeriod, probability, message, steps))
    return 0;
  return runtime::fail(message);
}

int32_t sparsedrop_search_maxent(double rate, int64_t maxPeriod,
                                 double *probability) {
  std::string message;
  if (sampling::searchMaxent(rate, maxPeriod, probability, message))
    return 0;
  return runtime::fail(message);
}

/// The candidates of a caller; none of them when there is no list.
static std::vector<int64_t> copyPeriods(const int64_t *periods, int64_t count) {
  if (!periods || count < 1 || count > sampling::kLongestPeriod)
    return {};
  return {periods, periods + count};
}

int32_t sparsedrop_search_sgd_among(double rate, const int64_t *periods,
                                    int64_t count, double *probability,
                                    int64_t *steps) {
  std::string message;
  if (sampling::searchSgd(rate, copyPeriods(periods, count), probability,
                          message, steps))
    return 0;
  return runtime::fail(message);
}

int32_t sparsedrop_search_maxent_among(double rate, const int64_t *periods,
                                       int64_t count, double *probability) {
  std::string message;
  if (sampling::searchMaxent(rate, copyPeriods(periods, count), probability,
                             message))
    return 0;
  return runtime::fail(message);
}

int64_t sparsedrop_default_max_period(double rate) {
  return sampling::defaultMaxPeriod(rate);
}

/// Fails unless there is a distribution to read.
static bool checkCount(const int32_t *millionths, int64_t count) {
  if (millionths && count >= 1)
    return true;
  sparsedrop_fail("expected a distribution of at least one entry");
  return false;
}

double sparsedrop_mean_rate(const int32_t *millionths, int64_t count) {
  return checkCount(millionths, count) ? sampling::meanRate(millionths, count)
                                       : 0;
}

double sparsedrop_joint_keep(const int32_t *millionths, int64_t count,
                             int64_t delta) {
  return checkCount(millionths, count)
             ? sampling::jointKeep(millionths, count, delta)
             : 0;
}

double sparsedrop_expected_kept(const int32_t *millionths, int64_t count,
                                int64_t extent, int64_t granularity,
                                int32_t power) {
  if (!checkCount(millionths, count))
    return 0;
  if (extent >= 0 && granularity >= 1 && power >= 1)
    return sampling::expectedKept(millionths, count, extent, granularity,
                                  power);
  sparsedrop_fail("expected an extent of at least 0, a granularity and a power "
                  "of at least 1");
  return 0;
}
