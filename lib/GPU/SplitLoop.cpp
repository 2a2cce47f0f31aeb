//===- SplitLoop.cpp - Contractions on the parts of a dimension -----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SplitLoop.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using tensor::CollapseShapeOp;
using tensor::ExpandShapeOp;

namespace {
/// Splits one loop of one contraction.
class LoopSplit {
public:
  LoopSplit(RewriterBase &rewriter, ContractOp op, unsigned loop,
            ArrayRef<OpFoldResult> parts)
      : rewriter(rewriter), op(op), loop(loop), parts(parts) {}

  /// Whether the loop indexes each operand in at most one dimension, by itself.
  bool isAlone();
  ContractOp apply();

private:
  std::optional<unsigned> getDim(unsigned operand);
  SmallVector<ReassociationIndices> getGroups(unsigned operand);
  AffineMap getMap(unsigned operand);
  Value expand(unsigned operand);
  void replace(ContractOp split);

  RewriterBase &rewriter;
  ContractOp op;
  unsigned loop;
  SmallVector<OpFoldResult> parts; ///< extents, from slow to fast
};
} // namespace

/// The dimension of an operand that the loop indexes.
std::optional<unsigned> LoopSplit::getDim(unsigned operand) {
  for (auto [dim, expr] : llvm::enumerate(op.getMap(operand).getResults()))
    if (expr == getAffineDimExpr(loop, op.getContext()))
      return static_cast<unsigned>(dim);
  return std::nullopt;
}

bool LoopSplit::isAlone() {
  AffineExpr alone = getAffineDimExpr(loop, op.getContext());
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    int uses = 0;
    for (AffineExpr expr : op.getMap(i).getResults()) {
      if (!expr.isFunctionOfDim(loop))
        continue;
      if (expr != alone || ++uses > 1)
        return false;
    }
  }
  return true;
}

/// The dimensions of the expanded operand that each of its own becomes.
SmallVector<ReassociationIndices> LoopSplit::getGroups(unsigned operand) {
  SmallVector<ReassociationIndices> groups;
  std::optional<unsigned> dim = getDim(operand);
  int64_t next = 0;
  for (unsigned i = 0; i < op.getMap(operand).getNumResults(); ++i) {
    ReassociationIndices &group = groups.emplace_back();
    for (size_t part = 0; part < (i == dim ? parts.size() : 1); ++part)
      group.push_back(next++);
  }
  return groups;
}

AffineMap LoopSplit::getMap(unsigned operand) {
  AffineMap map = op.getMap(operand);
  auto more = static_cast<unsigned>(parts.size()) - 1;
  SmallVector<AffineExpr> dims, exprs;
  for (unsigned i = 0; i < map.getNumDims(); ++i)
    dims.push_back(rewriter.getAffineDimExpr(i > loop ? i + more : i));
  for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
    exprs.push_back(expr.replaceDims(dims));
    if (dim == getDim(operand))
      for (unsigned part = 1; part <= more; ++part)
        exprs.push_back(rewriter.getAffineDimExpr(loop + part));
  }
  return AffineMap::get(map.getNumDims() + more, 0, exprs, op.getContext());
}

Value LoopSplit::expand(unsigned operand) {
  Value value = op->getOperand(operand);
  std::optional<unsigned> dim = getDim(operand);
  if (!dim)
    return value;
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(rewriter, op.getLoc(), value);
  sizes.erase(sizes.begin() + *dim);
  sizes.insert(sizes.begin() + *dim, parts.begin(), parts.end());
  Type element = getElementTypeOrSelf(value.getType());
  if (value.getDefiningOp<tensor::EmptyOp>())
    return tensor::EmptyOp::create(rewriter, op.getLoc(), sizes, element);
  SmallVector<int64_t> shape;
  SmallVector<Value> dynamic;
  dispatchIndexOpFoldResults(sizes, dynamic, shape);
  return rewriter.createOrFold<ExpandShapeOp>(
      op.getLoc(), RankedTensorType::get(shape, element), value,
      getGroups(operand), sizes);
}

/// Users that expand a result as it is now read it; others a collapsed one.
void LoopSplit::replace(ContractOp split) {
  rewriter.setInsertionPointAfter(split);
  for (auto [i, result] : llvm::enumerate(op->getResults())) {
    Value whole = split->getResult(static_cast<unsigned>(i));
    SmallVector<ReassociationIndices> groups =
        getGroups(op.getFirstInit() + static_cast<unsigned>(i));
    for (Operation *user : llvm::make_early_inc_range(result.getUsers())) {
      auto expansion = dyn_cast<ExpandShapeOp>(user);
      if (expansion && expansion.getReassociationIndices() == groups &&
          expansion.getType() == whole.getType())
        rewriter.replaceOp(expansion, whole);
    }
    if (!result.use_empty() && result.getType() != whole.getType())
      whole = CollapseShapeOp::create(rewriter, op.getLoc(), result.getType(),
                                      whole, groups);
    rewriter.replaceAllUsesWith(result, whole);
  }
}

ContractOp LoopSplit::apply() {
  rewriter.setInsertionPoint(op);
  SmallVector<Value> operands;
  SmallVector<AffineMap> maps;
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    operands.push_back(expand(i));
    maps.push_back(getMap(i));
  }
  ValueRange all(operands);
  ValueRange inits = all.drop_front(op.getFirstInit());
  auto split = ContractOp::create(
      rewriter, op.getLoc(), TypeRange(inits.getTypes()), operands[0],
      operands[1], all.slice(2, op.getExtras().size()), inits,
      rewriter.getAffineMapArrayAttr(maps), /*joint=*/IntegerAttr());
  split->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  split.getEpilogue().takeBody(op.getEpilogue());
  replace(split);
  rewriter.eraseOp(op);
  return split;
}

bool mlir::sparsedrop::isAloneInOperands(ContractOp op, unsigned loop) {
  IRRewriter rewriter(op.getContext());
  return LoopSplit(rewriter, op, loop, {}).isAlone();
}

ContractOp mlir::sparsedrop::splitLoop(RewriterBase &rewriter, ContractOp op,
                                       unsigned loop,
                                       ArrayRef<OpFoldResult> parts) {
  return LoopSplit(rewriter, op, loop, parts).apply();
}

ContractOp mlir::sparsedrop::splitCollapsed(RewriterBase &rewriter,
                                            ContractOp op, unsigned factor) {
  auto collapse = op->getOperand(factor).getDefiningOp<CollapseShapeOp>();
  if (!collapse || op.getJoint())
    return {};
  rewriter.setInsertionPoint(op);
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(rewriter, op.getLoc(), collapse.getSrc());
  for (auto [dim, group] :
       llvm::enumerate(collapse.getReassociationIndices())) {
    auto expr = dyn_cast<AffineDimExpr>(op.getMap(factor).getResult(dim));
    if (group.size() == 1)
      continue;
    if (!expr)
      return {};
    LoopSplit split(rewriter, op, expr.getPosition(),
                    ArrayRef(sizes).slice(group.front(), group.size()));
    // Several groups are split one after another.
    return split.isAlone() ? split.apply() : ContractOp();
  }
  return {};
}
