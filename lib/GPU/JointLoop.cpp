//===- JointLoop.cpp - Sums that an epilogue sees together ----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "JointLoop.h"

#include "SplitLoop.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// Which of how many equal parts along the last dimension a slice takes.
static std::optional<JointPart> getPart(tensor::ExtractSliceOp slice) {
  RankedTensorType whole = slice.getSourceType(), part = slice.getType();
  int64_t last = whole.getRank() - 1;
  if (part.getRank() != whole.getRank() || last < 0 || !slice.hasUnitStride() ||
      whole.isDynamicDim(last) || part.isDynamicDim(last) ||
      slice.isDynamicOffset(last))
    return std::nullopt;
  for (int64_t dim = 0; dim < last; ++dim) {
    FailureOr<bool> isWhole = ValueBoundsConstraintSet::areEqual(
        {slice.getSource(), dim}, slice.getMixedSizes()[dim]);
    if (!isConstantIntValue(slice.getMixedOffsets()[dim], 0) ||
        failed(isWhole) || !*isWhole)
      return std::nullopt;
  }
  int64_t size = part.getDimSize(last), offset = slice.getStaticOffset(last);
  if (size == 0 || whole.getDimSize(last) % size != 0 || offset % size != 0)
    return std::nullopt;
  JointPart found;
  found.count = whole.getDimSize(last) / size;
  found.number = offset / size;
  if (found.count < 2 || found.count > ContractOp::kMostJoint)
    return std::nullopt;
  return found;
}

/// Whether makeJoint() has made `collapse`: of what a contraction yields, the
/// joint loop, of `count` iterations, and the contiguous one become one.
static bool isOfJointLoop(tensor::CollapseShapeOp collapse, int64_t count) {
  auto result = dyn_cast<OpResult>(collapse.getSrc());
  auto op = collapse.getSrc().getDefiningOp<ContractOp>();
  if (!op || !op.getJoint() || op.countSums() != count ||
      collapse.getSrcType().getRank() != collapse.getType().getRank() + 1 ||
      collapse.getReassociationIndices().back().size() != 2)
    return false;
  AffineMap map = op.getInitMap(result.getResultNumber());
  return map.getResult(map.getNumResults() - 2) ==
         getAffineDimExpr(static_cast<unsigned>(*op.getJoint()),
                          op.getContext());
}

std::optional<JointPart>
mlir::sparsedrop::getJointPart(tensor::ExtractSliceOp slice) {
  std::optional<JointPart> found = getPart(slice);
  if (!found)
    return std::nullopt;
  Value source = slice.getSource();
  auto collapse = source.getDefiningOp<tensor::CollapseShapeOp>();
  if (collapse && isOfJointLoop(collapse, found->count))
    source = collapse.getSrc();
  auto op = source.getDefiningOp<ContractOp>();
  if (!op || op.getJoint().has_value() != (source != slice.getSource()))
    return std::nullopt;
  found->result = cast<OpResult>(source);
  return found;
}

/// The loop that the last dimension of the first output is.
static unsigned getLastLoop(ContractOp op) {
  return cast<AffineDimExpr>(op.getInitMap().getResults().back()).getPosition();
}

StringRef mlir::sparsedrop::getJointLoopProblem(ContractOp op, int64_t count) {
  if (op.getJoint())
    return op.countSums() == count ? "" : "others are joint already";
  auto kernel = op->getAttrOfType<KernelAttr>(kKernelAttrName);
  if (kernel && kernel.getColumns().empty())
    return "its kernel has been chosen, without 'columns'";
  unsigned loop = getLastLoop(op);
  for (Type type : op->getResultTypes())
    if (cast<RankedTensorType>(type).getShape().back() % count != 0)
      return "outputs are not of as many parts";
  for (unsigned i = 0; i < op.getInits().size(); ++i)
    if (op.getInitMap(i) != op.getInitMap())
      return "outputs lie in different orders";
  if (op.getMap(0).isFunctionOfDim(loop) && op.getMap(1).isFunctionOfDim(loop))
    return "parts are of a batch loop";
  if (!isAloneInOperands(op, loop))
    return "the loop of parts does not stand alone in all operands";
  for (auto [i, operand] : llvm::enumerate(op->getOperands()))
    for (auto [dim, expr] :
         llvm::enumerate(op.getMap(static_cast<unsigned>(i)).getResults()))
      if (expr.isFunctionOfDim(loop) &&
          cast<RankedTensorType>(operand.getType()).isDynamicDim(dim))
        return "an operand does not tell how long its parts are";
  return "";
}

