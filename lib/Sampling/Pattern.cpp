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

using namespace sparsedrop::sampling;

RowPattern sparsedrop::sampling::draw(int64_t seed, int64_t step,
                                      uint64_t siteHash,
                                      const int32_t *millionths,
                                      int64_t count) {
  Words words = drawWords(seed, step, siteHash);
  auto threshold =
      static_cast<int64_t>((uint64_t{words[0]} * 1000000u) >> 32);
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

int64_t sparsedrop::sampling::keptCount(int64_t extent, int64_t granularity,
                                        RowPattern pattern) {
  int64_t units = (extent + granularity - 1) / granularity;
  if (pattern.bias >= units)
    return 0;
  int64_t kept = 1 + (units - 1 - pattern.bias) / pattern.period;
  bool lastIsKept = (units - 1) % pattern.period == pattern.bias;
  return kept * granularity -
         (lastIsKept ? units * granularity - extent : 0);
}

/// Calls `visit(j)` for each kept unit j.
template <typename Visit>
static void forEachKept(int64_t extent, int64_t granularity,
                        RowPattern pattern, Visit visit) {
  for (int64_t block = pattern.bias; block * granularity < extent;
       block += pattern.period) {
    int64_t end = std::min(extent, (block + 1) * granularity);
    for (int64_t j = block * granularity; j < end; ++j)
      visit(j);
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
  for (int64_t i = 0; i < grid.rows; ++i)
    for (int64_t j = 0; j < grid.cols; ++j)
      mask[i * grid.cols + j] =
          grid.isKept(pattern, i / grid.tileRows, j / grid.tileCols);
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
