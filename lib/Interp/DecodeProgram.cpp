//===- DecodeProgram.cpp - Decodes a module -------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Control.h"
#include "Decoder.h"
#include "SharedLayout.h"

using namespace sparsedrop::ptx;

static uint64_t alignTo(uint64_t value, uint64_t align) {
  align = std::max<uint64_t>(align, 1);
  return (value + align - 1) / align * align;
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

bool Decoder::decodeInstruction(const Instruction &from, Inst &to) {
  instruction = &from;
  current = &to;
  taken.assign(from.modifiers.size(), false);
  usedSlots.emplace_back();
  to.line = from.line;
  if (from.guard >= 0) {
    Operand guard;
    guard.kind = Operand::Reg;
    guard.index = from.guard;
    std::optional<uint32_t> slot = source(guard, Type::Pred);
    if (!slot)
      return false;
    to.guard = *slot;
    to.guardNegated = from.guardNegated;
  }
  DecodeFunction decode = findOpcode(from);
  if (!decode)
    return fail("is not an instruction that is supported");
  if (!decode(*this))
    return error.message.empty() ? fail("cannot be decoded") : false;
  return refuseLeftModifiers();
}

bool Decoder::decode() {
  const Function &function = *code.function;
  allocateRegisters();
  code.insts.resize(function.body.size() + 1);
  for (size_t i = 0; i < function.body.size(); ++i)
    if (!decodeInstruction(function.body[i], code.insts[i]))
      return false;
  // Falling off the end leaves the function (ISA 9.7.12.7).
  Inst &last = code.insts.back();
  last.run = function.isKernel ? runExit : runRet;
  last.kind = Class::Control;
  last.line = function.body.empty() ? function.line : function.body.back().line;
  markMatrixRegisters();
  return true;
}

void Decoder::addMatrixRegisters(const std::vector<uint32_t> &slots) {
  for (uint32_t slot : slots) {
    if (slot / kNumLanes >= matrixSlots.size())
      matrixSlots.resize(slot / kNumLanes + 1);
    matrixSlots[slot / kNumLanes] = true;
  }
}

void Decoder::markMatrixRegisters() {
  if (matrixSlots.empty())
    return;
  for (uint32_t pc = 0; pc < usedSlots.size(); ++pc) {
    for (const SlotUse &use : usedSlots[pc]) {
      size_t index = use.slot / kNumLanes;
      if (index >= matrixSlots.size() || !matrixSlots[index])
        continue;
      code.insts[pc].touchesMatrixRegisters = true;
      code.matrixUses[pc].push_back(use);
    }
  }
}

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

static uint32_t countVariables(const Function &function) {
  return function.parameters.size() + function.results.size() +
         function.variables.size();
}

/// Places a kernel's parameters, a function's parameters and the variables of
/// calls, and what is local.
static bool layOutFunction(Code &code, ParseError &error) {
  const Function &function = *code.function;
  uint32_t count = countVariables(function);
  code.paramSlots.resize(count);
  code.localOffsets.resize(count);
  uint64_t parameters = 0;
  constexpr uint64_t kMostBytes = uint64_t(1) << 24;
  for (uint32_t i = 0; i < count; ++i) {
    const Variable &variable = function.getVariable(i);
    bool isParameter = function.isKernel && i < function.parameters.size();
    if (variable.size > kMostBytes && variable.space != Space::Shared) {
      error = {variable.line,
               "'" + variable.name + "' has " + std::to_string(variable.size) +
                   " bytes, which is more than a thread can have"};
      return false;
    }
    if (isParameter) {
      code.paramOffsets[i] = parameters = alignTo(parameters, variable.align);
      parameters += variable.size;
    } else if (variable.space == Space::Param) {
      code.paramSlots[i] = code.frameSize = alignTo(code.frameSize, 32);
      code.frameSize += alignTo(variable.size, 16) * kNumLanes;
    } else if (variable.space == Space::Local) {
      code.localOffsets[i] = alignTo(code.localSize, variable.align);
      code.localSize = code.localOffsets[i] + variable.size;
    }
    if (code.localSize > kMostBytes || code.frameSize > (1u << 30)) {
      error = {variable.line, "'" + function.name +
                                  "' has more local memory than a thread can"};
      return false;
    }
  }
  code.localSize = alignTo(code.localSize, 16);
  code.parameterBytes = parameters;
  return true;
}

bool sparsedrop::ptx::decode(Program &program, ParseError &error) {
  const Module &module = *program.module;
  program.functions.resize(module.functions.size());
  for (size_t i = 0; i < module.functions.size(); ++i) {
    program.functions[i].function = &module.functions[i];
    if (!layOutFunction(program.functions[i], error))
      return false;
  }
  if (!layOutShared(program, error))
    return false;
  for (Code &code : program.functions) {
    if (code.function->isDeclaration)
      continue;
    if (!Decoder(program, code, error).decode())
      return false;
  }
  return true;
}

const Code *Program::findKernel(std::string_view name) const {
  for (const Code &code : functions)
    if (code.function->isKernel && code.function->name == name)
      return &code;
  return nullptr;
}
