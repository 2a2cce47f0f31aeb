//===- ParserVariables.cpp - Declarations of variables --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Parser.h"

using namespace sparsedrop::ptx;

static constexpr uint64_t kMostBytes = uint64_t(1) << 40;
static constexpr uint64_t kMostParameterBytes = uint64_t(1) << 24;
static constexpr uint64_t kMostAlign = uint64_t(1) << 20;
static constexpr size_t kMostDimensions = 8;

bool sparsedrop::ptx::parseSpace(std::string_view word, Space &space) {
  for (Space candidate : {Space::Register, Space::Const, Space::Global,
                          Space::Local, Space::Param, Space::Shared}) {
    if (getName(candidate) != word)
      continue;
    space = candidate;
    return true;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// What stands before the name
//===----------------------------------------------------------------------===//

static bool parseAlign(Cursor &cursor, uint32_t &align) {
  uint64_t value = 0;
  if (!cursor.expectInteger("an alignment", kMostAlign, value))
    return false;
  if (value == 0 || (value & (value - 1)) != 0)
    return cursor.fail("expected a power of two as the alignment, but got " +
                       std::to_string(value));
  align = static_cast<uint32_t>(value);
  return true;
}

/// .ptr .global .align 16 says what a parameter points to (ISA 7.1.3), which
/// nothing here needs to know.
static bool parsePointee(Cursor &cursor) {
  Space space;
  uint32_t align;
  if (cursor.isAt(Token::Directive) && parseSpace(cursor.peek().text, space))
    cursor.take();
  return !cursor.acceptDirective("align") || parseAlign(cursor, align);
}

static bool parseHeadWord(ParserContext &context, DeclarationHead &head) {
  Cursor &cursor = context.cursor;
  if (cursor.isAt(Token::Directive, "attribute"))
    return skipAttributes(cursor);
  std::string_view word = cursor.peek().text;
  if (word == "texref" || word == "samplerref" || word == "surfref")
    return cursor.fail("variables of type ." + std::string(word) +
                       " are not supported");
  Type type = parseType(word);
  if (type != Type::None && head.type != Type::None)
    return cursor.failExpected("one type");
  if (type != Type::None)
    head.type = type;
  else if (word != "align" && word != "ptr" && word != "v2" && word != "v4")
    return cursor.failExpected("a type");
  cursor.take();
  if (word == "align")
    return parseAlign(cursor, head.align);
  head.isParamPointer |= word == "ptr";
  if (word == "v2" || word == "v4")
    head.vector = word[1] - '0';
  return word != "ptr" || parsePointee(cursor);
}

bool sparsedrop::ptx::parseHead(ParserContext &context, DeclarationHead &head) {
  while (context.cursor.isAt(Token::Directive))
    if (!parseHeadWord(context, head))
      return false;
  if (head.type == Type::None)
    return context.cursor.failExpected("a type");
  if (head.space != Space::Register && head.type == Type::Pred)
    return context.cursor.fail("predicates can only be in registers");
  return true;
}

//===----------------------------------------------------------------------===//
// Names and dimensions
//===----------------------------------------------------------------------===//

static bool parseDimensions(Cursor &cursor, std::vector<uint64_t> &dimensions) {
  while (cursor.acceptSymbol("[")) {
    if (dimensions.size() == kMostDimensions)
      return cursor.fail("expected at most " + std::to_string(kMostDimensions) +
                         " dimensions of an array");
    bool isFirst = dimensions.empty();
    Constant size;
    if (!(isFirst && cursor.isAtSymbol("]")) && !parseConstant(cursor, size))
      return false;
    if (!size.isInteger() || size.bits > kMostBytes ||
        (!isFirst && size.bits == 0))
      return cursor.fail("expected an integer from 1 to " +
                         std::to_string(kMostBytes) +
                         " as the size of an array");
    dimensions.push_back(size.bits);
    if (!cursor.expectSymbol("]"))
      return false;
  }
  return true;
}

/// Bytes of an array; false if they are too many. The first dimension may be 0.
static bool computeSize(const std::vector<uint64_t> &dimensions, Type type,
                        uint64_t &size) {
  size = getSize(type);
  for (uint64_t dimension : dimensions) {
    if (dimension > kMostBytes / std::max<uint64_t>(size, 1))
      return false;
    size *= dimension;
  }
  return true;
}

static bool checkSize(Cursor &cursor, const Variable &variable,
                      const std::vector<uint64_t> &dimensions) {
  uint64_t most =
      variable.space == Space::Param ? kMostParameterBytes : kMostBytes;
  uint64_t size;
  if (computeSize(dimensions, variable.type, size) && size <= most)
    return true;
  return cursor.failAt(variable.line, quote(variable.name) + " has more than " +
                                          std::to_string(most) + " bytes");
}

bool sparsedrop::ptx::parseDeclarator(ParserContext &context,
                                      const DeclarationHead &head,
                                      Variable &variable,
                                      std::string_view &name,
                                      std::vector<uint64_t> &dimensions) {
  Cursor &cursor = context.cursor;
  variable.line = cursor.getLine();
  if (!cursor.expectName("the name of a variable", name))
    return false;
  variable.name = std::string(name);
  variable.space = head.space;
  variable.type = head.type;
  variable.align = head.align ? head.align : head.vector * getSize(head.type);
  variable.isExtern = head.isExtern;
  variable.isVisible = head.isVisible;
  variable.isParamPointer = head.isParamPointer;
  if (!parseDimensions(cursor, dimensions))
    return false;
  variable.isUnsized = !dimensions.empty() && dimensions.front() == 0;
  if (head.vector > 1)
    dimensions.push_back(head.vector);
  computeSize(dimensions, head.type, variable.size);
  return checkSize(cursor, variable, dimensions);
}

bool sparsedrop::ptx::parseVariable(ParserContext &context,
                                    const DeclarationHead &head,
                                    Variable &variable,
                                    std::string_view &name) {
  Cursor &cursor = context.cursor;
  std::vector<uint64_t> dimensions;
  if (head.isExtern && head.space != Space::Global &&
      head.space != Space::Const && head.space != Space::Shared)
    return cursor.fail("variables in ." + std::string(getName(head.space)) +
                       " cannot be .extern");
  if (!parseDeclarator(context, head, variable, name, dimensions))
    return false;
  if (cursor.acceptSymbol("=") &&
      (!parseInitializer(context, variable, dimensions) ||
       !checkSize(cursor, variable, dimensions)))
    return false;
  computeSize(dimensions, variable.type, variable.size);
  if (variable.isUnsized && !variable.isExtern)
    return cursor.failAt(variable.line,
                         "expected a size of " + quote(name) +
                             ", which is neither .extern nor initialized");
  return true;
}

//===----------------------------------------------------------------------===//
// Parameters and variables of the module
//===----------------------------------------------------------------------===//

bool sparsedrop::ptx::parseParameters(ParserContext &context,
                                      std::vector<Variable> &list,
                                      std::vector<std::string_view> *names) {
  Cursor &cursor = context.cursor;
  if (!cursor.expectSymbol("("))
    return false;
  if (cursor.acceptSymbol(")"))
    return true;
  do {
    if (cursor.isAt(Token::Directive, "reg"))
      return cursor.fail("parameters in registers are not supported");
    if (!cursor.acceptDirective("param"))
      return cursor.failExpected("a parameter, .param");
    DeclarationHead head;
    head.space = Space::Param;
    Variable variable;
    std::string_view name;
    std::vector<uint64_t> dimensions;
    if (!parseHead(context, head) ||
        !parseDeclarator(context, head, variable, name, dimensions))
      return false;
    list.push_back(std::move(variable));
    if (names)
      names->push_back(name);
  } while (cursor.acceptSymbol(","));
  return cursor.expectSymbol(")");
}

bool sparsedrop::ptx::addModuleVariable(ParserContext &context,
                                        Variable &&variable,
                                        std::string_view name, Symbol &symbol) {
  std::vector<Variable> &variables = context.module.variables;
  symbol.kind = Symbol::ModuleVariable;
  symbol.index = static_cast<uint32_t>(variables.size());
  auto [found, isNew] = context.names.try_emplace(name, symbol);
  if (isNew) {
    variables.push_back(std::move(variable));
    return true;
  }
  symbol = found->second;
  bool matches = symbol.kind == Symbol::ModuleVariable;
  if (matches) {
    Variable &first = variables[symbol.index];
    bool isSized = !first.isUnsized && !variable.isUnsized;
    matches = (first.isExtern || variable.isExtern) &&
              first.space == variable.space &&
              (!isSized || first.size == variable.size);
    if (matches && first.isExtern)
      first = std::move(variable);
  }
  return matches || context.cursor.failAt(variable.line,
                                          quote(name) + " is declared twice");
}
