//===- SamplingChannelTest.cpp - Choice of channels -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace {

using Channels = std::vector<int64_t>;

struct Request {
  int64_t seed, step;
  std::vector<float> sensitivity;
  int64_t granularity, count;
  double tau;
};

Channels sample(const std::string &site, const Request &r) {
  Channels kept(r.sensitivity.size());
  int64_t count = sparsedrop_sample_channels(
      r.seed, r.step, sparsedrop_site_hash(site.data(), site.size()),
      r.sensitivity.data(), 1, static_cast<int64_t>(kept.size()), r.granularity,
      r.count, r.tau, kept.data());
  kept.resize(static_cast<size_t>(count));
  return kept;
}

// Of docs/sampling.md, made by an independent program in Python. Neighbouring
// keys are at least 0.003 apart, so that no rounding of a logarithm matters.
TEST(SampleChannels, Vectors) {
  Request a{5, 9, {}, 1, 6, 0.5}, c{-3, 77, {}, 1, 5, 2.0};
  for (int i = 0; i < 16; ++i)
    a.sensitivity.push_back(static_cast<float>(i % 7 + 1));
  for (int i = 0; i < 12; ++i)
    c.sensitivity.push_back(0.25f * static_cast<float>(i));
  Request b{5, 10, std::vector<float>(20, 1.0f), 3, 12, 0.5};
  EXPECT_EQ((Channels{3, 4, 5, 11, 13, 15}), sample("conv2", a));
  EXPECT_EQ((Channels{0, 1, 2, 9, 10, 11, 12, 13, 14, 15, 16, 17}),
            sample("conv2", b));
  EXPECT_EQ((Channels{4, 5, 8, 9, 10}), sample("conv3", c));
}

// At a low temperature the noise, of order 1, is nothing beside the keys.
TEST(SampleChannels, LowTemperatureKeepsTheLargest) {
  for (double tau : {1e-4, 1e-30, 1e-310})
    for (int64_t step = 0; step < 50; ++step) {
      Request r{1, step, {3, 9, 1, 8, 2, 7, 0, 5}, 1, 3, tau};
      EXPECT_EQ((Channels{1, 3, 5}), sample("conv", r)) << tau;
      // Sums of the pairs: 12, 9, 9.5, 5.
      r.sensitivity[5] = 7.5f;
      r.granularity = 2;
      r.count = 4;
      EXPECT_EQ((Channels{0, 1, 4, 5}), sample("conv", r)) << tau;
    }
}

/// How often each channel was kept in `steps` draws.
std::vector<double> count(Request r, int64_t steps) {
  std::vector<double> counts(r.sensitivity.size());
  for (r.step = 0; r.step < steps; ++r.step)
    for (int64_t c : sample("conv", r))
      ++counts[static_cast<size_t>(c)];
  return counts;
}

/// Expects `counts` of `steps` draws to be those of probabilities `p`, within
/// four standard deviations of a binomial (the seed is fixed).
void expectRates(const std::vector<double> &counts,
                 const std::vector<double> &p, double steps) {
  for (size_t c = 0; c < p.size(); ++c)
    EXPECT_NEAR(counts[c], p[c] * steps,
                4 * std::sqrt(p[c] * (1 - p[c]) * steps))
        << "channel " << c;
}

TEST(SampleChannels, EqualSensitivitiesGiveUniformMarginals) {
  Request r{3, 0, std::vector<float>(16, 2.5f), 1, 6, 0.5};
  expectRates(count(r, 40000), std::vector<double>(16, 6.0 / 16), 40000);
  // Sensitivities stop to matter at an infinite temperature.
  std::vector<float> steep = {0, 1, 10, 1e6f};
  Request hot{3, 0, steep, 1, 2, std::numeric_limits<double>::infinity()};
  expectRates(count(hot, 40000), std::vector<double>(4, 0.5), 40000);
}

