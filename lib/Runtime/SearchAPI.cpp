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

int64_t sparsedrop_default_max_period(double rate) {
  return sampling::defaultMaxPeriod(rate);
}

double sparsedrop_mean_rate(const int32_t *millionths, int64_t count) {
  return sampling::meanRate(millionths, count);
}

double sparsedrop_joint_keep(const int32_t *millionths, int64_t count,
                             int64_t delta) {
  return sampling::jointKeep(millionths, count, delta);
}

double sparsedrop_expected_kept(const int32_t *millionths, int64_t count,
                                int64_t extent, int64_t granularity,
                                int32_t power) {
  return sampling::expectedKept(millionths, count, extent, granularity, power);
}
