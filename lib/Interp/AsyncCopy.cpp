//===- AsyncCopy.cpp - cp.async and its groups ----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AsyncCopy.h"
#include "CopyOperands.h"
#include "Mbarrier.h"
#include "MemoryAccess.h"

using namespace sparsedrop::ptx;

namespace {

struct AsyncCopyData : InstData {
  AddressSource destination, source;
  uint32_t sourceSize = 0; ///< slot of the bytes to copy, or of ignore-src
  bool hasSourceSize = false;
  bool hasIgnore = false;
  bool isIgnoreNegated = false;
};

} // namespace

/// Calls visit(lanes, value) for the lanes of a mask that have the same value.
template <typename Visitor>
static void forEachValue(LaneMask mask,
                         const std::array<uint32_t, kNumLanes> &values,
                         Visitor visit) {
  while (mask) {
    uint32_t value = values[__builtin_ctz(mask)];
    LaneMask same = 0;
    for (LaneMask left = mask; left; left &= left - 1)
      if (values[__builtin_ctz(left)] == value)
        same |= left & -left;
    visit(same, value);
    mask &= ~same;
  }
}

//===----------------------------------------------------------------------===//
// cp.async (ISA 9.7.9.25.3.1)
//===----------------------------------------------------------------------===//

/// Bytes that a lane copies; the rest of its destination becomes 0.
template <unsigned Size>
static Flow readSourceSize(Warp &warp, const Inst &inst, unsigned lane,
                           unsigned &size) {
  const auto &data = inst.getData<AsyncCopyData>();
  size = Size;
  if (data.hasIgnore) {
    bool holds = warp.lanes<uint8_t>(data.sourceSize)[lane] != 0;
    size = holds != data.isIgnoreNegated ? 0 : Size;
  }
  if (!data.hasSourceSize)
    return Flow::Next;
  size = warp.lanes<uint32_t>(data.sourceSize)[lane];
  if (size <= Size)
    return Flow::Next;
  return warp.report(inst, lane, Check::Fault,
                     "copies " + std::to_string(size) + " bytes of " +
                         std::to_string(Size));
}

template <unsigned Size>
static Flow startLane(Warp &warp, const Inst &inst, unsigned lane,
                      CopyState::Copy &copy) {
  const auto &data = inst.getData<AsyncCopyData>();
  unsigned size;
  if (readSourceSize<Size>(warp, inst, lane, size) == Flow::Stop)
    return Flow::Stop;
  uint64_t from = data.source.get(warp, lane);
  if (size == Size)
    copy.sources[lane] =
        accessFast<Space::Global, Size>(warp, inst, lane, from, Access::Read);
  else if (size)
    copy.sources[lane] =
        warp.access(inst, lane, Space::Global, from, size, Access::Read, Size);
  if (size && !copy.sources[lane])
    return Flow::Stop;
  Warp::Place place;
  if (!warp.locate(inst, lane, data.destination.space,
                   data.destination.get(warp, lane), Size, Size,
                   /*isWrite=*/true, place))
    return Flow::Stop;
  if (place.space != Space::Shared || place.block != &warp.getBlock())
    return warp.report(inst, lane, Check::Fault,
                       "the destination is not in the block's shared memory");
  copy.sourceSizes[lane] = size;
  copy.offsets[lane] = place.offset;
  return warp.report(
      inst, lane,
      place.block->getShadow().beginAsyncWrite(
          warp.getAgent(), lane, place.offset, Size, Proxy::Generic));
}

template <unsigned Size>
static Flow runCopy(Warp &warp, const Inst &inst, LaneMask mask) {
  CopyState &state = CopyState::get(warp);
  Flow flow = Flow::Next;
  forEachValue(mask, state.numGroups, [&](LaneMask lanes, uint32_t group) {
    CopyState::Copy &copy = state.copies.emplace_back();
    copy.group = group;
    copy.number = state.numCopies++;
    copy.size = Size;
    for (LaneMask left = lanes; left && flow != Flow::Stop; left &= left - 1) {
      flow = startLane<Size>(warp, inst, __builtin_ctz(left), copy);
      copy.mask |= left & -left;
    }
  });
  countCopy(warp, uint64_t(Size) * __builtin_popcount(mask));
  return flow;
}

//===----------------------------------------------------------------------===//
// Groups, arrivals
//===----------------------------------------------------------------------===//

static void commit(CopyState &state, LaneMask mask) {
  for (LaneMask left = mask; left; left &= left - 1)
    ++state.numGroups[__builtin_ctz(left)];
}

static Flow runCommit(Warp &warp, const Inst &, LaneMask mask) {
  commit(CopyState::get(warp), mask);
  return Flow::Next;
}

/// Waits until at most `imm` groups are pending.
static void wait(Warp &warp, LaneMask mask, uint32_t pending) {
  CopyState &state = CopyState::get(warp);
  Agent &agent = warp.getAgent();
  forEachValue(mask, state.numGroups, [&](LaneMask lanes, uint32_t groups) {
    if (groups > pending)
      landLaneCopies(warp, lanes, groups - pending, state.numCopies, agent,
                     /*isLane=*/true);
  });
  // Copies that an mbarrier tracked may have landed before.
  if (state.hasArrivals)
    agent.acquire(warp.getAsyncAgent());
}

static Flow runWaitGroup(Warp &warp, const Inst &inst, LaneMask mask) {
  wait(warp, mask, inst.imm);
  return Flow::Next;
}

static Flow runWaitAll(Warp &warp, const Inst &, LaneMask mask) {
  commit(CopyState::get(warp), mask);
  wait(warp, mask, 0);
  return Flow::Next;
}