// Gumbel-max: one of them is kept with probability s^(1/tau) / sum.
TEST(SampleChannels, OneIsKeptInProportion) {
  std::vector<float> sensitivity = {1, 2, 3, 4, 0};
  expectRates(count({4, 0, sensitivity, 1, 1, 1.0}, 40000),
              {0.1, 0.2, 0.3, 0.4}, 40000);
  expectRates(count({4, 0, sensitivity, 1, 1, 0.5}, 40000),
              {1 / 30.0, 4 / 30.0, 9 / 30.0, 16 / 30.0}, 40000);
}

// Without replacement: the pair {a, b} is kept with probability
// s_a s_b (1 / (1 - s_a) + 1 / (1 - s_b)) for s that sum to 1.
TEST(SampleChannels, PairsAreDrawnWithoutReplacement) {
  const double s[] = {0.1, 0.2, 0.7};
  Request r{6, 0, {1, 2, 7}, 1, 2, 1.0};
  std::vector<double> dropped = count(r, 40000), p(3);
  for (size_t c = 0; c < 3; ++c) {
    size_t a = (c + 1) % 3, b = (c + 2) % 3;
    p[c] = 1 - s[a] * s[b] * (1 / (1 - s[a]) + 1 / (1 - s[b]));
  }
  expectRates(dropped, p, 40000);
}

TEST(SampleChannels, GroupsStayWholeAndWithinTheCount) {
  for (int64_t channels : {1, 7, 20, 33})
    for (int64_t granularity : {1, 3, 8, 40})
      for (int64_t count = 1; count <= channels; ++count) {
        Request r{8,
                  count,
                  std::vector<float>(static_cast<size_t>(channels), 1.0f),
                  granularity,
                  count,
                  0.5};
        Channels kept = sample("conv", r);
        auto size = static_cast<int64_t>(kept.size());
        EXPECT_GE(size, 1);
        EXPECT_LE(size, std::max(count, granularity));
        EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
        // Another group would not have fitted, all groups being this large.
        if (channels % granularity == 0)
          EXPECT_GT(size + granularity, std::max(count, granularity));
        for (int64_t c : kept) {
          int64_t begin = c / granularity * granularity;
          for (int64_t i = begin; i < std::min(channels, begin + granularity);
               ++i)
            EXPECT_TRUE(std::binary_search(kept.begin(), kept.end(), i));
        }
      }
}

TEST(SampleChannels, NullAndStridedSensitivities) {
  uint64_t hash = sparsedrop_site_hash("conv", 4);
  int64_t fromNull[12], fromOnes[12], strided[3];
  std::vector<float> ones(12, 1.0f);
  for (int64_t step = 0; step < 20; ++step) {
    EXPECT_EQ(5, sparsedrop_sample_channels(1, step, hash, nullptr, 1, 12, 1, 5,
                                            0.5, fromNull));
    EXPECT_EQ(5, sparsedrop_sample_channels(1, step, hash, ones.data(), 1, 12,
                                            1, 5, 0.5, fromOnes));
    // Groups of equal sums draw alike, whatever the sum.
    EXPECT_TRUE(std::equal(fromNull, fromNull + 5, fromOnes));
    const float values[] = {0, 99, 5, 99, 0, 99};
    EXPECT_EQ(1, sparsedrop_sample_channels(1, step, hash, values, 2, 3, 1, 1,
                                            0.01, strided));
    EXPECT_EQ(1, strided[0]);
  }
}

TEST(SampleChannels, NegativeTemperaturesPreferTheLeastSensitive) {
  Request r = {3, 0, {}, 1, 4, -0.01};
  for (int i = 0; i < 12; ++i)
    r.sensitivity.push_back(static_cast<float>((i * 5) % 12 + 1));
  // 5 i mod 12 is below 4 for these.
  EXPECT_EQ((Channels{0, 3, 5, 10}), sample("conv", r));
  // 1 / S over its sum, as the closed form of one draw at tau = -1.
  std::vector<float> sensitivity = {1, 2, 4, 8};
  expectRates(count({4, 0, sensitivity, 1, 1, -1.0}, 40000),
              {8. / 15, 4. / 15, 2. / 15, 1. / 15}, 40000);
}

