//===- TensorMapReplace.cpp - tensormap.replace ---------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AsyncCopy.h"
#include "CopyOperands.h"
#include "TensorMap.h"

using namespace sparsedrop::ptx;

namespace {

enum class Field : uint8_t {
  Address,
  Rank,
  Box,
  Dim,
  Stride,
  ElementStride,
  ElementType,
  Interleave,
  Swizzle,
  Fill,
};

struct ReplaceData : InstData {
  AddressSource map;
  Field field = Field::Address;
  uint32_t ordinal = 0;
  uint32_t value = 0; ///< slot
  bool is64 = false;
};

/// Fields (ISA 9.7.9.28).
struct FieldEntry {
  std::string_view name;
  Field field;
  bool is64;
  uint8_t ordinals;   ///< of them there are so many; 0: it has none
  uint8_t immediates; ///< values that it may have; 0: any, in a register
};

} // namespace

static constexpr FieldEntry kFields[] = {
    {"global_address", Field::Address, true, 0, 0},
    {"rank", Field::Rank, false, 0, 0},
    {"box_dim", Field::Box, false, 5, 0},
    {"global_dim", Field::Dim, false, 5, 0},
    {"global_stride", Field::Stride, true, 4, 0},
    {"element_stride", Field::ElementStride, false, 5, 0},
    {"elemtype", Field::ElementType, false, 0, 13},
    {"interleave_layout", Field::Interleave, false, 0, 3},
    {"swizzle_mode", Field::Swizzle, false, 0, 4},
    {"fill_mode", Field::Fill, false, 0, 2},
};

/// The types in the order of the instruction, which is not that of the driver.
static constexpr TensorMapInfo::DataType kTypes[] = {
    TensorMapInfo::UInt8,       TensorMapInfo::UInt16,
    TensorMapInfo::UInt32,      TensorMapInfo::Int32,
    TensorMapInfo::UInt64,      TensorMapInfo::Int64,
    TensorMapInfo::Float16,     TensorMapInfo::Float32,
    TensorMapInfo::Float32Ftz,  TensorMapInfo::Float64,
    TensorMapInfo::BFloat16,    TensorMapInfo::TFloat32,
    TensorMapInfo::TFloat32Ftz,
};

static void replace(TensorMapInfo &info, const ReplaceData &data,
                    uint64_t value) {
  switch (data.field) {
  case Field::Address:
    info.address = value;
    break;
  case Field::Rank:
    info.rank = static_cast<uint8_t>(value) + 1;
    break;
  case Field::Box:
    info.box[data.ordinal] = value;
    break;
  case Field::Dim:
    info.dims[data.ordinal] = value;
    break;
  case Field::Stride:
    info.strides[data.ordinal] = value;
    break;
  case Field::ElementStride:
    info.elementStrides[data.ordinal] = value;
    break;
  case Field::ElementType:
    info.dataType = kTypes[value];
    break;
  case Field::Interleave:
    info.interleave = static_cast<TensorMapInfo::Interleave>(value);
    break;
  case Field::Swizzle:
    info.swizzle = static_cast<TensorMapInfo::Swizzle>(value);
    break;
  case Field::Fill:
    info.fill = static_cast<TensorMapInfo::Fill>(value);
    break;
  }
}

static Flow runReplace(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<ReplaceData>();
  for (; mask; mask &= mask - 1) {
    unsigned lane = __builtin_ctz(mask);
    uint64_t value = data.is64 ? warp.lanes<uint64_t>(data.value)[lane]
                               : warp.lanes<uint32_t>(data.value)[lane];
    uint8_t *bytes =
        warp.access(inst, lane, data.map.space, data.map.get(warp, lane),
                    TensorMapInfo::kBytes, Access::Read, TensorMapInfo::kAlign);
    TensorMapInfo info;
    if (!bytes)
      return Flow::Stop;
    if (!unpackTensorMap(bytes, info))
      return warp.report(inst, lane, Check::Fault,
                         "the operand is no tensor map");
    bytes = warp.access(inst, lane, data.map.space, data.map.get(warp, lane),
                        TensorMapInfo::kBytes, Access::Write,
                        TensorMapInfo::kAlign);
    if (!bytes)
      return Flow::Stop;
    replace(info, data, value);
    packTensorMap(info, bytes);
    warp.noteEffect();
  }
  return Flow::Next;
}

static bool takeNewValue(Decoder &decoder, const FieldEntry &field,
                         const Operand &operand, ReplaceData &data) {
  if (field.immediates) {
    std::optional<int64_t> value = decoder.immediate(operand);
    if (!value)
      return false;
    if (*value < 0 || *value >= field.immediates)
      return decoder.fail("has the value " + std::to_string(*value) +
                          ", which is not supported");
  }
  data.is64 = field.is64;
  if (!decoder.take(field.is64 ? "b64" : "b32"))
    return decoder.fail(field.is64 ? "expected the type .b64"
                                   : "expected the type .b32");
  return takeValue(decoder, operand, field.is64 ? Type::B64 : Type::B32,
                   data.value);
}

static bool decodeField(Decoder &decoder, const FieldEntry &field,
                        ReplaceData &data) {
  const std::vector<Operand> &operands = decoder.get().operands;
  data.field = field.field;
  size_t count = field.ordinals ? 3 : 2;
  Space space = decoder.take("global")        ? Space::Global
                : decoder.take("shared::cta") ? Space::Shared
                                              : Space::Generic;
  if (!decoder.take("b1024"))
    return decoder.fail("expected the type .b1024");
  if (!decoder.expectOperands(count) ||
      !takeAddress(decoder, operands[0], space, data.map))
    return false;
  if (field.ordinals) {
    std::optional<int64_t> ordinal = decoder.immediate(operands[1]);
    if (!ordinal)
      return false;
    if (*ordinal < 0 || *ordinal >= field.ordinals)
      return decoder.fail("has no field number " + std::to_string(*ordinal));
    data.ordinal = *ordinal;
  }
  return takeNewValue(decoder, field, operands.back(), data);
}

bool sparsedrop::ptx::decodeTensorMapReplace(Decoder &decoder) {
  auto &data = decoder.setData<ReplaceData>();
  decoder.inst().run = runReplace;
  decoder.inst().kind = Class::Other;
  decoder.take("replace");
  if (!decoder.requireArch(90, /*archSpecific=*/true))
    return false;
  if (!decoder.take("tile"))
    return decoder.fail("expected .tile");
  for (const FieldEntry &field : kFields)
    if (decoder.take(field.name))
      return decodeField(decoder, field, data);
  return decoder.fail("expected a field of a tensor map that is supported");
}
