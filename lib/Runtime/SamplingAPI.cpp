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
#include <limits>
#include <numeric>
#include <string>

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

/// Both are below 2^31: see kMaxCount.
static int64_t pack(sampling::RowPattern pattern) {
  return pattern.period | pattern.bias << 32;
}

/// Largest period and longest distribution that the packed result can hold.
static constexpr int64_t kMaxCount = std::numeric_limits<int32_t>::max();

static std::string text(int64_t value) { return std::to_string(value); }

/// The dense pattern, after a failure.
static int64_t failDense(const std::string &message) {
  sparsedrop_fail(message.c_str());
  return pack({1, 0});
}

/// Whether `millionths` are at least 0 and sum to 1,000,000. A draw from others
/// would silently have another rate.
static bool isDistribution(const int32_t *millionths, int64_t count) {
  if (!millionths || count < 1 || count > kMaxCount)
    return false;
  int64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (millionths[i] < 0)
      return false;
    sum += millionths[i];
  }
  return sum == 1000000;
}

// An empty dimension has no units; the dense pattern is the only one it takes.

int64_t sparsedrop_draw(int64_t seed, int64_t step, uint64_t siteHash,
                        const int32_t *millionths, int64_t count,
                        int64_t units) {
  if (!isDistribution(millionths, count))
    return failDense("expected a distribution of millionths that are at least "
                     "0 and sum to 1000000");
  int64_t longest = sampling::longestPeriod(millionths, count);
  if (longest > std::max<int64_t>(units, 1))
    return failDense("the distribution gives period " + text(longest) +
                     " a probability, but there are only " + text(units) +
                     " units");
  return pack(sampling::draw(seed, step, siteHash, millionths, count));
}

int64_t sparsedrop_tile_row_period(int64_t period, int64_t columns) {
  if (period < 1 || columns < 0)
    return 1;
  return period / std::gcd(columns, period);
}

int64_t sparsedrop_check_pattern(int64_t period, int64_t bias, int64_t units) {
  int64_t longest = std::min(std::max<int64_t>(units, 1), kMaxCount);
  if (period < 1 || period > longest)
    return failDense("expected a period between 1 and " + text(longest) +
                     " (the number of units is " + text(units) + "), but got " +
                     text(period));
  if (bias < 0 || bias >= period)
    return failDense("expected a bias of at least 0 and less than the period " +
                     text(period) + ", but got " + text(bias));
  return pack({period, bias});
}

/// Whether there is memory for a list. There are no patterns of more channels
/// than periods can count, and what is multiplied here does not overflow.
static bool hasRoom(const int64_t *list, int64_t channels) {
  if (list && channels <= kMaxCount)
    return true;
  sparsedrop_fail(
      ("there is no list of " + text(channels) + " channels").c_str());
  return false;
}

int64_t sparsedrop_sample_channels(int64_t seed, int64_t step,
                                   uint64_t siteHash, const float *sensitivity,
                                   int64_t stride, int64_t channels,
                                   int64_t granularity, int64_t count,
                                   double tau, int64_t *kept) {
  if (!hasRoom(kept, channels))
    return 0;
  std::string message;
  int64_t result =
      sampling::sampleChannels({seed, step, siteHash, sensitivity, stride,
                                channels, granularity, count, tau},
                               kept, message);
  if (result >= 0)
    return result;
  sparsedrop_fail(message.c_str());
  channels = std::max<int64_t>(channels, 0);
  std::iota(kept, kept + channels, 0);
  return channels;
}

/// What is wrong with a list of kept channels; empty if nothing is.
static std::string checkList(const int64_t *wanted, int64_t count,
                             int64_t channels) {
  if (count < 1)
    return "expected a list of at least one kept channel";
  for (int64_t i = 0; i < count; ++i) {
    if (wanted[i] < 0 || wanted[i] >= channels)
      return "expected kept channels of at least 0 and less than " +
             text(channels) + ", but entry " + text(i) + " is " +
             text(wanted[i]);
    if (i > 0 && wanted[i] <= wanted[i - 1])
      return "expected kept channels in ascending order without repeats, but "
             "entry " +
             text(i) + " is " + text(wanted[i]) + " after " +
             text(wanted[i - 1]);
  }
  return "";
}

/// The second part of a list, the places, and its end.
static int64_t finishList(int64_t *list, int64_t count, int64_t channels) {
  std::fill_n(list + channels, channels, int64_t(-1));
  for (int64_t i = 0; i < count; ++i)
    list[channels + list[i]] = i;
  return list[2 * channels] = count;
}

int64_t sparsedrop_list_channels(const int64_t *wanted, int64_t count,
                                 int64_t channels, int64_t *list) {
  channels = std::max<int64_t>(channels, 0);
  if (!hasRoom(list, channels))
    return 0;
  std::string problem = checkList(wanted, count, channels);
  if (channels == 0) {
    count = 0;
  } else if (!problem.empty()) {
    sparsedrop_fail(problem.c_str());
    count = channels;
    std::iota(list, list + channels, 0);
  } else if (list != wanted) {
    std::copy_n(wanted, count, list);
  }
  return finishList(list, count, channels);
}