TEST(SampleChannels, FailuresKeepEverything) {
  float nan = std::nanf(""), infinity = std::numeric_limits<float>::infinity();
  const Request bad[] = {
      {0, 0, {1, nan, 1}, 1, 2, 0.5}, {0, 0, {1, 1, infinity}, 1, 2, 0.5},
      {0, 0, {-1, 1, 1}, 1, 2, 0.5},  {0, 0, {1, 1, 1}, 1, 0, 0.5},
      {0, 0, {1, 1, 1}, 1, 4, 0.5},   {0, 0, {1, 1, 1}, 0, 2, 0.5},
      {0, 0, {1, 1, 1}, 1, 2, 0.0},   {0, 0, {1, 1, 1}, 1, 2, std::nan("")},
      {0, 0, {}, 1, 1, 0.5}};
  for (const Request &r : bad) {
    sparsedrop_enter();
    Channels kept = sample("conv", r);
    EXPECT_EQ(1, sparsedrop_leave());
    EXPECT_EQ(r.sensitivity.empty() ? Channels{} : (Channels{0, 1, 2}), kept);
  }
}

TEST(SampleChannels, NegativeNumberOfChannelsKeepsNone) {
  int64_t kept = -7;
  sparsedrop_enter();
  EXPECT_EQ(
      0, sparsedrop_sample_channels(1, 2, 3, nullptr, 1, -1, 1, 1, 0.5, &kept));
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_EQ(-7, kept);
}

/// The list, the places and the number, with a guard behind.
Channels list(const Channels &wanted, int64_t channels) {
  Channels result(static_cast<size_t>(2 * channels + 2), 77);
  int64_t count = sparsedrop_list_channels(wanted.data(),
                                           static_cast<int64_t>(wanted.size()),
                                           channels, result.data());
  EXPECT_EQ(count, result[static_cast<size_t>(2 * channels)]);
  EXPECT_EQ(77, result.back());
  result.pop_back();
  return result;
}

TEST(ListChannels, PlacesInvertTheList) {
  EXPECT_EQ((Channels{1, 3, 77, 77, -1, 0, -1, 1, 2}), list({1, 3}, 4));
  EXPECT_EQ((Channels{0, 1, 2, 0, 1, 2, 3}), list({0, 1, 2}, 3));
  EXPECT_EQ((Channels{0}), list({}, 0));
  // In place.
  Channels own = {2, 77, 77, 77, 77, 77, 77};
  EXPECT_EQ(1, sparsedrop_list_channels(own.data(), 1, 3, own.data()));
  EXPECT_EQ((Channels{2, 77, 77, -1, -1, 0, 1}), own);
}

/// The list of a slice of a list, with a guard behind.
Channels slice(const Channels &list, int64_t channels, int64_t offset,
               int64_t extent) {
  Channels result(static_cast<size_t>(2 * extent + 2), 77);
  int64_t count = sparsedrop_slice_channels(list.data(), channels, offset,
                                            extent, result.data());
  EXPECT_EQ(count, result[static_cast<size_t>(2 * extent)]);
  EXPECT_EQ(77, result.back());
  result.pop_back();
  return result;
}

TEST(SliceChannels, CountsFromTheOffset) {
  const Channels kept = list({1, 3, 4}, 6);
  EXPECT_EQ(kept, slice(kept, 6, 0, 6));
  EXPECT_EQ((Channels{1, 77, -1, 0, 1}), slice(kept, 6, 2, 2));
  EXPECT_EQ((Channels{0, 1, 77, 0, 1, -1, 2}), slice(kept, 6, 3, 3));
  // Nothing, of something and of nothing.
  EXPECT_EQ((Channels{77, -1, 0}), slice(kept, 6, 5, 1));
  EXPECT_EQ((Channels{0}), slice(kept, 6, 6, 0));
  EXPECT_EQ((Channels{0}), slice(list({}, 0), 0, 0, 0));
}

