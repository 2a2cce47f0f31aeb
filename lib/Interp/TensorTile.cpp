//===- TensorTile.cpp - Boxes of tensors in shared memory -----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TensorTile.h"

#include "FloatFormats.h"

#include <cmath>
#include <cstring>

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// What is supported
//===----------------------------------------------------------------------===//

std::string TensorTile::validate(unsigned rank) const {
  if (map.rank != rank)
    return "the tensor map has rank " + std::to_string(map.rank) +
           ", but the instruction has " + std::to_string(rank) + " coordinates";
  // The ISA names these layouts (5.5.6), but says no addresses.
  if (map.interleave)
    return "tensor maps with an interleave are not supported";
  if (map.swizzle && getRowBytes() != map.getSwizzleSpan())
    return "a row of the box has " + std::to_string(getRowBytes()) +
           " bytes: fewer than the " + std::to_string(map.getSwizzleSpan()) +
           " of the swizzle are not supported";
  return {};
}

bool TensorTile::isInside() const {
  for (unsigned i = 0; i < map.rank; ++i) {
    uint64_t step = i ? map.elementStrides[i] : 1;
    int64_t last = coordinates[i] + int64_t((map.getCount(i) - 1) * step);
    if (coordinates[i] < 0 || uint64_t(last) >= map.dims[i])
      return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

/// NaN, or 0, as the map says.
static void fill(const TensorMapInfo &map, uint8_t *to, uint32_t bytes) {
  std::memset(to, 0, bytes);
  if (map.fill == TensorMapInfo::Zero)
    return;
  unsigned size = map.getElementSize();
  uint64_t nan = size == 2 ? 0x7FFF : size == 4 ? 0x7FFFFFFF : ~0ull >> 1;
  for (uint32_t i = 0; i < bytes; i += size)
    std::memcpy(to + i, &nan, size);
}

/// Types that are rounded on their way: to tf32 as cvt.rna does, and .ftz.
static void convert(const TensorMapInfo &map, uint8_t *row, uint32_t bytes) {
  using Map = TensorMapInfo;
  bool isTf32 =
      map.dataType == Map::TFloat32 || map.dataType == Map::TFloat32Ftz;
  bool isFlushed =
      map.dataType == Map::Float32Ftz || map.dataType == Map::TFloat32Ftz;
  if (!isTf32 && !isFlushed)
    return;
  for (uint32_t i = 0; i < bytes; i += 4) {
    float value;
    std::memcpy(&value, row + i, sizeof(value));
    if (isFlushed && std::fpclassify(value) == FP_SUBNORMAL)
      value = std::copysign(0.0f, value);
    uint32_t bits = isTf32 ? toTf32(value) : bitCast<uint32_t>(value);
    std::memcpy(row + i, &bits, sizeof(bits));
  }
}

//===----------------------------------------------------------------------===//
// Boxes
//===----------------------------------------------------------------------===//

/// Calls visit(row offset, shared offset, bytes) for each chunk of a row: both
/// from the start of the box.
template <typename Visitor>
static void forEachChunk(const TensorTile &tile, const TensorTile::Row &row,
                         uint32_t address, Visitor visit) {
  uint32_t bytes = tile.getRowBytes();
  uint32_t step = tile.map.swizzle ? 16 : bytes;
  for (uint32_t at = 0; at < bytes; at += step)
    visit(at, swizzleAddress(tile.map, address + row.offset + at) - address,
          step);
}

/// Bytes of the longest row: 256 elements of 8.
static constexpr uint32_t kMostRowBytes = 2048;

void sparsedrop::ptx::loadTile(const TensorTile &tile, uint8_t *shared,
                               uint32_t address) {
  uint8_t bytes[kMostRowBytes];
  tile.forEachRow([&](const TensorTile::Row &row) {
    uint32_t size = row.end - row.begin, rowBytes = tile.getRowBytes();
    if (size < rowBytes)
      fill(tile.map, bytes, rowBytes);
    if (size)
      std::memcpy(bytes + row.begin,
                  reinterpret_cast<const uint8_t *>(row.address), size);
    convert(tile.map, bytes + row.begin, size);
    forEachChunk(tile, row, address,
                 [&](uint32_t at, uint32_t offset, uint32_t count) {
                   std::memcpy(shared + offset, bytes + at, count);
                 });
  });
}

void sparsedrop::ptx::storeTile(const TensorTile &tile, const uint8_t *shared,
                                uint32_t address, Reduction reduction) {
  uint8_t bytes[kMostRowBytes];
  tile.forEachRow([&](const TensorTile::Row &row) {
    if (row.begin == row.end)
      return;
    forEachChunk(tile, row, address,
                 [&](uint32_t at, uint32_t offset, uint32_t count) {
                   std::memcpy(bytes + at, shared + offset, count);
                 });
    auto *to = reinterpret_cast<uint8_t *>(row.address);
    if (reduction)
      reduction(to, bytes + row.begin, row.end - row.begin);
    else
      std::memcpy(to, bytes + row.begin, row.end - row.begin);
  });
}
