//===- sparsedrop-search.cpp - Drop rate in, distribution out -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Report.h"

#include <cstdio>

using namespace sparsedrop::search;

static int fail(const std::string &message) {
  std::fprintf(stderr, "sparsedrop-search: error: %s\n", message.c_str());
  return 1;
}

int main(int argc, char **argv) {
  Options options;
  Report report;
  std::string message, text;
  if (!parseOptions(argc - 1, argv + 1, options, message))
    return fail(message);
  // Nothing is printed before all is known to be well.
  if (options.help)
    text = getHelp();
  else if (!search(options, report, message))
    return fail(message);
  else
    text = options.json ? formatJson(report) : formatTable(report);
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
    return fail("cannot write the output");
  return 0;
}
