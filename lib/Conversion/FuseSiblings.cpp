//===- FuseSiblings.cpp - What reads the same array runs in one loop ------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/Conversion/Reductions.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_FUSESIBLINGS
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using linalg::GenericOp;
using mlir::sparsedrop::isElementwise;
using mlir::sparsedrop::SiblingsToFuse;

//===----------------------------------------------------------------------===//
// Candidates
//===----------------------------------------------------------------------===//

/// What is written once for each iteration is not read, and what is reduced is
/// a fill: neither keeps other arrays from being overwritten.
static bool hasPlainInits(GenericOp op) {
  return llvm::all_of(op.getDpsInitsMutable(), [&](OpOperand &init) {
    if (isElementwise(op, init))
      return op.getMatchingBlockArgument(&init).use_empty() &&
             init.get().getDefiningOp<tensor::EmptyOp>();
    return init.get().getDefiningOp<linalg::FillOp>() != nullptr;
  });
}

/// Sums of the products of two arrays with loops that only one of them has are
/// contractions, which have kernels of their own.
static bool isContraction(GenericOp op) {
  return op.getNumReductionLoops() != 0 && op.getNumDpsInputs() > 1 &&
         llvm::none_of(op.getDpsInputOperands(), [&](OpOperand *input) {
           return op.getMatchingIndexingMap(input).isPermutation();
         });
}

/// Whether a product, or another reduction, may store what `op` makes of its
/// result in passing.
static bool mayBeEpilogue(GenericOp op) {
  return op.getNumReductionLoops() == 0 &&
         llvm::any_of(op.getDpsInputs(), [](Value input) {
           auto product = input.getDefiningOp<linalg::LinalgOp>();
           return (product && product.getNumReductionLoops() != 0) ||
                  input.getDefiningOp<mlir::sparsedrop::ContractOp>();
         });
}

/// Whether two elementwise ops are better one: neither has another place, and
/// all operands fit into registers.
static bool areElementwiseSiblings(GenericOp op, GenericOp later) {
  constexpr unsigned kMostOperands = 16;
  if (op.getNumReductionLoops() != 0 || later.getNumReductionLoops() != 0 ||
      mayBeEpilogue(op) || mayBeEpilogue(later))
    return false;
  llvm::SmallDenseSet<Value> operands;
  for (GenericOp each : {op, later}) {
    operands.insert(each.getInputs().begin(), each.getInputs().end());
    operands.insert(each.getResults().begin(), each.getResults().end());
  }
  return operands.size() <= kMostOperands;
}

static bool isCandidate(GenericOp op) {
  return op.hasPureTensorSemantics() && op.getNumLoops() > 1 &&
         !op->hasAttr(mlir::sparsedrop::kKernelAttrName) &&
         !isContraction(op) && hasPlainInits(op);
}

//===----------------------------------------------------------------------===//
// One pair
//===----------------------------------------------------------------------===//

namespace {
/// Joins `later` to `earlier`, with whose loops it shares an array.
class Siblings {
public:
  Siblings(RewriterBase &rewriter, GenericOp earlier, GenericOp later)
      : rewriter(rewriter), earlier(earlier), later(later) {}

  /// The op that does both, in the place of the earlier one, or of the later
  /// one if that needs what is computed in between; null if there is none.
  GenericOp fuse(SiblingsToFuse which);

private:
  bool matchLoops();
  bool matchParallel();
  bool bothReduce() {
    return earlier.getNumReductionLoops() != 0 &&
           later.getNumReductionLoops() != 0;
  }
  bool areResultsAlike();
  bool areSplittable();
  bool isWanted(SiblingsToFuse which);
  bool collectOperands(SmallVectorImpl<Operation *> *moved);
  bool canSink();
  bool hoist(Value value, SmallVectorImpl<Operation *> &moved);
  AffineMap getMap(OpOperand &operand);
  void addInput(OpOperand &operand, AffineMap map);
  void fillBody(GenericOp fused);

