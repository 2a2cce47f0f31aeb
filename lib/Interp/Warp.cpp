//===- Warp.cpp - A warp and its frames -----------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AsyncCopy.h"
#include "Machine.h"
#include "Specials.h"
#include "Wgmma.h"

#include <cstring>

using namespace sparsedrop::ptx;

Warp::Warp(Block &block, uint32_t index, LaneMask present)
    : block(&block), index(index), present(present), live(present) {}

Warp::~Warp() = default;

Cluster &Warp::getCluster() { return block->getCluster(); }
Launch &Warp::getLaunch() { return getCluster().getLaunch(); }
bool Warp::mustGiveUp() const { return block->getCluster().mustGiveUp; }

void Warp::start(const Code &kernel) {
  fragments.clear();
  Fragment whole;
  whole.frame = makeFrame(kernel, /*localBase=*/0, /*depth=*/0);
  whole.mask = present;
  fragments.push_back(std::move(whole));
}

//===----------------------------------------------------------------------===//
// Frames
//===----------------------------------------------------------------------===//

/// Calls of functions that call themselves end here: a thread's stack is small.
static constexpr uint64_t kMostLocal = uint64_t(1) << 20;

std::shared_ptr<Frame> Warp::makeFrame(const Code &callee, uint64_t localBase,
                                       uint32_t depth) {
  constexpr uintptr_t kAlign = 64;
  auto frame = std::make_shared<Frame>();
  frame->code = &callee;
  frame->depth = depth;
  frame->localBase = localBase;
  frame->storage.reset(new uint8_t[callee.frameSize + kAlign]);
  auto start = reinterpret_cast<uintptr_t>(frame->storage.get());
  frame->registers = frame->storage.get() + (kAlign - start % kAlign) % kAlign;
  if (localBase + callee.localSize > localSize)
    growLocal(localBase + callee.localSize);
  fillFrame(*frame);
  return frame;
}

/// Registers that nothing has written hold 0xFF..: NaN, -1. Predicates must be
/// 0 or 1.
void Warp::fillFrame(Frame &frame) {
  const Code &callee = *frame.code;
  std::memset(frame.registers, 0xFF, callee.frameSize);
  const std::vector<Register> &names = callee.function->registers;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i].type == Type::Pred)
      std::memset(frame.registers + callee.registerSlots[i], 0, kNumLanes);
  for (const Constant &constant : callee.constants)
    for (unsigned lane = 0; lane < kNumLanes; ++lane)
      std::memcpy(frame.registers + constant.offset + lane * constant.size,
                  constant.bits, constant.size);
  for (const SpecialSlot &special : callee.specials) {
    for (unsigned lane = 0; lane < kNumLanes; ++lane) {
      uint64_t value = readSpecial(special.id, *this, frame, lane);
      std::memcpy(frame.registers + special.offset + lane * special.size,
                  &value, special.size);
    }
  }
}

void Warp::growLocal(uint64_t size) {
  if (size > kMostLocal)
    size = kMostLocal;
  uint64_t wider = std::max(size, 2 * localSize);
  std::vector<uint8_t> bytes(wider * kNumLanes, 0xFF);
  for (unsigned lane = 0; localSize && lane < kNumLanes; ++lane)
    std::memcpy(bytes.data() + lane * wider, local.data() + lane * localSize,
                localSize);
  local = std::move(bytes);
  localSize = wider;
}

uint8_t *Warp::getLocal(unsigned lane, uint64_t offset, uint32_t size) {
  if (offset > localSize || size > localSize - offset)
    return nullptr;
  return local.data() + lane * localSize + offset;
}

//===----------------------------------------------------------------------===//
// Findings and waits
//===----------------------------------------------------------------------===//

Flow Warp::report(const Inst &inst, unsigned lane, Check check,
                  std::string message) {
  Finding finding;
  finding.check = check;
  finding.kernel = getLaunch().getKernel().function->name;
  finding.line = inst.line;
  const Dim3 &id = block->getId();
  Dim3 thread = block->getThread(getThread(lane));
  const uint32_t ids[] = {id.x, id.y, id.z};
  const uint32_t threads[] = {thread.x, thread.y, thread.z};
  std::copy(ids, ids + 3, finding.block);
  std::copy(threads, threads + 3, finding.thread);
  finding.message = std::move(message);
  Reporter &reporter = getLaunch().getReporter();
  reporter.add(std::move(finding));
  return reporter.hasStopped() ? Flow::Stop : Flow::Next;
}

Flow Warp::wait(std::string why) {
  fragments[running].isBlocked = true;
  fragments[running].why = std::move(why);
  return Flow::Retry;
}

static std::string hex(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof(text), "0x%llx",
                static_cast<unsigned long long>(value));
  return text;
}

bool Warp::converge(const Inst &inst, LaneMask mask, LaneMask members,
                    Flow &flow) {
  flow = Flow::Next;
  if (LaneMask gone = members & ~live) {
    flow = report(inst, __builtin_ctz(mask), Check::Divergence,
                  "lanes " + hex(gone) +
                      " must take part in this, but they have exited or were "
                      "never launched");
    if (flow == Flow::Stop)
      return false;
  }
  LaneMask missing = members & live & ~mask;
  if (!missing)
    return true;
  fragments[running].isConverging = true;
  flow = wait("lanes " + hex(missing) +
              " of the warp, which must execute this together with lanes " +
              hex(mask));
  return false;
}

bool Warp::convergeGroups(const Inst &inst, LaneMask mask, uint32_t slot,
                          Flow &flow) {
  flow = Flow::Next;
  for (LaneMask left = mask; left;) {
    unsigned first = __builtin_ctz(left);
    LaneMask members = lanes<uint32_t>(slot)[first];
    if (!(members >> first & 1))
      flow = report(inst, first, Check::Divergence,
                    "a lane executes this that is not in its member mask " +
                        hex(members));
    if (flow == Flow::Stop || !converge(inst, mask, members, flow))
      return false;
    left &= ~getGroup(left, slot);
  }
  return true;
}

bool Warp::isBlocked() const {
  for (const Fragment &fragment : fragments)
    if (!fragment.isBlocked)
      return false;
  return true;
}

void Warp::unblock() {
  for (Fragment &fragment : fragments)
    fragment.isBlocked = fragment.isConverging = false;
}

std::vector<std::string> Warp::describeWaits() const {
  std::vector<std::string> lines;
  for (const Fragment &fragment : fragments) {
    uint32_t line = fragment.frame->code->insts[fragment.pc].line;
    std::string what =
        fragment.isBlocked ? "waits for " + fragment.why : std::string("spins");
    lines.push_back("warp " + std::to_string(index) + " lanes " +
                    hex(fragment.mask) + " at line " + std::to_string(line) +
                    " " + what);
  }
  return lines;
}
