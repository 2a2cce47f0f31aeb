//===- Half.h - Arithmetic of f16 and bf16 ----------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_HALF_H
#define SPARSEDROP_LIB_INTERP_HALF_H

namespace sparsedrop::ptx {

class Decoder;

/// An instruction of .f16, .f16x2, .bf16 or .bf16x2 (ISA 9.7.4).
bool decodeHalf(Decoder &decoder);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_HALF_H
