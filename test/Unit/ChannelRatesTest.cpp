//===- ChannelRatesTest.cpp - Scales and rates of channel dropout ---------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace {

//===----------------------------------------------------------------------===//
// Energy
//===----------------------------------------------------------------------===//

TEST(EnergyScale, IsTheShareOfTheImportances) {
  const float importance[] = {1, 2, 3, 4, 0, 6};
  const int64_t three[] = {1, 2, 3}, all[] = {0, 1, 2, 3, 4, 5};
  EXPECT_FLOAT_EQ(16.0f / 9,
                  sparsedrop_energy_scale(importance, 1, 6, three, 3));
  EXPECT_EQ(1.0f, sparsedrop_energy_scale(importance, 1, 6, all, 6));
  // At most C / k: 16 / 1 would be more.
  const int64_t first[] = {0};
  EXPECT_EQ(6.0f, sparsedrop_energy_scale(importance, 1, 6, first, 1));
  const float strided[] = {1, 9, 3, 9, 4, 9};
  const int64_t two[] = {1, 2};
  EXPECT_FLOAT_EQ(8.0f / 7, sparsedrop_energy_scale(strided, 2, 3, two, 2));
}

TEST(EnergyScale, WithoutImportancesIsTheInverseShare) {
  const float importance[] = {0, 0, 5, 0};
  const int64_t kept[] = {0, 1, 3};
  EXPECT_FLOAT_EQ(4.0f / 3, sparsedrop_energy_scale(importance, 1, 4, kept, 3));
  EXPECT_EQ(1.0f, sparsedrop_energy_scale(nullptr, 1, 0, nullptr, 0));
}

TEST(EnergyScale, RefusesBadImportances) {
  const int64_t kept[] = {0};
  for (float bad :
       {std::nanf(""), -1.0f, std::numeric_limits<float>::infinity()}) {
    const float importance[] = {1, bad};
    sparsedrop_enter();
    EXPECT_EQ(1.0f, sparsedrop_energy_scale(importance, 1, 2, kept, 1));
    EXPECT_EQ(1, sparsedrop_leave());
    EXPECT_EQ("importance of channel 1 is negative or not finite",
              std::string(sparsedrop_last_error()));
  }
}

//===----------------------------------------------------------------------===//
// Over time
//===----------------------------------------------------------------------===//

double rateAt(const sparsedrop_schedule &schedule, int64_t step) {
  double rate = -7;
  EXPECT_EQ(0, sparsedrop_scheduled_rate(&schedule, step, &rate));
  return rate;
}

TEST(ScheduledRate, WarmsUpRampsAndRefreshes) {
  sparsedrop_schedule schedule = {0.5, 10, 40, 25};
  EXPECT_EQ(0, rateAt(schedule, 0));
  EXPECT_EQ(0, rateAt(schedule, 9));
  EXPECT_EQ(0.125, rateAt(schedule, 10));
  EXPECT_EQ(0, rateAt(schedule, 25));
  EXPECT_EQ(0.5 * 39 / 40, rateAt(schedule, 39));
  EXPECT_EQ(0.5, rateAt(schedule, 40));
  EXPECT_EQ(0, rateAt(schedule, 50));
  EXPECT_EQ(0.5, rateAt(schedule, 1000001));
  EXPECT_EQ(0, rateAt(schedule, 1000000));
  EXPECT_EQ(0.25, rateAt({0.25, 0, 0, 0}, 0));
}

TEST(ScheduledRate, RefusesWhatIsNoSchedule) {
  double nan = std::nan("");
  const sparsedrop_schedule bad[] = {{1, 0, 0, 0},    {-0.1, 0, 0, 0},
                                     {nan, 0, 0, 0},  {0.5, -1, 0, 0},
                                     {0.5, 0, -1, 0}, {0.5, 0, 0, -1}};
  for (const sparsedrop_schedule &schedule : bad) {
    double rate = -7;
    EXPECT_EQ(1, sparsedrop_scheduled_rate(&schedule, 3, &rate));
    EXPECT_EQ(-7, rate);
  }
  double rate = -7;
  sparsedrop_schedule good = {0.5, 0, 0, 0};
  EXPECT_EQ(1, sparsedrop_scheduled_rate(&good, -1, &rate));
  EXPECT_EQ(1, sparsedrop_scheduled_rate(nullptr, 1, &rate));
  EXPECT_EQ(1, sparsedrop_scheduled_rate(&good, 1, nullptr));
}

