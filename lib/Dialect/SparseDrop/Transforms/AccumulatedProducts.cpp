//===- AccumulatedProducts.cpp - Sums of products over a loop -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AccumulatedProducts.h"

#include "LinalgUtils.h"
#include "Stacks.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::GenericOp;
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
  LinalgOp findNarrowedProduct();
  bool isOutside(Value value) {
    return !loop.getRegion().isAncestor(value.getParentRegion());
  }
  bool canStack(Value factor);
  std::optional<unsigned> findFilled(Value factor);
  std::optional<unsigned> addStack(Value factor);
  Value getStack(Value factor, std::optional<unsigned> added);
  Value createProduct(LinalgOp product);
  Value createStart(LinalgOp product);
  Value addNarrowed(Value sum);

  RewriterBase &b;
  scf::ForOp &loop;
  unsigned index;
  const Slices &slices;
  /// What rounds each product before it is added, if something does: the sum of
  /// all is rounded once.
  GenericOp narrowing;
};
} // namespace

/// The contraction, in a wider type, whose rounded result is added (by the op
/// that `ReverseSweep::add` makes) to what is carried; sets `narrowing`.
LinalgOp Accumulation::findNarrowedProduct() {
  BlockArgument carried = loop.getRegionIterArg(index);
  Value sum = loop.getYieldedValues()[index];
  auto add = sum.getDefiningOp<linalg::AddOp>();
  if (!add || isOutside(sum) || !sum.hasOneUse() || !carried.hasOneUse())
    return {};
  ValueRange terms = add.getInputs();
  if (terms[0] != carried && terms[1] != carried)
    return {};
  Value rounded = terms[0] == carried ? terms[1] : terms[0];
  auto candidate = rounded.getDefiningOp<GenericOp>();
  if (!candidate || isOutside(rounded) || !rounded.hasOneUse() ||
      !isNarrowing(candidate))
    return {};
  Value wide = candidate.getInputs()[0];
  auto product = wide.getDefiningOp<LinalgOp>();
  if (!product || isOutside(wide) || !wide.hasOneUse() ||
      !linalg::isaContractionOpInterface(product) ||
      !isZeroFill(product.getDpsInits()[0]))
    return {};
  narrowing = candidate;
  return product;
}

/// The contraction that adds to what is carried, if nothing else happens to it.
LinalgOp Accumulation::findProduct() {
  if (LinalgOp product = findNarrowedProduct())
    return product;
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

/// The result of the loop that each iteration adds `factor` to, as a slice of
/// its own.
std::optional<unsigned> Accumulation::findFilled(Value factor) {
  for (OpOperand &use : factor.getUses()) {
    auto insert = dyn_cast<tensor::InsertSliceOp>(use.getOwner());
    if (!insert || use.get() != insert.getSource() ||
        insert->getBlock() != loop.getBody() || !insert->hasOneUse())
      continue;
    auto argument = dyn_cast<BlockArgument>(insert.getDest());
    OpOperand &yielded = *insert->use_begin();
    if (!argument || argument.getOwner() != loop.getBody() ||
        !argument.hasOneUse() ||
        yielded.getOwner() != loop.getBody()->getTerminator() ||
        yielded.getOperandNumber() + loop.getNumInductionVars() !=
            argument.getArgNumber())
      continue;
    if (isPushed(insert, slices.number, slices.count))
      return yielded.getOperandNumber();
  }
  return std::nullopt;
}

/// Makes the loop carry a stack to which each iteration adds `factor`, or its
/// source if it has been dropped, unless there is one. The number of that
/// result; results and carried values of the loop are other values then.
std::optional<unsigned> Accumulation::addStack(Value factor) {
  if (isOutside(factor) || slices.findStack(factor))
    return std::nullopt;
  if (auto dropout = factor.getDefiningOp<DropoutOp>())
    return addStack(dropout.getSource());
  if (std::optional<unsigned> filled = findFilled(factor))
    return filled;
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
  return loop.getNumResults() - 1;
}

/// The stack of a factor in the loop, the result `added` if it has been added;
/// what all iterations drop alike is dropped of the stack.
Value Accumulation::getStack(Value factor, std::optional<unsigned> added) {
  if (Value stack = slices.findStack(factor))
    return stack;
  auto dropout = factor.getDefiningOp<DropoutOp>();
  if (!dropout)
    return loop.getResult(*added);
  Value source = dropout.getSource();
  Value stack = isOutside(source) ? source : getStack(source, added);
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

/// What the sum over all iterations begins with: what the loop began with, or
/// zeros in the product's type.
Value Accumulation::createStart(LinalgOp product) {
  Value begin = loop.getInitArgs()[index];
  if (!narrowing)
    return begin;
  Location loc = product.getLoc();
  Type type = getElementTypeOrSelf(product->getResult(0));
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
  Value empty = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, begin), type);
  return linalg::FillOp::create(b, loc, zero, empty).getResult(0);
}

/// What the loop began with, plus `sum`, rounded.
Value Accumulation::addNarrowed(Value sum) {
  Value begin = loop.getInitArgs()[index];
  Location loc = narrowing.getLoc();
  auto makeEmpty = [&]() -> Value {
    return tensor::EmptyOp::create(b, loc, tensor::getMixedSizes(b, loc, begin),
                                   getElementTypeOrSelf(begin.getType()));
  };
  IRMapping mapping;
  mapping.map(narrowing.getInputs()[0], sum);
  mapping.map(narrowing.getOutputs()[0], makeEmpty());
  Value rounded = b.clone(*narrowing, mapping)->getResult(0);
  return linalg::AddOp::create(b, loc, ValueRange{begin, rounded}, makeEmpty())
      .getResult(0);
}

/// `product` over all iterations, behind the loop, added to what the loop
/// began with.
Value Accumulation::createProduct(LinalgOp product) {
  MLIRContext *context = b.getContext();
  unsigned loops = product.getNumLoops() + 1;
  SmallVector<Value> factors;
  SmallVector<AffineMap> maps;
  SmallVector<std::optional<unsigned>> added;
  for (OpOperand *input : product.getDpsInputOperands())
    added.push_back(addStack(input->get()));
  for (OpOperand &operand : product->getOpOperands()) {
    // The iterations are the first loop.
    AffineMap map = product.getMatchingIndexingMap(&operand).shiftDims(1);
    SmallVector<AffineExpr> results(map.getResults());
    if (!product.isDpsInit(&operand)) {
      bool isStacked = !isOutside(operand.get());
      factors.push_back(
          isStacked ? getStack(operand.get(), added[operand.getOperandNumber()])
                    : operand.get());
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
  Value start = createStart(product);
  auto sum = GenericOp::create(b, product.getLoc(), start.getType(), factors,
                               start, maps, iterators);
  b.cloneRegionBefore(product->getRegion(0), sum.getRegion(),
                      sum.getRegion().end());
  if (Attribute kind = product->getDiscardableAttr(kProductAttrName))
    sum->setDiscardableAttr(kProductAttrName, kind);
  return narrowing ? addNarrowed(sum.getResult(0)) : sum.getResult(0);
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
