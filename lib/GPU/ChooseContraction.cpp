//===- ChooseContraction.cpp - Kernels of contractions --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChooseContraction.h"

#include "CostModel.h"
#include "Product.h"
#include "WgmmaPlan.h"

using namespace mlir;
using namespace mlir::sparsedrop;

FailureOr<Chip> mlir::sparsedrop::getChip(Location loc, StringRef name) {
  // LLVM ends the process for others.
  constexpr int64_t kPlain[] = {80, 86, 87, 89, 90, 100, 103, 120};
  constexpr int64_t kOwn[] = {90, 100, 103, 120};
  StringRef number = name;
  Chip chip;
  if (number.consume_front("sm_")) {
    bool isOwn = number.consume_back("a");
    if (!number.getAsInteger(10, chip.arch) &&
        (isOwn ? llvm::is_contained(kOwn, chip.arch)
               : llvm::is_contained(kPlain, chip.arch))) {
      chip.wgmma = isOwn && chip.arch == 90;
      chip.processors = chip.arch >= 90 ? 132 : 108;
      return chip;
    }
  }
  return emitError(loc) << "expected a chip from sm_80 on, such as sm_80, "
                           "sm_86, sm_89 or sm_90a, but got '"
                        << name << "'";
}

namespace {
/// A tile of outputs and what it takes to compute it.
struct TileChoice {
  int64_t rows, columns, depth;
  int64_t warpRows, warpColumns;
  int64_t stages;
};
} // namespace

/// Outputs that blocks of a tile compute for each output that is there.
static double getWaste(const TileChoice &tile, int64_t rows, int64_t columns) {
  auto cover = [](int64_t extent, int64_t size) {
    return static_cast<double>((extent + size - 1) / size * size) /
           static_cast<double>(std::max<int64_t>(extent, 1));
  };
  return cover(rows, tile.rows) * cover(columns, tile.columns);
}

/// The first tile, from large to small, that gives every processor a block and
/// computes little in vain; the last one if none does.
static const TileChoice &chooseTile(ArrayRef<TileChoice> tiles,
                                    const Product &product,
                                    int64_t processors) {
  int64_t rows = product.count(Role::Rows, kUnknownExtent);
  int64_t columns = product.count(Role::Columns, kUnknownExtent);
  int64_t batch = product.count(Role::Batch, kUnknownExtent);
  for (const TileChoice &tile : tiles) {
    int64_t blocks = batch * ((rows + tile.rows - 1) / tile.rows) *
                     ((columns + tile.columns - 1) / tile.columns);
    if (getWaste(tile, rows, columns) <= 1.5 && blocks >= processors)
      return tile;
  }
  return tiles.back();
}

// Bytes of depth are those of 16-bit elements; f32 has half as many elements.
static constexpr TileChoice kTensorCoreTiles[] = {
    {128, 128, 32, 2, 2, 4}, {128, 64, 32, 2, 2, 4}, {64, 128, 32, 2, 2, 4},
    {64, 64, 64, 2, 2, 3},   {64, 32, 64, 2, 2, 3},  {32, 64, 64, 2, 2, 3},
    {32, 32, 64, 2, 2, 3},
};
static constexpr TileChoice kPlainTiles[] = {
    {128, 128, 8, 0, 0, 1}, {128, 64, 8, 0, 0, 1}, {64, 128, 8, 0, 0, 1},
    {64, 64, 16, 0, 0, 1},  {64, 16, 16, 0, 0, 1}, {16, 64, 16, 0, 0, 1},
    {32, 32, 16, 0, 0, 1},
};

