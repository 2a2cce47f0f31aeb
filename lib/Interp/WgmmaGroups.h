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

/// Fails unless the target is sm_90a: no other has wgmma.
inline bool requireWgmma(Decoder &decoder) {
  return decoder.requireArch(90, /*archSpecific=*/true) &&
         (decoder.getArch() == 90 ||
          decoder.fail("needs the target sm_90a, but the target is " +
                       decoder.getModule().target));
}

// Functions of opcodes, by file.
bool decodeWgmma(Decoder &decoder);           // WgmmaDecode.cpp
bool decodeWgmmaFence(Decoder &decoder);      // WgmmaGroups.cpp
bool decodeWgmmaCommit(Decoder &decoder);     // WgmmaGroups.cpp
bool decodeWgmmaWait(Decoder &decoder);       // WgmmaGroups.cpp
bool decodeSetMaxRegisters(Decoder &decoder); // WgmmaGroups.cpp

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_WGMMAGROUPS_H
