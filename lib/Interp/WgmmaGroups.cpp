//===- WgmmaGroups.cpp - What wgmmas wait for -----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// wgmma.fence, commit_group and wait_group (ISA 9.7.15.7), and who may use the
// registers of a wgmma when.
//
//===----------------------------------------------------------------------===//

#include "WgmmaGroups.h"

#include "WgmmaData.h"

#include <algorithm>

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

MatrixState &MatrixState::get(Warp &warp) {
  if (!warp.matrix)
    warp.matrix = std::make_unique<MatrixState>();
  warp.watchesRegisters = true;
  return *warp.matrix;
}

uint8_t &MatrixState::at(uint32_t slot) {
  size_t index = slot / kNumLanes;
  if (index >= status.size())
    status.resize(index + 1);
  return status[index];
}

void MatrixState::watch(std::shared_ptr<Frame> next) {
  if (frame == next)
    return;
  frame = std::move(next);
  status.clear();
  markPending();
}

void MatrixState::markPending() {
  for (const std::unique_ptr<Tile> &tile : tiles)
    if (tile->frame == frame)
      for (uint32_t slot : tile->data->slotsD)
        at(slot) |= Accumulates;
  for (const Reads &read : reads)
    if (read.frame == frame)
      for (uint32_t slot : read.data->slotsA)
        at(slot) |= Multiplies;
}

MatrixState::Tile &MatrixState::makeTile() {
  if (freeTiles.empty())
    freeTiles.push_back(std::make_unique<Tile>());
  tiles.push_back(std::move(freeTiles.back()));
  freeTiles.pop_back();
  return *tiles.back();
}

MatrixState::Reads MatrixState::makeReads() {
  if (freeReads.empty())
    return {};
  Reads result = std::move(freeReads.back());
  freeReads.pop_back();
  result.ranges.clear();
  return result;
}

void MatrixState::complete(Warp &warp, uint64_t group) {
  auto isDone = [&](const auto &pending) { return pending.group <= group; };
  size_t left = 0;
  for (std::unique_ptr<Tile> &tile : tiles) {
    if (!isDone(*tile)) {
      std::swap(tiles[left++], tile);
      continue;
    }
    writeBack(*tile);
    tile->frame.reset();
    freeTiles.push_back(std::move(tile));
  }
  tiles.resize(left);
  left = 0;
  Agent &agent = warp.getAgent();
  uint32_t async = warp.getAsyncAgent().id;
  for (Reads &read : reads) {
    if (!isDone(read)) {
      std::swap(reads[left++], read);
      continue;
    }
    for (const Reads::Range &range : read.ranges)
      warp.getBlock().getShadow().endAsyncRead(range.offset, range.size);
    agent.known.set(async, std::max(agent.known[async], read.time));
    read.frame.reset();
    freeReads.push_back(std::move(read));
  }
  reads.resize(left);
  for (uint8_t &flags : status)
    flags &= Touched;
  markPending();
}

void MatrixState::completeOthers(Warp &warp, uint64_t group) {
  std::deque<Warp> &warps = warp.getBlock().getWarps();
  Agent &agent = warp.getAgent();
  size_t first = warp.getIndex() / 4 * 4;
  for (size_t i = first; i < std::min(first + 4, warps.size()); ++i) {
    Warp &other = warps[i];
    if (&other == &warp || !other.matrix)
      continue;
    uint32_t async = other.getAsyncAgent().id;
    uint32_t time = other.getAgent().known[async];
    for (Reads &read : other.matrix->reads) {
      if (read.group > group)
        continue;
      for (const Reads::Range &range : read.ranges)
        other.getBlock().getShadow().endAsyncRead(range.offset, range.size);
      read.ranges.clear();
      time = std::max(time, read.time);
    }
    agent.known.set(async, std::max(agent.known[async], time));
  }
}

std::string MatrixState::describe(Warp &warp, uint32_t slot) {
  const Code &code = warp.getCode();
  std::string name = "a register";
  for (size_t i = 0; i < code.registerSlots.size(); ++i)
    if (code.registerSlots[i] == slot)
      name = code.function->registers[i].name;
  auto uses = [&](const std::vector<uint32_t> &slots) {
    return std::find(slots.begin(), slots.end(), slot) != slots.end();
  };
  for (const std::unique_ptr<Tile> &tile : tiles)
    if (tile->frame == frame && uses(tile->data->slotsD))
      return name + ", an accumulator of the wgmma of line " +
             std::to_string(tile->line) + ",";
  for (const Reads &read : reads)
    if (read.frame == frame && uses(read.data->slotsA))
      return name + ", a part of matrix A of the wgmma of line " +
             std::to_string(read.line) + ",";
  return name;
}

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

