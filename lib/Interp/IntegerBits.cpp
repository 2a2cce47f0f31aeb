//===- IntegerBits.cpp - Shifts, fields and bits --------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BitOps.h"
#include "Forms.h"
#include "Lanes.h"
#include "Machine.h"

using namespace sparsedrop::ptx;
using namespace sparsedrop::ptx::bits;

/// A handler of up to three sources of the types A, B and C.
template <typename To, typename A, typename B, typename C, typename Op>
static Flow runMixed(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<To>(inst.op[0]);
  const auto *a = warp.lanes<A>(inst.op[1]);
  const auto *b = warp.lanes<B>(inst.op[2]);
  const auto *c = warp.lanes<C>(inst.op[3]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = Op::apply(a[lane], b[lane], c[lane]);
  });
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// bfi, lop3, dp4a, dp2a
//===----------------------------------------------------------------------===//

/// bfi: bits of a at a position of b (op: result, a, b, position, length).
template <typename T>
static Flow runInsert(Warp &warp, const Inst &inst, LaneMask mask) {
  constexpr unsigned kBits = 8 * sizeof(T);
  auto *to = warp.lanes<T>(inst.op[0]);
  const auto *a = warp.lanes<T>(inst.op[1]);
  const auto *b = warp.lanes<T>(inst.op[2]);
  const auto *position = warp.lanes<uint32_t>(inst.op[3]);
  const auto *length = warp.lanes<uint32_t>(inst.op[4]);
  forEachLane(mask, [&](unsigned lane) {
    unsigned at = position[lane] & 0xFF, count = length[lane] & 0xFF;
    T ones = count >= kBits ? T(~T(0)) : T((T(1) << count) - 1);
    T field = at >= kBits ? T(0) : T(ones << at);
    T value = at >= kBits ? T(0) : T(a[lane] << at);
    to[lane] = (b[lane] & ~field) | (value & field);
  });
  return Flow::Next;
}

/// lop3: imm is the table of results. With .BoolOp, op[4] becomes whether the
/// result is not 0, combined with the predicate op[5].
template <int BoolOp>
static Flow runLop3(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  const auto *a = warp.lanes<uint32_t>(inst.op[1]);
  const auto *b = warp.lanes<uint32_t>(inst.op[2]);
  const auto *c = warp.lanes<uint32_t>(inst.op[3]);
  auto *holds = warp.lanes<uint8_t>(inst.op[4]);
  const auto *with = warp.lanes<uint8_t>(inst.op[5]);
  // A tree of choices, by c first: of two results the even one, and where they
  // differ.
  uint32_t even[4], differs[4], results[kNumLanes];
  for (unsigned i = 0; i < 4; ++i) {
    even[i] = inst.imm >> 2 * i & 1 ? ~0u : 0;
    differs[i] = even[i] ^ (inst.imm >> (2 * i + 1) & 1 ? ~0u : 0);
  }
  for (unsigned lane = 0; lane < kNumLanes; ++lane) {
    uint32_t x = a[lane], y = b[lane], z = c[lane], byC[4];
    for (unsigned i = 0; i < 4; ++i)
      byC[i] = even[i] ^ (differs[i] & z);
    uint32_t low = byC[0] ^ ((byC[0] ^ byC[1]) & y);
    uint32_t high = byC[2] ^ ((byC[2] ^ byC[3]) & y);
    results[lane] = low ^ ((low ^ high) & x);
  }
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = results[lane];
    bool other = (with[lane] != 0) != (inst.flags != 0);
    if (BoolOp == 1)
      holds[lane] = (results[lane] != 0) | other;
    if (BoolOp == 2)
      holds[lane] = (results[lane] != 0) & other;
  });
  return Flow::Next;
}

