//===- Fragments.cpp - Divergence and reconvergence -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AsyncCopy.h"
#include "CallData.h"
#include "Machine.h"
#include "Wgmma.h"

#include <cstring>

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Which fragment goes next
//===----------------------------------------------------------------------===//

/// Lanes at one instruction of one frame go on together.
void Warp::merge() {
  for (size_t i = 0; i < fragments.size(); ++i) {
    for (size_t j = i + 1; j < fragments.size();) {
      Fragment &to = fragments[i], &from = fragments[j];
      if (to.pc != from.pc || to.frame != from.frame) {
        ++j;
        continue;
      }
      to.mask |= from.mask;
      to.isBlocked &= from.isBlocked && !to.isConverging;
      to.isConverging &= to.isBlocked;
      fragments.erase(fragments.begin() + j);
    }
  }
}

/// Chooses the innermost, then earliest fragment that is not blocked; after a
/// slice, the next one in turn, so that those who spin do not starve those for
/// whom they spin.
bool Warp::select() {
  size_t previous = running;
  if (fragments.size() > 1)
    merge();
  size_t count = fragments.size(), best = count;
  auto isBefore = [&](size_t a, size_t b) {
    uint32_t depthA = fragments[a].frame->depth,
             depthB = fragments[b].frame->depth;
    return depthA != depthB ? depthA > depthB
                            : fragments[a].pc < fragments[b].pc;
  };
  for (size_t i = 0; i < count; ++i) {
    size_t candidate = isSliceOver ? (previous + 1 + i) % count : i;
    if (fragments[candidate].isBlocked)
      continue;
    if (best == count || (!isSliceOver && isBefore(candidate, best)))
      best = candidate;
  }
  isSliceOver = false;
  if (best == count)
    return false;
  running = best;
  return true;
}

/// Where the running fragment meets another one: the next instruction of its
/// frame that somebody stands at.
uint32_t Warp::findStop() const {
  const Fragment &self = fragments[running];
  uint32_t stop = ~0u;
  for (const Fragment &other : fragments) {
    bool isAhead = other.frame == self.frame && other.pc > self.pc;
    if (isAhead)
      stop = std::min(stop, other.pc);
  }
  return stop;
}

//===----------------------------------------------------------------------===//
// How lanes move
//===----------------------------------------------------------------------===//

/// The lanes of `mask` stay at the running instruction; the others, whose guard
/// is false, go on.
void Warp::split(LaneMask mask) {
  Fragment others = fragments[running];
  others.mask &= ~mask;
  others.pc = pc + 1;
  others.isBlocked = others.isConverging = false;
  fragments[running].mask = mask;
  fragments.push_back(std::move(others));
}

void Warp::splitHere(LaneMask mask) {
  Fragment others = fragments[running];
  others.mask = mask;
  others.pc = pc;
  fragments[running].mask &= ~mask;
  fragments.push_back(std::move(others));
  hasMoved = true;
}

Flow Warp::jump(uint32_t target, LaneMask mask) {
  if (fragments[running].mask == mask) {
    pc = fragments[running].pc = target;
    return Flow::Jump;
  }
  hasMoved = true;
  Fragment taken;
  taken.frame = fragments[running].frame;
  taken.pc = target;
  taken.mask = mask;
  fragments[running].mask &= ~mask;
  fragments[running].pc = pc + 1;
  fragments.push_back(std::move(taken));
  return Flow::Jump;
}

/// The last warp of a block exits: nobody of the cluster may be using its
/// shared memory still.
static void checkBlockExit(Warp &warp, const Inst &inst) {
  Block &block = warp.getBlock();
  if (!block.hasExited() || warp.getCluster().getBlocks().size() == 1)
    return;
  Agent all = warp.getAgent();
  for (Warp &other : block.getWarps()) {
    all.join(other.getAgent());
    all.join(other.getAsyncAgent());
  }
  warp.report(inst, 0, block.getShadow().checkExit(all));
}

Flow Warp::exit(LaneMask mask) {
  const Inst &inst = code->insts[pc];
  hasMoved = true;
  live &= ~mask;
  fragments[running].mask &= ~mask;
  fragments[running].pc = pc + 1;
  if (!fragments[running].mask)
    fragments.erase(fragments.begin() + running);
  noteEffect();
  getCluster().progress();
  if (!live) {
    finishCopies(*this);
    checkBlockExit(*this, inst);
  }
  return Flow::Jump;
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

/// Copies a lane's variables from one frame to another.
static void copyVariables(Frame &from, const std::vector<ParamPlace> &sources,
                          Frame &to, const std::vector<ParamPlace> &targets,
                          LaneMask mask) {
  for (size_t i = 0; i < sources.size() && i < targets.size(); ++i) {
    uint32_t size = std::min(sources[i].size, targets[i].size);
    for (unsigned lane = 0; lane < kNumLanes; ++lane)
      if (mask & (LaneMask(1) << lane))
        std::memcpy(to.registers + targets[i].getOffset(lane),
                    from.registers + sources[i].getOffset(lane), size);
  }
}

Flow Warp::call(const Code &callee, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<CallData>();
  std::shared_ptr<Frame> caller = fragments[running].frame;
  uint64_t localBase = caller->localBase + caller->code->localSize;
  constexpr uint32_t kMostDepth = 2000;
  constexpr uint64_t kMostLocal = uint64_t(1) << 20;
  if (caller->depth >= kMostDepth || localBase + callee.localSize > kMostLocal)
    return report(inst, __builtin_ctz(mask), Check::Fault,
                  "the call stack overflows, calling '" +
                      callee.function->name + "'");
  std::shared_ptr<Frame> frame =
      makeFrame(callee, localBase, caller->depth + 1);
  frame->caller = caller;
  frame->callInst = &inst;
  frame->returnTo = pc + 1;
  copyVariables(*caller, data.arguments, *frame, getParameters(callee), mask);
  hasMoved = true;
  Fragment inside;
  inside.frame = std::move(frame);
  inside.mask = mask;
  fragments[running].mask &= ~mask;
  fragments[running].pc = pc + 1;
  if (fragments[running].mask)
    fragments.push_back(std::move(inside));
  else
    fragments[running] = std::move(inside);
  return Flow::Jump;
}

Flow Warp::ret(LaneMask mask) {
  std::shared_ptr<Frame> frame = fragments[running].frame;
  if (!frame->caller)
    return exit(mask);
  const auto &data = frame->callInst->getData<CallData>();
  copyVariables(*frame, getResults(*frame->code), *frame->caller, data.results,
                mask);
  hasMoved = true;
  Fragment back;
  back.frame = frame->caller;
  back.pc = frame->returnTo;
  back.mask = mask;
  fragments[running].mask &= ~mask;
  fragments[running].pc = pc + 1;
  if (fragments[running].mask)
    fragments.push_back(std::move(back));
  else
    fragments[running] = std::move(back);
  return Flow::Jump;
}
