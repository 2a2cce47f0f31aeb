//===- StageRing.cpp - Stages between a producer and consumers ------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StageRing.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// Nanoseconds that a thread may be suspended before it tries again.
static constexpr int64_t kSuspension = 10000000;

Value StageRing::getBarrier(Value stage, int64_t first) {
  Value byte = k.mul(stage, k.constant(kBarrierBytes));
  return k.offset(k.sharedMemory(base + first * kBarrierBytes), byte,
                  k.b.getI8Type());
}

void StageRing::initialize(int64_t arrivals) {
  for (int64_t stage = 0; stage < stages; ++stage) {
    NVVM::MBarrierInitOp::create(k.b, getFull(k.constant(stage)), k.constant(1),
                                 /*predicate=*/Value());
    NVVM::MBarrierInitOp::create(k.b, getEmpty(k.constant(stage)),
                                 k.constant(arrivals), /*predicate=*/Value());
  }
  // Copies, which are of another proxy, see the barriers.
  NVVM::FenceMbarrierInitOp::create(k.b);
}

RingPlace StageRing::start(bool isProducer) {
  return {k.constant(0), k.constant(isProducer ? 1 : 0)};
}

RingPlace StageRing::next(RingPlace place) {
  Value following = k.add(place.stage, k.constant(1));
  Value isAround = k.b.createOrFold<arith::CmpIOp>(
      arith::CmpIPredicate::eq, following, k.constant(stages));
  return {
      k.select(isAround, k.constant(0), following),
      k.select(isAround, k.xorI(place.parity, k.constant(1)), place.parity)};
}

RingPlace StageRing::skip(RingPlace place, Value count) {
  Value total = k.add(place.stage, count);
  Value rounds = k.divU(total, k.constant(stages));
  return {k.remU(total, k.constant(stages)),
          k.xorI(place.parity, k.andI(rounds, k.constant(1)))};
}

void StageRing::wait(Value barrier, Value parity) {
  NVVM::MBarrierTryWaitParityOp::create(k.b, barrier, parity,
                                        k.constant(kSuspension));
}

void StageRing::expect(Value stage, int64_t bytes) {
  NVVM::MBarrierArriveExpectTxOp::create(
      k.b, /*res=*/Type(), getFull(stage), k.constant(bytes),
      NVVM::MemScopeKind::CTA, /*relaxed=*/false, /*predicate=*/Value());
}

void StageRing::release(Value stage, Value condition, Value rank) {
  Value barrier = getEmpty(stage);
  if (rank)
    barrier = NVVM::MapaOp::create(
        k.b, LLVM::LLVMPointerType::get(k.b.getContext(), 7), barrier, rank);
  // A predicate instead of a branch: ptxas serializes wgmma where it cannot
  // prove that a warp is together.
  NVVM::InlinePtxOp::create(
      k.b, /*writeOnlyArgs=*/TypeRange(), ValueRange(barrier),
      /*readWriteArgs=*/ValueRange(),
      rank ? "mbarrier.arrive.shared::cluster.b64 _, [$0];"
           : "mbarrier.arrive.shared::cta.b64 _, [$0];",
      condition);
}
