//===- Error.h - Failures of the runtime ------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_ERROR_H
#define SPARSEDROP_LIB_RUNTIME_ERROR_H

#include <cstdint>
#include <string>

namespace sparsedrop::runtime {

/// Records `message` as the calling thread's last failure and returns 1, the
/// status of functions that have one. Never exits.
int32_t fail(const std::string &message);

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_ERROR_H