/// cp.async.mbarrier.arrive: arrivals when the copies so far have landed, which
/// is when somebody looks at the mbarrier.
static Flow runCopyArrive(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<AsyncCopyData>();
  CopyState &state = CopyState::get(warp);
  state.hasArrivals = true;
  warp.getAsyncAgent().acquire(warp.getAgent());
  ClusterCopies &copies = ClusterCopies::get(warp.getCluster());
  std::map<uint32_t, LaneMask> lanesOf;
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    MbarrierPlace place;
    if (!findMbarrier(warp, inst, lane, data.destination.space,
                      data.destination.get(warp, lane), place))
      return Flow::Stop;
    std::string error;
    if (place.block != &warp.getBlock())
      error = "is in another block than the copies";
    else if (!inst.flags) // .noinc
      error = addArrival(*place.barrier, 1);
    if (reportMbarrier(warp, inst, lane, place.offset, error) == Flow::Stop)
      return Flow::Stop;
    lanesOf[place.offset] |= left & -left;
  }
  for (auto &[offset, lanes] : lanesOf)
    copies.tracked[{warp.getBlock().getRank(), offset}].arrivals.push_back(
        {&warp, &inst, lanes, state.numCopies});
  warp.getCluster().progress();
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

bool sparsedrop::ptx::decodeCopyArrive(Decoder &decoder) {
  auto &data = decoder.setData<AsyncCopyData>();
  decoder.inst().run = runCopyArrive;
  decoder.inst().kind = Class::Barrier;
  decoder.take("mbarrier");
  if (!decoder.take("arrive"))
    return decoder.fail("expected .arrive");
  decoder.inst().flags = decoder.take("noinc");
  Space space = takeSharedSpace(decoder, /*mayBeCluster=*/false);
  if (!decoder.take("b64"))
    return decoder.fail("expected the type .b64");
  return decoder.expectOperands(1) &&
         takeAddress(decoder, decoder.get().operands[0], space,
                     data.destination);
}

/// The fourth operand: the bytes of the source, or whether to ignore it.
static bool takeSourceSize(Decoder &decoder, AsyncCopyData &data) {
  const Operand &operand = decoder.get().operands[3];
  bool isPredicate =
      operand.kind == Operand::Reg &&
      decoder.getCode().function->registers[operand.index].type == Type::Pred;
  data.hasIgnore = isPredicate;
  data.hasSourceSize = !isPredicate;
  data.isIgnoreNegated = operand.isNegated;
  return takeValue(decoder, operand, isPredicate ? Type::Pred : Type::U32,
                   data.sourceSize);
}

static bool decodeCopy(Decoder &decoder) {
  auto &data = decoder.setData<AsyncCopyData>();
  const std::vector<Operand> &operands = decoder.get().operands;
  bool isL2 = decoder.take("cg");
  if (!isL2 && !decoder.take("ca"))
    return decoder.fail("expected .ca or .cg");
  size_t policies = decoder.get().has("L2::cache_hint") ? 1 : 0;
  takeCacheHints(decoder);
  if (takeSharedSpace(decoder, false) != Space::Shared ||
      !decoder.take("global"))
    return decoder.fail("copies from .global to .shared only");
  bool hasFourth = operands.size() == 4 + policies;
  if (!hasFourth && !decoder.expectOperands(3 + policies))
    return false;
  std::optional<int64_t> size = decoder.immediate(operands[2]);
  if (!size ||
      !takeAddress(decoder, operands[0], Space::Shared, data.destination) ||
      !takeAddress(decoder, operands[1], Space::Global, data.source))
    return false;
  decoder.inst().run = *size == 16  ? runCopy<16>
                       : isL2       ? nullptr
                       : *size == 8 ? runCopy<8>
                       : *size == 4 ? runCopy<4>
                                    : nullptr;
  if (!decoder.inst().run)
    return decoder.fail("copies " + std::to_string(*size) +
                        " bytes, expected 16" + (isL2 ? "" : ", 8 or 4"));
  return !hasFourth || takeSourceSize(decoder, data);
}

static bool decodeWaitGroup(Decoder &decoder) {
  decoder.inst().run = runWaitGroup;
  if (!decoder.expectOperands(1))
    return false;
  std::optional<int64_t> pending = decoder.immediate(decoder.get().operands[0]);
  if (!pending)
    return false;
  if (*pending < 0 || *pending > INT32_MAX)
    return decoder.fail("cannot leave " + std::to_string(*pending) +
                        " groups pending");
  decoder.inst().imm = *pending;
  return true;
}

static bool decodeAsyncCopy(Decoder &decoder) {
  decoder.take("async");
  decoder.inst().kind = Class::AsyncCopy;
  if (decoder.get().has("bulk"))
    return decodeBulkCopy(decoder, /*isReduction=*/false);
  if (!decoder.requireArch(80))
    return false;
  if (decoder.get().has("mbarrier"))
    return decodeCopyArrive(decoder);
  if (decoder.take("wait_group"))
    return decodeWaitGroup(decoder);
  bool isCommit = decoder.take("commit_group");
  if (isCommit || decoder.take("wait_all")) {
    decoder.inst().run = isCommit ? runCommit : runWaitAll;
    return decoder.expectOperands(0);
  }
  return decodeCopy(decoder);
}

static bool decodeReduceCopy(Decoder &decoder) {
  decoder.inst().kind = Class::AsyncCopy;
  decoder.take("reduce");
  decoder.take("async");
  return decodeBulkCopy(decoder, /*isReduction=*/true);
}

const OpcodeEntry sparsedrop::ptx::kAsyncCopyOpcodes[] = {
    {"cp.async", decodeAsyncCopy},
    {"cp.reduce", decodeReduceCopy},
    {"st.async", decodeStoreAsync},
    {"red.async", decodeReduceAsync},
    {"tensormap.replace", decodeTensorMapReplace},
    {"", nullptr},
};
