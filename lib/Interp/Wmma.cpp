//===- Wmma.cpp - wmma.mma
//-------------------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Wmma.h"

#include "Decoder.h"
#include "FloatFormats.h"
#include "MatrixCompute.h"

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Fragments
//===----------------------------------------------------------------------===//

bool sparsedrop::ptx::getWmmaMatrix(char name, const MatrixShape &shape,
                                    std::string_view type, WmmaMatrix &matrix) {
  std::optional<Element> element = parseElement(type);
  std::optional<Accumulator> sums = parseAccumulator(type);
  matrix.rows = name == 'b' ? shape.k : shape.m;
  matrix.columns = name == 'a' ? shape.k : shape.n;
  matrix.bits = element ? getBits(*element) : 32;
  matrix.type = matrix.bits == 64 ? Type::F64 : Type::B32;
  matrix.numRegisters = matrix.getBytes() / kNumLanes / getSize(matrix.type);
  bool isWide = shape == MatrixShape{16, 16, 16} ||
                shape == MatrixShape{8, 32, 16} ||
                shape == MatrixShape{32, 8, 16};
  bool isTF32 = shape == MatrixShape{16, 16, 8},
       isF64 = shape == MatrixShape{8, 8, 4};
  if (name == 'c')
    return sums && (*sums == Accumulator::F64   ? isF64
                    : *sums == Accumulator::F32 ? isWide || isTF32
                                                : isWide);
  if (!element || matrix.bits < 8 || isFloat8(*element))
    return false;
  if (*element == Element::F16)
    matrix.numRegisters = 8;
  return *element == Element::F64    ? isF64
         : *element == Element::TF32 ? isTF32
                                     : isWide;
}

/// Calls visit(lane, register, byte) for each word of a fragment.
template <typename Visitor>
static void forEachWord(const WmmaMatrix &matrix, unsigned size,
                        Visitor visit) {
  for (unsigned lane = 0; lane < kNumLanes; ++lane)
    for (unsigned i = 0; i < matrix.numRegisters; ++i)
      visit(lane, i,
            (lane * matrix.numRegisters + i) * size % matrix.getBytes());
}

void sparsedrop::ptx::packFragment(Warp &warp,
                                   const std::vector<uint32_t> &slots,
                                   const WmmaMatrix &matrix, uint8_t *bytes) {
  unsigned size = getSize(matrix.type);
  forEachWord(matrix, size, [&](unsigned lane, unsigned i, unsigned byte) {
    std::memcpy(bytes + byte, warp.lanes<uint8_t>(slots[i]) + lane * size,
                size);
  });
}

void sparsedrop::ptx::unpackFragment(Warp &warp,
                                     const std::vector<uint32_t> &slots,
                                     const WmmaMatrix &matrix,
                                     const uint8_t *bytes) {
  unsigned size = getSize(matrix.type);
  forEachWord(matrix, size, [&](unsigned lane, unsigned i, unsigned byte) {
    std::memcpy(warp.lanes<uint8_t>(slots[i]) + lane * size, bytes + byte,
                size);
  });
}

//===----------------------------------------------------------------------===//
// wmma.mma
//===----------------------------------------------------------------------===//

namespace {

struct WmmaData : MmaData {
  WmmaMatrix matrixA, matrixB, matrixC, matrixD;
};

template <typename T>
void readMultiplicand(Warp &warp, const std::vector<uint32_t> &slots,
                      const WmmaMatrix &matrix, Element element, T *tile) {
  uint8_t bytes[WmmaMatrix::kMostBytes];
  packFragment(warp, slots, matrix, bytes);
  CoreReader<T> reader = getReader<T>(element, /*transposed=*/false);
  unsigned columns = getCoreColumns(element), size = getCoreBytes(element);
  for (unsigned i = 0; i < matrix.getBytes() / size; ++i)
    reader(bytes + i * size, tile + i * 8 * columns, columns);
}

template <typename T> void readSums(Warp &warp, const WmmaData &data, T *sums) {
  uint8_t bytes[WmmaMatrix::kMostBytes];
  packFragment(warp, data.slotsC, data.matrixC, bytes);
  for (unsigned i = 0; i < data.shape.m * data.shape.n; ++i) {
    if (data.c == Accumulator::F16) {
      uint16_t half;
      std::memcpy(&half, bytes + 2 * i, sizeof(half));
      sums[i] = static_cast<T>(fromHalf(half));
    } else {
      std::memcpy(&sums[i], bytes + sizeof(T) * i, sizeof(T));
    }
  }
}

template <typename T>
void writeSums(Warp &warp, const WmmaData &data, const T *sums) {
  uint8_t bytes[WmmaMatrix::kMostBytes];
  for (unsigned i = 0; i < data.shape.m * data.shape.n; ++i) {
    if (data.d == Accumulator::F16) {
      uint16_t half = toHalf(static_cast<float>(sums[i]));
      std::memcpy(bytes + 2 * i, &half, sizeof(half));
    } else {
      T sum = canonicalize(sums[i]);
      std::memcpy(bytes + sizeof(T) * i, &sum, sizeof(T));
    }
  }
  unpackFragment(warp, data.slotsD, data.matrixD, bytes);
}

template <typename T>
Flow runWmma(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.converge(inst, mask, kAllLanes, flow))
    return flow;
  const auto &data = inst.getData<WmmaData>();
  const MatrixShape &shape = data.shape;
  alignas(64) T a[32 * 16], b[16 * 32], sums[256], products[256] = {};
  readMultiplicand(warp, data.slotsA, data.matrixA, data.a, a);
  readMultiplicand(warp, data.slotsB, data.matrixB, data.b, b);
  readSums(warp, data, sums);
  bool isInteger = std::is_same_v<T, int32_t>;
  multiplyAdd(isInteger ? products : sums, a, b, shape.m, shape.n, shape.k);
  if (isInteger)
    addIntegers(reinterpret_cast<int32_t *>(sums),
                reinterpret_cast<int32_t *>(products), shape.m * shape.n,
                data.isSaturating);
  writeSums(warp, data, sums);
  countMultiplyAdds(warp, uint64_t(shape.m) * shape.n * shape.k);
  return Flow::Next;
}

