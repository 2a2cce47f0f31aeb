//===- Memory.cpp - Loads and stores --------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "Elements.h"
#include "MemoryAccess.h"

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

/// Loads of whole words of the block's own shared memory that nothing is wrong
/// with. Returns the lanes that it has not served.
template <bool Is32, unsigned Size, unsigned Count>
static LaneMask loadShared(Warp &warp, const Inst &inst, LaneMask mask,
                           const Elements &data, uint8_t *const *to) {
  constexpr unsigned kTotal = Size * Count;
  Block &block = warp.getBlock();
  uint64_t start = block.getSharedStart(), size = block.getSharedSize();
  uint32_t words[kNumLanes];
  LaneMask own = 0;
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    uint64_t offset = getAddress<Is32>(warp, inst, lane) - start;
    bool isOwn =
        offset < size && kTotal <= size - offset && offset % kTotal == 0;
    words[lane] = offset / 4;
    own |= LaneMask(isOwn) << lane;
  }
  LaneMask served = own & ~block.getShadow().readByLanes(warp.getAgent(), own,
                                                         words, kTotal / 4);
  const uint8_t *shared = block.getShared();
  for (LaneMask left = served; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    for (unsigned i = 0; i < Count; ++i)
      putElement<Size>(to[i], lane, shared + 4 * words[lane] + i * Size, data);
  }
  return mask & ~served;
}

template <Space Where, bool Is32, unsigned Size, unsigned Count>
static Flow runLoad(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<Elements>();
  constexpr unsigned kTotal = Size * Count;
  if (collectsStatistics(warp))
    countAccess(warp, inst, mask, Where, Is32, kTotal, false);
  uint8_t *to[Count];
  for (unsigned i = 0; i < Count; ++i)
    to[i] = warp.lanes<uint8_t>(data.slots[i]);
  if constexpr (Where == Space::Shared && kTotal % 4 == 0 && kTotal <= 16)
    if (data.kind == Access::Read)
      mask = loadShared<Is32, Size, Count>(warp, inst, mask, data, to);
  // A destination may be the address: lanes are apart, so that is no harm.
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    uint64_t address = getAddress<Is32>(warp, inst, lane);
    const uint8_t *bytes =
        accessFast<Where, kTotal>(warp, inst, lane, address, data.kind);
    if (!bytes)
      return Flow::Stop;
    for (unsigned i = 0; i < Count; ++i)
      putElement<Size>(to[i], lane, bytes + i * Size, data);
    if (data.acquires)
      warp.getAgent().acquire(
          warp.getCluster().getLocation(getLocationKey(Where, address)));
  }
  return Flow::Next;
}

template <Space Where, bool Is32, unsigned Size, unsigned Count>
static Flow runStore(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<Elements>();
  constexpr unsigned kTotal = Size * Count;
  if (collectsStatistics(warp))
    countAccess(warp, inst, mask, Where, Is32, kTotal, true);
  warp.noteEffect();
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    uint64_t address = getAddress<Is32>(warp, inst, lane);
    if (data.releases)
      warp.getAgent().release(
          warp.getCluster().getLocation(getLocationKey(Where, address)));
    uint8_t *bytes =
        accessFast<Where, kTotal>(warp, inst, lane, address, data.kind);
    if (!bytes)
      return Flow::Stop;
    uint8_t value[kTotal];
    for (unsigned i = 0; i < Count; ++i)
      std::memcpy(value + i * Size,
                  warp.lanes<uint8_t>(data.slots[i]) + lane * data.registerSize,
                  Size);
    std::memcpy(bytes, value, kTotal);
  }
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Choice of the handler
//===----------------------------------------------------------------------===//

template <Space Where, bool Is32, unsigned Size, unsigned Count>
static Handler pick(bool isStore) {
  return isStore ? runStore<Where, Is32, Size, Count>
                 : runLoad<Where, Is32, Size, Count>;
}

