//===- MatrixElements.cpp - Operands of matrix instructions ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MatrixElements.h"

#include <array>

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

namespace {

struct ElementInfo {
  std::string_view name;
  unsigned bits;
};

/// By Element.
constexpr ElementInfo kElements[] = {
    {"f16", 16}, {"bf16", 16}, {"tf32", 32}, {"e4m3", 8}, {"e5m2", 8},
    {"f64", 64}, {"s8", 8},    {"u8", 8},    {"s4", 4},   {"u4", 4},
};

/// By Accumulator.
constexpr std::string_view kAccumulators[] = {"f16", "f32", "s32", "f64"};

} // namespace

std::optional<Element> sparsedrop::ptx::parseElement(std::string_view word) {
  for (size_t i = 0; i < std::size(kElements); ++i)
    if (kElements[i].name == word)
      return static_cast<Element>(i);
  return std::nullopt;
}

unsigned sparsedrop::ptx::getBits(Element element) {
  return kElements[static_cast<unsigned>(element)].bits;
}

std::optional<Accumulator>
sparsedrop::ptx::parseAccumulator(std::string_view word) {
  for (size_t i = 0; i < std::size(kAccumulators); ++i)
    if (kAccumulators[i] == word)
      return static_cast<Accumulator>(i);
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

namespace {

template <typename T> T load(const uint8_t *bytes, unsigned index) {
  T value;
  std::memcpy(&value, bytes + index * sizeof(T), sizeof(T));
  return value;
}

/// All values of an 8-bit format.
template <float (*Convert)(uint8_t)> const float *getTable() {
  static const auto kTable = [] {
    std::array<float, 256> table;
    for (unsigned bits = 0; bits < 256; ++bits)
      table[bits] = Convert(bits);
    return table;
  }();
  return kTable.data();
}

/// How element `index` of packed bytes is read.
struct ReadF16 {
  using Number = float;
  static constexpr unsigned kColumns = 8;
  float operator()(const uint8_t *core, unsigned index) const {
    return fromHalf(load<uint16_t>(core, index));
  }
};
struct ReadBF16 : ReadF16 {
  float operator()(const uint8_t *core, unsigned index) const {
    return fromBfloat16(load<uint16_t>(core, index));
  }
};
/// The low 13 bits are ignored (ISA 9.7.14.5.3: the operands are .b32 registers
/// with .tf32 in their upper 19 bits).
struct ReadTF32 {
  using Number = float;
  static constexpr unsigned kColumns = 4;
  float operator()(const uint8_t *core, unsigned index) const {
    return bitCast<float>(load<uint32_t>(core, index) & ~uint32_t(0x1FFF));
  }
};
template <float (*Convert)(uint8_t)> struct ReadFloat8 {
  using Number = float;
  static constexpr unsigned kColumns = 16;
  const float *table = getTable<Convert>();
  float operator()(const uint8_t *core, unsigned index) const {
    return table[core[index]];
  }
};
template <typename Byte> struct ReadByte {
  using Number = int32_t;
  static constexpr unsigned kColumns = 16;
  int32_t operator()(const uint8_t *core, unsigned index) const {
    return static_cast<Byte>(core[index]);
  }
};
/// The first of two is in the low half of the byte.
template <bool Signed> struct ReadNibble {
  using Number = int32_t;
  static constexpr unsigned kColumns = 32;
  int32_t operator()(const uint8_t *core, unsigned index) const {
    int32_t value = core[index / 2] >> (index % 2 * 4) & 15;
    return Signed && value > 7 ? value - 16 : value;
  }
};
struct ReadF64 {
  using Number = double;
  static constexpr unsigned kColumns = 4;
  double operator()(const uint8_t *core, unsigned index) const {
    return load<double>(core, index);
  }
};

template <typename Read, bool Transposed>
void readCore(const uint8_t *core, typename Read::Number *tile,
              unsigned stride) {
  constexpr unsigned kColumns = Read::kColumns;
  Read read;
  typename Read::Number numbers[8 * kColumns];
  for (unsigned i = 0; i < 8 * kColumns; ++i)
    numbers[i] = read(core, i);
  for (unsigned row = 0; row < 8; ++row)
    for (unsigned column = 0; column < kColumns; ++column)
      tile[Transposed ? column * stride + row : row * stride + column] =
          numbers[row * kColumns + column];
}

template <typename Read>
CoreReader<typename Read::Number> pick(bool transposed) {
  return transposed ? readCore<Read, true> : readCore<Read, false>;
}

} // namespace

template <>
CoreReader<float> sparsedrop::ptx::getReader<float>(Element element,
                                                    bool transposed) {
  switch (element) {
  case Element::F16:
    return pick<ReadF16>(transposed);
  case Element::BF16:
    return pick<ReadBF16>(transposed);
  case Element::TF32:
    return pick<ReadTF32>(transposed);
  case Element::E4M3:
    return pick<ReadFloat8<fromE4M3>>(transposed);
  case Element::E5M2:
    return pick<ReadFloat8<fromE5M2>>(transposed);
  default:
    return nullptr;
  }
}

template <>
CoreReader<int32_t> sparsedrop::ptx::getReader<int32_t>(Element element,
                                                        bool transposed) {
  switch (element) {
  case Element::S8:
    return pick<ReadByte<int8_t>>(transposed);
  case Element::U8:
    return pick<ReadByte<uint8_t>>(transposed);
  case Element::S4:
    return pick<ReadNibble<true>>(transposed);
  case Element::U4:
    return pick<ReadNibble<false>>(transposed);
  default:
    return nullptr;
  }
}

template <>
CoreReader<double> sparsedrop::ptx::getReader<double>(Element element,
                                                      bool transposed) {
  return element == Element::F64 ? pick<ReadF64>(transposed) : nullptr;
}

//===----------------------------------------------------------------------===//
// Accumulators
//===----------------------------------------------------------------------===//

/// An 8x8 block of two registers of T.
template <typename T>
static void readPair(const uint8_t *const *registers, T *tile,
                     unsigned stride) {
  for (unsigned row = 0; row < 8; ++row)
    for (unsigned column = 0; column < 8; ++column)
      tile[row * stride + column] =
          load<T>(registers[column % 2], 4 * row + column / 2);
}

template <typename T>
static void writePair(uint8_t *const *registers, const T *tile,
                      unsigned stride) {
  T pair[2][32];
  for (unsigned row = 0; row < 8; ++row)
    for (unsigned column = 0; column < 8; ++column)
      pair[column % 2][4 * row + column / 2] =
          canonicalize(tile[row * stride + column]);
  std::memcpy(registers[0], pair[0], sizeof(pair[0]));
  std::memcpy(registers[1], pair[1], sizeof(pair[1]));
}

template <>
void sparsedrop::ptx::readAccumulators<float>(Accumulator kind,
                                              const uint8_t *const *registers,
                                              float *tile, unsigned stride) {
  if (kind == Accumulator::F16)
    readCore<ReadF16, false>(registers[0], tile, stride);
  else
    readPair(registers, tile, stride);
}
template <>
void sparsedrop::ptx::readAccumulators<int32_t>(Accumulator,
                                                const uint8_t *const *registers,
                                                int32_t *tile,
                                                unsigned stride) {
  readPair(registers, tile, stride);
}
template <>
void sparsedrop::ptx::readAccumulators<double>(Accumulator,
                                               const uint8_t *const *registers,
                                               double *tile, unsigned stride) {
  readPair(registers, tile, stride);
}

template <>
void sparsedrop::ptx::writeAccumulators<float>(Accumulator kind,
                                               uint8_t *const *registers,
                                               const float *tile,
                                               unsigned stride) {
  if (kind != Accumulator::F16)
    return writePair(registers, tile, stride);
  uint16_t halves[64];
  for (unsigned i = 0; i < 64; ++i)
    halves[i] = toHalf(tile[i / 8 * stride + i % 8]);
  std::memcpy(registers[0], halves, sizeof(halves));
}
template <>
void sparsedrop::ptx::writeAccumulators<int32_t>(Accumulator,
                                                 uint8_t *const *registers,
                                                 const int32_t *tile,
                                                 unsigned stride) {
  writePair(registers, tile, stride);
}
template <>
void sparsedrop::ptx::writeAccumulators<double>(Accumulator,
                                                uint8_t *const *registers,
                                                const double *tile,
                                                unsigned stride) {
  writePair(registers, tile, stride);
}