int64_t sparsedrop_slice_channels(const int64_t *list, int64_t channels,
                                  int64_t offset, int64_t extent,
                                  int64_t *slice) {
  channels = std::max<int64_t>(channels, 0);
  extent = std::max<int64_t>(extent, 0);
  if (!hasRoom(list, channels) || !hasRoom(slice, extent))
    return 0;
  if (offset < 0 || offset > channels || extent > channels - offset) {
    std::string message = "expected a slice of the " + text(channels) +
                          " channels, but got " + text(extent) + " from " +
                          text(offset) + " on";
    sparsedrop_fail(message.c_str());
    std::iota(slice, slice + extent, 0);
    return finishList(slice, extent, extent);
  }
  const int64_t *end = list + list[2 * channels];
  const int64_t *first = std::lower_bound(list, end, offset);
  const int64_t *last = std::lower_bound(first, end, offset + extent);
  std::transform(first, last, slice,
                 [&](int64_t channel) { return channel - offset; });
  return finishList(slice, last - first, extent);
}

int64_t sparsedrop_channel_count(double rate, int64_t channels,
                                 int64_t multiple) {
  if (rate >= 0 && rate <= 1 && channels >= 0 && multiple >= 1)
    return sampling::channelCount(rate, channels, multiple);
  sparsedrop_fail("expected a rate in [0, 1], no negative number of channels "
                  "and a multiple of at least 1");
  return channels;
}

//===----------------------------------------------------------------------===//
// Kept units and masks
//===----------------------------------------------------------------------===//

/// Fails unless `period` and `bias` are a pattern and the sizes are sizes.
static bool checkSizes(int64_t extent, int64_t granularity, int64_t period,
                       int64_t bias) {
  if (extent >= 0 && granularity >= 1 && bias >= 0 && bias < period)
    return true;
  std::string message = "expected an extent of at least 0, a granularity of "
                        "at least 1 and 0 <= bias < period, but got extent " +
                        text(extent) + ", granularity " + text(granularity) +
                        ", period " + text(period) + ", bias " + text(bias);
  sparsedrop_fail(message.c_str());
  return false;
}

int64_t sparsedrop_row_kept_count(int64_t extent, int64_t granularity,
                                  int64_t period, int64_t bias) {
  if (!checkSizes(extent, granularity, period, bias))
    return 0;
  return sampling::keptCount(extent, granularity, {period, bias});
}

int64_t sparsedrop_row_kept_indices(int64_t extent, int64_t granularity,
                                    int64_t period, int64_t bias,
                                    int64_t *indices) {
  if (!checkSizes(extent, granularity, period, bias))
    return 0;
  return sampling::keptIndices(extent, granularity, {period, bias}, indices);
}

void sparsedrop_row_mask(int64_t extent, int64_t granularity, int64_t period,
                         int64_t bias, uint8_t *mask) {
  if (checkSizes(extent, granularity, period, bias))
    sampling::rowMask(extent, granularity, {period, bias}, mask);
}

/// Fails unless the sizes are sizes, the pattern is one and the order is known.
static bool checkGrid(int64_t rows, int64_t cols, int64_t tileRows,
                      int64_t tileCols, int32_t order, int64_t period,
                      int64_t bias) {
  if (!checkSizes(rows, tileRows, period, bias) ||
      !checkSizes(cols, tileCols, period, bias))
    return false;
  if (order == SPARSEDROP_TILE_SKEWED || order == SPARSEDROP_TILE_LINEAR)
    return true;
  sparsedrop_fail(("unknown tile order " + text(order)).c_str());
  return false;
}

static sampling::TileGrid makeGrid(int64_t rows, int64_t cols, int64_t tileRows,
                                   int64_t tileCols, int32_t order) {
  return {rows, cols, tileRows, tileCols, order == SPARSEDROP_TILE_LINEAR};
}

void sparsedrop_tile_mask(int64_t rows, int64_t cols, int64_t tileRows,
                          int64_t tileCols, int32_t order, int64_t period,
                          int64_t bias, uint8_t *mask) {
  if (checkGrid(rows, cols, tileRows, tileCols, order, period, bias))
    sampling::tileMask(makeGrid(rows, cols, tileRows, tileCols, order),
                       {period, bias}, mask);
}

int64_t sparsedrop_tile_kept_tiles(int64_t rows, int64_t cols, int64_t tileRows,
                                   int64_t tileCols, int32_t order,
                                   int64_t period, int64_t bias,
                                   int64_t *tiles) {
  if (!checkGrid(rows, cols, tileRows, tileCols, order, period, bias))
    return 0;
  return sampling::keptTiles(makeGrid(rows, cols, tileRows, tileCols, order),
                             {period, bias}, tiles);
}
