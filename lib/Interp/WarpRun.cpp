//===- WarpRun.cpp - Executes instructions --------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Machine.h"
#include "Trace.h"
#include "Wgmma.h"

#include <cstring>

using namespace sparsedrop::ptx;

/// A bit for each of 32 bytes that are 0 or 1.
static LaneMask packMask(const uint8_t *bytes) {
  LaneMask mask = 0;
  for (unsigned i = 0; i < 4; ++i) {
    uint64_t eight;
    std::memcpy(&eight, bytes + 8 * i, sizeof(eight));
    // Byte k contributes bit 56 + k.
    mask |= LaneMask((eight * 0x0102040810204080u) >> 56) << (8 * i);
  }
  return mask;
}

/// Instructions that a fragment runs before others of its warp have their turn.
static constexpr uint64_t kSlice = 1024;

uint64_t Warp::run(uint64_t budget) {
  const LaunchOptions &options = getLaunch().getOptions();
  bool isObserved = options.collectStatistics || options.trace;
  uint64_t ran = 0;
  while (ran < budget && live && !getLaunch().getReporter().hasStopped()) {
    if (!select())
      break;
    uint64_t most = budget - ran;
    if (fragments.size() > 1)
      most = std::min(most, kSlice);
    ran += isObserved ? runFragment<true>(most) : runFragment<false>(most);
  }
  return ran;
}

template <bool Observed> uint64_t Warp::runFragment(uint64_t budget) {
  Frame &frame = *fragments[running].frame;
  const Inst *insts = frame.code->insts.data();
  LaneMask mask = fragments[running].mask;
  registers = frame.registers;
  code = frame.code;
  pc = fragments[running].pc;
  hasMoved = false;
  uint32_t stop = findStop();
  uint64_t ran = 0;
  while (ran < budget) {
    const Inst &inst = insts[pc];
    LaneMask active = mask;
    ++ran;
    if (inst.guard != Inst::kNoGuard) {
      LaneMask holds = packMask(registers + inst.guard);
      active &= inst.guardNegated ? ~holds : holds;
    }
    Flow flow = Flow::Next;
    if (active) {
      if (inst.touchesMatrixRegisters && watchesRegisters)
        flow = checkMatrixRegisters(*this, inst, active);
      if (flow == Flow::Next)
        flow = inst.run(*this, inst, active);
      if (Observed && flow != Flow::Retry)
        observe(inst, active);
    }
    if (flow == Flow::Next)
      ++pc;
    else if (flow == Flow::Retry && active != mask)
      split(active);
    if (hasMoved)
      return ran;
    if (flow >= Flow::Retry || pc >= stop) {
      fragments[running].pc = pc;
      // Those who wait go behind the others, too.
      isSliceOver = flow == Flow::Retry;
      return ran;
    }
  }
  fragments[running].pc = pc;
  isSliceOver = true;
  return ran;
}

void Warp::observe(const Inst &inst, LaneMask mask) {
  const LaunchOptions &options = getLaunch().getOptions();
  Statistics &statistics = getCluster().statistics;
  ++statistics.warpInstructions;
  statistics.instructions[static_cast<unsigned>(inst.kind)] +=
      __builtin_popcount(mask);
  if (options.trace && !hasMoved && &inst < &code->insts.back())
    options.trace(describeStep(*this, inst, mask));
}

//===----------------------------------------------------------------------===//
// Spinning
//===----------------------------------------------------------------------===//

/// FNV-1a over words: where the lanes are and what they hold.
uint64_t Warp::hashState() const {
  uint64_t hash = 0xcbf29ce484222325;
  auto add = [&](uint64_t word) { hash = (hash ^ word) * 0x100000001b3; };
  add(running);
  add(isSliceOver);
  for (const Fragment &fragment : fragments) {
    add(fragment.pc);
    add(fragment.mask);
    for (const Frame *frame = fragment.frame.get(); frame;
         frame = frame->caller.get()) {
      for (uint32_t i = 0; i < frame->code->frameSize; i += 8) {
        uint64_t word;
        std::memcpy(&word, frame->registers + i, sizeof(word));
        add(word);
      }
    }
  }
  return hash;
}
