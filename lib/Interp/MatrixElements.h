//===- MatrixElements.h - Operands of matrix instructions -------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All operands of mma and wgmma are made of core matrices: 8 rows of 16 bytes.
// A register of a fragment holds one, since lane 4r + c has bytes 4c to 4c + 3
// of row r (ISA 9.7.14.5.1-13, the tables of fragments): the 32 lanes of its
// slot are the rows, one after the other. In shared memory the rows are apart.
// Registers of .f64 hold 8 rows of 4 numbers.
//
// They are unpacked into tiles of numbers in which products are computed:
// float for all narrow floats, whose products are exact in it, int32_t for
// integers, double for f64.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_MATRIXELEMENTS_H
#define SPARSEDROP_LIB_INTERP_MATRIXELEMENTS_H

#include "FloatFormats.h"

#include <optional>
#include <string_view>

namespace sparsedrop::ptx {

/// Types of multiplicands.
enum class Element : uint8_t {
  F16,
  BF16,
  TF32,
  E4M3,
  E5M2,
  F64,
  S8,
  U8,
  S4,
  U4,
};

/// The type of a modifier, "bf16"; nothing if it is none.
std::optional<Element> parseElement(std::string_view word);
unsigned getBits(Element element);
inline bool isInteger(Element element) { return element >= Element::S8; }
inline bool isFloat8(Element element) {
  return element == Element::E4M3 || element == Element::E5M2;
}
/// Elements of a row of a core matrix.
inline unsigned getCoreColumns(Element element) {
  return element == Element::F64 ? 4 : 128 / getBits(element);
}
/// Bytes of a core matrix, which are those of a register's slot.
inline unsigned getCoreBytes(Element element) {
  return element == Element::F64 ? 256 : 128;
}

/// Unpacks a core matrix into a tile whose rows are `stride` numbers apart.
template <typename T>
using CoreReader = void (*)(const uint8_t *core, T *tile, unsigned stride);

/// Reads elements as numbers of type T, into tile[row][column], or into
/// tile[column][row]. Null if T is not for them.
template <typename T> CoreReader<T> getReader(Element element, bool transposed);

/// Types of accumulators.
enum class Accumulator : uint8_t { F16, F32, S32, F64 };
std::optional<Accumulator> parseAccumulator(std::string_view word);
/// Registers of an 8x8 block of accumulators.
inline unsigned getBlockRegisters(Accumulator kind) {
  return kind == Accumulator::F16 ? 1 : 2;
}

/// What a result that is NaN is.
inline float canonicalize(float value) {
  return value != value ? bitCast<float>(0x7FFFFFFFu) : value;
}
inline double canonicalize(double value) {
  return value != value ? bitCast<double>(DoubleFormat::kNaN) : value;
}
inline int32_t canonicalize(int32_t value) { return value; }

/// Reads an 8x8 block of accumulators from its one or two registers, and writes
/// it, rounded to the registers' type; NaN becomes canonical. Row r has columns
/// 2c and 2c + 1 in lane 4r + c.
template <typename T>
void readAccumulators(Accumulator kind, const uint8_t *const *registers,
                      T *tile, unsigned stride);
template <typename T>
void writeAccumulators(Accumulator kind, uint8_t *const *registers,
                       const T *tile, unsigned stride);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_MATRIXELEMENTS_H
