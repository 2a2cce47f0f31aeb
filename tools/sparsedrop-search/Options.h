//===- Options.h - Command line of sparsedrop-search ------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_SEARCH_OPTIONS_H
#define SPARSEDROP_TOOLS_SEARCH_OPTIONS_H

#include <cstdint>
#include <string>
#include <vector>

namespace sparsedrop::search {

/// The command line. A number that is 0 was not given.
struct Options {
  bool help = false;
  bool hasRate = false;
  double rate = 0;
  int64_t maxPeriod = 0;
  std::vector<int64_t> periods; ///< candidates; none: 1 to maxPeriod
  bool maxent = false;
  bool json = false;
  int64_t jointKeep = 0; ///< longest distance of the joint-keep curve
  int64_t units = 0;     ///< units of the dimension
};

/// The text of --help.
const char *getHelp();

/// Reads the arguments after the program's name, `--name=value` or
/// `--name value`. False, with one line in `message`, when one is unknown,
/// misses its value or has a bad one, or when --rate is missing.
bool parseOptions(int argc, const char *const *argv, Options &options,
                  std::string &message);

} // namespace sparsedrop::search

#endif // SPARSEDROP_TOOLS_SEARCH_OPTIONS_H
