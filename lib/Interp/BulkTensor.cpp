//===- BulkTensor.cpp - cp.async.bulk.tensor and its reductions -----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AsyncCopy.h"
#include "BulkOperands.h"
#include "TensorTile.h"

#include <cstring>

using namespace sparsedrop::ptx;

namespace {

struct TensorData : InstData {
  AddressSource map, shared;
  std::vector<uint32_t> coordinates; ///< slots
  BulkSignal signal;
  std::string operation; ///< of a reduction, or empty
};

} // namespace

/// A swizzle counts in rows of 128 bytes.
static constexpr uint32_t kSharedAlign = 128;

//===----------------------------------------------------------------------===//
// The tensor
//===----------------------------------------------------------------------===//

/// Reads the tensor map and the coordinates.
static Flow readTile(Warp &warp, const Inst &inst, unsigned lane,
                     TensorTile &tile) {
  const auto &data = inst.getData<TensorData>();
  uint64_t address = data.map.get(warp, lane);
  if ((address & kWindowMask) == kSharedWindow)
    return warp.report(inst, lane, Check::Fault,
                       "the tensor map is in shared memory");
  const uint8_t *bytes =
      warp.access(inst, lane, Space::Generic, address, TensorMapInfo::kBytes,
                  Access::Read, TensorMapInfo::kAlign);
  if (!bytes)
    return Flow::Stop;
  std::string error;
  unsigned rank = data.coordinates.size();
  if (decodeTensorMap(bytes, tile.map, error))
    error = tile.validate(rank);
  if (!error.empty())
    return warp.report(inst, lane, Check::Fault,
                       "the operand is no usable tensor map: " + error);
  for (unsigned i = 0; i < rank; ++i)
    tile.coordinates[i] = warp.lanes<int32_t>(data.coordinates[i])[lane];
  return Flow::Next;
}

/// Checks the global memory of a box, and marks what a store writes.
static Flow checkGlobal(Warp &warp, const Inst &inst, unsigned lane,
                        const TensorTile &tile, Access kind) {
  Flow flow = Flow::Next;
  tile.forEachRow([&](const TensorTile::Row &row) {
    uint32_t size = row.end - row.begin;
    if (flow == Flow::Stop || !size)
      return;
    Warp::Place place;
    bool isGood =
        kind == Access::Write
            ? warp.locate(inst, lane, Space::Global, row.address, size, 1,
                          /*isWrite=*/true, place)
            : warp.access(inst, lane, Space::Global, row.address, size, kind,
                          1) != nullptr;
    if (!isGood)
      flow = Flow::Stop;
  });
  return flow;
}

/// Bytes of shared memory that a store reads: where all of the box is in the
/// tensor, the box.
static std::vector<SharedRange> getReads(const TensorTile &tile,
                                         uint32_t offset) {
  if (tile.isInside())
    return {{offset, static_cast<uint32_t>(tile.map.getBoxBytes())}};
  std::vector<SharedRange> ranges;
  tile.forEachRow([&](const TensorTile::Row &row) {
    for (uint32_t at = row.begin; at < row.end;) {
      uint32_t next = std::min(row.end, (at / 16 + 1) * 16);
      uint32_t address = offset + kSharedBase + row.offset + at;
      ranges.push_back(
          {swizzleAddress(tile.map, address) - kSharedBase, next - at});
      at = next;
    }
  });
  return ranges;
}

//===----------------------------------------------------------------------===//
// Handlers (ISA 9.7.9.27.1)
//===----------------------------------------------------------------------===//

static Flow startTensorLoad(Warp &warp, const Inst &inst, unsigned lane) {
  const auto &data = inst.getData<TensorData>();
  TensorTile tile;
  if (readTile(warp, inst, lane, tile) == Flow::Stop ||
      checkGlobal(warp, inst, lane, tile, Access::Read) == Flow::Stop)
    return Flow::Stop;
  uint64_t address = data.shared.get(warp, lane);
  uint32_t inBlock = address & ((uint64_t(1) << kClusterRankShift) - 1);
  ClusterCopies::Load load;
  uint32_t size = load.bytes = tile.map.getBoxBytes();
  return startSignalled(
      warp, inst, lane, data.signal, address, size, kSharedAlign,
      std::move(load),
      [tile, inBlock](uint8_t *to) { loadTile(tile, to, inBlock); });
}

