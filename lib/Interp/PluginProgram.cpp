//===- PluginProgram.cpp - Programs and launches of the plugin ------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Loader.h"
#include "PluginState.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// The environment
//===----------------------------------------------------------------------===//

/// A number in a variable; `number` stays as it is where there is none.
template <typename T>
static bool readNumber(const char *name, uint64_t least, uint64_t most,
                       T &number) {
  const char *text = std::getenv(name);
  if (!text || !*text)
    return true;
  char *end = nullptr;
  errno = 0;
  uint64_t value = std::strtoull(text, &end, 10);
  bool isNumber = *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
  if (isNumber && value >= least && value <= most) {
    number = value;
    return true;
  }
  failPlugin(std::string(name) + ": expected a number from " +
             std::to_string(least) + " to " + std::to_string(most) +
             ", but got '" + text + "'");
  return false;
}

static bool readChecks(uint32_t &checks) {
  const char *variable = std::getenv("SPARSEDROP_INTERP_CHECKS");
  std::string text = variable && *variable ? variable : "all";
  checks = text == "all" ? kAllChecks : kNoChecks;
  if (text == "all" || text == "none")
    return true;
  while (!text.empty()) {
    size_t end = std::min(text.find(','), text.size());
    Check check;
    if (!parseCheck(text.substr(0, end), check)) {
      failPlugin("SPARSEDROP_INTERP_CHECKS: '" + text.substr(0, end) +
                 "' is no check");
      return false;
    }
    checks |= 1u << static_cast<unsigned>(check);
    text.erase(0, end + 1);
  }
  return true;
}

