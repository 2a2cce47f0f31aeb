//===- WgmmaPlan.h - What a wgmma kernel consists of ------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shared memory, warpgroups and registers of a kernel of family wgmma, from a
// contraction and its `sparsedrop.kernel`. The pass that chooses asks here
// whether a choice can be obeyed; the emitter obeys it.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_WGMMAPLAN_H
#define SPARSEDROP_LIB_GPU_WGMMAPLAN_H

#include "FactorBoxes.h"

namespace mlir::sparsedrop {

/// Threads of a warpgroup, and lines of one wgmma.
inline constexpr int64_t kGroupThreads = 128, kGroupRows = 64;

/// The plan of one kernel.
struct WgmmaPlan {
  FactorBoxes first, second;
  int64_t clusterDown = 1, clusterAcross = 1; ///< blocks of a cluster
  int64_t groupsDown = 1, groupsAcross = 1;   ///< warpgroups that share a tile
  int64_t turns = 1;             ///< sets of them, which take tiles in turn
  int64_t rows = 0, columns = 0; ///< of a warpgroup
  int64_t stages = 0;
  /// Columns of a block that a warpgroup brings to memory at a time, and, where
  /// their sums go through shared memory, elements from one row to the next.
  int64_t passColumns = 0, pitch = 0;
  /// How bulk copies store each output, 64 rows by `passColumns`; empty: they
  /// cannot.
  SmallVector<TensorBoxes> stores;
  /// Passes that are on their way to memory while the next is computed, and the
  /// bytes of one.
  int64_t storeBuffers = 1, storeBytes = 0;
  int64_t outputBytes = 0; ///< of a warpgroup
  /// Bytes of shared memory: [stages | outputs of each warpgroup | barriers].
  int64_t outputs = 0, barriers = 0, sharedBytes = 0;
  /// Of a thread after setmaxnreg; 0: as launched.
  int64_t producerRegisters = 0, consumerRegisters = 0;

  int64_t cluster() const { return clusterDown * clusterAcross; }
  /// Blocks that copy to the shared memory of one.
  int64_t sources() const { return clusterDown + clusterAcross - 1; }
  /// Warpgroups that read a stage, and all that multiply.
  int64_t readers() const { return groupsDown * groupsAcross; }
  int64_t consumers() const { return readers() * turns; }
  int64_t threads() const { return kGroupThreads * (consumers() + 1); }
  /// 64-row blocks of a warpgroup.
  int64_t blocks() const { return rows / kGroupRows; }
  int64_t stageBytes() const {
    return first.boxes.bytes() + second.boxes.bytes();
  }
  int64_t elementBytes() const { return first.boxes.elementBytes; }
  /// wgmmas along the depth of a stage.
  int64_t steps() const { return first.depth() * elementBytes() / kStepBytes; }
};

/// The plan for `choice`, or why it cannot be obeyed.
FailureOr<WgmmaPlan> planWgmma(Product product, KernelAttr choice,
                               std::string &reason);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_WGMMAPLAN_H
