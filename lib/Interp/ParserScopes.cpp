//===- ParserScopes.cpp - Names of a function -----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ParserScopes.h"

#include <charconv>

using namespace sparsedrop::ptx;

/// The most digits of the number of a register.
static constexpr size_t kMostDigits = 9;

bool ParserScopes::declare(std::string_view name, const Symbol &symbol) {
  // find() makes a register of a range; that is a symbol too.
  if (find(scopes.back(), name))
    return false;
  return scopes.back().names.try_emplace(name, symbol).second;
}

bool ParserScopes::declareRange(std::string_view name, Type type,
                                uint64_t count) {
  return scopes.back().ranges.try_emplace(name, Range{type, count}).second;
}

Symbol *ParserScopes::find(Scope &scope, std::string_view name) {
  auto found = scope.names.find(name);
  if (found != scope.names.end())
    return &found->second;
  if (scope.ranges.empty())
    return nullptr;
  // %p12 is the 12th of %p<20>, or the second of %p1<5>.
  for (size_t digits = 1; digits <= kMostDigits && digits < name.size();
       ++digits) {
    std::string_view tail = name.substr(name.size() - digits);
    if (tail[0] < '0' || tail[0] > '9')
      return nullptr;
    if (tail[0] == '0' && digits > 1)
      continue;
    auto range = scope.ranges.find(name.substr(0, name.size() - digits));
    if (range == scope.ranges.end())
      continue;
    uint64_t number = 0;
    std::from_chars(tail.data(), tail.data() + digits, number);
    if (number >= range->second.count)
      continue;
    Symbol symbol;
    symbol.type = range->second.type;
    return &scope.names.emplace(name, symbol).first->second;
  }
  return nullptr;
}

Symbol *ParserScopes::find(std::string_view name) {
  for (size_t i = scopes.size(); i-- > 0;)
    if (Symbol *symbol = find(scopes[i], name))
      return symbol;
  return nullptr;
}
