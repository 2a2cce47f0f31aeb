//===- Channel.cpp - Choice of channels -----------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Sampling/Channel.h"

#include "sparsedrop/Sampling/Philox.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

using namespace sparsedrop::sampling;

int64_t sparsedrop::sampling::channelCount(double rate, int64_t channels,
                                           int64_t multiple) {
  double groups = std::floor((1 - rate) * static_cast<double>(channels) /
                                 static_cast<double>(multiple) +
                             0.5);
  // Compared before it is converted and multiplied: neither may overflow.
  if (groups * static_cast<double>(multiple) >= static_cast<double>(channels))
    return channels;
  int64_t count = multiple * static_cast<int64_t>(groups);
  return std::min(channels, std::max(multiple, count));
}

static bool check(const ChannelDraw &draw, std::string &message) {
  if (draw.channels < 1)
    message =
        "expected at least 1 channel, but got " + std::to_string(draw.channels);
  else if (draw.count < 1 || draw.count > draw.channels)
    message = "expected to keep between 1 and " +
              std::to_string(draw.channels) + " channels, but got " +
              std::to_string(draw.count);
  else if (draw.granularity < 1)
    message = "expected a granularity of at least 1, but got " +
              std::to_string(draw.granularity);
  else if (!(draw.tau > 0 || draw.tau < 0))
    message = "expected a temperature other than 0, but got " +
              std::to_string(draw.tau);
  for (int64_t c = 0; message.empty() && draw.sensitivity && c < draw.channels;
       ++c) {
    float value = draw.sensitivity[c * draw.stride];
    if (!std::isfinite(value) || value < 0)
      message = "sensitivity of channel " + std::to_string(c) +
                " is negative or not finite";
  }
  return message.empty();
}

/// ln(sensitivity of the group + 1e-12) / tau + Gumbel(0, 1), times |tau| where
/// that is below 1: the same order, and no temperature is so low that the
/// quotient overflows and the keys tie.
static double getKey(const ChannelDraw &draw, int64_t group) {
  double sum = 1;
  if (draw.sensitivity) {
    sum = 0;
    int64_t end = std::min(draw.channels, (group + 1) * draw.granularity);
    for (int64_t c = group * draw.granularity; c < end; ++c)
      sum += draw.sensitivity[c * draw.stride];
  }
  uint32_t word = elementWord(draw.seed, draw.step, draw.siteHash, group);
  // The middle of the word's interval, so that neither logarithm is of 0.
  double uniform = (word + 0.5) / 4294967296.0;
  double gumbel = -std::log(-std::log(uniform));
  double logarithm = std::copysign(1, draw.tau) * std::log(sum + 1e-12);
  double tau = std::abs(draw.tau);
  return tau < 1 ? logarithm + tau * gumbel : logarithm / tau + gumbel;
}

int64_t sparsedrop::sampling::sampleChannels(const ChannelDraw &request,
                                             int64_t *kept,
                                             std::string &message) {
  message.clear();
  if (!check(request, message))
    return -1;
  ChannelDraw draw = request;
  // More than all channels in a group is one group; the sums below stay small.
  draw.granularity = std::min(draw.granularity, draw.channels);
  int64_t groups = (draw.channels + draw.granularity - 1) / draw.granularity;
  std::vector<double> keys(static_cast<size_t>(groups));
  for (int64_t group = 0; group < groups; ++group)
    keys[group] = getKey(draw, group);
  std::vector<int64_t> order(static_cast<size_t>(groups));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return keys[a] != keys[b] ? keys[a] > keys[b] : a < b;
  });
  int64_t limit = std::max(draw.count, draw.granularity), count = 0;
  for (int64_t group : order) {
    int64_t begin = group * draw.granularity;
    int64_t end = std::min(draw.channels, begin + draw.granularity);
    if (count + end - begin > limit)
      break;
    for (int64_t c = begin; c < end; ++c)
      kept[count++] = c;
  }
  std::sort(kept, kept + count);
  return count;
}

double sparsedrop::sampling::energyScale(const float *importance,
                                         int64_t stride, int64_t channels,
                                         const int64_t *kept, int64_t count,
                                         std::string &message) {
  message.clear();
  double total = 0, ofKept = 0;
  for (int64_t c = 0; c < channels; ++c) {
    float value = importance[c * stride];
    if (!std::isfinite(value) || value < 0) {
      message = "importance of channel " + std::to_string(c) +
                " is negative or not finite";
      return 1;
    }
    total += value;
  }
  for (int64_t i = 0; i < count; ++i)
    ofKept += importance[kept[i] * stride];
  double inverse = static_cast<double>(channels) / static_cast<double>(count);
  // Nothing is known yet, or what is known says nothing about the kept ones.
  if (ofKept <= 0)
    return inverse;
  return std::min(inverse, std::max(1.0, total / ofKept));
}
