//===- Lexer.cpp - Words of a PTX file ------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lexer.h"

#include <charconv>
#include <cstring>

using namespace sparsedrop::ptx;

// The C library's functions ask the locale.
static bool isDigit(char c) { return c >= '0' && c <= '9'; }
static bool isLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
/// ISA 4.4: followsym.
static bool isWordCharacter(char c) {
  return isDigit(c) || isLetter(c) || c == '_' || c == '$';
}

std::string sparsedrop::ptx::quote(std::string_view name) {
  constexpr size_t kMost = 80;
  std::string result = "'";
  for (char c : name.substr(0, kMost))
    result += c >= ' ' && c <= '~' ? c : '?';
  return result + (name.size() > kMost ? "...'" : "'");
}

//===----------------------------------------------------------------------===//
// Lexer
//===----------------------------------------------------------------------===//

Lexer::Lexer(std::string_view text) : text(text.substr(0, text.find('\0'))) {}

bool Lexer::fail(std::string message) {
  error = std::move(message);
  return false;
}

std::string_view Lexer::takeWord() {
  size_t begin = position;
  while (isWordCharacter(at()))
    ++position;
  return text.substr(begin, position - begin);
}

bool Lexer::skipComment() {
  bool isLine = at(1) == '/';
  size_t end = text.find(isLine ? "\n" : "*/", position + 2);
  if (end == text.npos) {
    if (!isLine)
      return fail("the file ends inside a comment");
    end = text.size();
  }
  for (; position < end; ++position)
    line += text[position] == '\n';
  if (!isLine)
    position += 2;
  return true;
}

bool Lexer::skipSpace() {
  while (position < text.size()) {
    char c = at();
    if (c == '/' && (at(1) == '/' || at(1) == '*')) {
      if (!skipComment())
        return false;
      continue;
    }
    if (c != ' ' && (c < '\t' || c > '\r'))
      break;
    line += c == '\n';
    ++position;
  }
  return true;
}

bool Lexer::next(Token &token) {
  token = Token();
  if (!skipSpace())
    return false;
  token.line = line;
  if (position == text.size())
    return true;
  char c = at();
  size_t begin = position;
  bool isNumber =
      isDigit(c) || (c == '.' && isDigit(at(1)) &&
                     (begin == 0 || !isWordCharacter(text[begin - 1])));
  if (isNumber)
    return lexNumber(token);
  if (c == '.')
    return lexDirective(token);
  if (c == '"')
    return lexString(token);
  if (!isWordCharacter(c) && (c != '%' || !isWordCharacter(at(1))))
    return lexSymbol(token);
  token.kind = Token::Word;
  ++position;
  takeWord();
  token.text = text.substr(begin, position - begin);
  return true;
}

bool Lexer::lexDirective(Token &token) {
  ++position;
  size_t begin = position;
  takeWord();
  while (at() == ':' && at(1) == ':' && isWordCharacter(at(2))) {
    position += 2;
    takeWord();
  }
  token.kind = Token::Directive;
  token.text = text.substr(begin, position - begin);
  return !token.text.empty() || fail("expected a word after '.'");
}

bool Lexer::lexString(Token &token) {
  size_t begin = position++;
  for (; at() != '"'; ++position) {
    if (at() == '\\' && at(1) != '\n')
      ++position;
    if (at() == '\n' || position >= text.size())
      return fail("expected '\"' at the end of a string");
  }
  ++position;
  token.kind = Token::String;
  token.text = text.substr(begin, position - begin);
  return true;
}

bool Lexer::lexSymbol(Token &token) {
  static constexpr std::string_view kPairs[] = {
      "<<", ">>", "<=", ">=", "==", "!=", "&&", "||"};
  static constexpr std::string_view kSingle = "()[]{}<>,;:@!=+-*/%&|^~?";
  token.kind = Token::Symbol;
  token.text = text.substr(position, 1);
  if (kSingle.find(at()) == kSingle.npos)
    return fail("unexpected character " + quote(token.text));
  for (std::string_view pair : kPairs)
    if (text.substr(position, 2) == pair)
      token.text = pair;
  position += token.text.size();
  return true;
}

//===----------------------------------------------------------------------===//
// Numbers (ISA 4.5)
//===----------------------------------------------------------------------===//

/// Reads all of `digits`; false if they are none of the base or too many.
static bool parseDigits(std::string_view digits, int base, uint64_t &value) {
  const char *end = digits.data() + digits.size();
  auto result = std::from_chars(digits.data(), end, value, base);
  return result.ec == std::errc() && result.ptr == end && !digits.empty();
}

