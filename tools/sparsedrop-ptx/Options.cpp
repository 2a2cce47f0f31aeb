//===- Options.cpp - Command line of sparsedrop-ptx -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"

#include "Arguments.h"

using namespace sparsedrop;
using namespace sparsedrop::ptxtool;

const char *sparsedrop::ptxtool::getHelp() {
  return "sparsedrop-ptx: runs a kernel of a PTX file on the CPU, and checks "
         "it\n"
         "\n"
         "usage: sparsedrop-ptx FILE.ptx --kernel=NAME --grid=X[,Y[,Z]]\n"
         "                      --block=X[,Y[,Z]] [options]\n"
         "       sparsedrop-ptx FILE.ptx --list\n"
         "\n"
         "  --kernel=NAME       the kernel; may be left out if there is one\n"
         "  --grid=X,Y,Z        blocks (default: 1)\n"
         "  --block=X,Y,Z       threads of a block (default: 1)\n"
         "  --cluster=X,Y,Z     blocks of a cluster (default: what the kernel "
         "says)\n"
         "  --shared=BYTES      dynamic shared memory of a block\n"
         "  --arg=ARG           the next parameter:\n"
         "      IN.npy                   a pointer to a copy of the array\n"
         "      inout:IN.npy:OUT.npy     the same, written to OUT.npy after\n"
         "      out:TYPE:SHAPE:OUT.npy   a pointer to memory that nothing has\n"
         "                               written; TYPE is u8 to u64, i8 to "
         "i64,\n"
         "                               f16, bf16, f32, f64; SHAPE is 64,32\n"
         "      TYPE:VALUE               a scalar\n"
         "      bytes:HEX                a structure\n"
         "      null                     a null pointer\n"
         "      ptr:INDEX+OFFSET         bytes into the buffer of an argument\n"
         "      "
         "tensormap@BUFFER:TYPE:DIMS:STRIDES:BOX:ELEMENTSTRIDES:SWIZZLE:\n"
         "                INTERLEAVE:FILL\n"
         "                               a tensor map over BUFFER, which is "
         "one of\n"
         "                               the first three\n"
         "      tensormap#INDEX+OFFSET:TYPE:...\n"
         "                               one over the buffer of an argument\n"
         "      ptr:tensormap...         a pointer to such a map in memory\n"
         "  --check=LIST        all (default), none, or some of: bounds,\n"
         "                      alignment, uninitialized, race, proxy, async,\n"
         "                      deadlock, divergence\n"
         "  --stats[=FILE]      counts, as a table or into a JSON file\n"
         "  --trace[=FILE]      a line for each instruction of each warp\n"
         "  --threads=N         host threads (default: all processors)\n"
         "  --seed=N            another order of the warps\n"
         "  --max-instructions=N  ends after so many instructions of warps\n"
         "  --repeat=N          runs N times, each time from the start\n"
         "  --time              prints how long each run took\n"
         "  --list              prints the kernels of the file\n"
         "  --help, --version\n"
         "\n"
         "Exit code: 0, or 1 if a check found something or the file is wrong, "
         "or 2\n"
         "if the command line is.\n";
}

static bool parseDim(const std::string &text, ptx::Dim3 &dim) {
  std::vector<uint64_t> sizes;
  if (text.empty() || !parseList(text, sizes) || sizes.size() > 3)
    return false;
  sizes.resize(3, 1);
  for (uint64_t size : sizes)
    if (size > UINT32_MAX)
      return false;
  dim = {uint32_t(sizes[0]), uint32_t(sizes[1]), uint32_t(sizes[2])};
  return true;
}

static bool parseChecks(const std::string &text, uint32_t &checks) {
  if (text == "all" || text == "none") {
    checks = text == "all" ? ptx::kAllChecks : ptx::kNoChecks;
    return true;
  }
  checks = ptx::kNoChecks;
  std::string rest = text;
  do {
    ptx::Check check;
    if (!ptx::parseCheck(takeField(rest, ','), check))
      return false;
    checks |= 1u << static_cast<unsigned>(check);
  } while (!rest.empty());
  return true;
}

/// A number that fits `most`.
template <typename T>
static bool parseCount(const std::string &text, uint64_t most, T &count) {
  uint64_t number = 0;
  if (!parseNumber(text, number) || number > most)
    return false;
  count = number;
  return true;
}

/// Options without a value, or with one that may be left out. False if it is
/// none of them.
static bool parseFlag(const std::string &name, bool hasValue,
                      const std::string &value, Options &options) {
  if (name == "--stats") {
    options.showsStatistics = true;
    options.statisticsFile = value;
    return true;
  }
  if (name == "--trace") {
    options.traces = true;
    options.traceFile = value;
    return true;
  }
  bool *flag = name == "--list"      ? &options.lists
               : name == "--help"    ? &options.showsHelp
               : name == "--version" ? &options.showsVersion
               : name == "--time"    ? &options.showsTime
                                     : nullptr;
  if (!flag || hasValue)
    return false;
  return *flag = true;
}

/// Options with a value. False if it is wrong.
static bool parseValue(const std::string &name, const std::string &value,
                       Options &options, bool &isKnown) {
  if (name == "--kernel")
    options.kernel = value;
  else if (name == "--arg")
    options.arguments.push_back(value);
  else if (name == "--grid")
    return parseDim(value, options.grid);
  else if (name == "--block")
    return parseDim(value, options.block);
  else if (name == "--cluster")
    return options.hasCluster = parseDim(value, options.cluster);
  else if (name == "--shared")
    return parseCount(value, UINT32_MAX, options.shared);
  else if (name == "--check")
    return parseChecks(value, options.checks);
  else if (name == "--threads")
    return parseCount(value, 1024, options.threads);
  else if (name == "--seed")
    return parseCount(value, UINT64_MAX, options.seed);
  else if (name == "--max-instructions")
    return parseCount(value, UINT64_MAX, options.maxInstructions);
  else if (name == "--repeat")
    return parseCount(value, 1000000, options.repeat) && options.repeat > 0;
  else
    isKnown = false;
  return isKnown;
}

std::string sparsedrop::ptxtool::parseOptions(int count, char **words,
                                              Options &options) {
  for (int i = 1; i < count; ++i) {
    std::string word = words[i];
    if (word.rfind("--", 0) != 0) {
      if (!options.file.empty())
        return "there are two files, '" + options.file + "' and '" + word + "'";
      options.file = word;
      continue;
    }
    bool hasValue = word.find('=') != std::string::npos;
    std::string value = word, name = takeField(value, '=');
    if (parseFlag(name, hasValue, value, options))
      continue;
    bool isKnown = hasValue;
    if (!hasValue || !parseValue(name, value, options, isKnown))
      return isKnown ? "'" + value + "' is no value of " + name
                     : "'" + word + "' is no option; --help lists them";
  }
  if (options.file.empty() && !options.showsHelp && !options.showsVersion)
    return "expected a PTX file; --help says more";
  return "";
}
