//===- sparsedrop-ptx.cpp - Runs a PTX kernel on the CPU ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Arguments.h"
#include "Loader.h"
#include "Options.h"
#include "Statistics.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

using namespace sparsedrop;
using namespace sparsedrop::ptxtool;

/// Exit codes.
enum : int { kClean = 0, kFinding = 1, kBadCommandLine = 2 };

static int fail(int code, const std::string &message) {
  std::fprintf(stderr, "sparsedrop-ptx: error: %s\n", message.c_str());
  return code;
}

static bool readFile(const std::string &path, std::string &text) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return false;
  text.assign(std::istreambuf_iterator<char>(file), {});
  return !file.bad();
}

static std::unique_ptr<ptx::Program> loadFile(const std::string &path,
                                              ptx::DeviceMemory &memory) {
  std::string text;
  if (!readFile(path, text)) {
    fail(kFinding, "'" + path + "' cannot be read: " + std::strerror(errno));
    return nullptr;
  }
  ptx::ParseError error;
  std::unique_ptr<ptx::Program> program = ptx::load(text, memory, error);
  if (!program)
    std::fprintf(stderr, "%s:%u: error: %s\n", path.c_str(), error.line,
                 error.message.c_str());
  return program;
}

static const ptx::Code *findKernel(const ptx::Program &program,
                                   const std::string &name,
                                   std::string &error) {
  const ptx::Code *only = nullptr;
  std::string names;
  unsigned count = 0;
  for (const ptx::Code &code : program.functions) {
    if (!code.function->isKernel || code.function->isDeclaration)
      continue;
    if (code.function->name == name)
      return &code;
    only = &code;
    names += (count++ ? ", '" : "'") + code.function->name + "'";
  }
  if (name.empty() && count == 1)
    return only;
  error = name.empty() ? "--kernel is needed: the file has "
                       : "there is no kernel '" + name + "': the file has ";
  error += count ? names : "none";
  return nullptr;
}

//===----------------------------------------------------------------------===//
// One launch
//===----------------------------------------------------------------------===//

/// The sizes of a launch; the kernel's own cluster where none is given.
static void setSizes(const Options &options, ptx::Launch &launch) {
  launch.grid = options.grid;
  launch.block = options.block;
  launch.cluster = options.cluster;
  launch.dynamicShared = options.shared;
  const uint32_t (&own)[3] = launch.getKernel().function->cluster;
  if (!options.hasCluster && own[0])
    launch.cluster = {own[0], std::max(own[1], 1u), std::max(own[2], 1u)};
}

static void printFinding(const std::string &file, const ptx::Finding &finding) {
  auto triple = [](const uint32_t (&id)[3]) {
    return "(" + std::to_string(id[0]) + "," + std::to_string(id[1]) + "," +
           std::to_string(id[2]) + ")";
  };
  std::string name(ptx::getName(finding.check));
  std::fprintf(stderr,
               "%s:%u: error: %s: %s [kernel %s, block %s, thread %s]\n",
               file.c_str(), finding.line, name.c_str(),
               finding.message.c_str(), finding.kernel.c_str(),
               triple(finding.block).c_str(), triple(finding.thread).c_str());
}

static ptx::LaunchOptions getLaunchOptions(const Options &options,
                                           std::FILE *trace) {
  ptx::LaunchOptions result;
  result.checks = options.checks;
  result.threads = options.threads;
  result.seed = options.seed;
  result.maxInstructions = options.maxInstructions;
  if (options.traces)
    result.trace = [trace](const std::string &line) {
      std::fprintf(trace, "%s\n", line.c_str());
    };
  return result;
}

/// Prints or writes the counts; false if the file cannot be written.
static bool writeStatistics(const Options &options,
                            const ptx::Statistics &statistics) {
  if (options.statisticsFile.empty()) {
    std::fputs(formatTable(statistics).c_str(), stdout);
    return true;
  }
  std::ofstream file(options.statisticsFile);
  file << formatJson(statistics);
  return static_cast<bool>(file.flush());
}

static void printTime(double seconds, const ptx::Statistics &statistics) {
  uint64_t count = 0;
  for (uint64_t instructions : statistics.instructions)
    count += instructions;
  std::printf("%.3f ms", seconds * 1e3);
  if (count)
    std::printf(", %.1f million thread-instructions a second",
                count / seconds * 1e-6);
  std::printf("\n");
}

