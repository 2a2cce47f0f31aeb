//===- FuseEpilogues.cpp - Elementwise users join contractions ------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "JointLoop.h"
#include "RemarkOptions.h"
#include "StoreExtras.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
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
/// What an operand of the consumer is of the contraction: a result, or a part
/// of one along a joint loop, of which there are `parts`.
struct Source {
  unsigned number;
  std::optional<int64_t> part;
  int64_t parts = 1;
};

/// One elementwise op that may join the contraction whose result it reads.
class Fusion {
public:
  /// `mostJointRows`: of contractions whose epilogue may see several sums of
  /// parts that are not aligned; 0: any number.
  Fusion(RewriterBase &rewriter, DominanceInfo &dominance, ContractOp contract,
         linalg::GenericOp consumer, int64_t mostJointRows)
      : rewriter(rewriter), dominance(dominance), contract(contract),
        consumer(consumer), mostJointRows(mostJointRows) {}

  /// Why it cannot; empty when it can.
  StringRef match();
  /// Whether it reads parts of a result, as match() found.
  bool isJoint() const { return parts != 1; }
  /// The contraction that replaces both.
  ContractOp apply();

private:
  StringRef matchParts();
  bool hasFewRows();
  bool hasAlignedParts();
  bool matchLoops();
  bool isAlongParts();
  bool matchMaps();
  bool readsOtherwise();
  bool isReadBehind(Value value);
  bool findPlace();
  bool isKept(unsigned number);
  std::optional<Source> getSource(OpOperand &operand);
  AffineMap getSourceMap(const Source &source);
  AffineMap compose(OpOperand &operand);
  void addConsumerOperands();
  unsigned addExtra(Value value, AffineMap map);
  void fillBody(ContractOp fused);

