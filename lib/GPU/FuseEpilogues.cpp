//===- FuseEpilogues.cpp - Elementwise users join contractions ------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_FUSEEPILOGUES
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

namespace {
/// One elementwise op that may join the contraction whose result it reads.
class Fusion {
public:
  Fusion(RewriterBase &rewriter, DominanceInfo &dominance, OpResult result,
         linalg::GenericOp consumer)
      : rewriter(rewriter), dominance(dominance), result(result),
        contract(cast<ContractOp>(result.getOwner())), consumer(consumer) {}

  /// Why it cannot; empty when it can.
  StringRef match();
  /// The contraction that replaces both.
  ContractOp apply();

private:
  bool matchLoops();
  bool matchMaps();
  bool findPlace();
  bool isKept();
  AffineMap compose(OpOperand &operand);
  void addConsumerOperands();
  unsigned addExtra(Value value, AffineMap map);
  void fillBody(ContractOp fused);

  RewriterBase &rewriter;
  DominanceInfo &dominance;
  OpResult result;
  ContractOp contract;
  linalg::GenericOp consumer;
  /// The loop of the contraction that each loop of the consumer is.
  SmallVector<AffineExpr> loops;
  Operation *place = nullptr;
  // Operands of the fused op.
  SmallVector<Value> extras, inits;
  SmallVector<AffineMap> extraMaps, initMaps;
  /// The outputs of the contraction that stay, and the extra that holds the old
  /// elements of one that goes.
  SmallVector<unsigned> kept;
  std::optional<unsigned> oldExtra;
  /// The extra that each input of the consumer is; none: the result itself.
  SmallVector<std::optional<unsigned>> inputs;
};
} // namespace

/// Reads of the result that are inputs all have one map, a permutation of the
/// consumer's loops, which makes them loops of the contraction.
bool Fusion::matchLoops() {
  AffineMap access;
  for (OpOperand &operand : consumer->getOpOperands()) {
    if (operand.get() != result)
      continue;
    AffineMap map = consumer.getMatchingIndexingMap(&operand);
    if (!consumer.isDpsInput(&operand) || (access && access != map))
      return false;
    access = map;
  }
  if (!access || !access.isPermutation())
    return false;
  AffineMap init = contract.getInitMap(result.getResultNumber());
  loops.resize(consumer.getNumLoops());
  for (auto [dim, expr] : llvm::enumerate(access.getResults()))
    loops[cast<AffineDimExpr>(expr).getPosition()] = init.getResult(dim);
  return true;
}

AffineMap Fusion::compose(OpOperand &operand) {
  AffineMap map = consumer.getMatchingIndexingMap(&operand);
  return map.replaceDimsAndSymbols(loops, {}, contract.getNumLoops(), 0);
}

bool Fusion::matchMaps() {
  for (OpOperand &operand : consumer->getOpOperands()) {
    AffineMap map = compose(operand);
    if (!consumer.isDpsInput(&operand) &&
        !consumer.getMatchingIndexingMap(&operand).isPermutation())
      return false;
    for (AffineExpr expr : map.getResults())
      if (!getLinearCoefficients(expr, map.getNumDims()))
        return false;
  }
  return true;
}

/// Where the fused op dominates all users and is dominated by its operands.
bool Fusion::findPlace() {
  bool isEarly = llvm::all_of(consumer->getOperands(), [&](Value operand) {
    return operand == result || dominance.properlyDominates(operand, contract);
  });
  bool isLate =
      consumer->getBlock() == contract->getBlock() &&
      llvm::all_of(contract->getUsers(), [&](Operation *user) {
        return user == consumer || dominance.properlyDominates(consumer, user);
      });
  for (Operation &inner : *consumer.getBlock())
    for (Value operand : inner.getOperands())
      if (operand.getParentBlock() != consumer.getBlock())
        isEarly &= dominance.properlyDominates(operand, contract);
  place = isLate ? consumer.getOperation()
                 : (isEarly ? contract.getOperation() : nullptr);
  return place != nullptr;
}

StringRef Fusion::match() {
  if (consumer.getNumReductionLoops() != 0)
    return "it reduces";
  if (!consumer.getBlock()->getOps<linalg::IndexOp>().empty())
    return "it depends on indices";
  if (!matchLoops())
    return "its loops are not those of the outputs";
  if (!matchMaps())
    return "it has an operand that is not indexed by sums of loops";
  if (llvm::any_of(consumer->getOperandTypes(),
                   [](Type type) { return !isa<RankedTensorType>(type); }))
    return "it has an operand that is no tensor";
  if (!findPlace())
    return "no place is behind all operands and before all users";
  return {};
}

/// Whether somebody else reads the result.
bool Fusion::isKept() {
  return llvm::any_of(result.getUsers(), [&](Operation *user) {
    return user != consumer.getOperation();
  });
}

unsigned Fusion::addExtra(Value value, AffineMap map) {
  for (auto [i, extra] : llvm::enumerate(extras))
    if (extra == value && extraMaps[i] == map)
      return i;
  extras.push_back(value);
  extraMaps.push_back(map);
  return extras.size() - 1;
}

void Fusion::addConsumerOperands() {
  for (auto [i, extra] : llvm::enumerate(contract.getExtras())) {
    extras.push_back(extra);
    extraMaps.push_back(contract.getMap(2 + i));
  }
  for (auto [i, init] : llvm::enumerate(contract.getInits())) {
    if (i != result.getResultNumber() || isKept()) {
      kept.push_back(i);
      inits.push_back(init);
      initMaps.push_back(contract.getInitMap(i));
    } else if (!contract.getOldArgument(i).use_empty()) {
      oldExtra = addExtra(init, contract.getInitMap(i));
    }
  }
  for (OpOperand *operand : consumer.getDpsInputOperands()) {
    if (operand->get() == result)
      inputs.push_back(std::nullopt);
    else
      inputs.push_back(addExtra(operand->get(), compose(*operand)));
  }
  for (OpOperand &operand : consumer.getDpsInitsMutable()) {
    inits.push_back(operand.get());
    initMaps.push_back(compose(operand));
  }
}

