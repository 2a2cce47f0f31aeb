//===- Lexer.h - Words of a PTX file ----------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_LEXER_H
#define SPARSEDROP_LIB_INTERP_LEXER_H

#include "AST.h"

namespace sparsedrop::ptx {

struct Token {
  enum Kind : uint8_t {
    End,
    Word,      ///< an identifier (ISA 4.4), or _
    Directive, ///< .word, also .shared::cluster; `text` is without the dot
    Number,    ///< `bits`, as `number` says
    String,    ///< with its quotes
    Symbol,    ///< an operator or a bracket: one or two characters
  };

  Kind kind = End;
  Operand::Number number = Operand::Integer;
  bool isUnsigned = false; ///< U suffix, or too large for a signed integer
  uint32_t line = 1;
  uint64_t bits = 0;
  std::string_view text;
};

/// Splits a text into tokens. It ends at a NUL.
class Lexer {
public:
  explicit Lexer(std::string_view text);

  /// False if what comes is no token: then `error` says why.
  bool next(Token &token);
  /// Where the next token starts.
  uint32_t getLine() const { return line; }

  std::string error;

private:
  char at(size_t ahead = 0) const {
    return position + ahead < text.size() ? text[position + ahead] : '\0';
  }
  bool skipSpace();
  bool skipComment();
  bool lexNumber(Token &token);
  bool lexPrefixed(Token &token, std::string_view word);
  bool lexDecimalFloat(Token &token);
  bool lexInteger(Token &token, std::string_view word);
  bool lexDirective(Token &token);
  bool lexString(Token &token);
  bool lexSymbol(Token &token);
  std::string_view takeWord();
  bool fail(std::string message);

  std::string_view text;
  size_t position = 0;
  uint32_t line = 1;
};

/// What the parser reads from: the current token, and the file's one error.
class Cursor {
public:
  Cursor(std::string_view text, ParseError &error);

  const Token &peek() const { return token; }
  uint32_t getLine() const { return token.line; }
  bool isAt(Token::Kind kind) const { return token.kind == kind; }
  bool isAt(Token::Kind kind, std::string_view text) const {
    return token.kind == kind && token.text == text;
  }
  bool isAtSymbol(std::string_view text) const {
    return isAt(Token::Symbol, text);
  }
  /// The current token; goes on to the next.
  Token take();

  bool accept(Token::Kind kind, std::string_view text);
  bool acceptSymbol(std::string_view text) {
    return accept(Token::Symbol, text);
  }
  bool acceptDirective(std::string_view text) {
    return accept(Token::Directive, text);
  }
  bool expectSymbol(std::string_view text);
  /// An identifier, which is `what`.
  bool expectName(std::string_view what, std::string_view &name);
  /// A literal, which is `what` and at most `most`.
  bool expectInteger(std::string_view what, uint64_t most, uint64_t &value);

  /// Notes the error unless there is one; returns false.
  bool failAt(uint32_t line, std::string message);
  bool fail(std::string message) {
    return failAt(token.line, std::move(message));
  }
  /// "expected `what`, but got" the current token.
  bool failExpected(std::string_view what);
  bool hasFailed() const { return !error.message.empty(); }

private:
  void advance();

  Lexer lexer;
  Token token;
  ParseError &error;
};

/// 'name', made fit for a message.
std::string quote(std::string_view name);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_LEXER_H