/// The region of one output at a time becomes that of `count`.
static void repeatRegion(RewriterBase &rewriter, ContractOp op, unsigned loop,
                         int64_t count) {
  auto parts = static_cast<unsigned>(count);
  Block *single = op.getBody();
  SmallVector<Type> types(parts, op.getSum().getType());
  for (unsigned i = 2; i < op->getNumOperands(); ++i)
    types.append(op.getMap(i).isFunctionOfDim(loop) ? parts : 1,
                 single->getArgument(i - 1).getType());
  op.setJoint(loop);
  Block *body =
      rewriter.createBlock(&op.getEpilogue(), {}, types,
                           SmallVector<Location>(types.size(), op.getLoc()));
  // The region's argument of each operand, in the part.
  SmallVector<IRMapping> mappings(parts);
  for (auto [part, mapping] : llvm::enumerate(mappings)) {
    unsigned next = parts;
    mapping.map(single->getArgument(0),
                body->getArgument(static_cast<unsigned>(part)));
    for (unsigned i = 2; i < op->getNumOperands(); ++i) {
      unsigned elements = op.getMap(i).isFunctionOfDim(loop) ? parts : 1;
      unsigned own = elements == 1 ? 0 : static_cast<unsigned>(part);
      mapping.map(single->getArgument(i - 1), body->getArgument(next + own));
      next += elements;
    }
    for (Operation &inner : single->without_terminator())
      rewriter.clone(inner, mapping);
  }
  SmallVector<Value> values;
  for (Value value : single->getTerminator()->getOperands())
    for (const IRMapping &mapping : mappings)
      values.push_back(mapping.lookupOrDefault(value));
  YieldOp::create(rewriter, op.getLoc(), values);
  rewriter.eraseBlock(single);
}

/// Results that are inserted somewhere begin there: bufferization finds such
/// places by itself only as long as results are not reshaped.
static void beginInPlace(RewriterBase &rewriter, ContractOp op,
                         const DominanceInfo &dominance) {
  for (auto [i, result] : llvm::enumerate(op->getResults())) {
    OpOperand &init = op.getInitsMutable()[i];
    if (!init.get().getDefiningOp<tensor::EmptyOp>())
      continue;
    for (OpOperand &use : result.getUses()) {
      auto insertion = dyn_cast<tensor::InsertSliceOp>(use.getOwner());
      if (!insertion || use.get() != insertion.getSource() ||
          llvm::any_of(llvm::drop_begin(insertion->getOperands()),
                       [&](Value value) {
                         return !dominance.properlyDominates(value, op);
                       }))
        continue;
      rewriter.setInsertionPoint(op);
      auto slice = tensor::ExtractSliceOp::create(
          rewriter, insertion.getLoc(), insertion.getSourceType(),
          insertion.getDest(), insertion.getMixedOffsets(),
          insertion.getMixedSizes(), insertion.getMixedStrides());
      rewriter.modifyOpInPlace(op, [&] { init.set(slice); });
      break;
    }
  }
}

ContractOp mlir::sparsedrop::makeJoint(RewriterBase &rewriter, ContractOp op,
                                       int64_t count,
                                       const DominanceInfo &dominance) {
  if (op.getJoint())
    return op;
  beginInPlace(rewriter, op, dominance);
  unsigned loop = getLastLoop(op);
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  int64_t size = type.getShape().back() / count;
  ContractOp split =
      splitLoop(rewriter, op, loop,
                {rewriter.getIndexAttr(count), rewriter.getIndexAttr(size)});
  OpBuilder::InsertionGuard guard(rewriter);
  repeatRegion(rewriter, split, loop, count);
  return split;
}
