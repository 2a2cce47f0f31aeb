//===- AccumulatedProducts.cpp - Sums of products over a loop -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AccumulatedProducts.h"

#include "Stacks.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

namespace {
class Accumulation {
public:
  Accumulation(RewriterBase &b, scf::ForOp &loop, unsigned index,
               const Slices &slices)
      : b(b), loop(loop), index(index), slices(slices) {}

  Value hoist();

private:
  LinalgOp findProduct();
  bool isOutside(Value value) {
    return !loop.getRegion().isAncestor(value.getParentRegion());
  }
  bool canStack(Value factor);
  Value getStack(Value factor);
  Value addStack(Value factor);
  Value createProduct(LinalgOp product);

  RewriterBase &b;
  scf::ForOp &loop;
  unsigned index;
  const Slices &slices;
};
} // namespace

/// The contraction that adds to what is carried, if nothing else happens to it.
LinalgOp Accumulation::findProduct() {
  Value carried = loop.getRegionIterArg(index);
  Value sum = loop.getYieldedValues()[index];
  auto product = sum.getDefiningOp<LinalgOp>();
  if (!product || isOutside(sum) || !sum.hasOneUse() || !carried.hasOneUse() ||
      !linalg::isaContractionOpInterface(product) ||
      product.getDpsInits()[0] != carried)
    return {};
  return product;
}

/// Whether the values of all iterations can be had behind the loop.
bool Accumulation::canStack(Value factor) {
  if (isOutside(factor) || slices.findStack(factor))
    return true;
  if (auto dropout = factor.getDefiningOp<DropoutOp>())
    return isOutside(dropout.getPattern()) && canStack(dropout.getSource());
  return cast<RankedTensorType>(factor.getType()).hasStaticShape();
}

/// The stack of a factor in the loop; what all iterations drop alike is dropped
/// of the stack.
Value Accumulation::getStack(Value factor) {
  if (Value stack = slices.findStack(factor))
    return stack;
  auto dropout = factor.getDefiningOp<DropoutOp>();
  if (!dropout)
    return addStack(factor);
  Value source = dropout.getSource();
  Value stack = isOutside(source) ? source : getStack(source);
  SmallVector<int64_t> dims(dropout.getDims());
  if (!isOutside(source))
    for (int64_t &dim : dims)
      ++dim;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfter(loop);
  return DropoutOp::create(b, dropout.getLoc(), stack.getType(), stack,
                           dropout.getPattern(), b.getDenseI64ArrayAttr(dims),
                           dropout.getUnscaledAttr());
}

/// Makes the loop carry a stack to which each iteration adds `factor`.
Value Accumulation::addStack(Value factor) {
  Location loc = factor.getLoc();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop);
  Value empty = createStack(b, loc, factor, slices.count);
  auto push = [&](OpBuilder &builder, Location,
                  ArrayRef<BlockArgument> stacks) -> SmallVector<Value> {
    return {pushSlice(builder, loc, factor, stacks[0], slices.number)};
  };
  loop = cast<scf::ForOp>(
      *cast<LoopLikeOpInterface>(loop.getOperation())
           .replaceWithAdditionalYields(
               b, empty, /*replaceInitOperandUsesInLoop=*/false, push));
  return loop.getResults().back();
}

/// `product` over all iterations, behind the loop, added to what the loop
/// began with.
Value Accumulation::createProduct(LinalgOp product) {
  MLIRContext *context = b.getContext();
  unsigned loops = product.getNumLoops() + 1;
  SmallVector<Value> factors;
  SmallVector<AffineMap> maps;
  for (OpOperand &operand : product->getOpOperands()) {
    // The iterations are the first loop.
    AffineMap map = product.getMatchingIndexingMap(&operand).shiftDims(1);
    SmallVector<AffineExpr> results(map.getResults());
    if (!product.isDpsInit(&operand)) {
      bool isStacked = !isOutside(operand.get());
      factors.push_back(isStacked ? getStack(operand.get()) : operand.get());
      if (isStacked)
        results.insert(results.begin(), b.getAffineDimExpr(0));
    }
    maps.push_back(AffineMap::get(loops, 0, results, context));
  }
  SmallVector<utils::IteratorType> iterators = product.getIteratorTypesArray();
  iterators.insert(iterators.begin(), utils::IteratorType::reduction);
  b.setInsertionPointAfter(loop);
  // Dropouts of stacks are there, too.
  for (Value factor : factors)
    if (Operation *op = factor.getDefiningOp();
        op && op->getBlock() == loop->getBlock() &&
        b.getInsertionPoint() != op->getBlock()->end() &&
        !op->isBeforeInBlock(&*b.getInsertionPoint()))
      b.setInsertionPointAfter(op);
  auto sum = linalg::GenericOp::create(
      b, product.getLoc(), loop.getInitArgs()[index].getType(), factors,
      loop.getInitArgs()[index], maps, iterators);
  b.cloneRegionBefore(product->getRegion(0), sum.getRegion(),
                      sum.getRegion().end());
  if (Attribute kind = product->getDiscardableAttr(kProductAttrName))
    sum->setDiscardableAttr(kProductAttrName, kind);
  return sum.getResult(0);
}

Value Accumulation::hoist() {
  LinalgOp product = findProduct();
  if (!product || llvm::all_of(product.getDpsInputs(),
                               [&](Value factor) { return isOutside(factor); }))
    return {};
  for (Value factor : product.getDpsInputs())
    if (!canStack(factor))
      return {};
  OpBuilder::InsertionGuard guard(b);
  Value sum = createProduct(product);
  auto yield = cast<scf::YieldOp>(loop.getBody()->getTerminator());
  b.modifyOpInPlace(
      yield, [&] { yield.setOperand(index, loop.getRegionIterArg(index)); });
  return sum;
}

Value mlir::sparsedrop::hoistAccumulation(RewriterBase &rewriter,
                                          scf::ForOp &loop, unsigned index,
                                          const Slices &slices) {
  return Accumulation(rewriter, loop, index, slices).hoist();
}
