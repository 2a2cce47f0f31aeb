//===- Carry.h - Arithmetic with a carry ------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_CARRY_H
#define SPARSEDROP_LIB_INTERP_CARRY_H

namespace sparsedrop::ptx {

class Decoder;

/// add.cc, addc, sub.cc, subc, mad.cc, madc.
bool decodeCarry(Decoder &decoder);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_CARRY_H
