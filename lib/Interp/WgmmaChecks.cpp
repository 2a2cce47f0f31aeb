//===- WgmmaChecks.cpp - Whether a wgmma may be issued --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WgmmaData.h"

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

/// The first register of a list that has one of these states.
static const uint32_t *findRegister(MatrixState &state,
                                    const std::vector<uint32_t> &slots,
                                    uint8_t mask) {
  for (const uint32_t &slot : slots)
    if (state.at(slot) & mask)
      return &slot;
  return nullptr;
}

Flow sparsedrop::ptx::checkOperands(Warp &warp, const Inst &inst,
                                    MatrixState &state, bool goesOn) {
  const auto &data = inst.getData<WgmmaData>();
  if (!state.hasFence) {
    state.hasFence = true;
    return warp.report(inst, 0, Check::Async,
                       "no wgmma.fence goes before this, the first wgmma");
  }
  uint8_t pending = MatrixState::Accumulates | MatrixState::Multiplies;
  const uint32_t *found = nullptr;
  if (!goesOn)
    found = findRegister(state, data.slotsD, pending);
  if (!found)
    found = findRegister(state, data.slotsA, MatrixState::Accumulates);
  if (found)
    return warp.report(inst, 0, Check::Async,
                       "uses " + state.describe(warp, *found) +
                           " with no wgmma.wait_group between");
  found = findRegister(state, data.slotsD, MatrixState::Touched);
  if (!found)
    found = findRegister(state, data.slotsA, MatrixState::Touched);
  if (found)
    return warp.report(inst, 0, Check::Async,
                       "uses " + state.describe(warp, *found) +
                           ", which another instruction has used since the "
                           "last wgmma.fence");
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Warpgroups
//===----------------------------------------------------------------------===//

/// Compares a wgmma with the one that another warp of the warpgroup has issued
/// as its `number`-th; the last of the four forgets it.
static Flow compareIssue(Warp &warp, const Inst &inst,
                         const MatrixState::Issue &mine,
                         const MatrixState::Issue &first) {
  std::string other = "warp " + std::to_string(first.warp) +
                      " of its warpgroup has issued the wgmma of line " +
                      std::to_string(first.inst->line);
  if (mine.inst != first.inst)
    return warp.report(inst, 0, Check::Divergence,
                       "issues this where " + other);
  const char *name = mine.descriptorA != first.descriptorA   ? "matrix A"
                     : mine.descriptorB != first.descriptorB ? "matrix B"
                                                             : nullptr;
  if (!name)
    return Flow::Next;
  return warp.report(inst, 0, Check::Divergence,
                     "the descriptor of " + std::string(name) +
                         " is not the same in all warps: " + other +
                         " with another one");
}

/// All four warps must issue the same wgmmas, with the same descriptors (ISA
/// 9.7.15.5.2).
static Flow checkIssue(Warp &warp, const Inst &inst, MatrixState &state,
                       MatrixState &leader) {
  const auto &data = inst.getData<WgmmaData>();
  MatrixState::Issue mine;
  mine.inst = &inst;
  mine.warp = warp.getIndex();
  mine.issued = 1 << warp.getIndex() % 4;
  if (!data.hasRegistersA())
    mine.descriptorA = warp.lanes<uint64_t>(data.descriptorA)[0];
  mine.descriptorB = warp.lanes<uint64_t>(data.descriptorB)[0];
  uint64_t number = state.numIssued++ - leader.numForgotten;
  if (number >= leader.issues.size()) {
    leader.issues.push_back(mine);
    return Flow::Next;
  }
  MatrixState::Issue &first = leader.issues[number];
  Flow flow = compareIssue(warp, inst, mine, first);
  first.issued |= mine.issued;
  if (first.issued == 15) {
    leader.issues.pop_front();
    ++leader.numForgotten;
    warp.getCluster().progress();
  }
  return flow;
}

Flow sparsedrop::ptx::checkWarpgroup(Warp &warp, const Inst &inst,
                                     MatrixState &state) {
  const auto &data = inst.getData<WgmmaData>();
  std::deque<Warp> &warps = warp.getBlock().getWarps();
  uint32_t first = warp.getIndex() / 4 * 4;
  if (first + 4 > warps.size())
    return warp.report(inst, 0, Check::Divergence,
                       "the warpgroup does not have four warps");
  const auto *scale = warp.lanes<uint8_t>(data.scaleD);
  for (unsigned lane = 1; lane < kNumLanes; ++lane)
    if (scale[lane] != scale[0])
      return warp.report(inst, lane, Check::Divergence,
                         "scale-d is not the same in all lanes");
  if (!warps[first].matrix)
    warps[first].matrix = std::make_unique<MatrixState>();
  return checkIssue(warp, inst, state, *warps[first].matrix);
}

/// The product of a warpgroup begins when all four warps have issued it.
std::string MatrixState::findMissing(Warp &warp, uint64_t group) const {
  uint32_t first = warp.getIndex() / 4 * 4;
  const MatrixState *leader = warp.getBlock().getWarps()[first].matrix.get();
  uint64_t end = group ? ends[group - 1] : 0;
  if (!leader || leader->issues.empty() || end <= leader->numForgotten)
    return {};
  const Issue &issue = leader->issues.front();
  std::string missing;
  for (unsigned i = 0; i < 4; ++i)
    if (!(issue.issued >> i & 1))
      missing += (missing.empty() ? "" : " and ") + std::to_string(first + i);
  return "the wgmma of line " + std::to_string(issue.inst->line) +
         ", which warp " + missing + " of its warpgroup has not issued";
}
