//===- SearchTest.cpp - Distribution search and what follows --------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Sampling/Search.h"
#include "sparsedrop-c/Runtime.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

using namespace sparsedrop;

namespace {

using Vector = std::vector<double>;

double getDropRate(size_t i) {
  return static_cast<double>(i) / static_cast<double>(i + 1);
}

double getMean(const Vector &d) {
  double mean = 0;
  for (size_t i = 0; i < d.size(); ++i)
    mean += d[i] * getDropRate(i);
  return mean;
}

Vector searchSgd(double rate, int64_t periods, int64_t *steps = nullptr) {
  Vector d(static_cast<size_t>(periods), -1);
  EXPECT_EQ(0, sparsedrop_search_sgd(rate, periods, d.data(), steps))
      << sparsedrop_last_error();
  return d;
}

Vector searchMaxent(double rate, int64_t periods) {
  Vector d(static_cast<size_t>(periods), -1);
  EXPECT_EQ(0, sparsedrop_search_maxent(rate, periods, d.data()))
      << sparsedrop_last_error();
  return d;
}

/// What the stop leaves of the gradient, |d_i (g_i - mean g)| < 1e-8 with
/// g_i = (l2 / N) ln d_i + ..., is an error of ln d_i of 1e-8 N / (l2 d_i), so
/// of d_i of 1e-6 N; the tilt that puts the mean right can add as much.
double getSearchTolerance(size_t periods) {
  return 2e-6 * static_cast<double>(periods);
}

/// Half a unit of the fourth digit, that of the paper's tables.
constexpr double kTableRounding = 5e-5;

struct TableRow {
  double rate, beta;
  Vector d;
  double entropy; ///< 0: not in the table
};

// Paper, section B.3: periods 1..8, 1..16 (beta and d(1) only), 1..4 (no
// beta there). The periods {1, 2, 4, 8} are a test of their own.
const TableRow kTable[] = {
    {.3,
     -3.0652,
     {.5713, .1234, .0740, .0573, .0492, .0444, .0413, .0391},
     1.479},
    {.5,
     -1.5675,
     {.3137, .1433, .1103, .0968, .0895, .0850, .0818, .0796},
     1.943},
    {.7,
     0.6018,
     {.0830, .1121, .1239, .1303, .1343, .1370, .1390, .1405},
     2.068},
    {.3, -3.8973, {.6072}, 0},
    {.5, -2.6559, {.3701}, 0},
    {.7, -1.1662, {.1497}, 0},
    {.3, 0, {.5149, .2050, .1508, .1293}, 0},
    {.5, 0, {.2207, .2507, .2615, .2671}, 0},
    {.7, 0, {.0020, .0889, .3153, .5938}, 0}};

void checkTable(const TableRow &row, const Vector &d, double tolerance) {
  for (size_t i = 0; i < row.d.size(); ++i)
    EXPECT_NEAR(row.d[i], d[i], kTableRounding + tolerance)
        << "rate " << row.rate << ", period " << i + 1;
  double entropy = 0;
  for (double p : d)
    entropy -= p * std::log(p);
  if (row.entropy > 0)
    EXPECT_NEAR(row.entropy, entropy, 10 * kTableRounding + tolerance * 10);
}

TEST(Search, PaperTable) {
  for (const TableRow &row : kTable) {
    int64_t periods =
        row.d.size() == 1 ? 16 : static_cast<int64_t>(row.d.size());
    Vector maxent = searchMaxent(row.rate, periods);
    checkTable(row, maxent, 0);
    checkTable(row, searchSgd(row.rate, periods),
               getSearchTolerance(maxent.size()));
    // d_i = exp(beta u_i) / Z, u_1 = 0, u_2 = 1/2.
    if (row.beta != 0)
      EXPECT_NEAR(row.beta, 2 * std::log(maxent[1] / maxent[0]),
                  kTableRounding);
  }
}

// Paper, section B.3, candidates {1, 2, 4, 8}.
TEST(Search, PaperTableOfPowersOfTwo) {
  const int64_t periods[] = {1, 2, 4, 8};
  const struct {
    double rate, d[4];
  } table[] = {{.3, {.5463, .2139, .1339, .1059}},
               {.5, {.2875, .2511, .2346, .2268}},
               {.7, {.0709, .1942, .3214, .4135}}};
  for (const auto &row : table) {
    double maxent[4], sgd[4], mean = 0;
    int64_t steps = 0;
    ASSERT_EQ(0, sparsedrop_search_maxent_among(row.rate, periods, 4, maxent));
    ASSERT_EQ(0,
              sparsedrop_search_sgd_among(row.rate, periods, 4, sgd, &steps));
    EXPECT_GT(steps, 1);
    for (int i = 0; i < 4; ++i) {
      EXPECT_NEAR(row.d[i], maxent[i], kTableRounding);
      EXPECT_NEAR(row.d[i], sgd[i], kTableRounding + getSearchTolerance(4));
      mean += sgd[i] * static_cast<double>(periods[i] - 1) /
              static_cast<double>(periods[i]);
    }
    EXPECT_NEAR(row.rate, mean, 1e-14);
  }
}

TEST(Search, CandidatesWithoutTheDensePeriod) {
  const int64_t periods[] = {2, 3};
  double d[2] = {-1, -1};
  // 1/2 d + 2/3 (1 - d) = 0.55.
  ASSERT_EQ(0, sparsedrop_search_sgd_among(0.55, periods, 2, d, nullptr));
  EXPECT_NEAR(0.7, d[0], 1e-12);
  EXPECT_NEAR(0.3, d[1], 1e-12);
  // The smallest rate leaves no choice.
  ASSERT_EQ(0, sparsedrop_search_maxent_among(0.5, periods, 2, d));
  EXPECT_EQ(1, d[0]);
  EXPECT_EQ(0, d[1]);
}

TEST(Search, BadCandidates) {
  auto getError = [](double rate, const std::vector<int64_t> &periods) {
    double d[8];
    auto count = static_cast<int64_t>(periods.size());
    EXPECT_NE(0, sparsedrop_search_sgd_among(rate, periods.data(), count, d,
                                             nullptr));
    std::string message = sparsedrop_last_error();
    EXPECT_NE(0,
              sparsedrop_search_maxent_among(rate, periods.data(), count, d));
    EXPECT_EQ(message, sparsedrop_last_error());
    return message;
  };
  EXPECT_EQ("rate 0.4 is below 0.5, the smallest that periods 2, 4 reach",
            getError(0.4, {2, 4}));
  EXPECT_EQ("rate 0.9 is not below 0.875, the largest that periods 1, 2, 4, 8 "
            "reach",
            getError(0.9, {1, 2, 4, 8}));
  EXPECT_EQ("expected ascending candidate periods, but got 2 after 2",
            getError(0.3, {1, 2, 2}));
  EXPECT_EQ("expected a candidate period between 1 and 1024, but got 0",
            getError(0.3, {0, 2}));
  EXPECT_EQ("expected at least one candidate period", getError(0.3, {}));
}

/// Expects the maximum-entropy distribution of mean `rate`: by Lagrange's
/// condition ln d_i is affine in u_i, and no other such d has that mean.
void checkMaxent(double rate, const Vector &d) {
  EXPECT_NEAR(rate, getMean(d), 1e-14);
  if (d.size() < 2)
    return;
  double slope = std::log(d.back() / d[0]) / getDropRate(d.size() - 1);
  for (size_t i = 0; i < d.size(); ++i)
    EXPECT_NEAR(std::log(d[0]) + slope * getDropRate(i), std::log(d[i]),
                1e-12 * (1 + std::abs(slope)));
}

void checkRate(double rate, int64_t periods) {
  SCOPED_TRACE("rate " + std::to_string(rate) + ", periods " +
               std::to_string(periods));
  Vector maxent = searchMaxent(rate, periods);
  checkMaxent(rate, maxent);
  int64_t steps = 0;
  Vector d = searchSgd(rate, periods, &steps);
  EXPECT_GT(steps, 1);
  EXPECT_NEAR(1, std::accumulate(d.begin(), d.end(), 0.0), 1e-14);
  // The mean is exact: rounding of N products and their sum.
  EXPECT_NEAR(rate, getMean(d), 1e-14);
  for (size_t i = 0; i < d.size(); ++i)
    EXPECT_NEAR(maxent[i], d[i], getSearchTolerance(d.size()));
}

TEST(Search, AllRatesAtDefaultPeriods) {
  for (int twentieths = 1; twentieths < 20; ++twentieths) {
    double rate = twentieths / 20.0;
    checkRate(rate, sparsedrop_default_max_period(rate));
  }
}

TEST(Search, RatesAcrossEachRange) {
  for (int64_t periods : {2, 3, 4, 8, 16, 32})
    for (double part : {0.01, 0.1, 0.37, 0.5, 0.75, 0.9, 0.99})
      checkRate(part * static_cast<double>(periods - 1) /
                    static_cast<double>(periods),
                periods);
}

TEST(Search, SameResultEachTime) {
  EXPECT_EQ(searchSgd(0.5, 8), searchSgd(0.5, 8));
}

TEST(Search, RateZeroIsDense) {
  for (int64_t periods : {1, 2, 5}) {
    Vector dense(static_cast<size_t>(periods), 0.0);
    dense[0] = 1;
    int64_t steps = -1;
    EXPECT_EQ(dense, searchSgd(0, periods, &steps));
    EXPECT_EQ(0, steps);
    EXPECT_EQ(dense, searchMaxent(0, periods));
  }
}

// The ends of the range: relative precision at tiny rates, and rates whose
// distribution is all but a single period.
TEST(Search, ExtremeRates) {
  for (int64_t periods : {2, 3, 8, 32}) {
    for (double rate : {1e-3, 1e-6, 1e-12, 1e-300}) {
      EXPECT_NEAR(1, getMean(searchSgd(rate, periods)) / rate, 1e-12);
      EXPECT_NEAR(1, getMean(searchMaxent(rate, periods)) / rate, 1e-12);
    }
    double largest =
        static_cast<double>(periods - 1) / static_cast<double>(periods);
    for (double gap : {1e-3, 1e-6, 1e-12, 2e-16}) {
      double rate = largest - gap;
      EXPECT_NEAR(rate, getMean(searchSgd(rate, periods)), 1e-14);
      EXPECT_NEAR(rate, getMean(searchMaxent(rate, periods)), 1e-14);
    }
  }
}

std::string getSearchError(double rate, int64_t periods) {
  double d[4] = {-1, -1, -1, -1};
  int64_t steps = 0;
  EXPECT_NE(0, sparsedrop_search_maxent(rate, periods, d));
  std::string message = sparsedrop_last_error();
  EXPECT_NE(0, sparsedrop_search_sgd(rate, periods, d, &steps));
  EXPECT_EQ(message, sparsedrop_last_error());
  EXPECT_EQ(-1, d[0]);
  return message;
}

TEST(Search, Failures) {
  EXPECT_EQ("rate 0.75 is not below 0.75, the largest that periods 1 to 4 "
            "reach",
            getSearchError(0.75, 4));
  EXPECT_EQ("rate 0.97 is not below 0.96875, the largest that periods 1 to 32 "
            "reach",
            getSearchError(0.97, sparsedrop_default_max_period(0.97)));
  EXPECT_EQ("rate 0.1 is not below 0, the largest that periods 1 to 1 reach",
            getSearchError(0.1, 1));
  EXPECT_EQ("rate 0.6666666667 is not below 0.6666666667, the largest that "
            "periods 1 to 3 reach",
            getSearchError(2.0 / 3, 3));
  EXPECT_EQ("expected a rate in [0, 1), but got 1", getSearchError(1, 4));
  EXPECT_EQ("expected a rate in [0, 1), but got -0.1", getSearchError(-0.1, 4));
  EXPECT_NE("", getSearchError(std::nan(""), 4));
  EXPECT_EQ("expected a longest period between 1 and 1024, but got 0",
            getSearchError(0, 0));
  for (int64_t periods : {std::numeric_limits<int64_t>::min(),
                          std::numeric_limits<int64_t>::max(), int64_t{-1}})
    EXPECT_NE("", getSearchError(0.5, periods));
}

// (N - 1) / N >= rate + 0.4 (1 - rate), worked out by hand.
TEST(Search, DefaultMaxPeriod) {
  EXPECT_EQ(2, sparsedrop_default_max_period(0));     // 1/2 >= 0.4
  EXPECT_EQ(3, sparsedrop_default_max_period(0.3));   // 2/3 >= 0.58
  EXPECT_EQ(4, sparsedrop_default_max_period(0.5));   // 3/4 >= 0.7
  EXPECT_EQ(6, sparsedrop_default_max_period(0.7));   // 5/6 >= 0.82
  EXPECT_EQ(17, sparsedrop_default_max_period(0.9));  // 16/17 >= 0.94
  EXPECT_EQ(32, sparsedrop_default_max_period(0.95)); // 34 by the rule
  EXPECT_EQ(32, sparsedrop_default_max_period(0.999));
  // 11/12 = 31/36 + 0.4 * 5/36 exactly; in double precision the right side is
  // an ulp above the left one, which must not make it 13.
  EXPECT_EQ(12, sparsedrop_default_max_period(31.0 / 36));
}

std::vector<int32_t> round(const Vector &d) {
  std::vector<int32_t> millionths(d.size());
  EXPECT_EQ(0, sparsedrop_round_distribution(d.data(),
                                             static_cast<int64_t>(d.size()),
                                             millionths.data()));
  return millionths;
}

// Paper, section A.7, periods 1..8: the range over distances 1 to 12, two
// digits; 1 - p at multiples of 840, which all those periods divide.
TEST(Distribution, JointKeepOfThePaper) {
  struct {
    double rate, low, high;
  } rows[] = {{.3, .57, .68}, {.5, .31, .46}, {.7, .08, .24}};
  for (auto [rate, low, high] : rows) {
    std::vector<int32_t> millionths = round(searchSgd(rate, 8));
    Vector joint;
    for (int64_t distance = 1; distance <= 12; ++distance)
      joint.push_back(sparsedrop_joint_keep(millionths.data(), 8, distance));
    EXPECT_NEAR(low, *std::min_element(joint.begin(), joint.end()), 0.005);
    EXPECT_NEAR(high, *std::max_element(joint.begin(), joint.end()), 0.005);
    // Eight entries rounded to millionths.
    for (int64_t distance : {0, 840, 1680, -840})
      EXPECT_NEAR(1 - rate,
                  sparsedrop_joint_keep(millionths.data(), 8, distance), 8e-6);
  }
}

/// Probability that units 0 and `delta` are both kept, over all patterns.
double enumerateJoint(const std::vector<int32_t> &millionths, int64_t delta) {
  double sum = 0;
  for (size_t i = 0; i < millionths.size(); ++i) {
    auto period = static_cast<int64_t>(i + 1);
    for (int64_t bias = 0; bias < period; ++bias)
      if (bias == 0 && delta % period == bias)
        sum += millionths[i] / 1e6 / static_cast<double>(period);
  }
  return sum;
}

TEST(Distribution, JointKeepByEnumeration) {
  std::vector<int32_t> millionths = {100000, 0, 300000, 250000, 350000};
  for (int64_t delta = 0; delta <= 70; ++delta)
    EXPECT_NEAR(enumerateJoint(millionths, delta),
                sparsedrop_joint_keep(millionths.data(), 5, delta), 1e-15);
}

TEST(Distribution, MeanRate) {
  int32_t millionths[] = {250000, 250000, 0, 500000};
  // 0.25 * 1/2 + 0.5 * 3/4
  EXPECT_DOUBLE_EQ(0.5, sparsedrop_mean_rate(millionths, 4));
}

/// Mean of the kept count to a power, by looking at every unit of every draw.
double enumerateKept(const std::vector<int32_t> &millionths, int64_t extent,
                     int64_t granularity, int power) {
  double mean = 0;
  for (size_t i = 0; i < millionths.size(); ++i) {
    auto period = static_cast<int64_t>(i + 1);
    for (int64_t bias = 0; bias < period; ++bias) {
      double kept = 0, product = 1;
      for (int64_t j = 0; j < extent; ++j)
        kept += j / granularity % period == bias;
      for (int factor = 0; factor < power; ++factor)
        product *= kept;
      mean += millionths[i] / 1e6 / static_cast<double>(period) * product;
    }
  }
  return mean;
}

TEST(Distribution, ExpectedKeptByEnumeration) {
  std::vector<int32_t> millionths = {100000, 0, 300000, 250000, 350000};
  double keep = 1 - sparsedrop_mean_rate(millionths.data(), 5);
  for (int64_t extent : {0, 1, 5, 7, 60, 61})
    for (int64_t granularity : {1, 4})
      for (int power : {1, 2, 3}) {
        double expected = enumerateKept(millionths, extent, granularity, power);
        double kept = sparsedrop_expected_kept(millionths.data(), 5, extent,
                                               granularity, power);
        EXPECT_NEAR(expected, kept, 1e-13 * (1 + expected));
        // Each unit is kept with the same probability.
        if (power == 1)
          EXPECT_NEAR(keep * static_cast<double>(extent), kept, 1e-13 * 61);
      }
}

TEST(Distribution, FailuresAreReported) {
  int32_t millionths[] = {500000, 500000};
  auto expectFailure = [](double result) {
    EXPECT_EQ(0, result);
    EXPECT_EQ(1, sparsedrop_leave());
    sparsedrop_enter();
  };
  sparsedrop_enter();
  expectFailure(sparsedrop_expected_kept(millionths, 2, -1, 1, 1));
  expectFailure(sparsedrop_expected_kept(millionths, 2, 8, 0, 1));
  expectFailure(sparsedrop_expected_kept(millionths, 2, 8, 1, 0));
  expectFailure(sparsedrop_expected_kept(nullptr, 2, 8, 1, 1));
  expectFailure(sparsedrop_mean_rate(nullptr, 2));
  expectFailure(sparsedrop_mean_rate(millionths, 0));
  expectFailure(sparsedrop_joint_keep(millionths, -1, 3));
  EXPECT_EQ(0, sparsedrop_leave());
}

} // namespace