/// The reduction of a map's elements, which may have another name there.
static Reduction findReduction(const TensorData &data,
                               const TensorMapInfo &map) {
  Type type = parseType(getName(map.dataType));
  bool isBitwise = data.operation == "and" || data.operation == "or" ||
                   data.operation == "xor";
  if (isBitwise)
    type = map.getElementSize() == 4   ? Type::B32
           : map.getElementSize() == 8 ? Type::B64
                                       : Type::None;
  if (map.dataType == TensorMapInfo::Float32Ftz)
    type = Type::F32;
  return sparsedrop::ptx::findReduction(data.operation, type,
                                        /*isShared=*/false);
}

static void markWritten(DeviceMemory &memory, const TensorTile &tile) {
  const Allocation *allocation = nullptr;
  tile.forEachRow([&](const TensorTile::Row &row) {
    uint32_t size = row.end - row.begin;
    if (!size)
      return;
    if (!allocation || !allocation->contains(row.address, size))
      allocation = memory.find(row.address);
    if (allocation)
      std::memset(allocation->written + (row.address - allocation->address), 1,
                  size);
  });
}

/// The reduction of a store, if it has one, and its coordinates.
static Flow checkStore(Warp &warp, const Inst &inst, unsigned lane,
                       const TensorTile &tile, Reduction &reduction) {
  const auto &data = inst.getData<TensorData>();
  reduction = data.operation.empty() ? nullptr : findReduction(data, tile.map);
  if (!data.operation.empty() && !reduction)
    return warp.report(inst, lane, Check::Fault,
                       "has no reduction ." + data.operation +
                           " of elements of type " +
                           std::string(getName(tile.map.dataType)));
  for (unsigned i = 0; i < tile.map.rank; ++i)
    if (tile.coordinates[i] < 0)
      return warp.report(inst, lane, Check::Fault,
                         "stores at the negative coordinate " +
                             std::to_string(tile.coordinates[i]) +
                             " of dimension " + std::to_string(i));
  return checkGlobal(warp, inst, lane, tile,
                     reduction ? Access::Atomic : Access::Write);
}

static Flow startTensorStore(Warp &warp, const Inst &inst, unsigned lane) {
  const auto &data = inst.getData<TensorData>();
  TensorTile tile;
  Reduction reduction;
  if (readTile(warp, inst, lane, tile) == Flow::Stop ||
      checkStore(warp, inst, lane, tile, reduction) == Flow::Stop)
    return Flow::Stop;
  uint32_t size = tile.map.getBoxBytes();
  Warp::Place place;
  if (!warp.locate(inst, lane, data.shared.space, data.shared.get(warp, lane),
                   size, kSharedAlign, /*isWrite=*/false, place))
    return Flow::Stop;
  if (place.block != &warp.getBlock())
    return warp.report(inst, lane, Check::Fault,
                       "the source is in the shared memory of another block");
  CopyState::Store store;
  store.inst = &inst;
  store.lane = lane;
  store.source = {static_cast<uint32_t>(place.offset), size};
  store.reads = getReads(tile, place.offset);
  DeviceMemory *memory = &warp.getLaunch().getMemory();
  uint32_t address = kSharedBase + place.offset;
  store.write = [=](const uint8_t *bytes) {
    storeTile(tile, bytes, address, reduction);
    markWritten(*memory, tile);
  };
  countCopy(warp, size);
  return startStore(warp, std::move(store));
}

/// A hint, but the tensor map must be one.
static Flow startTensorPrefetch(Warp &warp, const Inst &inst, unsigned lane) {
  TensorTile tile;
  return readTile(warp, inst, lane, tile);
}

