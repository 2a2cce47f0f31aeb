//===- WgmmaDecode.cpp - Reads wgmma.mma_async ----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WgmmaData.h"
#include "WgmmaGroups.h"

using namespace sparsedrop::ptx;

const OpcodeEntry sparsedrop::ptx::kWarpgroupOpcodes[] = {
    {"wgmma.mma_async", decodeWgmma},
    {"wgmma.fence", decodeWgmmaFence},
    {"wgmma.commit_group", decodeWgmmaCommit},
    {"wgmma.wait_group", decodeWgmmaWait},
    {"setmaxnreg", decodeSetMaxRegisters},
    {{}, nullptr},
};

//===----------------------------------------------------------------------===//
// Modifiers
//===----------------------------------------------------------------------===//

/// Whether 16 bits that can be MN-major.
static bool isTransposable(Element element) {
  return element == Element::F16 || element == Element::BF16;
}

/// Whether the types go together (ISA 9.7.15.5.2).
static bool areTypesRight(const WgmmaData &data) {
  bool mixes = isInteger(data.a) || isFloat8(data.a);
  bool isPair = isInteger(data.a) == isInteger(data.b) &&
                isFloat8(data.a) == isFloat8(data.b);
  if (!isPair || (!mixes && data.a != data.b) || data.a == Element::F64 ||
      getBits(data.a) < 8 || getBits(data.b) < 8)
    return false;
  if (isInteger(data.a))
    return data.d == Accumulator::S32;
  bool hasHalfSums = data.a == Element::F16 || isFloat8(data.a);
  return data.d == Accumulator::F32 ||
         (data.d == Accumulator::F16 && hasHalfSums);
}

/// m64, n a multiple of 8 up to 256, of 16 beyond 32 for integers, and 32 bytes
/// of k, of A as it is stored (ISA 9.7.15.2).
static bool isShapeRight(const WgmmaData &data) {
  unsigned n = data.shape.n;
  bool isWidthRight = n >= 8 && n <= 256 && n % 8 == 0;
  if (isInteger(data.a) && n > 32)
    isWidthRight &= n % 16 == 0;
  return data.shape.m == 64 && isWidthRight &&
         data.getStoredK() == 256 / getBits(data.a) && data.shape.k % 2 == 0;
}

/// .shape.dtype.atype.btype
static bool readTypes(Decoder &decoder, WgmmaData &data) {
  if (!parseShape(decoder.takeAny(), data.shape))
    return decoder.fail("needs a shape such as .m64n128k16");
  std::optional<Accumulator> d = parseAccumulator(decoder.takeAny());
  std::string_view wordA = decoder.takeAny(), wordB = decoder.takeAny();
  std::optional<Element> a = parseElement(wordA), b = parseElement(wordB);
  if (wordA == "b1")
    return decoder.fail("multiplies single bits, which is not supported");
  if (!d || !a || !b)
    return decoder.fail("has types that are not supported here");
  data.d = *d;
  data.a = data.sparse.element = *a;
  data.b = *b;
  data.sparse.k = data.shape.k;
  if (!areTypesRight(data))
    return decoder.fail("has types that do not go together");
  return isShapeRight(data) ||
         decoder.fail("has a shape that is not supported for its types");
}

/// mma_async{.sp}.sync.aligned.shape{.satfinite}.types
static bool readForm(Decoder &decoder, WgmmaData &data) {
  decoder.take("mma_async");
  data.isSparse = decoder.take("sp");
  if (!decoder.take("sync") || !decoder.take("aligned"))
    return decoder.fail("needs .sync.aligned");
  data.isSaturating = decoder.take("satfinite");
  if (!readTypes(decoder, data))
    return false;
  if (data.isSaturating && !isInteger(data.a))
    return decoder.fail("saturates, which only integers do");
  return true;
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

static bool readA(Decoder &decoder, const Operand &operand, WgmmaData &data) {
  if (operand.kind == Operand::Vector) {
    if (!readFragment(decoder, 1, 4, Type::B32, /*isWrite=*/false, data.slotsA))
      return false;
    decoder.addMatrixRegisters(data.slotsA);
    return true;
  }
  std::optional<uint32_t> slot = decoder.source(operand, Type::B64);
  if (slot)
    data.descriptorA = *slot;
  return slot.has_value();
}

/// An immediate operand that is one of two values.
static bool readChoice(Decoder &decoder, size_t index, std::string_view name,
                       int64_t off, int64_t on, bool &isOn) {
  std::optional<int64_t> value =
      decoder.immediate(decoder.get().operands[index]);
  if (!value)
    return false;
  if (*value != off && *value != on)
    return decoder.fail(std::string(name) + " is " + std::to_string(*value) +
                        ", but must be " + std::to_string(off) + " or " +
                        std::to_string(on));
  isOn = *value == on;
  return true;
}

/// imm-scale-a, imm-scale-b, and imm-trans-a of a descriptor and imm-trans-b
/// where there are 16 bits.
static bool readImmediates(Decoder &decoder, size_t next, WgmmaData &data) {
  bool negatesA, negatesB;
  if (!readChoice(decoder, next++, "imm-scale-a", 1, -1, negatesA) ||
      !readChoice(decoder, next++, "imm-scale-b", 1, -1, negatesB))
    return false;
  data.isNegated = negatesA != negatesB;
  if (!isTransposable(data.a))
    return true;
  if (!data.hasRegistersA() &&
      !readChoice(decoder, next++, "imm-trans-a", 0, 1, data.isMNMajorA))
    return false;
  return readChoice(decoder, next, "imm-trans-b", 0, 1, data.isMNMajorB);
}

/// B, the metadata of a sparse A, and scale-d, which is at `scaleD`.
static bool readB(Decoder &decoder, size_t scaleD, WgmmaData &data) {
  const std::vector<Operand> &operands = decoder.get().operands;
  std::optional<uint32_t> b = decoder.source(operands[2], Type::B64);
  std::optional<uint32_t> scale = decoder.source(operands[scaleD], Type::Pred);
  if (!b || !scale)
    return false;
  data.descriptorB = *b;
  data.scaleD = *scale;
  data.isScaleNegated = operands[scaleD].isNegated;
  return !data.isSparse || readSparse(decoder, 3, data.sparse, data.metadata);
}

/// d, a, b {, metadata, selector}, scale-d {, immediates}
bool sparsedrop::ptx::decodeWgmma(Decoder &decoder) {
  decoder.inst().kind = Class::Matrix;
  decoder.inst().run = runWgmma;
  auto &data = decoder.setData<WgmmaData>();
  if (!requireWgmma(decoder) || !readForm(decoder, data))
    return false;
  const std::vector<Operand> &operands = decoder.get().operands;
  size_t scaleD = data.isSparse ? 5 : 3;
  if (operands.size() <= scaleD)
    return decoder.expectOperands(scaleD + 1);
  size_t numBlocks = MatrixState::kRows / 8 * (data.shape.n / 8);
  if (!readFragment(decoder, 0, numBlocks * getBlockRegisters(data.d),
                    getRegisterType(data.d), /*isWrite=*/true, data.slotsD) ||
      !readA(decoder, operands[1], data) || !readB(decoder, scaleD, data))
    return false;
  decoder.addMatrixRegisters(data.slotsD);
  size_t count = scaleD + 1;
  if (!isInteger(data.a))
    count += 2;
  if (isTransposable(data.a))
    count += data.hasRegistersA() ? 1 : 2;
  return decoder.expectOperands(count) &&
         (isInteger(data.a) || readImmediates(decoder, scaleD + 1, data));
}
