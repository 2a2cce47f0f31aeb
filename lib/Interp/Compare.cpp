//===- Compare.cpp - Comparisons ------------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CompareOps.h"
#include "Decoder.h"
#include "Lanes.h"
#include "Machine.h"

using namespace sparsedrop::ptx;
using namespace sparsedrop::ptx::comparisons;

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

/// setp without a combination. op: p, a, b, c, q.
template <typename Kind, uint8_t Outcomes>
static Flow runSetpPlain(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint8_t>(inst.op[0]);
  const auto *a = warp.lanes<typename Kind::Stored>(inst.op[1]);
  const auto *b = warp.lanes<typename Kind::Stored>(inst.op[2]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = compare(Kind::load(a[lane]), Kind::load(b[lane]), Outcomes);
  });
  return Flow::Next;
}

template <typename Kind>
static Flow runSetp(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<CompareData>();
  auto *p = warp.lanes<uint8_t>(inst.op[0]);
  auto *q = warp.lanes<uint8_t>(inst.op[4]);
  const auto *a = warp.lanes<typename Kind::Stored>(inst.op[1]);
  const auto *b = warp.lanes<typename Kind::Stored>(inst.op[2]);
  const auto *c = warp.lanes<uint8_t>(inst.op[3]);
  forEachLane(mask, [&](unsigned lane) {
    bool value =
        compare(Kind::load(a[lane]), Kind::load(b[lane]), data.outcomes);
    bool other = (c[lane] != 0) != data.isNegated;
    p[lane] = combineWith(data.combine, value, other);
    if (data.hasSecond)
      q[lane] = combineWith(data.combine, !value, other);
  });
  return Flow::Next;
}

template <typename Kind, typename To>
static Flow runSet(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<CompareData>();
  auto *to = warp.lanes<To>(inst.op[0]);
  const auto *a = warp.lanes<typename Kind::Stored>(inst.op[1]);
  const auto *b = warp.lanes<typename Kind::Stored>(inst.op[2]);
  const auto *c = warp.lanes<uint8_t>(inst.op[3]);
  forEachLane(mask, [&](unsigned lane) {
    bool value =
        compare(Kind::load(a[lane]), Kind::load(b[lane]), data.outcomes);
    bool other = (c[lane] != 0) != data.isNegated;
    to[lane] = combineWith(data.combine, value, other) ? To(data.one) : To(0);
  });
  return Flow::Next;
}