template <Flow (*Start)(Warp &, const Inst &, unsigned)>
static Flow runLanes(Warp &warp, const Inst &inst, LaneMask mask) {
  for (; mask; mask &= mask - 1)
    if (Start(warp, inst, __builtin_ctz(mask)) == Flow::Stop)
      return Flow::Stop;
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

/// .dim, and the mode: .tile or nothing.
static bool takeShape(Decoder &decoder, size_t &rank) {
  for (rank = 1; rank <= TensorMapInfo::kMostRank; ++rank)
    if (decoder.take(std::to_string(rank) + "d"))
      break;
  if (rank > TensorMapInfo::kMostRank)
    return decoder.fail("expected one of .1d to .5d");
  decoder.take("tile");
  for (const std::string &word : decoder.get().modifiers)
    if (word.rfind("im2col", 0) == 0 || word.rfind("tile::", 0) == 0)
      return decoder.fail("has the mode ." + word +
                          ", which is not supported: only .tile is");
  return true;
}

/// [tensorMap, {coordinates}]
static bool takeTensor(Decoder &decoder, size_t index, size_t rank,
                       TensorData &data) {
  const Operand &operand = decoder.get().operands[index];
  if (!takeAddress(decoder, operand, Space::Generic, data.map,
                   /*hasCoordinates=*/true) ||
      !decoder.sources(operand.elements[1], Type::S32, data.coordinates))
    return false;
  size_t count = data.coordinates.size();
  return count == rank ||
         decoder.fail("expected " + std::to_string(rank) +
                      " coordinates, but got " + std::to_string(count));
}

static bool decodePrefetch(Decoder &decoder, size_t rank, TensorData &data) {
  decoder.inst().run = runLanes<startTensorPrefetch>;
  decoder.take("L2");
  if (!decoder.take("global"))
    return decoder.fail("expected .global");
  return takePolicy(decoder, 1) && takeTensor(decoder, 0, rank, data);
}

static bool decodeTensorStore(Decoder &decoder, size_t rank, TensorData &data) {
  decoder.inst().run = runLanes<startTensorStore>;
  if (!decoder.take("bulk_group"))
    return decoder.fail("expected .bulk_group");
  return takePolicy(decoder, 2) && takeTensor(decoder, 0, rank, data) &&
         takeAddress(decoder, decoder.get().operands[1], Space::Shared,
                     data.shared);
}

static bool decodeTensorLoad(Decoder &decoder, size_t rank, TensorData &data) {
  decoder.inst().run = runLanes<startTensorLoad>;
  return takeSignal(decoder, 2, data.signal) &&
         takeAddress(decoder, decoder.get().operands[0], Space::Shared,
                     data.shared) &&
         takeTensor(decoder, 1, rank, data);
}

static bool takeOperation(Decoder &decoder, TensorData &data) {
  for (const std::string &word : decoder.get().modifiers)
    if (isReduction(word))
      data.operation = word;
  return decoder.take(data.operation) ||
         decoder.fail("expected the operation of the reduction");
}

bool sparsedrop::ptx::decodeBulkTensor(Decoder &decoder, bool isReduction) {
  auto &data = decoder.setData<TensorData>();
  size_t rank;
  decoder.take("tensor");
  if (!takeShape(decoder, rank))
    return false;
  if (decoder.take("prefetch"))
    return decodePrefetch(decoder, rank, data);
  BulkDirection direction;
  if (!takeDirection(decoder, direction))
    return false;
  data.signal.isOwn = direction.isOwn;
  if (isReduction && (!direction.toGlobal || !takeOperation(decoder, data)))
    return decoder.fail("reduces into .global only");
  if (direction.toGlobal)
    return decodeTensorStore(decoder, rank, data);
  if (direction.source != Space::Global)
    return decoder.fail("copies tensors from .global only");
  return decodeTensorLoad(decoder, rank, data);
}
