//===- TensorTile.h - Boxes of tensors in shared memory ---------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which bytes a tiled tensor copy moves (ISA 5.5.3, 5.5.7). Element j of
// dimension i of the box at coordinates c is element c[i] + j * s[i] of the
// tensor, with the element stride s (1 in dimension 0); what is not in the
// tensor is filled, or dropped. In shared memory the box is dense, dimension 0
// innermost, and then chunks of 16 bytes change places: bits 4 to 6 (128-byte
// swizzle), 4 to 5 (64) or 4 (32) of the shared address are changed by xor with
// the bits from 7 on.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_TENSORTILE_H
#define SPARSEDROP_LIB_INTERP_TENSORTILE_H

#include "Reductions.h"
#include "TensorMap.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace sparsedrop::ptx {

/// A box of a tensor.
struct TensorTile {
  TensorMapInfo map;
  std::array<int32_t, TensorMapInfo::kMostRank> coordinates{};

  /// A row of the box: its elements along dimension 0.
  struct Row {
    uint32_t offset = 0; ///< in the box, before the swizzle
    /// Bytes of it that are in the tensor: from `begin` to `end`.
    uint32_t begin = 0, end = 0;
    uint64_t address = 0; ///< of the byte `begin` in global memory
  };

  uint32_t getRowBytes() const { return map.box[0] * map.getElementSize(); }
  /// Calls visit(row) for each row, in the order of shared memory.
  template <typename Visitor> void forEachRow(Visitor visit) const;

  /// What is wrong with copying such a box, or "": maps may say more than is
  /// supported here.
  std::string validate(unsigned rank) const;
  /// Whether all of the box is in the tensor.
  bool isInside() const;
};

/// Where a byte of a box goes: `address` is the shared address without swizzle.
inline uint32_t swizzleAddress(const TensorMapInfo &map, uint32_t address) {
  uint32_t span = map.getSwizzleSpan();
  uint32_t mask = span ? span / 16 - 1 : 0;
  return address ^ ((address >> 7) & mask) << 4;
}

/// Copies a box from global memory to shared memory. `shared` is the byte of
/// the box's shared address `address`, which is a multiple of 128.
void loadTile(const TensorTile &tile, uint8_t *shared, uint32_t address);
/// Copies a box to global memory, or reduces it into what is there.
void storeTile(const TensorTile &tile, const uint8_t *shared, uint32_t address,
               Reduction reduction);

template <typename Visitor> void TensorTile::forEachRow(Visitor visit) const {
  uint32_t size = map.getElementSize(), rowBytes = getRowBytes();
  int64_t first = coordinates[0], last = first + map.box[0];
  int64_t begin = std::max<int64_t>(first, 0);
  int64_t end = std::max<int64_t>(begin, std::min<int64_t>(last, map.dims[0]));
  std::array<uint32_t, TensorMapInfo::kMostRank> index{};
  uint32_t offset = 0;
  while (true) {
    uint64_t address = map.address + uint64_t(begin) * size;
    bool isInTensor = true;
    for (unsigned i = 1; i < map.rank; ++i) {
      int64_t at = coordinates[i] + int64_t(index[i]) * map.elementStrides[i];
      isInTensor &= at >= 0 && uint64_t(at) < map.dims[i];
      address += uint64_t(at) * map.strides[i - 1];
    }
    Row row;
    row.offset = offset;
    if (isInTensor && end > begin) {
      row.begin = (begin - first) * size;
      row.end = (end - first) * size;
      row.address = address;
    }
    visit(row);
    offset += rowBytes;
    unsigned dim = 1;
    while (dim < map.rank && ++index[dim] == map.getCount(dim))
      index[dim++] = 0;
    if (dim >= map.rank)
      return;
  }
}

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_TENSORTILE_H