/// .dtype.atype.btype.ctype, or .dtype.ctype for f16.
bool readTypes(Decoder &decoder, WmmaData &data) {
  std::string_view words[4];
  size_t count = 0;
  while (count < 4 && !decoder.peek().empty())
    words[count++] = decoder.takeAny();
  if (count == 2) {
    words[3] = words[1];
    words[1] = words[2] = "f16";
  }
  bool areMatrices = getWmmaMatrix('c', data.shape, words[0], data.matrixD) &&
                     getWmmaMatrix('a', data.shape, words[1], data.matrixA) &&
                     getWmmaMatrix('b', data.shape, words[2], data.matrixB) &&
                     getWmmaMatrix('c', data.shape, words[3], data.matrixC);
  if ((count != 2 && count != 4) || !areMatrices)
    return decoder.fail("has types that are not supported for its shape");
  data.d = *parseAccumulator(words[0]);
  data.a = *parseElement(words[1]);
  data.b = *parseElement(words[2]);
  data.c = *parseAccumulator(words[3]);
  bool isHalf = data.a == Element::F16;
  bool isSum[] = {isHalf,
                  isHalf || data.a == Element::BF16 || data.a == Element::TF32,
                  isInteger(data.a), data.a == Element::F64};
  bool fits = isSum[unsigned(data.c)] && isSum[unsigned(data.d)] &&
              (isInteger(data.a) ? isInteger(data.b) : data.a == data.b);
  return fits || decoder.fail("has types that do not go together");
}

} // namespace

/// wmma.mma.sync.aligned.alayout.blayout.shape{.rnd}.types{.satfinite}
bool sparsedrop::ptx::decodeWmmaMma(Decoder &decoder) {
  decoder.inst().kind = Class::Matrix;
  auto &data = decoder.setData<WmmaData>();
  decoder.take("mma");
  if (!decoder.take("sync") || !decoder.take("aligned"))
    return decoder.fail("needs .sync.aligned");
  data.isSaturating = decoder.take("satfinite");
  // The layouts are those of wmma.load: fragments know none.
  for (unsigned i = 0; i < 2; ++i)
    if (!decoder.take("row") && !decoder.take("col"))
      return decoder.fail("needs the layouts .row or .col of both matrices");
  if (!parseShape(decoder.takeAny(), data.shape))
    return decoder.fail("needs a shape such as .m16n16k16");
  decoder.take("rn");
  if (!readTypes(decoder, data))
    return false;
  if (data.isSaturating && !isInteger(data.a))
    return decoder.fail("saturates, which only integers do");
  decoder.inst().run = data.a == Element::F64 ? runWmma<double>
                       : isInteger(data.a)    ? runWmma<int32_t>
                                              : runWmma<float>;
  unsigned arch = data.a == Element::F16 ? 70 : isInteger(data.a) ? 72 : 80;
  return decoder.requireArch(arch) && decoder.expectOperands(4) &&
         readFragment(decoder, 0, data.matrixD.numRegisters, data.matrixD.type,
                      true, data.slotsD) &&
         readFragment(decoder, 1, data.matrixA.numRegisters, data.matrixA.type,
                      false, data.slotsA) &&
         readFragment(decoder, 2, data.matrixB.numRegisters, data.matrixB.type,
                      false, data.slotsB) &&
         readFragment(decoder, 3, data.matrixC.numRegisters, data.matrixC.type,
                      false, data.slotsC);
}