/// The arguments of both regions become those of the fused one.
void Fusion::fillBody(ContractOp fused) {
  SmallVector<Type> types{contract.getSum().getType()};
  for (Value operand : llvm::drop_begin(fused->getOperands(), 2))
    types.push_back(getElementTypeOrSelf(operand.getType()));
  SmallVector<Location> locs(types.size(), fused.getLoc());
  Block *body = rewriter.createBlock(&fused.getEpilogue(), {}, types, locs);
  IRMapping mapping;
  mapping.map(contract.getSum(), body->getArgument(0));
  for (unsigned i = 0; i < contract.getExtras().size(); ++i)
    mapping.map(contract.getExtraArgument(i), fused.getExtraArgument(i));
  for (auto [i, number] : llvm::enumerate(kept))
    mapping.map(contract.getOldArgument(number), fused.getOldArgument(i));
  if (oldExtra)
    mapping.map(contract.getOldArgument(result.getResultNumber()),
                fused.getExtraArgument(*oldExtra));
  for (Operation &op : contract.getBody()->without_terminator())
    rewriter.clone(op, mapping);
  auto yielded = [&](unsigned i) {
    return mapping.lookupOrDefault(
        contract.getBody()->getTerminator()->getOperand(i));
  };
  SmallVector<Value> values;
  for (unsigned number : kept)
    values.push_back(yielded(number));
  Block *next = consumer.getBlock();
  for (auto [i, input] : llvm::enumerate(inputs))
    mapping.map(next->getArgument(i), input
                                          ? fused.getExtraArgument(*input)
                                          : yielded(result.getResultNumber()));
  for (unsigned i = 0; i < consumer.getNumDpsInits(); ++i)
    mapping.map(next->getArgument(inputs.size() + i),
                fused.getOldArgument(kept.size() + i));
  for (Operation &op : next->without_terminator())
    rewriter.clone(op, mapping);
  for (Value value : next->getTerminator()->getOperands())
    values.push_back(mapping.lookupOrDefault(value));
  YieldOp::create(rewriter, fused.getLoc(), values);
}

ContractOp Fusion::apply() {
  addConsumerOperands();
  rewriter.setInsertionPoint(place);
  SmallVector<AffineMap> maps{contract.getMap(0), contract.getMap(1)};
  llvm::append_range(maps, extraMaps);
  llvm::append_range(maps, initMaps);
  auto fused = ContractOp::create(
      rewriter, rewriter.getFusedLoc({contract.getLoc(), consumer.getLoc()}),
      TypeRange(ValueRange(inits).getTypes()), contract.getLhs(),
      contract.getRhs(), extras, inits, rewriter.getAffineMapArrayAttr(maps));
  fused->setDiscardableAttrs(contract->getDiscardableAttrDictionary());
  {
    OpBuilder::InsertionGuard guard(rewriter);
    fillBody(fused);
  }
  for (auto [i, number] : llvm::enumerate(kept))
    rewriter.replaceAllUsesWith(contract.getResult(number), fused.getResult(i));
  SmallVector<Value> results(llvm::drop_begin(fused.getResults(), kept.size()));
  rewriter.replaceOp(consumer, results);
  rewriter.eraseOp(contract);
  return fused;
}

namespace {
struct FuseEpilogues
    : public mlir::sparsedrop::impl::FuseEpiloguesBase<FuseEpilogues> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<ContractOp> ops;
    getOperation().walk([&](ContractOp op) {
      if (op->getNumResults() != 0)
        ops.push_back(op);
    });
    for (ContractOp op : ops)
      while (ContractOp fused = fuseOne(rewriter, op))
        op = fused;
    for (ContractOp op : missed)
      explain(rewriter, op);
  }

  static remark::RemarkOpts options(Operation *op) {
    auto function = op->getParentOfType<FunctionOpInterface>();
    return remark::RemarkOpts::name("Epilogue")
        .category("sparsedrop-fuse-epilogues")
        .function(function ? function.getName() : StringRef());
  }

  /// Fuses the first user that can be; null when none is left.
  ContractOp fuseOne(RewriterBase &rewriter, ContractOp op) {
    DominanceInfo dominance(op->getParentOfType<FunctionOpInterface>());
    for (OpResult result : op->getResults())
      for (Operation *user : result.getUsers()) {
        auto consumer = dyn_cast<linalg::GenericOp>(user);
        if (!consumer || !consumer.hasPureTensorSemantics())
          continue;
        Fusion fusion(rewriter, dominance, result, consumer);
        if (!fusion.match().empty())
          continue;
        remark::passed(consumer.getLoc(), options(op))
            << remark::add("joins the epilogue of a contraction");
        return fusion.apply();
      }
    missed.push_back(op);
    return {};
  }

  /// Says of each user that was left why it was.
  void explain(RewriterBase &rewriter, ContractOp op) {
    DominanceInfo dominance(op->getParentOfType<FunctionOpInterface>());
    for (OpResult result : op->getResults())
      for (Operation *user : result.getUsers()) {
        auto consumer = dyn_cast<linalg::GenericOp>(user);
        if (!consumer || !consumer.hasPureTensorSemantics())
          continue;
        Fusion fusion(rewriter, dominance, result, consumer);
        remark::missed(consumer.getLoc(), options(op)) << remark::add(
            "does not join the epilogue of a contraction: {0}", fusion.match());
      }
  }

  SmallVector<ContractOp> missed;
};
} // namespace
