//===- WgmmaPlan.cpp - What a wgmma kernel consists of --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WgmmaPlan.h"

#include "StageRing.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// What a block can have on Hopper: dynamic shared memory and consumers.
static constexpr int64_t kMostShared = 232448, kMostConsumers = 3;
/// Blocks of a cluster that any kernel may ask for.
static constexpr int64_t kMostBlocks = 8;
/// f32 sums of a thread that leave room for addresses: ptxas spills above.
static constexpr int64_t kMostSums = 192;
/// Where stages begin, so that rows of 128 bytes are swizzled as from 0.
static constexpr int64_t kStageAlignment = 1024;

/// Why the factors cannot be multiplied.
static std::string checkTypes(const Product &product, KernelAttr choice) {
  Type a = product.getElement(product.first);
  Type b = product.getElement(product.second);
  bool isNarrow = a == b && (a.isF16() || a.isBF16());
  if (!isNarrow && !(a.isF32() && b.isF32() && choice.getTf32()))
    return "wgmma multiplies f16 or bf16 by the same type, or f32 as tf32";
  if (!ContractOp(product.op).getSum().getType().isF32())
    return "wgmma forms sums of f32";
  return "";
}

/// Why warpgroups cannot share the tile.
static std::string checkGroups(const WgmmaPlan &plan, KernelAttr choice) {
  ArrayRef<int64_t> tile = choice.getTile(), warps = choice.getWarps();
  if (warps[0] % 4 != 0)
    return "expected a multiple of 4 warps along the rows, but got " +
           std::to_string(warps[0]);
  if (plan.consumers() > kMostConsumers)
    return "expected at most 12 warps, but got " +
           std::to_string(warps[0] * warps[1]);
  if (tile[0] % (plan.groupsDown * kGroupRows) != 0)
    return "expected rows that give each four warps a multiple of 64";
  if (tile[1] % (plan.groupsAcross * 8) != 0 || plan.columns > 256)
    return "expected columns that give each warp a multiple of 8, at most 256";
  if (plan.rows * plan.columns / kGroupThreads > kMostSums)
    return "a thread would hold " +
           std::to_string(plan.rows * plan.columns / kGroupThreads) +
           " sums, more than " + std::to_string(kMostSums);
  if (plan.cluster() > kMostBlocks)
    return "expected clusters of at most " + std::to_string(kMostBlocks) +
           " blocks, but got " + std::to_string(plan.cluster());
  if (choice.getStages() < 2)
    return "expected at least 2 stages";
  return "";
}

/// Why wgmma cannot read a warpgroup's part of a factor, which begins at a
/// multiple of `lines`.
static std::string checkFactor(const FactorBoxes &boxes, int64_t lines) {
  if (boxes.depth * boxes.elementBytes % 32 != 0)
    return "expected a depth of a multiple of 32 bytes";
  if (boxes.stageBytes() % kStageAlignment != 0)
    return "expected tiles of factors of a multiple of 1024 bytes";
  if (!boxes.alongDepth && lines % boxes.spanElements() != 0)
    return "expected each warp's columns to be a multiple of " +
           std::to_string(boxes.spanElements());
  return "";
}

/// Where everything is.
static void placeMemory(WgmmaPlan &plan) {
  plan.passColumns = 64;
  while (plan.columns % plan.passColumns != 0)
    plan.passColumns /= 2;
  // Rows that are neighbours in a column of lanes lie in different banks.
  plan.pitch = plan.passColumns + 4;
  plan.outputs = plan.stages * plan.stageBytes();
  plan.barriers = plan.outputs + plan.consumers() * plan.outputBytes();
  plan.sharedBytes = plan.barriers + StageRing::getBytes(plan.stages);
  // What one gives away is what the others get; one consumer needs nothing.
  if (plan.consumers() > 1) {
    plan.producerRegisters = 40;
    plan.consumerRegisters = plan.consumers() == 2 ? 232 : 152;
  }
}

FailureOr<WgmmaPlan> mlir::sparsedrop::planWgmma(const Product &product,
                                                 KernelAttr choice,
                                                 std::string &reason) {
  ArrayRef<int64_t> tile = choice.getTile(), warps = choice.getWarps();
  WgmmaPlan plan;
  if (!choice.getCluster().empty()) {
    plan.clusterDown = choice.getCluster()[0];
    plan.clusterAcross = choice.getCluster()[1];
  }
  plan.groupsDown = std::max<int64_t>(warps[0] / 4, 1);
  plan.groupsAcross = warps[1];
  plan.rows = tile[0] / plan.groupsDown;
  plan.columns = tile[1] / plan.groupsAcross;
  plan.stages = choice.getStages();
  reason = checkTypes(product, choice);
  if (reason.empty())
    reason = checkGroups(plan, choice);
  if (!reason.empty())
    return failure();
  FailureOr<FactorBoxes> first =
      planBoxes(product, product.first, Role::Rows, tile[0], tile[2],
                plan.clusterAcross, reason);
  if (failed(first))
    return failure();
  FailureOr<FactorBoxes> second =
      planBoxes(product, product.second, Role::Columns, tile[1], tile[2],
                plan.clusterDown, reason);
  if (failed(second))
    return failure();
  plan.first = *first;
  plan.second = *second;
  reason = checkFactor(plan.first, kGroupRows);
  if (reason.empty())
    reason = checkFactor(plan.second, plan.columns);
  placeMemory(plan);
  if (reason.empty() && plan.sharedBytes > kMostShared)
    reason = "it takes " + std::to_string(plan.sharedBytes) +
             " bytes of shared memory, more than " +
             std::to_string(kMostShared);
  if (!reason.empty())
    return failure();
  return plan;
}
