//===- ParserScopes.h - Names of a function ---------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_PARSERSCOPES_H
#define SPARSEDROP_LIB_INTERP_PARSERSCOPES_H

#include "AST.h"

#include <unordered_map>

namespace sparsedrop::ptx {

/// What a name stands for.
struct Symbol {
  enum Kind : uint8_t {
    Register,
    Vector,         ///< registers x.x, x.y, ...
    Variable,       ///< Function::getVariable
    ModuleVariable, ///< Module::variables
    Function,       ///< Module::functions
    Label,          ///< an instruction
    Targets,        ///< Function::targetLists
    Prototype,      ///< Function::prototypes
  };
  static constexpr uint32_t kUnused = ~0u;

  Kind kind = Register;
  Type type = Type::None;   ///< of a register
  uint8_t vector = 1;       ///< registers of a vector
  uint32_t index = kUnused; ///< a register's from its first use
};

/// Names of a function: scopes in braces, each inside the one before. Names are
/// parts of the text.
class ParserScopes {
public:
  void open() { scopes.emplace_back(); }
  void close() { scopes.pop_back(); }
  size_t getDepth() const { return scopes.size(); }

  /// Declares a name in the innermost scope; false if it has it already.
  bool declare(std::string_view name, const Symbol &symbol);
  /// Declares name0, name1, ... up to `count` of them (ISA 5.4.6).
  bool declareRange(std::string_view name, Type type, uint64_t count);

  /// The nearest symbol of that name, or null.
  Symbol *find(std::string_view name);
  /// A symbol of the innermost scope, or null.
  Symbol *findInnermost(std::string_view name) {
    return find(scopes.back(), name);
  }

private:
  struct Range {
    Type type;
    uint64_t count;
  };
  struct Scope {
    std::unordered_map<std::string_view, Symbol> names;
    std::unordered_map<std::string_view, Range> ranges;
  };

  static Symbol *find(Scope &scope, std::string_view name);

  std::vector<Scope> scopes;
};

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_PARSERSCOPES_H
