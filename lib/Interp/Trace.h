//===- Trace.h - What a trace says ------------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_TRACE_H
#define SPARSEDROP_LIB_INTERP_TRACE_H

#include "Machine.h"

namespace sparsedrop::ptx {

/// A line about an instruction that has just run: "block (0,0,0) warp 1 lanes
/// 0xffffffff line 12: add.s32 %r3 = 0x5", with the result of the first lane.
std::string describeStep(Warp &warp, const Inst &inst, LaneMask mask);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_TRACE_H