  RewriterBase &rewriter;
  DominanceInfo &dominance;
  ContractOp contract;
  linalg::GenericOp consumer;
  int64_t mostJointRows;
  int64_t parts = 1; ///< that are joint if the consumer joins
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

std::optional<Source> Fusion::getSource(OpOperand &operand) {
  auto value = dyn_cast<OpResult>(operand.get());
  if (value && value.getOwner() == contract)
    return Source{value.getResultNumber(), std::nullopt, 1};
  auto slice = operand.get().getDefiningOp<tensor::ExtractSliceOp>();
  std::optional<JointPart> part;
  if (slice && consumer.isDpsInput(&operand))
    part = getJointPart(slice);
  if (!part || part->result.getOwner() != contract)
    return std::nullopt;
  return Source{part->result.getResultNumber(), part->number, part->count};
}

/// The loops that index it.
AffineMap Fusion::getSourceMap(const Source &source) {
  AffineMap map = contract.getInitMap(source.number);
  if (source.part && contract.getJoint())
    return map.dropResult(map.getNumResults() - 2);
  return map;
}

/// All of the consumer's operands that are parts are as many to a whole, and
/// the contraction can have them see each other.
StringRef Fusion::matchParts() {
  for (OpOperand *operand : consumer.getDpsInputOperands()) {
    std::optional<Source> source = getSource(*operand);
    if (!source || !source->part)
      continue;
    if (parts != 1 && parts != source->parts)
      return "it reads parts of different sizes";
    parts = source->parts;
  }
  if (parts == 1)
    return "";
  if (!hasFewRows() && !hasAlignedParts())
    return "the contraction has many rows, and bulk copies begin at 16 bytes";
  return getJointLoopProblem(contract, parts);
}

/// Whether the loops of the outputs that are not along parts are known to be
/// few.
bool Fusion::hasFewRows() {
  // wgmma multiplies no wider types, unless they are rounded to tf32.
  Type factor = getElementTypeOrSelf(contract.getLhs());
  if (mostJointRows == 0 || factor.getIntOrFloatBitWidth() > 16)
    return true;
  AffineMap map = contract.getInitMap();
  auto type = cast<RankedTensorType>(contract.getResult(0).getType());
  int64_t rows = 1;
  for (auto [dim, expr] : llvm::enumerate(map.getResults().drop_back())) {
    int64_t size = type.getDimSize(static_cast<int64_t>(dim));
    if (cast<AffineDimExpr>(expr).getPosition() == contract.getJoint())
      continue;
    if (ShapedType::isDynamic(size) || llvm::MulOverflow(rows, size, rows))
      return false;
  }
  return rows <= mostJointRows;
}

/// Whether parts of a row of the factor that has them are whole lines of 16
/// bytes, or it is contiguous along another dimension.
bool Fusion::hasAlignedParts() {
  AffineExpr last = contract.getInitMap().getResults().back();
  auto type = cast<RankedTensorType>(contract.getResult(0).getType());
  int64_t size = type.getShape().back();
  if (!contract.getJoint())
    size /= parts;
  return llvm::none_of(ArrayRef{0u, 1u}, [&](unsigned factor) {
    ArrayRef<AffineExpr> exprs = contract.getMap(factor).getResults();
    Type element = getElementTypeOrSelf(contract->getOperand(factor));
    return !exprs.empty() && exprs.back() == last &&
           size * element.getIntOrFloatBitWidth() % 128 != 0;
  });
}

/// The consumer reads the result by a permutation of its loops, which makes
/// them loops of the contraction; then it reads other results at the same
/// place.
bool Fusion::matchLoops() {
  bool isRead = false;
  for (OpOperand &operand : consumer->getOpOperands()) {
    std::optional<Source> source = getSource(operand);
    if (!source)
      continue;
    AffineMap access = consumer.getMatchingIndexingMap(&operand);
    if (!access.isPermutation())
      return false;
    // All parts at once.
    if (!source->part && contract.getJoint() &&
        getSourceMap(*source).isFunctionOfDim(*contract.getJoint()))
      return false;
    isRead = true;
    loops.assign(consumer.getNumLoops(), {});
    for (auto [dim, expr] : llvm::enumerate(access.getResults()))
      loops[cast<AffineDimExpr>(expr).getPosition()] =
          getSourceMap(*source).getResult(dim);
    break;
  }
  return isRead &&
         llvm::all_of(consumer->getOpOperands(), [&](OpOperand &operand) {
           std::optional<Source> source = getSource(operand);
           return !source || compose(operand) == getSourceMap(*source);
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

/// A kernel goes along the last loop of its first output.
bool Fusion::isAlongParts() {
  AffineMap own = compose(*consumer.getDpsInitOperand(0));
  return own.getNumResults() != 0 &&
         own.getResults().back() == contract.getInitMap().getResults().back();
}

/// Whether an op is another name of its operand, or of a part.
static bool isView(Operation *op) {
  return isa<tensor::ExtractSliceOp, tensor::CollapseShapeOp>(op);
}

/// Whether the consumer, or its body, reads what is no source of a result.
bool Fusion::readsOtherwise() {
  llvm::SetVector<Value> values;
  getUsedValuesDefinedAbove(consumer.getRegion(), values);
  for (OpOperand &operand : consumer->getOpOperands())
    if (!getSource(operand))
      values.insert(operand.get());
  return llvm::any_of(values, [&](Value value) {
    Operation *op = value.getDefiningOp();
    while (op && isView(op))
      op = op->getOperand(0).getDefiningOp();
    return op == contract;
  });
}

/// Whether whoever reads `value`, or a view of it, comes behind the consumer.
bool Fusion::isReadBehind(Value value) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    return user == consumer || dominance.properlyDominates(consumer, user) ||
           (isView(user) && user->getBlock() == consumer->getBlock() &&
            isReadBehind(user->getResult(0)));
  });
}

/// Where the fused op dominates all users and is dominated by its operands.
bool Fusion::findPlace() {
  bool isEarly =
      llvm::all_of(consumer->getOpOperands(), [&](OpOperand &operand) {
        return getSource(operand) ||
               dominance.properlyDominates(operand.get(), contract);
      });
  bool isLate = consumer->getBlock() == contract->getBlock() &&
                llvm::all_of(contract->getResults(), [&](Value result) {
                  return isReadBehind(result);
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
  if (StringRef problem = matchParts(); !problem.empty())
    return problem;
  if (!matchLoops())
    return "its loops are not those of the outputs";
  if (parts != 1 && !isAlongParts())
    return "its outputs are not contiguous along the parts";
  if (!matchMaps())
    return "it has an operand that is not indexed by sums of loops";
  if (llvm::any_of(consumer->getOperandTypes(),
                   [](Type type) { return !isa<RankedTensorType>(type); }))
    return "it has an operand that is no tensor";
  if (readsOtherwise())
    return "it reads something else of the product, too";
  if (!findPlace())
    return "no place is behind all operands and before all users";
  return {};
}

/// Whether somebody else reads `value`, or what is a view of it.
static bool isReadBeside(Value value, Operation *consumer) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    if (user == consumer)
      return false;
    return !isView(user) || isReadBeside(user->getResult(0), consumer);
  });
}

