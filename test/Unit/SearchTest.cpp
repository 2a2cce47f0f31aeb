//===- SearchTest.cpp - Distributions against their closed form -----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"

#include "gtest/gtest.h"

#include <cmath>
#include <string>
#include <vector>

namespace {

double getMean(const std::vector<double> &d) {
  double mean = 0;
  for (size_t i = 0; i < d.size(); ++i)
    mean += d[i] * static_cast<double>(i) / (i + 1.0);
  return mean;
}

std::vector<double> searchSgd(double rate, int64_t periods) {
  std::vector<double> d(static_cast<size_t>(periods));
  EXPECT_EQ(0, sparsedrop_search_sgd(rate, periods, d.data(), nullptr))
      << sparsedrop_last_error();
  return d;
}

/// Maximum-entropy reference values, computed apart from this library.
struct Row {
  double rate;
  int64_t periods;
  std::vector<double> expected; ///< the first entries
};

const Row kTable[] = {
    {0.3, 8, {.5713, .1234, .0740, .0573, .0492, .0444, .0413, .0391}},
    {0.5, 8, {.3137, .1433, .1103, .0968, .0895, .0850, .0818, .0796}},
    {0.7, 8, {.0830, .1121, .1239, .1303, .1343, .1370, .1390, .1405}},
    {0.3, 16, {.6072}},
    {0.5, 16, {.3701}},
    {0.7, 16, {.1497}},
    {0.3, 4, {.5149, .2050, .1508, .1293}},
    {0.5, 4, {.2207, .2507, .2615, .2671}},
    {0.7, 4, {.0020, .0889, .3153, .5938}}};

TEST(Search, TableOfReferenceValues) {
  for (const Row &row : kTable) {
    std::vector<double> sgd = searchSgd(row.rate, row.periods);
    std::vector<double> closed(sgd.size());
    ASSERT_EQ(0, sparsedrop_search_maxent(row.rate, row.periods,
                                          closed.data()));
    // The table has four digits; the search may be off by 1e-4 in all.
    for (size_t i = 0; i < row.expected.size(); ++i) {
      EXPECT_NEAR(row.expected[i], sgd[i], 1e-4) << row.rate << " " << i;
      EXPECT_NEAR(row.expected[i], closed[i], 0.6e-4) << row.rate << " " << i;
    }
  }
}

TEST(Search, EveryRateConvergesWithTheExactMean) {
  for (int i = 1; i < 20; ++i) {
    double rate = 0.05 * i;
    int64_t periods = sparsedrop_default_max_period(rate);
    std::vector<double> d = searchSgd(rate, periods), closed(d.size());
    ASSERT_EQ(0, sparsedrop_search_maxent(rate, periods, closed.data()));
    // The mean is a sum of at most 32 terms below 1.
    EXPECT_NEAR(rate, getMean(d), 32 * 0x1p-52);
    EXPECT_NEAR(rate, getMean(closed), 32 * 0x1p-52);
    for (size_t k = 0; k < d.size(); ++k)
      EXPECT_NEAR(closed[k], d[k], 1e-4) << rate << " period " << k + 1;
  }
}

TEST(Search, DefaultMaxPeriod) {
  EXPECT_EQ(4, sparsedrop_default_max_period(0.5));
  EXPECT_EQ(2, sparsedrop_default_max_period(0.0));
  EXPECT_EQ(6, sparsedrop_default_max_period(0.7));  // 0.82 <= 5/6
  EXPECT_EQ(32, sparsedrop_default_max_period(0.95)); // 34 would be needed
}

TEST(Search, BoundaryRates) {
  EXPECT_EQ((std::vector<double>{1, 0, 0}), searchSgd(0, 3));
  EXPECT_EQ((std::vector<double>{1}), searchSgd(0, 1));
  EXPECT_NEAR(1e-6, getMean(searchSgd(1e-6, 4)), 1e-15);
  EXPECT_NEAR(0.4999, getMean(searchSgd(0.4999, 2)), 1e-15);
}

TEST(Search, InfeasibleRatesSayWhy) {
  double d[8];
  for (auto [rate, periods] : {std::pair<double, int64_t>{0.75, 4},
                               {0.8, 4},
                               {0.5, 1},
                               {1.0, 8},
                               {-0.1, 8},
                               {std::nan(""), 8},
                               {0.5, 0}}) {
    EXPECT_EQ(1, sparsedrop_search_sgd(rate, periods, d, nullptr));
    EXPECT_EQ(1, sparsedrop_search_maxent(rate, periods, d));
  }
  sparsedrop_search_sgd(0.8, 4, d, nullptr);
  EXPECT_STREQ("rate 0.8 is not below 0.75, the largest that periods 1 to 4 "
               "reach",
               sparsedrop_last_error());
}

TEST(Distribution, RoundsToExactlyAMillion) {
  for (int n = 1; n <= 32; ++n) {
    std::vector<double> d(static_cast<size_t>(n), 1.0 / n);
    std::vector<int32_t> millionths(d.size());
    ASSERT_EQ(0, sparsedrop_round_distribution(d.data(), n, millionths.data()));
    int64_t sum = 0;
    for (int32_t entry : millionths)
      sum += entry;
    EXPECT_EQ(1000000, sum);
    EXPECT_LE(std::abs(millionths[0] - 1e6 / n), 1);
  }
  const double zeros[] = {0.5, 0, 0.5};
  int32_t rounded[3];
  ASSERT_EQ(0, sparsedrop_round_distribution(zeros, 3, rounded));
  EXPECT_EQ(0, rounded[1]);
  for (const std::vector<double> &bad :
       {std::vector<double>{0.5, 0.4}, {1.5, -0.5}, {NAN, 1.0}})
    EXPECT_EQ(1, sparsedrop_round_distribution(bad.data(), 2, rounded));
}

/// Sums over all draws, against enumeration of each kept set.
TEST(Distribution, ExpectedKept) {
  const int32_t d[] = {100000, 300000, 200000, 400000};
  for (int64_t extent : {1, 7, 24, 31})
    for (int64_t granularity : {1, 3})
      for (int power : {1, 2}) {
        double expected = 0;
        for (int64_t period = 1; period <= 4; ++period)
          for (int64_t bias = 0; bias < period; ++bias) {
            int64_t kept = 0;
            for (int64_t j = 0; j < extent; ++j)
              kept += j / granularity % period == bias;
            expected += d[period - 1] * 1e-6 / period *
                        std::pow(static_cast<double>(kept), power);
          }
        EXPECT_NEAR(expected,
                    sparsedrop_expected_kept(d, 4, extent, granularity, power),
                    1e-9);
      }
}

/// The joint-keep ranges over distances 1 to 12 of the method's analysis.
TEST(Distribution, JointKeep) {
  struct Range {
    double rate, low, high;
  };
  for (Range range : {Range{0.3, 0.57, 0.68}, {0.5, 0.31, 0.46},
                      {0.7, 0.08, 0.24}}) {
    std::vector<double> d = searchSgd(range.rate, 8);
    int32_t millionths[8];
    ASSERT_EQ(0, sparsedrop_round_distribution(d.data(), 8, millionths));
    double low = 1, high = 0;
    for (int64_t delta = 1; delta <= 12; ++delta) {
      double joint = sparsedrop_joint_keep(millionths, 8, delta);
      low = std::min(low, joint);
      high = std::max(high, joint);
    }
    EXPECT_NEAR(range.low, low, 0.006);
    EXPECT_NEAR(range.high, high, 0.006);
    // Distance 840 is a multiple of all periods.
    EXPECT_NEAR(1 - range.rate, sparsedrop_joint_keep(millionths, 8, 840),
                2e-6);
  }
}

} // namespace
