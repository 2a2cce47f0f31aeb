//===- Product.h - One product of a batch -----------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_PRODUCT_H
#define SPARSEDROP_LIB_RUNTIME_PRODUCT_H

#include "Blas.h"
#include "LoopNest.h"
#include "Pack.h"

#include <optional>

namespace sparsedrop::runtime {

/// The arguments of sparsedrop_contract, checked and sorted into groups.
struct Problem {
  LoopNest nest;
  View a, b, c;
  bool accumulate;
};

/// Orders and joins loops so that as little as possible has to be packed when
/// the sum is formed in T: the columns become the group along which C is
/// contiguous, and outer loops that keep C from being a matrix become batch
/// loops where what remains is large.
template <typename T> void arrange(Problem &problem);

/// How an item of the batch is cut and packed. Made once, run for each item;
/// all memory comes from the caller, so that nothing fails half way.
///
/// Operands that BLAS can address are handed over as they are. Others are
/// packed, each element once: B in panels of depth shared by all threads, A
/// likewise when it has few rows, else block by block by the thread that
/// multiplies it.
template <typename T> class Product {
public:
  /// `team` is the number of threads that may share an item.
  Product(const Problem &problem, int64_t team);

  /// Elements of T that a run needs.
  int64_t getWorkspace() const;

  /// Computes item `item`. Runs may overlap in time on different workspaces.
  void run(int64_t item, T *workspace) const;

private:
  struct Item;
  struct Operands;
  enum class Method { Vector, Grid, SplitDepth };

  bool fitsVector() const;
  void chooseMethod(int64_t team);
  void choosePanel();
  void chooseGrid();
  int64_t getSlotSize() const;
  void runVector(const Item &item) const;
  void runGrid(const Item &item, T *workspace) const;
  void runBand(const Item &item, Range band, T *workspace) const;
  std::optional<Matrix<T>> getLeft(const Item &item, Range depths,
                                   T *packed) const;
  Matrix<T> getRight(const Item &item, Range depths, T *packed) const;
  void runPiece(const Item &item, const Operands &operands, int64_t piece,
                T *scratch) const;
  void runSplitDepth(const Item &item, T *workspace) const;
  void sumDepth(const Item &item, Range depths, T *scratch) const;

  const Problem &problem;
  int64_t rows, columns, depth;
  std::optional<Matrix<T>> left, right; ///< layouts that BLAS can address
  std::optional<int64_t> targetLd;      ///< of C, likewise
  Method method = Method::Grid;
  int64_t workers = 1;
  int64_t panel = 1; ///< depth that is packed at a time
  bool sharesA = false, keepsSums = false;
  int64_t bandRows = 1; ///< rows whose sums are kept at a time
  int64_t pieceRows = 1, pieceColumns = 1; ///< what a thread takes
  int64_t blockRows = 1, blockColumns = 1; ///< what it multiplies at a time
};

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_PRODUCT_H
