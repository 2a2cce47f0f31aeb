//===- BulkCopy.cpp - cp.async.bulk and cp.reduce.async.bulk --------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AsyncCopy.h"
#include "BulkOperands.h"
#include "CopyOperands.h"
#include "Mbarrier.h"
#include "Reductions.h"

#include <cstring>

using namespace sparsedrop::ptx;

namespace {

struct BulkData : InstData {
  AddressSource destination, source;
  BulkSignal signal;
  uint32_t size = 0; ///< slot
  Reduction reduction = nullptr;
};

} // namespace

//===----------------------------------------------------------------------===//
// Handlers (ISA 9.7.9.25.4)
//===----------------------------------------------------------------------===//

/// The lane's size, a multiple of 16.
static Flow readSize(Warp &warp, const Inst &inst, unsigned lane, uint32_t slot,
                     uint32_t &size) {
  size = warp.lanes<uint32_t>(slot)[lane];
  if (size % 16 == 0)
    return Flow::Next;
  return warp.report(inst, lane, Check::Fault,
                     "copies " + std::to_string(size) +
                         " bytes, which is no multiple of 16");
}

/// Bytes of the block's own shared memory.
static bool locateOwn(Warp &warp, const Inst &inst, unsigned lane,
                      const AddressSource &address, uint32_t size, bool isWrite,
                      Warp::Place &place) {
  if (!warp.locate(inst, lane, address.space, address.get(warp, lane), size, 16,
                   isWrite, place))
    return false;
  if (place.block == &warp.getBlock())
    return true;
  warp.report(inst, lane, Check::Fault,
              "the source is in the shared memory of another block");
  return false;
}

/// From global memory, or from the block's shared memory, to shared memory.
static Flow startToShared(Warp &warp, const Inst &inst, unsigned lane) {
  const auto &data = inst.getData<BulkData>();
  uint32_t size;
  if (readSize(warp, inst, lane, data.size, size) == Flow::Stop)
    return Flow::Stop;
  ClusterCopies::Load load;
  const uint8_t *from;
  if (data.source.space == Space::Shared) {
    Warp::Place place;
    if (!locateOwn(warp, inst, lane, data.source, size, false, place))
      return Flow::Stop;
    from = place.data;
    load.source = {static_cast<uint32_t>(place.offset), size};
  } else {
    from = warp.access(inst, lane, Space::Global, data.source.get(warp, lane),
                       size, Access::Read, 16);
    if (!from)
      return Flow::Stop;
  }
  load.bytes = size;
  load.isReduction = data.reduction != nullptr;
  Reduction reduction = data.reduction;
  auto write = [from, size, reduction](uint8_t *to) {
    if (reduction)
      reduction(to, from, size);
    else
      std::memcpy(to, from, size);
  };
  return startSignalled(warp, inst, lane, data.signal,
                        data.destination.get(warp, lane), size, 16,
                        std::move(load), write);
}

/// From the block's shared memory to global memory.
static Flow startToGlobal(Warp &warp, const Inst &inst, unsigned lane) {
  const auto &data = inst.getData<BulkData>();
  uint32_t size;
  Warp::Place source, target;
  if (readSize(warp, inst, lane, data.size, size) == Flow::Stop ||
      !locateOwn(warp, inst, lane, data.source, size, false, source))
    return Flow::Stop;
  uint64_t address = data.destination.get(warp, lane);
  if (data.reduction) {
    target.data = warp.access(inst, lane, Space::Global, address, size,
                              Access::Atomic, 16);
    if (!target.data)
      return Flow::Stop;
  } else if (!warp.locate(inst, lane, Space::Global, address, size, 16,
                          /*isWrite=*/true, target)) {
    return Flow::Stop;
  }
  CopyState::Store store;
  store.inst = &inst;
  store.lane = lane;
  store.source = {static_cast<uint32_t>(source.offset), size};
  store.reads = {store.source};
  Reduction reduction = data.reduction;
  store.write = [=](const uint8_t *bytes) {
    if (reduction) {
      reduction(target.data, bytes, size);
      return;
    }
    std::memcpy(target.data, bytes, size);
    if (target.written)
      std::memset(target.written, 1, size);
  };
  countCopy(warp, size);
  return startStore(warp, std::move(store));
}

