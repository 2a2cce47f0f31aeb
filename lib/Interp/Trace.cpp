//===- Trace.cpp - What a trace says --------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Trace.h"

#include <cstdio>
#include <cstring>

using namespace sparsedrop::ptx;

/// " %r3 = 0x5": what an instruction left in its first operand, in the first
/// lane that took part.
static std::string describeResult(Warp &warp, const Instruction &instruction,
                                  LaneMask mask) {
  if (instruction.operands.empty() ||
      instruction.operands.front().kind != Operand::Reg)
    return "";
  uint32_t index = instruction.operands.front().index;
  const Code &code = warp.getCode();
  const Register &reg = code.function->registers[index];
  unsigned size = getSize(reg.type), lane = __builtin_ctz(mask);
  uint64_t value = 0;
  std::memcpy(&value,
              warp.lanes<uint8_t>(code.registerSlots[index]) + lane * size,
              std::min(size, 8u));
  char text[32];
  std::snprintf(text, sizeof(text), " = 0x%llx",
                static_cast<unsigned long long>(value));
  return " " + reg.name + text;
}

std::string sparsedrop::ptx::describeStep(Warp &warp, const Inst &inst,
                                          LaneMask mask) {
  const Code &code = warp.getCode();
  size_t index = &inst - code.insts.data();
  const Instruction &instruction = code.function->body[index];
  const Dim3 &id = warp.getBlock().getId();
  char text[128];
  std::snprintf(text, sizeof(text),
                "block (%u,%u,%u) warp %u lanes 0x%08x line %u: ", id.x, id.y,
                id.z, warp.getIndex(), mask, inst.line);
  std::string line = text + instruction.opcode;
  for (const std::string &modifier : instruction.modifiers)
    line += "." + modifier;
  return line + describeResult(warp, instruction, mask);
}
