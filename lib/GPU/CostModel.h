//===- CostModel.h - What a product costs -----------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Estimates by which kernels of products are chosen among. Blocks take tiles in
// waves; a wave lasts as long as what limits a tile, which is the tensor cores
// or the factors' way from the L2 cache, plus its epilogue. The numbers of a
// chip are those that its maker publishes; only ratios matter.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_COSTMODEL_H
#define SPARSEDROP_LIB_GPU_COSTMODEL_H

#include "ChooseContraction.h"
#include "Product.h"

namespace mlir::sparsedrop {

/// Of one launch, and of the one that adds parts.
struct ProductCost {
  int64_t waves = 0;    ///< tiles that a processor computes
  double cycles = 0;    ///< of the processors' clock, all in all
  bool isByMath = true; ///< whether the tensor cores limit a tile
};

ProductCost estimateCost(const Product &product, KernelAttr choice,
                         const Chip &chip);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_COSTMODEL_H
