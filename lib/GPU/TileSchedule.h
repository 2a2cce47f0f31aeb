//===- TileSchedule.h - The tiles of persistent blocks ----------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// As many blocks as there are processors take tile after tile. Tiles are
// numbered so that those that are computed at the same time share factors in
// the L2 cache: some rows of tiles follow each other before the next column.
//
//   rows of tiles   0 4  8 12        the next group of rows after all columns
//                   1 5  9 13
//                   2 6 10 14
//                   3 7 11 15
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_TILESCHEDULE_H
#define SPARSEDROP_LIB_GPU_TILESCHEDULE_H

#include "Epilogue.h"

namespace mlir::sparsedrop {

/// The row and the column of tile `number` (i32) of `down` x `across` tiles.
std::pair<Value, Value> locateTile(KernelBuilder &k, Value number,
                                   HostIndex down, HostIndex across);

/// What a block computes at a time; all i32.
struct TilePlace {
  Value batch, row, column;
  Value part;       ///< of the depth
  Value begin, end; ///< slices of the depth
};

class TileSchedule {
public:
  /// `cluster`: blocks along rows and columns that take neighbouring tiles.
  TileSchedule(KernelBuilder &k, ProductAccess &access, ArrayRef<int64_t> tile,
               std::array<int64_t, 2> cluster, int64_t parts);

  /// Blocks to launch.
  HostIndex getGrid();
  /// Where a block is in its cluster, i32.
  Value getDown();
  Value getAcross();
  /// The loop of a block over its tiles: `body` writes it for a tile, with the
  /// values that the loop carries, and returns the next ones. Returns the last.
  SmallVector<Value>
  emitLoop(ValueRange carried,
           llvm::function_ref<SmallVector<Value>(TilePlace, ValueRange)> body);

private:
  TilePlace locate(Value number);

  KernelBuilder &k;
  ProductAccess &access;
  SmallVector<int64_t> tile;
  std::array<int64_t, 2> cluster;
  int64_t parts;
  HostIndex down, across, count;
};

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_TILESCHEDULE_H
