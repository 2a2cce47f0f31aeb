//===- ParserInitializers.cpp - Initial values of variables ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ISA 5.4.4. As in ptxas, the braces follow the dimensions exactly; what they
// leave out at an end is zero.
//
//===----------------------------------------------------------------------===//

#include "Parser.h"

#include <cstring>

using namespace sparsedrop::ptx;

namespace {

class InitializerParser {
public:
  InitializerParser(ParserContext &context, Variable &variable,
                    std::vector<uint64_t> &dimensions)
      : context(context), cursor(context.cursor), variable(variable),
        dimensions(dimensions) {}

  bool parse();

private:
  bool parseArray(size_t level, uint64_t offset);
  bool parseValue(uint64_t offset);
  bool parseNumber(uint64_t offset);
  bool parseAddress(uint64_t offset);
  bool convert(Constant value, uint64_t &bits);
  bool convertFloat(Constant value, uint64_t &bits);
  bool store(uint64_t offset, uint64_t bits);
  /// Bytes of one element of dimension `level`.
  uint64_t getStride(size_t level) const;

  ParserContext &context;
  Cursor &cursor;
  Variable &variable;
  std::vector<uint64_t> &dimensions;
};

} // namespace

uint64_t InitializerParser::getStride(size_t level) const {
  uint64_t stride = getSize(variable.type);
  for (size_t i = level + 1; i < dimensions.size(); ++i)
    stride *= dimensions[i]; // checked with the size
  return stride;
}

bool InitializerParser::store(uint64_t offset, uint64_t bits) {
  uint64_t end = offset + getSize(variable.type);
  if (end > variable.data.size()) {
    uint64_t more = end - variable.data.size();
    if (more > context.dataBudget)
      return cursor.fail("the initializer of " + quote(variable.name) +
                         " is too large");
    context.dataBudget -= more;
    variable.data.resize(end);
  }
  // Both are little-endian.
  std::memcpy(variable.data.data() + offset, &bits,
              std::min(getSize(variable.type), 8u));
  return true;
}

/// Decimal constants become what the variable holds; bits of one format are not
/// put into another.
bool InitializerParser::convertFloat(Constant value, uint64_t &bits) {
  unsigned size = getSize(variable.type);
  bool isSingle = value.kind == Constant::Single;
  bits = value.bits;
  if (size == 8 && !isSingle)
    return true;
  if (size == 4 && !isSingle) {
    float narrow = static_cast<float>(value.asDouble());
    uint32_t word;
    std::memcpy(&word, &narrow, sizeof(word));
    bits = word;
    return true;
  }
  return size == 4;
}

bool InitializerParser::convert(Constant value, uint64_t &bits) {
  Type type = variable.type;
  bool isBits = !isFloat(type) && getName(type)[0] == 'b';
  bool fits = value.isInteger()
                  ? !isFloat(type)
                  : (isBits || type == Type::F32 || type == Type::F64) &&
                        convertFloat(value, bits);
  if (value.isInteger())
    bits = value.bits;
  return fits || cursor.fail("expected an initial value of type ." +
                             std::string(getName(type)) + " for " +
                             quote(variable.name));
}

bool InitializerParser::parseNumber(uint64_t offset) {
  Constant value;
  uint64_t bits = 0;
  if (!parseConstant(cursor, value))
    return false;
  if (cursor.isAtSymbol("("))
    return cursor.fail("masked addresses such as 0xff(x) are not supported");
  return convert(value, bits) && store(offset, bits);
}

/// symbol+4 or generic(symbol)+4.
bool InitializerParser::parseAddress(uint64_t offset) {
  Relocation relocation{};
  relocation.offset = offset;
  relocation.size = static_cast<uint8_t>(getSize(variable.type));
  relocation.isGeneric = cursor.accept(Token::Word, "generic");
  bool hasParenthesis = relocation.isGeneric && cursor.isAtSymbol("(");
  std::string_view name;
  if (relocation.isGeneric && !cursor.expectSymbol("("))
    return false;
  uint32_t line = cursor.getLine();
  if (!cursor.expectName("a symbol", name) ||
      (hasParenthesis && !cursor.expectSymbol(")")) ||
      !parseOffset(cursor, relocation.addend))
    return false;
  const Symbol *symbol = context.find(name);
  if (!symbol)
    return cursor.failAt(line, quote(name) + " is not declared");
  relocation.symbol = symbol->index;
  relocation.isFunction = symbol->kind == Symbol::Function;
  if (!relocation.isFunction) {
    Space space = context.module.variables[symbol->index].space;
    if (space != Space::Global && space != Space::Const)
      return cursor.failAt(line, "expected a variable in .global or .const as "
                                 "an initial value, but " +
                                     quote(name) + " is in ." +
                                     std::string(getName(space)));
  }
  if (relocation.size != 8 || isFloat(variable.type))
    return cursor.failAt(line, "expected 64 bits for the address of " +
                                   quote(name) + ", but got ." +
                                   std::string(getName(variable.type)));
  variable.relocations.push_back(relocation);
  return store(offset, 0);
}

bool InitializerParser::parseValue(uint64_t offset) {
  if (cursor.isAt(Token::Word) && !cursor.isAt(Token::Word, "WARP_SZ"))
    return parseAddress(offset);
  return parseNumber(offset);
}

bool InitializerParser::parseArray(size_t level, uint64_t offset) {
  if (level == dimensions.size())
    return parseValue(offset);
  if (!cursor.expectSymbol("{"))
    return false;
  uint64_t count = 0, stride = getStride(level);
  bool isUnsized = level == 0 && variable.isUnsized;
  if (!cursor.isAtSymbol("}")) {
    do {
      if (!isUnsized && count == dimensions[level])
        return cursor.fail("expected at most " + std::to_string(count) +
                           " initial values in a dimension of " +
                           quote(variable.name));
      if (!parseArray(level + 1, offset + count * stride))
        return false;
      ++count;
    } while (cursor.acceptSymbol(","));
  }
  if (isUnsized)
    dimensions[0] = count;
  return cursor.expectSymbol("}");
}

bool InitializerParser::parse() {
  Space space = variable.space;
  if ((space != Space::Global && space != Space::Const) || variable.isExtern)
    return cursor.fail(quote(variable.name) +
                       " cannot have an initial value: it is .extern or in "
                       "a space without any");
  Type type = variable.type;
  if (type == Type::B128 ||
      (isFloat(type) && type != Type::F32 && type != Type::F64))
    return cursor.fail("variables of type ." + std::string(getName(type)) +
                       " cannot have an initial value");
  if (!parseArray(0, 0))
    return false;
  variable.isUnsized = !dimensions.empty() && dimensions[0] == 0;
  return true;
}

bool sparsedrop::ptx::parseInitializer(ParserContext &context,
                                       Variable &variable,
                                       std::vector<uint64_t> &dimensions) {
  return InitializerParser(context, variable, dimensions).parse();
}
