//===- ChooseBoxes.h - Tiles of pixels --------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where a sum of loops indexes a dimension, as pixels and taps do that of an
// image, bulk copies take boxes of pixels at the place of one tap. Of 128
// pixels there are many: 8 x 16 of one image, 2 x 2 of 32 images, ... The best
// one computes the least that is not there, then has the longest rows.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_CHOOSEBOXES_H
#define SPARSEDROP_LIB_GPU_CHOOSEBOXES_H

#include "Product.h"

namespace mlir::sparsedrop {

/// Iterations of each loop of a role in a tile, from slow to fast.
struct BoxChoice {
  SmallVector<int64_t> boxes;
  /// Iterations of all tiles, and more where copies are short.
  double cost = 0;
};

/// Whether the tiles of a product have to be boxes: a dimension of a factor is
/// indexed by a sum of loops.
bool needsBoxes(const Product &product);

/// Boxes of `count` iterations of the rows or the depth; none if there are none
/// that copies could take. Copies are of `width` elements at least.
std::optional<BoxChoice> chooseBoxes(const Product &product, Role role,
                                     int64_t count, int64_t width);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_CHOOSEBOXES_H
