//===- ChannelsAPI.cpp - Scales and rates of channel dropout --------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "sparsedrop-c/Runtime.h"
#include "sparsedrop/Sampling/Channel.h"
#include "sparsedrop/Sampling/Rates.h"

#include <algorithm>

using namespace sparsedrop;

float sparsedrop_energy_scale(const float *importance, int64_t stride,
                              int64_t channels, const int64_t *kept,
                              int64_t count) {
  // An empty dimension keeps nothing of nothing.
  if (channels < 1 || count < 1)
    return 1;
  std::string message;
  double scale =
      sampling::energyScale(importance, stride, channels, kept, count, message);
  if (!message.empty())
    sparsedrop_fail(message.c_str());
  return static_cast<float>(scale);
}

int32_t sparsedrop_scheduled_rate(const sparsedrop_schedule *schedule,
                                  int64_t step, double *rate) {
  if (!schedule || !rate)
    return runtime::fail("expected a schedule and room for a rate, but got a "
                         "null pointer");
  std::string message;
  double value = sampling::scheduledRate(
      {schedule->rate, schedule->warmup, schedule->ramp, schedule->refresh},
      step, message);
  if (!message.empty())
    return runtime::fail(message);
  *rate = value;
  return 0;
}

int32_t sparsedrop_layer_rates(const sparsedrop_layer *layers, int64_t count,
                               double rate, double largest, double *rates) {
  if (count > 0 && (!layers || !rates))
    return runtime::fail("expected layers and room for their rates, but got a "
                         "null pointer");
  std::vector<sampling::Layer> copies;
  for (int64_t i = 0; i < count; ++i)
    copies.push_back(
        {layers[i].sensitivity, layers[i].channels, layers[i].flops});
  std::string message;
  std::vector<double> result =
      sampling::layerRates(copies, rate, largest, message);
  if (!message.empty())
    return runtime::fail(message);
  std::copy(result.begin(), result.end(), rates);
  return 0;
}
