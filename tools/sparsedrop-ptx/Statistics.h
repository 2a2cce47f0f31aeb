//===- Statistics.h - What --stats and --list print -------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_PTX_STATISTICS_H
#define SPARSEDROP_TOOLS_PTX_STATISTICS_H

#include "Machine.h"

#include <string>

namespace sparsedrop::ptxtool {

/// A table for people.
std::string formatTable(const ptx::Statistics &statistics);
/// A JSON object.
std::string formatJson(const ptx::Statistics &statistics);
/// The kernels of a program with their parameters and what they ask for.
std::string formatKernels(const ptx::Program &program);

} // namespace sparsedrop::ptxtool

#endif // SPARSEDROP_TOOLS_PTX_STATISTICS_H
