//===- Addresses.cpp - Conversions of addresses ---------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "Lanes.h"
#include "Machine.h"

using namespace sparsedrop::ptx;

/// The space that a modifier names, and the window of generic addresses that it
/// has.
static std::optional<uint64_t> takeWindow(Decoder &decoder) {
  if (decoder.take("shared") || decoder.take("shared::cta") ||
      decoder.take("shared::cluster"))
    return kSharedWindow;
  if (decoder.take("local"))
    return kLocalWindow;
  if (decoder.take("param") || decoder.take("param::entry"))
    return kParamWindow;
  if (decoder.take("global") || decoder.take("const"))
    return 0;
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// cvta, isspacep (ISA 9.7.9.20, 9.7.9.19)
//===----------------------------------------------------------------------===//

template <typename T, bool ToSpace>
static Flow runCvta(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<T>(inst.op[0]);
  const auto *from = warp.lanes<T>(inst.op[1]);
  uint64_t window = inst.imm;
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = ToSpace ? from[lane] & ~window : from[lane] | window;
  });
  return Flow::Next;
}

static bool decodeCvta(Decoder &decoder) {
  bool toSpace = decoder.take("to");
  std::optional<uint64_t> window = takeWindow(decoder);
  decoder.inst().kind = Class::Move;
  if (!window)
    return decoder.fail("expected a state space");
  if (!decoder.take("u64"))
    return decoder.fail("expected the type .u64: addresses have 64 bits");
  decoder.inst().imm = *window;
  decoder.inst().run =
      toSpace ? runCvta<uint64_t, true> : runCvta<uint64_t, false>;
  return decoder.expectOperands(2) && decoder.readDestination(0, Type::U64) &&
         decoder.readSource(1, Type::U64);
}

namespace {
enum class Kind { Window, SharedCta, Const, Global };
} // namespace

static bool isInside(Warp &warp, Kind kind, uint64_t window, uint64_t address) {
  uint64_t of = address & kWindowMask;
  if (kind == Kind::Window)
    return of == window;
  if (kind == Kind::SharedCta)
    return of == kSharedWindow &&
           (address & ~kWindowMask) >> kClusterRankShift ==
               warp.getBlock().getRank();
  if (of != 0)
    return false;
  const Allocation *found = warp.getLaunch().getMemory().find(address);
  bool isConstant = found && found->isReadOnly;
  return isConstant == (kind == Kind::Const);
}

template <Kind Which>
static Flow runIsspacep(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint8_t>(inst.op[0]);
  const auto *address = warp.lanes<uint64_t>(inst.op[1]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = isInside(warp, Which, inst.imm, address[lane]);
  });
  return Flow::Next;
}

static bool decodeIsspacep(Decoder &decoder) {
  std::string_view space = decoder.peek();
  Inst &inst = decoder.inst();
  inst.kind = Class::Compare;
  inst.run = space == "global"  ? runIsspacep<Kind::Global>
             : space == "const" ? runIsspacep<Kind::Const>
             : space == "shared" || space == "shared::cta"
                 ? runIsspacep<Kind::SharedCta>
                 : runIsspacep<Kind::Window>;
  std::optional<uint64_t> window = takeWindow(decoder);
  if (!window)
    return decoder.fail("expected a state space");
  inst.imm = *window;
  return decoder.expectOperands(2) && decoder.readDestination(0, Type::Pred) &&
         decoder.readSource(1, Type::U64);
}

//===----------------------------------------------------------------------===//
// mapa, getctarank (ISA 9.7.9.23, 9.7.9.24)
//===----------------------------------------------------------------------===//

template <typename T>
static Flow runMapa(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<T>(inst.op[0]);
  const auto *from = warp.lanes<T>(inst.op[1]);
  const auto *rank = warp.lanes<uint32_t>(inst.op[2]);
  constexpr uint64_t kRanks = uint64_t(0xFF) << kClusterRankShift;
  uint32_t count = warp.getCluster().getBlocks().size();
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    if (rank[lane] >= count)
      return warp.report(inst, lane, Check::Fault,
                         "maps an address to block " +
                             std::to_string(rank[lane]) + " of a cluster of " +
                             std::to_string(count));
    uint64_t address = from[lane];
    to[lane] = (address & ~kRanks) | uint64_t(rank[lane]) << kClusterRankShift;
  }
  return Flow::Next;
}

template <typename T>
static Flow runGetctarank(Warp &warp, const Inst &inst, LaneMask mask) {
  auto *to = warp.lanes<uint32_t>(inst.op[0]);
  const auto *from = warp.lanes<T>(inst.op[1]);
  forEachLane(mask, [&](unsigned lane) {
    to[lane] = uint64_t(from[lane]) >> kClusterRankShift & 0xFF;
  });
  return Flow::Next;
}

/// The type of the address that both instructions take.
static Type takeAddressType(Decoder &decoder) {
  decoder.take("shared::cluster");
  decoder.inst().kind = Class::Move;
  if (decoder.take("u32"))
    return Type::U32;
  return decoder.take("u64") ? Type::U64 : Type::None;
}

static bool decodeMapa(Decoder &decoder) {
  if (!decoder.requireArch(90))
    return false;
  Type type = takeAddressType(decoder);
  if (type == Type::None)
    return decoder.fail("expected the type .u32 or .u64");
  decoder.inst().run =
      type == Type::U32 ? runMapa<uint32_t> : runMapa<uint64_t>;
  return decoder.expectOperands(3) && decoder.readDestination(0, type) &&
         decoder.readSource(1, type) && decoder.readSource(2, Type::U32);
}

static bool decodeGetctarank(Decoder &decoder) {
  if (!decoder.requireArch(90))
    return false;
  Type type = takeAddressType(decoder);
  if (type == Type::None)
    return decoder.fail("expected the type .u32 or .u64");
  decoder.inst().run =
      type == Type::U32 ? runGetctarank<uint32_t> : runGetctarank<uint64_t>;
  return decoder.expectOperands(2) && decoder.readDestination(0, Type::U32) &&
         decoder.readSource(1, type);
}

const OpcodeEntry sparsedrop::ptx::kAddressOpcodes[] = {
    {"cvta", decodeCvta}, {"isspacep", decodeIsspacep},
    {"mapa", decodeMapa}, {"getctarank", decodeGetctarank},
    {"", nullptr},
};
