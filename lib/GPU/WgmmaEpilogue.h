//===- WgmmaEpilogue.h - Outputs of wgmma -----------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A consumer brings its sums to memory 64 rows by some columns at a time. Where
// all outputs of its tile exist and bulk copies can store them, the region of
// the contraction is applied to the registers:
//
//   registers -> region -> stmatrix -> shared memory -> bulk copy
//
// and the next pass begins while the copy is under way. Else, at the edges and
// for parts of the depth, sums go through shared memory to threads that take
// neighbouring columns each, and look where there are outputs.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_WGMMAEPILOGUE_H
#define SPARSEDROP_LIB_GPU_WGMMAEPILOGUE_H

#include "TileSchedule.h"
#include "WgmmaPlan.h"

namespace mlir::sparsedrop {

/// Where a thread of a consumer is, i32.
struct ConsumerThread {
  Value lane;         ///< in the warp
  Value warp;         ///< in the warpgroup
  Value consumer;     ///< number of the warpgroup among the consumers
  Value down, across; ///< the warpgroup's part of the tile
};

class WgmmaEpilogue {
public:
  /// `width`: columns that a thread moves at a time; `parts`: where the sums of
  /// parts of the depth go, or null.
  WgmmaEpilogue(KernelBuilder &k, ProductAccess &access, const Product &product,
                const WgmmaPlan &plan, int64_t width);

  /// Adds the tensor maps of the outputs to the kernel's parameters.
  void addMaps();
  void setThread(const ConsumerThread &thread) { at = thread; }
  /// Brings the sums of a tile, a struct for each 64 rows, to memory: to
  /// `parts` unless it is null, else through the region to the outputs.
  void emit(TilePlace place, ArrayRef<Value> sums, Value parts);
  /// Waits until all outputs have left shared memory.
  void finish();

private:
  void emitStores(TilePlace place, ArrayRef<Value> sums);
  void emitPass(TileStart start, Value sums, int64_t pass, Value shared);
  SmallVector<SmallVector<Value>> computePair(TileStart start, Value sums,
                                              int64_t group, int64_t half);
  void emitShared(TilePlace place, ArrayRef<Value> sums, Value parts);
  int64_t getGroup(int64_t pass, int64_t j) const;
  void storeSums(Value sums, int64_t pass);
  Value getShared();
  void meet();
  void emitOnce(llvm::function_ref<void()> body);

  KernelBuilder &k;
  ProductAccess &access;
  const Product &product;
  const WgmmaPlan &plan;
  int64_t width;
  SmallVector<BoxedTensor> tensors;
  ConsumerThread at;
  Value row, column; ///< where the warpgroup's part of the tile begins
};

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_WGMMAEPILOGUE_H
