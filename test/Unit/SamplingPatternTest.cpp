//===- SamplingPatternTest.cpp - Kept units and tiles ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"
#include "sparsedrop/Sampling/Pattern.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <set>
#include <vector>

using namespace sparsedrop;

namespace {

/// The definition: unit j is kept iff (j div g) mod period == bias.
std::vector<int64_t> getKept(int64_t extent, int64_t granularity,
                             int64_t period, int64_t bias) {
  std::vector<int64_t> kept;
  for (int64_t j = 0; j < extent; ++j)
    if (j / granularity % period == bias)
      kept.push_back(j);
  return kept;
}

void checkRow(int64_t extent, int64_t granularity, int64_t period,
              int64_t bias) {
  std::vector<int64_t> expected = getKept(extent, granularity, period, bias);
  auto count = static_cast<int64_t>(expected.size());
  ASSERT_EQ(count,
            sparsedrop_row_kept_count(extent, granularity, period, bias));
  std::vector<int64_t> kept(expected.size() + 1, -1);
  ASSERT_EQ(count, sparsedrop_row_kept_indices(extent, granularity, period,
                                               bias, kept.data()));
  EXPECT_EQ(-1, kept.back()); // Nothing past the end.
  kept.pop_back();
  ASSERT_EQ(expected, kept);
  std::vector<uint8_t> mask(static_cast<size_t>(extent) + 1, 7);
  sparsedrop_row_mask(extent, granularity, period, bias, mask.data());
  EXPECT_EQ(7, mask.back());
  for (int64_t j = 0; j < extent; ++j)
    ASSERT_EQ(j / granularity % period == bias, mask[static_cast<size_t>(j)]);
}

TEST(RowPattern, KeptUnitsByDefinition) {
  for (int64_t extent = 0; extent <= 70; ++extent)
    for (int64_t granularity = 1; granularity <= 5; ++granularity)
      for (int64_t period = 1; period <= 16; ++period)
        for (int64_t bias = 0; bias < period; ++bias)
          ASSERT_NO_FATAL_FAILURE(checkRow(extent, granularity, period, bias))
              << extent << " " << granularity << " " << period << " " << bias;
}

// Products and sums of extreme sizes must not wrap.
TEST(RowPattern, ExtremeSizes) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(kMax, sparsedrop_row_kept_count(kMax, kMax, 1, 0));
  EXPECT_EQ(kMax, sparsedrop_row_kept_count(kMax, 1, 1, 0));
  EXPECT_EQ(kMax / 2, sparsedrop_row_kept_count(kMax, kMax / 2, 3, 1));
  EXPECT_EQ(1, sparsedrop_row_kept_count(kMax, kMax / 2, 3, 2));
  EXPECT_EQ(0, sparsedrop_row_kept_count(kMax, kMax, kMax, kMax - 1));
  int64_t kept[3] = {-1, -1, -1};
  EXPECT_EQ(1, sparsedrop_row_kept_indices(3, 1, kMax, 2, kept));
  EXPECT_EQ(2, kept[0]);
  EXPECT_EQ(3, sparsedrop_row_kept_indices(3, kMax, 1, 0, kept));
  EXPECT_EQ(2, kept[2]);
}

struct Grid {
  int64_t rows, cols, tileRows, tileCols;
};

/// Compares mask and kept tiles with the definitions in sparsedrop_tile_order.
void checkTiles(const Grid &g, int32_t order, int64_t period, int64_t bias) {
  int64_t columns = (g.cols + g.tileCols - 1) / g.tileCols;
  auto isKept = [&](int64_t r, int64_t c) {
    int64_t unit = order == SPARSEDROP_TILE_LINEAR ? r * columns + c : r + c;
    return unit % period == bias;
  };
  std::vector<uint8_t> mask(static_cast<size_t>(g.rows * g.cols) + 1, 7);
  sparsedrop_tile_mask(g.rows, g.cols, g.tileRows, g.tileCols, order, period,
                       bias, mask.data());
  EXPECT_EQ(7, mask.back());
  std::set<int64_t> tiles;
  for (int64_t i = 0; i < g.rows; ++i)
    for (int64_t j = 0; j < g.cols; ++j) {
      int64_t r = i / g.tileRows, c = j / g.tileCols;
      ASSERT_EQ(isKept(r, c), mask[static_cast<size_t>(i * g.cols + j)]);
      if (isKept(r, c))
        tiles.insert(r * columns + c);
    }
  auto count = static_cast<int64_t>(tiles.size());
  ASSERT_EQ(count,
            sparsedrop_tile_kept_tiles(g.rows, g.cols, g.tileRows, g.tileCols,
                                       order, period, bias, nullptr));
  std::vector<int64_t> kept(tiles.size());
  ASSERT_EQ(count,
            sparsedrop_tile_kept_tiles(g.rows, g.cols, g.tileRows, g.tileCols,
                                       order, period, bias, kept.data()));
  EXPECT_EQ(std::vector<int64_t>(tiles.begin(), tiles.end()), kept);
}

TEST(TilePattern, MaskAndTilesByDefinition) {
  for (Grid grid : {Grid{1, 1, 32, 32}, Grid{96, 70, 32, 32},
                    Grid{12, 12, 3, 2}, Grid{13, 17, 3, 2}, Grid{5, 9, 1, 1},
                    Grid{7, 40, 4, 5}, Grid{0, 4, 2, 2}, Grid{4, 0, 2, 2}})
    for (int32_t order : {SPARSEDROP_TILE_SKEWED, SPARSEDROP_TILE_LINEAR})
      for (int64_t period = 1; period <= 12; ++period)
        for (int64_t bias = 0; bias < period; ++bias)
          ASSERT_NO_FATAL_FAILURE(checkTiles(grid, order, period, bias))
              << grid.rows << "x" << grid.cols << " order " << order << " "
              << period << " " << bias;
}

