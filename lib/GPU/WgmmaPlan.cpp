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
/// f32 sums of a thread that leave room for addresses. With three consumers a
/// thread begins with 128 registers, and ptxas wants those of a wgmma then.
static constexpr int64_t kMostSums = 160, kMostSumsOfThree = 96;
/// Where boxes begin, so that rows of 128 bytes are swizzled as from 0.
static constexpr int64_t kAlignment = 1024;

/// Why warpgroups cannot share the tile.
static std::string checkGroups(const WgmmaPlan &plan, KernelAttr choice) {
  ArrayRef<int64_t> tile = choice.getTile(), warps = choice.getWarps();
  if (warps[0] % 4 != 0)
    return "expected a multiple of 4 warps along the rows, but got " +
           std::to_string(warps[0]);
  if (plan.consumers() > kMostConsumers)
    return "expected at most 12 warps, but got " +
           std::to_string(warps[0] * warps[1]) +
           (plan.turns == 1 ? "" : " in each of two sets");
  if (tile[0] % (plan.groupsDown * kGroupRows) != 0)
    return "expected rows that give each four warps a multiple of 64";
  if (tile[1] % (plan.groupsAcross * 8) != 0 || plan.columns > 256)
    return "expected columns that give each warp a multiple of 8, at most 256";
  int64_t sums = plan.rows * plan.columns / kGroupThreads;
  int64_t most = plan.consumers() == 3 ? kMostSumsOfThree : kMostSums;
  if (sums > most)
    return "a thread would hold " + std::to_string(sums) + " sums, more than " +
           std::to_string(most);
  if (plan.cluster() > kMostBlocks)
    return "expected clusters of at most " + std::to_string(kMostBlocks) +
           " blocks, but got " + std::to_string(plan.cluster());
  if (choice.getStages() < 2)
    return "expected at least 2 stages";
  return "";
}

/// Columns of a warpgroup that it brings to memory at a time.
static int64_t choosePass(const WgmmaPlan &plan) {
  int64_t columns = 64;
  while (plan.columns % columns != 0)
    columns /= 2;
  return columns;
}

/// Why a warpgroup does not have all sums that its epilogue needs at a time.
static std::string checkJoint(const Product &product, const WgmmaPlan &plan) {
  std::string problem = product.getJointProblem();
  if (!problem.empty() || product.getJointBox() == 1)
    return problem;
  if (plan.groupsAcross != 1)
    return "expected each four warps to have all parts that are joint";
  int64_t columns = choosePass(plan) / product.getJointBox();
  return columns % 8 == 0 ? ""
                          : "expected at least 8 columns of each joint part, "
                            "but got " +
                                std::to_string(columns);
}

/// Why wgmma cannot read a warpgroup's part of a factor, which begins at a
/// multiple of `lines`.
static std::string checkFactor(const FactorBoxes &boxes, int64_t lines) {
  if (boxes.depth() * boxes.boxes.elementBytes % kStepBytes != 0)
    return "expected a depth of a multiple of 32 bytes";
  if (boxes.boxes.bytes() % kAlignment != 0)
    return "expected tiles of factors of a multiple of 1024 bytes";
  if (!boxes.alongDepth() && lines % boxes.boxes.spanElements() != 0)
    return "expected each warp's columns to be a multiple of " +
           std::to_string(boxes.boxes.spanElements());
  return "";
}

/// Bulk copies for the outputs, if all of them can have one: elements of 16
/// bits, which stmatrix brings to shared memory, or of 32, in whole blocks.
static void planStores(const Product &product, KernelAttr choice,
                       WgmmaPlan &plan) {
  ContractOp op = product.op;
  if (choice.getSplit() > 1 || plan.passColumns % 16 != 0 || op.getJoint())
    return;
  SmallVector<TensorBoxes> stores;
  int64_t bytes = 0;
  for (unsigned i = 0; i < op.getInits().size(); ++i) {
    std::string reason;
    Type element = product.getElement(op.getFirstInit() + i);
    FailureOr<TensorBoxes> boxes =
        planBoxes(product, op.getFirstInit() + i, Role::Columns, Role::Rows,
                  plan.passColumns, kGroupRows, /*sharers=*/1, reason);
    if (failed(boxes) ||
        !(element.isF16() || element.isBF16() || element.isF32()))
      return;
    bytes += boxes->bytes();
    stores.push_back(*boxes);
  }
  plan.stores = stores;
  plan.storeBytes = bytes;
}

/// Where everything is.
static void placeMemory(const Product &product, KernelAttr choice,
                        WgmmaPlan &plan) {
  plan.passColumns = choosePass(plan);
  planStores(product, choice, plan);
  // Rows that are neighbours in a column of lanes lie in different banks.
  plan.pitch = plan.passColumns + 4;
  plan.outputs = plan.stages * plan.stageBytes();
  // Tiles at the edges go through sums of f32 in the same place.
  plan.outputBytes = llvm::alignTo(
      std::max(kGroupRows * plan.pitch * 4, plan.storeBytes), kAlignment);
  // Passes take turns, from one tile to the next, too.
  int64_t passes = plan.blocks() * plan.columns / plan.passColumns;
  bool hasTurns = passes % 2 == 0 && 2 * plan.storeBytes <= plan.outputBytes;
  plan.storeBuffers = hasTurns ? 2 : 1;
  plan.barriers = plan.outputs + plan.consumers() * plan.outputBytes;
  plan.sharedBytes = plan.barriers + StageRing::getBytes(plan.stages);
  // What one gives away is what the others get; one consumer needs nothing.
  if (plan.consumers() > 1) {
    plan.producerRegisters = 40;
    plan.consumerRegisters = plan.consumers() == 2 ? 232 : 152;
  }
}

FailureOr<WgmmaPlan> mlir::sparsedrop::planWgmma(Product product,
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
  plan.turns = choice.getPingpong() ? 2 : 1;
  reason = getFactorProblem(product, KernelFamily::Wgmma, choice.getTf32());
  if (reason.empty())
    reason = checkGroups(plan, choice);
  if (reason.empty())
    reason = product.setBoxes(choice);
  if (reason.empty())
    reason = checkJoint(product, plan);
  if (reason.empty() && !product.isBox(Role::Rows, plan.rows))
    reason = "expected 'rows' of which each four warps take a box";
  if (!reason.empty())
    return failure();
  FailureOr<FactorBoxes> first =
      planFactor(product, product.first, Role::Rows, tile[0], tile[2],
                 plan.clusterAcross, reason);
  if (failed(first))
    return failure();
  FailureOr<FactorBoxes> second =
      planFactor(product, product.second, Role::Columns, tile[1], tile[2],
                 plan.clusterDown, reason);
  if (failed(second))
    return failure();
  plan.first = *first;
  plan.second = *second;
  reason = checkFactor(plan.first, kGroupRows);
  if (reason.empty())
    reason = checkFactor(plan.second, plan.columns);
  placeMemory(product, choice, plan);
  if (reason.empty() && plan.sharedBytes > kMostShared)
    reason = "it takes " + std::to_string(plan.sharedBytes) +
             " bytes of shared memory, more than " +
             std::to_string(kMostShared);
  if (!reason.empty())
    return failure();
  return plan;
}