bool sparsedrop::ptx::readEnvironment(PluginDevice &device) {
  LaunchOptions &options = device.options;
  return readChecks(options.checks) &&
         readNumber("SPARSEDROP_INTERP_THREADS", 1, 1024, options.threads) &&
         readNumber("SPARSEDROP_INTERP_SEED", 0, UINT64_MAX, options.seed) &&
         readNumber("SPARSEDROP_INTERP_ARCH", 50, 121, device.arch);
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

/// Whether a device runs what was made for a target: later ones do, unless the
/// target has features of its own.
static bool canRun(const PluginDevice &device, const Module &module) {
  return module.isArchSpecific ? module.arch == device.arch
                               : module.arch <= device.arch;
}

PluginProgram *sparsedrop::ptx::loadProgram(PluginDevice *device,
                                            const char *ptx, uint64_t bytes) {
  ParseError error;
  auto result = std::make_unique<PluginProgram>();
  result->device = device;
  result->program = load({ptx, bytes}, device->memory, error);
  if (!result->program) {
    failPlugin("PTX, line " + std::to_string(error.line) + ": " +
               error.message);
    return nullptr;
  }
  const Program &program = *result->program;
  if (!canRun(*device, *program.module)) {
    failPlugin("the PTX is for " + program.module->target +
               ", but the device is sm_" + std::to_string(device->arch));
    unload(program, device->memory);
    return nullptr;
  }
  for (const Code &code : program.functions)
    if (code.function->isKernel && !code.function->isDeclaration)
      result->kernels.push_back({result.get(), &code});
  return result.release();
}

void sparsedrop::ptx::unloadProgram(PluginProgram *program) {
  unload(*program->program, program->device->memory);
  delete program;
}

int32_t sparsedrop::ptx::findVariable(PluginProgram *program, const char *name,
                                      uint64_t *address, uint64_t *bytes) {
  const std::vector<Variable> &variables = program->program->module->variables;
  for (size_t i = 0; i < variables.size(); ++i) {
    if (variables[i].name != name || !program->program->variableAddresses[i])
      continue;
    *address = program->program->variableAddresses[i];
    *bytes = variables[i].size;
    return 0;
  }
  return failPlugin("there is no variable '" + std::string(name) + "'");
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

PluginKernel *sparsedrop::ptx::findKernel(PluginProgram *program,
                                          const char *name) {
  std::string names;
  for (PluginKernel &kernel : program->kernels) {
    const std::string &own = kernel.code->function->name;
    if (own == name)
      return &kernel;
    names += (names.empty() ? "'" : ", '") + own + "'";
  }
  failPlugin("there is no kernel '" + std::string(name) + "': there are " +
             (names.empty() ? "none" : names));
  return nullptr;
}

static uint32_t countThreads(const uint32_t (&size)[3]) {
  return size[0] * std::max(size[1], 1u) * std::max(size[2], 1u);
}

void sparsedrop::ptx::describeKernel(PluginKernel *kernel,
                                     sparsedrop_kernel_info *info) {
  const Code &code = *kernel->code;
  const Function &function = *code.function;
  uint32_t threads = function.reqntid[0]   ? countThreads(function.reqntid)
                     : function.maxntid[0] ? countThreads(function.maxntid)
                                           : 1024;
  *info = {};
  info->registers = function.registers.size();
  info->maxThreads = std::min(threads, 1024u);
  info->sharedBytes = code.staticShared;
  info->localBytes = code.localSize;
  for (const Variable &variable : kernel->program->program->module->variables)
    if (variable.space == Space::Const)
      info->constBytes += variable.size;
  for (unsigned i = 0; i < 3; ++i)
    info->cluster[i] =
        function.cluster[0] ? std::max(function.cluster[i], 1u) : 0;
  info->parameterCount = function.parameters.size();
}

uint64_t sparsedrop::ptx::getParameterBytes(PluginKernel *kernel,
                                            int32_t index) {
  return kernel->code->function->parameters[index].size;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

static Dim3 toDim(const uint32_t *size) { return {size[0], size[1], size[2]}; }

PluginLaunch *sparsedrop::ptx::prepareLaunch(PluginKernel *kernel,
                                             const sparsedrop_launch *sizes) {
  const Code &code = *kernel->code;
  PluginDevice &device = *kernel->program->device;
  std::unique_ptr<PluginLaunch> result(new PluginLaunch{
      {*kernel->program->program, code, device.memory, device.options}});
  Launch &launch = result->launch;
  const uint32_t *own = code.function->cluster;
  launch.grid = toDim(sizes->grid);
  launch.block = toDim(sizes->block);
  launch.cluster =
      sizes->cluster[0] ? toDim(sizes->cluster)
      : own[0] ? Dim3{own[0], std::max(own[1], 1u), std::max(own[2], 1u)}
               : Dim3();
  launch.dynamicShared = sizes->sharedBytes;
  launch.parameters.assign(code.parameterBytes, 0);
  const std::vector<Variable> &parameters = code.function->parameters;
  for (size_t i = 0; i < parameters.size(); ++i)
    std::memcpy(launch.parameters.data() + code.paramOffsets.at(i),
                sizes->parameters[i], parameters[i].size);
  std::string error = launch.validate();
  if (error.empty())
    return result.release();
  failPlugin(error);
  return nullptr;
}

int32_t sparsedrop::ptx::runLaunch(PluginLaunch *launch) {
  // A launch runs once; what was prepared is the model of each.
  Launch &model = launch->launch;
  Launch run(model.getProgram(), model.getKernel(), model.getMemory(),
             model.getOptions());
  run.grid = model.grid;
  run.block = model.block;
  run.cluster = model.cluster;
  run.dynamicShared = model.dynamicShared;
  run.parameters = model.parameters;
  if (run.run())
    return 0;
  std::vector<Finding> findings = run.getReporter().take();
  std::string message =
      findings.empty() ? "the kernel has failed" : findings.front().str();
  if (findings.size() > 1)
    message += " (and " + std::to_string(findings.size() - 1) + " more)";
  // Messages are lines.
  for (char &c : message)
    c = c == '\n' ? ';' : c;
  return failPlugin(message);
}

void sparsedrop::ptx::releaseLaunch(PluginLaunch *launch) { delete launch; }
