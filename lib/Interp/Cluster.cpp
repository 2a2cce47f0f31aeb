//===- Cluster.cpp - The turns of a cluster's warps -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AsyncCopy.h"
#include "Machine.h"
#include "Wgmma.h"

#include <random>

using namespace sparsedrop::ptx;

/// Instructions of a warp before the next one has its turn.
static constexpr uint64_t kTurn = 4096;
/// How often waits that may give up do so, with nothing else happening, before
/// this is a deadlock.
static constexpr uint32_t kMostGivenUp = 64;

//===----------------------------------------------------------------------===//
// Turns
//===----------------------------------------------------------------------===//

/// Warps in the order of their turns: with a seed, another one each round.
static std::vector<Warp *> getOrder(std::deque<Block> &blocks, uint64_t seed,
                                    uint64_t index, uint64_t round) {
  std::vector<Warp *> order;
  for (Block &block : blocks)
    for (Warp &warp : block.getWarps())
      if (!warp.hasExited())
        order.push_back(&warp);
  if (seed) {
    std::mt19937_64 random(seed ^ (index << 20) ^ round * 0x9E3779B97F4A7C15u);
    for (size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[random() % i]);
  }
  return order;
}

/// With a seed, turns end early, so that warps meet in other ways.
static uint64_t getTurn(uint64_t seed, uint64_t round, uint32_t warp) {
  if (!seed)
    return kTurn;
  uint64_t mixed = (seed + round * 31 + warp) * 0x9E3779B97F4A7C15u;
  return 1 + (mixed >> 54);
}

/// A turn each; whether anything happened.
bool Cluster::runRound(uint64_t &ran) {
  uint64_t seed = launch->getOptions().seed, before = events, first = ran;
  bool hadEffects = false;
  ++round;
  for (Warp *warp : getOrder(blocks, seed, index, round)) {
    warp->unblock();
    uint64_t effects = warp->effects;
    uint64_t turn = warp->run(getTurn(seed, round, warp->index));
    ran += turn;
    ticks += turn;
    if (warp->effects != effects) {
      launch->effects.fetch_add(1, std::memory_order_relaxed);
      hadEffects = true;
    }
    noteTurn(*warp);
    if (launch->getReporter().hasStopped())
      return true;
  }
  bool allBlocked = true;
  for (Block &block : blocks)
    for (Warp &warp : block.getWarps())
      allBlocked &= warp.hasExited() || warp.isBlocked();
  // Blocked warps ran one instruction again, the one that blocks; those that
  // gave up ran in a circle.
  return events != before || hadEffects || ran == first ||
         (!allBlocked && !mustGiveUp);
}

bool Cluster::run(uint64_t budget) {
  uint64_t ran = 0;
  while (!isFinished && ran < budget) {
    bool isDone = true;
    for (Block &block : blocks)
      isDone &= block.hasExited();
    if (isDone) {
      finish();
      break;
    }
    if (runRound(ran)) {
      mustGiveUp = false;
      timesGivenUp = 0;
    } else if (mustGiveUp) {
      mustGiveUp = false;
    } else {
      giveUp();
    }
    if (launch->getReporter().hasStopped())
      break;
    if (isStuck())
      break;
  }
  return isFinished;
}

void Cluster::giveUp() {
  mustGiveUp = true;
  if (++timesGivenUp >= kMostGivenUp)
    reportStuck("nobody can go on: ");
}

void Cluster::finish() {
  isFinished = true;
  for (Block &block : blocks)
    finishCopies(block);
}

//===----------------------------------------------------------------------===//
// Those who wait or spin
//===----------------------------------------------------------------------===//

/// A warp whose registers and place come back at the end of a turn, though
/// nothing that it could see has changed in between, will never do anything
/// else (Brent's way to find a cycle).
void Cluster::noteTurn(Warp &warp) {
  uint64_t now = launch->effects.load(std::memory_order_relaxed) + events;
  bool isQuiet = now == warp.savedEffects;
  bool isRunning = !warp.hasExited() && !warp.isBlocked();
  if (!isQuiet || !isRunning) {
    warp.savedEffects = now;
    warp.turnsSinceSaved = 0;
    warp.turnsUntilSave = 1;
    warp.savedState = 0;
    warp.isSpinning = false;
    return;
  }
  uint64_t state = warp.hashState();
  warp.isSpinning |= state == warp.savedState;
  if (++warp.turnsSinceSaved < warp.turnsUntilSave)
    return;
  warp.savedState = state;
  warp.turnsSinceSaved = 0;
  warp.turnsUntilSave = std::min(2 * warp.turnsUntilSave, 1u << 16);
}

bool Cluster::isStuck() const {
  bool anySpins = false;
  for (const Block &block : blocks) {
    for (const Warp &warp : const_cast<Block &>(block).getWarps()) {
      if (warp.hasExited())
        continue;
      if (!warp.isSpinning && !warp.isBlocked())
        return false;
      anySpins |= warp.isSpinning;
    }
  }
  return anySpins;
}

/// The fragment that says most about a standstill: one that lacks lanes of its
/// own warp, else any.
static Check classify(const std::vector<Fragment> &fragments, size_t &index) {
  for (index = 0; index < fragments.size(); ++index)
    if (fragments[index].isConverging)
      return Check::Divergence;
  index = 0;
  return Check::Deadlock;
}

void Cluster::reportStuck(std::string_view what) {
  Warp *first = nullptr;
  size_t fragment = 0;
  Check check = Check::Deadlock;
  std::string message(what);
  constexpr unsigned kMostLines = 16;
  unsigned lines = 0;
  for (Block &block : blocks) {
    for (Warp &warp : block.getWarps()) {
      if (warp.hasExited())
        continue;
      size_t index = 0;
      Check kind = classify(warp.fragments, index);
      if (!first || (kind == Check::Divergence && check != kind)) {
        first = &warp;
        fragment = index;
        check = kind;
      }
      for (const std::string &line : warp.describeWaits())
        if (++lines <= kMostLines)
          message += (lines > 1 ? "; " : "") +
                     (blocks.size() > 1
                          ? "block " + std::to_string(block.getRank()) + " "
                          : std::string()) +
                     line;
    }
  }
  if (!first)
    return;
  if (lines > kMostLines)
    message += "; and " + std::to_string(lines - kMostLines) + " more";
  const Fragment &at = first->fragments[fragment];
  const Inst &inst = at.frame->code->insts[at.pc];
  unsigned lane = __builtin_ctz(at.mask);
  first->report(inst, lane, check, message);
  // A divergence does not end the launch, but a standstill does.
  if (check == Check::Divergence)
    first->report(inst, lane, Check::Deadlock, message);
}
