//===- Candidates.cpp - Kernels that a product may become -----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Candidates.h"

#include "ChooseBoxes.h"
#include "CostModel.h"
#include "WgmmaPlan.h"

#include <numeric>

using namespace mlir;
using namespace mlir::sparsedrop;

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
  int64_t rows = product.count(Role::Rows);
  int64_t columns = product.count(Role::Columns);
  int64_t batch = product.count(Role::Batch);
  for (const TileChoice &tile : tiles) {
    int64_t blocks = product.groups * batch *
                     ((rows + tile.rows - 1) / tile.rows) *
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
  // Sums are added up by a second launch, which groups do not have.
  if (getGroupedLoop(product.op))
    return 1;
  int64_t rows = product.count(Role::Rows);
  int64_t columns = product.count(Role::Columns);
  int64_t blocks = product.count(Role::Batch) *
                   ((rows + tile.rows - 1) / tile.rows) *
                   ((columns + tile.columns - 1) / tile.columns);
  int64_t slices = product.count(Role::Depth) / depth;
  constexpr int64_t kLeast = 8, kMost = 16;
  int64_t split = std::min(
      {processors / std::max<int64_t>(blocks, 1), slices / kLeast, kMost});
  return std::max<int64_t>(split, 1);
}

//===----------------------------------------------------------------------===//
// The plain family and mma.sync
//===----------------------------------------------------------------------===//

/// Elements of outputs that a thread moves at a time where columns are cut.
static int64_t getEpilogueWidth(Product product, ArrayRef<int64_t> columns) {
  product.boxes[static_cast<int>(Role::Columns)].assign(columns.begin(),
                                                        columns.end());
  return product.getEpilogueWidth(8);
}

static KernelAttr makePlain(const Product &product, const TileChoice &tile) {
  ContractOp op = product.op;
  bool isWide = op.getSum().getType().isF64();
  // Registers of f64 sums are two each.
  int64_t rows = isWide ? std::min<int64_t>(tile.rows, 64) : tile.rows;
  int64_t columns = isWide ? std::min<int64_t>(tile.columns, 64) : tile.columns;
  int64_t depth = rows * columns < 128 * 64 ? 16 : tile.depth;
  SmallVector<int64_t> boxes = product.getJointBoxes(columns);
  return KernelAttr::get(op.getContext(), KernelFamily::Plain,
                         {rows, columns, depth}, {}, {}, {},
                         {4, 4, getEpilogueWidth(product, boxes)}, 1, 1, false,
                         false, {}, {}, boxes);
}

/// `isSplit`: blocks share the depth where there would be too few.
static KernelAttr makeTensorCore(const Product &product, const Chip &chip,
                                 const TileChoice &tile, bool isSplit) {
  ContractOp op = product.op;
  bool isTf32 = product.getElement(product.first).isF32();
  int64_t depth = isTf32 ? tile.depth / 2 : tile.depth;
  int64_t width = isTf32 ? 4 : 8;
  SmallVector<int64_t> boxes = product.getJointBoxes(tile.columns);
  return KernelAttr::get(
      op.getContext(), KernelFamily::TensorCore,
      {tile.rows, tile.columns, depth}, {tile.warpRows, tile.warpColumns}, {},
      {}, {width, width, getEpilogueWidth(product, boxes)}, tile.stages,
      isSplit ? chooseSplit(tile, depth, product, chip.processors) : 1, isTf32,
      false, {}, {}, boxes);
}

KernelAttr mlir::sparsedrop::choosePlain(const Product &product,
                                         const Chip &chip) {
  return makePlain(product, chooseTile(kPlainTiles, product, chip.processors));
}

KernelAttr mlir::sparsedrop::chooseTensorCore(const Product &product,
                                              const Chip &chip) {
  return makeTensorCore(product, chip,
                        chooseTile(kTensorCoreTiles, product, chip.processors),
                        /*isSplit=*/true);
}

SmallVector<KernelAttr> mlir::sparsedrop::listPlain(const Product &product) {
  SmallVector<KernelAttr> list;
  for (const TileChoice &tile : kPlainTiles)
    list.push_back(makePlain(product, tile));
  return list;
}

