//===- Control.cpp - Control flow -----------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Control.h"

#include "CallData.h"
#include "Decoder.h"
#include "Machine.h"

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Handlers (ISA 9.7.12)
//===----------------------------------------------------------------------===//

Flow sparsedrop::ptx::runExit(Warp &warp, const Inst &, LaneMask mask) {
  return warp.exit(mask);
}

Flow sparsedrop::ptx::runRet(Warp &warp, const Inst &, LaneMask mask) {
  return warp.ret(mask);
}

static Flow runBra(Warp &warp, const Inst &inst, LaneMask mask) {
  return warp.jump(inst.imm, mask);
}

/// Lanes of `mask` whose value in a slot is that of the first of them.
template <typename T>
static LaneMask findEqual(const T *values, LaneMask mask, T &value) {
  value = values[__builtin_ctz(mask)];
  LaneMask equal = 0;
  for (unsigned lane = 0; lane < kNumLanes; ++lane)
    if ((mask & (LaneMask(1) << lane)) && values[lane] == value)
      equal |= LaneMask(1) << lane;
  return equal;
}

namespace {
struct BranchTable : InstData {
  std::vector<uint32_t> targets;
};
} // namespace

/// brx.idx: lanes of one index jump; the others come here again.
static Flow runBrx(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &table = inst.getData<BranchTable>();
  uint32_t index;
  LaneMask equal = findEqual(warp.lanes<uint32_t>(inst.op[0]), mask, index);
  if (index >= table.targets.size())
    return warp.report(inst, __builtin_ctz(mask), Check::Fault,
                       "the index " + std::to_string(index) +
                           " is beyond the list of " +
                           std::to_string(table.targets.size()) + " targets");
  if (equal != mask)
    warp.splitHere(mask & ~equal);
  return warp.jump(table.targets[index], equal);
}

static Flow runCall(Warp &warp, const Inst &inst, LaneMask mask) {
  return warp.call(*inst.getData<CallData>().callee, inst, mask);
}

static const Code *findCallee(const Program &program, uint64_t address) {
  uint64_t index = (address - kCodeWindow) / 16 - 1;
  bool isFunction = (address & kWindowMask) == kCodeWindow &&
                    address % 16 == 0 && index < program.functions.size();
  if (!isFunction || program.functions[index].insts.empty())
    return nullptr;
  return &program.functions[index];
}

/// A call by address: lanes of one address go together.
static Flow runCallIndirect(Warp &warp, const Inst &inst, LaneMask mask) {
  uint64_t address;
  LaneMask equal = findEqual(warp.lanes<uint64_t>(inst.op[0]), mask, address);
  const Code *callee = findCallee(warp.getLaunch().getProgram(), address);
  if (!callee || callee->function->isKernel)
    return warp.report(inst, __builtin_ctz(mask), Check::Fault,
                       "calls an address that is no function");
  const auto &data = inst.getData<CallData>();
  if (getParameters(*callee).size() != data.arguments.size() ||
      getResults(*callee).size() != data.results.size())
    return warp.report(inst, __builtin_ctz(mask), Check::Fault,
                       "calls '" + callee->function->name +
                           "', which has other parameters or results than "
                           "the call");
  if (equal != mask)
    warp.splitHere(mask & ~equal);
  return warp.call(*callee, inst, equal);
}

static Flow runTrap(Warp &warp, const Inst &inst, LaneMask mask) {
  return warp.report(inst, __builtin_ctz(mask), Check::Fault,
                     "a trap was executed");
}

static Flow runNothing(Warp &, const Inst &, LaneMask) { return Flow::Next; }

//===----------------------------------------------------------------------===//
// Decoders
//===----------------------------------------------------------------------===//

static bool decodeBra(Decoder &decoder) {
  decoder.take("uni");
  Inst &inst = decoder.inst();
  inst.kind = Class::Control;
  if (!decoder.expectOperands(1))
    return false;
  const Operand &target = decoder.get().operands[0];
  if (target.kind != Operand::Label)
    return decoder.fail("expected a label");
  inst.imm = target.index;
  inst.run = runBra;
  return true;
}

