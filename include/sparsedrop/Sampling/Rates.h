//===- Rates.h - Drop rates of layers over time -----------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_SAMPLING_RATES_H
#define SPARSEDROP_SAMPLING_RATES_H

#include <cstdint>
#include <string>
#include <vector>

namespace sparsedrop::sampling {

/// When channels are dropped; see sparsedrop_schedule.
struct Schedule {
  double rate;
  int64_t warmup, ramp, refresh;
};

/// The drop rate of a step; -1 with the reason in `message` on bad input.
double scheduledRate(const Schedule &schedule, int64_t step,
                     std::string &message);

/// A layer that shares a budget; see sparsedrop_layer.
struct Layer {
  const float *sensitivity;
  int64_t channels;
  double flops;
};

/// The drop rates of layers under one budget; see sparsedrop_layer_rates. Empty
/// with the reason in `message` on bad input.
std::vector<double> layerRates(const std::vector<Layer> &layers, double rate,
                               double cap, std::string &message);

} // namespace sparsedrop::sampling

#endif // SPARSEDROP_SAMPLING_RATES_H
