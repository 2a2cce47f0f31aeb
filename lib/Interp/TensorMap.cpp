//===- TensorMap.cpp - Tensors as the async proxy sees them ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TensorMap.h"

#include <cstddef>
#include <cstring>

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

namespace {

struct TypeEntry {
  std::string_view name;
  uint8_t size;
  bool isFloat;
};

} // namespace

static constexpr TypeEntry kTypes[TensorMapInfo::kNumDataTypes] = {
    {"u8", 1, false},      {"u16", 2, false},    {"u32", 4, false},
    {"s32", 4, false},     {"u64", 8, false},    {"s64", 8, false},
    {"f16", 2, true},      {"f32", 4, true},     {"f64", 8, true},
    {"bf16", 2, true},     {"f32.ftz", 4, true}, {"tf32", 4, true},
    {"tf32.ftz", 4, true},
};

unsigned TensorMapInfo::getElementSize() const { return kTypes[dataType].size; }

uint64_t TensorMapInfo::getBoxBytes() const {
  uint64_t bytes = getElementSize();
  for (unsigned i = 0; i < rank; ++i)
    bytes *= getCount(i);
  return bytes;
}

std::string_view sparsedrop::ptx::getName(TensorMapInfo::DataType type) {
  return kTypes[type].name;
}

bool sparsedrop::ptx::parseTensorMapType(std::string_view name,
                                         TensorMapInfo::DataType &type) {
  for (unsigned i = 0; i < TensorMapInfo::kNumDataTypes; ++i) {
    if (kTypes[i].name != name)
      continue;
    type = static_cast<TensorMapInfo::DataType>(i);
    return true;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// What is allowed
//===----------------------------------------------------------------------===//

static std::string describe(const char *what, unsigned dim, uint64_t value) {
  return std::string(what) + " of dimension " + std::to_string(dim) + " is " +
         std::to_string(value);
}

static std::string validateEnums(const TensorMapInfo &info) {
  if (info.dataType >= TensorMapInfo::kNumDataTypes)
    return "the data type " + std::to_string(info.dataType) +
           " is none of the supported ones";
  if (info.interleave > TensorMapInfo::Interleave32)
    return "the interleave " + std::to_string(info.interleave) +
           " is none of 0 to 2";
  if (info.swizzle > TensorMapInfo::Swizzle128)
    return "the swizzle " + std::to_string(info.swizzle) + " is none of 0 to 3";
  if (info.promotion > TensorMapInfo::L2x256)
    return "the L2 promotion " + std::to_string(info.promotion) +
           " is none of 0 to 3";
  if (info.fill > TensorMapInfo::NaN)
    return "the fill of what is out of bounds " + std::to_string(info.fill) +
           " is none of 0 and 1";
  unsigned least = info.interleave ? 3 : 1;
  if (info.rank < least || info.rank > TensorMapInfo::kMostRank)
    return "the rank is " + std::to_string(info.rank) + ", expected " +
           std::to_string(least) + " to 5" +
           (info.interleave ? " with an interleave" : "");
  return {};
}

static std::string validateMemory(const TensorMapInfo &info, uint64_t align) {
  if (!info.address || info.address % align)
    return info.address ? "the global address is not a multiple of " +
                              std::to_string(align)
                        : "the global address is null";
  for (unsigned i = 0; i < info.rank; ++i)
    if (info.dims[i] == 0 || info.dims[i] > uint64_t(1) << 32)
      return describe("the size", i, info.dims[i]) + ", expected 1 to 2^32";
  for (unsigned i = 1; i < info.rank; ++i) {
    uint64_t stride = info.strides[i - 1];
    if (stride % align || stride >= uint64_t(1) << 40)
      return describe("the stride", i, stride) +
             " bytes, expected a multiple of " + std::to_string(align) +
             " less than 2^40";
  }
  return {};
}

static std::string validateBox(const TensorMapInfo &info) {
  for (unsigned i = 0; i < info.rank; ++i) {
    if (info.box[i] == 0 || info.box[i] > 256)
      return describe("the box size", i, info.box[i]) + ", expected 1 to 256";
    bool isIgnored = i == 0 && !info.interleave;
    uint32_t step = info.elementStrides[i];
    if (!isIgnored && (step == 0 || step > 8))
      return describe("the element stride", i, step) + ", expected 1 to 8";
  }
  if (info.interleave)
    return {};
  uint64_t inner = uint64_t(info.box[0]) * info.getElementSize();
  if (inner % 16)
    return "a row of the box has " + std::to_string(inner) +
           " bytes, which is no multiple of 16";
  if (info.swizzle && inner > info.getSwizzleSpan())
    return "a row of the box has " + std::to_string(inner) +
           " bytes, more than the " + std::to_string(info.getSwizzleSpan()) +
           " of the swizzle";
  return {};
}

std::string sparsedrop::ptx::validateTensorMap(const TensorMapInfo &info) {
  std::string error = validateEnums(info);
  uint64_t align = info.interleave == TensorMapInfo::Interleave32 ? 32 : 16;
  if (error.empty())
    error = validateMemory(info, align);
  if (error.empty())
    error = validateBox(info);
  if (!error.empty())
    return error;
  if (info.interleave == TensorMapInfo::Interleave32 &&
      info.swizzle != TensorMapInfo::Swizzle32)
    return "the interleave of 32 bytes needs the swizzle of 32 bytes";
  if (info.fill == TensorMapInfo::NaN && !kTypes[info.dataType].isFloat)
    return "elements of type " + std::string(getName(info.dataType)) +
           " cannot be filled with NaN";
  return {};
}

//===----------------------------------------------------------------------===//
// Bytes
//===----------------------------------------------------------------------===//

namespace {

/// A map's bytes. What a rank does not have is 0.
struct PackedMap {
  uint64_t magic;
  uint64_t checksum; ///< of what follows
  uint64_t address;
  uint64_t dims[5];
  uint64_t strides[4];
  uint16_t box[5];
  uint8_t elementStrides[5];
  uint8_t dataType, rank, interleave, swizzle, promotion, fill;
  uint8_t padding[11];
};
static_assert(sizeof(PackedMap) == TensorMapInfo::kBytes);

} // namespace

static constexpr uint64_t kMagic = 0x70614d64706f7244; // "DropdMap"

/// FNV-1a.
static uint64_t getChecksum(const PackedMap &map) {
  const auto *bytes = reinterpret_cast<const uint8_t *>(&map);
  uint64_t hash = 0xcbf29ce484222325;
  for (size_t i = offsetof(PackedMap, address); i < sizeof(map); ++i)
    hash = (hash ^ bytes[i]) * 0x100000001b3;
  return hash;
}

void sparsedrop::ptx::packTensorMap(const TensorMapInfo &info,
                                    uint8_t out[128]) {
  PackedMap map = {};
  map.magic = kMagic;
  map.address = info.address;
  for (unsigned i = 0; i < TensorMapInfo::kMostRank; ++i) {
    map.dims[i] = info.dims[i];
    map.box[i] = info.box[i];
    map.elementStrides[i] = info.elementStrides[i];
    if (i > 0)
      map.strides[i - 1] = info.strides[i - 1];
  }
  map.dataType = info.dataType;
  map.rank = info.rank;
  map.interleave = info.interleave;
  map.swizzle = info.swizzle;
  map.promotion = info.promotion;
  map.fill = info.fill;
  map.checksum = getChecksum(map);
  std::memcpy(out, &map, sizeof(map));
}

bool sparsedrop::ptx::unpackTensorMap(const uint8_t *bytes,
                                      TensorMapInfo &info) {
  PackedMap map;
  std::memcpy(&map, bytes, sizeof(map));
  if (map.magic != kMagic || map.checksum != getChecksum(map))
    return false;
  info.address = map.address;
  for (unsigned i = 0; i < TensorMapInfo::kMostRank; ++i) {
    info.dims[i] = map.dims[i];
    info.box[i] = map.box[i];
    info.elementStrides[i] = map.elementStrides[i];
    if (i > 0)
      info.strides[i - 1] = map.strides[i - 1];
  }
  info.dataType = static_cast<TensorMapInfo::DataType>(map.dataType);
  info.rank = map.rank;
  info.interleave = static_cast<TensorMapInfo::Interleave>(map.interleave);
  info.swizzle = static_cast<TensorMapInfo::Swizzle>(map.swizzle);
  info.promotion = static_cast<TensorMapInfo::Promotion>(map.promotion);
  info.fill = static_cast<TensorMapInfo::Fill>(map.fill);
  return true;
}

std::string sparsedrop::ptx::encodeTensorMap(const TensorMapInfo &info,
                                             uint8_t out[128]) {
  std::string error = validateTensorMap(info);
  if (error.empty())
    packTensorMap(info, out);
  return error;
}

bool sparsedrop::ptx::decodeTensorMap(const uint8_t *bytes, TensorMapInfo &info,
                                      std::string &error) {
  if (!unpackTensorMap(bytes, info)) {
    error = "the bytes are not a tensor map";
    return false;
  }
  error = validateTensorMap(info);
  return error.empty();
}
