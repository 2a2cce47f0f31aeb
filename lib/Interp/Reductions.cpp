//===- Reductions.cpp - Reductions of asynchronous copies -----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Reductions.h"

#include "AtomicOps.h"

using namespace sparsedrop::ptx;
using namespace sparsedrop::ptx::atomic;

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

namespace {

/// The smaller or larger of two narrow floats: -0 is less than +0, a number
/// goes before NaN.
template <float (*Widen)(uint16_t), bool IsMin> struct NarrowExtreme {
  static uint16_t apply(uint16_t old, uint16_t b, uint16_t) {
    float x = Widen(old), y = Widen(b);
    if (std::isnan(x) || std::isnan(y))
      return std::isnan(x) ? (std::isnan(y) ? 0x7FFF : b) : old;
    bool isLess = y < x || (y == x && (b & 0x8000) > (old & 0x8000));
    return isLess == IsMin ? b : old;
  }
};

template <typename T, typename Op>
void reduce(uint8_t *to, const uint8_t *from, uint64_t bytes) {
  for (uint64_t i = 0; i < bytes; i += sizeof(T)) {
    T b;
    std::memcpy(&b, from + i, sizeof(b));
    exchangeAtomically<T, Op>(to + i, b, T(0));
  }
}

struct ReductionEntry {
  std::string_view operation;
  Type type;
  bool hasShared;
  Reduction run;
};

} // namespace

static float widenHalf(uint16_t bits) { return fromHalf(bits); }
static float widenBfloat16(uint16_t bits) { return fromBfloat16(bits); }

static constexpr ReductionEntry kReductions[] = {
    {"add", Type::U32, true, reduce<uint32_t, Add>},
    {"add", Type::S32, true, reduce<uint32_t, Add>},
    {"add", Type::U64, true, reduce<uint64_t, Add>},
    {"add", Type::F16, false, reduce<uint16_t, AddHalf>},
    {"add", Type::BF16, false, reduce<uint16_t, AddBfloat16>},
    {"add", Type::F32, false, reduce<uint32_t, AddFloat<true>>},
    {"add", Type::F64, false, reduce<uint64_t, AddFloat<false>>},
    {"min", Type::U32, true, reduce<uint32_t, Min>},
    {"min", Type::S32, true, reduce<int32_t, Min>},
    {"min", Type::U64, false, reduce<uint64_t, Min>},
    {"min", Type::S64, false, reduce<int64_t, Min>},
    {"min", Type::F16, false, reduce<uint16_t, NarrowExtreme<widenHalf, true>>},
    {"min", Type::BF16, false,
     reduce<uint16_t, NarrowExtreme<widenBfloat16, true>>},
    {"max", Type::U32, true, reduce<uint32_t, Max>},
    {"max", Type::S32, true, reduce<int32_t, Max>},
    {"max", Type::U64, false, reduce<uint64_t, Max>},
    {"max", Type::S64, false, reduce<int64_t, Max>},
    {"max", Type::F16, false,
     reduce<uint16_t, NarrowExtreme<widenHalf, false>>},
    {"max", Type::BF16, false,
     reduce<uint16_t, NarrowExtreme<widenBfloat16, false>>},
    {"inc", Type::U32, true, reduce<uint32_t, Increment>},
    {"dec", Type::U32, true, reduce<uint32_t, Decrement>},
    {"and", Type::B32, true, reduce<uint32_t, And>},
    {"or", Type::B32, true, reduce<uint32_t, Or>},
    {"xor", Type::B32, true, reduce<uint32_t, Xor>},
    {"and", Type::B64, false, reduce<uint64_t, And>},
    {"or", Type::B64, false, reduce<uint64_t, Or>},
    {"xor", Type::B64, false, reduce<uint64_t, Xor>},
};

Reduction sparsedrop::ptx::findReduction(std::string_view operation, Type type,
                                         bool isShared) {
  for (const ReductionEntry &entry : kReductions)
    if (entry.operation == operation && entry.type == type &&
        (entry.hasShared || !isShared))
      return entry.run;
  return nullptr;
}

bool sparsedrop::ptx::isReduction(std::string_view word) {
  for (const ReductionEntry &entry : kReductions)
    if (entry.operation == word)
      return true;
  return false;
}
