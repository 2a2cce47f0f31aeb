//===- Parser.cpp - Directives of a module --------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Parser.h"

using namespace sparsedrop::ptx;

static constexpr size_t kMostText = size_t(1) << 28;

ParserContext::ParserContext(std::string_view text, Module &module,
                             ParseError &error)
    : cursor(text, error), module(module),
      dataBudget(64 * uint64_t(text.size()) + (1 << 24)),
      signatureBudget(8 * uint64_t(text.size()) + (1 << 10)) {}

const Symbol *ParserContext::find(std::string_view name) const {
  auto found = names.find(name);
  return found == names.end() ? nullptr : &found->second;
}

//===----------------------------------------------------------------------===//
// Directives that have no meaning here
//===----------------------------------------------------------------------===//

static bool expectNumbers(Cursor &cursor, unsigned count) {
  uint64_t ignored;
  for (; count > 0; --count)
    if (!cursor.expectInteger("a number", ~0ull, ignored))
      return false;
  return true;
}

/// .file 1 "name", time, size (ISA 11.6.2).
static bool skipFile(Cursor &cursor) {
  if (!expectNumbers(cursor, 1))
    return false;
  if (!cursor.isAt(Token::String))
    return cursor.failExpected("the name of a file");
  cursor.take();
  while (cursor.acceptSymbol(","))
    if (!expectNumbers(cursor, 1))
      return false;
  return true;
}

/// .loc 1 2 3, function_name label+4, inlined_at 1 2 3 (ISA 11.6.4).
static bool skipLocation(Cursor &cursor) {
  if (!expectNumbers(cursor, 3))
    return false;
  while (cursor.acceptSymbol(",")) {
    std::string_view label;
    int64_t offset = 0;
    if (cursor.accept(Token::Word, "inlined_at")) {
      if (!expectNumbers(cursor, 3))
        return false;
    } else if (!cursor.accept(Token::Word, "function_name")) {
      return cursor.failExpected("function_name or inlined_at");
    } else if (!cursor.expectName("a label", label) ||
               !parseOffset(cursor, offset)) {
      return false;
    }
  }
  return true;
}

/// .pragma "a", "b"; (ISA 11.5.1).
static bool skipPragma(Cursor &cursor) {
  do {
    if (!cursor.isAt(Token::String))
      return cursor.failExpected("a string");
    cursor.take();
  } while (cursor.acceptSymbol(","));
  return cursor.expectSymbol(";");
}

/// .section .name { ... } (ISA 11.6.3).
static bool skipSection(Cursor &cursor) {
  if (!cursor.isAt(Token::Directive) && !cursor.isAt(Token::Word))
    return cursor.failExpected("the name of a section");
  cursor.take();
  if (!cursor.expectSymbol("{"))
    return false;
  for (uint64_t depth = 1; depth > 0;) {
    if (cursor.isAt(Token::End))
      return cursor.failExpected("'}' at the end of a section");
    Token token = cursor.take();
    bool isSymbol = token.kind == Token::Symbol;
    depth += isSymbol && token.text == "{";
    depth -= isSymbol && token.text == "}";
  }
  return true;
}

bool sparsedrop::ptx::skipDirective(Cursor &cursor, bool &isSkipped) {
  static constexpr struct {
    std::string_view name;
    bool (*skip)(Cursor &);
  } kSkipped[] = {{"file", skipFile},
                  {"loc", skipLocation},
                  {"pragma", skipPragma},
                  {"section", skipSection}};
  isSkipped = true;
  for (const auto &entry : kSkipped)
    if (cursor.acceptDirective(entry.name))
      return entry.skip(cursor);
  isSkipped = false;
  return true;
}

