//===- Decoder.cpp - From instructions to handlers ------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"

#include "Specials.h"

#include <cstring>

using namespace sparsedrop::ptx;

Decoder::Decoder(Program &program, Code &code, ParseError &error)
    : program(program), code(code), error(error) {}

bool Decoder::fail(std::string message) {
  if (error.message.empty()) {
    error.line = instruction ? instruction->line : code.function->line;
    std::string name = instruction ? instruction->opcode : std::string();
    if (instruction)
      for (const std::string &modifier : instruction->modifiers)
        name += "." + modifier;
    error.message = instruction ? "'" + name + "' " + message : message;
  }
  return false;
}

bool Decoder::expectOperands(size_t count) {
  size_t got = instruction->operands.size();
  if (got == count)
    return true;
  return fail("expected " + std::to_string(count) + " operands, but got " +
              std::to_string(got));
}

bool Decoder::requireArch(unsigned arch, bool archSpecific) {
  if (getArch() >= arch && (!archSpecific || isArchSpecific()))
    return true;
  return fail("needs the target sm_" + std::to_string(arch) +
              (archSpecific ? "a" : " or later") + ", but the target is " +
              program.module->target);
}

//===----------------------------------------------------------------------===//
// Modifiers
//===----------------------------------------------------------------------===//

bool Decoder::take(std::string_view modifier) {
  for (size_t i = 0; i < taken.size(); ++i) {
    if (taken[i] || instruction->modifiers[i] != modifier)
      continue;
    taken[i] = true;
    return true;
  }
  return false;
}

Type Decoder::takeType() {
  for (size_t i = 0; i < taken.size(); ++i) {
    Type type = taken[i] ? Type::None : parseType(instruction->modifiers[i]);
    if (type == Type::None)
      continue;
    taken[i] = true;
    return type;
  }
  return Type::None;
}

std::string_view Decoder::takeAny() {
  for (size_t i = 0; i < taken.size(); ++i) {
    if (taken[i])
      continue;
    taken[i] = true;
    return instruction->modifiers[i];
  }
  return {};
}

std::string_view Decoder::peek() const {
  for (size_t i = 0; i < taken.size(); ++i)
    if (!taken[i])
      return instruction->modifiers[i];
  return {};
}

bool Decoder::refuseLeftModifiers() {
  std::string_view left = peek();
  if (left.empty())
    return true;
  return fail("has the modifier ." + std::string(left) +
              ", which is not supported here");
}

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

uint32_t Decoder::allocate(unsigned size) {
  uint32_t offset = code.frameSize;
  code.frameSize += std::max(size, 1u) * kNumLanes;
  return offset;
}

void Decoder::allocateRegisters() {
  code.registerSlots.reserve(code.function->registers.size());
  for (const Register &reg : code.function->registers)
    code.registerSlots.push_back(allocate(getSize(reg.type)));
}

uint32_t Decoder::constant(unsigned size, uint64_t low, uint64_t high) {
  auto [found, isNew] = constants.try_emplace({size, low, high}, 0);
  if (isNew) {
    found->second = allocate(size);
    code.constants.push_back({found->second, size, {low, high}});
  }
  return found->second;
}

uint32_t Decoder::scratch(unsigned size) { return allocate(size); }

uint32_t Decoder::carry() {
  if (!carrySlot)
    carrySlot = allocate(1);
  return *carrySlot;
}

uint32_t Decoder::specialSlot(uint32_t id, unsigned size) {
  auto [found, isNew] = specials.try_emplace({id, size}, 0);
  if (isNew) {
    found->second = allocate(size);
    code.specials.push_back({found->second, id, size});
  }
  return found->second;
}

void Decoder::note(uint32_t slot, bool isWrite) {
  usedSlots.back().push_back({slot, isWrite});
}

unsigned Decoder::getRegisterSize(const Operand &operand) const {
  if (operand.kind != Operand::Reg)
    return 0;
  return getSize(code.function->registers[operand.index].type);
}

std::optional<uint32_t> Decoder::registerSlot(const Operand &operand, Type type,
                                              bool relaxed, bool isWrite) {
  const Register &reg = code.function->registers[operand.index];
  bool fits = (type == Type::Pred) == (reg.type == Type::Pred);
  unsigned want = getSize(type), size = getSize(reg.type);
  fits &= relaxed ? size >= want : size == want;
  if (!fits) {
    fail("expected a register of type ." + std::string(getName(type)) +
         ", but '" + reg.name + "' is ." + std::string(getName(reg.type)));
    return std::nullopt;
  }
  uint32_t slot = code.registerSlots[operand.index];
  note(slot, isWrite);
  return slot;
}

std::optional<uint32_t> Decoder::immediateSlot(const Operand &operand,
                                               Type type) {
  unsigned size = getSize(type);
  uint64_t bits = operand.bits;
  bool isBinary = operand.number != Operand::Integer;
  if (type == Type::Pred)
    return constant(1, bits != 0);
  if (!isBinary && (type == Type::F32 || type == Type::F64)) {
    fail("expected a floating-point constant, but got an integer");
    return std::nullopt;
  }
  if (isBinary && isFloat(type) && size < 4) {
    fail("constants of type ." + std::string(getName(type)) +
         " are written as integers");
    return std::nullopt;
  }
  // Decimal constants are binary64 and become what the instruction needs (ISA
  // 4.5.2).
  if (operand.number == Operand::Binary64 && size == 4) {
    double wide;
    std::memcpy(&wide, &bits, sizeof(wide));
    float narrow = static_cast<float>(wide);
    uint32_t low;
    std::memcpy(&low, &narrow, sizeof(low));
    bits = low;
  }
  if (operand.number == Operand::Binary32 && type == Type::F64) {
    float narrow;
    uint32_t low = bits;
    std::memcpy(&narrow, &low, sizeof(narrow));
    double wide = narrow;
    std::memcpy(&bits, &wide, sizeof(bits));
  }
  uint64_t high = size == 16 && int64_t(bits) < 0 && !isBinary ? ~0ull : 0;
  if (size < 8)
    bits &= (uint64_t(1) << (8 * size)) - 1;
  return constant(size, bits, high);
}

