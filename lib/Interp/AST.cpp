//===- AST.cpp - PTX as it is written -------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AST.h"

#include <iterator>

using namespace sparsedrop::ptx;

namespace {

struct TypeInfo {
  std::string_view name;
  uint8_t size;
  enum Kind : uint8_t { Bits, Unsigned, Signed, Float } kind;
};

} // namespace

/// In the order of Type.
static constexpr TypeInfo kTypes[] = {
    {"", 0, TypeInfo::Bits},          {"pred", 1, TypeInfo::Bits},
    {"b8", 1, TypeInfo::Bits},        {"b16", 2, TypeInfo::Bits},
    {"b32", 4, TypeInfo::Bits},       {"b64", 8, TypeInfo::Bits},
    {"b128", 16, TypeInfo::Bits},     {"u8", 1, TypeInfo::Unsigned},
    {"u16", 2, TypeInfo::Unsigned},   {"u32", 4, TypeInfo::Unsigned},
    {"u64", 8, TypeInfo::Unsigned},   {"s8", 1, TypeInfo::Signed},
    {"s16", 2, TypeInfo::Signed},     {"s32", 4, TypeInfo::Signed},
    {"s64", 8, TypeInfo::Signed},     {"f16", 2, TypeInfo::Float},
    {"bf16", 2, TypeInfo::Float},     {"tf32", 4, TypeInfo::Float},
    {"f32", 4, TypeInfo::Float},      {"f64", 8, TypeInfo::Float},
    {"e4m3", 1, TypeInfo::Float},     {"e5m2", 1, TypeInfo::Float},
    {"f16x2", 4, TypeInfo::Float},    {"bf16x2", 4, TypeInfo::Float},
    {"u16x2", 4, TypeInfo::Unsigned}, {"s16x2", 4, TypeInfo::Signed},
    {"e4m3x2", 2, TypeInfo::Float},   {"e5m2x2", 2, TypeInfo::Float},
};
static_assert(std::size(kTypes) == static_cast<size_t>(Type::E5M2x2) + 1);

static const TypeInfo &getInfo(Type type) {
  return kTypes[static_cast<size_t>(type)];
}

Type sparsedrop::ptx::parseType(std::string_view word) {
  for (size_t i = 1; i < std::size(kTypes); ++i)
    if (kTypes[i].name == word)
      return static_cast<Type>(i);
  return Type::None;
}

std::string_view sparsedrop::ptx::getName(Type type) {
  return getInfo(type).name;
}

std::string_view sparsedrop::ptx::getName(Space space) {
  static constexpr std::string_view kNames[] = {
      "generic", "reg", "const", "global", "local", "param", "shared"};
  return kNames[static_cast<size_t>(space)];
}

unsigned sparsedrop::ptx::getSize(Type type) { return getInfo(type).size; }

bool sparsedrop::ptx::isFloat(Type type) {
  return getInfo(type).kind == TypeInfo::Float;
}

bool sparsedrop::ptx::isSigned(Type type) {
  return getInfo(type).kind == TypeInfo::Signed;
}

const Function *Module::findFunction(std::string_view name) const {
  for (const Function &function : functions)
    if (function.name == name)
      return &function;
  return nullptr;
}
