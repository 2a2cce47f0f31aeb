//===- Options.h - Command line of sparsedrop-ptx ---------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_PTX_OPTIONS_H
#define SPARSEDROP_TOOLS_PTX_OPTIONS_H

#include "Machine.h"

#include <string>
#include <vector>

namespace sparsedrop::ptxtool {

/// What the command line says.
struct Options {
  std::string file;
  std::string kernel;
  ptx::Dim3 grid, block, cluster;
  bool hasCluster = false;
  uint32_t shared = 0;
  std::vector<std::string> arguments;
  uint32_t checks = ptx::kAllChecks;
  bool lists = false, showsHelp = false, showsVersion = false;
  bool showsStatistics = false, traces = false, showsTime = false;
  std::string statisticsFile, traceFile; ///< empty: standard output
  unsigned threads = 0;
  uint64_t seed = 0, maxInstructions = 0, repeat = 1;
};

const char *getHelp();

/// Reads the arguments of main; returns what is wrong with them, else "".
std::string parseOptions(int count, char **words, Options &options);

} // namespace sparsedrop::ptxtool

#endif // SPARSEDROP_TOOLS_PTX_OPTIONS_H
