//===- ParserBody.cpp - Statements of a function --------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Parser.h"

using namespace sparsedrop::ptx;

static constexpr size_t kMostScopes = 64;
static constexpr uint64_t kMostRegisters = uint64_t(1) << 24;

bool FunctionParser::declare(std::string_view name, const Symbol &symbol) {
  return scopes.declare(name, symbol) ||
         cursor.fail(quote(name) + " is declared twice");
}

//===----------------------------------------------------------------------===//
// Scopes and labels
//===----------------------------------------------------------------------===//

/// Fills in what a name stands for; false if it cannot stand there.
bool FunctionParser::resolve(const Pending &reference, const Symbol &symbol) {
  if (!reference.isTarget)
    return resolveWord(
        function.body[reference.owner].operands[reference.position], symbol);
  if (symbol.kind != Symbol::Label)
    return false;
  function.targetLists[reference.owner].targets[reference.position] =
      symbol.index;
  return true;
}

/// Leaves a scope. Its labels are known now; names that are none of them may be
/// labels of a scope around it, and at last symbols of the module.
bool FunctionParser::closeScope() {
  size_t first = firstPending.back(), kept = first;
  bool isLast = scopes.getDepth() == 1;
  for (size_t i = first; i < pending.size(); ++i) {
    const Pending reference = pending[i];
    const Symbol *symbol = scopes.findInnermost(reference.name);
    if (!symbol && isLast)
      symbol = context.find(reference.name);
    if (!symbol && !isLast) {
      pending[kept++] = reference;
      continue;
    }
    if (!symbol)
      return cursor.failAt(reference.line,
                           quote(reference.name) + " is not declared");
    if (!resolve(reference, *symbol))
      return cursor.failAt(reference.line,
                           quote(reference.name) + " cannot be used here");
  }
  pending.resize(kept);
  firstPending.pop_back();
  scopes.close();
  return true;
}

bool FunctionParser::parseBody() {
  while (scopes.getDepth() > 0) {
    if (cursor.isAtSymbol("}")) {
      if (!closeScope())
        return false;
      cursor.take();
    } else if (cursor.acceptSymbol("{")) {
      if (scopes.getDepth() == kMostScopes)
        return cursor.fail("braces are nested more than " +
                           std::to_string(kMostScopes) + " deep");
      scopes.open();
      firstPending.push_back(pending.size());
    } else if (!parseStatement()) {
      return false;
    }
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Statements (ISA 4.3)
//===----------------------------------------------------------------------===//

bool FunctionParser::parseStatement() {
  if (cursor.isAt(Token::Directive))
    return parseBodyDirective();
  instruction = Instruction();
  instruction.line = cursor.getLine();
  bool hasGuard = cursor.acceptSymbol("@");
  if (hasGuard && !parseGuard())
    return false;
  if (!cursor.isAt(Token::Word))
    return cursor.failExpected(hasGuard ? "an instruction after the guard"
                                        : "an instruction or '}'");
  Token word = cursor.take();
  if (!hasGuard && cursor.acceptSymbol(":"))
    return parseLabel(word);
  return parseInstruction(word);
}

bool FunctionParser::parseLabel(const Token &label) {
  if (cursor.acceptDirective("branchtargets"))
    return parseTargets(label.text);
  if (cursor.acceptDirective("calltargets"))
    return parseCallTargets(label.text);
  if (cursor.acceptDirective("callprototype"))
    return parsePrototype(label.text);
  Symbol symbol;
  symbol.kind = Symbol::Label;
  symbol.index = static_cast<uint32_t>(function.body.size());
  return scopes.declare(label.text, symbol) ||
         cursor.failAt(label.line, quote(label.text) + " is declared twice");
}

bool FunctionParser::parseBodyDirective() {
  bool isSkipped;
  if (!skipDirective(cursor, isSkipped))
    return false;
  if (isSkipped)
    return true;
  bool isExtern = cursor.acceptDirective("extern");
  Space space;
  if (!cursor.isAt(Token::Directive) || !parseSpace(cursor.peek().text, space))
    return cursor.failExpected("a variable, a register or an instruction");
  cursor.take();
  if (space == Space::Register && !isExtern)
    return parseRegisters();
  return parseVariables(space, isExtern);
}

bool FunctionParser::parseVariables(Space space, bool isExtern) {
  DeclarationHead head;
  head.space = space;
  head.isExtern = isExtern;
  if (!parseHead(context, head))
    return false;
  do {
    Variable variable;
    std::string_view variableName;
    Symbol symbol;
    if (!parseVariable(context, head, variable, variableName))
      return false;
    // What lives as long as the module is one of its variables, whose name
    // nobody else can see.
    bool isOfModule = space == Space::Global || space == Space::Const;
    std::vector<Variable> &variables =
        isOfModule ? context.module.variables : function.variables;
    symbol.kind = isOfModule ? Symbol::ModuleVariable : Symbol::Variable;
    symbol.index = static_cast<uint32_t>(variables.size());
    if (!isOfModule)
      symbol.index += function.parameters.size() + function.results.size();
    variables.push_back(std::move(variable));
    if (!declare(variableName, symbol))
      return false;
  } while (cursor.acceptSymbol(","));
  return cursor.expectSymbol(";");
}

/// A name, name<10> or a vector.
bool FunctionParser::parseRegister(Type type, unsigned vector) {
  std::string_view name;
  uint32_t line = cursor.getLine();
  if (!cursor.expectName("the name of a register", name))
    return false;
  if (!cursor.acceptSymbol("<")) {
    Symbol symbol;
    symbol.kind = vector > 1 ? Symbol::Vector : Symbol::Register;
    symbol.type = type;
    symbol.vector = static_cast<uint8_t>(vector);
    return scopes.declare(name, symbol) ||
           cursor.failAt(line, quote(name) + " is declared twice");
  }
  uint64_t count;
  if (vector > 1)
    return cursor.fail("vectors of registers cannot be numbered");
  if (!cursor.expectInteger("a number of registers", kMostRegisters, count) ||
      !cursor.expectSymbol(">"))
    return false;
  return scopes.declareRange(name, type, count) ||
         cursor.failAt(line, quote(name) + " is declared twice");
}

bool FunctionParser::parseRegisters() {
  DeclarationHead head;
  head.space = Space::Register;
  if (!parseHead(context, head))
    return false;
  do {
    if (!parseRegister(head.type, head.vector))
      return false;
  } while (cursor.acceptSymbol(","));
  return cursor.expectSymbol(";");
}
