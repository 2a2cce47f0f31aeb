//===- DeviceLibrary.cpp - Libraries of devices ---------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceLibrary.h"

#include "Error.h"

#include "sparsedrop-c/Device.h"

#include <cstdlib>
#include <dlfcn.h>

using namespace sparsedrop::runtime;

void *sparsedrop::runtime::openLibrary(const char *what, const char *variable,
                                       const std::vector<std::string> &names) {
  const char *given = std::getenv(variable);
  std::vector<std::string> candidates = names;
  if (given && *given)
    candidates = {given};
  std::string error;
  for (const std::string &name : candidates) {
    if (void *library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL))
      return library;
    const char *text = dlerror();
    // The first name is the one that is meant.
    if (error.empty() && text)
      error = text;
  }
  fail(std::string("there is no ") + what + ": " + error);
  return nullptr;
}

std::string sparsedrop::runtime::getLibraryFolder() {
  Dl_info info = {};
  auto *here = reinterpret_cast<void *>(&sparsedrop_device_version);
  if (!dladdr(here, &info) || !info.dli_fname)
    return "";
  std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/') + 1);
}
