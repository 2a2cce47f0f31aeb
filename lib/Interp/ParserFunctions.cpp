//===- ParserFunctions.cpp - Kernels and functions ------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Parser.h"

using namespace sparsedrop::ptx;

FunctionParser::FunctionParser(ParserContext &context, bool isKernel)
    : context(context), cursor(context.cursor) {
  function.isKernel = isKernel;
}

//===----------------------------------------------------------------------===//
// Directives of functions (ISA 11.4)
//===----------------------------------------------------------------------===//

/// One to three numbers; those left out are 1.
bool FunctionParser::parseDimensions(uint32_t *values) {
  values[0] = values[1] = values[2] = 1;
  for (unsigned i = 0; i < 3; ++i) {
    if (i > 0 && !cursor.acceptSymbol(","))
      break;
    uint64_t value;
    if (!cursor.expectInteger("a number of threads or blocks", ~0u, value))
      return false;
    if (value == 0)
      return cursor.fail("expected a number of threads or blocks, but got 0");
    values[i] = static_cast<uint32_t>(value);
  }
  return true;
}

/// Directives by what follows them. Those that only advise the assembler have
/// no field.
static constexpr std::string_view kFlags[] = {"noreturn", "explicitcluster",
                                              "blocksareclusters", "unique"};
static constexpr struct {
  std::string_view name;
  uint32_t Function::*field;
} kNumbers[] = {{"minnctapersm", &Function::minnctapersm},
                {"maxnctapersm", nullptr},
                {"maxnreg", &Function::maxnreg},
                {"maxclusterrank", &Function::maxClusterRank},
                {"abi_preserve", nullptr},
                {"abi_preserve_control", nullptr}};
static constexpr struct {
  std::string_view name;
  uint32_t (Function::*field)[3];
} kDimensions[] = {{"maxntid", &Function::maxntid},
                   {"reqntid", &Function::reqntid},
                   {"reqnctapercluster", &Function::cluster}};

bool FunctionParser::parseDirective() {
  bool isSkipped;
  if (!skipDirective(cursor, isSkipped))
    return false;
  if (isSkipped)
    return true;
  function.explicitCluster |= cursor.isAt(Token::Directive, "explicitcluster");
  for (std::string_view flag : kFlags)
    if (cursor.acceptDirective(flag))
      return true;
  for (const auto &directive : kDimensions)
    if (cursor.acceptDirective(directive.name))
      return parseDimensions(function.*directive.field);
  for (const auto &directive : kNumbers) {
    uint64_t value;
    if (!cursor.acceptDirective(directive.name))
      continue;
    if (!cursor.expectInteger("a number", ~0u, value))
      return false;
    if (directive.field)
      function.*directive.field = static_cast<uint32_t>(value);
    return true;
  }
  return cursor.failExpected("'{', ';' or a directive of the function");
}

//===----------------------------------------------------------------------===//
// Signature (ISA 7.1)
//===----------------------------------------------------------------------===//

bool FunctionParser::parseSignature() {
  if (!skipAttributes(cursor))
    return false;
  bool hasResults = !function.isKernel && cursor.isAtSymbol("(");
  if (hasResults && !parseParameters(context, function.results, &resultNames))
    return false;
  function.line = cursor.getLine();
  if (!cursor.expectName("the name of a function", name))
    return false;
  function.name = std::string(name);
  if (cursor.isAtSymbol("(") &&
      !parseParameters(context, function.parameters, &parameterNames))
    return false;
  for (size_t i = 0; i < function.parameters.size(); ++i) {
    const Variable &parameter = function.parameters[i];
    bool isLast = i + 1 == function.parameters.size();
    if (parameter.isUnsized && (function.isKernel || !isLast))
      return cursor.failAt(parameter.line, "expected a size of the parameter " +
                                               quote(parameter.name));
  }
  for (const Variable &result : function.results)
    if (result.isUnsized)
      return cursor.failAt(result.line, "expected a size of the result " +
                                            quote(result.name));
  while (!cursor.isAtSymbol("{") && !cursor.isAtSymbol(";"))
    if (!parseDirective())
      return false;
  return true;
}

static bool haveSameSizes(const std::vector<Variable> &left,
                          const std::vector<Variable> &right) {
  if (left.size() != right.size())
    return false;
  for (size_t i = 0; i < left.size(); ++i)
    if (left[i].size != right[i].size)
      return false;
  return true;
}

/// Adds the function to the module, so that its body can name it. What was
/// declared before and has a body now is one function.
bool FunctionParser::add() {
  std::vector<Function> &functions = context.module.functions;
  Symbol symbol;
  symbol.kind = Symbol::Function;
  symbol.index = static_cast<uint32_t>(functions.size());
  auto [found, isNew] = context.names.try_emplace(name, symbol);
  if (isNew) {
    functions.emplace_back();
    functions.back() = function;
    functions.back().isDeclaration = true;
    return true;
  }
  bool isFunction = found->second.kind == Symbol::Function;
  bool isBody = !function.isDeclaration;
  if (!isFunction || (isBody && !functions[found->second.index].isDeclaration))
    return cursor.failAt(function.line, quote(name) + " is declared twice");
  Function &first = functions[found->second.index];
  if (first.isKernel != function.isKernel ||
      !haveSameSizes(first.parameters, function.parameters) ||
      !haveSameSizes(first.results, function.results))
    return cursor.failAt(function.line,
                         quote(name) + " is declared in line " +
                             std::to_string(first.line) +
                             " with other parameters or results");
  return true;
}