TEST(SliceChannels, FailuresKeepEverything) {
  const Channels kept = list({1, 3, 4}, 6), all = {0, 1, 0, 1, 2};
  for (int64_t offset : {int64_t{-1}, int64_t{5}, int64_t{7}, INT64_MAX}) {
    sparsedrop_enter();
    EXPECT_EQ(all, slice(kept, 6, offset, 2));
    EXPECT_EQ(1, sparsedrop_leave());
    EXPECT_NE(
        std::string(sparsedrop_last_error()).find("expected a slice of the 6"),
        std::string::npos)
        << sparsedrop_last_error();
  }
  sparsedrop_enter();
  EXPECT_EQ(0, sparsedrop_slice_channels(nullptr, 6, 0, 2, nullptr));
  EXPECT_EQ(1, sparsedrop_leave());
}

TEST(ListChannels, FailuresKeepEverything) {
  const Channels all = {0, 1, 2, 0, 1, 2, 3};
  for (const auto &[wanted, message] :
       std::vector<std::pair<Channels, std::string>>{
           {{}, "expected a list of at least one kept channel"},
           {{0, 3}, "less than 3, but entry 1 is 3"},
           {{-1}, "but entry 0 is -1"},
           {{1, 1}, "but entry 1 is 1 after 1"},
           {{2, 0}, "but entry 1 is 0 after 2"},
           {Channels(9, 0), "but entry 1 is 0 after 0"}}) {
    sparsedrop_enter();
    EXPECT_EQ(all, list(wanted, 3));
    EXPECT_EQ(1, sparsedrop_leave());
    EXPECT_NE(std::string(sparsedrop_last_error()).find(message),
              std::string::npos)
        << sparsedrop_last_error();
  }
}

TEST(ListChannels, WithoutMemoryNothingIsWritten) {
  constexpr int64_t kMany = int64_t{1} << 31;
  int64_t kept[3] = {7, 7, 7}, wanted = 0;
  for (auto [list, channels] : {std::pair<int64_t *, int64_t>{nullptr, 3},
                                {nullptr, -1},
                                {kept, kMany},
                                {kept, (int64_t{1} << 62) + 5}}) {
    sparsedrop_enter();
    EXPECT_EQ(0, sparsedrop_list_channels(&wanted, 1, channels, list));
    EXPECT_EQ(1, sparsedrop_leave());
    sparsedrop_enter();
    EXPECT_EQ(0, sparsedrop_sample_channels(1, 2, 3, nullptr, 1, channels, 1, 1,
                                            0.5, list));
    EXPECT_EQ(1, sparsedrop_leave());
  }
  EXPECT_EQ(7, kept[0] & kept[1] & kept[2]);
}

TEST(ChannelCount, RoundsToMultiples) {
  EXPECT_EQ(32, sparsedrop_channel_count(0.5, 64, 8));
  EXPECT_EQ(64, sparsedrop_channel_count(0.0, 64, 8));
  EXPECT_EQ(8, sparsedrop_channel_count(1.0, 64, 8));  // At least one multiple
  EXPECT_EQ(48, sparsedrop_channel_count(0.3, 64, 8)); // 44.8 / 8 = 5.6
  EXPECT_EQ(24, sparsedrop_channel_count(0.6, 64, 8)); // 25.6 / 8 = 3.2
  EXPECT_EQ(5, sparsedrop_channel_count(0.5, 5, 8));   // At most all
  EXPECT_EQ(10, sparsedrop_channel_count(0.0, 10, 4)); // 12 would exceed 10
  EXPECT_EQ(3, sparsedrop_channel_count(0.5, 5, 1));   // Halves round up
  EXPECT_EQ(0, sparsedrop_channel_count(0.5, 0, 8));
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(kMax, sparsedrop_channel_count(0.0, kMax, 1));
  EXPECT_EQ(7, sparsedrop_channel_count(0.5, 7, kMax));
  for (double rate : {-0.1, 1.1, std::nan("")}) {
    sparsedrop_enter();
    EXPECT_EQ(64, sparsedrop_channel_count(rate, 64, 8));
    EXPECT_EQ(1, sparsedrop_leave());
  }
  sparsedrop_enter();
  EXPECT_EQ(64, sparsedrop_channel_count(0.5, 64, 0));
  EXPECT_EQ(1, sparsedrop_leave());
}

} // namespace
