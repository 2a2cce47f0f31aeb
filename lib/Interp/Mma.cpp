//===- Mma.cpp - mma.sync
//--------------------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Products of a warp's fragments (ISA 9.7.14.5). Register i of A is the core
// matrix of rows 8 (i % (m / 8)) and of the (i / (m / 8))-th 16 bytes of k;
// register i of B has the i-th 16 bytes of k of 8 columns. Blocks of C and D
// follow each other as those of A do. MatrixCompute.h says how sums are
// rounded.
//
//===----------------------------------------------------------------------===//

#include "Mma.h"

#include "Decoder.h"
#include "Machine.h"
#include "MatrixCompute.h"

#include <algorithm>

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Handler
//===----------------------------------------------------------------------===//

namespace {

/// Data of an mma whose numbers are T.
template <typename T> struct MmaOf : MmaData {
  CoreReader<T> readA = nullptr, readB = nullptr;
};

constexpr unsigned kMostM = 16, kMostN = 8, kMostK = 128;

template <typename T>
void readOperands(Warp &warp, const MmaOf<T> &data, T *a, T *b) {
  const MatrixShape &shape = data.shape;
  unsigned columns = getCoreColumns(data.a), blocks = shape.m / 8;
  unsigned k = data.getStoredK();
  for (unsigned i = 0; i < data.slotsA.size(); ++i)
    data.readA(warp.lanes<uint8_t>(data.slotsA[i]),
               a + i % blocks * 8 * k + i / blocks * columns, k);
  for (unsigned i = 0; i < data.slotsB.size(); ++i)
    data.readB(warp.lanes<uint8_t>(data.slotsB[i]), b + i * columns * shape.n,
               shape.n);
}

/// The registers of an 8x8 block of accumulators.
struct Block {
  uint8_t *registers[2];
  Block(Warp &warp, const std::vector<uint32_t> &slots, Accumulator kind,
        unsigned block) {
    unsigned count = getBlockRegisters(kind);
    for (unsigned i = 0; i < count; ++i)
      registers[i] = warp.lanes<uint8_t>(slots[block * count + i]);
  }
};

template <typename T> void readSums(Warp &warp, const MmaData &data, T *sums) {
  for (unsigned i = 0; i < data.shape.m / 8; ++i)
    readAccumulators<T>(data.c, Block(warp, data.slotsC, data.c, i).registers,
                        sums + 8 * i * data.shape.n, data.shape.n);
}

template <typename T> Flow runMma(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.converge(inst, mask, kAllLanes, flow))
    return flow;
  const auto &data = inst.getData<MmaOf<T>>();
  const MatrixShape &shape = data.shape;
  alignas(64) T a[kMostM * kMostK], b[kMostK * kMostN], sums[kMostM * kMostN];
  readOperands(warp, data, a, b);
  if constexpr (!std::is_same_v<T, double>)
    if (data.isSparse)
      flow = expandSparse(warp, inst, data.sparse, data.metadata, a);
  if (flow != Flow::Next)
    return flow;
  readSums(warp, data, sums);
  if (std::is_same_v<T, int32_t>) {
    alignas(64) T products[kMostM * kMostN] = {};
    multiplyAdd(products, a, b, shape.m, shape.n, shape.k);
    addIntegers(reinterpret_cast<int32_t *>(sums),
                reinterpret_cast<int32_t *>(products), shape.m * shape.n,
                data.isSaturating);
  } else {
    multiplyAdd(sums, a, b, shape.m, shape.n, shape.k);
  }
  for (unsigned i = 0; i < shape.m / 8; ++i)
    writeAccumulators<T>(data.d, Block(warp, data.slotsD, data.d, i).registers,
                         sums + 8 * i * shape.n, shape.n);
  countMultiplyAdds(warp, uint64_t(shape.m) * shape.n * shape.k);
  return Flow::Next;
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

/// Which multiplicands a row of the table is for.
enum class Family : uint8_t { F16, BF16, TF32, Float8, F64, Byte, Nibble };

Family getFamily(Element element) {
  switch (element) {
  case Element::F16:
    return Family::F16;
  case Element::BF16:
    return Family::BF16;
  case Element::TF32:
    return Family::TF32;
  case Element::E4M3:
  case Element::E5M2:
    return Family::Float8;
  case Element::F64:
    return Family::F64;
  case Element::S8:
  case Element::U8:
    return Family::Byte;
  case Element::S4:
  case Element::U4:
    return Family::Nibble;
  }
  return Family::F16;
}

/// What mma has (ISA 9.7.14.5.14), and from which target on.
struct ShapeEntry {
  Family family;
  MatrixShape shape;
  unsigned arch;
  bool isSparse = false;
};
constexpr ShapeEntry kShapes[] = {
    {Family::F16, {16, 8, 8}, 75},
    {Family::F16, {16, 8, 16}, 80},
    {Family::BF16, {16, 8, 8}, 80},
    {Family::BF16, {16, 8, 16}, 80},
    {Family::TF32, {16, 8, 4}, 80},
    {Family::TF32, {16, 8, 8}, 80},
    {Family::Float8, {16, 8, 16}, 89},
    {Family::Float8, {16, 8, 32}, 89},
    {Family::F64, {8, 8, 4}, 80},
    {Family::F64, {16, 8, 4}, 90},
    {Family::F64, {16, 8, 8}, 90},
    {Family::F64, {16, 8, 16}, 90},
    {Family::Byte, {8, 8, 16}, 75},
    {Family::Byte, {16, 8, 16}, 80},
    {Family::Byte, {16, 8, 32}, 80},
    {Family::Nibble, {8, 8, 32}, 75},
    {Family::Nibble, {16, 8, 32}, 80},
    {Family::Nibble, {16, 8, 64}, 80},
    {Family::F16, {16, 8, 16}, 80, true},
    {Family::F16, {16, 8, 32}, 80, true},
    {Family::BF16, {16, 8, 16}, 80, true},
    {Family::BF16, {16, 8, 32}, 80, true},
    {Family::TF32, {16, 8, 8}, 80, true},
    {Family::TF32, {16, 8, 16}, 80, true},
    {Family::Float8, {16, 8, 64}, 89, true},
    {Family::Byte, {16, 8, 32}, 80, true},
    {Family::Byte, {16, 8, 64}, 80, true},
    {Family::Nibble, {16, 8, 64}, 80, true},
    {Family::Nibble, {16, 8, 128}, 80, true},
};

/// Whether a type of accumulators goes with the multiplicands.
bool accumulates(Accumulator kind, Family family) {
  switch (family) {
  case Family::F16:
  case Family::Float8:
    return kind == Accumulator::F16 || kind == Accumulator::F32;
  case Family::BF16:
  case Family::TF32:
    return kind == Accumulator::F32;
  case Family::F64:
    return kind == Accumulator::F64;
  case Family::Byte:
  case Family::Nibble:
    return kind == Accumulator::S32;
  }
  return false;
}

} // namespace

