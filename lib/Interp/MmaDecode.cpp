//===- MmaDecode.cpp - Reads mma.sync
//--------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "Mma.h"

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

namespace {

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
  if (data.isSparse && isFloat8(data.a) && data.d == Accumulator::F16)
    return decoder.fail("adds to f16, which is not supported here");
  if (!accumulates(data.d, family) || !accumulates(data.c, family) ||
      (data.c != data.d && !widens))
    return decoder.fail("adds products of ." + std::string(words[1]) + " to ." +
                        std::string(words[3]) + " for a result of ." +
                        std::string(words[0]) + ", which is not supported");
  return true;
}

/// The layouts; only m8n8k4 has others than .row.col.
static bool readLayouts(Decoder &decoder, MmaData &data) {
  std::string_view layoutA = decoder.takeAny(), layoutB = decoder.takeAny();
  data.isColumnA = layoutA == "col";
  data.isColumnB = layoutB == "col";
  if ((data.isColumnA || layoutA == "row") &&
      (data.isColumnB || layoutB == "row"))
    return true;
  return decoder.fail("needs the layouts .row or .col of both matrices");
}

/// mma{.sp}.sync.aligned.shape.alayout.blayout{.satfinite}.types, where types
/// are .dtype.atype.btype.ctype
static bool readForm(Decoder &decoder, MmaData &data) {
  data.sparse.isOrdered = decoder.take("sp::ordered_metadata");
  data.isSparse = data.sparse.isOrdered || decoder.take("sp");
  if (!decoder.take("sync") || !decoder.take("aligned"))
    return decoder.fail("needs .sync.aligned");
  if (!parseShape(decoder.takeAny(), data.shape))
    return decoder.fail("needs a shape such as .m16n8k16");
  if (!readLayouts(decoder, data))
    return false;
  data.isSaturating = decoder.take("satfinite");
  if (!readTypes(decoder, data))
    return false;
  if (data.isSaturating && !isInteger(data.a))
    return decoder.fail("saturates, which only integers do");
  return true;
}

bool sparsedrop::ptx::decodeMma(Decoder &decoder) {
  decoder.inst().kind = Class::Matrix;
  MmaData data;
  if (!readForm(decoder, data) ||
      !decoder.expectOperands(data.isSparse ? 6 : 4))
    return false;
  bool isQuad = data.a == Element::F16 && data.shape == MatrixShape{8, 8, 4};
  if (isQuad && !data.isSparse)
    return decoder.requireArch(70) && finishQuadMma(decoder, data);
  if (data.isColumnA || !data.isColumnB)
    return decoder.fail("has layouts other than .row.col");
  for (const ShapeEntry &entry : kShapes)
    if (entry.family == getFamily(data.a) && entry.shape == data.shape &&
        entry.isSparse == data.isSparse)
      return decoder.requireArch(entry.arch) && finishMma(decoder, data);
  return decoder.fail("has a shape that is not supported for its types");
}
