//===- StageRing.h - Stages between a producer and consumers ----*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A ring of stages in shared memory with two barriers each: `full` waits for
// the bytes that a producer announces, `empty` for the arrivals of all
// consumers (PTX ISA, "mbarrier"). Who goes around the ring carries the number
// of a stage and the parity of its phase; the parity changes with each round. A
// producer begins with parity 1, which is that of the phase before the first:
// the stages are empty.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_STAGERING_H
#define SPARSEDROP_LIB_GPU_STAGERING_H

#include "KernelBuilder.h"

namespace mlir::sparsedrop {

/// Where one goes around the ring.
struct RingPlace {
  Value stage, parity; ///< i32
};

class StageRing {
public:
  /// The barriers begin at byte `base` of shared memory.
  StageRing(KernelBuilder &k, int64_t base, int64_t stages)
      : k(k), base(base), stages(stages) {}

  static int64_t getBytes(int64_t stages) { return 2 * kBarrierBytes * stages; }

  /// For one thread, before all others meet: `arrivals` are those that empty a
  /// stage.
  void initialize(int64_t arrivals);
  RingPlace start(bool isProducer);
  RingPlace next(RingPlace place);
  /// The place after `count` (i32) stages.
  RingPlace skip(RingPlace place, Value count);

  void waitFull(RingPlace place) { wait(getFull(place.stage), place.parity); }
  void waitEmpty(RingPlace place) { wait(getEmpty(place.stage), place.parity); }
  /// Announces the bytes that fill a stage.
  void expect(Value stage, int64_t bytes);
  /// One arrival at a stage that was read, of each thread with `condition`; at
  /// that of block `rank` of the cluster, if there is one.
  void release(Value stage, Value condition, Value rank = Value());
  /// The barrier that copies to a stage complete on.
  Value getFull(Value stage) { return getBarrier(stage, 0); }

private:
  static constexpr int64_t kBarrierBytes = 8;

  Value getEmpty(Value stage) { return getBarrier(stage, stages); }
  Value getBarrier(Value stage, int64_t first);
  void wait(Value barrier, Value parity);

  KernelBuilder &k;
  int64_t base, stages;
};

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_STAGERING_H
