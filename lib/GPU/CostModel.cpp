//===- CostModel.cpp - What a product costs -------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CostModel.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// Bytes that a processor gets from the L2 cache in a cycle (5.5 TB/s of an
/// H100 by 132 processors at 1.7 GHz) and from memory (3.35 TB/s).
static constexpr double kCacheBytes = 25, kMemoryBytes = 15;
/// Cycles before the first tile is under way, and of a launch more.
static constexpr double kStart = 2000, kLaunch = 5000;
/// Outputs of a tile that go through shared memory and the epilogue in a cycle.
static constexpr double kEpilogueOutputs = 10;

/// Products of 16-bit elements that a processor forms in a cycle.
static double getRate(KernelFamily family, const Chip &chip) {
  // mma.sync keeps Hopper's tensor cores busy to 60 percent (H100 white paper:
  // 4096 operations a cycle; measured in public microbenchmarks).
  if (family == KernelFamily::Wgmma)
    return 2048;
  // Fused multiply-adds: 128 of f32, or 64 of f64 on the chips for data
  // centres, whose elements count for as many of 16 bits as they are wide.
  if (family == KernelFamily::Plain)
    return 256;
  return chip.arch >= 90 ? 0.6 * 2048 : chip.arch == 80 ? 1024 : 512;
}

static int64_t divideUp(int64_t lhs, int64_t rhs) {
  return (lhs + rhs - 1) / rhs;
}

ProductCost mlir::sparsedrop::estimateCost(const Product &product,
                                           KernelAttr choice,
                                           const Chip &chip) {
  ArrayRef<int64_t> tile = choice.getTile(), cluster = choice.getCluster();
  int64_t down = cluster.empty() ? 1 : cluster[0];
  int64_t across = cluster.empty() ? 1 : cluster[1];
  Product cut(product);
  cut.setBoxes(choice);
  int64_t rows = product.count(Role::Rows);
  int64_t columns = product.count(Role::Columns);
  int64_t batch = product.count(Role::Batch);
  auto bytes = static_cast<double>(
      product.getElement(product.first).getIntOrFloatBitWidth() / 8);
  // Clusters take as many tiles as they have blocks.
  int64_t tiles = divideUp(cut.countTiles(Role::Rows, tile[0]), down) *
                  divideUp(cut.countTiles(Role::Columns, tile[1]), across) *
                  batch * choice.getSplit() * product.groups;
  int64_t places = std::max<int64_t>(chip.processors / (down * across), 1);
  ProductCost cost;
  cost.waves = divideUp(tiles, places);
  auto slices = static_cast<double>(
      divideUp(cut.countTiles(Role::Depth, tile[2]), choice.getSplit()));
  auto lines = [&](int side, int64_t sharers) {
    return static_cast<double>(tile[side]) / static_cast<double>(sharers);
  };
  auto area = static_cast<double>(tile[0] * tile[1]);
  double math = area * static_cast<double>(tile[2]) * bytes / 2 /
                getRate(choice.getFamily(), chip);
  double copies = (lines(0, across) + lines(1, down)) *
                  static_cast<double>(tile[2]) * bytes / kCacheBytes;
  cost.isByMath = math >= copies;
  double loop = slices * std::max(math, copies);
  double epilogue = area / kEpilogueOutputs;
  // Warps that take turns hide all epilogues but the last.
  double waves = static_cast<double>(cost.waves);
  cost.cycles = kStart + (choice.getPingpong()
                              ? waves * std::max(loop, epilogue) + epilogue
                              : waves * (loop + epilogue));
  if (choice.getSplit() > 1) {
    // Sums of f32 are written, and read again by the second kernel.
    double sums = static_cast<double>(rows) * static_cast<double>(columns) *
                  static_cast<double>(batch * choice.getSplit()) * 8;
    cost.cycles +=
        kLaunch + sums / (kMemoryBytes * static_cast<double>(chip.processors));
  }
  return cost;
}
