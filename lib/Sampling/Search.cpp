//===- Search.cpp - Distributions for drop rates --------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Sampling/Search.h"

#include "sparsedrop/Sampling/Philox.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

using namespace sparsedrop::sampling;

using Vector = std::vector<double>;

static constexpr double kRateWeight = 0.99, kEntropyWeight = 0.01;
static constexpr double kLearningRate = 2.0, kTolerance = 1e-8;
static constexpr int64_t kMaxSteps = 200000;

/// Drop rate of the period at index i.
static double getDropRate(size_t i) {
  return static_cast<double>(i) / static_cast<double>(i + 1);
}

int64_t sparsedrop::sampling::defaultMaxPeriod(double rate) {
  double target = rate + 0.4 * (1 - rate);
  int64_t period = 1;
  // The slack keeps rates such as 31/36, whose target is reached exactly by
  // some period, from falling to rounding.
  while (period < 32 &&
         static_cast<double>(period - 1) / static_cast<double>(period) <
             target - 1e-12)
    ++period;
  return period;
}

bool sparsedrop::sampling::checkFeasible(double rate, int64_t maxPeriod,
                                         std::string &message) {
  char text[200];
  if (!(rate >= 0 && rate < 1)) {
    std::snprintf(text, sizeof(text),
                  "expected a rate in [0, 1), but got %.10g", rate);
    message = text;
    return false;
  }
  if (maxPeriod < 1 || maxPeriod > kLongestPeriod) {
    std::snprintf(text, sizeof(text),
                  "expected a longest period between 1 and %lld, but got %lld",
                  static_cast<long long>(kLongestPeriod),
                  static_cast<long long>(maxPeriod));
    message = text;
    return false;
  }
  double largest = getDropRate(static_cast<size_t>(maxPeriod - 1));
  if (rate == 0 || rate < largest)
    return true;
  std::snprintf(text, sizeof(text),
                "rate %.10g is not below %.10g, the largest that periods 1 to "
                "%lld reach",
                rate, largest, static_cast<long long>(maxPeriod));
  message = text;
  return false;
}

/// exp(v) normalised.
static Vector softmax(const Vector &v) {
  double largest = *std::max_element(v.begin(), v.end()), sum = 0;
  Vector d(v.size());
  for (size_t i = 0; i < v.size(); ++i)
    sum += d[i] = std::exp(v[i] - largest);
  for (double &p : d)
    p /= sum;
  return d;
}

static double getMean(const Vector &d) {
  double mean = 0;
  for (size_t i = 0; i < d.size(); ++i)
    mean += d[i] * getDropRate(i);
  return mean;
}

/// The logits v_i + c u_i whose mean drop rate is `rate`, by bisection on c:
/// the mean grows with it.
static Vector tilt(const Vector &logits, double rate) {
  auto at = [&](double c) {
    Vector v(logits);
    for (size_t i = 0; i < v.size(); ++i)
      v[i] += c * getDropRate(i);
    return softmax(v);
  };
  double low = -1, high = 1;
  while (getMean(at(low)) > rate && low > -1e9)
    low *= 2;
  while (getMean(at(high)) < rate && high < 1e9)
    high *= 2;
  for (int i = 0; i < 200 && low < high; ++i) {
    double middle = low + (high - low) / 2;
    if (middle == low || middle == high)
      break;
    (getMean(at(middle)) < rate ? low : high) = middle;
  }
  return at(low + (high - low) / 2);
}

/// All steps are dense at rate 0.
static bool isDense(double rate, int64_t maxPeriod, double *probability) {
  if (rate != 0)
    return false;
  std::fill(probability, probability + maxPeriod, 0.0);
  probability[0] = 1;
  return true;
}

bool sparsedrop::sampling::searchMaxent(double rate, int64_t maxPeriod,
                                        double *probability,
                                        std::string &message) {
  if (!checkFeasible(rate, maxPeriod, message))
    return false;
  if (isDense(rate, maxPeriod, probability))
    return true;
  Vector d = tilt(Vector(static_cast<size_t>(maxPeriod), 0.0), rate);
  std::copy(d.begin(), d.end(), probability);
  return true;
}

/// Standard normal values from a fixed key (Box-Muller).
static Vector getStart(size_t count) {
  Vector v(count);
  for (size_t i = 0; i < count; ++i) {
    Words words = drawWords(/*seed=*/2203, /*step=*/5705, i);
    double radius = std::sqrt(-2 * std::log((words[0] + 0.5) / 4294967296.0));
    v[i] =
        radius * std::cos(2 * 3.14159265358979323846 * words[1] / 4294967296.0);
  }
  return v;
}

/// dL/dv at logits `v`.
static Vector getGradient(const Vector &v, double rate) {
  Vector d = softmax(v), g(v.size());
  double error = getMean(d) - rate, weighted = 0;
  double entropyWeight = kEntropyWeight / static_cast<double>(v.size());
  for (size_t i = 0; i < v.size(); ++i) {
    // ln 0 is only ever multiplied by d = 0.
    double logarithm = d[i] > 0 ? std::log(d[i]) : 0;
    g[i] = 2 * kRateWeight * error * getDropRate(i) +
           entropyWeight * (logarithm + 1);
    weighted += d[i] * g[i];
  }
  for (size_t i = 0; i < v.size(); ++i)
    g[i] = d[i] * (g[i] - weighted);
  return g;
}

/// One step of descent with momentum; false once the gradient has vanished.
static bool step(Vector &v, Vector &previous, double &age, double rate) {
  Vector ahead(v);
  double momentum = age / (age + 3);
  for (size_t i = 0; i < v.size(); ++i)
    ahead[i] += momentum * (v[i] - previous[i]);
  Vector gradient = getGradient(ahead, rate);
  double largest = 0, progress = 0;
  for (double g : gradient)
    largest = std::max(largest, std::abs(g));
  previous = v;
  for (size_t i = 0; i < v.size(); ++i) {
    v[i] = ahead[i] - kLearningRate * gradient[i];
    progress += gradient[i] * (v[i] - previous[i]);
  }
  // Uphill: the momentum has overshot, start it anew.
  age = progress > 0 ? 0 : age + 1;
  return largest >= kTolerance;
}

bool sparsedrop::sampling::searchSgd(double rate, int64_t maxPeriod,
                                     double *probability, std::string &message,
                                     int64_t *steps) {
  if (!checkFeasible(rate, maxPeriod, message))
    return false;
  if (steps)
    *steps = 0;
  if (isDense(rate, maxPeriod, probability))
    return true;
  Vector v = getStart(static_cast<size_t>(maxPeriod)), previous(v);
  double age = 0;
  int64_t count = 1;
  while (step(v, previous, age, rate)) {
    if (++count > kMaxSteps) {
      message = "the search for rate " + std::to_string(rate) +
                " with periods 1 to " + std::to_string(maxPeriod) +
                " did not converge in " + std::to_string(kMaxSteps) + " steps";
      return false;
    }
  }
  if (steps)
    *steps = count;
  Vector d = tilt(v, rate);
  std::copy(d.begin(), d.end(), probability);
  return true;
}
