//===- Report.cpp - Results of a distribution search ----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Report.h"

#include "sparsedrop/Sampling/Distribution.h"
#include "sparsedrop/Sampling/Search.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

using namespace sparsedrop;
using namespace sparsedrop::search;

/// snprintf to a string. Every use here prints a bounded number of characters.
template <typename... Args>
static std::string print(const char *format, Args... args) {
  char text[256];
  std::snprintf(text, sizeof(text), format, args...);
  return text;
}

/// The candidate periods; the longest one that is allowed in `longest`.
static std::vector<int64_t> getPeriods(const Options &options,
                                       int64_t &longest) {
  longest =
      options.maxPeriod ? options.maxPeriod
      : options.periods.empty()
          ? sampling::defaultMaxPeriod(options.rate)
          : *std::max_element(options.periods.begin(), options.periods.end());
  if (options.units)
    longest = std::min(longest, options.units);
  std::vector<int64_t> periods;
  for (int64_t period : options.periods)
    if (period <= longest)
      periods.push_back(period);
  if (options.periods.empty())
    for (int64_t period = 1;
         period <= std::min(longest, sampling::kLongestPeriod); ++period)
      periods.push_back(period);
  return periods;
}

/// Fills in what follows from the millionths.
static void summarize(Report &report) {
  const std::vector<int32_t> &millionths = report.millionths;
  auto count = static_cast<int64_t>(millionths.size());
  report.meanRate = sampling::meanRate(millionths.data(), count);
  report.keptFraction = 1 - report.meanRate;
  if (int64_t units = report.options.units)
    report.keptFraction =
        sampling::expectedKept(millionths.data(), count, units,
                               /*granularity=*/1, /*power=*/1) /
        static_cast<double>(units);
  for (int64_t i = 0; i < count; ++i) {
    if (millionths[i] == 0)
      continue;
    double probability = millionths[i] / 1e6;
    report.entropy -= probability * std::log(probability);
    report.patterns += i + 1;
  }
}

bool sparsedrop::search::search(const Options &options, Report &report,
                                std::string &message) {
  int64_t longest;
  std::vector<int64_t> periods = getPeriods(options, longest);
  // Before the arrays: it also bounds their size.
  if (options.periods.empty()
          ? !sampling::checkFeasible(options.rate, longest, message)
          : !sampling::checkFeasible(options.rate, periods, message))
    return false;
  report.options = options;
  std::vector<double> found(periods.size());
  auto start = std::chrono::steady_clock::now();
  bool isFound =
      options.maxent
          ? sampling::searchMaxent(options.rate, periods, found.data(), message)
          : sampling::searchSgd(options.rate, periods, found.data(), message,
                                &report.steps);
  report.milliseconds = std::chrono::duration<double, std::milli>(
                            std::chrono::steady_clock::now() - start)
                            .count();
  auto count = static_cast<size_t>(periods.back());
  report.probabilities.resize(count);
  report.millionths.resize(count);
  for (size_t i = 0; i < periods.size(); ++i)
    report.probabilities[static_cast<size_t>(periods[i] - 1)] = found[i];
  if (!isFound ||
      !sampling::roundToMillionths(report.probabilities.data(), periods.back(),
                                   report.millionths.data(), message))
    return false;
  summarize(report);
  return true;
}

static double getJointKeep(const Report &report, int64_t distance) {
  return sampling::jointKeep(report.millionths.data(),
                             static_cast<int64_t>(report.millionths.size()),
                             distance);
}

/// How often ordinary dropout keeps two units: the square of one.
static double getBernoulliKeep(const Report &report) {
  return (1 - report.meanRate) * (1 - report.meanRate);
}

static const char *getMethod(const Report &report) {
  return report.options.maxent ? "maxent" : "sgd";
}

std::string sparsedrop::search::formatTable(const Report &report) {
  size_t periods = report.probabilities.size();
  std::string text = "period  probability  millionths\n";
  for (size_t i = 0; i < periods; ++i)
    text += print("%6zu  %11.8f  %10d\n", i + 1, report.probabilities[i],
                  report.millionths[i]);
  text += print("\ntarget rate         %.10g\n", report.options.rate);
  text += print("mean rate           %.10g\n", report.meanRate);
  text += print("entropy             %.6f\n", report.entropy);
  text += print("kept fraction       %.10g\n", report.keptFraction);
  text += print("sub-networks        %lld\n",
                static_cast<long long>(report.patterns));
  text += print("method              %s\n", getMethod(report));
  if (!report.options.maxent)
    text += print("steps               %lld\n",
                  static_cast<long long>(report.steps));
  text += print("milliseconds        %.3f\n", report.milliseconds);
  if (report.options.jointKeep > 0)
    text += "\ndistance  both kept  Bernoulli\n";
  for (int64_t d = 1; d <= report.options.jointKeep; ++d)
    text += print("%8lld  %9.6f  %9.6f\n", static_cast<long long>(d),
                  getJointKeep(report, d), getBernoulliKeep(report));
  return text;
}

/// "a, b, c" of print(i) for i < count.
template <typename Print> static std::string join(int64_t count, Print print) {
  std::string text;
  for (int64_t i = 0; i < count; ++i)
    text += (i ? ", " : "") + print(i);
  return text;
}

std::string sparsedrop::search::formatJson(const Report &report) {
  auto number = [](double value) { return print("%.17g", value); };
  auto count = static_cast<int64_t>(report.probabilities.size());
  std::string text = "{\"rate\": " + number(report.options.rate);
  text += ", \"max_period\": " + std::to_string(count);
  text += print(", \"method\": \"%s\"", getMethod(report));
  text += ", \"distribution\": [" + join(count, [&](int64_t i) {
            return number(report.probabilities[i]);
          });
  text += "], \"millionths\": [" + join(count, [&](int64_t i) {
            return std::to_string(report.millionths[i]);
          });
  text += "], \"mean_rate\": " + number(report.meanRate);
  text += ", \"entropy\": " + number(report.entropy);
  if (report.options.units)
    text += ", \"units\": " + std::to_string(report.options.units);
  text += ", \"kept_fraction\": " + number(report.keptFraction);
  text += ", \"sub_networks\": " + std::to_string(report.patterns);
  if (!report.options.maxent)
    text += ", \"steps\": " + std::to_string(report.steps);
  text += ", \"milliseconds\": " + number(report.milliseconds);
  if (int64_t longest = report.options.jointKeep) {
    text += ", \"joint_keep\": [" + join(longest, [&](int64_t i) {
              return number(getJointKeep(report, i + 1));
            });
    text += "], \"bernoulli_joint_keep\": " + number(getBernoulliKeep(report));
  }
  return text + "}\n";
}
