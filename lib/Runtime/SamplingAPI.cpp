//===- SamplingAPI.cpp - C ABI: draws, kept units, masks ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"
#include "sparsedrop/Sampling/Channel.h"
#include "sparsedrop/Sampling/Distribution.h"
#include "sparsedrop/Sampling/Pattern.h"
#include "sparsedrop/Sampling/Philox.h"

#include "Error.h"

#include <algorithm>
#include <numeric>

using namespace sparsedrop;

int32_t sparsedrop_runtime_version() { return SPARSEDROP_RUNTIME_VERSION; }

//===----------------------------------------------------------------------===//
// Random bits
//===----------------------------------------------------------------------===//

uint64_t sparsedrop_site_hash(const char *site, size_t length) {
  return sampling::siteHash(site, length);
}

uint64_t sparsedrop_site_hash_index(uint64_t hash, int64_t index) {
  return sampling::siteHashIndex(hash, index);
}

void sparsedrop_philox4x32_10(const uint32_t key[2], const uint32_t counter[4],
                              uint32_t out[4]) {
  sampling::Words words = sampling::philox4x32(
      {key[0], key[1]}, {counter[0], counter[1], counter[2], counter[3]});
  std::copy(words.begin(), words.end(), out);
}

//===----------------------------------------------------------------------===//
// Draws
//===----------------------------------------------------------------------===//

static int64_t pack(sampling::RowPattern pattern) {
  return pattern.period | pattern.bias << 32;
}

/// The dense pattern, after a failure.
static int64_t failDense(const std::string &message) {
  sparsedrop_fail(message.c_str());
  return pack({1, 0});
}

int64_t sparsedrop_draw(int64_t seed, int64_t step, uint64_t siteHash,
                        const int32_t *millionths, int64_t count,
                        int64_t units) {
  int64_t longest = sampling::longestPeriod(millionths, count);
  if (longest > std::max<int64_t>(units, 1))
    return failDense("the distribution gives period " +
                     std::to_string(longest) +
                     " a probability, but there are only " +
                     std::to_string(units) + " units");
  return pack(sampling::draw(seed, step, siteHash, millionths, count));
}

int64_t sparsedrop_check_pattern(int64_t period, int64_t bias, int64_t units) {
  if (period < 1 || period > std::max<int64_t>(units, 1))
    return failDense("expected a period between 1 and " +
                     std::to_string(units) + ", the number of units, but got " +
                     std::to_string(period));
  if (bias < 0 || bias >= period)
    return failDense("expected a bias of at least 0 and less than the period " +
                     std::to_string(period) + ", but got " +
                     std::to_string(bias));
  return pack({period, bias});
}

int64_t sparsedrop_sample_channels(int64_t seed, int64_t step,
                                   uint64_t siteHash, const float *sensitivity,
                                   int64_t stride, int64_t channels,
                                   int64_t granularity, int64_t count,
                                   double tau, int64_t *kept) {
  std::string message;
  int64_t result = sampling::sampleChannels({seed, step, siteHash, sensitivity,
                                             stride, channels, granularity,
                                             count, tau},
                                            kept, message);
  if (result >= 0)
    return result;
  sparsedrop_fail(message.c_str());
  std::iota(kept, kept + channels, 0);
  return channels;
}

int64_t sparsedrop_channel_count(double rate, int64_t channels,
                                 int64_t multiple) {
  return sampling::channelCount(rate, channels, multiple);
}

//===----------------------------------------------------------------------===//
// Kept units and masks
//===----------------------------------------------------------------------===//

int64_t sparsedrop_row_kept_count(int64_t extent, int64_t granularity,
                                  int64_t period, int64_t bias) {
  return sampling::keptCount(extent, granularity, {period, bias});
}

int64_t sparsedrop_row_kept_indices(int64_t extent, int64_t granularity,
                                    int64_t period, int64_t bias,
                                    int64_t *indices) {
  return sampling::keptIndices(extent, granularity, {period, bias}, indices);
}

void sparsedrop_row_mask(int64_t extent, int64_t granularity, int64_t period,
                         int64_t bias, uint8_t *mask) {
  sampling::rowMask(extent, granularity, {period, bias}, mask);
}

static sampling::TileGrid makeGrid(int64_t rows, int64_t cols,
                                   int64_t tileRows, int64_t tileCols,
                                   int32_t order) {
  return {rows, cols, tileRows, tileCols, order == SPARSEDROP_TILE_LINEAR};
}

void sparsedrop_tile_mask(int64_t rows, int64_t cols, int64_t tileRows,
                          int64_t tileCols, int32_t order, int64_t period,
                          int64_t bias, uint8_t *mask) {
  sampling::tileMask(makeGrid(rows, cols, tileRows, tileCols, order),
                     {period, bias}, mask);
}

int64_t sparsedrop_tile_kept_tiles(int64_t rows, int64_t cols,
                                   int64_t tileRows, int64_t tileCols,
                                   int32_t order, int64_t period, int64_t bias,
                                   int64_t *tiles) {
  return sampling::keptTiles(makeGrid(rows, cols, tileRows, tileCols, order),
                             {period, bias}, tiles);
}