bool sparsedrop::ptx::parseShape(std::string_view word, MatrixShape &shape) {
  unsigned *parts[] = {&shape.m, &shape.n, &shape.k};
  const char letters[] = "mnk";
  for (unsigned i = 0; i < 3; ++i) {
    if (word.empty() || word[0] != letters[i])
      return false;
    word.remove_prefix(1);
    size_t digits = 0;
    for (*parts[i] = 0; digits < word.size() && digits < 4; ++digits) {
      if (word[digits] < '0' || word[digits] > '9')
        break;
      *parts[i] = *parts[i] * 10 + (word[digits] - '0');
    }
    if (!digits)
      return false;
    word.remove_prefix(digits);
  }
  return word.empty();
}

Type sparsedrop::ptx::getRegisterType(Accumulator kind) {
  switch (kind) {
  case Accumulator::F16:
    return Type::B32; // two in a register
  case Accumulator::F32:
    return Type::F32;
  case Accumulator::S32:
    return Type::S32;
  case Accumulator::F64:
    return Type::F64;
  }
  return Type::B32;
}

bool sparsedrop::ptx::readFragment(Decoder &decoder, size_t operand,
                                   size_t count, Type type, bool isWrite,
                                   std::vector<uint32_t> &slots) {
  const std::vector<Operand> &operands = decoder.get().operands;
  if (operand >= operands.size())
    return decoder.expectOperands(operand + 1);
  bool isRead = isWrite ? decoder.destinations(operands[operand], type, slots)
                        : decoder.sources(operands[operand], type, slots);
  if (!isRead)
    return false;
  if (slots.size() == count)
    return true;
  return decoder.fail("expected " + std::to_string(count) +
                      " registers in operand " + std::to_string(operand + 1) +
                      ", but got " + std::to_string(slots.size()));
}