SmallVector<KernelAttr> mlir::sparsedrop::listTensorCore(const Product &product,
                                                         const Chip &chip) {
  SmallVector<KernelAttr> list;
  for (const TileChoice &tile : kTensorCoreTiles)
    for (bool isSplit : {false, true})
      list.push_back(makeTensorCore(product, chip, tile, isSplit));
  return list;
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

/// Elements of 16 bytes of a factor.
static int64_t getWidth(const Product &product) {
  return 128 / product.getElement(product.first).getIntOrFloatBitWidth();
}

/// The depth of tiles: 128 bytes, or less where the depth is short; an
/// instruction takes 32 bytes.
static int64_t chooseDepth(const Product &product) {
  int64_t width = getWidth(product), depth = 8 * width;
  while (depth > 2 * width && product.count(Role::Depth) <= depth / 2)
    depth /= 2;
  return depth;
}

/// The same where it is cut into boxes: of channels, and of several taps where
/// there are few of them.
static std::optional<BoxChoice> chooseDepthBoxes(const Product &product) {
  int64_t width = getWidth(product);
  std::optional<BoxChoice> best;
  for (int64_t widths : {8, 12, 6, 4, 2}) {
    std::optional<BoxChoice> boxes =
        chooseBoxes(product, Role::Depth, widths * width, width);
    // Short stages wait more often.
    if (boxes && widths < 8)
      boxes->cost *= 1 + 0.4 / static_cast<double>(widths);
    if (boxes && (!best || boxes->cost < best->cost))
      best = boxes;
  }
  return best;
}

static int64_t getSize(ArrayRef<int64_t> boxes) {
  return std::accumulate(boxes.begin(), boxes.end(), int64_t(1),
                         std::multiplies<int64_t>());
}

/// The candidate of a tile with as many stages as there is room for; `isCut`:
/// of boxes.
static KernelAttr makeWgmma(const Product &product, const GroupTile &tile,
                            bool isCut, bool isCluster, int64_t split,
                            std::string &reason) {
  ContractOp op = product.op;
  constexpr int64_t kMostStages = 8, kLeastStages = 2;
  bool isTf32 = product.getElement(product.first).isF32();
  int64_t width = getWidth(product), depth = chooseDepth(product);
  BoxChoice rows, depths;
  if (isCut) {
    auto foundRows = chooseBoxes(product, Role::Rows, tile.rows, width);
    auto foundDepths = chooseDepthBoxes(product);
    if (!foundRows || !foundDepths) {
      reason = "no box of its loops is a tile";
      return {};
    }
    rows = *foundRows;
    depths = *foundDepths;
    depth = getSize(depths.boxes);
  }
  SmallVector<int64_t> columns = product.getJointBoxes(tile.columns);
  // Blocks that are neighbours along the shorter side share the larger factor.
  SmallVector<int64_t> cluster;
  if (isCluster)
    cluster = tile.rows <= tile.columns ? SmallVector<int64_t>{2, 1}
                                        : SmallVector<int64_t>{1, 2};
  for (int64_t stages = kMostStages; stages >= kLeastStages; --stages) {
    auto choice = KernelAttr::get(
        op.getContext(), KernelFamily::Wgmma, {tile.rows, tile.columns, depth},
        {tile.warpRows, tile.warpColumns}, cluster, {},
        {width, width, getEpilogueWidth(product, columns)}, stages, split,
        isTf32, tile.pingpong, rows.boxes, depths.boxes, columns);
    if (succeeded(planWgmma(product, choice, reason)))
      return choice;
  }
  return {};
}

/// Whether there are tiles that a cluster could be made of.
static bool hasNeighbours(const Product &product, const GroupTile &tile) {
  bool isDown = tile.rows <= tile.columns;
  return product.count(isDown ? Role::Rows : Role::Columns) >
         (isDown ? tile.rows : tile.columns);
}

/// Adds a tile with each number of parts that the depth has slices for.
static void addWgmma(const Product &product, const GroupTile &tile, bool isCut,
                     bool isCluster, SmallVectorImpl<KernelAttr> &list,
                     std::string &first) {
  std::string reason;
  for (int64_t split : {1, 2, 3, 4, 6, 8, 12, 16}) {
    KernelAttr choice =
        makeWgmma(product, tile, isCut, isCluster, split, reason);
    if (!choice) {
      if (first.empty())
        first = reason;
      return;
    }
    // Each part has some slices.
    if (split > 1 &&
        (getGroupedLoop(product.op) ||
         product.count(Role::Depth) < split * 4 * choice.getTile()[2]))
      return;
    list.push_back(choice);
  }
}

SmallVector<KernelAttr> mlir::sparsedrop::listWgmma(const Product &product,
                                                    std::string &reason) {
  SmallVector<KernelAttr> list;
  reason.clear();
  // Numbers first, which waste nothing: boxes where those of several loops do
  // not fit.
  for (bool isCut : {false, true}) {
    if (!list.empty() || (!isCut && needsBoxes(product)))
      continue;
    for (const GroupTile &tile : kGroupTiles)
      for (bool isCluster : {false, true})
        if (!isCluster || hasNeighbours(product, tile))
          addWgmma(product, tile, isCut, isCluster, list, reason);
  }
  return list;
}