/// The sum of products of bytes (dp4a) or of halves with bytes (dp2a).
template <typename A, typename B, unsigned Count, bool High>
static Flow runDot(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  const auto *a = warp.lanes<uint32_t>(inst.op[1]);
  const auto *b = warp.lanes<uint32_t>(inst.op[2]);
  const auto *c = warp.lanes<uint32_t>(inst.op[3]);
  constexpr unsigned kBitsA = 32 / Count;
  forEachLane(mask, [&](unsigned lane) {
    uint32_t sum = c[lane];
    uint32_t bytes = High ? b[lane] >> 16 : b[lane];
    for (unsigned i = 0; i < Count; ++i)
      sum += uint32_t(int32_t(A(a[lane] >> (kBitsA * i)))) *
             uint32_t(int32_t(B(bytes >> (8 * i))));
    to[lane] = sum;
  });
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Decoders
//===----------------------------------------------------------------------===//

#define SHIFT(OPCODE, TYPE, T, OP)                                             \
  {OPCODE,     "",         Type::TYPE, runMixed<T, T, uint32_t, uint8_t, OP>,  \
   Type::TYPE, Type::TYPE, Type::U32,  Type::None}
#define FIELD(TYPE, T)                                                         \
  {"bfe",      "",                                                             \
   Type::TYPE, runMixed<T, T, uint32_t, uint32_t, ExtractField<T>>,            \
   Type::TYPE, Type::TYPE,                                                     \
   Type::U32,  Type::U32}
#define COUNT(OPCODE, MODE, TYPE, T, OP)                                       \
  {OPCODE,     MODE,                                                           \
   Type::TYPE, runMixed<uint32_t, T, uint8_t, uint8_t, OP>,                    \
   Type::U32,  Type::TYPE,                                                     \
   Type::None, Type::None}
#define FUNNEL(MODE, LEFT, WRAPS)                                              \
  {"shf",                                                                      \
   MODE,                                                                       \
   Type::B32,                                                                  \
   runMixed<uint32_t, uint32_t, uint32_t, uint32_t, Funnel<LEFT, WRAPS>>,      \
   Type::B32,                                                                  \
   Type::B32,                                                                  \
   Type::B32,                                                                  \
   Type::U32}
#define WORD(OPCODE, MODE, TYPE, T, OP)                                        \
  {OPCODE,     MODE,       Type::TYPE, runMixed<T, T, uint32_t, uint8_t, OP>,  \
   Type::TYPE, Type::TYPE, Type::U32,  Type::None}

static constexpr Form kForms[] = {
    SHIFT("shl", B16, uint16_t, ShiftLeft),
    SHIFT("shl", B32, uint32_t, ShiftLeft),
    SHIFT("shl", B64, uint64_t, ShiftLeft),
    SHIFT("shr", B16, uint16_t, ShiftRight),
    SHIFT("shr", B32, uint32_t, ShiftRight),
    SHIFT("shr", B64, uint64_t, ShiftRight),
    SHIFT("shr", U16, uint16_t, ShiftRight),
    SHIFT("shr", U32, uint32_t, ShiftRight),
    SHIFT("shr", U64, uint64_t, ShiftRight),
    SHIFT("shr", S16, int16_t, ShiftRight),
    SHIFT("shr", S32, int32_t, ShiftRight),
    SHIFT("shr", S64, int64_t, ShiftRight),
    FUNNEL("l.clamp", true, false),
    FUNNEL("l.wrap", true, true),
    FUNNEL("r.clamp", false, false),
    FUNNEL("r.wrap", false, true),
    FIELD(U32, uint32_t),
    FIELD(S32, int32_t),
    FIELD(U64, uint64_t),
    FIELD(S64, int64_t),
    COUNT("bfind", "", U32, uint32_t, FindBit<false>),
    COUNT("bfind", "", S32, int32_t, FindBit<false>),
    COUNT("bfind", "", U64, uint64_t, FindBit<false>),
    COUNT("bfind", "", S64, int64_t, FindBit<false>),
    COUNT("bfind", "shiftamt", U32, uint32_t, FindBit<true>),
    COUNT("bfind", "shiftamt", S32, int32_t, FindBit<true>),
    COUNT("bfind", "shiftamt", U64, uint64_t, FindBit<true>),
    COUNT("bfind", "shiftamt", S64, int64_t, FindBit<true>),
    COUNT("clz", "", B32, uint32_t, LeadingZeros),
    COUNT("clz", "", B64, uint64_t, LeadingZeros),
    COUNT("popc", "", B32, uint32_t, PopulationCount),
    COUNT("popc", "", B64, uint64_t, PopulationCount),
    {"brev", "", Type::B32,
     runMixed<uint32_t, uint32_t, uint8_t, uint8_t, Reverse>, Type::B32,
     Type::B32, Type::None, Type::None},
    {"brev", "", Type::B64,
     runMixed<uint64_t, uint64_t, uint8_t, uint8_t, Reverse>, Type::B64,
     Type::B64, Type::None, Type::None},
    {"fns", "", Type::B32,
     runMixed<uint32_t, uint32_t, uint32_t, int32_t, FindNth>, Type::B32,
     Type::B32, Type::B32, Type::S32},
    WORD("szext", "wrap", U32, uint32_t, Extend<true>),
    WORD("szext", "wrap", S32, int32_t, Extend<true>),
    WORD("szext", "clamp", U32, uint32_t, Extend<false>),
    WORD("szext", "clamp", S32, int32_t, Extend<false>),
    WORD("bmsk", "wrap", B32, uint32_t, MakeMask<true>),
    WORD("bmsk", "clamp", B32, uint32_t, MakeMask<false>),
};

static bool decodeBits(Decoder &decoder) {
  decoder.inst().kind = Class::Integer;
  return decodeForm(decoder, std::begin(kForms), std::end(kForms));
}

static bool decodeInsert(Decoder &decoder) {
  Type type = decoder.takeType();
  Inst &inst = decoder.inst();
  inst.kind = Class::Integer;
  inst.run = type == Type::B32   ? runInsert<uint32_t>
             : type == Type::B64 ? runInsert<uint64_t>
                                 : nullptr;
  if (!inst.run)
    return decoder.fail("expected the type .b32 or .b64");
  return decoder.expectOperands(5) && decoder.readDestination(0, type) &&
         decoder.readSource(1, type) && decoder.readSource(2, type) &&
         decoder.readSource(3, Type::U32) && decoder.readSource(4, Type::U32);
}

static bool decodeLop3(Decoder &decoder) {
  Inst &inst = decoder.inst();
  inst.kind = Class::Integer;
  bool isOr = decoder.take("or"), isAnd = !isOr && decoder.take("and");
  if (!decoder.take("b32"))
    return decoder.fail("expected the type .b32");
  if (!decoder.expectOperands(isOr || isAnd ? 6 : 5))
    return false;
  const std::vector<Operand> &operands = decoder.get().operands;
  std::optional<int64_t> table = decoder.immediate(operands[4]);
  if (!table)
    return false;
  if (*table < 0 || *table > 255)
    return decoder.fail("expected a table of 0 to 255");
  inst.imm = *table;
  inst.run = isOr ? runLop3<1> : isAnd ? runLop3<2> : runLop3<0>;
  Operand result = operands[0];
  if (isOr || isAnd) {
    if (result.kind != Operand::Pair || result.elements.size() != 2)
      return decoder.fail("expected a result and a predicate, d|p");
    std::optional<uint32_t> to =
        decoder.destination(result.elements[1], Type::Pred);
    std::optional<uint32_t> with = decoder.source(operands[5], Type::Pred);
    if (!to || !with)
      return false;
    inst.op[4] = *to;
    inst.op[5] = *with;
    inst.flags = operands[5].isNegated;
    result = operands[0].elements[0];
  }
  std::optional<uint32_t> slot = decoder.destination(result, Type::B32);
  if (!slot)
    return false;
  inst.op[0] = *slot;
  return decoder.readSource(1, Type::B32) && decoder.readSource(2, Type::B32) &&
         decoder.readSource(3, Type::B32);
}

template <unsigned Count, bool High>
static Handler pickDot(bool signedA, bool signedB) {
  using U = std::conditional_t<Count == 4, uint8_t, uint16_t>;
  using S = std::conditional_t<Count == 4, int8_t, int16_t>;
  if (signedA)
    return signedB ? runDot<S, int8_t, Count, High>
                   : runDot<S, uint8_t, Count, High>;
  return signedB ? runDot<U, int8_t, Count, High>
                 : runDot<U, uint8_t, Count, High>;
}

/// dp4a.atype.btype, dp2a.mode.atype.btype.
static bool decodeDot(Decoder &decoder) {
  Inst &inst = decoder.inst();
  inst.kind = Class::Integer;
  bool isTwo = decoder.get().opcode == "dp2a", isHigh = false;
  if (isTwo) {
    isHigh = decoder.take("hi");
    if (!isHigh && !decoder.take("lo"))
      return decoder.fail("expected .lo or .hi");
  }
  Type a = decoder.takeType(), b = decoder.takeType();
  auto isWord = [](Type type) {
    return type == Type::U32 || type == Type::S32;
  };
  if (!isWord(a) || !isWord(b))
    return decoder.fail("expected two types of .u32 and .s32");
  bool signedA = a == Type::S32, signedB = b == Type::S32;
  inst.run = !isTwo   ? pickDot<4, false>(signedA, signedB)
             : isHigh ? pickDot<2, true>(signedA, signedB)
                      : pickDot<2, false>(signedA, signedB);
  return decoder.expectOperands(4) && decoder.readDestination(0, Type::B32) &&
         decoder.readSource(1, Type::B32) && decoder.readSource(2, Type::B32) &&
         decoder.readSource(3, Type::B32);
}

const OpcodeEntry sparsedrop::ptx::kBitOpcodes[] = {
    {"shl", decodeBits},  {"shr", decodeBits},   {"shf", decodeBits},
    {"bfe", decodeBits},  {"bfi", decodeInsert}, {"bfind", decodeBits},
    {"brev", decodeBits}, {"clz", decodeBits},   {"popc", decodeBits},
    {"fns", decodeBits},  {"szext", decodeBits}, {"bmsk", decodeBits},
    {"lop3", decodeLop3}, {"dp4a", decodeDot},   {"dp2a", decodeDot},
    {"", nullptr},
};
