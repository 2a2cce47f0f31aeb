//===- Wmma.h - Fragments of wmma -------------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The ISA does not say which lane has which elements of a wmma fragment
// (9.7.14.4). Here a matrix is row-major and packed, and each lane has the next
// words of it; where fragments have room for it several times, as those of f16,
// it is there several times.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_WMMA_H
#define SPARSEDROP_LIB_INTERP_WMMA_H

#include "Machine.h"
#include "Mma.h"

namespace sparsedrop::ptx {

/// A matrix that wmma instructions use.
struct WmmaMatrix {
  unsigned rows = 0, columns = 0;
  unsigned bits = 0;         ///< of an element
  unsigned numRegisters = 0; ///< of a fragment
  Type type = Type::B32;     ///< of a register
  unsigned getBytes() const { return rows * columns * bits / 8; }
  static constexpr unsigned kMostBytes = 1024;
};

/// The matrix 'a', 'b' or 'c' (also for d) of a shape and a type of elements;
/// false if wmma does not have it.
bool getWmmaMatrix(char name, const MatrixShape &shape, std::string_view type,
                   WmmaMatrix &matrix);

/// Copies a matrix from a fragment, and to it.
void packFragment(Warp &warp, const std::vector<uint32_t> &slots,
                  const WmmaMatrix &matrix, uint8_t *bytes);
void unpackFragment(Warp &warp, const std::vector<uint32_t> &slots,
                    const WmmaMatrix &matrix, const uint8_t *bytes);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_WMMA_H
