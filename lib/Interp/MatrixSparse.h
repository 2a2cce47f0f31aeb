//===- MatrixSparse.h - Sparse multiplicands --------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Matrix A of mma.sp and wgmma.mma_async.sp has half of its columns, and four
// bits of metadata for each chunk that say where they belong (ISA 9.7.14.6.1,
// 9.7.15.6.1): two indices of two bits, which choose two of four elements; of
// 4-bit elements, two of four pairs. Of tf32, one of two elements: the two
// halves of it are chosen.
//
// A row's chunks are in order in the words of the four lanes of its group:
// those of 16 and 32 bits have 16 bits for row r, then 16 bits for row r + 8 in
// a word, and the next lane has what follows; the others have a word for row r
// in a lane, and one for row r + 8 in the next.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_MATRIXSPARSE_H
#define SPARSEDROP_LIB_INTERP_MATRIXSPARSE_H

#include "MatrixElements.h"

namespace sparsedrop::ptx {

/// How a sparse A is stored.
struct SparseForm {
  Element element = Element::F16;
  unsigned k = 0;         ///< columns of the whole matrix
  unsigned selector = 0;  ///< which lanes of a group hold the metadata
  bool isOrdered = false; ///< .sp::ordered_metadata: indices ascend

  /// How many values the selector can have.
  unsigned getNumSelectors() const;
};

/// Puts 16 rows of k / 2 columns where they belong in 16 rows of k, which are
/// set to 0 before. `metadata` has a word for each lane. Returns the lane whose
/// metadata mean nothing, or -1.
template <typename T>
int expandSparse(const SparseForm &form, const uint32_t *metadata,
                 const T *stored, T *whole);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_MATRIXSPARSE_H