//===----------------------------------------------------------------------===//
// Sparse matrices
//===----------------------------------------------------------------------===//

bool sparsedrop::ptx::readSparse(Decoder &decoder, size_t operand,
                                 SparseForm &form, uint32_t &metadata) {
  const std::vector<Operand> &operands = decoder.get().operands;
  std::optional<uint32_t> slot = decoder.source(operands[operand], Type::B32);
  if (!slot)
    return false;
  metadata = *slot;
  std::optional<int64_t> selector = decoder.immediate(operands[operand + 1]);
  if (!selector)
    return false;
  unsigned count = form.getNumSelectors();
  if (*selector < 0 || *selector >= count)
    return decoder.fail("has the sparsity selector " +
                        std::to_string(*selector) + ", but must have one of " +
                        std::to_string(count) + ", from 0");
  form.selector = static_cast<unsigned>(*selector);
  return true;
}

template <typename T>
Flow sparsedrop::ptx::expandSparse(Warp &warp, const Inst &inst,
                                   const SparseForm &form, uint32_t metadata,
                                   T *a) {
  alignas(64) T whole[kMostM * kMostK];
  int lane = expandSparse(form, warp.lanes<uint32_t>(metadata), a, whole);
  if (lane >= 0)
    return warp.report(inst, lane, Check::Fault,
                       "the metadata of a sparse matrix choose no elements");
  std::copy(whole, whole + kMostM * form.k, a);
  return Flow::Next;
}

template Flow sparsedrop::ptx::expandSparse<float>(Warp &, const Inst &,
                                                   const SparseForm &, uint32_t,
                                                   float *);
template Flow sparsedrop::ptx::expandSparse<int32_t>(Warp &, const Inst &,
                                                     const SparseForm &,
                                                     uint32_t, int32_t *);

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

/// .dtype.atype.btype.ctype, the last of the modifiers.
static bool readTypes(Decoder &decoder, MmaData &data) {
  std::string_view words[4];
  for (std::string_view &word : words)
    word = decoder.takeAny();
  std::optional<Accumulator> d = parseAccumulator(words[0]),
                             c = parseAccumulator(words[3]);
  std::optional<Element> a = parseElement(words[1]), b = parseElement(words[2]);
  for (std::string_view word : words)
    if (word == "b1")
      return decoder.fail("multiplies single bits, which is not supported");
  if (!d || !a || !b || !c)
    return decoder.fail("has types that are not supported here");
  data.d = *d;
  data.a = *a;
  data.b = *b;
  data.c = *c;
  data.sparse.element = data.a;
  data.sparse.k = data.shape.k;
  Family family = getFamily(data.a);
  bool mixes = isInteger(data.a) || isFloat8(data.a);
  if (family != getFamily(data.b) || (!mixes && data.a != data.b))
    return decoder.fail("multiplies ." + std::string(words[1]) + " by ." +
                        std::string(words[2]) + ", which is not supported");
  bool isQuad = data.shape == MatrixShape{8, 8, 4};
  bool widens = isQuad && data.c == Accumulator::F16;
  if (!accumulates(data.d, family) || !accumulates(data.c, family) ||
      (data.c != data.d && !widens))
    return decoder.fail("adds products of ." + std::string(words[1]) + " to ." +
                        std::string(words[3]) + " for a result of ." +
                        std::string(words[0]) + ", which is not supported");
  return true;
}