bool Lexer::lexNumber(Token &token) {
  token.kind = Token::Number;
  size_t begin = position;
  std::string_view word = takeWord();
  char second = word.size() > 1 ? word[1] : '\0';
  if (word.substr(0, 1) == "0" && isLetter(second) && second != 'U' &&
      second != 'e' && second != 'E') {
    token.text = word;
    return lexPrefixed(token, word);
  }
  if (at() == '.' || (word.find_first_of("eE") != word.npos)) {
    position = begin;
    return lexDecimalFloat(token);
  }
  token.text = word;
  return lexInteger(token, word);
}

/// 0x1F, 0b101, 0f3F800000, 0d3FF0000000000000.
bool Lexer::lexPrefixed(Token &token, std::string_view word) {
  char kind = word[1] | 0x20;
  if (kind == 'x')
    return lexInteger(token, word);
  if (kind == 'b')
    return lexInteger(token, word);
  std::string_view digits = word.substr(2);
  bool isSingle = kind == 'f';
  size_t want = isSingle ? 8 : 16;
  if ((!isSingle && kind != 'd') || digits.size() != want ||
      !parseDigits(digits, 16, token.bits))
    return fail("malformed number " + quote(word));
  token.number = isSingle ? Operand::Binary32 : Operand::Binary64;
  return true;
}

bool Lexer::lexInteger(Token &token, std::string_view word) {
  std::string_view digits = word;
  if (digits.back() == 'U') {
    token.isUnsigned = true;
    digits.remove_suffix(1);
  }
  char second = digits.size() > 1 ? digits[1] | 0x20 : '\0';
  bool isPrefixed = digits.substr(0, 1) == "0" && digits.size() > 1;
  int base = !isPrefixed ? 10 : second == 'x' ? 16 : second == 'b' ? 2 : 8;
  if (base == 16 || base == 2)
    digits.remove_prefix(2);
  if (!parseDigits(digits, base, token.bits))
    return fail("malformed number " + quote(word) +
                ", expected an integer of at most 64 bits");
  token.isUnsigned |= static_cast<int64_t>(token.bits) < 0;
  return true;
}

bool Lexer::lexDecimalFloat(Token &token) {
  double value = 0;
  const char *begin = text.data() + position;
  const char *end = text.data() + text.size();
  auto result = std::from_chars(begin, end, value);
  size_t length = result.ptr - begin, start = position;
  position += length;
  if (length == 0 || result.ec != std::errc() || isWordCharacter(at())) {
    while (isWordCharacter(at()) || at() == '.')
      ++position;
    return fail("malformed number " +
                quote(text.substr(start, position - start)));
  }
  token.text = text.substr(start, length);
  token.number = Operand::Binary64;
  std::memcpy(&token.bits, &value, sizeof(value));
  return true;
}

//===----------------------------------------------------------------------===//
// Cursor
//===----------------------------------------------------------------------===//

Cursor::Cursor(std::string_view text, ParseError &error)
    : lexer(text), error(error) {
  error = ParseError();
  advance();
}

void Cursor::advance() {
  if (!hasFailed() && lexer.next(token))
    return;
  failAt(lexer.getLine(), lexer.error);
  token.kind = Token::End;
  token.text = {};
}

Token Cursor::take() {
  Token taken = token;
  advance();
  return taken;
}

bool Cursor::accept(Token::Kind kind, std::string_view text) {
  if (!isAt(kind, text))
    return false;
  advance();
  return true;
}

bool Cursor::failAt(uint32_t line, std::string message) {
  if (!hasFailed())
    error = {line, std::move(message)};
  return false;
}

bool Cursor::failExpected(std::string_view what) {
  std::string dot = token.kind == Token::Directive ? "." : "";
  return fail("expected " + std::string(what) + ", but " +
              (token.kind == Token::End
                   ? "the file ends here; it may be truncated"
                   : "got " + quote(dot + std::string(token.text))));
}

bool Cursor::expectSymbol(std::string_view text) {
  return acceptSymbol(text) || failExpected(quote(text));
}

bool Cursor::expectName(std::string_view what, std::string_view &name) {
  if (!isAt(Token::Word))
    return failExpected(what);
  name = take().text;
  return true;
}

bool Cursor::expectInteger(std::string_view what, uint64_t most,
                           uint64_t &value) {
  if (!isAt(Token::Number) || token.number != Operand::Integer)
    return failExpected(what);
  if (token.bits > most)
    return fail("expected " + std::string(what) + " of at most " +
                std::to_string(most) + ", but got " + quote(token.text));
  value = take().bits;
  return true;
}
