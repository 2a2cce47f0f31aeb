//===- StoreExtras.cpp - Copies become outputs of an epilogue -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StoreExtras.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// Whether the epilogue reads each element of an extra at the place of one
/// output, and at no other.
static bool isReadInPlace(ContractOp op, unsigned extra) {
  return llvm::any_of(
      llvm::seq<unsigned>(0, op.getInits().size()),
      [&](unsigned i) { return op.getInitMap(i) == op.getMap(2 + extra); });
}

/// An insertion of an extra that might as well come right behind the
/// contraction. What something computes is written where it is inserted
/// already; what is carried is not.
static tensor::InsertSliceOp findCopy(ContractOp op, Value extra,
                                      const DominanceInfo &dominance) {
  if (!isa<BlockArgument>(extra))
    return {};
  for (OpOperand &use : extra.getUses()) {
    auto copy = dyn_cast<tensor::InsertSliceOp>(use.getOwner());
    if (!copy || copy->getBlock() != op->getBlock() ||
        copy.getSource() != extra || copy.getDest() == extra)
      continue;
    bool mayBegin =
        llvm::all_of(llvm::drop_begin(copy->getOperands()), [&](Value value) {
          return dominance.properlyDominates(value, op);
        });
    bool mayWait = llvm::all_of(copy->getUsers(), [&](Operation *user) {
      return dominance.properlyDominates(op, user);
    });
    if (mayBegin && mayWait)
      return copy;
  }
  return {};
}

/// The contraction with an output more, which holds the elements of an extra.
static ContractOp addOutput(RewriterBase &rewriter, ContractOp op,
                            unsigned extra, Value init) {
  SmallVector<Value> inits(op.getInits());
  inits.push_back(init);
  SmallVector<Attribute> maps(op.getIndexingMaps().getValue());
  maps.push_back(maps[2 + extra]);
  auto result = ContractOp::create(
      rewriter, op.getLoc(), TypeRange(ValueRange(inits).getTypes()),
      op.getLhs(), op.getRhs(), op.getExtras(), inits,
      rewriter.getArrayAttr(maps), op.getJointAttr());
  result->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  result.getEpilogue().takeBody(op.getEpilogue());
  Operation *yield = result.getBody()->getTerminator();
  SmallVector<Value> values(yield->getOperands());
  llvm::append_range(values, result.getElements(2 + extra));
  for (unsigned i = 0; i < result.countElements(2 + extra); ++i)
    result.getBody()->addArgument(getElementTypeOrSelf(init.getType()),
                                  op.getLoc());
  rewriter.modifyOpInPlace(yield, [&] { yield->setOperands(values); });
  rewriter.replaceOp(op, result.getResults().drop_back());
  return result;
}

ContractOp mlir::sparsedrop::storeExtra(RewriterBase &rewriter, ContractOp op,
                                        const DominanceInfo &dominance) {
  for (auto [i, extra] : llvm::enumerate(op.getExtras())) {
    auto number = static_cast<unsigned>(i);
    tensor::InsertSliceOp copy = findCopy(op, extra, dominance);
    if (!copy || !isReadInPlace(op, number))
      continue;
    rewriter.setInsertionPoint(op);
    auto place = tensor::ExtractSliceOp::create(
        rewriter, copy.getLoc(), copy.getSourceType(), copy.getDest(),
        copy.getMixedOffsets(), copy.getMixedSizes(), copy.getMixedStrides());
    ContractOp stored = addOutput(rewriter, op, number, place);
    rewriter.moveOpAfter(copy, stored);
    rewriter.modifyOpInPlace(copy, [&] {
      copy.getSourceMutable().set(stored->getResults().back());
    });
    return stored;
  }
  return {};
}
