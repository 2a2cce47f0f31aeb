//===- WgmmaGroups.h - Opcodes of warpgroups --------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_WGMMAGROUPS_H
#define SPARSEDROP_LIB_INTERP_WGMMAGROUPS_H

#include "Decoder.h"

namespace sparsedrop::ptx {

// Functions of opcodes, by file.
bool decodeWgmma(Decoder &decoder);           // WgmmaDecode.cpp
bool decodeWgmmaFence(Decoder &decoder);      // WgmmaGroups.cpp
bool decodeWgmmaCommit(Decoder &decoder);     // WgmmaGroups.cpp
bool decodeWgmmaWait(Decoder &decoder);       // WgmmaGroups.cpp
bool decodeSetMaxRegisters(Decoder &decoder); // WgmmaGroups.cpp

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_WGMMAGROUPS_H
