//===- Groups.h - Instructions of groups of lanes ---------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_GROUPS_H
#define SPARSEDROP_LIB_INTERP_GROUPS_H

#include "Machine.h"

namespace sparsedrop::ptx {

/// The handler of an instruction with a member mask in op[Members]: waits until
/// all members are there, then runs once for each group of lanes that have the
/// same mask.
template <unsigned Members, void (*Run)(Warp &, const Inst &, LaneMask)>
Flow runGroups(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.convergeGroups(inst, mask, inst.op[Members], flow))
    return flow;
  while (mask) {
    LaneMask group = warp.getGroup(mask, inst.op[Members]);
    Run(warp, inst, group);
    mask &= ~group;
  }
  return Flow::Next;
}

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_GROUPS_H
