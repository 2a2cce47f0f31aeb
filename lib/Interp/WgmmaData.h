//===- WgmmaData.h - What a wgmma says --------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_WGMMADATA_H
#define SPARSEDROP_LIB_INTERP_WGMMADATA_H

#include "Mma.h"
#include "Wgmma.h"

namespace sparsedrop::ptx {

/// A wgmma.mma_async instruction (ISA 9.7.15.5.2).
struct WgmmaData : InstData {
  MatrixShape shape;
  Element a = Element::F16, b = Element::F16;
  Accumulator d = Accumulator::F32;
  bool isSaturating = false;
  bool isNegated = false;      ///< one of the scales is -1
  bool isScaleNegated = false; ///< !p: of scale-d
  bool isMNMajorA = false, isMNMajorB = false;
  std::vector<uint32_t> slotsD, slotsA; ///< of A: empty with a descriptor
  uint32_t descriptorA = 0, descriptorB = 0, scaleD = 0; ///< slots

  bool isSparse = false;
  SparseForm sparse;
  uint32_t metadata = 0; ///< slot

  /// Columns of A as it is stored.
  unsigned getStoredK() const { return isSparse ? shape.k / 2 : shape.k; }
  bool hasRegistersA() const { return !slotsA.empty(); }
};

/// A warp's operands as tiles: its 16 rows of A, and B.
template <typename T> struct WgmmaTiles {
  static constexpr unsigned kMostK = 64;
  alignas(64) T a[MatrixState::kRows * kMostK];
  alignas(64) T b[kMostK * MatrixState::kMostColumns];
};

/// Reads the operands and notes in `reads` what of shared memory that was.
/// Stop if it is out of bounds.
template <typename T>
Flow readOperands(Warp &warp, const Inst &inst, WgmmaTiles<T> &tiles,
                  MatrixState::Reads &reads);

/// Whether the registers are free and fenced; with `goesOn`, sums of a pending
/// wgmma go on in them (ISA 9.7.15.7.1).
Flow checkOperands(Warp &warp, const Inst &inst, MatrixState &state,
                   bool goesOn);
/// Whether the warps of the warpgroup, and the lanes of this one, agree.
Flow checkWarpgroup(Warp &warp, const Inst &inst, MatrixState &state);

/// The handler of all wgmma.mma_async.
Flow runWgmma(Warp &warp, const Inst &inst, LaneMask mask);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_WGMMADATA_H
