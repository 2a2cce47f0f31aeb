//===- Carry.cpp - Arithmetic with a carry --------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Carry.h"

#include "Decoder.h"
#include "Lanes.h"
#include "Machine.h"

using namespace sparsedrop::ptx;

namespace {
/// What a carrying instruction does with the flag, in Inst::flags.
enum : uint8_t { ReadsCarry = 1, WritesCarry = 2 };
/// And with its operands.
enum class Kind { Add, Subtract, MadLow, MadHigh };
} // namespace

/// The product's half that is added: all of it for add and sub.
template <typename T, Kind What> static T multiply(T a, T b) {
  using W = std::conditional_t<
      sizeof(T) == 4,
      std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
      std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>;
  W product = W(a) * W(b);
  return T(What == Kind::MadHigh ? product >> (8 * sizeof(T)) : product);
}

/// op: result, a, b, c, the flag's slot. CC.CF is 1 after a carry out, and
/// after a borrow (ISA 9.7.2).
template <typename T, Kind What>
static Flow runCarry(Warp &warp, const Inst &inst, LaneMask mask) {
  using U = std::make_unsigned_t<T>;
  auto *to = warp.lanes<T>(inst.op[0]);
  const auto *a = warp.lanes<T>(inst.op[1]);
  const auto *b = warp.lanes<T>(inst.op[2]);
  const auto *c = warp.lanes<T>(inst.op[3]);
  auto *carry = warp.lanes<uint8_t>(inst.op[4]);
  constexpr bool kIsMad = What == Kind::MadLow || What == Kind::MadHigh;
  forEachLane(mask, [&](unsigned lane) {
    U left = kIsMad ? U(multiply<T, What>(a[lane], b[lane])) : U(a[lane]);
    U right = kIsMad ? U(c[lane]) : U(b[lane]), result;
    bool in = (inst.flags & ReadsCarry) && carry[lane], first, second;
    if (What == Kind::Subtract) {
      first = __builtin_sub_overflow(left, right, &result);
      second = __builtin_sub_overflow(result, U(in), &result);
    } else {
      first = __builtin_add_overflow(left, right, &result);
      second = __builtin_add_overflow(result, U(in), &result);
    }
    to[lane] = T(result);
    if (inst.flags & WritesCarry)
      carry[lane] = first || second;
  });
  return Flow::Next;
}

template <Kind What> static Handler pick(Type type) {
  switch (type) {
  case Type::U32:
  case Type::B32:
    return runCarry<uint32_t, What>;
  case Type::S32:
    return runCarry<int32_t, What>;
  case Type::U64:
  case Type::B64:
    return runCarry<uint64_t, What>;
  case Type::S64:
    return runCarry<int64_t, What>;
  default:
    return nullptr;
  }
}

bool sparsedrop::ptx::decodeCarry(Decoder &decoder) {
  Inst &inst = decoder.inst();
  std::string_view opcode = decoder.get().opcode;
  bool isMad = opcode.substr(0, 3) == "mad";
  inst.kind = Class::Integer;
  if (opcode.back() == 'c')
    inst.flags |= ReadsCarry;
  if (decoder.take("cc"))
    inst.flags |= WritesCarry;
  bool isHigh = isMad && decoder.take("hi");
  if (isMad && !isHigh && !decoder.take("lo"))
    return decoder.fail("expected .lo or .hi");
  Type type = decoder.takeType();
  inst.run = isHigh                         ? pick<Kind::MadHigh>(type)
             : isMad                        ? pick<Kind::MadLow>(type)
             : opcode.substr(0, 3) == "sub" ? pick<Kind::Subtract>(type)
                                            : pick<Kind::Add>(type);
  if (!inst.run)
    return decoder.fail("has no form of this type that is supported");
  inst.op[4] = decoder.carry();
  return decoder.expectOperands(isMad ? 4 : 3) &&
         decoder.readDestination(0, type) && decoder.readSource(1, type) &&
         decoder.readSource(2, type) && (!isMad || decoder.readSource(3, type));
}
