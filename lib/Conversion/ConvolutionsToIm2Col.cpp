//===- ConvolutionsToIm2Col.cpp - Convolutions by matrices of patches -----===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A product that reads an image at sums of pixels and taps reads, instead, a
// copy with an element for each pair of them: a matrix of patches, pixels by
// taps and channels. What is innermost in the image stays innermost, so that
// the copy moves whole rows of channels, and the forward pass and the gradient
// of the filters ask for the same one.
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/Conversion/Products.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_CONVOLUTIONSTOIM2COL
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

/// Whether an operand is indexed by a sum of loops somewhere.
static bool hasSums(LinalgOp op, OpOperand *operand) {
  return !op.getMatchingIndexingMap(operand).isProjectedPermutation();
}

/// The loops that index an operand, in the order of the dimensions of its
/// patches: reductions and others apart, those last that its innermost
/// dimension belongs to.
static SmallVector<unsigned> getLoops(LinalgOp op, OpOperand *operand) {
  AffineMap map = op.getMatchingIndexingMap(operand);
  SmallVector<utils::IteratorType> types = op.getIteratorTypesArray();
  // By where they come first in the operand.
  SmallVector<unsigned> order;
  for (AffineExpr expr : map.getResults())
    for (unsigned loop = 0; loop < map.getNumDims(); ++loop)
      if (expr.isFunctionOfDim(loop) && !llvm::is_contained(order, loop))
        order.push_back(loop);
  AffineExpr innermost = map.getResults().back();
  utils::IteratorType last = types[*llvm::find_if(
      order, [&](unsigned loop) { return innermost.isFunctionOfDim(loop); })];
  SmallVector<unsigned> loops;
  for (bool isLast : {false, true})
    llvm::append_range(loops, llvm::make_filter_range(order, [&](unsigned i) {
                         return (types[i] == last) == isLast;
                       }));
  return loops;
}

/// The matrix of patches: an element for each iteration of `loops`.
static Value createPatches(RewriterBase &rewriter, LinalgOp op,
                           OpOperand *operand, ArrayRef<unsigned> loops) {
  Location loc = op.getLoc();
  MLIRContext *context = op.getContext();
  AffineMap map = op.getMatchingIndexingMap(operand);
  SmallVector<Range> ranges = op.createLoopRanges(rewriter, loc);
  SmallVector<OpFoldResult> sizes;
  SmallVector<AffineExpr> dims(map.getNumDims(),
                               getAffineConstantExpr(0, context));
  for (auto [i, loop] : llvm::enumerate(loops)) {
    sizes.push_back(ranges[loop].size);
    dims[loop] = getAffineDimExpr(static_cast<unsigned>(i), context);
  }
  auto rank = static_cast<unsigned>(loops.size());
  AffineMap source = map.replaceDimsAndSymbols(dims, {}, rank, 0);
  AffineMap identity = AffineMap::getMultiDimIdentityMap(rank, context);
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  Value empty = tensor::EmptyOp::create(
      rewriter, loc, sizes, getElementTypeOrSelf(operand->get().getType()));
  return linalg::GenericOp::create(
             rewriter, loc, empty.getType(), operand->get(), empty,
             ArrayRef{source, identity}, iterators,
             [](OpBuilder &b, Location l, ValueRange arguments) {
               linalg::YieldOp::create(b, l, arguments[0]);
             })
      .getResult(0);
}

/// Lets a generic product read patches where it reads images.
static void readPatches(RewriterBase &rewriter, linalg::GenericOp op) {
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  for (OpOperand *operand : op.getDpsInputOperands()) {
    if (!hasSums(op, operand))
      continue;
    SmallVector<unsigned> loops = getLoops(op, operand);
    rewriter.setInsertionPoint(op);
    Value patches = createPatches(rewriter, op, operand, loops);
    SmallVector<AffineExpr> exprs;
    for (unsigned loop : loops)
      exprs.push_back(rewriter.getAffineDimExpr(loop));
    maps[operand->getOperandNumber()] =
        AffineMap::get(op.getNumLoops(), 0, exprs, op.getContext());
    rewriter.modifyOpInPlace(op, [&] { operand->set(patches); });
  }
  rewriter.modifyOpInPlace(op, [&] {
    op.setIndexingMapsAttr(rewriter.getAffineMapArrayAttr(maps));
  });
}

LogicalResult mlir::sparsedrop::rewriteProductInIm2Col(RewriterBase &rewriter,
                                                       LinalgOp op) {
  if (!op.hasPureTensorSemantics())
    return rewriter.notifyMatchFailure(op, "it works on buffers");
  if (failed(matchProduct(rewriter, op)))
    return failure();
  if (llvm::none_of(op.getDpsInputOperands(),
                    [&](OpOperand *operand) { return hasSums(op, operand); }))
    return rewriter.notifyMatchFailure(op, "no sum of loops indexes a factor");
  auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
  if (!generic) {
    rewriter.setInsertionPoint(op);
    DictionaryAttr attributes = op->getDiscardableAttrDictionary();
    FailureOr<linalg::GenericOp> general =
        linalg::generalizeNamedOp(rewriter, op);
    if (failed(general))
      return failure();
    generic = *general;
    for (NamedAttribute attribute : attributes)
      if (attribute.getName() !=
          linalg::LinalgDialect::kMemoizedIndexingMapsAttrName)
        generic->setDiscardableAttr(attribute.getName(), attribute.getValue());
  }
  readPatches(rewriter, generic);
  return success();
}

namespace {
struct ConvolutionsToIm2Col
    : public mlir::sparsedrop::impl::ConvolutionsToIm2ColBase<
          ConvolutionsToIm2Col> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<LinalgOp> ops;
    getOperation().walk([&](LinalgOp op) { ops.push_back(op); });
    for (LinalgOp op : ops)
      (void)rewriteProductInIm2Col(rewriter, op);
  }
};
} // namespace