template <Space Where, bool Is32, unsigned Size>
static Handler pickCount(size_t count, bool isStore) {
  switch (count) {
  case 1:
    return pick<Where, Is32, Size, 1>(isStore);
  case 2:
    return pick<Where, Is32, Size, 2>(isStore);
  case 4:
    return pick<Where, Is32, Size, 4>(isStore);
  case 8:
    return pick<Where, Is32, Size, 8>(isStore);
  }
  return nullptr;
}

template <Space Where, bool Is32>
static Handler pickSize(unsigned size, size_t count, bool isStore) {
  switch (size) {
  case 1:
    return pickCount<Where, Is32, 1>(count, isStore);
  case 2:
    return pickCount<Where, Is32, 2>(count, isStore);
  case 4:
    return pickCount<Where, Is32, 4>(count, isStore);
  case 8:
    return pickCount<Where, Is32, 8>(count, isStore);
  case 16:
    return count == 1 ? pick<Where, Is32, 16, 1>(isStore) : nullptr;
  }
  return nullptr;
}

static Handler pickHandler(Space space, bool is32, unsigned size, size_t count,
                           bool isStore) {
  switch (space) {
  case Space::Shared:
    return is32 ? pickSize<Space::Shared, true>(size, count, isStore)
                : pickSize<Space::Shared, false>(size, count, isStore);
  case Space::Local:
    return is32 ? pickSize<Space::Local, true>(size, count, isStore)
                : pickSize<Space::Local, false>(size, count, isStore);
  case Space::Param:
    return pickSize<Space::Param, false>(size, count, isStore);
  case Space::Generic:
    return pickSize<Space::Generic, false>(size, count, isStore);
  default:
    return pickSize<Space::Global, false>(size, count, isStore);
  }
}

//===----------------------------------------------------------------------===//
// Decoders
//===----------------------------------------------------------------------===//

/// How an access is ordered with others (ISA 8.3, 9.7.9.8).
static void takeOrder(Decoder &decoder, bool isStore, Elements &data) {
  Access plain = isStore ? Access::Write : Access::Read;
  Access atomic = isStore ? Access::AtomicWrite : Access::AtomicRead;
  bool isAtomic = false;
  for (std::string_view word :
       {"volatile", "relaxed", "acquire", "release", "mmio"})
    isAtomic |= decoder.take(word);
  decoder.take("weak");
  takeScope(decoder);
  data.kind = isAtomic ? atomic : plain;
  data.acquires = isAtomic && !isStore;
  data.releases = isAtomic && isStore;
}

/// Slots of the elements; registers may be wider than the type (ISA 9.4.1).
static bool takeElements(Decoder &decoder, const Operand &operand, Type type,
                         bool isStore, Elements &data) {
  const std::vector<Operand> one{operand};
  bool isVector = operand.kind == Operand::Vector;
  data.registerSize = data.size;
  const std::vector<Operand> &list = isVector ? operand.elements : one;
  for (const Operand &element : list)
    if (unsigned size = decoder.getRegisterSize(element))
      data.registerSize = size;
  for (const Operand &element : list) {
    unsigned size = decoder.getRegisterSize(element);
    if (size && size != data.registerSize)
      return decoder.fail("has registers of different sizes in a vector");
    // Sinks and constants are as wide as the registers beside them.
    Type as = size                      ? type
              : data.registerSize == 16 ? Type::B128
              : data.registerSize == 8  ? (type == Type::F64 ? type : Type::B64)
              : data.registerSize == 4  ? (type == Type::F32 ? type : Type::B32)
              : data.registerSize == 2  ? Type::B16
                                        : Type::B8;
    std::optional<uint32_t> slot =
        isStore ? decoder.source(element, as, /*relaxed=*/true)
                : decoder.destination(element, as, /*relaxed=*/true);
    if (!slot)
      return false;
    data.slots.push_back(*slot);
  }
  return true;
}

