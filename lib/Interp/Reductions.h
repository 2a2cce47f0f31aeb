//===- Reductions.h - Reductions of asynchronous copies ---------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_REDUCTIONS_H
#define SPARSEDROP_LIB_INTERP_REDUCTIONS_H

#include "AST.h"

namespace sparsedrop::ptx {

/// Reduces elements into others of the same size; each element at once, also
/// for other host threads.
using Reduction = void (*)(uint8_t *to, const uint8_t *from, uint64_t bytes);

/// The reduction "add", "min" and so on of a type (ISA 9.7.9.25.4.2), or null
/// if there is none. Shared memory has fewer of them.
Reduction findReduction(std::string_view operation, Type type, bool isShared);
/// Whether a word is an operation at all.
bool isReduction(std::string_view word);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_REDUCTIONS_H
