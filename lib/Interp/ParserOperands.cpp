//===- ParserOperands.cpp - Instructions and their operands ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ISA 4.3.2 and chapter 6. Operands have the same grammar in all instructions;
// only in a call do parentheses mean a list instead of an expression.
//
//===----------------------------------------------------------------------===//

#include "Parser.h"

using namespace sparsedrop::ptx;

/// Registers that are predefined (ISA chapter 10): the decoder knows which of
/// them it has.
static constexpr std::string_view kSpecialNames[] = {
    "%tid",
    "%ntid",
    "%laneid",
    "%warpid",
    "%nwarpid",
    "%ctaid",
    "%nctaid",
    "%smid",
    "%nsmid",
    "%gridid",
    "%is_explicit_cluster",
    "%clusterid",
    "%nclusterid",
    "%cluster_ctaid",
    "%cluster_nctaid",
    "%cluster_ctarank",
    "%cluster_nctarank",
    "%lanemask_eq",
    "%lanemask_le",
    "%lanemask_lt",
    "%lanemask_ge",
    "%lanemask_gt",
    "%clock",
    "%clock_hi",
    "%clock64",
    "%globaltimer",
    "%globaltimer_lo",
    "%globaltimer_hi",
    "%reserved_smem_offset_begin",
    "%reserved_smem_offset_end",
    "%reserved_smem_offset_cap",
    "%reserved_smem_offset_0",
    "%reserved_smem_offset_1",
    "%total_smem_size",
    "%aggr_smem_size",
    "%dynamic_smem_size",
    "%current_graph_exec"};

static bool isSpecialName(std::string_view name) {
  for (std::string_view special : kSpecialNames)
    if (special == name)
      return true;
  // %envreg0 to 31, %pm0 to 7.
  return name.substr(0, 7) == "%envreg" || name.substr(0, 3) == "%pm";
}

//===----------------------------------------------------------------------===//
// Words
//===----------------------------------------------------------------------===//

/// A register gets its index when it is first used.
void FunctionParser::useRegister(Operand &operand, std::string_view name,
                                 Symbol &symbol) {
  static constexpr std::string_view kElements[] = {".x", ".y", ".z", ".w"};
  if (symbol.index == Symbol::kUnused) {
    symbol.index = static_cast<uint32_t>(function.registers.size());
    for (unsigned i = 0; i < symbol.vector; ++i) {
      std::string full(name);
      if (symbol.kind == Symbol::Vector)
        full += kElements[i];
      function.registers.push_back({std::move(full), symbol.type});
    }
  }
  operand.kind = Operand::Reg;
  operand.index = symbol.index;
}

/// A register, or a vector of them or one of its elements (ISA 6.4.3).
bool FunctionParser::parseRegisterOperand(Operand &operand, const Token &word,
                                          Symbol &symbol) {
  useRegister(operand, word.text, symbol);
  if (cursor.isAt(Token::Directive)) {
    std::string_view element = cursor.peek().text;
    size_t index = std::string_view("xyzwrgba").find(element[0]) % 4;
    if (element.size() != 1 ||
        std::string_view("xyzwrgba").find(element[0]) == element.npos ||
        index >= symbol.vector || symbol.kind != Symbol::Vector)
      return cursor.fail(quote(word.text) + " has no element ." +
                         std::string(element));
    operand.index += static_cast<uint32_t>(index);
    cursor.take();
    return true;
  }
  if (symbol.kind != Symbol::Vector)
    return true;
  operand.kind = Operand::Vector;
  for (unsigned i = 0; i < symbol.vector; ++i) {
    operand.elements.emplace_back();
    operand.elements.back().kind = Operand::Reg;
    operand.elements.back().index = symbol.index + i;
  }
  return true;
}

/// Makes the operand what the symbol, which is no register, stands for.
bool FunctionParser::resolveWord(Operand &operand, const Symbol &symbol) {
  operand.index = symbol.index;
  operand.scope = symbol.kind == Symbol::ModuleVariable
                      ? Operand::ModuleScope
                      : Operand::FunctionScope;
  switch (symbol.kind) {
  case Symbol::Register:
  case Symbol::Vector:
    return false;
  case Symbol::Variable:
  case Symbol::ModuleVariable:
    operand.kind = Operand::Var;
    return true;
  case Symbol::Function:
    operand.kind = Operand::Func;
    return true;
  case Symbol::Label:
    operand.kind = Operand::Label;
    return true;
  case Symbol::Targets:
    operand.kind = Operand::Name;
    operand.name = function.targetLists[symbol.index].name;
    return true;
  case Symbol::Prototype:
    operand.kind = Operand::Name;
    operand.name = function.prototypes[symbol.index].name;
    return true;
  }
  return false;
}

static bool isRegister(const Symbol &symbol) {
  return symbol.kind == Symbol::Register || symbol.kind == Symbol::Vector;
}

