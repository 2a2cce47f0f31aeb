//===- Reductions.cpp - Reductions of structured ops ----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Reductions.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using linalg::LinalgOp;

Operation *mlir::sparsedrop::getCombiner(LinalgOp op, unsigned index) {
  SmallVector<Operation *> combiners;
  if (!matchReduction(op.getRegionOutputArgs(), index, combiners) ||
      combiners.size() != 1 || combiners[0]->getNumOperands() != 2 ||
      !arith::getNeutralElement(combiners[0]))
    return nullptr;
  return combiners[0];
}

bool mlir::sparsedrop::isElementwise(LinalgOp op, OpOperand &init) {
  return op.getMatchingIndexingMap(&init).isPermutation();
}

bool mlir::sparsedrop::isSplittable(LinalgOp op) {
  bool combines = false;
  for (auto [i, init] : llvm::enumerate(op.getDpsInitsMutable())) {
    if (isElementwise(op, init) &&
        op.getMatchingBlockArgument(&init).use_empty())
      continue;
    if (!getCombiner(op, i))
      return false;
    combines = true;
  }
  return combines;
}

LinalgOp mlir::sparsedrop::getOwnProducer(OpOperand &operand) {
  auto producer = operand.get().getDefiningOp<LinalgOp>();
  auto consumer = dyn_cast<LinalgOp>(operand.getOwner());
  if (!producer || !consumer || producer.getNumReductionLoops() != 0 ||
      !producer.hasPureTensorSemantics() || !operand.get().hasOneUse() ||
      producer->hasAttr(kKernelAttrName) || consumer->hasAttr(kKernelAttrName))
    return {};
  return producer;
}

bool mlir::sparsedrop::readsWindows(LinalgOp op) {
  return op.getNumReductionLoops() == 0 &&
         llvm::any_of(op.getDpsInputOperands(), [&](OpOperand *input) {
           return !op.getMatchingIndexingMap(input).isProjectedPermutation();
         });
}
