//===- LoadMatrix.cpp - ldmatrix, stmatrix, movmatrix
//----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Core matrices between registers and shared memory (ISA 9.7.14.5.15-17): lane
// 8i + r has the address of row r of the i-th. See MatrixElements.h for how a
// register holds one.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "MemoryAccess.h"
#include "Mma.h"

using namespace sparsedrop::ptx;

namespace {

constexpr unsigned kRows = 8, kRowBytes = 16;

struct MatrixSlots : InstData {
  std::vector<uint32_t> slots;
};

/// Swaps rows and columns of 8x8 elements of 16 bits.
void transpose(const uint8_t *from, uint8_t *to) {
  uint16_t in[64], out[64];
  std::memcpy(in, from, sizeof(in));
  for (unsigned row = 0; row < 8; ++row)
    for (unsigned column = 0; column < 8; ++column)
      out[8 * column + row] = in[8 * row + column];
  std::memcpy(to, out, sizeof(out));
}

/// Without a state space the address is generic, and must lead to shared
/// memory.
Space getSpace(const Inst &inst) {
  return inst.flags ? Space::Generic : Space::Shared;
}

/// The bytes of the row at a lane's address; null if the launch has ended.
template <bool Is32>
uint8_t *accessRow(Warp &warp, const Inst &inst, unsigned lane, Access kind) {
  uint64_t address = getAddress<Is32>(warp, inst, lane);
  Space space = getSpace(inst);
  if (space == Space::Generic && (address & kWindowMask) != kSharedWindow) {
    warp.report(inst, lane, Check::Fault,
                "the generic address does not lead to shared memory");
    return nullptr;
  }
  return warp.access(inst, lane, space, address, kRowBytes, kind, kRowBytes);
}

/// The lanes whose addresses are used.
LaneMask getAddressLanes(size_t matrices) {
  return matrices >= 4 ? kAllLanes : (LaneMask(1) << kRows * matrices) - 1;
}

template <bool Is32, bool Transposed>
Flow runLoadMatrix(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.converge(inst, mask, kAllLanes, flow))
    return flow;
  const auto &slots = inst.getData<MatrixSlots>().slots;
  if (collectsStatistics(warp))
    countAccess(warp, inst, getAddressLanes(slots.size()), getSpace(inst), Is32,
                kRowBytes, false);
  // A destination may be the address.
  uint8_t cores[4][kRows * kRowBytes];
  for (unsigned lane = 0; lane < kRows * slots.size(); ++lane) {
    const uint8_t *row = accessRow<Is32>(warp, inst, lane, Access::Read);
    if (!row)
      return Flow::Stop;
    std::memcpy(cores[lane / kRows] + lane % kRows * kRowBytes, row, kRowBytes);
  }
  for (unsigned i = 0; i < slots.size(); ++i) {
    uint8_t *to = warp.lanes<uint8_t>(slots[i]);
    if (Transposed)
      transpose(cores[i], to);
    else
      std::memcpy(to, cores[i], sizeof(cores[i]));
  }
  return Flow::Next;
}

template <bool Is32, bool Transposed>
Flow runStoreMatrix(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.converge(inst, mask, kAllLanes, flow))
    return flow;
  const auto &slots = inst.getData<MatrixSlots>().slots;
  if (collectsStatistics(warp))
    countAccess(warp, inst, getAddressLanes(slots.size()), getSpace(inst), Is32,
                kRowBytes, true);
  warp.noteEffect();
  for (unsigned i = 0; i < slots.size(); ++i) {
    uint8_t core[kRows * kRowBytes];
    const uint8_t *from = warp.lanes<uint8_t>(slots[i]);
    if (Transposed)
      transpose(from, core);
    else
      std::memcpy(core, from, sizeof(core));
    for (unsigned row = 0; row < kRows; ++row) {
      unsigned lane = i * kRows + row;
      uint8_t *to = accessRow<Is32>(warp, inst, lane, Access::Write);
      if (!to)
        return Flow::Stop;
      std::memcpy(to, core + row * kRowBytes, kRowBytes);
    }
  }
  return Flow::Next;
}