/// A name of an operand. If it `mayBeLabel`, one that no open scope has is left
/// until the end of the scope.
bool FunctionParser::parseWord(Operand &operand, bool mayBeLabel) {
  Token word = cursor.take();
  Symbol *symbol = scopes.find(word.text);
  if (symbol && isRegister(*symbol))
    return parseRegisterOperand(operand, word, *symbol);
  bool isSpecial = !symbol && isSpecialName(word.text);
  if (isSpecial) {
    operand.kind = Operand::Special;
    operand.name = std::string(word.text);
    if (cursor.isAt(Token::Directive))
      operand.name += "." + std::string(cursor.take().text);
    return true;
  }
  bool isVariable = symbol && (symbol->kind == Symbol::Variable ||
                               symbol->kind == Symbol::ModuleVariable);
  if (isVariable)
    return resolveWord(operand, *symbol);
  if (mayBeLabel && word.text[0] != '%') {
    pending.push_back({word.text, word.line,
                       static_cast<uint32_t>(function.body.size()),
                       static_cast<uint32_t>(instruction.operands.size()),
                       /*isTarget=*/false});
    return true;
  }
  const Symbol *ofModule = symbol ? nullptr : context.find(word.text);
  if (ofModule)
    return resolveWord(operand, *ofModule);
  return cursor.failAt(word.line,
                       symbol ? quote(word.text) + " cannot be used here"
                              : quote(word.text) + " is not declared");
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

bool FunctionParser::parseImmediate(Operand &operand) {
  Constant value;
  if (operand.isNegated ? !parseNegatedConstant(cursor, value)
                        : !parseConstant(cursor, value))
    return false;
  operand.isNegated = false;
  operand.kind = Operand::Immediate;
  operand.bits = value.bits;
  operand.number = value.kind == Constant::Single   ? Operand::Binary32
                   : value.kind == Constant::Double ? Operand::Binary64
                                                    : Operand::Integer;
  return true;
}

/// What can stand in a list: a constant, _, a register or a variable.
bool FunctionParser::parseElement(Operand &operand) {
  if (cursor.accept(Token::Word, "_")) {
    operand.kind = Operand::Sink;
    return true;
  }
  if (isAtConstant(cursor))
    return parseImmediate(operand);
  if (!cursor.isAt(Token::Word))
    return cursor.failExpected("a register, a variable or a constant");
  return parseWord(operand, /*mayBeLabel=*/false);
}

/// The rest of a list up to the bracket that closes it.
bool FunctionParser::parseList(Operand &operand, Operand::Kind kind,
                               std::string_view closing) {
  operand.kind = kind;
  if (cursor.acceptSymbol(closing))
    return true;
  do {
    operand.elements.emplace_back();
    if (!parseElement(operand.elements.back()))
      return false;
  } while (cursor.acceptSymbol(","));
  return cursor.expectSymbol(closing);
}

/// base+4], or map, {x, y}] of a tensor.
bool FunctionParser::parseAddress(Operand &operand) {
  operand.kind = Operand::Address;
  operand.elements.emplace_back();
  int64_t offset = 0;
  if (!parseElement(operand.elements.back()) || !parseOffset(cursor, offset))
    return false;
  operand.bits = static_cast<uint64_t>(offset);
  while (cursor.acceptSymbol(",")) {
    operand.elements.emplace_back();
    Operand &element = operand.elements.back();
    if (cursor.acceptSymbol("{") ? !parseList(element, Operand::Vector, "}")
                                 : !parseElement(element))
      return false;
  }
  if (!cursor.isAtSymbol("]"))
    return cursor.failExpected("a constant offset or ']'");
  cursor.take();
  return true;
}

bool FunctionParser::parsePrimary(Operand &operand) {
  if (cursor.acceptSymbol("["))
    return parseAddress(operand);
  if (cursor.acceptSymbol("{"))
    return parseList(operand, Operand::Vector, "}");
  if (cursor.isAtSymbol("(") && instruction.opcode == "call") {
    cursor.take();
    return parseList(operand, Operand::Group, ")");
  }
  operand.isNegated = cursor.acceptSymbol("!");
  if (isAtConstant(cursor) || cursor.isAtSymbol("!"))
    return parseImmediate(operand);
  if (!cursor.isAt(Token::Word))
    return cursor.failExpected("an operand");
  if (operand.isNegated)
    return parseElement(operand);
  if (cursor.accept(Token::Word, "_")) {
    operand.kind = Operand::Sink;
    return true;
  }
  return parseWord(operand, /*mayBeLabel=*/true);
}

bool FunctionParser::parseOperand(Operand &operand) {
  if (!parsePrimary(operand))
    return false;
  if (!cursor.acceptSymbol("|"))
    return true;
  if (operand.kind != Operand::Reg && operand.kind != Operand::Sink)
    return cursor.fail("expected a register before '|'");
  Operand pair;
  pair.kind = Operand::Pair;
  pair.elements.push_back(std::move(operand));
  pair.elements.emplace_back();
  operand = std::move(pair);
  return parseElement(operand.elements.back());
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

/// p or !p after the '@'.
bool FunctionParser::parseGuard() {
  instruction.guardNegated = cursor.acceptSymbol("!");
  Operand operand;
  if (!cursor.isAt(Token::Word))
    return cursor.failExpected("a predicate as the guard");
  Token word = cursor.peek();
  if (!parseElement(operand))
    return false;
  if (operand.kind != Operand::Reg ||
      function.registers[operand.index].type != Type::Pred)
    return cursor.failAt(word.line, "expected a predicate as the guard, but " +
                                        quote(word.text) + " is none");
  instruction.guard = static_cast<int32_t>(operand.index);
  return true;
}

bool FunctionParser::parseInstruction(const Token &opcode) {
  instruction.opcode = std::string(opcode.text);
  while (cursor.isAt(Token::Directive))
    instruction.modifiers.emplace_back(cursor.take().text);
  if (!cursor.isAtSymbol(";")) {
    do {
      Operand operand;
      if (!parseOperand(operand))
        return false;
      instruction.operands.push_back(std::move(operand));
    } while (cursor.acceptSymbol(","));
  }
  if (!cursor.isAtSymbol(";"))
    return cursor.failExpected("',' or ';' after an operand");
  cursor.take();
  function.body.push_back(std::move(instruction));
  return true;
}
