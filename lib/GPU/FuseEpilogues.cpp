//===- FuseEpilogues.cpp - Elementwise users join contractions ------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "RemarkOptions.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/MapVector.h"

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
  bool isKept(unsigned number);
  std::optional<unsigned> getResultNumber(OpOperand &operand);
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
  /// The outputs of the contraction that stay, and the extras that hold the old
  /// elements of those that go.
  SmallVector<unsigned> kept;
  llvm::MapVector<unsigned, unsigned> oldExtras;
  /// The extra that each input of the consumer is; none: a result.
  SmallVector<std::optional<unsigned>> inputs;
};
} // namespace

/// The number of the contraction's result that an operand of the consumer is.
std::optional<unsigned> Fusion::getResultNumber(OpOperand &operand) {
  auto value = dyn_cast<OpResult>(operand.get());
  if (!value || value.getOwner() != contract)
    return std::nullopt;
  return value.getResultNumber();
}

/// The consumer reads the result by a permutation of its loops, which makes
/// them loops of the contraction; then it reads other results at the same
/// place.
bool Fusion::matchLoops() {
  for (OpOperand &operand : consumer->getOpOperands()) {
    if (operand.get() != result)
      continue;
    AffineMap access = consumer.getMatchingIndexingMap(&operand);
    if (!access.isPermutation())
      return false;
    AffineMap init = contract.getInitMap(result.getResultNumber());
    loops.assign(consumer.getNumLoops(), {});
    for (auto [dim, expr] : llvm::enumerate(access.getResults()))
      loops[cast<AffineDimExpr>(expr).getPosition()] = init.getResult(dim);
    break;
  }
  return llvm::all_of(consumer->getOpOperands(), [&](OpOperand &operand) {
    std::optional<unsigned> number = getResultNumber(operand);
    return !number || compose(operand) == contract.getInitMap(*number);
  });
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
  bool isEarly =
      llvm::all_of(consumer->getOpOperands(), [&](OpOperand &operand) {
        return getResultNumber(operand) ||
               dominance.properlyDominates(operand.get(), contract);
      });
  bool isLate =
      consumer->getBlock() == contract->getBlock() &&
      llvm::all_of(contract->getUsers(), [&](Operation *user) {
        return user == consumer || dominance.properlyDominates(consumer, user);
      });
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(consumer.getRegion(), captured);
  for (Value value : captured)
    isEarly &= dominance.properlyDominates(value, contract);
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
  if (llvm::any_of(contract->getUsers(), [&](Operation *user) {
        return consumer->isProperAncestor(user);
      }))
    return "its body reads the product";
  if (!findPlace())
    return "no place is behind all operands and before all users";
  return {};
}

/// Whether somebody else reads result `number`.
bool Fusion::isKept(unsigned number) {
  return llvm::any_of(
      contract.getResult(number).getUsers(),
      [&](Operation *user) { return user != consumer.getOperation(); });
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
    if (isKept(i)) {
      kept.push_back(i);
      inits.push_back(init);
      initMaps.push_back(contract.getInitMap(i));
    } else if (!contract.getOldArgument(i).use_empty()) {
      oldExtras.insert({i, addExtra(init, contract.getInitMap(i))});
    }
  }
  for (OpOperand *operand : consumer.getDpsInputOperands())
    inputs.push_back(getResultNumber(*operand)
                         ? std::optional<unsigned>()
                         : addExtra(operand->get(), compose(*operand)));
  for (OpOperand &operand : consumer.getDpsInitsMutable()) {
    // What it starts from a result ends where that would have been.
    std::optional<unsigned> number = getResultNumber(operand);
    inits.push_back(number ? contract.getInits()[*number] : operand.get());
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
  for (auto [number, extra] : oldExtras)
    mapping.map(contract.getOldArgument(number), fused.getExtraArgument(extra));
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
  // All at once: a result may be read where another one begins.
  SmallVector<Value> arguments;
  for (auto [i, operand] : llvm::enumerate(consumer->getOpOperands())) {
    if (std::optional<unsigned> number = getResultNumber(operand))
      arguments.push_back(yielded(*number));
    else if (i < inputs.size())
      arguments.push_back(fused.getExtraArgument(*inputs[i]));
    else
      arguments.push_back(
          fused.getOldArgument(kept.size() + i - inputs.size()));
  }
  mapping.map(next->getArguments(), arguments);
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
    return getRemarkOptions(op, "Epilogue", "sparsedrop-fuse-epilogues");
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
