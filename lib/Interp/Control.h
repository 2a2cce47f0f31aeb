//===- Control.h - Handlers of control flow ---------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_CONTROL_H
#define SPARSEDROP_LIB_INTERP_CONTROL_H

#include "Program.h"

namespace sparsedrop::ptx {

Flow runExit(Warp &warp, const Inst &inst, LaneMask mask);
Flow runRet(Warp &warp, const Inst &inst, LaneMask mask);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_CONTROL_H
