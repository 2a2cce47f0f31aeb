//===- SharedLayout.h - Where shared variables are --------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_SHAREDLAYOUT_H
#define SPARSEDROP_LIB_INTERP_SHAREDLAYOUT_H

#include "Program.h"

namespace sparsedrop::ptx {

/// Gives shared variables their offsets, and kernels their size of static
/// shared memory. False with an error if that is too much for any target.
bool layOutShared(Program &program, ParseError &error);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_SHAREDLAYOUT_H