/// Blocks that share the depth of a tile: as many as keep processors busy that
/// would have nothing to do, as long as each has some slices.
static int64_t chooseSplit(const TileChoice &tile, int64_t depth,
                           const Product &product, int64_t processors) {
  int64_t rows = product.count(Role::Rows, kUnknownExtent);
  int64_t columns = product.count(Role::Columns, kUnknownExtent);
  int64_t blocks = product.count(Role::Batch, kUnknownExtent) *
                   ((rows + tile.rows - 1) / tile.rows) *
                   ((columns + tile.columns - 1) / tile.columns);
  int64_t slices = product.count(Role::Depth, kUnknownExtent) / depth;
  constexpr int64_t kLeast = 8, kMost = 16;
  int64_t split = std::min(
      {processors / std::max<int64_t>(blocks, 1), slices / kLeast, kMost});
  return std::max<int64_t>(split, 1);
}

//===----------------------------------------------------------------------===//
// The plain family and mma.sync
//===----------------------------------------------------------------------===//

static KernelAttr choosePlain(ContractOp op, const Product &product,
                              const Chip &chip) {
  const TileChoice &tile = chooseTile(kPlainTiles, product, chip.processors);
  bool isWide = op.getSum().getType().isF64();
  // Registers of f64 sums are two each.
  int64_t rows = isWide ? std::min<int64_t>(tile.rows, 64) : tile.rows;
  int64_t columns = isWide ? std::min<int64_t>(tile.columns, 64) : tile.columns;
  int64_t depth = rows * columns < 128 * 64 ? 16 : tile.depth;
  return KernelAttr::get(
      op.getContext(), KernelFamily::Plain, {rows, columns, depth}, {}, {}, {},
      {4, 4, product.getEpilogueWidth(8)}, 1, 1, false, false);
}

static KernelAttr chooseTensorCore(ContractOp op, const Product &product,
                                   const Chip &chip) {
  const TileChoice &tile =
      chooseTile(kTensorCoreTiles, product, chip.processors);
  bool isTf32 = product.getElement(product.first).isF32();
  int64_t depth = isTf32 ? tile.depth / 2 : tile.depth;
  int64_t width = isTf32 ? 4 : 8;
  return KernelAttr::get(
      op.getContext(), KernelFamily::TensorCore,
      {tile.rows, tile.columns, depth}, {tile.warpRows, tile.warpColumns}, {},
      {}, {width, width, product.getEpilogueWidth(8)}, tile.stages,
      chooseSplit(tile, depth, product, chip.processors), isTf32, false);
}

//===----------------------------------------------------------------------===//
// wgmma
//===----------------------------------------------------------------------===//

namespace {
/// Rows and columns of a tile, warps along them, and whether two sets of warps
/// take turns.
struct GroupTile {
  int64_t rows, columns, warpRows, warpColumns;
  bool pingpong = false;
};
} // namespace

static constexpr GroupTile kGroupTiles[] = {
    {128, 256, 8, 1},      {256, 128, 8, 1},       {128, 192, 8, 1},
    {192, 128, 12, 1},     {128, 128, 8, 1},       {64, 256, 4, 2},
    {128, 64, 8, 1},       {64, 128, 4, 2},        {64, 64, 4, 1},
    {128, 16, 8, 1},       {128, 160, 4, 1, true}, {128, 128, 4, 1, true},
    {64, 256, 4, 1, true}, {64, 128, 4, 1, true},
};

/// The candidate of a tile with as many stages as there is room for.
static KernelAttr makeWgmma(ContractOp op, const Product &product,
                            const GroupTile &tile, bool isCluster,
                            int64_t split, std::string &reason) {
  constexpr int64_t kMostStages = 8, kLeastStages = 2;
  Type element = product.getElement(product.first);
  bool isTf32 = element.isF32();
  // Elements of 16 bytes; an instruction takes twice as many of the depth.
  int64_t width = 128 / element.getIntOrFloatBitWidth(), least = 2 * width;
  // 128 bytes, or less where the depth is short.
  int64_t depth = 8 * width;
  while (depth > least &&
         product.count(Role::Depth, kUnknownExtent) <= depth / 2)
    depth /= 2;
  // Blocks that are neighbours along the shorter side share the larger factor.
  SmallVector<int64_t> cluster;
  if (isCluster)
    cluster = tile.rows <= tile.columns ? SmallVector<int64_t>{2, 1}
                                        : SmallVector<int64_t>{1, 2};
  for (int64_t stages = kMostStages; stages >= kLeastStages; --stages) {
    auto choice = KernelAttr::get(
        op.getContext(), KernelFamily::Wgmma, {tile.rows, tile.columns, depth},
        {tile.warpRows, tile.warpColumns}, cluster, {},
        {width, width, product.getEpilogueWidth(8)}, stages, split, isTf32,
        tile.pingpong);
    if (succeeded(planWgmma(product, choice, reason)))
      return choice;
  }
  return {};
}

