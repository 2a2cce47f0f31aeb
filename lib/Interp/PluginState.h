//===- PluginState.h - What the plugin's handles are ------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_PLUGINSTATE_H
#define SPARSEDROP_LIB_INTERP_PLUGINSTATE_H

#include "Machine.h"
#include "Plugin.h"

namespace sparsedrop::ptx {

struct PluginDevice {
  DeviceMemory memory;
  LaunchOptions options;
  unsigned arch = 90;
};

struct PluginKernel {
  PluginProgram *program = nullptr;
  const Code *code = nullptr;
};

struct PluginProgram {
  PluginDevice *device = nullptr;
  std::unique_ptr<Program> program;
  std::vector<PluginKernel> kernels;
};

struct PluginLaunch {
  Launch launch;
};

/// Sets the calling thread's message; returns 1.
int32_t failPlugin(std::string message);

/// Reads SPARSEDROP_INTERP_*; false after failPlugin().
bool readEnvironment(PluginDevice &device);

// PluginProgram.cpp
PluginProgram *loadProgram(PluginDevice *device, const char *ptx,
                           uint64_t bytes);
void unloadProgram(PluginProgram *program);
int32_t findVariable(PluginProgram *program, const char *name,
                     uint64_t *address, uint64_t *bytes);
PluginKernel *findKernel(PluginProgram *program, const char *name);
void describeKernel(PluginKernel *kernel, sparsedrop_kernel_info *info);
uint64_t getParameterBytes(PluginKernel *kernel, int32_t index);
PluginLaunch *prepareLaunch(PluginKernel *kernel,
                            const sparsedrop_launch *launch);
int32_t runLaunch(PluginLaunch *launch);
void releaseLaunch(PluginLaunch *launch);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_PLUGINSTATE_H