static bool takeVector(Decoder &decoder, size_t got) {
  size_t want = decoder.take("v2")   ? 2
                : decoder.take("v4") ? 4
                : decoder.take("v8") ? 8
                                     : 1;
  if (want == got)
    return true;
  return decoder.fail("expected a vector of " + std::to_string(want) +
                      ", but got " + std::to_string(got));
}

static size_t countElements(const Operand &operand) {
  return operand.kind == Operand::Vector ? operand.elements.size() : 1;
}

static bool decodeAccess(Decoder &decoder, bool isStore) {
  auto &data = decoder.setData<Elements>();
  Inst &inst = decoder.inst();
  inst.kind = isStore ? Class::Store : Class::Load;
  takeOrder(decoder, isStore, data);
  Space space = takeSpace(decoder);
  takeCacheHints(decoder);
  size_t count = decoder.get().operands.size();
  if (count != 2 && count != 3) // with a cache policy
    return decoder.expectOperands(2);
  const Operand &value = decoder.get().operands[isStore ? 1 : 0];
  const Operand &address = decoder.get().operands[isStore ? 0 : 1];
  Type type = decoder.takeType();
  if (type == Type::None || type == Type::Pred)
    return decoder.fail("expected a type");
  if (!takeVector(decoder, countElements(value)))
    return false;
  data.size = getSize(type);
  data.isSigned = isSigned(type);
  if (!takeElements(decoder, value, type, isStore, data))
    return false;
  if (address.kind != Operand::Address || address.elements.empty())
    return decoder.fail("expected an address in brackets");
  const Operand &base = address.elements.front();
  if (space == Space::Param && base.kind == Operand::Var)
    return decodeParameter(decoder, address, isStore, data);
  std::optional<AddressOperand> place = decoder.address(address);
  if (!place)
    return false;
  inst.op[0] = place->base;
  inst.imm = place->offset;
  bool has32 = space == Space::Shared || space == Space::Local;
  if (place->is32 && !has32)
    return decoder.fail("expected an address of 64 bits");
  inst.run =
      pickHandler(space, place->is32, data.size, data.slots.size(), isStore);
  return inst.run || decoder.fail("has a vector that is too long");
}

static bool decodeLoad(Decoder &decoder) {
  return decodeAccess(decoder, /*isStore=*/false);
}
static bool decodeStore(Decoder &decoder) {
  return decodeAccess(decoder, /*isStore=*/true);
}

/// Hints that move nothing a program can see (ISA 9.7.9.15 to 9.7.9.18).
static Flow runHint(Warp &, const Inst &, LaneMask) { return Flow::Next; }

static bool decodeHint(Decoder &decoder) {
  decoder.inst().kind = Class::Other;
  decoder.inst().run = runHint;
  takeSpace(decoder);
  takeCacheHints(decoder);
  for (std::string_view level : {"L1", "L2", "L2::evict_normal", "tensormap"})
    decoder.take(level);
  decoder.takeType();
  if (decoder.get().operands.empty())
    return decoder.expectOperands(1);
  return decoder.address(decoder.get().operands[0]).has_value();
}

/// createpolicy: a value that only cache hints use.
static bool decodePolicy(Decoder &decoder) {
  decoder.inst().kind = Class::Other;
  decoder.inst().run = runHint;
  while (!decoder.takeAny().empty())
    ;
  return decoder.get().operands.empty() ? decoder.expectOperands(1)
                                        : decoder.readDestination(0, Type::B64);
}

const OpcodeEntry sparsedrop::ptx::kMemoryOpcodes[] = {
    {"ld", decodeLoad},
    {"ldu", decodeLoad},
    {"st", decodeStore},
    {"prefetch", decodeHint},
    {"prefetchu", decodeHint},
    {"applypriority", decodeHint},
    {"createpolicy", decodePolicy},
    {"", nullptr},
};
