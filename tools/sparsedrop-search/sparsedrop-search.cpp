//===- sparsedrop-search.cpp - Target rate in, distribution out -----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Sampling/Distribution.h"
#include "sparsedrop/Sampling/Search.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

using namespace sparsedrop::sampling;

static const char *kHelp =
    "usage: sparsedrop-search --rate=R [options]\n"
    "\n"
    "Finds the distribution over dropout periods 1..N whose mean drop rate is\n"
    "R, by gradient descent, and prints it with what follows from it.\n"
    "\n"
    "  --rate=R          target drop rate in [0, 1)\n"
    "  --max-period=N    longest period (default: smallest N with\n"
    "                    (N-1)/N >= R + 0.4 (1-R), at most 32)\n"
    "  --units=U         units of the layer: periods above U are left out\n"
    "  --method=M        sgd (default) or maxent, the closed form\n"
    "  --joint-keep=D    probability that two units 1..D apart are both kept\n"
    "  --format=F        table (default) or json\n"
    "  --help            this text\n";

namespace {
struct Options {
  double rate = -1;
  bool hasRate = false;
  int64_t maxPeriod = 0, units = 0, jointKeep = 0;
  bool maxent = false, json = false;
};

struct Result {
  std::vector<double> probability;
  std::vector<int32_t> millionths;
  int64_t steps = 0;
  double milliseconds = 0;
};
} // namespace

static int fail(const std::string &message) {
  std::fprintf(stderr, "sparsedrop-search: error: %s\n", message.c_str());
  return 1;
}

static bool parseNumber(const char *text, double &value) {
  char *end = nullptr;
  value = std::strtod(text, &end);
  return end != text && *end == '\0';
}

static bool parseCount(const char *text, int64_t &value) {
  char *end = nullptr;
  value = std::strtoll(text, &end, 10);
  return end != text && *end == '\0' && value >= 1 && value <= 1000000;
}

/// Reads `--name=value` into `value`; false when it is another option.
static bool takeOption(const char *argument, const char *name,
                       const char *&value) {
  size_t length = std::strlen(name);
  if (std::strncmp(argument, name, length) != 0 || argument[length] != '=')
    return false;
  value = argument + length + 1;
  return true;
}

/// Returns an error text, empty on success.
static std::string parseOption(const char *argument, Options &options) {
  const char *value = nullptr;
  auto expected = [&](const char *what) {
    return std::string("expected ") + what + " in '" + argument + "'";
  };
  if (takeOption(argument, "--rate", value)) {
    options.hasRate = true;
    return parseNumber(value, options.rate) ? "" : expected("a number");
  }
  if (takeOption(argument, "--max-period", value))
    return parseCount(value, options.maxPeriod) ? "" : expected("a count");
  if (takeOption(argument, "--units", value))
    return parseCount(value, options.units) ? "" : expected("a count");
  if (takeOption(argument, "--joint-keep", value))
    return parseCount(value, options.jointKeep) ? "" : expected("a count");
  if (takeOption(argument, "--method", value)) {
    options.maxent = std::strcmp(value, "maxent") == 0;
    return options.maxent || std::strcmp(value, "sgd") == 0
               ? ""
               : expected("sgd or maxent");
  }
  if (takeOption(argument, "--format", value)) {
    options.json = std::strcmp(value, "json") == 0;
    return options.json || std::strcmp(value, "table") == 0
               ? ""
               : expected("table or json");
  }
  return std::string("unknown option '") + argument + "'";
}

static double getEntropy(const std::vector<double> &d) {
  double entropy = 0;
  for (double p : d)
    entropy -= p > 0 ? p * std::log(p) : 0;
  return entropy;
}

static void printTable(const Options &options, const Result &result) {
  auto count = static_cast<int64_t>(result.probability.size());
  const int32_t *m = result.millionths.data();
  std::printf("%7s %13s %11s\n", "period", "probability", "millionths");
  for (int64_t i = 0; i < count; ++i)
    std::printf("%7lld %13.6f %11d\n", static_cast<long long>(i + 1),
                result.probability[i], m[i]);
  std::printf("\nmean drop rate   %.6f\nexpected work    %.6f of the dense, "
              "one side\nentropy          %.4f\nsub-networks     %lld\n",
              meanRate(m, count), 1 - meanRate(m, count),
              getEntropy(result.probability),
              static_cast<long long>(count * (count + 1) / 2));
  if (!options.maxent)
    std::printf("search           %lld steps, %.2f ms\n",
                static_cast<long long>(result.steps), result.milliseconds);
  if (options.jointKeep)
    std::printf("\n%9s %11s %10s\n", "distance", "joint keep", "bernoulli");
  for (int64_t delta = 1; delta <= options.jointKeep; ++delta)
    std::printf("%9lld %11.4f %10.4f\n", static_cast<long long>(delta),
                jointKeep(m, count, delta),
                (1 - options.rate) * (1 - options.rate));
}

static void printJson(const Options &options, const Result &result) {
  auto count = static_cast<int64_t>(result.probability.size());
  const int32_t *m = result.millionths.data();
  std::printf("{\"rate\": %.17g, \"max_period\": %lld, \"method\": \"%s\", "
              "\"distribution\": [",
              options.rate, static_cast<long long>(count),
              options.maxent ? "maxent" : "sgd");
  for (int64_t i = 0; i < count; ++i)
    std::printf("%s%.17g", i ? ", " : "", result.probability[i]);
  std::printf("], \"millionths\": [");
  for (int64_t i = 0; i < count; ++i)
    std::printf("%s%d", i ? ", " : "", m[i]);
  std::printf("], \"mean_rate\": %.17g, \"entropy\": %.17g, "
              "\"sub_networks\": %lld, \"steps\": %lld, \"milliseconds\": %.3f",
              meanRate(m, count), getEntropy(result.probability),
              static_cast<long long>(count * (count + 1) / 2),
              static_cast<long long>(result.steps), result.milliseconds);
  if (options.jointKeep) {
    std::printf(", \"joint_keep\": [");
    for (int64_t delta = 1; delta <= options.jointKeep; ++delta)
      std::printf("%s%.17g", delta > 1 ? ", " : "",
                  jointKeep(m, count, delta));
    std::printf("]");
  }
  std::printf("}\n");
}

int main(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--help") == 0) {
      std::fputs(kHelp, stdout);
      return 0;
    }
    std::string error = parseOption(argv[i], options);
    if (!error.empty())
      return fail(error);
  }
  if (!options.hasRate)
    return fail("expected --rate=R; see --help");
  if (!(options.rate >= 0 && options.rate < 1))
    return fail("expected a rate in [0, 1), but got " +
                std::to_string(options.rate));
  int64_t periods =
      options.maxPeriod ? options.maxPeriod : defaultMaxPeriod(options.rate);
  if (options.units)
    periods = std::min(periods, options.units);
  Result result;
  result.probability.resize(static_cast<size_t>(periods));
  result.millionths.resize(static_cast<size_t>(periods));
  std::string message;
  auto start = std::chrono::steady_clock::now();
  bool found = options.maxent
                   ? searchMaxent(options.rate, periods,
                                  result.probability.data(), message)
                   : searchSgd(options.rate, periods,
                               result.probability.data(), message,
                               &result.steps);
  result.milliseconds = std::chrono::duration<double, std::milli>(
                            std::chrono::steady_clock::now() - start)
                            .count();
  if (!found || !roundToMillionths(result.probability.data(), periods,
                                   result.millionths.data(), message))
    return fail(message);
  options.json ? printJson(options, result) : printTable(options, result);
  return 0;
}
