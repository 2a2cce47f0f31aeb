//===- Opcodes.cpp - Finds an opcode's function ---------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"

#include <unordered_map>

using namespace sparsedrop::ptx;

namespace {

using OpcodeMap = std::unordered_map<std::string_view, DecodeFunction>;

/// What a table holds, by opcode.
OpcodeMap makeMap(std::initializer_list<const OpcodeEntry *> tables) {
  OpcodeMap map;
  for (const OpcodeEntry *entry : tables)
    for (; entry->decode; ++entry)
      map.emplace(entry->opcode, entry->decode);
  return map;
}

} // namespace

/// Whether the first type of an instruction is a float: set and cvt have two.
static bool hasFloatType(const Instruction &instruction) {
  for (const std::string &modifier : instruction.modifiers) {
    Type type = parseType(modifier);
    if (type != Type::None)
      return isFloat(type);
  }
  return false;
}

DecodeFunction sparsedrop::ptx::findOpcode(const Instruction &instruction) {
  static const OpcodeMap kIntegers = makeMap({kIntegerOpcodes});
  static const OpcodeMap kFloats = makeMap({kFloatOpcodes});
  static const OpcodeMap kOthers = makeMap(
      {kControlOpcodes, kBitOpcodes, kCompareOpcodes, kMoveOpcodes,
       kAddressOpcodes, kConvertOpcodes, kMemoryOpcodes, kAtomicOpcodes,
       kWarpOpcodes, kReductionOpcodes, kBarrierOpcodes, kFenceOpcodes,
       kMbarrierOpcodes, kAsyncCopyOpcodes, kMatrixOpcodes, kWarpgroupOpcodes});
  std::string_view opcode = instruction.opcode;
  // "st.async" is another instruction than "st".
  if (!instruction.modifiers.empty()) {
    std::string longer = instruction.opcode + "." + instruction.modifiers[0];
    if (auto found = kOthers.find(longer); found != kOthers.end())
      return found->second;
  }
  bool isFloat = hasFloatType(instruction);
  const OpcodeMap &first = isFloat ? kFloats : kIntegers;
  const OpcodeMap &second = isFloat ? kIntegers : kFloats;
  for (const OpcodeMap *map : {&first, &second, &kOthers})
    if (auto found = map->find(opcode); found != map->end())
      return found->second;
  return nullptr;
}
