//===- ParserConstants.cpp - Constant expressions -------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ISA 4.5: 64-bit integers, signed or not, and binary64, with the operators of
// C and the types of table 6. A 0f... constant is only itself.
//
//===----------------------------------------------------------------------===//

#include "Parser.h"

#include <cstring>

using namespace sparsedrop::ptx;

bool Constant::isTrue() const {
  return kind == Double ? asDouble() != 0 : bits != 0;
}

double Constant::asDouble() const {
  if (kind == Signed)
    return static_cast<double>(static_cast<int64_t>(bits));
  if (kind == Unsigned)
    return static_cast<double>(bits);
  double value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

static Constant makeDouble(double value) {
  Constant result;
  result.kind = Constant::Double;
  std::memcpy(&result.bits, &value, sizeof(value));
  return result;
}

static Constant makeInteger(uint64_t bits, bool isUnsigned = false) {
  return {isUnsigned ? Constant::Unsigned : Constant::Signed, bits};
}

namespace {

/// An operator between two operands; a higher level binds tighter.
struct BinaryOperator {
  std::string_view text;
  unsigned level;
  bool takesDoubles;
};

constexpr BinaryOperator kOperators[] = {
    {"||", 1, false}, {"&&", 2, false}, {"|", 3, false}, {"^", 4, false},
    {"&", 5, false},  {"==", 6, true},  {"!=", 6, true}, {"<", 7, true},
    {"<=", 7, true},  {">", 7, true},   {">=", 7, true}, {"<<", 8, false},
    {">>", 8, false}, {"+", 9, true},   {"-", 9, true},  {"*", 10, true},
    {"/", 10, true},  {"%", 10, false},
};
constexpr unsigned kMultiplication = 10;
constexpr unsigned kMostDepth = 64;

class ConstantParser {
public:
  explicit ConstantParser(Cursor &cursor) : cursor(cursor) {}

  bool parseTernary(Constant &result);
  bool parseBinary(Constant &result, unsigned level);
  /// Parses as if a '!' came first.
  bool parseNegated(Constant &result) {
    isNegated = true;
    return parseTernary(result);
  }

private:
  bool parseUnary(Constant &result);
  bool parseParenthesis(Constant &result);
  bool parsePrimary(Constant &result);
  bool apply(std::string_view op, Constant &left, const Constant &right);
  bool applyInteger(std::string_view op, Constant &left, const Constant &right);
  bool applyUnary(char op, Constant &value);

  Cursor &cursor;
  unsigned depth = 0;
  bool isNegated = false; ///< a '!' has been taken
};

} // namespace

static const BinaryOperator *findOperator(const Token &token) {
  if (token.kind != Token::Symbol)
    return nullptr;
  for (const BinaryOperator &op : kOperators)
    if (op.text == token.text)
      return &op;
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

template <typename T>
static bool compare(std::string_view op, T left, T right, bool &result) {
  if (op == "==")
    result = left == right;
  else if (op == "!=")
    result = left != right;
  else if (op == "<")
    result = left < right;
  else if (op == "<=")
    result = left <= right;
  else if (op == ">")
    result = left > right;
  else if (op == ">=")
    result = left >= right;
  else
    return false;
  return true;
}

static double applyDouble(char op, double left, double right) {
  return op == '+'   ? left + right
         : op == '-' ? left - right
         : op == '*' ? left * right
                     : left / right;
}

/// Shifts and bitwise operators; a count is taken modulo 64.
static uint64_t applyBits(std::string_view op, uint64_t left, uint64_t right,
                          bool isUnsigned) {
  if (op == "<<")
    return left << (right & 63);
  if (op == ">>" && isUnsigned)
    return left >> (right & 63);
  if (op == ">>")
    return static_cast<uint64_t>(static_cast<int64_t>(left) >> (right & 63));
  switch (op[0]) {
  case '&':
    return left & right;
  case '|':
    return left | right;
  case '^':
    return left ^ right;
  case '+':
    return left + right;
  case '-':
    return left - right;
  default:
    return left * right;
  }
}

bool ConstantParser::applyInteger(std::string_view op, Constant &left,
                                  const Constant &right) {
  bool isShift = op == "<<" || op == ">>";
  bool isUnsigned = left.kind == Constant::Unsigned ||
                    (!isShift && right.kind == Constant::Unsigned);
  auto a = static_cast<int64_t>(left.bits),
       b = static_cast<int64_t>(right.bits);
  bool flag;
  if (op == "&&" || op == "||") {
    flag = op == "&&" ? left.isTrue() && right.isTrue()
                      : left.isTrue() || right.isTrue();
    left = makeInteger(flag);
  } else if (isUnsigned ? compare(op, left.bits, right.bits, flag)
                        : compare(op, a, b, flag)) {
    left = makeInteger(flag);
  } else if (op == "/" || op == "%") {
    if (right.bits == 0)
      return cursor.fail("division by zero in a constant expression");
    if (op == "%")
      left = makeInteger(left.bits % right.bits); // of .u64, gives .s64
    else if (isUnsigned)
      left = makeInteger(left.bits / right.bits, true);
    else // the smallest number divided by -1 is itself
      left = makeInteger(b == -1 ? 0 - left.bits : uint64_t(a / b));
  } else {
    left = makeInteger(applyBits(op, left.bits, right.bits, isUnsigned),
                       isUnsigned);
  }
  return true;
}

bool ConstantParser::apply(std::string_view op, Constant &left,
                           const Constant &right) {
  if (left.kind == Constant::Single || right.kind == Constant::Single)
    return cursor.fail("0f constants cannot be operands of " + quote(op));
  if (left.isInteger() && right.isInteger())
    return applyInteger(op, left, right);
  double a = left.asDouble(), b = right.asDouble();
  bool flag;
  if (compare(op, a, b, flag))
    left = makeInteger(flag);
  else
    left = makeDouble(applyDouble(op[0], a, b));
  return true;
}

bool ConstantParser::applyUnary(char op, Constant &value) {
  bool isBitwise = op == '!' || op == '~';
  if (value.kind == Constant::Single || (isBitwise && !value.isInteger()))
    return cursor.fail("expected an integer after '" + std::string(1, op) +
                       "' in a constant expression");
  if (op == '!')
    value = makeInteger(!value.isTrue());
  else if (op == '~')
    value = makeInteger(~value.bits, true);
  else if (op == '-' && value.isInteger())
    value.bits = 0 - value.bits;
  else if (op == '-')
    value = makeDouble(-value.asDouble());
  return true;
}

//===----------------------------------------------------------------------===//
// Grammar
//===----------------------------------------------------------------------===//

bool ConstantParser::parseTernary(Constant &result) {
  if (++depth > kMostDepth)
    return cursor.fail("a constant expression is nested too deeply");
  if (!parseBinary(result, 1))
    return false;
  if (cursor.acceptSymbol("?")) {
    Constant yes, no;
    if (!parseTernary(yes) || !cursor.expectSymbol(":") || !parseTernary(no))
      return false;
    if (!result.isInteger() || yes.isInteger() != no.isInteger())
      return cursor.fail("operands of '?' have types that do not match");
    result = result.isTrue() ? yes : no;
  }
  --depth;
  return true;
}

bool ConstantParser::parseBinary(Constant &result, unsigned level) {
  if (!parseUnary(result))
    return false;
  while (const BinaryOperator *op = findOperator(cursor.peek())) {
    if (op->level < level)
      break;
    cursor.take();
    Constant right;
    if (++depth > kMostDepth)
      return cursor.fail("a constant expression is nested too deeply");
    if (!parseBinary(right, op->level + 1))
      return false;
    --depth;
    if (!op->takesDoubles && !(result.isInteger() && right.isInteger()))
      return cursor.fail("expected integers as operands of " + quote(op->text));
    if (!apply(op->text, result, right))
      return false;
  }
  return true;
}

bool ConstantParser::parseUnary(Constant &result) {
  char op = '!';
  if (!isNegated) {
    bool isOperator = cursor.isAt(Token::Symbol) &&
                      cursor.peek().text.size() == 1 &&
                      std::string_view("+-!~").find(cursor.peek().text[0]) !=
                          std::string_view::npos;
    if (!isOperator)
      return parsePrimary(result);
    op = cursor.take().text[0];
  }
  isNegated = false;
  if (++depth > kMostDepth)
    return cursor.fail("a constant expression is nested too deeply");
  if (!parseUnary(result) || !applyUnary(op, result))
    return false;
  --depth;
  return true;
}

/// (expression), or a cast (.s64) or (.u64).
bool ConstantParser::parseParenthesis(Constant &result) {
  bool isCast = cursor.isAt(Token::Directive);
  if (!isCast)
    return parseTernary(result) && cursor.expectSymbol(")");
  bool isUnsigned = cursor.acceptDirective("u64");
  if (!isUnsigned && !cursor.acceptDirective("s64"))
    return cursor.failExpected("a cast to .s64 or .u64");
  if (++depth > kMostDepth)
    return cursor.fail("a constant expression is nested too deeply");
  if (!cursor.expectSymbol(")") || !parseUnary(result))
    return false;
  --depth;
  if (!result.isInteger())
    return cursor.fail("expected an integer after a cast");
  result = makeInteger(result.bits, isUnsigned);
  return true;
}

bool ConstantParser::parsePrimary(Constant &result) {
  if (cursor.acceptSymbol("("))
    return parseParenthesis(result);
  if (cursor.accept(Token::Word, "WARP_SZ")) {
    result = makeInteger(32);
    return true;
  }
  if (!cursor.isAt(Token::Number))
    return cursor.failExpected("a constant");
  Token token = cursor.take();
  result.bits = token.bits;
  result.kind = token.number == Operand::Binary32   ? Constant::Single
                : token.number == Operand::Binary64 ? Constant::Double
                : token.isUnsigned                  ? Constant::Unsigned
                                                    : Constant::Signed;
  return true;
}

bool sparsedrop::ptx::isAtConstant(const Cursor &cursor) {
  const Token &token = cursor.peek();
  if (token.kind == Token::Symbol)
    return token.text.size() == 1 &&
           std::string_view("(+-~").find(token.text[0]) !=
               std::string_view::npos;
  return token.kind == Token::Number || cursor.isAt(Token::Word, "WARP_SZ");
}

bool sparsedrop::ptx::parseConstant(Cursor &cursor, Constant &result) {
  return ConstantParser(cursor).parseTernary(result);
}

bool sparsedrop::ptx::parseNegatedConstant(Cursor &cursor, Constant &result) {
  return ConstantParser(cursor).parseNegated(result);
}

bool sparsedrop::ptx::parseOffset(Cursor &cursor, int64_t &offset) {
  uint64_t sum = static_cast<uint64_t>(offset);
  while (cursor.isAtSymbol("+") || cursor.isAtSymbol("-")) {
    bool isMinus = cursor.take().text == "-";
    Constant value;
    if (!ConstantParser(cursor).parseBinary(value, kMultiplication))
      return false;
    if (!value.isInteger())
      return cursor.fail("expected an integer as an offset");
    sum = isMinus ? sum - value.bits : sum + value.bits;
  }
  offset = static_cast<int64_t>(sum);
  return true;
}