/// Whether somebody else reads result `number`.
bool Fusion::isKept(unsigned number) {
  return isReadBeside(contract.getResult(number), consumer);
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
    } else if (contract.readsOld(i)) {
      oldExtras.insert({i, addExtra(init, contract.getInitMap(i))});
    }
  }
  for (OpOperand *operand : consumer.getDpsInputOperands())
    inputs.push_back(getSource(*operand)
                         ? std::optional<unsigned>()
                         : addExtra(operand->get(), compose(*operand)));
  for (OpOperand &operand : consumer.getDpsInitsMutable()) {
    // What it starts from a result ends where that would have been.
    std::optional<Source> source = getSource(operand);
    inits.push_back(source ? contract.getInits()[source->number]
                           : operand.get());
    initMaps.push_back(compose(operand));
  }
}

/// An empty region with the arguments that a contraction's operands ask for.
static void createBody(RewriterBase &rewriter, ContractOp op, Type sum) {
  SmallVector<Type> types(op.countSums(), sum);
  for (unsigned i = 2; i < op->getNumOperands(); ++i)
    types.append(op.countElements(i),
                 getElementTypeOrSelf(op->getOperand(i).getType()));
  rewriter.createBlock(&op.getEpilogue(), {}, types,
                       SmallVector<Location>(types.size(), op.getLoc()));
}

/// The arguments of both regions become those of the fused one.
void Fusion::fillBody(ContractOp fused) {
  createBody(rewriter, fused, contract.getSum().getType());
  IRMapping mapping;
  auto map = [&](unsigned from, unsigned to) {
    for (auto [old, argument] :
         llvm::zip(contract.getElements(from), fused.getElements(to)))
      mapping.map(old, argument);
  };
  map(0, 0);
  for (unsigned i = 2; i < contract.getFirstInit(); ++i)
    map(i, i);
  for (auto [i, number] : llvm::enumerate(kept))
    map(contract.getFirstInit() + number,
        fused.getFirstInit() + static_cast<unsigned>(i));
  for (auto [number, extra] : oldExtras)
    map(contract.getFirstInit() + number, 2 + extra);
  for (Operation &op : contract.getBody()->without_terminator())
    rewriter.clone(op, mapping);
  auto yielded = [&](const Source &source) {
    return mapping.lookupOrDefault(
        contract.getYielded(source.number)[source.part.value_or(0)]);
  };
  SmallVector<Value> values;
  for (unsigned number : kept)
    for (Value value : contract.getYielded(number))
      values.push_back(mapping.lookupOrDefault(value));
  Block *next = consumer.getBlock();
  // All at once: a result may be read where another one begins.
  SmallVector<Value> arguments;
  for (auto [i, operand] : llvm::enumerate(consumer->getOpOperands())) {
    if (std::optional<Source> source = getSource(operand))
      arguments.push_back(yielded(*source));
    else if (i < inputs.size())
      arguments.push_back(fused.getElements(2 + *inputs[i])[0]);
    else
      arguments.push_back(fused.getElements(static_cast<unsigned>(
          fused.getFirstInit() + kept.size() + i - inputs.size()))[0]);
  }
  mapping.map(next->getArguments(), arguments);
  for (Operation &op : next->without_terminator())
    rewriter.clone(op, mapping);
  for (Value value : next->getTerminator()->getOperands())
    values.push_back(mapping.lookupOrDefault(value));
  YieldOp::create(rewriter, fused.getLoc(), values);
}

/// Views of a value that nobody reads any more.
static void eraseViews(RewriterBase &rewriter, Value value) {
  for (Operation *user : llvm::make_early_inc_range(value.getUsers())) {
    eraseViews(rewriter, user->getResult(0));
    rewriter.eraseOp(user);
  }
}

/// Views of a value that lie before where it is now come behind it.
static void moveViews(RewriterBase &rewriter, Value value) {
  Operation *definition = value.getDefiningOp();
  for (Operation *user : llvm::make_early_inc_range(value.getUsers())) {
    if (user->getBlock() != definition->getBlock() ||
        !user->isBeforeInBlock(definition))
      continue;
    rewriter.moveOpAfter(user, definition);
    moveViews(rewriter, user->getResult(0));
  }
}

