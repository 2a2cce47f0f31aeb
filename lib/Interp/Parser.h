//===- Parser.h - From PTX to the syntax tree -------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A parser by recursive descent that reads the text once. What it allocates is
// proportional to the text, whatever the numbers in it say: registers of a
// `%r<N>` exist from their first use, and initializers have a budget.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_PARSER_H
#define SPARSEDROP_LIB_INTERP_PARSER_H

#include "Lexer.h"
#include "ParserScopes.h"

namespace sparsedrop::ptx {

/// What all parts of the parser share.
struct ParserContext {
  ParserContext(std::string_view text, Module &module, ParseError &error);

  /// The symbol of a variable or a function of the module, or null.
  const Symbol *find(std::string_view name) const;

  Cursor cursor;
  Module &module;
  std::unordered_map<std::string_view, Symbol> names; ///< of the module
  uint64_t dataBudget;      ///< bytes that initializers may still take
  uint64_t signatureBudget; ///< parameters that may still be copied
};

//===----------------------------------------------------------------------===//
// Constant expressions (ISA 4.5) - ParserConstants.cpp
//===----------------------------------------------------------------------===//

struct Constant {
  enum Kind : uint8_t { Signed, Unsigned, Double, Single };

  bool isInteger() const { return kind == Signed || kind == Unsigned; }
  bool isTrue() const;
  double asDouble() const;

  Kind kind = Signed;
  uint64_t bits = 0;
};

/// Whether the current token starts a constant expression.
bool isAtConstant(const Cursor &cursor);
bool parseConstant(Cursor &cursor, Constant &result);
/// The same after a '!' that has been taken.
bool parseNegatedConstant(Cursor &cursor, Constant &result);
/// Any of "+4", "-4", "+-4" and nothing, added to `offset`.
bool parseOffset(Cursor &cursor, int64_t &offset);

//===----------------------------------------------------------------------===//
// Variables (ISA 5.1 to 5.4) - ParserVariables.cpp, ParserInitializers.cpp
//===----------------------------------------------------------------------===//

/// What stands before the names of a declaration.
struct DeclarationHead {
  Space space = Space::Global;
  Type type = Type::None;
  unsigned vector = 1; ///< of .v2 and .v4
  uint32_t align = 0;  ///< 0: the natural one
  bool isParamPointer = false;
  bool isExtern = false;
  bool isVisible = false;
};

/// The space of a directive such as "shared"; false if it is none.
bool parseSpace(std::string_view word, Space &space);
/// Words up to the first name: .align 4 .v2 .f32, .ptr .global .align 16, ...
bool parseHead(ParserContext &context, DeclarationHead &head);
/// A name and the dimensions of an array. `dimensions` ends with the elements
/// of a vector; the first one is 0 for `x[]`.
bool parseDeclarator(ParserContext &context, const DeclarationHead &head,
                     Variable &variable, std::string_view &name,
                     std::vector<uint64_t> &dimensions);
/// What follows '='.
bool parseInitializer(ParserContext &context, Variable &variable,
                      std::vector<uint64_t> &dimensions);
/// A variable of a memory space with its initializer.
bool parseVariable(ParserContext &context, const DeclarationHead &head,
                   Variable &variable, std::string_view &name);
/// (.param .b32 a, .param .b64 b).
bool parseParameters(ParserContext &context, std::vector<Variable> &list,
                     std::vector<std::string_view> *names);
/// Adds a variable to the module, or completes an extern one; `symbol` says
/// which it is.
bool addModuleVariable(ParserContext &context, Variable &&variable,
                       std::string_view name, Symbol &symbol);

//===----------------------------------------------------------------------===//
// Directives that have no meaning here - Parser.cpp
//===----------------------------------------------------------------------===//

/// Skips .file, .loc, .pragma and .section (ISA 11.6); `isSkipped` says whether
/// the current directive is one.
bool skipDirective(Cursor &cursor, bool &isSkipped);
/// Skips .attribute(...).
bool skipAttributes(Cursor &cursor);

//===----------------------------------------------------------------------===//
// Functions - ParserFunctions.cpp, ParserBody.cpp, ParserOperands.cpp
//===----------------------------------------------------------------------===//

class FunctionParser {
public:
  FunctionParser(ParserContext &context, bool isKernel);

  /// What follows .entry or .func, up to the ';' or the '}'.
  bool parse();

private:
  /// A name of an operand or of a target list that may be a label further down.
  struct Pending {
    std::string_view name;
    uint32_t line;
    uint32_t owner; ///< instruction or list
    uint32_t position;
    bool isTarget;
  };

  // Signature.
  bool parseSignature();
  bool parseDirective();
  bool parseDimensions(uint32_t *values);
  bool add();
  bool declareParameters();

  // Body.
  bool parseBody();
  bool closeScope();
  bool parseStatement();
  bool parseBodyDirective();
  bool parseRegisters();
  bool parseRegister(Type type, unsigned vector);
  bool parseVariables(Space space, bool isExtern);
  bool parseLabel(const Token &name);
  bool parseTargets(std::string_view name);
  bool parseCallTargets(std::string_view name);
  bool parsePrototype(std::string_view name);
  bool addPrototype(std::string_view name, Prototype &&prototype);
  std::string getUniqueName(std::string_view name);
  bool declare(std::string_view name, const Symbol &symbol);
  bool resolve(const Pending &pending, const Symbol &symbol);

  // Instructions.
  bool parseInstruction(const Token &opcode);
  bool parseGuard();
  bool parseOperand(Operand &operand);
  bool parsePrimary(Operand &operand);
  bool parseList(Operand &operand, Operand::Kind kind,
                 std::string_view closing);
  bool parseElement(Operand &operand);
  bool parseAddress(Operand &operand);
  bool parseImmediate(Operand &operand);
  bool parseWord(Operand &operand, bool mayBeLabel);
  bool parseRegisterOperand(Operand &operand, const Token &word,
                            Symbol &symbol);
  bool resolveWord(Operand &operand, const Symbol &symbol);
  void useRegister(Operand &operand, std::string_view name, Symbol &symbol);

  ParserContext &context;
  Cursor &cursor;
  Function function;
  std::string_view name;
  std::vector<std::string_view> parameterNames, resultNames;
  ParserScopes scopes;
  std::vector<Pending> pending;
  std::vector<size_t> firstPending; ///< of each open scope
  std::unordered_map<std::string_view, uint32_t> listNames;
  Instruction instruction; ///< the one being parsed
};

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_PARSER_H
