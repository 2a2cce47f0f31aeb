//===- Plugin.h - The interpreter as a device -------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What libsparsedrop_interp exports: a table of functions, which the runtime
// library asks for when somebody opens the interpreter. The two are built
// apart, so only plain C types pass, and the version is compared first.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_PLUGIN_H
#define SPARSEDROP_LIB_INTERP_PLUGIN_H

#include "sparsedrop-c/Device.h"

namespace sparsedrop::ptx {

/// Raised by one with every change below, or of the structs of Device.h.
constexpr uint32_t kPluginVersion = 3;

struct PluginDevice;
struct PluginProgram;
struct PluginKernel;
struct PluginLaunch;

/// Everything is done when a function returns. Those that can fail return other
/// than 0, or null; getLastError() then has the calling thread's message.
struct Plugin {
  uint32_t version;
  const char *(*getLastError)();

  /// A device as the environment describes it.
  PluginDevice *(*open)();
  void (*close)(PluginDevice *);
  void (*describe)(PluginDevice *, sparsedrop_device_info *);

  /// Null, too, if there is no memory.
  uint64_t (*allocate)(PluginDevice *, uint64_t bytes);
  int32_t (*free)(PluginDevice *, uint64_t address);
  /// Whether bytes lie in one allocation. Never fails.
  bool (*contains)(PluginDevice *, uint64_t address, uint64_t bytes);
  int32_t (*write)(PluginDevice *, uint64_t to, const void *from,
                   uint64_t bytes);
  int32_t (*read)(PluginDevice *, void *to, uint64_t from, uint64_t bytes);
  int32_t (*copy)(PluginDevice *, uint64_t to, uint64_t from, uint64_t bytes);
  int32_t (*fill)(PluginDevice *, uint64_t to, uint32_t value,
                  int32_t elementBytes, uint64_t count);

  PluginProgram *(*load)(PluginDevice *, const char *ptx, uint64_t bytes);
  void (*unload)(PluginProgram *);
  int32_t (*findVariable)(PluginProgram *, const char *name, uint64_t *address,
                          uint64_t *bytes);
  /// Belongs to the program.
  PluginKernel *(*findKernel)(PluginProgram *, const char *name);
  void (*describeKernel)(PluginKernel *, sparsedrop_kernel_info *);
  uint64_t (*getParameterBytes)(PluginKernel *, int32_t index);

  /// Checks a launch and copies its parameters, whose count and sizes are
  /// right.
  PluginLaunch *(*prepare)(PluginKernel *, const sparsedrop_launch *);
  /// Runs it, as often as it is called, one run after the other; what the
  /// checks find is an error.
  int32_t (*run)(PluginLaunch *);
  void (*release)(PluginLaunch *);

  int32_t (*encode)(const sparsedrop_tensor_map *, uint8_t *out);
};

} // namespace sparsedrop::ptx

/// The only exported symbol.
extern "C" SPARSEDROP_API const sparsedrop::ptx::Plugin *
sparsedrop_interp_plugin(void);

/// Its name.
#define SPARSEDROP_INTERP_PLUGIN "sparsedrop_interp_plugin"

#endif // SPARSEDROP_LIB_INTERP_PLUGIN_H