ContractOp Fusion::apply() {
  if (parts != 1) {
    bool isOwnPlace = place == contract;
    contract = makeJoint(rewriter, contract, parts, dominance);
    place = isOwnPlace ? contract : place;
    matchLoops();
  }
  addConsumerOperands();
  rewriter.setInsertionPoint(place);
  SmallVector<AffineMap> maps{contract.getMap(0), contract.getMap(1)};
  llvm::append_range(maps, extraMaps);
  llvm::append_range(maps, initMaps);
  auto fused = ContractOp::create(
      rewriter, rewriter.getFusedLoc({contract.getLoc(), consumer.getLoc()}),
      TypeRange(ValueRange(inits).getTypes()), contract.getLhs(),
      contract.getRhs(), extras, inits, rewriter.getAffineMapArrayAttr(maps),
      contract.getJointAttr());
  fused->setDiscardableAttrs(contract->getDiscardableAttrDictionary());
  {
    OpBuilder::InsertionGuard guard(rewriter);
    fillBody(fused);
  }
  for (auto [i, number] : llvm::enumerate(kept)) {
    rewriter.replaceAllUsesWith(contract.getResult(number), fused.getResult(i));
    moveViews(rewriter, fused.getResult(i));
  }
  SmallVector<Value> results(llvm::drop_begin(fused.getResults(), kept.size()));
  rewriter.replaceOp(consumer, results);
  for (Value result : contract->getResults())
    eraseViews(rewriter, result);
  rewriter.eraseOp(contract);
  return fused;
}

namespace {
struct FuseEpilogues
    : public mlir::sparsedrop::impl::FuseEpiloguesBase<FuseEpilogues> {
  using FuseEpiloguesBase::FuseEpiloguesBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<ContractOp> ops;
    getOperation().walk([&](ContractOp op) {
      if (op->getNumResults() != 0)
        ops.push_back(op);
    });
    for (ContractOp op : ops) {
      while (ContractOp fused = fuseOne(rewriter, op))
        op = fused;
      while (ContractOp stored = storeOne(rewriter, op))
        op = stored;
      missed.push_back(op);
    }
    for (ContractOp op : missed)
      explain(rewriter, op);
  }

  static remark::RemarkOpts options(Operation *op) {
    return getRemarkOptions(op, "Epilogue", "sparsedrop-fuse-epilogues");
  }

  /// Elementwise ops that read a value or a view of it.
  static void collectConsumers(Value value,
                               llvm::SetVector<linalg::GenericOp> &consumers) {
    for (Operation *user : value.getUsers()) {
      auto generic = dyn_cast<linalg::GenericOp>(user);
      if (generic && generic.hasPureTensorSemantics())
        consumers.insert(generic);
      else if (isView(user))
        collectConsumers(user->getResult(0), consumers);
    }
  }

  static llvm::SetVector<linalg::GenericOp> getConsumers(ContractOp op) {
    llvm::SetVector<linalg::GenericOp> consumers;
    for (OpResult result : op->getResults())
      collectConsumers(result, consumers);
    return consumers;
  }

  /// Fuses the first user that can be, those that read a whole result before
  /// those that read parts; null when none is left.
  ContractOp fuseOne(RewriterBase &rewriter, ContractOp op) {
    DominanceInfo dominance(op->getParentOfType<FunctionOpInterface>());
    for (bool isJoint : {false, true})
      for (linalg::GenericOp consumer : getConsumers(op)) {
        Fusion fusion(rewriter, dominance, op, consumer, mostJointRows);
        if (!fusion.match().empty() || fusion.isJoint() != isJoint)
          continue;
        remark::passed(consumer.getLoc(), options(op)) << remark::add(
            isJoint ? "joins the epilogue of a contraction, which has all of "
                      "the sums that it reads"
                    : "joins the epilogue of a contraction");
        return fusion.apply();
      }
    return {};
  }

  /// Stores an extra where it is copied to; null when there is no copy left.
  ContractOp storeOne(RewriterBase &rewriter, ContractOp op) {
    DominanceInfo dominance(op->getParentOfType<FunctionOpInterface>());
    ContractOp stored = storeExtra(rewriter, op, dominance);
    if (stored)
      remark::passed(stored.getLoc(), options(stored)) << remark::add(
          "stores what its epilogue reads where it is copied to");
    return stored;
  }

  /// Says of each user that was left why it was.
  void explain(RewriterBase &rewriter, ContractOp op) {
    DominanceInfo dominance(op->getParentOfType<FunctionOpInterface>());
    for (linalg::GenericOp consumer : getConsumers(op)) {
      Fusion fusion(rewriter, dominance, op, consumer, mostJointRows);
      remark::missed(consumer.getLoc(), options(op)) << remark::add(
          "does not join the epilogue of a contraction: {0}", fusion.match());
    }
  }

  SmallVector<ContractOp> missed;
};
} // namespace
