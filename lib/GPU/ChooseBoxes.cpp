//===- ChooseBoxes.cpp - Tiles of pixels ----------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChooseBoxes.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// What tensor maps can have (CUDA driver API, cuTensorMapEncodeTiled).
static constexpr int64_t kMostBox = 256;
/// Elements of 16 bytes in the longest row of shared memory.
static constexpr int64_t kMostWidths = 8;

bool mlir::sparsedrop::needsBoxes(const Product &product) {
  for (unsigned operand : {product.first, product.second})
    for (unsigned dim = 0; dim < product.indices[operand].size(); ++dim)
      if (product.isImage(operand, dim))
        return true;
  return false;
}

namespace {
/// Tries all boxes of one role.
class BoxSearch {
public:
  BoxSearch(const Product &product, Role role, int64_t width);

  /// Boxes of loops up to `i`, from the fastest one on, of `count` iterations,
  /// where those of the faster loops cost `cost`.
  void search(size_t i, int64_t count, double cost);

  std::optional<BoxChoice> best;

private:
  double getCost(size_t i, int64_t box) const;

  const Product &product;
  ArrayRef<unsigned> loops;
  int64_t width;
  /// Whether copies have their rows along the fastest loop.
  bool isContiguous;
  /// Of each loop: elements from one iteration to the next in an image.
  SmallVector<int64_t> steps;
  SmallVector<int64_t> boxes;
};
} // namespace

BoxSearch::BoxSearch(const Product &product, Role role, int64_t width)
    : product(product), loops(product.get(role)), width(width),
      steps(loops.size(), 1), boxes(loops.size(), 1) {
  isContiguous =
      product.isContiguous(product.first, role) ||
      (role == Role::Depth && product.isContiguous(product.second, role));
  for (unsigned operand : {product.first, product.second})
    for (auto [dim, index] : llvm::enumerate(product.indices[operand]))
      if (product.isImage(operand, static_cast<unsigned>(dim)))
        for (auto [loop, step] : llvm::zip(loops, steps)) {
          int64_t coefficient = index.coefficients[loop];
          // Copies do not go backwards: one iteration at a time.
          step = std::max(step, coefficient < 0 ? kMostBox : coefficient);
        }
}

/// Iterations that a loop has, with those of its last box that stick out.
double BoxSearch::getCost(size_t i, int64_t box) const {
  int64_t extent = std::max<int64_t>(product.likely[loops[i]], 1);
  auto cost = static_cast<double>(llvm::alignTo(extent, box));
  if (!isContiguous || i + 1 != loops.size())
    return cost;
  // A copy moves short rows at less than its full rate: guessed, by the banks
  // that a row of shared memory has.
  int64_t widths = std::min(box / width, kMostWidths);
  return cost * (widths >= 8   ? 1
                 : widths >= 4 ? 1.03
                 : widths >= 2 ? 1.1
                               : 1.3);
}

void BoxSearch::search(size_t i, int64_t count, double cost) {
  // Equal but for rounding: the first one stays.
  if (best && cost >= best->cost * (1 - 1e-9))
    return;
  if (i == 0) {
    if (count == 1)
      best = BoxChoice{boxes, cost};
    return;
  }
  size_t loop = i - 1;
  bool isFastest = i == loops.size();
  for (int64_t box = std::min(count, kMostBox / steps[loop]); box > 0; --box) {
    if (count % box != 0 || (isFastest && isContiguous && box % width != 0))
      continue;
    boxes[loop] = box;
    search(loop, count / box, cost * getCost(loop, box));
  }
}

std::optional<BoxChoice> mlir::sparsedrop::chooseBoxes(const Product &product,
                                                       Role role, int64_t count,
                                                       int64_t width) {
  BoxSearch search(product, role, width);
  search.search(product.get(role).size(), count, 1);
  return search.best;
}
