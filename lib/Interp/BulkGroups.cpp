//===- BulkGroups.cpp - Bulk copies that groups track ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AsyncCopy.h"
#include "CopyOperands.h"

using namespace sparsedrop::ptx;

/// Stores that were read and not written; more are written early.
static constexpr size_t kMostStores = 64;

//===----------------------------------------------------------------------===//
// Stores
//===----------------------------------------------------------------------===//

Flow sparsedrop::ptx::startStore(Warp &warp, CopyState::Store store) {
  CopyState &state = CopyState::get(warp);
  Agent &agent = warp.getAsyncAgent();
  agent.acquire(warp.getAgent());
  Flow flow = Flow::Next;
  for (const SharedRange &range : store.reads)
    if (flow != Flow::Stop)
      flow = warp.report(
          *store.inst, store.lane,
          warp.getBlock().getShadow().beginAsyncRead(
              agent, SharedShadow::kAnyLane, range.offset, range.size));
  store.group = state.numBulkGroups[store.lane];
  state.stores.push_back(std::move(store));
  if (state.stores.size() > kMostStores && state.stores.front().isRead) {
    writeStore(warp, state.stores.front());
    state.stores.pop_front();
  }
  return flow;
}

void sparsedrop::ptx::readStore(Warp &warp, CopyState::Store &store) {
  if (store.isRead)
    return;
  store.isRead = true;
  const uint8_t *shared = warp.getBlock().getShared() + store.source.offset;
  store.bytes.assign(shared, shared + store.source.size);
  for (const SharedRange &range : store.reads)
    warp.getBlock().getShadow().endAsyncRead(range.offset, range.size);
}

void sparsedrop::ptx::writeStore(Warp &warp, CopyState::Store &store) {
  if (!store.write)
    return;
  store.write(store.bytes.data());
  store.write = nullptr;
  store.bytes.clear();
  warp.noteEffect();
  warp.getCluster().progress();
}

//===----------------------------------------------------------------------===//
// Groups (ISA 9.7.9.27.2)
//===----------------------------------------------------------------------===//

static Flow runCommit(Warp &warp, const Inst &, LaneMask mask) {
  CopyState &state = CopyState::get(warp);
  for (LaneMask left = mask; left; left &= left - 1)
    ++state.numBulkGroups[__builtin_ctz(left)];
  return Flow::Next;
}

/// Waits until at most `imm` groups are pending: until they have read, or until
/// they have written too.
template <bool UntilRead>
static Flow runWait(Warp &warp, const Inst &inst, LaneMask mask) {
  CopyState &state = CopyState::get(warp);
  bool any = false;
  for (CopyState::Store &store : state.stores) {
    uint32_t groups = state.numBulkGroups[store.lane];
    bool isPending = int64_t(store.group) + inst.imm >= int64_t(groups);
    if (!(mask >> store.lane & 1) || isPending)
      continue;
    readStore(warp, store);
    if (!UntilRead)
      writeStore(warp, store);
    any = true;
  }
  while (!state.stores.empty() && state.stores.front().isRead &&
         !state.stores.front().write)
    state.stores.pop_front();
  // What the copies have read is free for this warp.
  if (any)
    warp.getAsyncAgent().release(warp.getAgent());
  return Flow::Next;
}

bool sparsedrop::ptx::decodeBulkGroup(Decoder &decoder) {
  Inst &inst = decoder.inst();
  if (decoder.take("commit_group")) {
    inst.run = runCommit;
    return decoder.expectOperands(0);
  }
  decoder.take("wait_group");
  inst.run = decoder.take("read") ? runWait<true> : runWait<false>;
  if (!decoder.expectOperands(1))
    return false;
  std::optional<int64_t> pending = decoder.immediate(decoder.get().operands[0]);
  if (!pending)
    return false;
  if (*pending < 0 || *pending > INT32_MAX)
    return decoder.fail("cannot leave " + std::to_string(*pending) +
                        " groups pending");
  inst.imm = *pending;
  return true;
}
