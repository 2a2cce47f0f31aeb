//===- Pattern.h - Drawn patterns -------------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_SAMPLING_PATTERN_H
#define SPARSEDROP_SAMPLING_PATTERN_H

#include <cstdint>

namespace sparsedrop::sampling {

/// Keep unit j of granularity g iff (j div g) mod period == bias.
struct RowPattern {
  int64_t period = 1;
  int64_t bias = 0;
};

/// Tiles of a rows x cols weight, the last ones cropped.
struct TileGrid {
  int64_t rows, cols;
  int64_t tileRows, tileCols;
  bool linear; ///< count tiles row by row; else skewed, (r + c) mod period

  int64_t countTileRows() const {
    return rows / tileRows + (rows % tileRows != 0);
  }
  int64_t countTileCols() const {
    return cols / tileCols + (cols % tileCols != 0);
  }
  /// Units a period may not exceed: the tile columns in skewed order, so that
  /// every tile row keeps something; all tiles in linear order.
  int64_t countUnits() const {
    return linear ? countTileRows() * countTileCols() : countTileCols();
  }
  bool isKept(RowPattern pattern, int64_t tileRow, int64_t tileCol) const {
    int64_t unit = (linear ? tileRow * countTileCols() : tileRow) + tileCol;
    return unit % pattern.period == pattern.bias;
  }
};

/// Draws for (seed, step, site): period = the first i with
/// (x0 * 10^6) >> 32 < cumulative millionths, bias = (x1 * period) >> 32.
RowPattern draw(int64_t seed, int64_t step, uint64_t siteHash,
                const int32_t *millionths, int64_t count);

/// The longest period that has a probability; 1 if there is none.
int64_t longestPeriod(const int32_t *millionths, int64_t count);

/// Number of kept units of `extent`. Here and below: extent >= 0, granularity
/// and tile sizes >= 1, 0 <= bias < period.
int64_t keptCount(int64_t extent, int64_t granularity, RowPattern pattern);

/// Writes the kept units in ascending order; returns their number.
int64_t keptIndices(int64_t extent, int64_t granularity, RowPattern pattern,
                    int64_t *indices);

/// mask[j] = 1 where unit j is kept, else 0.
void rowMask(int64_t extent, int64_t granularity, RowPattern pattern,
             uint8_t *mask);

/// Row-major mask of the weight's elements.
void tileMask(const TileGrid &grid, RowPattern pattern, uint8_t *mask);

/// Number of classes of tile rows that keep the same columns: the period in
/// skewed order, period / gcd(C, period) in linear order with C tile columns.
/// A tile-dropped product is that many dense ones.
int64_t countTileClasses(const TileGrid &grid, int64_t period);

/// Writes the kept tiles r * C + c in ascending order (unless null); returns
/// their number.
int64_t keptTiles(const TileGrid &grid, RowPattern pattern, int64_t *tiles);

} // namespace sparsedrop::sampling

#endif // SPARSEDROP_SAMPLING_PATTERN_H