  RewriterBase &rewriter;
  GenericOp earlier, later;
  /// The loop of the earlier op that each of the later one is, and the one
  /// that is outermost in the array, which both read unless it is `passed` on.
  SmallVector<AffineExpr> loops;
  unsigned outer = 0;
  bool passed = false;
  SmallVector<utils::IteratorType> types;
  SmallVector<Value> inputs, inits;
  SmallVector<AffineMap> inputMaps, initMaps;
  /// Where each input of the later op is: an input of the fused one, or, below
  /// 0, -1 - the number of a result of the earlier one.
  SmallVector<int64_t> places;
};
} // namespace

/// Finds an array that both read, or else one that one writes and the other
/// reads, whose dimensions tell which loops are the same.
bool Siblings::matchLoops() {
  if (earlier.getNumLoops() != later.getNumLoops())
    return false;
  auto match = [&](OpOperand &other, Value array) {
    AffineMap otherMap = earlier.getMatchingIndexingMap(&other);
    if (!otherMap.isPermutation())
      return false;
    for (OpOperand *input : later.getDpsInputOperands()) {
      AffineMap map = later.getMatchingIndexingMap(input);
      if (array != input->get() || !map.isPermutation())
        continue;
      outer = otherMap.getDimPosition(0);
      loops.assign(later.getNumLoops(), AffineExpr());
      for (unsigned dim = 0; dim < map.getNumResults(); ++dim)
        loops[map.getDimPosition(dim)] =
            rewriter.getAffineDimExpr(otherMap.getDimPosition(dim));
      return true;
    }
    return false;
  };
  for (OpOperand *input : earlier.getDpsInputOperands())
    if (match(*input, input->get()))
      return true;
  passed = true;
  return llvm::any_of(earlier.getDpsInitsMutable(), [&](OpOperand &init) {
    return match(init, earlier.getTiedOpResult(&init));
  });
}

/// Reductions share their parallel loops, and where something elementwise joins
/// them there is an outer one: the threads are as many as before.
bool Siblings::matchParallel() {
  types.assign(earlier.getNumLoops(), utils::IteratorType::parallel);
  for (auto [type, loop] : llvm::zip(later.getIteratorTypesArray(), loops))
    types[cast<AffineDimExpr>(loop).getPosition()] = type;
  SmallVector<utils::IteratorType> own = earlier.getIteratorTypesArray();
  if (bothReduce())
    return types == own;
  if (earlier.getNumReductionLoops() != 0)
    types = own;
  return types[outer] == utils::IteratorType::parallel;
}

/// Whether several threads can share what either reduces: one that cannot be
/// shared would keep the others to a single thread.
bool Siblings::areSplittable() {
  return llvm::all_of(ArrayRef{earlier, later}, [](GenericOp op) {
    return op.getNumReductionLoops() == 0 || mlir::sparsedrop::isSplittable(op);
  });
}

bool Siblings::areResultsAlike() {
  OpOperand *first = earlier.getDpsInitOperand(0);
  AffineMap map = earlier.getMatchingIndexingMap(first);
  return llvm::all_of(earlier.getDpsInitsMutable(),
                      [&](OpOperand &init) {
                        return earlier.getMatchingIndexingMap(&init) == map;
                      }) &&
         llvm::all_of(later.getDpsInitsMutable(),
                      [&](OpOperand &init) { return getMap(init) == map; });
}

AffineMap Siblings::getMap(OpOperand &operand) {
  return later.getMatchingIndexingMap(&operand).replaceDimsAndSymbols(
      loops, {}, earlier.getNumLoops(), 0);
}

/// Whether `value` is there before the earlier op, at most after moving fills
/// and sizes, which are added to `moved`.
bool Siblings::hoist(Value value, SmallVectorImpl<Operation *> &moved) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getBlock() != earlier->getBlock() ||
      op->isBeforeInBlock(earlier))
    return true;
  if (llvm::is_contained(moved, op))
    return true;
  bool isCheap = isa<linalg::FillOp, tensor::EmptyOp>(op) ||
                 (op->getNumRegions() == 0 && isPure(op) &&
                  !isa<RankedTensorType>(value.getType()));
  if (!isCheap || op == earlier)
    return false;
  for (Value operand : op->getOperands())
    if (!hoist(operand, moved))
      return false;
  moved.push_back(op);
  return true;
}

void Siblings::addInput(OpOperand &operand, AffineMap map) {
  for (auto [i, input] : llvm::enumerate(inputs))
    if (input == operand.get() && inputMaps[i] == map) {
      places.push_back(i);
      return;
    }
  places.push_back(inputs.size());
  inputs.push_back(operand.get());
  inputMaps.push_back(map);
}

