//===- Distribution.cpp - Distributions over periods ----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Sampling/Distribution.h"

#include "sparsedrop/Sampling/Pattern.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

using namespace sparsedrop::sampling;

static constexpr int32_t kMillion = 1000000;

static bool checkProbabilities(const double *probability, int64_t count,
                               std::string &message) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(probability[i]) || probability[i] < 0) {
      message =
          "probability " + std::to_string(i) + " is negative or not finite";
      return false;
    }
    sum += probability[i];
  }
  if (std::abs(sum - 1) > 1e-6) {
    message = "the probabilities sum to " + std::to_string(sum) + ", not to 1";
    return false;
  }
  return true;
}

bool sparsedrop::sampling::roundToMillionths(const double *probability,
                                             int64_t count, int32_t *millionths,
                                             std::string &message) {
  if (!checkProbabilities(probability, count, message))
    return false;
  int32_t rest = kMillion;
  for (int64_t i = 0; i < count; ++i) {
    millionths[i] = static_cast<int32_t>(std::floor(probability[i] * kMillion));
    rest -= millionths[i];
  }
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  auto remainder = [&](int64_t i) {
    return probability[i] * kMillion - millionths[i];
  };
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    double left = remainder(a), right = remainder(b);
    return left != right ? left > right : a < b;
  });
  // A sum above 1 can leave too few: take from the smallest remainders.
  for (auto it = order.rbegin(); it != order.rend() && rest < 0; ++it)
    if (millionths[*it] > 0) {
      --millionths[*it];
      ++rest;
    }
  while (rest > 0)
    for (int64_t i : order)
      if (rest > 0 && probability[i] > 0) {
        ++millionths[i];
        --rest;
      }
  return true;
}

double sparsedrop::sampling::meanRate(const int32_t *millionths,
                                      int64_t count) {
  double mean = 0;
  for (int64_t i = 0; i < count; ++i)
    mean += static_cast<double>(millionths[i]) * static_cast<double>(i) /
            static_cast<double>(i + 1);
  return mean / kMillion;
}

double sparsedrop::sampling::jointKeep(const int32_t *millionths, int64_t count,
                                       int64_t delta) {
  double joint = 0;
  for (int64_t period = 1; period <= count; ++period)
    if (delta % period == 0)
      joint += static_cast<double>(millionths[period - 1]) /
               static_cast<double>(period);
  return joint / kMillion;
}

double sparsedrop::sampling::expectedKept(const int32_t *millionths,
                                          int64_t count, int64_t extent,
                                          int64_t granularity, int power) {
  double expected = 0;
  for (int64_t period = 1; period <= count; ++period) {
    double sum = 0;
    for (int64_t bias = 0; bias < period; ++bias)
      sum += std::pow(
          static_cast<double>(keptCount(extent, granularity, {period, bias})),
          power);
    expected += static_cast<double>(millionths[period - 1]) * sum /
                static_cast<double>(period);
  }
  return expected / kMillion;
}
