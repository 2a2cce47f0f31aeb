//===- SamplingTest.cpp - Draws, kept units and masks ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"
#include "sparsedrop/Sampling/Distribution.h"
#include "sparsedrop/Sampling/Philox.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <vector>

namespace {

using Distribution = std::vector<int32_t>;
const Distribution kD4{220725, 250654, 261510, 267111};
const Distribution kD8{313700, 143300, 110300, 96800,
                       89500,  85000,  81800,  79600};

int64_t drawPacked(int64_t seed, int64_t step, uint64_t hash,
                   const Distribution &d, int64_t units = 2048) {
  return sparsedrop_draw(seed, step, hash, d.data(),
                         static_cast<int64_t>(d.size()), units);
}

/// The published known answers of Random123 (kat_vectors, philox4x32 10).
TEST(Philox, KnownAnswers) {
  struct Vector {
    uint32_t key[2], counter[4], expected[4];
  };
  const Vector vectors[] = {
      {{0, 0}, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{~0u, ~0u},
       {~0u, ~0u, ~0u, ~0u},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0xa4093822, 0x299f31d0},
       {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
  for (const Vector &vector : vectors) {
    uint32_t out[4];
    sparsedrop_philox4x32_10(vector.key, vector.counter, out);
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(vector.expected[i], out[i]);
  }
}

/// The vectors of docs/sampling.md, from an implementation in Python.
TEST(Draw, DocumentedVectors) {
  struct Vector {
    int64_t seed, step;
    const char *site;
    int64_t index; // INT64_MIN: none
    const Distribution &distribution;
    uint64_t hash;
    int64_t period, bias;
  };
  const Vector vectors[] = {
    {0, 0, "fc1", INT64_MIN, kD4, 0xdcc05318fee5d90du, 2, 0},
    {0, 1, "fc1", INT64_MIN, kD4, 0xdcc05318fee5d90du, 3, 1},
    {1, 0, "fc1", INT64_MIN, kD4, 0xdcc05318fee5d90du, 4, 3},
    {42, 7, "hidden2", INT64_MIN, kD4, 0xf67712289cf3e431u, 3, 1},
    {42, 7, "hidden2", 3, kD4, 0x8a6f06f8ba14de72u, 3, 1},
    {-1, 12345678901, "größe", INT64_MIN, kD4, 0xb7450e1ef58140dau, 4, 1},
    {1099511627776, -5, "a", INT64_MIN, kD8, 0xaf63dc4c8601ec8cu, 5, 3},
    {123456789, 1000000, "attention.dropout", INT64_MIN, kD8, 0x89a7e6979fb338e0u, 4, 0},
    {7, 7, "fc", 0, kD8, 0x734c8fe0859727ceu, 5, 4},
    {7, 7, "fc", -1, kD8, 0x4f0d708506409a46u, 7, 0},
  };
  for (const Vector &v : vectors) {
    uint64_t hash = sparsedrop_site_hash(v.site, std::strlen(v.site));
    if (v.index != INT64_MIN)
      hash = sparsedrop_site_hash_index(hash, v.index);
    EXPECT_EQ(v.hash, hash) << v.site;
    int64_t packed = drawPacked(v.seed, v.step, hash, v.distribution);
    EXPECT_EQ(v.period, packed & 0xffffffff) << v.site << " " << v.step;
    EXPECT_EQ(v.bias, packed >> 32) << v.site << " " << v.step;
  }
}

/// Every unit is dropped as often as the rate says, also where the period does
/// not divide the extent: within 4 sigma of a binomial over 100,000 steps.
TEST(Draw, MarginalRateOfEveryUnit) {
  constexpr int64_t kSteps = 100000;
  for (const Distribution *d : {&kD4, &kD8})
    for (int64_t extent : {13, 37}) {
      std::vector<int64_t> dropped(static_cast<size_t>(extent), 0);
      std::vector<uint8_t> mask(static_cast<size_t>(extent));
      uint64_t hash = sparsedrop_site_hash("marginal", 8);
      for (int64_t step = 0; step < kSteps; ++step) {
        int64_t packed = drawPacked(11, step, hash, *d, extent);
        sparsedrop_row_mask(extent, 1, packed & 0xffffffff, packed >> 32,
                            mask.data());
        for (int64_t j = 0; j < extent; ++j)
          dropped[j] += 1 - mask[j];
      }
      double rate = 0;
      for (size_t i = 0; i < d->size(); ++i)
        rate += (*d)[i] * 1e-6 * static_cast<double>(i) / (i + 1.0);
      double sigma = std::sqrt(rate * (1 - rate) * kSteps);
      for (int64_t j = 0; j < extent; ++j)
        EXPECT_NEAR(rate * kSteps, static_cast<double>(dropped[j]), 4 * sigma)
            << "unit " << j << " of " << extent;
    }
}

TEST(Draw, RefusesPeriodsAboveTheUnits) {
  sparsedrop_enter();
  EXPECT_EQ(1, drawPacked(0, 0, 1, kD4, 3));
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_STREQ("the distribution gives period 4 a probability, but there are "
               "only 3 units",
               sparsedrop_last_error());
  sparsedrop_enter();
  EXPECT_EQ(1, sparsedrop_check_pattern(0, 0, 3));
  EXPECT_EQ(1, sparsedrop_leave());
  sparsedrop_enter();
  EXPECT_EQ(1, sparsedrop_check_pattern(3, 3, 3));
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_EQ(3 | int64_t{2} << 32, sparsedrop_check_pattern(3, 2, 3));
}

TEST(Row, KeptSetByBruteForce) {
  for (int64_t extent = 0; extent <= 70; ++extent)
    for (int64_t period = 1; period <= 16; ++period)
      for (int64_t bias = 0; bias < period; ++bias)
        for (int64_t granularity = 1; granularity <= 5; ++granularity) {
          std::vector<int64_t> expected;
          for (int64_t j = 0; j < extent; ++j)
            if (j / granularity % period == bias)
              expected.push_back(j);
          auto count = static_cast<int64_t>(expected.size());
          ASSERT_EQ(count, sparsedrop_row_kept_count(extent, granularity,
                                                     period, bias));
          std::vector<int64_t> indices(expected.size());
          ASSERT_EQ(count,
                    sparsedrop_row_kept_indices(extent, granularity, period,
                                                bias, indices.data()));
          ASSERT_EQ(expected, indices);
        }
}

TEST(Tile, MaskAndTilesByBruteForce) {
  for (int64_t rows : {1, 7, 20})
    for (int64_t cols : {5, 17})
      for (int64_t tile : {1, 3, 4})
        for (int32_t order : {SPARSEDROP_TILE_SKEWED, SPARSEDROP_TILE_LINEAR})
          for (int64_t period = 1; period <= 4; ++period)
            for (int64_t bias = 0; bias < period; ++bias) {
              int64_t columns = (cols + tile - 1) / tile;
              std::vector<uint8_t> expected, mask(rows * cols);
              for (int64_t i = 0; i < rows; ++i)
                for (int64_t j = 0; j < cols; ++j) {
                  int64_t r = i / tile, c = j / tile;
                  int64_t unit =
                      order == SPARSEDROP_TILE_LINEAR ? r * columns + c : r + c;
                  expected.push_back(unit % period == bias);
                }
              sparsedrop_tile_mask(rows, cols, tile, tile, order, period, bias,
                                   mask.data());
              ASSERT_EQ(expected, mask);
              int64_t count = sparsedrop_tile_kept_tiles(
                  rows, cols, tile, tile, order, period, bias, nullptr);
              std::vector<int64_t> tiles(static_cast<size_t>(count));
              sparsedrop_tile_kept_tiles(rows, cols, tile, tile, order, period,
                                         bias, tiles.data());
              int64_t kept = 0;
              for (int64_t t : tiles) {
                ASSERT_TRUE(
                    expected[t / columns * tile * cols + t % columns * tile]);
                ++kept;
              }
              ASSERT_EQ(count, kept);
            }
}

TEST(Channel, Count) {
  EXPECT_EQ(32, sparsedrop_channel_count(0.5, 64, 8));
  EXPECT_EQ(8, sparsedrop_channel_count(0.99, 64, 8));
  EXPECT_EQ(5, sparsedrop_channel_count(0.1, 5, 8));
  EXPECT_EQ(48, sparsedrop_channel_count(0.3, 64, 8)); // 5.6 groups
}

TEST(Channel, LowTemperatureKeepsTheLargest) {
  const float sensitivity[] = {5, 1, 4, 0.5, 3, 2};
  int64_t kept[6];
  ASSERT_EQ(3, sparsedrop_sample_channels(1, 2, 3, sensitivity, 1, 6, 1, 3,
                                          1e-3, kept));
  EXPECT_EQ(0, kept[0]);
  EXPECT_EQ(2, kept[1]);
  EXPECT_EQ(4, kept[2]);
  // Granules of two: sums 6, 4.5 and 5.
  ASSERT_EQ(4, sparsedrop_sample_channels(1, 2, 3, sensitivity, 1, 6, 2, 4,
                                          1e-3, kept));
  EXPECT_EQ(0, kept[0]);
  EXPECT_EQ(4, kept[2]);
}

/// Equal sensitivities keep each channel equally often, within 4 sigma.
TEST(Channel, UniformMarginals) {
  constexpr int64_t kSteps = 20000, kChannels = 10, kCount = 4;
  std::vector<int64_t> counts(kChannels, 0);
  for (int64_t step = 0; step < kSteps; ++step) {
    int64_t kept[kChannels];
    ASSERT_EQ(kCount, sparsedrop_sample_channels(9, step, 5, nullptr, 0,
                                                 kChannels, 1, kCount, 0.5,
                                                 kept));
    for (int64_t i = 0; i < kCount; ++i)
      ++counts[kept[i]];
  }
  double p = double(kCount) / kChannels;
  for (int64_t count : counts)
    EXPECT_NEAR(p * kSteps, count, 4 * std::sqrt(p * (1 - p) * kSteps));
}

TEST(Channel, BadInputKeepsAll) {
  const float bad[] = {1, -1, 1};
  int64_t kept[3];
  for (int c = 0; c < 4; ++c) {
    sparsedrop_enter();
    EXPECT_EQ(3, sparsedrop_sample_channels(
                     0, 0, 0, c == 0 ? bad : nullptr, 1, 3, 1,
                     c == 1 ? 4 : (c == 2 ? 0 : 2), c == 3 ? 0 : 1, kept));
    EXPECT_EQ(1, sparsedrop_leave()) << c;
  }
}

} // namespace
