//===- LinalgUtils.cpp - Small questions about structured ops -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LinalgUtils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

bool mlir::sparsedrop::isPlainLoop(linalg::LinalgOp op, unsigned loop) {
  for (AffineMap map : op.getIndexingMapsArray()) {
    unsigned uses = 0;
    for (AffineExpr expr : map.getResults()) {
      if (!expr.isFunctionOfDim(loop))
        continue;
      ++uses;
      if (!isa<AffineDimExpr>(expr))
        return false;
    }
    if (uses > 1)
      return false;
  }
  return true;
}

bool mlir::sparsedrop::isZeroFill(Value value) {
  if (auto fill = value.getDefiningOp<linalg::FillOp>())
    return matchPattern(fill.getInputs()[0], m_AnyZeroFloat());
  DenseElementsAttr elements;
  return matchPattern(value, m_Constant(&elements)) && elements.isSplat() &&
         isa<FloatType>(elements.getElementType()) &&
         elements.getSplatValue<APFloat>().isZero();
}

Value mlir::sparsedrop::emitScaled(OpBuilder &b, Location loc, Value x,
                                   Value scale) {
  Type element = x.getType();
  Type wide = element.isF64() ? element : b.getF32Type();
  if (wide != scale.getType())
    scale = arith::ExtFOp::create(b, loc, wide, scale);
  if (wide != element)
    x = arith::ExtFOp::create(b, loc, wide, x);
  x = arith::MulFOp::create(b, loc, x, scale);
  if (wide != element)
    x = arith::TruncFOp::create(b, loc, element, x);
  return x;
}
