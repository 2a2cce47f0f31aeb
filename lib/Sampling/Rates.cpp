//===- Rates.cpp - Drop rates of layers over time -------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Sampling/Rates.h"

#include <algorithm>
#include <cmath>

using namespace sparsedrop::sampling;

//===----------------------------------------------------------------------===//
// Over time
//===----------------------------------------------------------------------===//

double sparsedrop::sampling::scheduledRate(const Schedule &schedule,
                                           int64_t step, std::string &message) {
  message.clear();
  if (!(schedule.rate >= 0 && schedule.rate < 1))
    message =
        "expected a rate in [0, 1), but got " + std::to_string(schedule.rate);
  else if (schedule.warmup < 0 || schedule.ramp < 0 || schedule.refresh < 0)
    message = "expected warm-up, ramp and refresh of at least 0 steps";
  else if (step < 0)
    message = "expected a step of at least 0, but got " + std::to_string(step);
  if (!message.empty())
    return -1;
  bool isDense = step < schedule.warmup ||
                 (schedule.refresh > 0 && step % schedule.refresh == 0);
  if (isDense)
    return 0;
  if (step >= schedule.ramp)
    return schedule.rate;
  return schedule.rate * static_cast<double>(step) /
         static_cast<double>(schedule.ramp);
}

//===----------------------------------------------------------------------===//
// Over layers
//===----------------------------------------------------------------------===//

namespace {
/// A channel among those of all layers.
struct Entry {
  double sensitivity; ///< over the norm of its layer
  size_t layer;
};

/// The channels of all layers in ascending order, of which a prefix is dropped.
class Pool {
public:
  Pool(const std::vector<Layer> &layers, double cap);

  /// Drop rates at which the FLOP-weighted mean is `rate`.
  std::vector<double> solve(double rate);

private:
  /// Rates where `dropped` channels of each layer, and of those in [begin, end)
  /// the share `share`, are less sensitive than the threshold.
  std::vector<double> getRates(const std::vector<double> &dropped, size_t begin,
                               size_t end, double share) const;
  double getMean(const std::vector<double> &rates) const;

  const std::vector<Layer> &layers;
  double cap;
  std::vector<Entry> entries;
};
} // namespace

Pool::Pool(const std::vector<Layer> &layers, double cap)
    : layers(layers), cap(cap) {
  for (size_t l = 0; l < layers.size(); ++l) {
    double square = 0;
    for (int64_t c = 0; c < layers[l].channels; ++c)
      square += std::pow(static_cast<double>(layers[l].sensitivity[c]), 2);
    double factor = square > 0 ? 1 / std::sqrt(square) : 0;
    for (int64_t c = 0; c < layers[l].channels; ++c)
      entries.push_back({layers[l].sensitivity[c] * factor, l});
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry &a, const Entry &b) {
                     return a.sensitivity < b.sensitivity;
                   });
}

std::vector<double> Pool::getRates(const std::vector<double> &dropped,
                                   size_t begin, size_t end,
                                   double share) const {
  std::vector<double> rates = dropped;
  for (size_t i = begin; i < end; ++i)
    rates[entries[i].layer] += share;
  for (size_t l = 0; l < rates.size(); ++l)
    rates[l] =
        std::min(cap, rates[l] / static_cast<double>(layers[l].channels));
  return rates;
}

double Pool::getMean(const std::vector<double> &rates) const {
  double sum = 0, weights = 0;
  for (size_t l = 0; l < rates.size(); ++l) {
    sum += layers[l].flops * rates[l];
    weights += layers[l].flops;
  }
  return sum / weights;
}

std::vector<double> Pool::solve(double rate) {
  std::vector<double> dropped(layers.size(), 0);
  for (size_t begin = 0, end = 0; begin < entries.size(); begin = end) {
    // Channels that are equally sensitive go in equal shares, whatever layer
    // they are of: before anything is known that is all of them.
    while (end < entries.size() &&
           entries[end].sensitivity == entries[begin].sensitivity)
      ++end;
    if (getMean(getRates(dropped, begin, end, 1)) < rate) {
      for (size_t i = begin; i < end; ++i)
        dropped[entries[i].layer] += 1;
      continue;
    }
    double low = 0, high = 1;
    for (int i = 0; i < 60; ++i) {
      double middle = (low + high) / 2;
      bool isBelow = getMean(getRates(dropped, begin, end, middle)) < rate;
      (isBelow ? low : high) = middle;
    }
    return getRates(dropped, begin, end, high);
  }
  return getRates(dropped, 0, 0, 0);
}

/// What is wrong with a layer; empty if nothing is.
static std::string checkLayer(const Layer &layer) {
  if (layer.channels < 1)
    return "expected at least 1 channel, but got " +
           std::to_string(layer.channels);
  if (!(layer.flops > 0 && std::isfinite(layer.flops)))
    return "expected operations above 0, but got " +
           std::to_string(layer.flops);
  if (!layer.sensitivity)
    return "expected sensitivities, but got a null pointer";
  for (int64_t c = 0; c < layer.channels; ++c)
    if (!std::isfinite(layer.sensitivity[c]) || layer.sensitivity[c] < 0)
      return "sensitivity of channel " + std::to_string(c) +
             " is negative or not finite";
  return "";
}

std::vector<double>
sparsedrop::sampling::layerRates(const std::vector<Layer> &layers, double rate,
                                 double cap, std::string &message) {
  message.clear();
  if (layers.empty())
    message = "expected at least one layer";
  else if (!(cap > 0 && cap < 1))
    message =
        "expected a largest rate in (0, 1), but got " + std::to_string(cap);
  else if (!(rate >= 0 && rate <= cap))
    message = "expected a rate of at least 0 and at most the largest rate " +
              std::to_string(cap) + ", but got " + std::to_string(rate);
  for (size_t l = 0; message.empty() && l < layers.size(); ++l)
    if (std::string problem = checkLayer(layers[l]); !problem.empty())
      message = "layer " + std::to_string(l) + ": " + problem;
  if (!message.empty())
    return {};
  return Pool(layers, cap).solve(rate);
}
