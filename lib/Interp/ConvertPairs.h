//===- ConvertPairs.h - Conversions of pairs --------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_CONVERTPAIRS_H
#define SPARSEDROP_LIB_INTERP_CONVERTPAIRS_H

#include "AST.h"

namespace sparsedrop::ptx {

class Decoder;

/// Whether a cvt is to or from two values in one register, or to .tf32.
bool isPairConversion(const Instruction &instruction);
bool decodePairConversion(Decoder &decoder);
/// cvt.pack: two integers of 32 bits, saturated.
bool decodeSaturatedPack(Decoder &decoder);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_CONVERTPAIRS_H