//===----------------------------------------------------------------------===//
// Over layers
//===----------------------------------------------------------------------===//

using Layers = std::vector<sparsedrop_layer>;

std::vector<double> ratesOf(const Layers &layers, double rate, double largest) {
  std::vector<double> rates(layers.size(), -7);
  EXPECT_EQ(0, sparsedrop_layer_rates(layers.data(),
                                      static_cast<int64_t>(layers.size()), rate,
                                      largest, rates.data()))
      << sparsedrop_last_error();
  return rates;
}

TEST(LayerRates, EqualChannelsShareAlike) {
  std::vector<float> ones(64, 1.0f), zeros(64, 0.0f);
  // The norm divides 1 by sqrt(C): layers of one width are alike.
  for (double rate :
       ratesOf({{ones.data(), 64, 1}, {ones.data(), 64, 9}}, 0.5, 0.75))
    EXPECT_NEAR(0.5, rate, 1e-12);
  for (double rate :
       ratesOf({{zeros.data(), 64, 1}, {zeros.data(), 16, 9}}, 0.3, 0.75))
    EXPECT_NEAR(0.3, rate, 1e-12);
}

/// The threshold's own definition, by trying every one.
TEST(LayerRates, AgreeWithEveryThresholdTried) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> uniform(0.01f, 1.0f);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::vector<float>> values;
    Layers layers;
    for (int64_t channels : {24, 7, 50}) {
      auto &of = values.emplace_back();
      for (int64_t c = 0; c < channels; ++c)
        of.push_back(uniform(random));
    }
    for (auto &of : values)
      layers.push_back({of.data(), static_cast<int64_t>(of.size()),
                        1.0 + static_cast<double>(random() % 5)});
    double target = 0.1 + 0.1 * (round % 6);
    std::vector<double> rates = ratesOf(layers, target, 0.75);
    double best = 1, weights = 0, mean = 0;
    for (size_t l = 0; l < 3; ++l) {
      weights += layers[l].flops;
      mean += layers[l].flops * rates[l];
      EXPECT_LE(rates[l], 0.75);
    }
    EXPECT_NEAR(target, mean / weights, 1e-9);
    // Some threshold gives all rates but for the one channel that lies on it.
    for (size_t at = 0; at < 3; ++at)
      for (float limit : values[at]) {
        auto norm = [&](size_t l) {
          double sum = 0;
          for (float v : values[l])
            sum += static_cast<double>(v) * v;
          return std::sqrt(sum);
        };
        double threshold = limit / norm(at), worst = 0;
        for (size_t l = 0; l < 3; ++l) {
          double below = 0;
          for (float v : values[l])
            below += v / norm(l) < threshold;
          double expected = std::min(0.75, below / values[l].size());
          double slack = l == at ? 1.0 / values[l].size() : 0;
          worst = std::max(worst, expected - rates[l]);
          worst = std::max(worst, rates[l] - expected - slack);
        }
        best = std::min(best, worst);
      }
    EXPECT_LT(best, 1e-9);
  }
}

TEST(LayerRates, RefusesBadInput) {
  std::vector<float> good(4, 1.0f), bad = {1, std::nanf(""), 1, 1};
  double rates[2] = {-7, -7};
  const Layers wrong[] = {
      {{bad.data(), 4, 1}},
      {{good.data(), 0, 1}},
      {{nullptr, 4, 1}},
      {{good.data(), 4, 0}},
      {{good.data(), 4, 1}, {good.data(), 4, std::nan("")}}};
  for (const Layers &layers : wrong)
    EXPECT_EQ(1, sparsedrop_layer_rates(layers.data(),
                                        static_cast<int64_t>(layers.size()),
                                        0.5, 0.75, rates));
  sparsedrop_layer layer = {good.data(), 4, 1};
  EXPECT_EQ(1, sparsedrop_layer_rates(&layer, 1, 0.8, 0.75, rates));
  EXPECT_EQ(1, sparsedrop_layer_rates(&layer, 1, 0.5, 1, rates));
  EXPECT_EQ(1, sparsedrop_layer_rates(&layer, 1, std::nan(""), 0.75, rates));
  EXPECT_EQ(1, sparsedrop_layer_rates(&layer, 0, 0.5, 0.75, rates));
  EXPECT_EQ(1, sparsedrop_layer_rates(nullptr, 1, 0.5, 0.75, rates));
  EXPECT_EQ(-7, rates[0]);
}

} // namespace
