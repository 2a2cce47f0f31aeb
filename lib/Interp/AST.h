//===- AST.h - PTX as it is written -----------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the parser makes of a PTX file: names resolved, instructions still in
// the words of the text. The decoder turns them into what is executed. Chapters
// are those of the PTX ISA, version 9.0.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_AST_H
#define SPARSEDROP_LIB_INTERP_AST_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sparsedrop::ptx {

/// State spaces (ISA 5.1).
enum class Space : uint8_t {
  Generic, ///< no space given: the address says it
  Register,
  Const,
  Global,
  Local,
  Param,
  Shared,
};

/// Fundamental and packed types (ISA 5.2); `None` where an instruction has
/// none.
enum class Type : uint8_t {
  None,
  Pred,
  B8,
  B16,
  B32,
  B64,
  B128,
  U8,
  U16,
  U32,
  U64,
  S8,
  S16,
  S32,
  S64,
  F16,
  BF16,
  TF32,
  F32,
  F64,
  E4M3,
  E5M2,
  F16x2,
  BF16x2,
  U16x2,
  S16x2,
  E4M3x2,
  E5M2x2,
};

/// The type of a modifier or a declaration such as "f32"; `None` if the word is
/// none. `b1`, `u4` and their like are no types here.
Type parseType(std::string_view word);
std::string_view getName(Type type);
std::string_view getName(Space space);
/// Bytes of a value; 1 for predicates.
unsigned getSize(Type type);
bool isFloat(Type type);
bool isSigned(Type type);

/// A register of a function.
struct Register {
  std::string name; ///< as written, "%r12"
  Type type = Type::None;
};

/// An address inside an initializer, stored at `offset` of the variable.
struct Relocation {
  uint64_t offset;
  uint32_t symbol; ///< in Module::variables, or Module::functions
  bool isFunction;
  bool isGeneric; ///< generic(symbol)
  int64_t addend;
  uint8_t size; ///< bytes: 4 or 8
};

/// A variable of a memory space, or a parameter.
struct Variable {
  std::string name;
  Space space = Space::Global;
  Type type = Type::None; ///< of an element
  uint32_t line = 0;
  uint64_t size = 0; ///< bytes, of the whole; 0 for `x[]`
  uint32_t align = 1;
  bool isExtern = false;
  bool isVisible = false;
  bool isUnsized = false;      ///< `x[]`: the launch's dynamic shared memory
  bool isParamPointer = false; ///< `.ptr`
  std::vector<uint8_t> data;   ///< initial bytes, or empty
  std::vector<Relocation> relocations;
};

/// What an instruction reads or writes.
struct Operand {
  enum Kind : uint8_t {
    None,
    Reg,       ///< `index`: in Function::registers
    Immediate, ///< `bits`, as `number` says
    Special,   ///< a special register by `name`, "%tid.x"
    Var,       ///< the address of a variable: `scope` and `index`
    Func,      ///< `index` in Module::functions
    Label,     ///< `index` of an instruction of the function
    Address,   ///< [base + offset]: elements[0] is the base, `bits` the offset;
               ///< [tensorMap, {c0, c1}] has the coordinates in elements[1],
               ///< a vector
    Vector,    ///< {a, b, ...}: elements
    Group,     ///< (a, b, ...) of a call: elements
    Pair,      ///< p|q: elements
    Sink,      ///< _
    Name,      ///< a word that is none of these, in `name`: a call prototype,
               ///< a list of branch targets
  };
  /// What the bits of an immediate are: a 64-bit integer; binary32 (0f...), in
  /// the low half; binary64 (0d..., 1.5).
  enum Number : uint8_t { Integer, Binary32, Binary64 };
  /// Where a variable is declared.
  enum Scope : uint8_t { ModuleScope, FunctionScope };

  Kind kind = None;
  Number number = Integer;
  bool isNegated = false; ///< !p
  Scope scope = ModuleScope;
  uint32_t index = 0;
  uint64_t bits = 0;
  std::string name;
  std::vector<Operand> elements;
};

/// An instruction. `ld.global.v4.f32 {..}, [%rd1+16];` has the opcode "ld" and
/// the modifiers "global", "v4" and "f32"; "shared::cluster" is one modifier.
struct Instruction {
  std::string opcode;
  std::vector<std::string> modifiers;
  std::vector<Operand> operands;
  int32_t guard = -1; ///< predicate register of @p, or -1
  bool guardNegated = false;
  uint32_t line = 0;

  bool has(std::string_view modifier) const {
    for (const std::string &word : modifiers)
      if (word == modifier)
        return true;
    return false;
  }
};

/// A label list (`.branchtargets`) or the start of one (`brx.idx`).
struct TargetList {
  std::string name;
  std::vector<uint32_t> targets; ///< instructions
};

/// Sizes of a call through a register (`.callprototype`).
struct Prototype {
  std::string name;
  std::vector<Variable> results, parameters;
};

/// A kernel or a device function.
struct Function {
  std::string name;
  uint32_t line = 0;
  bool isKernel = false;
  bool isDeclaration = false;
  std::vector<Variable> parameters;
  std::vector<Variable> results;
  std::vector<Register> registers;
  /// Variables of the body: .local, .shared, .param (of calls), .const.
  std::vector<Variable> variables;
  std::vector<Instruction> body;
  std::vector<TargetList> targetLists;
  std::vector<Prototype> prototypes;

  // Directives (ISA 11.4); 0 where not given.
  uint32_t reqntid[3] = {0, 0, 0};
  uint32_t maxntid[3] = {0, 0, 0};
  uint32_t minnctapersm = 0;
  uint32_t maxnreg = 0;
  uint32_t cluster[3] = {0, 0, 0}; ///< .reqnctapercluster
  uint32_t maxClusterRank = 0;
  bool explicitCluster = false;

  /// The variable of an operand of scope FunctionScope: parameters come first,
  /// then results, then the variables of the body.
  const Variable &getVariable(uint32_t index) const {
    if (index < parameters.size())
      return parameters[index];
    index -= parameters.size();
    return index < results.size() ? results[index]
                                  : variables[index - results.size()];
  }
};

/// A PTX file.
struct Module {
  unsigned versionMajor = 0, versionMinor = 0;
  std::string target;          ///< "sm_90a"
  unsigned arch = 0;           ///< 90
  bool isArchSpecific = false; ///< the "a" (or "f") of the target
  std::vector<Variable> variables;
  std::vector<Function> functions;

  const Function *findFunction(std::string_view name) const;
};

/// What is wrong with a file, and where; `line` counts from 1, 0 if unknown.
struct ParseError {
  uint32_t line = 0;
  std::string message;
};

/// Reads a module (ISA chapters 4, 5 and 11). The text may end at a NUL. On
/// failure `error` says the first thing that is wrong and false is returned; no
/// input makes it crash, hang or use memory out of proportion.
///
/// Instructions are not checked beyond their grammar: opcodes and modifiers are
/// the decoder's.
bool parse(std::string_view text, Module &module, ParseError &error);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_AST_H