template <typename T>
static bool finish(Decoder &decoder, const MmaData &from) {
  auto &data = decoder.setData<MmaOf<T>>();
  static_cast<MmaData &>(data) = from;
  data.readA = getReader<T>(data.a, /*transposed=*/false);
  data.readB = getReader<T>(data.b, /*transposed=*/true);
  unsigned coreK = getCoreColumns(data.a), blocks = data.shape.m / 8;
  Type type = data.a == Element::F64 ? Type::F64 : Type::B32;
  decoder.inst().run = runMma<T>;
  return readFragment(decoder, 0, blocks * getBlockRegisters(data.d),
                      getRegisterType(data.d), true, data.slotsD) &&
         readFragment(decoder, 1, blocks * data.getStoredK() / coreK, type,
                      false, data.slotsA) &&
         readFragment(decoder, 2, data.shape.k / coreK, type, false,
                      data.slotsB) &&
         readFragment(decoder, 3, blocks * getBlockRegisters(data.c),
                      getRegisterType(data.c), false, data.slotsC) &&
         (!data.isSparse || readSparse(decoder, 4, data.sparse, data.metadata));
}

static bool finishFor(Decoder &decoder, const MmaData &data) {
  if (data.a == Element::F64)
    return finish<double>(decoder, data);
  return isInteger(data.a) ? finish<int32_t>(decoder, data)
                           : finish<float>(decoder, data);
}

/// mma{.sp}.sync.aligned.shape.alayout.blayout{.satfinite}.dtype.atype.btype.ctype
bool sparsedrop::ptx::decodeMma(Decoder &decoder) {
  decoder.inst().kind = Class::Matrix;
  MmaData data;
  data.sparse.isOrdered = decoder.take("sp::ordered_metadata");
  data.isSparse = data.sparse.isOrdered || decoder.take("sp");
  if (!decoder.take("sync") || !decoder.take("aligned"))
    return decoder.fail("needs .sync.aligned");
  if (!parseShape(decoder.takeAny(), data.shape))
    return decoder.fail("needs a shape such as .m16n8k16");
  std::string_view layoutA = decoder.takeAny(), layoutB = decoder.takeAny();
  data.isColumnA = layoutA == "col";
  data.isColumnB = layoutB == "col";
  if ((!data.isColumnA && layoutA != "row") ||
      (!data.isColumnB && layoutB != "row"))
    return decoder.fail("needs the layouts .row or .col of both matrices");
  data.isSaturating = decoder.take("satfinite");
  if (!readTypes(decoder, data) ||
      !decoder.expectOperands(data.isSparse ? 6 : 4))
    return false;
  if (data.isSaturating && !isInteger(data.a))
    return decoder.fail("saturates, which only integers do");
  if (data.a == Element::F16 && data.shape == MatrixShape{8, 8, 4} &&
      !data.isSparse)
    return decoder.requireArch(70) && decodeQuadMma(decoder, data);
  if (data.isColumnA || !data.isColumnB)
    return decoder.fail("has layouts other than .row.col");
  for (const ShapeEntry &entry : kShapes)
    if (entry.family == getFamily(data.a) && entry.shape == data.shape &&
        entry.isSparse == data.isSparse)
      return decoder.requireArch(entry.arch) && finishFor(decoder, data);
  return decoder.fail("has a shape that is not supported for its types");
}
