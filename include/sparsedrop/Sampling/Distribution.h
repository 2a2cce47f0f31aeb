//===- Distribution.h - Distributions over periods --------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_SAMPLING_DISTRIBUTION_H
#define SPARSEDROP_SAMPLING_DISTRIBUTION_H

#include <cstdint>
#include <string>

namespace sparsedrop::sampling {

/// Entry i of a distribution is the probability of period i + 1.
///
/// Rounds `count` probabilities to millionths that sum to exactly 1,000,000, by
/// largest remainders, ties to the lower index; zero stays zero. False, with
/// the reason in `message`, when an entry is negative or not finite or the sum
/// is off from 1 by more than 1e-6.
bool roundToMillionths(const double *probability, int64_t count,
                       int32_t *millionths, std::string &message);

/// Mean drop rate: sum of d_i (i - 1) / i.
double meanRate(const int32_t *millionths, int64_t count);

/// Probability that two units `delta` apart are both kept: the sum of d_i / i
/// over periods i that divide delta (paper, section A.7).
double jointKeep(const int32_t *millionths, int64_t count, int64_t delta);

/// Mean of the kept count to the power `power` over all draws for a dimension
/// of `extent` units in granules of `granularity`.
double expectedKept(const int32_t *millionths, int64_t count, int64_t extent,
                    int64_t granularity, int power);

} // namespace sparsedrop::sampling

#endif // SPARSEDROP_SAMPLING_DISTRIBUTION_H
