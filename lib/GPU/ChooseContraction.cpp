//===- ChooseContraction.cpp - Kernels of contractions --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChooseContraction.h"

#include "Product.h"

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
               : llvm::is_contained(kPlain, chip.arch)))
      return chip;
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

/// What unknown extents count as: kept units of a large layer.
static constexpr int64_t kUnknown = 1024;

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
  int64_t rows = product.count(Role::Rows, kUnknown);
  int64_t columns = product.count(Role::Columns, kUnknown);
  int64_t batch = product.count(Role::Batch, kUnknown);
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
  int64_t rows = product.count(Role::Rows, kUnknown);
  int64_t columns = product.count(Role::Columns, kUnknown);
  int64_t blocks = product.count(Role::Batch, kUnknown) *
                   ((rows + tile.rows - 1) / tile.rows) *
                   ((columns + tile.columns - 1) / tile.columns);
  int64_t slices = product.count(Role::Depth, kUnknown) / depth;
  constexpr int64_t kLeast = 8, kMost = 16;
  int64_t split = std::min(
      {processors / std::max<int64_t>(blocks, 1), slices / kLeast, kMost});
  return std::max<int64_t>(split, 1);
}

/// Whether tensor cores multiply the factors.
static bool fitsTensorCores(const Product &product, const Chip &chip) {
  Type a = product.getElement(product.first);
  Type b = product.getElement(product.second);
  if (a != b || !ContractOp(product.op).getSum().getType().isF32())
    return false;
  return a.isF16() || a.isBF16() || (a.isF32() && chip.tf32);
}

KernelAttr mlir::sparsedrop::chooseContraction(ContractOp op,
                                               const Chip &chip) {
  Product product(op);
  MLIRContext *context = op.getContext();
  int64_t outputs = product.getEpilogueWidth(8);
  if (!fitsTensorCores(product, chip)) {
    const TileChoice &tile = chooseTile(kPlainTiles, product, chip.processors);
    bool isWide = op.getSum().getType().isF64();
    // Registers of f64 sums are two each.
    int64_t rows = isWide ? std::min<int64_t>(tile.rows, 64) : tile.rows;
    int64_t columns =
        isWide ? std::min<int64_t>(tile.columns, 64) : tile.columns;
    int64_t depth = rows * columns < 128 * 64 ? 16 : tile.depth;
    return KernelAttr::get(context, KernelFamily::Plain, {rows, columns, depth},
                           {}, {}, {}, {4, 4, outputs}, 1, 1, false);
  }
  const TileChoice &tile =
      chooseTile(kTensorCoreTiles, product, chip.processors);
  bool isTf32 = product.getElement(product.first).isF32();
  int64_t depth = isTf32 ? tile.depth / 2 : tile.depth;
  int64_t width = isTf32 ? 4 : 8;
  return KernelAttr::get(
      context, KernelFamily::TensorCore, {tile.rows, tile.columns, depth},
      {tile.warpRows, tile.warpColumns}, {}, {}, {width, width, outputs},
      tile.stages, chooseSplit(tile, depth, product, chip.processors), isTf32);
}
