//===- FormKernels.cpp - Contractions become ops with an epilogue ---------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "sparsedrop/Conversion/Products.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_FORMKERNELS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

/// `value` in another float type.
static Value convertFloat(OpBuilder &builder, Location loc, Value value,
                          Type type) {
  unsigned from = value.getType().getIntOrFloatBitWidth();
  unsigned to = type.getIntOrFloatBitWidth();
  if (value.getType() == type)
    return value;
  if (from < to)
    return arith::ExtFOp::create(builder, loc, type, value);
  return arith::TruncFOp::create(builder, loc, type, value);
}

/// What a contraction writes to, and whether it adds to what is there.
static std::pair<Value, bool> getStart(LinalgOp op) {
  Value init = op.getDpsInits()[0];
  auto fill = init.getDefiningOp<linalg::FillOp>();
  if (fill && matchPattern(fill.getInputs()[0], m_AnyZeroFloat()))
    return {fill.getOutputs()[0], false};
  return {init, true};
}

/// A sum of products of elements that are read once each: there is nothing to
/// tile, it is a reduction, which other reductions of these elements may join.
/// Sums of 16 bits are left to the contraction, which adds in f32.
static bool readsOnce(LinalgOp op) {
  return llvm::all_of(op.getDpsInputOperands(),
                      [&](OpOperand *input) {
                        return op.getMatchingIndexingMap(input).isPermutation();
                      }) &&
         getElementTypeOrSelf(op->getResult(0)).getIntOrFloatBitWidth() >= 32;
}

/// Whether `start` is of a loop around `op` only read: each iteration would
/// have to copy it before it adds to it.
static bool isOutsideOfLoop(LinalgOp op, Value start) {
  auto loop = op->getParentOfType<LoopLikeOpInterface>();
  if (auto slice = start.getDefiningOp<tensor::ExtractSliceOp>())
    start = slice.getSource();
  return loop && !loop->isAncestor(start.getParentRegion()->getParentOp());
}

static void form(RewriterBase &rewriter, LinalgOp op) {
  rewriter.setInsertionPoint(op);
  Location loc = op.getLoc();
  auto [start, accumulates] = getStart(op);
  Type type = getElementTypeOrSelf(start.getType());
  bool isWide = llvm::any_of(op->getOperandTypes(), [](Type operand) {
    return getElementTypeOrSelf(operand).isF64();
  });
  Type sumType = isWide ? rewriter.getF64Type() : rewriter.getF32Type();
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  SmallVector<Value> extras;
  if (accumulates && isOutsideOfLoop(op, start)) {
    extras.push_back(start);
    maps.push_back(maps.back());
    start = tensor::EmptyOp::create(
        rewriter, loc, tensor::getMixedSizes(rewriter, loc, start), type);
  }
  auto contract = ContractOp::create(
      rewriter, loc, TypeRange(op->getResultTypes()),
      op.getDpsInputOperand(0)->get(), op.getDpsInputOperand(1)->get(), extras,
      ValueRange(start), rewriter.getAffineMapArrayAttr(maps),
      /*joint=*/IntegerAttr());
  for (StringRef name : {kKernelAttrName, kProductAttrName})
    if (Attribute attribute = op->getDiscardableAttr(name))
      contract->setDiscardableAttr(name, attribute);
  SmallVector<Type> types(2 + extras.size(), type);
  types.front() = sumType;
  Block *body = rewriter.createBlock(&contract.getEpilogue(), {}, types,
                                     SmallVector<Location>(types.size(), loc));
  Value result = body->getArgument(0);
  if (accumulates)
    result = arith::AddFOp::create(
        rewriter, loc,
        convertFloat(rewriter, loc, body->getArgument(1), sumType), result);
  YieldOp::create(rewriter, loc, convertFloat(rewriter, loc, result, type));
  rewriter.replaceOp(op, contract);
}

namespace {
struct FormKernels
    : public mlir::sparsedrop::impl::FormKernelsBase<FormKernels> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<LinalgOp> products;
    getOperation().walk([&](LinalgOp op) {
      if (op.hasPureTensorSemantics() &&
          succeeded(matchProduct(rewriter, op)) && !readsOnce(op))
        products.push_back(op);
    });
    for (LinalgOp op : products)
      form(rewriter, op);
  }
};
} // namespace
