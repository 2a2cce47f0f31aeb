//===- DeviceLibrary.h - Libraries of devices -------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_DEVICELIBRARY_H
#define SPARSEDROP_LIB_RUNTIME_DEVICELIBRARY_H

#include <string>
#include <vector>

namespace sparsedrop::runtime {

/// Opens the shared library that an environment variable names, or, where it is
/// not set, the first of `names` that there is. Null after fail(), which says
/// why `what` is not there. It is never closed.
void *openLibrary(const char *what, const char *variable,
                  const std::vector<std::string> &names);

/// The folder that this library was loaded from, with a '/' at the end; "" if
/// that is unknown.
std::string getLibraryFolder();

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_DEVICELIBRARY_H
