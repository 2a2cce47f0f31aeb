//===- StoreAsync.cpp - st.async and red.async ----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AsyncCopy.h"
#include "CopyOperands.h"
#include "Mbarrier.h"
#include "Reductions.h"

#include <cstring>

using namespace sparsedrop::ptx;

namespace {

struct StoreAsyncData : InstData {
  AddressSource destination, barrier;
  std::vector<uint32_t> values; ///< slots
  uint32_t size = 0;            ///< bytes of each
  Reduction reduction = nullptr;
};

} // namespace

//===----------------------------------------------------------------------===//
// Handler (ISA 9.7.9.12, 9.7.13.7)
//===----------------------------------------------------------------------===//

/// A lane's values side by side.
static std::array<uint8_t, 32>
readValues(Warp &warp, const StoreAsyncData &data, unsigned lane) {
  std::array<uint8_t, 32> bytes{};
  uint8_t *to = bytes.data();
  for (uint32_t slot : data.values) {
    std::memcpy(to, warp.lanes<uint8_t>(slot) + lane * data.size, data.size);
    to += data.size;
  }
  return bytes;
}

static Flow startLane(Warp &warp, const Inst &inst, unsigned lane) {
  const auto &data = inst.getData<StoreAsyncData>();
  uint32_t size = data.values.size() * data.size;
  Warp::Place place;
  MbarrierPlace barrier;
  if (!warp.locate(inst, lane, data.destination.space,
                   data.destination.get(warp, lane), size, size,
                   /*isWrite=*/true, place) ||
      !findMbarrier(warp, inst, lane, data.barrier.space,
                    data.barrier.get(warp, lane), barrier))
    return Flow::Stop;
  if (place.space != Space::Shared)
    return warp.report(inst, lane, Check::Fault,
                       "the destination is not in shared memory");
  if (place.block != barrier.block)
    return reportMbarrier(warp, inst, lane, barrier.offset,
                          "is in another block than the destination");
  ClusterCopies::Load load;
  load.warp = &warp;
  load.inst = &inst;
  load.lane = lane;
  load.block = place.block;
  load.range = {static_cast<uint32_t>(place.offset), size};
  load.bytes = size;
  load.proxy = Proxy::Generic;
  load.isReduction = data.reduction != nullptr;
  load.write = [bytes = readValues(warp, data, lane), size, to = place.data,
                reduction = data.reduction] {
    if (reduction)
      reduction(to, bytes.data(), size);
    else
      std::memcpy(to, bytes.data(), size);
  };
  countCopy(warp, size);
  return startLoad(std::move(load), *barrier.block, barrier.offset);
}

static Flow runLanes(Warp &warp, const Inst &inst, LaneMask mask) {
  for (; mask; mask &= mask - 1)
    if (startLane(warp, inst, __builtin_ctz(mask)) == Flow::Stop)
      return Flow::Stop;
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

/// What both have: the space, the mbarrier, the operands.
static bool takeOperands(Decoder &decoder, Type type, StoreAsyncData &data) {
  const std::vector<Operand> &operands = decoder.get().operands;
  decoder.inst().kind = Class::AsyncCopy;
  decoder.inst().run = runLanes;
  data.size = getSize(type);
  Space space =
      decoder.take("shared::cluster") ? Space::Shared : Space::Generic;
  return decoder.requireArch(90) && decoder.expectOperands(3) &&
         takeAddress(decoder, operands[0], space, data.destination) &&
         decoder.sources(operands[1], type, data.values) &&
         takeAddress(decoder, operands[2], space, data.barrier);
}

bool sparsedrop::ptx::decodeStoreAsync(Decoder &decoder) {
  auto &data = decoder.setData<StoreAsyncData>();
  decoder.take("async");
  decoder.take("weak");
  decoder.take("cluster");
  if (!decoder.take("mbarrier::complete_tx::bytes"))
    return decoder.fail("expected .mbarrier::complete_tx::bytes: others are "
                        "not supported");
  size_t count = decoder.take("v2") ? 2 : decoder.take("v4") ? 4 : 1;
  Type type = decoder.takeType();
  if (getSize(type) < 4 || getSize(type) > 8)
    return decoder.fail("expected a type of 32 or 64 bits");
  if (!takeOperands(decoder, type, data))
    return false;
  if (data.values.size() != count || count * data.size > 16)
    return decoder.fail("has a vector of " +
                        std::to_string(data.values.size()) + " elements");
  return true;
}

bool sparsedrop::ptx::decodeReduceAsync(Decoder &decoder) {
  auto &data = decoder.setData<StoreAsyncData>();
  decoder.take("async");
  decoder.take("mbarrier::complete_tx::bytes");
  if (!decoder.take("relaxed") || !decoder.take("cluster"))
    return decoder.fail("expected .relaxed.cluster: others are not supported");
  std::string operation;
  for (const std::string &word : decoder.get().modifiers)
    if (isReduction(word))
      operation = word;
  decoder.take(operation);
  Type type = decoder.takeType();
  data.reduction = findReduction(operation, type, /*isShared=*/true);
  if (!data.reduction)
    return decoder.fail("has no such operation of the type");
  return takeOperands(decoder, type, data);
}