/// Whether the earlier op may move to the later one: nobody needs it before,
/// and its result is small or the later one is alike.
bool Siblings::canSink() {
  return (earlier.getNumReductionLoops() != 0 ||
          later.getNumReductionLoops() == 0) &&
         llvm::all_of(earlier->getUsers(), [&](Operation *user) {
           Operation *place = earlier->getBlock()->findAncestorOpInBlock(*user);
           return place && (place == later || later->isBeforeInBlock(place));
         });
}

/// Collects the operands of both. What the later op needs must be there before
/// the earlier one, after moving `moved`; null if they meet at the later one.
bool Siblings::collectOperands(SmallVectorImpl<Operation *> *moved) {
  auto isThere = [&](Value value) {
    return value.getDefiningOp() != earlier && (!moved || hoist(value, *moved));
  };
  inputs.assign(earlier.getInputs().begin(), earlier.getInputs().end());
  inits.assign(earlier.getOutputs().begin(), earlier.getOutputs().end());
  places.clear();
  SmallVector<AffineMap> maps = earlier.getIndexingMapsArray();
  inputMaps.assign(maps.begin(), maps.begin() + inputs.size());
  initMaps.assign(maps.begin() + inputs.size(), maps.end());
  for (OpOperand *operand : later.getDpsInputOperands()) {
    AffineMap map = getMap(*operand);
    auto result = dyn_cast<OpResult>(operand->get());
    if (result && result.getOwner() == earlier) {
      // An element of this very iteration.
      if (!map.isPermutation() || initMaps[result.getResultNumber()] != map)
        return false;
      places.push_back(-1 - static_cast<int64_t>(result.getResultNumber()));
      continue;
    }
    if (!isThere(operand->get()))
      return false;
    addInput(*operand, map);
  }
  for (OpOperand &init : later.getDpsInitsMutable()) {
    if (!isThere(init.get()))
      return false;
    inits.push_back(init.get());
    initMaps.push_back(getMap(init));
  }
  // What the body reads from outside.
  WalkResult outside = later.getBody()->walk([&](Operation *op) {
    for (Value operand : op->getOperands())
      if (!later.getRegion().isAncestor(operand.getParentRegion()) &&
          !isThere(operand))
        return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return !outside.wasInterrupted();
}

void Siblings::fillBody(GenericOp fused) {
  SmallVector<Type> argumentTypes;
  for (Value operand : fused->getOperands())
    argumentTypes.push_back(getElementTypeOrSelf(operand.getType()));
  SmallVector<Location> locs(argumentTypes.size(), fused.getLoc());
  Block *body =
      rewriter.createBlock(&fused.getRegion(), {}, argumentTypes, locs);
  ValueRange arguments = body->getArguments();
  ValueRange outs = arguments.drop_front(inputs.size());
  IRMapping mapping;
  mapping.map(earlier.getRegionInputArgs(),
              arguments.take_front(earlier.getNumDpsInputs()));
  mapping.map(earlier.getRegionOutputArgs(),
              outs.take_front(earlier.getNumDpsInits()));
  for (Operation &op : earlier.getBody()->without_terminator())
    rewriter.clone(op, mapping);
  SmallVector<Value> yielded;
  for (Value value : earlier.getBody()->getTerminator()->getOperands())
    yielded.push_back(mapping.lookupOrDefault(value));
  for (auto [argument, place] : llvm::zip(later.getRegionInputArgs(), places))
    mapping.map(argument, place < 0 ? yielded[-1 - place] : arguments[place]);
  mapping.map(later.getRegionOutputArgs(),
              outs.drop_front(earlier.getNumDpsInits()));
  for (Operation &op : later.getBody()->without_terminator()) {
    Operation *copy = rewriter.clone(op, mapping);
    if (auto index = dyn_cast<linalg::IndexOp>(copy))
      index.setDim(cast<AffineDimExpr>(loops[index.getDim()]).getPosition());
  }
  for (Value value : later.getBody()->getTerminator()->getOperands())
    yielded.push_back(mapping.lookupOrDefault(value));
  linalg::YieldOp::create(rewriter, fused.getLoc(), yielded);
}

bool Siblings::isWanted(SiblingsToFuse which) {
  switch (which) {
  case SiblingsToFuse::All:
    return true;
  case SiblingsToFuse::Alike:
    return bothReduce() && areResultsAlike() && areSplittable();
  case SiblingsToFuse::Readers:
    if (areElementwiseSiblings(earlier, later))
      return true;
    // What is passed on may as well be computed where its operands are, unless
    // these are windows.
    return (bothReduce() || !passed ||
            mlir::sparsedrop::readsWindows(earlier)) &&
           areSplittable();
  }
  llvm_unreachable("unknown choice");
}

GenericOp Siblings::fuse(SiblingsToFuse which) {
  if (!matchLoops() || !matchParallel() || !isWanted(which))
    return {};
  SmallVector<Operation *> moved;
  bool hoists = collectOperands(&moved);
  if (!hoists && (!canSink() || !collectOperands(nullptr)))
    return {};
  rewriter.setInsertionPoint(hoists ? earlier : later);
  if (hoists)
    for (Operation *op : moved)
      rewriter.moveOpBefore(op, earlier);
  SmallVector<AffineMap> maps = inputMaps;
  llvm::append_range(maps, initMaps);
  auto fused = GenericOp::create(
      rewriter, rewriter.getFusedLoc({earlier.getLoc(), later.getLoc()}),
      TypeRange(ValueRange(inits)), inputs, inits, maps, types);
  {
    OpBuilder::InsertionGuard guard(rewriter);
    fillBody(fused);
  }
  size_t count = earlier->getNumResults();
  rewriter.replaceOp(earlier, fused.getResults().take_front(count));
  rewriter.replaceOp(later, fused.getResults().drop_front(count));
  return fused;
}

//===----------------------------------------------------------------------===//
// Driver
//===----------------------------------------------------------------------===//

/// The candidates behind `op` that read one of its arrays, in order.
static SmallVector<GenericOp> getSiblings(GenericOp op) {
  SmallVector<GenericOp> siblings;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!op.getMatchingIndexingMap(&operand).isPermutation())
      continue;
    Value array = op.isDpsInit(&operand) ? Value(op.getTiedOpResult(&operand))
                                         : operand.get();
    for (Operation *user : array.getUsers()) {
      auto later = dyn_cast<GenericOp>(user);
      if (later && later->getBlock() == op->getBlock() &&
          op->isBeforeInBlock(later) && isCandidate(later) &&
          !llvm::is_contained(siblings, later) &&
          (op.getNumReductionLoops() + later.getNumReductionLoops() != 0 ||
           areElementwiseSiblings(op, later)))
        siblings.push_back(later);
    }
  }
  llvm::sort(siblings,
             [](GenericOp a, GenericOp b) { return a->isBeforeInBlock(b); });
  return siblings;
}

