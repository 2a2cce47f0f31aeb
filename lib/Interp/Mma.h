//===- Mma.h - Matrix instructions of a warp --------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_MMA_H
#define SPARSEDROP_LIB_INTERP_MMA_H

#include "MatrixSparse.h"
#include "Program.h"

#include <string_view>
#include <vector>

namespace sparsedrop::ptx {

class Decoder;

/// The shape of a matrix instruction.
struct MatrixShape {
  unsigned m = 0, n = 0, k = 0;
};
inline bool operator==(const MatrixShape &a, const MatrixShape &b) {
  return a.m == b.m && a.n == b.n && a.k == b.k;
}
/// Reads "m16n8k16"; false if the word is none.
bool parseShape(std::string_view word, MatrixShape &shape);

/// What an mma instruction says.
struct MmaData : InstData {
  MatrixShape shape;
  Element a = Element::F16, b = Element::F16;
  Accumulator c = Accumulator::F32, d = Accumulator::F32;
  bool isSaturating = false;
  // m8n8k4 of f16 only: other instructions have .row and .col.
  bool isColumnA = false, isColumnB = false;
  std::vector<uint32_t> slotsD, slotsA, slotsB, slotsC;
  // mma.sp only.
  bool isSparse = false;
  SparseForm sparse;
  uint32_t metadata = 0; ///< slot

  /// Columns of A as it is stored.
  unsigned getStoredK() const { return isSparse ? shape.k / 2 : shape.k; }
};

/// Reads a fragment's registers, which must be `count`.
bool readFragment(Decoder &decoder, size_t operand, size_t count, Type type,
                  bool isWrite, std::vector<uint32_t> &slots);
/// Reads the metadata and the selector of a sparse A from two operands.
bool readSparse(Decoder &decoder, size_t operand, SparseForm &form,
                uint32_t &metadata);
/// Expands a sparse A in place of itself; reports metadata that mean nothing.
template <typename T>
Flow expandSparse(Warp &warp, const Inst &inst, const SparseForm &form,
                  uint32_t metadata, T *a);
/// The register type of accumulators.
Type getRegisterType(Accumulator kind);

/// Chooses the handler and reads the operands of an mma whose modifiers are
/// known; of m8n8k4 with f16 the second.
bool finishMma(Decoder &decoder, const MmaData &data);     // Mma.cpp
bool finishQuadMma(Decoder &decoder, const MmaData &data); // MmaQuad.cpp

// Functions of opcodes, by file.
bool decodeMma(Decoder &decoder);         // Mma.cpp
bool decodeLoadMatrix(Decoder &decoder);  // LoadMatrix.cpp
bool decodeStoreMatrix(Decoder &decoder); // LoadMatrix.cpp
bool decodeMoveMatrix(Decoder &decoder);  // LoadMatrix.cpp
bool decodeWmmaLoad(Decoder &decoder);    // WmmaMemory.cpp
bool decodeWmmaStore(Decoder &decoder);   // WmmaMemory.cpp
bool decodeWmmaMma(Decoder &decoder);     // Wmma.cpp

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_MMA_H