bool FunctionParser::declareParameters() {
  Symbol symbol;
  symbol.kind = Symbol::Variable;
  symbol.index = 0;
  for (const auto *names : {&parameterNames, &resultNames}) {
    for (std::string_view parameter : *names) {
      if (parameter != "_" && !scopes.declare(parameter, symbol))
        return cursor.failAt(function.line,
                             quote(parameter) + " is declared twice");
      ++symbol.index;
    }
  }
  return true;
}

bool FunctionParser::parse() {
  if (!parseSignature())
    return false;
  function.isDeclaration = cursor.isAtSymbol(";");
  if (!add())
    return false;
  if (cursor.acceptSymbol(";"))
    return true;
  scopes.open();
  firstPending.push_back(0);
  if (!declareParameters() || !cursor.expectSymbol("{") || !parseBody())
    return false;
  uint32_t index = context.find(name)->index;
  context.module.functions[index] = std::move(function);
  return true;
}

//===----------------------------------------------------------------------===//
// Lists of functions and labels, prototypes (ISA 11.3)
//===----------------------------------------------------------------------===//

/// Lists are found by name, though names of inner scopes may come again.
std::string FunctionParser::getUniqueName(std::string_view name) {
  uint32_t &count = listNames[name];
  std::string result(name);
  if (count > 0)
    result += "#" + std::to_string(count);
  ++count;
  return result;
}

bool FunctionParser::addPrototype(std::string_view name,
                                  Prototype &&prototype) {
  uint64_t size = prototype.parameters.size() + prototype.results.size();
  if (size > context.signatureBudget)
    return cursor.fail("the prototypes of calls are too many");
  context.signatureBudget -= size;
  Symbol symbol;
  symbol.kind = Symbol::Prototype;
  symbol.index = static_cast<uint32_t>(function.prototypes.size());
  prototype.name = getUniqueName(name);
  function.prototypes.push_back(std::move(prototype));
  return declare(name, symbol);
}

/// .callprototype (.param .b32 _) _ (.param .b32 _) .noreturn;
bool FunctionParser::parsePrototype(std::string_view name) {
  Prototype prototype;
  std::string_view sink;
  if (cursor.isAtSymbol("(") &&
      !parseParameters(context, prototype.results, nullptr))
    return false;
  if (!cursor.expectName("_ in a prototype", sink))
    return false;
  if (cursor.isAtSymbol("(") &&
      !parseParameters(context, prototype.parameters, nullptr))
    return false;
  while (!cursor.isAtSymbol(";"))
    if (!parseDirective())
      return false;
  return addPrototype(name, std::move(prototype)) && cursor.expectSymbol(";");
}

/// .calltargets f, g; - all have the same signature, which is what a call needs
/// to know.
bool FunctionParser::parseCallTargets(std::string_view name) {
  Prototype prototype;
  bool isFirst = true;
  do {
    std::string_view target;
    uint32_t line = cursor.getLine();
    if (!cursor.expectName("the name of a function", target))
      return false;
    const Symbol *symbol = context.find(target);
    if (!symbol || symbol->kind != Symbol::Function)
      return cursor.failAt(line, quote(target) + " is no function that is "
                                                 "declared");
    const Function &callee = context.module.functions[symbol->index];
    uint64_t size = callee.parameters.size() + callee.results.size();
    if (size >= context.signatureBudget)
      return cursor.fail("the targets of calls are too many");
    context.signatureBudget -= size + 1;
    if (isFirst) {
      prototype.parameters = callee.parameters;
      prototype.results = callee.results;
    } else if (!haveSameSizes(callee.parameters, prototype.parameters) ||
               !haveSameSizes(callee.results, prototype.results)) {
      return cursor.failAt(line, quote(target) + " has other parameters than "
                                                 "the targets before it");
    }
    isFirst = false;
  } while (cursor.acceptSymbol(","));
  return addPrototype(name, std::move(prototype)) && cursor.expectSymbol(";");
}

/// .branchtargets A, B;
bool FunctionParser::parseTargets(std::string_view name) {
  Symbol symbol;
  symbol.kind = Symbol::Targets;
  symbol.index = static_cast<uint32_t>(function.targetLists.size());
  TargetList list;
  list.name = getUniqueName(name);
  do {
    Pending target{{}, cursor.getLine(), symbol.index, 0, true};
    target.position = static_cast<uint32_t>(list.targets.size());
    if (!cursor.expectName("a label", target.name))
      return false;
    list.targets.push_back(0);
    pending.push_back(target);
  } while (cursor.acceptSymbol(","));
  function.targetLists.push_back(std::move(list));
  return declare(name, symbol) && cursor.expectSymbol(";");
}