/// Both halves of words. setp gives the low one's outcome to p, the high one's
/// to q; set gives 1.0 or all ones in each half.
template <typename Kind, bool IsSet>
static Flow runPair(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<CompareData>();
  auto *p = warp.lanes<uint8_t>(inst.op[0]);
  auto *q = warp.lanes<uint8_t>(inst.op[4]);
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  const auto *a = warp.lanes<uint32_t>(inst.op[1]);
  const auto *b = warp.lanes<uint32_t>(inst.op[2]);
  const auto *c = warp.lanes<uint8_t>(inst.op[3]);
  forEachLane(mask, [&](unsigned lane) {
    bool other = (c[lane] != 0) != data.isNegated, values[2];
    for (unsigned i = 0; i < 2; ++i)
      values[i] = combineWith(data.combine,
                              compare(Kind::load(uint16_t(a[lane] >> 16 * i)),
                                      Kind::load(uint16_t(b[lane] >> 16 * i)),
                                      data.outcomes),
                              other);
    if (IsSet) {
      to[lane] = uint32_t(values[0] ? data.one : 0) |
                 uint32_t(values[1] ? data.one : 0) << 16;
      return;
    }
    p[lane] = values[0];
    if (data.hasSecond)
      q[lane] = values[1];
  });
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Choice of the handler
//===----------------------------------------------------------------------===//

namespace {
/// What an instruction does with the outcome.
enum class Use { Plain, Combined, Set16, Set32, Pair, PairSet };
} // namespace

template <typename Kind> static Handler pickPlain(uint8_t outcomes) {
  switch (outcomes) {
  case Equal:
    return runSetpPlain<Kind, Equal>;
  case Less | Greater:
    return runSetpPlain<Kind, Less | Greater>;
  case Less:
    return runSetpPlain<Kind, Less>;
  case Less | Equal:
    return runSetpPlain<Kind, Less | Equal>;
  case Greater:
    return runSetpPlain<Kind, Greater>;
  case Greater | Equal:
    return runSetpPlain<Kind, Greater | Equal>;
  default:
    return runSetp<Kind>;
  }
}

template <typename Kind> static Handler pickUse(Use use, uint8_t outcomes) {
  if (use == Use::Plain)
    return pickPlain<Kind>(outcomes);
  if (use == Use::Set16)
    return runSet<Kind, uint16_t>;
  return use == Use::Set32 ? runSet<Kind, uint32_t> : runSetp<Kind>;
}

static Handler pickType(Type type, bool flush, Use use, uint8_t outcomes) {
  switch (type) {
  case Type::B16:
  case Type::U16:
    return pickUse<Plain<uint16_t>>(use, outcomes);
  case Type::S16:
    return pickUse<Plain<int16_t>>(use, outcomes);
  case Type::B32:
  case Type::U32:
    return pickUse<Plain<uint32_t>>(use, outcomes);
  case Type::S32:
    return pickUse<Plain<int32_t>>(use, outcomes);
  case Type::B64:
  case Type::U64:
    return pickUse<Plain<uint64_t>>(use, outcomes);
  case Type::S64:
    return pickUse<Plain<int64_t>>(use, outcomes);
  case Type::F32:
    return flush ? pickUse<Flushed>(use, outcomes)
                 : pickUse<Plain<float>>(use, outcomes);
  case Type::F64:
    return pickUse<Plain<double>>(use, outcomes);
  case Type::F16:
    return flush ? pickUse<FlushedHalf>(use, outcomes)
                 : pickUse<Half>(use, outcomes);
  case Type::BF16:
    return pickUse<Bfloat16>(use, outcomes);
  case Type::F16x2:
    if (flush)
      return use == Use::PairSet ? runPair<FlushedHalf, true>
                                 : runPair<FlushedHalf, false>;
    return use == Use::PairSet ? runPair<Half, true> : runPair<Half, false>;
  case Type::BF16x2:
    return use == Use::PairSet ? runPair<Bfloat16, true>
                               : runPair<Bfloat16, false>;
  default:
    return nullptr;
  }
}

//===----------------------------------------------------------------------===//
// Decoders
//===----------------------------------------------------------------------===//

static bool isPairType(Type type) {
  return type == Type::F16x2 || type == Type::BF16x2;
}

/// The comparison, its combination and .ftz.
static bool takeComparison(Decoder &decoder, CompareData &data, bool &flush,
                           const Word *&comparison) {
  for (const Word &word : kWords) {
    if (!decoder.take(word.word))
      continue;
    comparison = &word;
    break;
  }
  if (!comparison)
    return decoder.fail("expected a comparison");
  data.outcomes = comparison->outcomes;
  data.combine = decoder.take("and")   ? Combine::And
                 : decoder.take("or")  ? Combine::Or
                 : decoder.take("xor") ? Combine::Xor
                                       : Combine::None;
  flush = decoder.take("ftz");
  return true;
}

static bool checkType(Decoder &decoder, const Word &comparison, Type type) {
  bool isUnsigned = type == Type::U16 || type == Type::U32 || type == Type::U64;
  if ((comparison.isFloatOnly && !isFloat(type)) ||
      (comparison.isUnsignedOnly && !isUnsigned))
    return decoder.fail("compares with ." + std::string(comparison.word) +
                        ", which ." + std::string(getName(type)) +
                        " does not have");
  bool isBits = type == Type::B16 || type == Type::B32 || type == Type::B64;
  if (isBits && comparison.outcomes != Equal &&
      comparison.outcomes != (Less | Greater))
    return decoder.fail("compares bits, which have only .eq and .ne");
  return true;
}

/// Sources a and b, and the predicate that the outcome is combined with.
static bool readComparands(Decoder &decoder, CompareData &data, Type type) {
  bool combines = data.combine != Combine::None;
  if (!decoder.expectOperands(combines ? 4 : 3) ||
      !decoder.readSource(1, type) || !decoder.readSource(2, type))
    return false;
  if (!combines)
    return true;
  data.isNegated = decoder.get().operands[3].isNegated;
  return decoder.readSource(3, Type::Pred);
}

static bool decodeSetp(Decoder &decoder) {
  Inst &inst = decoder.inst();
  auto &data = decoder.setData<CompareData>();
  bool flush = false;
  const Word *comparison = nullptr;
  inst.kind = Class::Compare;
  if (!takeComparison(decoder, data, flush, comparison))
    return false;
  Type type = decoder.takeType();
  if (!checkType(decoder, *comparison, type) ||
      !readComparands(decoder, data, type))
    return false;
  const Operand &result = decoder.get().operands[0];
  data.hasSecond = result.kind == Operand::Pair;
  std::optional<uint32_t> p = decoder.destination(
      data.hasSecond ? result.elements[0] : result, Type::Pred);
  std::optional<uint32_t> q =
      data.hasSecond ? decoder.destination(result.elements[1], Type::Pred)
                     : std::optional<uint32_t>(0);
  if (!p || !q)
    return false;
  inst.op[0] = *p;
  inst.op[4] = *q;
  bool isPlain = !data.hasSecond && data.combine == Combine::None;
  inst.run = pickType(type, flush, isPlain ? Use::Plain : Use::Combined,
                      data.outcomes);
  return inst.run || decoder.fail("has no form of this type");
}

/// What set writes for true: 1.0 of a float type, else all ones.
static uint64_t getTrue(Type type) {
  switch (type) {
  case Type::F32:
    return 0x3F800000;
  case Type::F16:
  case Type::F16x2:
    return 0x3C00;
  case Type::BF16:
  case Type::BF16x2:
    return 0x3F80;
  default:
    return ~0ull;
  }
}

static bool decodeSet(Decoder &decoder) {
  Inst &inst = decoder.inst();
  auto &data = decoder.setData<CompareData>();
  bool flush = false;
  const Word *comparison = nullptr;
  inst.kind = Class::Compare;
  if (!takeComparison(decoder, data, flush, comparison))
    return false;
  Type to = decoder.takeType(), type = decoder.takeType();
  bool isPair = isPairType(type);
  unsigned size = getSize(to);
  if ((size != 2 && size != 4) || (isPair && size != 4) ||
      (isPairType(to) && !isPair))
    return decoder.fail("has no form of these types");
  data.one = getTrue(to);
  if (isPair)
    data.one &= 0xFFFF;
  Use use = isPair ? Use::PairSet : size == 2 ? Use::Set16 : Use::Set32;
  inst.run = pickType(type, flush, use, data.outcomes);
  if (!inst.run)
    return decoder.fail("has no form of these types");
  return checkType(decoder, *comparison, type) &&
         readComparands(decoder, data, type) && decoder.readDestination(0, to);
}

//===----------------------------------------------------------------------===//
// slct (ISA 9.7.7.3)
//===----------------------------------------------------------------------===//

template <unsigned Size, typename C, bool Flush>
static Flow runSlct(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<Unsigned<Size>>(inst.op[0]);
  const auto *a = warp.lanes<Unsigned<Size>>(inst.op[1]);
  const auto *b = warp.lanes<Unsigned<Size>>(inst.op[2]);
  const auto *c = warp.lanes<C>(inst.op[3]);
  forEachLane(mask, [&](unsigned lane) {
    C value = c[lane];
    // -0 is not below 0, nor is a flushed subnormal; NaN chooses b.
    if (Flush && std::is_same_v<C, float>)
      value = C(Flushed::load(float(value)));
    to[lane] = value >= C(0) ? a[lane] : b[lane];
  });
  return Flow::Next;
}

template <unsigned Size> static Handler pickSlct(Type type, bool flush) {
  if (type == Type::S32)
    return runSlct<Size, int32_t, false>;
  return flush ? runSlct<Size, float, true> : runSlct<Size, float, false>;
}

static bool decodeSlct(Decoder &decoder) {
  Inst &inst = decoder.inst();
  inst.kind = Class::Compare;
  bool flush = decoder.take("ftz");
  Type type = decoder.takeType(), choice = decoder.takeType();
  unsigned size = getSize(type);
  if ((choice != Type::S32 && choice != Type::F32) || size < 2 || size > 8)
    return decoder.fail("has no form of these types");
  inst.run = size == 2   ? pickSlct<2>(choice, flush)
             : size == 4 ? pickSlct<4>(choice, flush)
                         : pickSlct<8>(choice, flush);
  return decoder.expectOperands(4) && decoder.readDestination(0, type) &&
         decoder.readSource(1, type) && decoder.readSource(2, type) &&
         decoder.readSource(3, choice);
}

const OpcodeEntry sparsedrop::ptx::kCompareOpcodes[] = {
    {"setp", decodeSetp},
    {"set", decodeSet},
    {"slct", decodeSlct},
    {"", nullptr},
};
