//===- Options.cpp - Command line of sparsedrop-search --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>

using namespace sparsedrop::search;

const char *sparsedrop::search::getHelp() {
  return "sparsedrop-search: searches a distribution over pattern periods\n"
         "\n"
         "usage: sparsedrop-search --rate=P [options]\n"
         "\n"
         "  --rate=P            target drop rate, in [0, 1)\n"
         "  --max-period=N      longest period (default: the smallest N with\n"
         "                      (N-1)/N >= P + 0.4 (1-P), at most 32)\n"
         "  --periods=A,B,...   candidate periods, ascending (default: all "
         "from 1)\n"
         "  --units=N           units of the dropped dimension: no period is\n"
         "                      longer, the kept fraction is for that extent\n"
         "  --method=sgd|maxent gradient descent (default), or the closed "
         "form\n"
         "                      that it converges to\n"
         "  --joint-keep=D      also print, for distances 1 to D, how often "
         "two\n"
         "                      units are kept together\n"
         "  --format=table|json (default: table)\n"
         "  --help              print this text\n"
         "\n"
         "Entropy is in nats. Millionths are what draws use; the mean rate, "
         "the\n"
         "kept fraction and the joint-keep curve are theirs.\n";
}

static bool parseRate(const std::string &value, Options &options) {
  // strtod would also skip blanks and read hexadecimal numbers, inf and nan.
  if (value.empty() ||
      value.find_first_not_of("+-.0123456789eE") != std::string::npos)
    return false;
  char *end = nullptr;
  options.rate = std::strtod(value.c_str(), &end);
  options.hasRate = true;
  return *end == '\0';
}

/// Reads a decimal number from 1 to `limit`.
static bool parseCount(const std::string &value, int64_t limit,
                       int64_t &result) {
  if (value.empty() ||
      value.find_first_not_of("0123456789") != std::string::npos)
    return false;
  errno = 0;
  result = std::strtoll(value.c_str(), nullptr, 10);
  return errno == 0 && result >= 1 && result <= limit;
}

/// Reads decimal numbers between commas.
static bool parseList(const std::string &value, std::vector<int64_t> &result) {
  for (size_t begin = 0, end; begin <= value.size(); begin = end + 1) {
    end = std::min(value.find(',', begin), value.size());
    result.push_back(0);
    if (!parseCount(value.substr(begin, end - begin), INT64_MAX, result.back()))
      return false;
  }
  return true;
}

static bool parseChoice(const std::string &value, const char *off,
                        const char *on, bool &result) {
  result = value == on;
  return result || value == off;
}

/// Sets the option `name`; nothing when there is none of that name.
static std::optional<bool>
setOption(const std::string &name, const std::string &value, Options &options) {
  // A curve of more lines than this is a mistake, not a wish.
  constexpr int64_t kMaxDistance = 1000000;
  if (name == "--rate")
    return parseRate(value, options);
  if (name == "--max-period")
    return parseCount(value, INT64_MAX, options.maxPeriod);
  if (name == "--periods") {
    options.periods.clear();
    return parseList(value, options.periods);
  }
  if (name == "--units")
    return parseCount(value, INT64_MAX, options.units);
  if (name == "--joint-keep")
    return parseCount(value, kMaxDistance, options.jointKeep);
  if (name == "--method")
    return parseChoice(value, "sgd", "maxent", options.maxent);
  if (name == "--format")
    return parseChoice(value, "table", "json", options.json);
  return std::nullopt;
}

bool sparsedrop::search::parseOptions(int argc, const char *const *argv,
                                      Options &options, std::string &message) {
  auto fail = [&](const std::string &text) {
    message = text;
    return false;
  };
  for (int i = 0; i < argc; ++i) {
    std::string name = argv[i], value;
    if (name == "--help" || name == "-h") {
      options.help = true;
      return true;
    }
    size_t equals = name.find('=');
    bool isJoined = equals != std::string::npos;
    if (isJoined) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (i + 1 < argc) {
      value = argv[i + 1];
    }
    std::optional<bool> isSet = setOption(name, value, options);
    if (!isSet)
      return fail("unknown argument '" + name + "'");
    if (!isJoined && ++i >= argc)
      return fail("option " + name + " needs a value");
    if (!*isSet)
      return fail("bad value '" + value + "' of option " + name);
  }
  return options.hasRate || fail("option --rate is missing (see --help)");
}
