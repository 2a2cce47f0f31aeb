//===- Channel.h - Choice of channels ---------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_SAMPLING_CHANNEL_H
#define SPARSEDROP_SAMPLING_CHANNEL_H

#include <cstdint>
#include <string>

namespace sparsedrop::sampling {

/// Channels kept at drop rate `rate`: max(m, m * round((1 - rate) C / m)) with
/// m = multiple, at most C (paper, section C.3). Halves round up. Needs a rate
/// in [0, 1] and a multiple of at least 1.
int64_t channelCount(double rate, int64_t channels, int64_t multiple);

/// What a choice of channels is made from; see sparsedrop_sample_channels.
struct ChannelDraw {
  int64_t seed, step;
  uint64_t siteHash;
  const float *sensitivity; ///< null: all equal
  int64_t stride;
  int64_t channels, granularity, count;
  double tau; ///< not 0; below 0 the least sensitive are kept
};

/// Chooses by Gumbel-top-k: writes the kept channels in ascending order,
/// returns their number; -1 with the reason in `message` on bad input.
int64_t sampleChannels(const ChannelDraw &request, int64_t *kept,
                       std::string &message);

/// The scale that keeps the energy of a layer's input (paper, section C.3):
/// the importances of all channels over those of the `count` kept ones, at
/// least 1 and at most channels / count, which it is where the kept ones have
/// none. 1 with the reason in `message` where an importance is negative or not
/// finite.
double energyScale(const float *importance, int64_t stride, int64_t channels,
                   const int64_t *kept, int64_t count, std::string &message);

} // namespace sparsedrop::sampling

#endif // SPARSEDROP_SAMPLING_CHANNEL_H
