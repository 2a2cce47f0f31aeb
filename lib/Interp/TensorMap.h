//===- TensorMap.h - Tensors as the async proxy sees them -------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tensor map says where a tensor is in global memory and which box of it an
// instruction copies (ISA 5.5). The 128 bytes of the driver's are not
// documented; these are our own, with a magic number and a checksum, so that
// anything else is recognized. What is allowed is what cuTensorMapEncodeTiled
// documents.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_TENSORMAP_H
#define SPARSEDROP_LIB_INTERP_TENSORMAP_H

#include <cstdint>
#include <string>
#include <string_view>

namespace sparsedrop::ptx {

/// A tiled tensor map; dimension 0 is the innermost. Enumerators have the
/// values of the driver's (CUtensorMapDataType and so on).
struct TensorMapInfo {
  static constexpr unsigned kMostRank = 5;
  static constexpr unsigned kBytes = 128; ///< of an encoded map
  static constexpr unsigned kAlign = 64;  ///< of its address

  enum DataType : uint8_t {
    UInt8,
    UInt16,
    UInt32,
    Int32,
    UInt64,
    Int64,
    Float16,
    Float32,
    Float64,
    BFloat16,
    Float32Ftz,
    TFloat32,
    TFloat32Ftz,
  };
  static constexpr unsigned kNumDataTypes = 13;
  enum Interleave : uint8_t { NoInterleave, Interleave16, Interleave32 };
  enum Swizzle : uint8_t { NoSwizzle, Swizzle32, Swizzle64, Swizzle128 };
  enum Promotion : uint8_t { NoPromotion, L2x64, L2x128, L2x256 };
  enum Fill : uint8_t { Zero, NaN };

  DataType dataType = UInt8;
  uint32_t rank = 1;
  uint64_t address = 0;
  uint64_t dims[kMostRank] = {};
  /// Of dimensions 1 and up, in bytes: strides[0] is that of dimension 1.
  uint64_t strides[kMostRank - 1] = {};
  uint32_t box[kMostRank] = {};
  uint32_t elementStrides[kMostRank] = {1, 1, 1, 1, 1};
  Interleave interleave = NoInterleave;
  Swizzle swizzle = NoSwizzle;
  Promotion promotion = NoPromotion; ///< a hint
  Fill fill = Zero;

  /// Bytes of an element.
  unsigned getElementSize() const;
  /// Bytes within which 16-byte chunks change places: 32, 64, 128; 0 without.
  unsigned getSwizzleSpan() const { return swizzle ? 16u << swizzle : 0; }
  /// Elements of a box in shared memory along a dimension: of `box` of them,
  /// one in each element stride (not along dimension 0).
  uint32_t getCount(unsigned dim) const {
    uint32_t step = dim == 0 ? 1 : elementStrides[dim];
    return (box[dim] + step - 1) / step;
  }
  /// Bytes of a box in shared memory.
  uint64_t getBoxBytes() const;
};

/// The name of a type, "f16"; and the type of a name, false if it is none.
std::string_view getName(TensorMapInfo::DataType type);
bool parseTensorMapType(std::string_view name, TensorMapInfo::DataType &type);

/// What is wrong with a tensor map, or "".
std::string validateTensorMap(const TensorMapInfo &info);

/// Writes a map's bytes. Returns what is wrong with it, else "".
std::string encodeTensorMap(const TensorMapInfo &info, uint8_t out[128]);
/// Reads them back. False with an error if they are no tensor map, or one that
/// is not valid.
bool decodeTensorMap(const uint8_t *bytes, TensorMapInfo &info,
                     std::string &error);

/// The same without a look at the contents, for tensormap.replace: a map may be
/// wrong until its last field has been replaced.
void packTensorMap(const TensorMapInfo &info, uint8_t out[128]);
bool unpackTensorMap(const uint8_t *bytes, TensorMapInfo &info);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_TENSORMAP_H
