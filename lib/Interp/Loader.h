//===- Loader.h - From PTX to a program -------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_LOADER_H
#define SPARSEDROP_LIB_INTERP_LOADER_H

#include "DeviceMemory.h"
#include "Program.h"

namespace sparsedrop::ptx {

/// Parses and decodes a module, and puts its .global and .const variables into
/// `memory`. Null with an error if anything in it is wrong or not supported:
/// then nothing of it stays in the memory.
std::unique_ptr<Program> load(std::string_view ptx, DeviceMemory &memory,
                              ParseError &error);

/// Frees the variables of a program.
void unload(const Program &program, DeviceMemory &memory);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_LOADER_H