/// Number of different sets of kept columns among the tile rows.
size_t countDistinctRows(const sampling::TileGrid &grid, int64_t period) {
  std::set<std::vector<bool>> rows;
  for (int64_t r = 0; r < grid.countTileRows(); ++r) {
    std::vector<bool> row;
    for (int64_t c = 0; c < grid.countTileCols(); ++c)
      row.push_back(grid.isKept({period, 0}, r, c));
    rows.insert(row);
  }
  return rows.size();
}

TEST(TilePattern, ClassesAreDistinctRows) {
  for (bool linear : {false, true})
    for (int64_t columns = 1; columns <= 20; ++columns)
      for (int64_t period = 1; period <= columns; ++period) {
        // As many tile rows as there can be classes.
        sampling::TileGrid grid{period * 2, columns * 3, 2, 3, linear};
        EXPECT_EQ(countDistinctRows(grid, period),
                  sampling::countTileClasses(grid, period))
            << linear << " " << columns << " " << period;
        EXPECT_EQ(linear ? columns * period : columns, grid.countUnits());
      }
}

TEST(Patterns, BadSizesFailAndWriteNothing) {
  struct Case {
    int64_t extent, granularity, period, bias;
  };
  for (Case c : {Case{-1, 1, 1, 0}, Case{4, 0, 1, 0}, Case{4, 1, 0, 0},
                 Case{4, 1, 2, 2}, Case{4, 1, 2, -1}, Case{4, -3, 2, 1}}) {
    uint8_t mask = 7;
    int64_t kept = -7;
    sparsedrop_enter();
    EXPECT_EQ(0, sparsedrop_row_kept_count(c.extent, c.granularity, c.period,
                                           c.bias));
    EXPECT_EQ(1, sparsedrop_leave());
    sparsedrop_enter();
    EXPECT_EQ(0, sparsedrop_row_kept_indices(c.extent, c.granularity, c.period,
                                             c.bias, &kept));
    sparsedrop_row_mask(c.extent, c.granularity, c.period, c.bias, &mask);
    sparsedrop_tile_mask(4, c.extent, 1, c.granularity, SPARSEDROP_TILE_LINEAR,
                         c.period, c.bias, &mask);
    EXPECT_EQ(0, sparsedrop_tile_kept_tiles(c.extent, 4, c.granularity, 1,
                                            SPARSEDROP_TILE_SKEWED, c.period,
                                            c.bias, &kept));
    EXPECT_EQ(1, sparsedrop_leave());
    EXPECT_EQ(7, mask);
    EXPECT_EQ(-7, kept);
  }
  sparsedrop_enter();
  EXPECT_EQ(0, sparsedrop_tile_kept_tiles(4, 4, 1, 1, 2, 2, 0, nullptr));
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_STREQ("unknown tile order 2", sparsedrop_last_error());
}

/// How often each unit was kept in `steps` draws.
std::vector<int64_t> countKept(const std::vector<int32_t> &millionths,
                               int64_t extent, int64_t granularity,
                               int64_t steps) {
  std::vector<int64_t> counts(static_cast<size_t>(extent));
  std::vector<int64_t> kept(counts.size());
  int64_t units = (extent + granularity - 1) / granularity;
  uint64_t hash = sparsedrop_site_hash("statistics", 10);
  for (int64_t step = 0; step < steps; ++step) {
    int64_t packed =
        sparsedrop_draw(2022, step, hash, millionths.data(),
                        static_cast<int64_t>(millionths.size()), units);
    int64_t count = sparsedrop_row_kept_indices(
        extent, granularity, packed & 0xffffffff, packed >> 32, kept.data());
    for (int64_t k = 0; k < count; ++k)
      ++counts[static_cast<size_t>(kept[static_cast<size_t>(k)])];
  }
  return counts;
}

// Paper, section A.7: each unit is dropped with probability sum d_i (i-1)/i,
// also in a dimension whose extent no period divides. A count of n independent
// draws has the standard deviation sqrt(p (1 - p) n); the seed is fixed, so the
// test either always passes or never.
TEST(Draw, EachUnitIsDroppedAtTheMeanRate) {
  constexpr int64_t kSteps = 100000;
  const std::vector<int32_t> distributions[] = {
      {220700, 250700, 261500, 267100},
      {571300, 123400, 74000, 57300, 49200, 44400, 41300, 39100},
      {0, 0, 400000, 0, 600000}};
  for (const std::vector<int32_t> &millionths : distributions) {
    double rate = 0;
    for (size_t i = 0; i < millionths.size(); ++i)
      rate += millionths[i] * 1e-6 * static_cast<double>(i) /
              static_cast<double>(i + 1);
    double sigma = std::sqrt(rate * (1 - rate) * kSteps);
    for (auto [extent, granularity] :
         {std::pair{8, 1}, {13, 1}, {31, 1}, {47, 4}}) {
      std::vector<int64_t> kept =
          countKept(millionths, extent, granularity, kSteps);
      for (size_t j = 0; j < kept.size(); ++j)
        EXPECT_NEAR(static_cast<double>(kSteps - kept[j]), rate * kSteps,
                    4 * sigma)
            << "unit " << j << " of " << extent;
    }
  }
}

} // namespace
