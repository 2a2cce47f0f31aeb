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

static double getDropRate(int64_t period) {
  return static_cast<double>(period - 1) / static_cast<double>(period);
}

static Vector getDropRates(const std::vector<int64_t> &periods) {
  Vector rates;
  for (int64_t period : periods)
    rates.push_back(getDropRate(period));
  return rates;
}

/// Periods 1..longest; none beyond what the searches take.
static std::vector<int64_t> getPeriods(int64_t longest) {
  std::vector<int64_t> periods;
  for (int64_t period = 1; period <= std::min(longest, kLongestPeriod);
       ++period)
    periods.push_back(period);
  return periods;
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

template <typename... Args>
static bool refuse(std::string &message, const char *format, Args... args) {
  char text[200];
  std::snprintf(text, sizeof(text), format, args...);
  message = text;
  return false;
}

/// "periods 1 to 4", "periods 1, 2, 8".
static std::string describe(const std::vector<int64_t> &periods) {
  std::string text = "periods ";
  if (periods.back() - periods.front() + 1 ==
      static_cast<int64_t>(periods.size()))
    return text + std::to_string(periods.front()) + " to " +
           std::to_string(periods.back());
  for (size_t i = 0; i < periods.size(); ++i)
    text += (i ? ", " : "") + std::to_string(periods[i]);
  return text;
}

static bool checkPeriods(const std::vector<int64_t> &periods,
                         std::string &message) {
  if (periods.empty()) {
    message = "expected at least one candidate period";
    return false;
  }
  for (size_t i = 0; i < periods.size(); ++i) {
    if (periods[i] < 1 || periods[i] > kLongestPeriod)
      return refuse(message,
                    "expected a candidate period between 1 and %lld, but got "
                    "%lld",
                    static_cast<long long>(kLongestPeriod),
                    static_cast<long long>(periods[i]));
    if (i > 0 && periods[i] <= periods[i - 1])
      return refuse(message,
                    "expected ascending candidate periods, but got %lld after "
                    "%lld",
                    static_cast<long long>(periods[i]),
                    static_cast<long long>(periods[i - 1]));
  }
  return true;
}

bool sparsedrop::sampling::checkFeasible(double rate,
                                         const std::vector<int64_t> &periods,
                                         std::string &message) {
  if (!(rate >= 0 && rate < 1))
    return refuse(message, "expected a rate in [0, 1), but got %.10g", rate);
  if (!checkPeriods(periods, message))
    return false;
  double smallest = getDropRate(periods.front());
  double largest = getDropRate(periods.back());
  if (rate == smallest || (rate > smallest && rate < largest))
    return true;
  if (rate < smallest)
    return refuse(message,
                  "rate %.10g is below %.10g, the smallest that %.100s reach",
                  rate, smallest, describe(periods).c_str());
  return refuse(message,
                "rate %.10g is not below %.10g, the largest that %.100s reach",
                rate, largest, describe(periods).c_str());
}

bool sparsedrop::sampling::checkFeasible(double rate, int64_t maxPeriod,
                                         std::string &message) {
  if (maxPeriod >= 1 && maxPeriod <= kLongestPeriod)
    return checkFeasible(rate, getPeriods(maxPeriod), message);
  return refuse(message,
                "expected a longest period between 1 and %lld, but got %lld",
                static_cast<long long>(kLongestPeriod),
                static_cast<long long>(maxPeriod));
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

/// The mean of the rates `u` under `d`.
static double getMean(const Vector &d, const Vector &u) {
  double mean = 0;
  for (size_t i = 0; i < d.size(); ++i)
    mean += d[i] * u[i];
  return mean;
}

/// The logits v_i + c u_i whose mean drop rate is `rate`, by bisection on c:
/// the mean grows with it.
static Vector tilt(const Vector &logits, const Vector &u, double rate) {
  auto at = [&](double c) {
    Vector v(logits);
    for (size_t i = 0; i < v.size(); ++i)
      v[i] += c * u[i];
    return softmax(v);
  };
  double low = -1, high = 1;
  while (getMean(at(low), u) > rate && low > -1e9)
    low *= 2;
  while (getMean(at(high), u) < rate && high < 1e9)
    high *= 2;
  for (int i = 0; i < 200 && low < high; ++i) {
    double middle = low + (high - low) / 2;
    if (middle == low || middle == high)
      break;
    (getMean(at(middle), u) < rate ? low : high) = middle;
  }
  return at(low + (high - low) / 2);
}

/// The smallest rate leaves no choice: all steps take the shortest period.
static bool isForced(double rate, const std::vector<int64_t> &periods,
                     double *probability) {
  if (rate != getDropRate(periods.front()))
    return false;
  std::fill(probability, probability + periods.size(), 0.0);
  probability[0] = 1;
  return true;
}

bool sparsedrop::sampling::searchMaxent(double rate,
                                        const std::vector<int64_t> &periods,
                                        double *probability,
                                        std::string &message) {
  if (!checkFeasible(rate, periods, message))
    return false;
  if (isForced(rate, periods, probability))
    return true;
  Vector d = tilt(Vector(periods.size(), 0.0), getDropRates(periods), rate);
  std::copy(d.begin(), d.end(), probability);
  return true;
}

bool sparsedrop::sampling::searchMaxent(double rate, int64_t maxPeriod,
                                        double *probability,
                                        std::string &message) {
  return checkFeasible(rate, maxPeriod, message) &&
         searchMaxent(rate, getPeriods(maxPeriod), probability, message);
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
static Vector getGradient(const Vector &v, const Vector &u, double rate) {
  Vector d = softmax(v), g(v.size());
  double error = getMean(d, u) - rate, weighted = 0;
  double entropyWeight = kEntropyWeight / static_cast<double>(v.size());
  for (size_t i = 0; i < v.size(); ++i) {
    // ln 0 is only ever multiplied by d = 0.
    double logarithm = d[i] > 0 ? std::log(d[i]) : 0;
    g[i] = 2 * kRateWeight * error * u[i] + entropyWeight * (logarithm + 1);
    weighted += d[i] * g[i];
  }
  for (size_t i = 0; i < v.size(); ++i)
    g[i] = d[i] * (g[i] - weighted);
  return g;
}

/// One step of descent with momentum; false once the gradient has vanished.
static bool step(Vector &v, Vector &previous, double &age, const Vector &u,
                 double rate) {
  Vector ahead(v);
  double momentum = age / (age + 3);
  for (size_t i = 0; i < v.size(); ++i)
    ahead[i] += momentum * (v[i] - previous[i]);
  Vector gradient = getGradient(ahead, u, rate);
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

bool sparsedrop::sampling::searchSgd(double rate,
                                     const std::vector<int64_t> &periods,
                                     double *probability, std::string &message,
                                     int64_t *steps) {
  if (!checkFeasible(rate, periods, message))
    return false;
  if (steps)
    *steps = 0;
  if (isForced(rate, periods, probability))
    return true;
  Vector u = getDropRates(periods), v = getStart(periods.size()), previous(v);
  double age = 0;
  int64_t count = 1;
  while (step(v, previous, age, u, rate))
    if (++count > kMaxSteps)
      return refuse(message,
                    "the search for rate %.10g with %.100s did not converge in "
                    "%lld steps",
                    rate, describe(periods).c_str(),
                    static_cast<long long>(kMaxSteps));
  if (steps)
    *steps = count;
  Vector d = tilt(v, u, rate);
  std::copy(d.begin(), d.end(), probability);
  return true;
}

bool sparsedrop::sampling::searchSgd(double rate, int64_t maxPeriod,
                                     double *probability, std::string &message,
                                     int64_t *steps) {
  return checkFeasible(rate, maxPeriod, message) &&
         searchSgd(rate, getPeriods(maxPeriod), probability, message, steps);
}