/// A copy for each lane.
template <Flow (*Start)(Warp &, const Inst &, unsigned)>
static Flow runLanes(Warp &warp, const Inst &inst, LaneMask mask) {
  for (; mask; mask &= mask - 1)
    if (Start(warp, inst, __builtin_ctz(mask)) == Flow::Stop)
      return Flow::Stop;
  return Flow::Next;
}

static Flow runNothing(Warp &, const Inst &, LaneMask) { return Flow::Next; }

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

/// .redOp{.noftz}.type
static bool takeReduction(Decoder &decoder, bool isShared, BulkData &data) {
  std::string_view operation;
  for (const std::string &word : decoder.get().modifiers)
    if (isReduction(word))
      operation = word;
  if (operation.empty() || !decoder.take(operation))
    return decoder.fail("expected the operation of the reduction");
  Type type = decoder.takeType();
  bool isNarrow = type == Type::F16 || type == Type::BF16;
  bool hasNoFlush = decoder.take("noftz");
  if (hasNoFlush != (isNarrow && operation == "add"))
    return decoder.fail(hasNoFlush
                            ? "has .noftz, which only .add of .f16 and .bf16 "
                              "has"
                            : "expected .noftz");
  data.reduction = findReduction(operation, type, isShared);
  if (data.reduction)
    return true;
  return decoder.fail("has no operation ." + std::string(operation) +
                      " of the type ." + std::string(getName(type)) +
                      (isShared ? " on shared memory" : ""));
}

static bool decodeToShared(Decoder &decoder, BulkData &data, bool isReduction,
                           Space source) {
  const std::vector<Operand> &operands = decoder.get().operands;
  decoder.inst().run = runLanes<startToShared>;
  if (isReduction && source != Space::Shared)
    return decoder.fail("reduces from .shared::cta only");
  return takeSignal(decoder, 3, data.signal) &&
         (!isReduction || takeReduction(decoder, true, data)) &&
         takeAddress(decoder, operands[0], Space::Shared, data.destination) &&
         takeAddress(decoder, operands[1], source, data.source) &&
         takeValue(decoder, operands[2], Type::U32, data.size);
}

static bool decodeToGlobal(Decoder &decoder, BulkData &data, bool isReduction) {
  const std::vector<Operand> &operands = decoder.get().operands;
  decoder.inst().run = runLanes<startToGlobal>;
  if (!decoder.take("bulk_group"))
    return decoder.fail("expected .bulk_group");
  return takePolicy(decoder, 3) &&
         (!isReduction || takeReduction(decoder, false, data)) &&
         takeAddress(decoder, operands[0], Space::Global, data.destination) &&
         takeAddress(decoder, operands[1], Space::Shared, data.source) &&
         takeValue(decoder, operands[2], Type::U32, data.size);
}

bool sparsedrop::ptx::decodeBulkPrefetch(Decoder &decoder) {
  decoder.inst().run = runNothing;
  decoder.take("prefetch");
  decoder.take("L2");
  AddressSource source;
  uint32_t size;
  if (!decoder.take("global"))
    return decoder.fail("expected .global");
  return takePolicy(decoder, 2) &&
         takeAddress(decoder, decoder.get().operands[0], Space::Global,
                     source) &&
         takeValue(decoder, decoder.get().operands[1], Type::U32, size);
}

bool sparsedrop::ptx::decodeBulkCopy(Decoder &decoder, bool isReduction) {
  decoder.take("bulk");
  if (!decoder.requireArch(90))
    return false;
  const Instruction &inst = decoder.get();
  if (inst.has("tensor"))
    return decodeBulkTensor(decoder, isReduction);
  if (inst.has("commit_group") || inst.has("wait_group"))
    return decodeBulkGroup(decoder);
  if (inst.has("prefetch"))
    return decodeBulkPrefetch(decoder);
  auto &data = decoder.setData<BulkData>();
  BulkDirection direction;
  if (!takeDirection(decoder, direction))
    return false;
  data.signal.isOwn = direction.isOwn;
  return direction.toGlobal
             ? decodeToGlobal(decoder, data, isReduction)
             : decodeToShared(decoder, data, isReduction, direction.source);
}
