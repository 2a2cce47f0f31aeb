//===- Move.cpp - Moves, selections, addresses ----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "Lanes.h"
#include "Machine.h"
#include "Specials.h"

#include <cstring>

using namespace sparsedrop::ptx;

/// Chooses a handler by the size of a value: 1 byte for predicates, else 2, 4,
/// 8 or 16.
#define BY_SIZE(SIZE, HANDLER)                                                 \
  ((SIZE) == 1   ? HANDLER<1>                                                  \
   : (SIZE) == 2 ? HANDLER<2>                                                  \
   : (SIZE) == 4 ? HANDLER<4>                                                  \
   : (SIZE) == 8 ? HANDLER<8>                                                  \
                 : HANDLER<16>)

//===----------------------------------------------------------------------===//
// mov (ISA 9.7.9.4, 9.7.9.5)
//===----------------------------------------------------------------------===//

template <unsigned Size>
static Flow runMov(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<Unsigned<Size>>(inst.op[0]);
  const auto *from = warp.lanes<Unsigned<Size>>(inst.op[1]);
  forEachLane(mask, [&](unsigned lane) { to[lane] = from[lane]; });
  return Flow::Next;
}

/// A clock: each lane that reads it gets the same.
static Flow runMovClock(Warp &warp, const Inst &inst, LaneMask mask) {
  unsigned size = inst.flags;
  uint64_t value =
      readSpecial(inst.imm, warp, warp.getFrame(), __builtin_ctz(mask));
  uint8_t *to = warp.lanes<uint8_t>(inst.op[0]);
  forEachLane(mask, [&](unsigned lane) {
    std::memcpy(to + lane * size, &value, size);
  });
  return Flow::Next;
}

namespace {
/// Slots of the parts of a value, lowest first.
struct Parts : InstData {
  std::vector<uint32_t> slots;
};
} // namespace

/// {a, b} = r, for parts of Size bytes.
template <unsigned Size>
static Flow runUnpack(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &parts = inst.getData<Parts>().slots;
  const auto *from = warp.lanes<Unsigned<Size>>(inst.op[0]);
  size_t count = parts.size();
  // The source may be a part's register too: first all is read.
  Unsigned<Size> values[16 * kNumLanes];
  std::memcpy(values, from, count * kNumLanes * Size);
  for (size_t i = 0; i < count; ++i) {
    auto *to = warp.lanes<Unsigned<Size>>(parts[i]);
    forEachLane(mask,
                [&](unsigned lane) { to[lane] = values[lane * count + i]; });
  }
  return Flow::Next;
}

/// r = {a, b}.
template <unsigned Size>
static Flow runPack(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &parts = inst.getData<Parts>().slots;
  auto *to = warp.lanes<Unsigned<Size>>(inst.op[0]);
  size_t count = parts.size();
  for (size_t i = 0; i < count; ++i) {
    const auto *from = warp.lanes<Unsigned<Size>>(parts[i]);
    forEachLane(mask,
                [&](unsigned lane) { to[lane * count + i] = from[lane]; });
  }
  return Flow::Next;
}

static Type getBits(unsigned size) {
  return size == 1   ? Type::B8
         : size == 2 ? Type::B16
         : size == 4 ? Type::B32
         : size == 8 ? Type::B64
                     : Type::B128;
}

static bool decodeVectorMov(Decoder &decoder, Type type) {
  const std::vector<Operand> &operands = decoder.get().operands;
  bool isUnpack = operands[0].kind == Operand::Vector;
  const Operand &vector = operands[isUnpack ? 0 : 1];
  const Operand &whole = operands[isUnpack ? 1 : 0];
  size_t count = vector.elements.size();
  unsigned size = getSize(type), part = count ? size / count : 0;
  if ((count != 2 && count != 4) || part * count != size || part == 0)
    return decoder.fail("expected 2 or 4 parts that fill the type, but got " +
                        std::to_string(count));
  auto &slots = decoder.setData<Parts>().slots;
  Inst &inst = decoder.inst();
  std::optional<uint32_t> slot =
      isUnpack ? decoder.source(whole, type) : decoder.destination(whole, type);
  if (!slot)
    return false;
  inst.op[0] = *slot;
  inst.run = isUnpack ? BY_SIZE(part, runUnpack) : BY_SIZE(part, runPack);
  return isUnpack ? decoder.destinations(vector, getBits(part), slots)
                  : decoder.sources(vector, getBits(part), slots);
}

static bool decodeClock(Decoder &decoder, Type type, uint32_t id) {
  decoder.inst().imm = id;
  decoder.inst().flags = getSize(type);
  decoder.inst().run = runMovClock;
  return decoder.readDestination(0, type);
}

