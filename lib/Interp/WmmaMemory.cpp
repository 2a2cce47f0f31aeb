//===- WmmaMemory.cpp - wmma.load, wmma.store
//------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A warp reads or writes a matrix line by line (ISA 9.7.14.4.3-4); lane i
// stands for the i-th line.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "MemoryAccess.h"
#include "Wmma.h"

#include <algorithm>

using namespace sparsedrop::ptx;

namespace {

struct WmmaTransfer : InstData {
  WmmaMatrix matrix;
  Space space = Space::Generic;
  bool is32 = false;     ///< the address
  bool isColumn = false; ///< column-major in memory
  uint32_t stride = 0;   ///< slot, in elements
  std::vector<uint32_t> slots;

  unsigned getNumLines() const {
    return isColumn ? matrix.columns : matrix.rows;
  }
  unsigned getLineBytes() const { return matrix.getBytes() / getNumLines(); }
};

uint64_t getBase(Warp &warp, const Inst &inst, bool is32, unsigned lane) {
  return is32 ? getAddress<true>(warp, inst, lane)
              : getAddress<false>(warp, inst, lane);
}

/// All lanes must give the same address and stride.
Flow checkUniform(Warp &warp, const Inst &inst, const WmmaTransfer &data) {
  const auto *stride = warp.lanes<uint32_t>(data.stride);
  for (unsigned lane = 1; lane < kNumLanes; ++lane)
    if (stride[lane] != stride[0] || getBase(warp, inst, data.is32, lane) !=
                                         getBase(warp, inst, data.is32, 0))
      return warp.report(inst, lane, Check::Divergence,
                         "the address or the stride is not the same in all "
                         "lanes");
  return Flow::Next;
}

/// Rows become columns; `rows` counts those of `from`.
template <typename T>
void transpose(const uint8_t *from, uint8_t *to, unsigned rows,
               unsigned columns) {
  for (unsigned row = 0; row < rows; ++row)
    for (unsigned column = 0; column < columns; ++column)
      std::memcpy(to + (column * rows + row) * sizeof(T),
                  from + (row * columns + column) * sizeof(T), sizeof(T));
}

void transposeBits(unsigned bits, const uint8_t *from, uint8_t *to,
                   unsigned rows, unsigned columns) {
  auto *run = bits == 8    ? transpose<uint8_t>
              : bits == 16 ? transpose<uint16_t>
              : bits == 32 ? transpose<uint32_t>
                           : transpose<uint64_t>;
  run(from, to, rows, columns);
}

/// Adds the bytes to the statistics.
void countBytes(Warp &warp, const Inst &inst, const WmmaTransfer &data,
                bool isWrite) {
  uint64_t window = getBase(warp, inst, data.is32, 0) & kWindowMask;
  bool isShared = data.space == Space::Shared ||
                  (data.space == Space::Generic && window == kSharedWindow);
  Statistics &statistics = getStatistics(warp);
  uint64_t &bytes = isShared ? (isWrite ? statistics.sharedWriteBytes
                                        : statistics.sharedReadBytes)
                             : (isWrite ? statistics.globalWriteBytes
                                        : statistics.globalReadBytes);
  bytes += data.matrix.getBytes();
}

/// The bytes of each line; false if the launch has ended.
template <typename Visitor>
bool forEachLine(Warp &warp, const Inst &inst, Access kind, Visitor visit) {
  const auto &data = inst.getData<WmmaTransfer>();
  if (collectsStatistics(warp))
    countBytes(warp, inst, data, kind == Access::Write);
  uint64_t base = getBase(warp, inst, data.is32, 0);
  int64_t pitch = int64_t(warp.lanes<int32_t>(data.stride)[0]) *
                  int64_t(data.matrix.bits) / 8;
  // Lines are aligned to a lane's fragment; no unit of memory is wider than 16
  // bytes, and CUDA's own rule for strides is 16 bytes too.
  uint32_t align =
      std::min(16u, data.matrix.numRegisters * getSize(data.matrix.type));
  for (unsigned line = 0; line < data.getNumLines(); ++line) {
    uint64_t address = base + line * pitch;
    if (data.is32)
      address = static_cast<uint32_t>(address);
    uint8_t *bytes = warp.access(inst, line, data.space, address,
                                 data.getLineBytes(), kind, align);
    if (!bytes)
      return false;
    visit(bytes, line * data.getLineBytes());
  }
  return true;
}

Flow runWmmaLoad(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.converge(inst, mask, kAllLanes, flow))
    return flow;
  const auto &data = inst.getData<WmmaTransfer>();
  flow = checkUniform(warp, inst, data);
  uint8_t lines[WmmaMatrix::kMostBytes], rows[WmmaMatrix::kMostBytes];
  auto copy = [&](const uint8_t *bytes, unsigned offset) {
    std::memcpy(lines + offset, bytes, data.getLineBytes());
  };
  if (flow == Flow::Stop || !forEachLine(warp, inst, Access::Read, copy))
    return Flow::Stop;
  const WmmaMatrix &matrix = data.matrix;
  if (data.isColumn)
    transposeBits(matrix.bits, lines, rows, matrix.columns, matrix.rows);
  unpackFragment(warp, data.slots, matrix, data.isColumn ? rows : lines);
  return Flow::Next;
}