std::optional<uint32_t> Decoder::variableAddress(const Operand &operand,
                                                 Type type) {
  unsigned size = getSize(type);
  bool isModule = operand.scope == Operand::ModuleScope;
  const Variable &variable = isModule
                                 ? program.module->variables[operand.index]
                                 : code.function->getVariable(operand.index);
  if (size != 8 && !(size == 4 && variable.space == Space::Shared)) {
    fail("expected 64 bits for the address of '" + variable.name +
         "', but got " + std::to_string(8 * size));
    return std::nullopt;
  }
  switch (variable.space) {
  case Space::Shared: {
    if (variable.isUnsized)
      return specialSlot(kDynamicAddress, size);
    const Function *owner = isModule ? nullptr : code.function;
    auto found = program.shared.offsets.find({owner, operand.index});
    return specialSlot(kSharedAddress | found->second, size);
  }
  case Space::Local:
    return specialSlot(kLocalAddress | code.localOffsets[operand.index], size);
  case Space::Param:
    if (code.function->isKernel && code.paramOffsets.count(operand.index))
      return constant(size, kParamWindow + code.paramOffsets[operand.index]);
    fail("takes the address of '" + variable.name +
         "', a parameter of a call, which is not supported");
    return std::nullopt;
  default:
    return constant(size, program.variableAddresses[operand.index]);
  }
}

std::optional<uint32_t> Decoder::special(const Operand &operand, Type type) {
  std::optional<uint32_t> id = findSpecial(operand.name);
  if (!id) {
    fail("reads the special register " + operand.name +
         ", which is not supported");
    return std::nullopt;
  }
  if (isVolatile(*id)) {
    fail("reads " + operand.name + ", which only mov can read");
    return std::nullopt;
  }
  return specialSlot(*id, getSize(type));
}

std::optional<uint32_t> Decoder::source(const Operand &operand, Type type,
                                        bool relaxed) {
  if (operand.isNegated && type != Type::Pred) {
    fail("has a negated operand, which must be a predicate");
    return std::nullopt;
  }
  switch (operand.kind) {
  case Operand::Reg:
    return registerSlot(operand, type, relaxed, /*isWrite=*/false);
  case Operand::Immediate:
    return immediateSlot(operand, type);
  case Operand::Special:
    return special(operand, type);
  case Operand::Var:
    return variableAddress(operand, type);
  case Operand::Func:
    return constant(getSize(type), getFunctionAddress(operand.index));
  default:
    fail("expected a register or a constant as a source");
    return std::nullopt;
  }
}

std::optional<uint32_t> Decoder::destination(const Operand &operand, Type type,
                                             bool relaxed) {
  if (operand.kind == Operand::Sink)
    return scratch(getSize(type));
  if (operand.kind == Operand::Reg)
    return registerSlot(operand, type, relaxed, /*isWrite=*/true);
  fail("expected a register as the destination");
  return std::nullopt;
}

bool Decoder::readSource(size_t i, Type type) {
  if (i >= instruction->operands.size())
    return expectOperands(i + 1);
  std::optional<uint32_t> slot = source(instruction->operands[i], type);
  if (slot)
    current->op[i] = *slot;
  return slot.has_value();
}

bool Decoder::readDestination(size_t i, Type type) {
  if (i >= instruction->operands.size())
    return expectOperands(i + 1);
  std::optional<uint32_t> slot = destination(instruction->operands[i], type);
  if (slot)
    current->op[i] = *slot;
  return slot.has_value();
}

static bool isVector(const Operand &operand) {
  return operand.kind == Operand::Vector;
}

bool Decoder::sources(const Operand &operand, Type type,
                      std::vector<uint32_t> &slots) {
  const std::vector<Operand> one{operand};
  for (const Operand &element : isVector(operand) ? operand.elements : one) {
    std::optional<uint32_t> slot = source(element, type);
    if (!slot)
      return false;
    slots.push_back(*slot);
  }
  return true;
}

bool Decoder::destinations(const Operand &operand, Type type,
                           std::vector<uint32_t> &slots) {
  const std::vector<Operand> one{operand};
  for (const Operand &element : isVector(operand) ? operand.elements : one) {
    std::optional<uint32_t> slot = destination(element, type);
    if (!slot)
      return false;
    slots.push_back(*slot);
  }
  return true;
}

std::optional<AddressOperand> Decoder::address(const Operand &operand) {
  if (operand.kind != Operand::Address || operand.elements.empty()) {
    fail("expected an address in brackets");
    return std::nullopt;
  }
  const Operand &base = operand.elements.front();
  AddressOperand result;
  result.offset = static_cast<int64_t>(operand.bits);
  result.is32 = getRegisterSize(base) == 4;
  std::optional<uint32_t> slot =
      source(base, result.is32 ? Type::U32 : Type::U64);
  if (!slot)
    return std::nullopt;
  result.base = *slot;
  return result;
}

std::optional<int64_t> Decoder::immediate(const Operand &operand) {
  if (operand.kind == Operand::Immediate && operand.number == Operand::Integer)
    return static_cast<int64_t>(operand.bits);
  fail("expected an integer constant as an operand");
  return std::nullopt;
}