static bool decodeMov(Decoder &decoder) {
  Type type = decoder.take("pred") ? Type::Pred : decoder.takeType();
  decoder.inst().kind = Class::Move;
  if (type == Type::None)
    return decoder.fail("expected a type");
  if (!decoder.expectOperands(2))
    return false;
  const std::vector<Operand> &operands = decoder.get().operands;
  if (operands[0].kind == Operand::Vector ||
      operands[1].kind == Operand::Vector)
    return decodeVectorMov(decoder, type);
  if (operands[1].kind == Operand::Special)
    if (auto id = findSpecial(operands[1].name); id && isVolatile(*id))
      return decodeClock(decoder, type, *id);
  decoder.inst().run = BY_SIZE(getSize(type), runMov);
  return decoder.readDestination(0, type) && decoder.readSource(1, type);
}

//===----------------------------------------------------------------------===//
// selp, prmt (ISA 9.7.7.4, 9.7.9.7)
//===----------------------------------------------------------------------===//

template <unsigned Size>
static Flow runSelp(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<Unsigned<Size>>(inst.op[0]);
  const auto *a = warp.lanes<Unsigned<Size>>(inst.op[1]);
  const auto *b = warp.lanes<Unsigned<Size>>(inst.op[2]);
  const auto *chooses = warp.lanes<uint8_t>(inst.op[3]);
  bool other = inst.flags;
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = (chooses[lane] != 0) != other ? a[lane] : b[lane];
  });
  return Flow::Next;
}

static bool decodeSelp(Decoder &decoder) {
  Type type = decoder.takeType();
  decoder.inst().kind = Class::Compare;
  if (type == Type::None)
    return decoder.fail("expected a type");
  if (!decoder.expectOperands(4))
    return false;
  decoder.inst().flags = decoder.get().operands[3].isNegated;
  decoder.inst().run = BY_SIZE(getSize(type), runSelp);
  return decoder.readDestination(0, type) && decoder.readSource(1, type) &&
         decoder.readSource(2, type) && decoder.readSource(3, Type::Pred);
}

namespace {
enum class Permute : uint8_t { Index, F4e, B4e, Rc8, Ecl, Ecr, Rc16 };
} // namespace

/// Four selectors of four bits for a mode and the two low bits of its control
/// (ISA 9.7.9.7, the table of modes).
static uint32_t getSelectors(Permute mode, uint32_t control) {
  static constexpr uint16_t kTable[6][4] = {
      {0x3210, 0x4321, 0x5432, 0x6543}, // f4e
      {0x5670, 0x6701, 0x7012, 0x0123}, // b4e
      {0x0000, 0x1111, 0x2222, 0x3333}, // rc8
      {0x3210, 0x3211, 0x3222, 0x3333}, // ecl
      {0x0000, 0x1110, 0x2210, 0x3210}, // ecr
      {0x1010, 0x3232, 0x1010, 0x3232}, // rc16
  };
  if (mode == Permute::Index)
    return control;
  return kTable[static_cast<unsigned>(mode) - 1][control & 3];
}

static uint32_t permute(uint32_t a, uint32_t b, uint32_t selectors) {
  uint64_t bytes = uint64_t(b) << 32 | a;
  uint32_t result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    unsigned selector = selectors >> (4 * i) & 15;
    uint8_t byte = bytes >> (8 * (selector & 7));
    // The highest bit replicates the byte's sign.
    if (selector & 8)
      byte = byte & 0x80 ? 0xFF : 0;
    result |= uint32_t(byte) << (8 * i);
  }
  return result;
}

template <Permute Mode>
static Flow runPrmt(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  const auto *a = warp.lanes<uint32_t>(inst.op[1]);
  const auto *b = warp.lanes<uint32_t>(inst.op[2]);
  const auto *control = warp.lanes<uint32_t>(inst.op[3]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = permute(a[lane], b[lane], getSelectors(Mode, control[lane]));
  });
  return Flow::Next;
}

static bool decodePrmt(Decoder &decoder) {
  decoder.inst().kind = Class::Integer;
  if (!decoder.take("b32"))
    return decoder.fail("expected the type .b32");
  Inst &inst = decoder.inst();
  inst.run = decoder.take("f4e")    ? runPrmt<Permute::F4e>
             : decoder.take("b4e")  ? runPrmt<Permute::B4e>
             : decoder.take("rc8")  ? runPrmt<Permute::Rc8>
             : decoder.take("ecl")  ? runPrmt<Permute::Ecl>
             : decoder.take("ecr")  ? runPrmt<Permute::Ecr>
             : decoder.take("rc16") ? runPrmt<Permute::Rc16>
                                    : runPrmt<Permute::Index>;
  return decoder.expectOperands(4) && decoder.readDestination(0, Type::B32) &&
         decoder.readSource(1, Type::B32) && decoder.readSource(2, Type::B32) &&
         decoder.readSource(3, Type::B32);
}

const OpcodeEntry sparsedrop::ptx::kMoveOpcodes[] = {
    {"mov", decodeMov},
    {"selp", decodeSelp},
    {"prmt", decodePrmt},
    {"", nullptr},
};
