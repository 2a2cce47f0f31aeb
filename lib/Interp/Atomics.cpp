//===- Atomics.cpp - Atomic operations ------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AtomicOps.h"
#include "Decoder.h"
#include "MemoryAccess.h"

using namespace sparsedrop::ptx;
using namespace sparsedrop::ptx::atomic;

namespace {

struct AtomicData : InstData {
  Space space = Space::Generic;
  bool is32 = false;
  bool hasResult = false;
  bool hasThird = false;
};

} // namespace

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

static bool isShared(Space space, uint64_t address) {
  return space == Space::Shared ||
         (space == Space::Generic && (address & kWindowMask) == kSharedWindow);
}

/// op[0]: address; op[1]: result; op[2], op[3]: operands. `SharedOp` is what
/// shared memory does.
template <typename T, typename Op, typename SharedOp = Op>
static Flow runAtomic(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<AtomicData>();
  auto *to = warp.lanes<T>(inst.op[1]);
  const auto *b = warp.lanes<T>(inst.op[2]);
  const auto *c = warp.lanes<T>(inst.op[3]);
  if (collectsStatistics(warp))
    countAccess(warp, inst, mask, data.space, data.is32, sizeof(T), true);
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    uint64_t address = data.is32 ? getAddress<true>(warp, inst, lane)
                                 : getAddress<false>(warp, inst, lane);
    uint8_t *bytes = warp.access(inst, lane, data.space, address, sizeof(T),
                                 Access::Atomic, sizeof(T));
    if (!bytes)
      return Flow::Stop;
    T second = data.hasThird ? c[lane] : T(0);
    T old = isShared(data.space, address)
                ? exchangeAtomically<T, SharedOp>(bytes, b[lane], second)
                : exchangeAtomically<T, Op>(bytes, b[lane], second);
    if (Op::apply(old, b[lane], second) != old)
      warp.noteEffect();
    if (data.hasResult)
      to[lane] = old;
    synchronizeAt(warp, data.space, address);
  }
  return Flow::Next;
}

void sparsedrop::ptx::synchronizeAt(Warp &warp, Space space, uint64_t address) {
  Knowledge &location =
      warp.getCluster().getLocation(getLocationKey(space, address));
  warp.getAgent().acquire(location);
  warp.getAgent().release(location);
}

//===----------------------------------------------------------------------===//
// Decoders
//===----------------------------------------------------------------------===//

namespace {
struct Form {
  std::string_view op;
  Type type;
  Handler run;
};
} // namespace

#define BITS(OP, FUNCTOR)                                                      \
  {OP, Type::B32, runAtomic<uint32_t, FUNCTOR>}, {                             \
    OP, Type::B64, runAtomic<uint64_t, FUNCTOR>                                \
  }
#define NUMBERS(OP, FUNCTOR)                                                   \
  {OP, Type::U32, runAtomic<uint32_t, FUNCTOR>},                               \
      {OP, Type::U64, runAtomic<uint64_t, FUNCTOR>},                           \
      {OP, Type::S32, runAtomic<int32_t, FUNCTOR>}, {                          \
    OP, Type::S64, runAtomic<int64_t, FUNCTOR>                                 \
  }

static constexpr Form kForms[] = {
    BITS("and", And),
    BITS("or", Or),
    BITS("xor", Xor),
    BITS("exch", Exchange),
    BITS("cas", CompareSwap),
    {"cas", Type::B16, runAtomic<uint16_t, CompareSwap>},
    {"add", Type::U32, runAtomic<uint32_t, Add>},
    {"add", Type::S32, runAtomic<uint32_t, Add>},
    {"add", Type::U64, runAtomic<uint64_t, Add>},
    {"add", Type::S64, runAtomic<uint64_t, Add>},
    {"add", Type::F32, runAtomic<uint32_t, AddFloat<true>, AddFloat<false>>},
    {"add", Type::F64, runAtomic<uint64_t, AddFloat<false>>},
    {"inc", Type::U32, runAtomic<uint32_t, Increment>},
    {"dec", Type::U32, runAtomic<uint32_t, Decrement>},
    NUMBERS("min", Min),
    NUMBERS("max", Max),
    {"add", Type::F16, runAtomic<uint16_t, AddHalf>},
    {"add", Type::BF16, runAtomic<uint16_t, AddBfloat16>},
    {"add", Type::F16x2, runAtomic<uint32_t, AddHalf2>},
    {"add", Type::BF16x2, runAtomic<uint32_t, AddBfloat16x2>},
};

/// The operation and its type; `op` and `type` say what was asked for.
static Handler takeForm(Decoder &decoder, Type &type) {
  for (const Form &form : kForms) {
    const Instruction &instruction = decoder.get();
    if (!instruction.has(form.op) || !instruction.has(getName(form.type)))
      continue;
    decoder.take(form.op);
    decoder.take(getName(form.type));
    type = form.type;
    return form.run;
  }
  return nullptr;
}

static bool decodeAtomic(Decoder &decoder, bool hasResult) {
  auto &data = decoder.setData<AtomicData>();
  Inst &inst = decoder.inst();
  inst.kind = Class::Atomic;
  data.hasResult = hasResult;
  for (std::string_view word :
       {"relaxed", "acquire", "release", "acq_rel", "noftz"})
    decoder.take(word);
  takeScope(decoder);
  data.space = takeSpace(decoder);
  takeCacheHints(decoder);
  Type type = Type::None;
  inst.run = takeForm(decoder, type);
  if (!inst.run)
    return decoder.fail("is not an operation and a type that are supported");
  const std::vector<Operand> &operands = decoder.get().operands;
  size_t address = hasResult ? 1 : 0;
  size_t count = address + (decoder.get().has("cas") ? 3 : 2);
  if (operands.size() != count && operands.size() != count + 1)
    return decoder.expectOperands(count);
  std::optional<AddressOperand> place = decoder.address(operands[address]);
  if (!place)
    return false;
  data.is32 = place->is32;
  inst.op[0] = place->base;
  inst.imm = place->offset;
  if (place->is32 && data.space != Space::Shared)
    return decoder.fail("expected an address of 64 bits");
  auto read = [&](size_t from, unsigned to, bool isResult) {
    std::optional<uint32_t> slot =
        isResult ? decoder.destination(operands[from], type)
                 : decoder.source(operands[from], type);
    if (slot)
      inst.op[to] = *slot;
    return slot.has_value();
  };
  if (hasResult && !read(0, 1, true))
    return false;
  if (!read(address + 1, 2, false))
    return false;
  data.hasThird = decoder.get().has("cas");
  return !data.hasThird || read(address + 2, 3, false);
}

static bool decodeAtom(Decoder &decoder) {
  return decodeAtomic(decoder, /*hasResult=*/true);
}
static bool decodeRed(Decoder &decoder) {
  return decodeAtomic(decoder, /*hasResult=*/false);
}

const OpcodeEntry sparsedrop::ptx::kAtomicOpcodes[] = {
    {"atom", decodeAtom},
    {"red", decodeRed},
    {"", nullptr},
};