Flow sparsedrop::ptx::checkMatrixRegisters(Warp &warp, const Inst &inst,
                                           LaneMask mask) {
  if (inst.run == runWgmma)
    return Flow::Next;
  MatrixState &state = *warp.matrix;
  if (state.frame.get() != &warp.getFrame())
    return Flow::Next;
  Flow flow = Flow::Next;
  for (const SlotUse &use : warp.getCode().getMatrixUses(warp.getPc())) {
    uint8_t &flags = state.at(use.slot);
    flags |= MatrixState::Touched;
    if (flow == Flow::Next && flags != MatrixState::Touched)
      flow = warp.report(inst, __builtin_ctz(mask), Check::Async,
                         (use.isWrite ? "writes " : "reads ") +
                             state.describe(warp, use.slot) +
                             " with no wgmma.wait_group between");
  }
  return flow;
}

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

static Flow runFence(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.converge(inst, mask, kAllLanes, flow))
    return flow;
  MatrixState &state = MatrixState::get(warp);
  state.hasFence = true;
  state.watch(warp.shareFrame());
  for (uint8_t &flags : state.status)
    flags &= ~MatrixState::Touched;
  return Flow::Next;
}

static Flow runCommit(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.converge(inst, mask, kAllLanes, flow))
    return flow;
  MatrixState &state = MatrixState::get(warp);
  ++state.numGroups;
  state.ends.push_back(state.numIssued);
  // What later groups read is known only when they are waited for.
  warp.getAsyncAgent().tick();
  return Flow::Next;
}

static Flow runWait(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.converge(inst, mask, kAllLanes, flow))
    return flow;
  MatrixState &state = MatrixState::get(warp);
  uint64_t pending = inst.imm;
  if (state.numGroups < pending)
    return Flow::Next;
  uint64_t group = state.numGroups - pending;
  if (std::string missing = state.findMissing(warp, group); !missing.empty())
    return warp.wait(std::move(missing));
  state.complete(warp, group);
  state.completeOthers(warp, group);
  return Flow::Next;
}

/// setmaxnreg (ISA 9.7.19.5) changes how many registers ptxas may use, which
/// nothing in PTX can see: the form is checked, the pool of registers is not.
static Flow runSetRegisters(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  warp.convergeAligned(inst, mask, flow);
  return flow;
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

static bool readModifiers(Decoder &decoder, std::string_view name, Handler run,
                          Class kind) {
  decoder.inst().kind = kind;
  decoder.inst().run = run;
  for (std::string_view word :
       {name, std::string_view("sync"), std::string_view("aligned")})
    if (!decoder.take(word))
      return decoder.fail("needs the modifier ." + std::string(word));
  return kind == Class::Matrix ? requireWgmma(decoder)
                               : decoder.requireArch(90, /*archSpecific=*/true);
}

bool sparsedrop::ptx::decodeWgmmaFence(Decoder &decoder) {
  return readModifiers(decoder, "fence", runFence, Class::Matrix) &&
         decoder.expectOperands(0);
}

bool sparsedrop::ptx::decodeWgmmaCommit(Decoder &decoder) {
  return readModifiers(decoder, "commit_group", runCommit, Class::Matrix) &&
         decoder.expectOperands(0);
}

bool sparsedrop::ptx::decodeWgmmaWait(Decoder &decoder) {
  if (!readModifiers(decoder, "wait_group", runWait, Class::Matrix) ||
      !decoder.expectOperands(1))
    return false;
  std::optional<int64_t> count = decoder.immediate(decoder.get().operands[0]);
  if (!count)
    return false;
  decoder.inst().imm = *count;
  return *count >= 0 || decoder.fail("waits for a negative number of groups");
}

bool sparsedrop::ptx::decodeSetMaxRegisters(Decoder &decoder) {
  std::string_view action = decoder.peek();
  if (action != "inc" && action != "dec")
    return decoder.fail("needs .inc or .dec");
  if (!readModifiers(decoder, action, runSetRegisters, Class::Other) ||
      !decoder.expectOperands(1))
    return false;
  decoder.take("u32");
  std::optional<int64_t> count = decoder.immediate(decoder.get().operands[0]);
  if (!count)
    return false;
  if (*count < 24 || *count > 256 || *count % 8)
    return decoder.fail("asks for " + std::to_string(*count) +
                        " registers, but only multiples of 8 from 24 to 256 "
                        "are allowed");
  return true;
}
