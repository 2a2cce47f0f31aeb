//===- DeviceCudaDriver.cpp - Functions of the CUDA driver ----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceCudaDriver.h"

#include "DeviceLibrary.h"
#include "Error.h"

#include <dlfcn.h>
#include <memory>
#include <mutex>

using namespace sparsedrop::runtime;
using namespace sparsedrop::runtime::cuda;

void *Driver::find(const char *symbol, bool isOptional) {
  void *found = dlsym(library, symbol);
  if (!found && !isOptional && missing.empty())
    missing = symbol;
  return found;
}

int32_t Driver::failWith(const char *symbol, Result result,
                         const std::string &more) const {
  const char *text = nullptr, *name = nullptr;
  getErrorString.ask(result, &text);
  getErrorName.ask(result, &name);
  // Versions of the ABI say nothing to people.
  std::string call = symbol;
  size_t suffix = call.find("_v");
  return fail(call.substr(0, suffix) + ": " + (text ? text : "unknown error") +
              " (" + (name ? name : std::to_string(result)) + ")" + more);
}

/// A failure is not remembered: a driver may come.
const Driver *Driver::get() {
  static std::mutex mutex;
  static const Driver *driver = nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  if (driver)
    return driver;
  void *library =
      openLibrary("CUDA driver", "SPARSEDROP_CUDA_LIBRARY", {"libcuda.so.1"});
  if (!library)
    return nullptr;
  auto opened = std::make_unique<Driver>(library);
  if (!opened->missing.empty()) {
    fail("the CUDA driver has no " + opened->missing + ": it is too old");
    return nullptr;
  }
  Result result = opened->init.ask(0);
  if (result == kSuccess || result == kNoDevice)
    return driver = opened.release();
  opened->failWith(opened->init.getName(), result);
  return nullptr;
}
