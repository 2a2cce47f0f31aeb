//===- Pattern.cpp - Drawn patterns ---------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Sampling/Pattern.h"

#include "sparsedrop/Sampling/Philox.h"

#include <algorithm>
#include <numeric>

using namespace sparsedrop::sampling;

RowPattern sparsedrop::sampling::draw(int64_t seed, int64_t step,
                                      uint64_t siteHash,
                                      const int32_t *millionths,
                                      int64_t count) {
  Words words = drawWords(seed, step, siteHash);
  auto threshold = static_cast<int64_t>((uint64_t{words[0]} * 1000000u) >> 32);
  RowPattern pattern;
  int64_t cumulative = 0;
  for (int64_t i = 0; i < count; ++i) {
    cumulative += millionths[i];
    if (threshold < cumulative) {
      pattern.period = i + 1;
      break;
    }
  }
  pattern.bias = static_cast<int64_t>(
      (uint64_t{words[1]} * static_cast<uint64_t>(pattern.period)) >> 32);
  return pattern;
}

int64_t sparsedrop::sampling::longestPeriod(const int32_t *millionths,
                                            int64_t count) {
  for (int64_t period = count; period > 1; --period)
    if (millionths[period - 1] > 0)
      return period;
  return 1;
}

/// Number of blocks of `granularity`, the last of which may be partial.
static int64_t countBlocks(int64_t extent, int64_t granularity) {
  return extent / granularity + (extent % granularity != 0);
}

int64_t sparsedrop::sampling::keptCount(int64_t extent, int64_t granularity,
                                        RowPattern pattern) {
  int64_t blocks = countBlocks(extent, granularity);
  if (pattern.bias >= blocks)
    return 0;
  int64_t kept = 1 + (blocks - 1 - pattern.bias) / pattern.period;
  if ((blocks - 1) % pattern.period != pattern.bias)
    return kept * granularity;
  int64_t last = extent - (blocks - 1) * granularity;
  return (kept - 1) * granularity + last;
}

/// Calls `visit(j)` for each kept unit j.
template <typename Visit>
static void forEachKept(int64_t extent, int64_t granularity, RowPattern pattern,
                        Visit visit) {
  int64_t blocks = countBlocks(extent, granularity);
  for (int64_t block = pattern.bias; block < blocks; block += pattern.period) {
    int64_t begin = block * granularity;
    int64_t end = begin + std::min(granularity, extent - begin);
    for (int64_t j = begin; j < end; ++j)
      visit(j);
    if (pattern.period >= blocks - block)
      break;
  }
}

int64_t sparsedrop::sampling::keptIndices(int64_t extent, int64_t granularity,
                                          RowPattern pattern,
                                          int64_t *indices) {
  int64_t count = 0;
  forEachKept(extent, granularity, pattern,
              [&](int64_t j) { indices[count++] = j; });
  return count;
}

void sparsedrop::sampling::rowMask(int64_t extent, int64_t granularity,
                                   RowPattern pattern, uint8_t *mask) {
  std::fill(mask, mask + extent, uint8_t{0});
  forEachKept(extent, granularity, pattern, [&](int64_t j) { mask[j] = 1; });
}

void sparsedrop::sampling::tileMask(const TileGrid &grid, RowPattern pattern,
                                    uint8_t *mask) {
  for (int64_t i = 0; i < grid.rows; ++i, mask += grid.cols) {
    // The rows of a tile are alike.
    if (i % grid.tileRows != 0) {
      std::copy(mask - grid.cols, mask, mask);
      continue;
    }
    for (int64_t j = 0; j < grid.cols; ++j)
      mask[j] = grid.isKept(pattern, i / grid.tileRows, j / grid.tileCols);
  }
}

int64_t sparsedrop::sampling::countTileClasses(const TileGrid &grid,
                                               int64_t period) {
  return grid.linear ? period / std::gcd(grid.countTileCols(), period) : period;
}

int64_t sparsedrop::sampling::keptTiles(const TileGrid &grid,
                                        RowPattern pattern, int64_t *tiles) {
  int64_t count = 0;
  int64_t columns = grid.countTileCols();
  for (int64_t r = 0, rows = grid.countTileRows(); r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      if (!grid.isKept(pattern, r, c))
        continue;
      if (tiles)
        tiles[count] = r * columns + c;
      ++count;
    }
  return count;
}