bool sparsedrop::ptx::skipAttributes(Cursor &cursor) {
  while (cursor.acceptDirective("attribute")) {
    if (!cursor.expectSymbol("("))
      return false;
    for (uint64_t depth = 1; depth > 0;) {
      if (cursor.isAt(Token::End))
        return cursor.failExpected("')' at the end of an attribute");
      Token token = cursor.take();
      bool isSymbol = token.kind == Token::Symbol;
      depth += isSymbol && token.text == "(";
      depth -= isSymbol && token.text == ")";
    }
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Header (ISA 11.1)
//===----------------------------------------------------------------------===//

namespace {

class ModuleParser {
public:
  ModuleParser(std::string_view text, Module &module, ParseError &error)
      : context(text, module, error), cursor(context.cursor), module(module) {}

  bool parse();

private:
  bool parseVersion();
  bool parseTarget();
  bool parseTargetOption();
  bool parseAddressSize();
  bool parseDirective();
  bool parseAlias();
  bool parseVariables(DeclarationHead head);
  void replaceAliases();
  void replaceAliases(Operand &operand);

  ParserContext context;
  Cursor &cursor;
  Module &module;
  std::unordered_map<uint32_t, uint32_t> aliases; ///< of functions
};

} // namespace

bool ModuleParser::parseVersion() {
  if (!cursor.acceptDirective("version"))
    return cursor.failExpected("the directive .version at the start of PTX");
  if (!cursor.isAt(Token::Number))
    return cursor.failExpected("a version of PTX");
  std::string_view text = cursor.peek().text;
  auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != 3 || text[1] != '.' || !isDigit(text[0]) ||
      !isDigit(text[2]) || text[0] == '0')
    return cursor.failExpected("a version of PTX from 1.0 to 9.9");
  module.versionMajor = text[0] - '0';
  module.versionMinor = text[2] - '0';
  cursor.take();
  return true;
}

bool ModuleParser::parseTargetOption() {
  for (std::string_view option :
       {"texmode_unified", "texmode_independent", "debug"})
    if (cursor.accept(Token::Word, option))
      return true;
  return cursor.failExpected("texmode_unified, texmode_independent or debug");
}

bool ModuleParser::parseTarget() {
  static constexpr struct {
    unsigned arch;
    std::string_view suffixes;
  } kTargets[] = {{50, ""},    {52, ""},    {53, ""},    {60, ""},
                  {61, ""},    {62, ""},    {70, ""},    {72, ""},
                  {75, ""},    {80, ""},    {86, ""},    {87, ""},
                  {88, ""},    {89, ""},    {90, "a"},   {100, "af"},
                  {101, "af"}, {103, "af"}, {110, "af"}, {120, "af"},
                  {121, "af"}};
  if (!cursor.acceptDirective("target"))
    return cursor.failExpected("the directive .target");
  std::string_view name = cursor.peek().text;
  for (const auto &target : kTargets) {
    std::string plain = "sm_" + std::to_string(target.arch);
    if (!cursor.isAt(Token::Word) || name.substr(0, plain.size()) != plain)
      continue;
    std::string_view suffix = name.substr(plain.size());
    if (suffix.size() > 1 || target.suffixes.find(suffix) == suffix.npos)
      continue;
    module.target = std::string(name);
    module.arch = target.arch;
    module.isArchSpecific = !suffix.empty();
  }
  if (module.target.empty())
    return cursor.failExpected("a target from sm_50 to sm_121f");
  cursor.take();
  while (cursor.acceptSymbol(","))
    if (!parseTargetOption())
      return false;
  return true;
}

bool ModuleParser::parseAddressSize() {
  uint64_t size = 64;
  if (cursor.acceptDirective("address_size")) {
    uint32_t line = cursor.getLine();
    if (!cursor.expectInteger("the size of addresses", 64, size))
      return false;
    if (size != 64)
      return cursor.failAt(line, "expected addresses of 64 bits, but got " +
                                     std::to_string(size));
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Top level
//===----------------------------------------------------------------------===//

/// .alias name, function; (ISA 11.6.6): calls of one are calls of the other.
bool ModuleParser::parseAlias() {
  uint32_t indices[2];
  for (uint32_t &index : indices) {
    if (&index != indices && !cursor.expectSymbol(","))
      return false;
    if (!cursor.isAt(Token::Word))
      return cursor.failExpected("the name of a function");
    const Symbol *symbol = context.find(cursor.peek().text);
    if (!symbol || symbol->kind != Symbol::Function)
      return cursor.failExpected("a function that is declared");
    index = symbol->index;
    cursor.take();
  }
  if (!module.functions[indices[0]].isDeclaration ||
      module.functions[indices[1]].isDeclaration)
    return cursor.fail("expected an alias of a function with a body, but " +
                       quote(module.functions[indices[1]].name) +
                       " has none or the alias has one");
  aliases[indices[0]] = indices[1];
  return cursor.expectSymbol(";");
}

void ModuleParser::replaceAliases(Operand &operand) {
  auto found = operand.kind == Operand::Func ? aliases.find(operand.index)
                                             : aliases.end();
  if (found != aliases.end())
    operand.index = found->second;
}

void ModuleParser::replaceAliases() {
  if (aliases.empty())
    return;
  for (Function &function : module.functions)
    for (Instruction &instruction : function.body)
      for (Operand &operand : instruction.operands)
        replaceAliases(operand);
  for (Variable &variable : module.variables)
    for (Relocation &relocation : variable.relocations)
      if (relocation.isFunction && aliases.count(relocation.symbol))
        relocation.symbol = aliases[relocation.symbol];
}

bool ModuleParser::parseVariables(DeclarationHead head) {
  if (head.space != Space::Global && head.space != Space::Const &&
      head.space != Space::Shared)
    return cursor.fail("variables of a module cannot be in ." +
                       std::string(getName(head.space)));
  if (!parseHead(context, head))
    return false;
  do {
    Variable variable;
    std::string_view name;
    Symbol symbol;
    if (!parseVariable(context, head, variable, name) ||
        !addModuleVariable(context, std::move(variable), name, symbol))
      return false;
  } while (cursor.acceptSymbol(","));
  return cursor.expectSymbol(";");
}

bool ModuleParser::parseDirective() {
  bool isSkipped;
  if (!skipDirective(cursor, isSkipped))
    return false;
  if (isSkipped)
    return true;
  if (cursor.acceptDirective("alias"))
    return parseAlias();
  DeclarationHead head;
  // Linking directives (ISA 11.6); a module is linked with nothing.
  while (cursor.isAt(Token::Directive, "extern") ||
         cursor.isAt(Token::Directive, "visible") ||
         cursor.isAt(Token::Directive, "weak") ||
         cursor.isAt(Token::Directive, "common")) {
    std::string_view linkage = cursor.take().text;
    head.isExtern |= linkage == "extern";
    head.isVisible |= linkage == "visible";
  }
  bool isKernel = cursor.isAt(Token::Directive, "entry");
  if (isKernel || cursor.isAt(Token::Directive, "func")) {
    cursor.take();
    return FunctionParser(context, isKernel).parse();
  }
  if (!cursor.isAt(Token::Directive) ||
      !parseSpace(cursor.peek().text, head.space))
    return cursor.failExpected("a variable or a function");
  cursor.take();
  return parseVariables(head);
}

bool ModuleParser::parse() {
  if (!parseVersion() || !parseTarget() || !parseAddressSize())
    return false;
  while (!cursor.isAt(Token::End))
    if (!parseDirective())
      return false;
  replaceAliases();
  return !cursor.hasFailed();
}

bool sparsedrop::ptx::parse(std::string_view text, Module &module,
                            ParseError &error) {
  module = Module();
  if (text.size() > kMostText) {
    error = {1, "expected a text of at most " + std::to_string(kMostText) +
                    " bytes, but got " + std::to_string(text.size())};
    return false;
  }
  ModuleParser parser(text, module, error);
  if (!error.message.empty())
    error.message =
        "expected the directive .version at the start of PTX: " + error.message;
  return parser.parse();
}