Flow runWmmaStore(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.converge(inst, mask, kAllLanes, flow))
    return flow;
  const auto &data = inst.getData<WmmaTransfer>();
  const WmmaMatrix &matrix = data.matrix;
  flow = checkUniform(warp, inst, data);
  uint8_t lines[WmmaMatrix::kMostBytes], rows[WmmaMatrix::kMostBytes];
  packFragment(warp, data.slots, matrix, data.isColumn ? rows : lines);
  if (data.isColumn)
    transposeBits(matrix.bits, rows, lines, matrix.rows, matrix.columns);
  auto copy = [&](uint8_t *bytes, unsigned offset) {
    std::memcpy(bytes, lines + offset, data.getLineBytes());
  };
  warp.noteEffect();
  if (flow == Flow::Stop || !forEachLine(warp, inst, Access::Write, copy))
    return Flow::Stop;
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

/// name.sync.aligned.layout.shape{.space}.type, then the address and the
/// stride, which is the length of a line where it is not given.
bool readTransfer(Decoder &decoder, size_t address, WmmaTransfer &data) {
  std::string_view name = decoder.takeAny();
  if (!decoder.take("sync") || !decoder.take("aligned"))
    return decoder.fail("needs .sync.aligned");
  data.isColumn = decoder.take("col");
  if (!data.isColumn && !decoder.take("row"))
    return decoder.fail("needs the layout .row or .col");
  data.space = takeSpace(decoder);
  MatrixShape shape;
  if (!parseShape(decoder.takeAny(), shape))
    return decoder.fail("needs a shape such as .m16n16k16");
  char letter = name == "d" ? 'c' : name.empty() ? ' ' : name[0];
  if (name.size() != 1 || letter < 'a' || letter > 'c' ||
      !getWmmaMatrix(letter, shape, decoder.takeAny(), data.matrix))
    return decoder.fail("has a type that is not supported for its shape");
  const std::vector<Operand> &operands = decoder.get().operands;
  if (operands.size() != 2 && operands.size() != 3)
    return decoder.expectOperands(3);
  std::optional<AddressOperand> base = decoder.address(operands[address]);
  if (!base)
    return false;
  decoder.inst().op[0] = base->base;
  decoder.inst().imm = base->offset;
  data.is32 = base->is32;
  unsigned length = data.isColumn ? data.matrix.rows : data.matrix.columns;
  std::optional<uint32_t> stride = operands.size() == 3
                                       ? decoder.source(operands[2], Type::B32)
                                       : decoder.constant(4, length);
  data.stride = stride.value_or(0);
  return stride.has_value();
}

} // namespace

bool sparsedrop::ptx::decodeWmmaLoad(Decoder &decoder) {
  auto &data = decoder.setData<WmmaTransfer>();
  decoder.inst().kind = Class::Load;
  decoder.inst().run = runWmmaLoad;
  decoder.take("load");
  return decoder.requireArch(70) && readTransfer(decoder, 1, data) &&
         readFragment(decoder, 0, data.matrix.numRegisters, data.matrix.type,
                      /*isWrite=*/true, data.slots);
}

bool sparsedrop::ptx::decodeWmmaStore(Decoder &decoder) {
  auto &data = decoder.setData<WmmaTransfer>();
  decoder.inst().kind = Class::Store;
  decoder.inst().run = runWmmaStore;
  decoder.take("store");
  if (decoder.peek() != "d")
    return decoder.fail("stores another matrix than d");
  return decoder.requireArch(70) && readTransfer(decoder, 0, data) &&
         readFragment(decoder, 1, data.matrix.numRegisters, data.matrix.type,
                      /*isWrite=*/false, data.slots);
}