Flow runMoveMatrix(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.converge(inst, mask, kAllLanes, flow))
    return flow;
  transpose(warp.lanes<uint8_t>(inst.op[1]), warp.lanes<uint8_t>(inst.op[0]));
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

/// Modifiers of ldmatrix and stmatrix, in any order; the number of matrices and
/// whether they are transposed.
bool readModifiers(Decoder &decoder, size_t &count, bool &isTransposed) {
  if (!decoder.take("sync") || !decoder.take("aligned"))
    return decoder.fail("needs .sync.aligned");
  for (std::string_view form :
       {"m16n16", "m8n16", "m16n8", "b8", "b8x16.b6x16_p32", "b8x16.b4x16_p64"})
    if (decoder.take(form))
      return decoder.fail("has the modifier ." + std::string(form) +
                          ", which needs the target sm_100a");
  if (!decoder.take("m8n8"))
    return decoder.fail("needs the shape .m8n8");
  count = decoder.take("x1") ? 1 : decoder.take("x2") ? 2 : 4;
  if (count == 4 && !decoder.take("x4"))
    return decoder.fail("needs .x1, .x2 or .x4");
  isTransposed = decoder.take("trans");
  Space space = takeSpace(decoder);
  if ((space != Space::Generic && space != Space::Shared) ||
      decoder.get().has("shared::cluster"))
    return decoder.fail("needs the state space .shared");
  decoder.inst().flags = space == Space::Generic;
  return decoder.take("b16") || decoder.fail("needs the type .b16");
}

bool readAddress(Decoder &decoder, const Operand &operand, bool &is32) {
  std::optional<AddressOperand> address = decoder.address(operand);
  if (!address)
    return false;
  decoder.inst().op[0] = address->base;
  decoder.inst().imm = address->offset;
  is32 = address->is32;
  return true;
}

} // namespace

bool sparsedrop::ptx::decodeLoadMatrix(Decoder &decoder) {
  decoder.inst().kind = Class::Load;
  size_t count;
  bool isTransposed, is32;
  auto &data = decoder.setData<MatrixSlots>();
  if (!decoder.requireArch(75) ||
      !readModifiers(decoder, count, isTransposed) ||
      !decoder.expectOperands(2) ||
      !readFragment(decoder, 0, count, Type::B32, true, data.slots) ||
      !readAddress(decoder, decoder.get().operands[1], is32))
    return false;
  constexpr Handler kHandlers[2][2] = {
      {runLoadMatrix<false, false>, runLoadMatrix<false, true>},
      {runLoadMatrix<true, false>, runLoadMatrix<true, true>}};
  decoder.inst().run = kHandlers[is32][isTransposed];
  return true;
}

bool sparsedrop::ptx::decodeStoreMatrix(Decoder &decoder) {
  decoder.inst().kind = Class::Store;
  size_t count;
  bool isTransposed, is32;
  auto &data = decoder.setData<MatrixSlots>();
  if (!decoder.requireArch(90) ||
      !readModifiers(decoder, count, isTransposed) ||
      !decoder.expectOperands(2) ||
      !readAddress(decoder, decoder.get().operands[0], is32) ||
      !readFragment(decoder, 1, count, Type::B32, false, data.slots))
    return false;
  constexpr Handler kHandlers[2][2] = {
      {runStoreMatrix<false, false>, runStoreMatrix<false, true>},
      {runStoreMatrix<true, false>, runStoreMatrix<true, true>}};
  decoder.inst().run = kHandlers[is32][isTransposed];
  return true;
}

/// movmatrix.sync.aligned.m8n8.trans.b16 d, a
bool sparsedrop::ptx::decodeMoveMatrix(Decoder &decoder) {
  decoder.inst().kind = Class::Warp;
  for (std::string_view word : {"sync", "aligned", "m8n8", "trans", "b16"})
    if (!decoder.take(word))
      return decoder.fail("needs the modifier ." + std::string(word));
  decoder.inst().run = runMoveMatrix;
  return decoder.requireArch(75) && decoder.expectOperands(2) &&
         decoder.readDestination(0, Type::B32) &&
         decoder.readSource(1, Type::B32);
}
