//===- Report.h - Results of a distribution search --------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_SEARCH_REPORT_H
#define SPARSEDROP_TOOLS_SEARCH_REPORT_H

#include "Options.h"

#include <vector>

namespace sparsedrop::search {

/// What was found, and what follows from it.
struct Report {
  Options options;
  std::vector<double> probabilities; ///< of periods 1, 2, ...
  std::vector<int32_t> millionths;   ///< the same as draws use them
  int64_t steps = 0;                 ///< of gradient descent
  double milliseconds = 0;           ///< of the search
  double meanRate = 0;               ///< of the millionths
  double entropy = 0;                ///< of the millionths, in nats
  double keptFraction = 0;           ///< expected, of the units given
  int64_t patterns = 0; ///< sub-networks: (period, bias) that can be drawn
};

/// Searches and fills a report; false, with one line in `message`, when the
/// rate cannot be reached.
bool search(const Options &options, Report &report, std::string &message);

/// The report as text for people.
std::string formatTable(const Report &report);

/// The report as one JSON object; numbers have all their digits.
std::string formatJson(const Report &report);

} // namespace sparsedrop::search

#endif // SPARSEDROP_TOOLS_SEARCH_REPORT_H
