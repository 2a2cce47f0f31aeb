//===- Loader.cpp - From PTX to a program ---------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Loader.h"

#include "Decoder.h"

#include <algorithm>
#include <cstring>

using namespace sparsedrop::ptx;

/// The address that a relocation puts into a variable: generic or of a space,
/// which are the same for what lives in device memory.
static uint64_t resolve(const Program &program, const Relocation &relocation) {
  uint64_t base = relocation.isFunction
                      ? getFunctionAddress(relocation.symbol)
                      : program.variableAddresses[relocation.symbol];
  return base + relocation.addend;
}

static bool allocateVariable(const Variable &variable, DeviceMemory &memory,
                             uint64_t &address, ParseError &error) {
  if (variable.isExtern) {
    error = {variable.line, "'" + variable.name +
                                "' is extern: nothing that is loaded defines "
                                "it"};
    return false;
  }
  constexpr uint64_t kMost = uint64_t(1) << 32;
  Allocation *allocation = variable.size > kMost
                               ? nullptr
                               : memory.allocate(variable.size, variable.name);
  if (!allocation) {
    error = {variable.line, "no memory for the " +
                                std::to_string(variable.size) + " bytes of '" +
                                variable.name + "'"};
    return false;
  }
  allocation->isReadOnly = variable.space == Space::Const;
  address = allocation->address;
  // Without an initializer they are zero (ISA 5.4.4).
  std::memset(allocation->data(), 0, variable.size);
  uint64_t given = std::min<uint64_t>(variable.data.size(), variable.size);
  std::copy_n(variable.data.begin(), given, allocation->data());
  memory.markWritten(address, variable.size);
  return true;
}

static bool isInMemory(const Variable &variable) {
  return variable.space == Space::Global || variable.space == Space::Const;
}

static bool loadVariables(Program &program, DeviceMemory &memory,
                          ParseError &error) {
  const std::vector<Variable> &variables = program.module->variables;
  program.variableAddresses.resize(variables.size());
  for (size_t i = 0; i < variables.size(); ++i)
    if (isInMemory(variables[i]) &&
        !allocateVariable(variables[i], memory, program.variableAddresses[i],
                          error))
      return false;
  for (size_t i = 0; i < variables.size(); ++i) {
    for (const Relocation &relocation : variables[i].relocations) {
      bool fits = relocation.offset <= variables[i].size &&
                  relocation.size <= variables[i].size - relocation.offset;
      if (!isInMemory(variables[i]) || !fits || relocation.size > 8)
        continue;
      uint64_t value = resolve(program, relocation);
      std::memcpy(reinterpret_cast<uint8_t *>(program.variableAddresses[i]) +
                      relocation.offset,
                  &value, relocation.size);
    }
  }
  return true;
}

std::unique_ptr<Program> sparsedrop::ptx::load(std::string_view ptx,
                                               DeviceMemory &memory,
                                               ParseError &error) {
  auto program = std::make_unique<Program>();
  program->module = std::make_unique<Module>();
  if (!parse(ptx, *program->module, error))
    return nullptr;
  if (loadVariables(*program, memory, error) && decode(*program, error))
    return program;
  unload(*program, memory);
  return nullptr;
}

void sparsedrop::ptx::unload(const Program &program, DeviceMemory &memory) {
  for (uint64_t address : program.variableAddresses)
    if (address)
      memory.free(address);
}