static bool decodeBrx(Decoder &decoder) {
  if (!decoder.take("idx"))
    return decoder.fail("is not an instruction that is supported");
  decoder.take("uni");
  decoder.inst().kind = Class::Control;
  if (!decoder.expectOperands(2) || !decoder.readSource(0, Type::U32))
    return false;
  const Operand &list = decoder.get().operands[1];
  for (const TargetList &targets : decoder.getCode().function->targetLists) {
    if (targets.name != list.name)
      continue;
    decoder.setData<BranchTable>().targets = targets.targets;
    decoder.inst().run = runBrx;
    return true;
  }
  return decoder.fail("expected a list of .branchtargets as the last operand");
}

/// The .param variables of an argument list.
static bool decodeArguments(Decoder &decoder, const Operand &group,
                            std::vector<ParamPlace> &places) {
  const Code &code = decoder.getCode();
  for (const Operand &operand : group.elements) {
    bool isVariable =
        operand.kind == Operand::Var &&
        operand.scope == Operand::FunctionScope &&
        code.function->getVariable(operand.index).space == Space::Param;
    if (!isVariable)
      return decoder.fail("expected variables of the .param space as arguments "
                          "and results");
    uint32_t size = code.function->getVariable(operand.index).size;
    places.push_back({code.paramSlots[operand.index], size});
  }
  return true;
}

static bool hasSizes(const std::vector<Variable> &variables,
                     const std::vector<ParamPlace> &places) {
  if (variables.size() != places.size())
    return false;
  for (size_t i = 0; i < places.size(); ++i)
    if (variables[i].size != places[i].size)
      return false;
  return true;
}

/// A call of a function by its name.
static bool decodeDirectCall(Decoder &decoder, uint32_t index, CallData &data) {
  const Code &callee = decoder.getProgram().functions[index];
  const Function &function = *callee.function;
  decoder.inst().run = runCall;
  data.callee = &callee;
  if (function.isDeclaration) {
    // The device library's assert (CUDA C++ Programming Guide, assertion).
    if (function.name == "__assertfail") {
      decoder.inst().run = runTrap;
      return true;
    }
    return decoder.fail("calls '" + function.name +
                        "', which nothing that is loaded defines");
  }
  if (function.isKernel)
    return decoder.fail("calls the kernel '" + function.name +
                        "', which is not supported");
  if (!hasSizes(function.parameters, data.arguments) ||
      !hasSizes(function.results, data.results))
    return decoder.fail("has other arguments or results than '" +
                        function.name + "'");
  return true;
}

/// call (results), target, (arguments), prototype: groups may be missing (ISA
/// 9.7.12.5).
static bool decodeCall(Decoder &decoder) {
  decoder.take("uni");
  decoder.inst().kind = Class::Control;
  auto &data = decoder.setData<CallData>();
  const std::vector<Operand> &operands = decoder.get().operands;
  size_t next = 0;
  bool hasResults = !operands.empty() && operands[0].kind == Operand::Group;
  if (hasResults && !decodeArguments(decoder, operands[next++], data.results))
    return false;
  if (next == operands.size())
    return decoder.fail("expected a function");
  const Operand &target = operands[next++];
  if (next < operands.size() && operands[next].kind == Operand::Group &&
      !decodeArguments(decoder, operands[next++], data.arguments))
    return false;
  if (target.kind == Operand::Func)
    return decodeDirectCall(decoder, target.index, data);
  std::optional<uint32_t> slot = decoder.source(target, Type::U64);
  if (!slot)
    return false;
  decoder.inst().op[0] = *slot;
  decoder.inst().run = runCallIndirect;
  return true;
}

/// Instructions without operands.
template <Handler Run> static bool decodePlain(Decoder &decoder) {
  decoder.take("uni");
  decoder.inst().kind = Class::Control;
  decoder.inst().run = Run;
  return decoder.expectOperands(0);
}

/// pmevent, and brkpt without a debugger, do nothing that a program can see.
static bool decodeIgnored(Decoder &decoder) {
  decoder.take("mask");
  decoder.inst().kind = Class::Control;
  decoder.inst().run = runNothing;
  return true;
}

const OpcodeEntry sparsedrop::ptx::kControlOpcodes[] = {
    {"bra", decodeBra},
    {"brx", decodeBrx},
    {"call", decodeCall},
    {"ret", decodePlain<runRet>},
    {"exit", decodePlain<runExit>},
    {"trap", decodePlain<runTrap>},
    {"brkpt", decodeIgnored},
    {"pmevent", decodeIgnored},
    {"", nullptr},
};