/// The cheapest candidate, or none and why.
static KernelAttr chooseWgmma(ContractOp op, const Product &product,
                              const Chip &chip, std::string &reason) {
  KernelAttr best;
  double least = 0;
  std::string first;
  auto hasNeighbours = [&](const GroupTile &tile) {
    bool isDown = tile.rows <= tile.columns;
    return product.count(isDown ? Role::Rows : Role::Columns, kUnknownExtent) >
           (isDown ? tile.rows : tile.columns);
  };
  for (const GroupTile &tile : kGroupTiles)
    for (bool isCluster : {false, true}) {
      if (isCluster && !hasNeighbours(tile))
        continue;
      for (int64_t split : {1, 2, 3, 4, 6, 8, 12, 16}) {
        KernelAttr choice =
            makeWgmma(op, product, tile, isCluster, split, reason);
        if (!choice) {
          if (first.empty())
            first = reason;
          break;
        }
        // Each part has some slices.
        if (split > 1 && product.count(Role::Depth, kUnknownExtent) <
                             split * 4 * choice.getTile()[2])
          break;
        double cycles = estimateCost(product, choice, chip).cycles;
        if (!best || cycles < least) {
          best = choice;
          least = cycles;
        }
      }
    }
  reason = first;
  return best;
}

//===----------------------------------------------------------------------===//
// All of them
//===----------------------------------------------------------------------===//

static std::string describe(const Product &product, KernelAttr choice,
                            const Chip &chip) {
  ProductCost cost = estimateCost(product, choice, chip);
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << stringifyKernelFamily(choice.getFamily()) << ": " << cost.waves
         << (cost.waves == 1 ? " wave" : " waves") << " of tiles, limited by "
         << (cost.isByMath ? "the tensor cores" : "the L2 cache");
  return text;
}

ContractionChoice mlir::sparsedrop::chooseContraction(ContractOp op,
                                                      const Chip &chip) {
  Product product(op);
  if (chip.family == KernelFamily::Plain)
    return {choosePlain(op, product, chip), "plain: as asked for"};
  auto isUnable = [&](KernelFamily family) {
    return !getTensorCoreProblem(product, family, chip.tf32).empty();
  };
  bool hasNoWgmma = !chip.wgmma || isUnable(KernelFamily::Wgmma);
  bool isPlain = isUnable(KernelFamily::TensorCore);
  if (hasNoWgmma && isPlain)
    return {choosePlain(op, product, chip),
            "plain: tensor cores do not multiply the types, or only as tf32"};
  KernelAttr common = isPlain ? choosePlain(op, product, chip)
                              : chooseTensorCore(op, product, chip);
  if (hasNoWgmma)
    return {common, describe(product, common, chip)};
  std::string reason;
  KernelAttr own = chooseWgmma(op, product, chip, reason);
  if (!own)
    return {common,
            stringifyKernelFamily(common.getFamily()).str() +
                " instead of wgmma: " + reason,
            /*isFallback=*/true};
  bool isOwn = isPlain || estimateCost(product, own, chip).cycles <=
                              estimateCost(product, common, chip).cycles;
  if (chip.family && !isPlain)
    isOwn = chip.family == KernelFamily::Wgmma;
  KernelAttr choice = isOwn ? own : common;
  return {choice, describe(product, choice, chip)};
}