namespace {
/// What a command line runs.
struct Job {
  const Options &options;
  const ptx::Program &program;
  const ptx::Code &kernel;
  ptx::DeviceMemory &memory;
  Arguments &arguments;
  std::vector<uint8_t> parameters;
  std::FILE *trace = stdout;
  bool hasStopped = false; ///< outputs are not what the kernel would leave
  ptx::Statistics statistics;
};
} // namespace

/// Runs the kernel once, from the first state of its buffers; the exit code.
static int runOnce(Job &job, bool counts, double &seconds) {
  job.arguments.reset();
  ptx::LaunchOptions launchOptions = getLaunchOptions(job.options, job.trace);
  launchOptions.collectStatistics = counts;
  ptx::Launch launch(job.program, job.kernel, job.memory, launchOptions);
  setSizes(job.options, launch);
  launch.parameters = job.parameters;
  std::string error = launch.validate();
  if (!error.empty()) {
    job.hasStopped = true;
    return fail(kBadCommandLine, error);
  }
  auto start = std::chrono::steady_clock::now();
  bool isClean = launch.run();
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  seconds = took.count();
  job.hasStopped = launch.getReporter().hasStopped();
  for (const ptx::Finding &finding : launch.getReporter().take())
    printFinding(job.options.file, finding);
  if (counts)
    job.statistics = launch.statistics;
  return isClean ? kClean : kFinding;
}

/// Runs the kernel as often as asked for. What is timed is not slowed down by
/// what counts: there is a run for that before.
static int runAll(Job &job) {
  const Options &options = job.options;
  bool counts = options.showsStatistics || options.showsTime;
  double seconds = 0;
  int code = kClean;
  if (counts)
    code = runOnce(job, true, seconds);
  uint64_t left =
      counts && !options.showsTime ? options.repeat - 1 : options.repeat;
  for (; left && code == kClean; --left) {
    code = runOnce(job, false, seconds);
    if (options.showsTime && code == kClean)
      printTime(seconds, job.statistics);
  }
  if (options.showsStatistics && !job.hasStopped &&
      !writeStatistics(options, job.statistics))
    return fail(kFinding, "'" + options.statisticsFile + "' cannot be written");
  return code;
}

static int run(const Options &options) {
  ptx::DeviceMemory memory;
  std::unique_ptr<ptx::Program> program = loadFile(options.file, memory);
  if (!program)
    return kFinding;
  if (options.lists) {
    std::fputs(formatKernels(*program).c_str(), stdout);
    return kClean;
  }
  std::string error;
  const ptx::Code *kernel = findKernel(*program, options.kernel, error);
  if (!kernel)
    return fail(kBadCommandLine, error);
  Arguments arguments(memory);
  for (const std::string &text : options.arguments) {
    error = arguments.add(text);
    if (!error.empty())
      return fail(kBadCommandLine, error);
  }
  std::vector<uint8_t> parameters;
  error = arguments.layOut(*kernel, parameters);
  if (!error.empty())
    return fail(kBadCommandLine, error);
  Job job{options,    *program, *kernel, memory, arguments,
          parameters, stdout,   false,   {}};
  if (!options.traceFile.empty())
    job.trace = std::fopen(options.traceFile.c_str(), "w");
  if (!job.trace)
    return fail(kFinding, "'" + options.traceFile +
                              "' cannot be written: " + std::strerror(errno));
  int code = runAll(job);
  if (job.trace != stdout && std::fclose(job.trace) != 0)
    return fail(kFinding, "'" + options.traceFile + "' cannot be written");
  if (job.hasStopped)
    return code;
  error = arguments.writeOutputs();
  return error.empty() ? code : fail(kFinding, error);
}

int main(int count, char **words) {
  Options options;
  std::string error = parseOptions(count, words, options);
  if (!error.empty())
    return fail(kBadCommandLine, error);
  if (options.showsHelp)
    return std::fputs(getHelp(), stdout) < 0 ? kFinding : kClean;
  if (options.showsVersion)
    return std::printf("sparsedrop-ptx %s\n", SPARSEDROP_VERSION_STRING) < 0
               ? kFinding
               : kClean;
  return run(options);
}
