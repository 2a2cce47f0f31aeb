//===- SharedLayout.cpp - Where shared variables are ----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SharedLayout.h"

#include "Specials.h"

#include <set>

using namespace sparsedrop::ptx;

namespace {

class SharedPlacer {
public:
  SharedPlacer(Program &program, ParseError &error)
      : program(program), module(*program.module), error(error) {}

  bool place();

private:
  void findUsers();
  void addUsers(const Operand &operand, const Function &user);
  const Function *getOnlyKernel(uint32_t variable) const;
  bool placeVariable(const Function *owner, uint32_t index,
                     const Variable &variable, uint64_t &end);
  bool placeBody(const Function &function, uint64_t &end);
  bool placeKernel(Code &kernel, uint64_t common);

  Program &program;
  const Module &module;
  ParseError &error;
  /// Functions that name a variable of the module.
  std::vector<std::set<const Function *>> users;
};

} // namespace

void SharedPlacer::addUsers(const Operand &operand, const Function &user) {
  if (operand.kind == Operand::Var && operand.scope == Operand::ModuleScope)
    users[operand.index].insert(&user);
  for (const Operand &element : operand.elements)
    addUsers(element, user);
}

void SharedPlacer::findUsers() {
  users.resize(module.variables.size());
  for (const Function &function : module.functions)
    for (const Instruction &instruction : function.body)
      for (const Operand &operand : instruction.operands)
        addUsers(operand, function);
}

/// The kernel that alone uses a variable, or null.
const Function *SharedPlacer::getOnlyKernel(uint32_t variable) const {
  const auto &found = users[variable];
  bool isOnly = found.size() == 1 && (*found.begin())->isKernel;
  return isOnly ? *found.begin() : nullptr;
}

bool SharedPlacer::placeVariable(const Function *owner, uint32_t index,
                                 const Variable &variable, uint64_t &end) {
  if (variable.space != Space::Shared || variable.isUnsized)
    return true;
  uint64_t align = std::max(variable.align, 1u);
  uint64_t offset = (end + align - 1) / align * align;
  if (variable.size > kAddressOffset ||
      offset + variable.size > kAddressOffset) {
    error = {variable.line, "'" + variable.name + "' has " +
                                std::to_string(variable.size) +
                                " bytes, which no shared memory has"};
    return false;
  }
  program.shared.offsets[{owner, index}] = offset;
  end = offset + variable.size;
  return true;
}

bool SharedPlacer::placeBody(const Function &function, uint64_t &end) {
  uint32_t count = function.parameters.size() + function.results.size() +
                   function.variables.size();
  for (uint32_t i = 0; i < count; ++i)
    if (!placeVariable(&function, i, function.getVariable(i), end))
      return false;
  return true;
}

bool SharedPlacer::placeKernel(Code &kernel, uint64_t common) {
  uint64_t end = common, dynamicAlign = 16;
  for (uint32_t i = 0; i < module.variables.size(); ++i) {
    const Variable &variable = module.variables[i];
    if (variable.isUnsized && users[i].count(kernel.function))
      dynamicAlign = std::max<uint64_t>(dynamicAlign, variable.align);
    if (getOnlyKernel(i) == kernel.function &&
        !placeVariable(nullptr, i, variable, end))
      return false;
  }
  if (!placeBody(*kernel.function, end))
    return false;
  kernel.staticShared = (end + dynamicAlign - 1) / dynamicAlign * dynamicAlign;
  if (end == 0)
    kernel.staticShared = 0;
  return true;
}

bool SharedPlacer::place() {
  findUsers();
  uint64_t common = 0;
  for (uint32_t i = 0; i < module.variables.size(); ++i) {
    bool isCommon = !users[i].empty() && !getOnlyKernel(i);
    if (isCommon && !placeVariable(nullptr, i, module.variables[i], common))
      return false;
  }
  for (const Function &function : module.functions)
    if (!function.isKernel && !placeBody(function, common))
      return false;
  for (Code &code : program.functions)
    if (code.function->isKernel && !placeKernel(code, common))
      return false;
  return true;
}

bool sparsedrop::ptx::layOutShared(Program &program, ParseError &error) {
  return SharedPlacer(program, error).place();
}
