//===- FactorTile.h - Tiles of a factor in shared memory --------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How tensor cores get their factors. Shared memory holds some stages of a tile
// of `lines` rows (or columns) times `depth`. Its rows follow whichever of the
// two is contiguous in global memory, so that copies move whole vectors, and
// ldmatrix transposes where it is the lines. Chunks of 16 bytes of a row are
// swizzled by the row's number: the eight addresses of a matrix lie in
// different banks.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_FACTORTILE_H
#define SPARSEDROP_LIB_GPU_FACTORTILE_H

#include "Epilogue.h"

namespace mlir::sparsedrop {

/// The choice for one factor.
struct FactorLayout {
  unsigned operand = 0;
  Role role = Role::Rows; ///< of the lines
  int64_t lines = 0, depth = 0;
  int64_t elementBytes = 2;
  /// Whether rows of shared memory are lines; else they follow the lines.
  bool alongDepth = true;
  /// Elements of a copy by cp.async; 0: elements are loaded and stored one by
  /// one, since they are no neighbours, or not aligned to 4 bytes.
  int64_t width = 0;
  int64_t base = 0; ///< bytes into shared memory

  int64_t rows() const { return alongDepth ? lines : depth; }
  int64_t rowBytes() const {
    return (alongDepth ? depth : lines) * elementBytes;
  }
  int64_t stageBytes() const { return rows() * rowBytes(); }
};

/// The layout of a factor of `product`; `width` limits the elements of a copy.
FactorLayout makeFactorLayout(const Product &product, unsigned operand,
                              Role role, int64_t lines, int64_t depth,
                              int64_t width);

/// Writes the copies and the loads of one factor.
class FactorTile {
public:
  FactorTile(KernelBuilder &k, ProductAccess &access, const Product &product,
             const FactorLayout &layout, int64_t threads)
      : k(k), access(access), product(product), layout(layout),
        threads(threads) {}

  /// Sets where the block's lines begin, and where the depth ends (i32).
  void setPlace(Value batch, Value line, Value depthEnd);

  /// Starts to copy depths [depth, depth + layout.depth) to a stage (both i32);
  /// what is outside of the factor becomes zero.
  void copy(Value depth, Value stage);

  /// Four 8x8 matrices of a stage, of 16 lines from `line` (of the tile) on and
  /// 32 bytes of depth, step `step` of the stage, as four i32. For rows: lines
  /// 0-7 and 8-15 of the first half of the depth, then of the second; for
  /// columns: both halves of lines 0-7, then those of 8-15.
  SmallVector<Value> loadMatrices(Value stage, Value line, int64_t step);

private:
  void locate(Value chunk, Value &line, Value &depth);
  Value getPlace(Value stage, Value row, Value byte);
  TileStart getNumbers(Value line, Value depth);
  void copyAsync(Value line, Value depth, Value start, Value stage);
  void copyElement(Value line, Value depth, Value start, Value stage);

  KernelBuilder &k;
  ProductAccess &access;
  const Product &product;
  FactorLayout layout;
  int64_t threads;
  Value batch, firstLine, depthEnd;
};

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_FACTORTILE_H
