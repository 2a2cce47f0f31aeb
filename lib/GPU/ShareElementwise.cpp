//===- ShareElementwise.cpp - Reductions read what is computed anyway -----===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_SHAREELEMENTWISE
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using linalg::GenericOp;

namespace {
/// Compares what a reduction computes of its operands before it combines with
/// what an elementwise op yields.
class Comparison {
public:
  Comparison(GenericOp reduction, GenericOp elementwise)
      : reduction(reduction), elementwise(elementwise) {}

  /// Whether an operand that both read fixes which loop is which.
  bool matchLoops();
  /// Whether `a` in the reduction is `b` in the elementwise op.
  bool isSame(Value a, Value b);
  /// A map of the elementwise op in terms of the reduction's loops.
  AffineMap translate(AffineMap map) {
    return map.replaceDimsAndSymbols(loops, {}, reduction.getNumLoops(), 0);
  }

private:
  bool isSameArgument(BlockArgument a, BlockArgument b);

  GenericOp reduction, elementwise;
  /// The reduction's loop that each loop of the elementwise op is.
  SmallVector<AffineExpr> loops;
};
} // namespace

bool Comparison::matchLoops() {
  if (reduction.getNumLoops() != elementwise.getNumLoops())
    return false;
  for (OpOperand *a : reduction.getDpsInputOperands())
    for (OpOperand *b : elementwise.getDpsInputOperands()) {
      AffineMap from = reduction.getMatchingIndexingMap(a);
      AffineMap to = elementwise.getMatchingIndexingMap(b);
      if (a->get() != b->get() || !from.isPermutation() || !to.isPermutation())
        continue;
      loops.assign(to.getNumDims(), {});
      for (auto [own, other] : llvm::zip(from.getResults(), to.getResults()))
        loops[cast<AffineDimExpr>(other).getPosition()] = own;
      return true;
    }
  return false;
}

bool Comparison::isSameArgument(BlockArgument a, BlockArgument b) {
  if (a.getArgNumber() >= reduction.getNumDpsInputs() ||
      b.getArgNumber() >= elementwise.getNumDpsInputs())
    return false;
  OpOperand &own = reduction->getOpOperand(a.getArgNumber());
  OpOperand &other = elementwise->getOpOperand(b.getArgNumber());
  return own.get() == other.get() &&
         reduction.getMatchingIndexingMap(&own) ==
             translate(elementwise.getMatchingIndexingMap(&other));
}

bool Comparison::isSame(Value a, Value b) {
  if (a == b)
    return true;
  auto argument = dyn_cast<BlockArgument>(a),
       other = dyn_cast<BlockArgument>(b);
  if (argument && other && argument.getOwner() == reduction.getBlock() &&
      other.getOwner() == elementwise.getBlock())
    return isSameArgument(argument, other);
  Operation *x = a.getDefiningOp(), *y = b.getDefiningOp();
  if (!x || !y || x->getBlock() != reduction.getBlock() ||
      y->getBlock() != elementwise.getBlock() || isa<linalg::IndexOp>(x) ||
      x->getName() != y->getName() || x->getNumRegions() != 0 ||
      x->getNumOperands() != y->getNumOperands() ||
      cast<OpResult>(a).getResultNumber() !=
          cast<OpResult>(b).getResultNumber() ||
      x->getAttrDictionary() != y->getAttrDictionary() ||
      x->getResultTypes() != y->getResultTypes())
    return false;
  for (auto [left, right] : llvm::zip(x->getOperands(), y->getOperands()))
    if (!isSame(left, right))
      return false;
  return true;
}

/// What `reduction` combines with its partial result, if that is all that it
/// does with it: the operand of the combiner.
static OpOperand *getTerm(GenericOp reduction) {
  if (reduction.getNumReductionLoops() == 0 || reduction.getNumDpsInits() != 1)
    return nullptr;
  BlockArgument partial = reduction.getRegionOutputArgs()[0];
  Operation *combiner =
      reduction.getBlock()->getTerminator()->getOperand(0).getDefiningOp();
  if (!combiner || combiner->getNumOperands() != 2 || !partial.hasOneUse() ||
      *partial.user_begin() != combiner)
    return nullptr;
  unsigned number = combiner->getOperand(0) == partial ? 1 : 0;
  OpOperand &term = combiner->getOpOperand(number);
  return term.get().getDefiningOp() &&
                 term.get().getDefiningOp()->getBlock() == reduction.getBlock()
             ? &term
             : nullptr;
}

/// Replaces the inputs of `reduction` by the result of `elementwise`.
static void share(RewriterBase &rewriter, GenericOp reduction,
                  GenericOp elementwise, AffineMap map, OpOperand &term) {
  rewriter.setInsertionPoint(reduction);
  OpOperand *init = reduction.getDpsInitOperand(0);
  SmallVector<AffineMap> maps{map, reduction.getMatchingIndexingMap(init)};
  auto smaller = GenericOp::create(
      rewriter, reduction.getLoc(), reduction.getResultTypes(),
      elementwise->getResult(0), init->get(), maps,
      reduction.getIteratorTypesArray(),
      [&](OpBuilder &b, Location loc, ValueRange arguments) {
        IRMapping mapping;
        mapping.map(term.get(), arguments[0]);
        mapping.map(reduction.getRegionOutputArgs()[0], arguments[1]);
        Operation *combiner = b.clone(*term.getOwner(), mapping);
        linalg::YieldOp::create(b, loc, combiner->getResults());
      });
  smaller->setDiscardableAttrs(reduction->getDiscardableAttrDictionary());
  rewriter.replaceOp(reduction, smaller);
}

namespace {
struct ShareElementwise
    : public mlir::sparsedrop::impl::ShareElementwiseBase<ShareElementwise> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<GenericOp> reductions, others;
    getOperation().walk([&](GenericOp op) {
      if (!op.hasPureTensorSemantics())
        return;
      if (op.getNumReductionLoops() != 0)
        reductions.push_back(op);
      else if (op.getNumDpsInits() == 1)
        others.push_back(op);
    });
    DominanceInfo dominance(getOperation());
    for (GenericOp reduction : reductions) {
      OpOperand *term = getTerm(reduction);
      for (GenericOp elementwise : others) {
        if (!term || !dominance.properlyDominates(elementwise, reduction))
          continue;
        Comparison comparison(reduction, elementwise);
        Value yielded = elementwise.getBlock()->getTerminator()->getOperand(0);
        AffineMap out = elementwise.getMatchingIndexingMap(
            elementwise.getDpsInitOperand(0));
        if (!comparison.matchLoops() ||
            !comparison.isSame(term->get(), yielded))
          continue;
        share(rewriter, reduction, elementwise, comparison.translate(out),
              *term);
        break;
      }
    }
  }
};
} // namespace