/// Joins `op` and the first op behind it that can be.
static bool fuseNext(RewriterBase &rewriter, GenericOp op,
                     SiblingsToFuse which) {
  return llvm::any_of(getSiblings(op), [&](GenericOp later) {
    return Siblings(rewriter, op, later).fuse(which) != nullptr;
  });
}

/// Joins the ops of `block`. What has been joined is looked at again, from
/// where the first of the two was.
static void fuseBlock(RewriterBase &rewriter, Block &block,
                      SiblingsToFuse which) {
  Operation *last = nullptr;
  auto getNext = [&] {
    return last            ? last->getNextNode()
           : block.empty() ? nullptr
                           : &block.front();
  };
  while (Operation *op = getNext()) {
    auto generic = dyn_cast<GenericOp>(op);
    if (!generic || !isCandidate(generic) ||
        !fuseNext(rewriter, generic, which))
      last = op;
  }
}

namespace {
struct FuseSiblings
    : public mlir::sparsedrop::impl::FuseSiblingsBase<FuseSiblings> {
  using FuseSiblingsBase::FuseSiblingsBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    getOperation().walk(
        [&](Block *block) { fuseBlock(rewriter, *block, which); });
    RewritePatternSet patterns(&getContext());
    linalg::populateEraseUnusedOperandsAndResultsPatterns(patterns);
    (void)applyPatternsGreedily(getOperation(), std::move(patterns));
  }
};
} // namespace
