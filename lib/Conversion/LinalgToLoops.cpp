//===- LinalgToLoops.cpp - Loops that vectorize ---------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// First the schedule: which loops are parallel, which one is innermost. Then
// the loops, which only obey.
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_LINALGTOLOOPS
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using linalg::LinalgOp;

/// Elements of the contiguous loop that one thread sums up at a time: a few
/// cache lines of each row, and small enough to share a bias among threads.
static constexpr int64_t kColumnBlock = 128;

//===----------------------------------------------------------------------===//
// Schedule
//===----------------------------------------------------------------------===//

namespace {
/// The order of the loops of one op.
struct Schedule {
  SmallVector<unsigned> parallel;   ///< from outer to inner
  SmallVector<unsigned> reductions; ///< inside of them
  /// A parallel loop that is contiguous where the reductions are not: it is
  /// cut into blocks and goes innermost.
  std::optional<unsigned> column;
};
} // namespace

/// The loop along which the largest input is contiguous, if it is a plain one.
static std::optional<unsigned> getContiguousLoop(LinalgOp op) {
  AffineMap largest;
  for (OpOperand *input : op.getDpsInputOperands()) {
    AffineMap map = op.getMatchingIndexingMap(input);
    if (!largest || map.getNumResults() > largest.getNumResults())
      largest = map;
  }
  if (!largest || largest.getNumResults() == 0)
    return std::nullopt;
  auto dim = dyn_cast<AffineDimExpr>(largest.getResults().back());
  return dim ? std::optional<unsigned>(dim.getPosition()) : std::nullopt;
}

static Schedule chooseSchedule(LinalgOp op) {
  Schedule schedule;
  SmallVector<utils::IteratorType> types = op.getIteratorTypesArray();
  for (auto [loop, type] : llvm::enumerate(types))
    (type == utils::IteratorType::reduction ? schedule.reductions
                                            : schedule.parallel)
        .push_back(loop);
  std::optional<unsigned> contiguous = getContiguousLoop(op);
  if (!schedule.reductions.empty() && contiguous &&
      llvm::is_contained(schedule.parallel, *contiguous)) {
    schedule.column = contiguous;
    llvm::erase(schedule.parallel, *contiguous);
  }
  return schedule;
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

namespace {
/// Emits the loops of one op on buffers.
class LoopEmitter {
public:
  LoopEmitter(RewriterBase &rewriter, LinalgOp op)
      : rewriter(rewriter), op(op), loc(op.getLoc()),
        indices(op.getNumLoops()) {
    for (OpOperand &init : op.getDpsInitsMutable())
      (isSum(init) ? sums : elements).push_back(&init);
  }

  void run(const Schedule &schedule);

private:
  void emitParallel(const Schedule &schedule);
  void emitColumns(const Schedule &schedule, Value first, Value last);
  SmallVector<Value> emitReductions(ArrayRef<unsigned> loops,
                                    ArrayRef<Value> partial);
  SmallVector<Value> emitBody(ArrayRef<Value> partial);
  SmallVector<Value> emitIteration(ArrayRef<Value> partial);
  SmallVector<Value> getAddress(OpOperand *operand);
  SmallVector<Value> loadInits(ArrayRef<OpOperand *> inits);
  void storeInits(ArrayRef<OpOperand *> inits, ArrayRef<Value> values);
  bool isSum(OpOperand &init);
  Value bound(unsigned loop) {
    return getValueOrCreateConstantIndexOp(rewriter, loc, ranges[loop].size);
  }
  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(rewriter, loc, value);
  }

  RewriterBase &rewriter;
  LinalgOp op;
  Location loc;
  SmallVector<Value> indices;
  SmallVector<Range> ranges;
  /// What the reduction loops carry, and what each iteration has its own of.
  SmallVector<OpOperand *> sums, elements;
};
} // namespace

SmallVector<Value> LoopEmitter::getAddress(OpOperand *operand) {
  SmallVector<Value> address;
  AffineMap map = op.getMatchingIndexingMap(operand);
  for (AffineExpr expr : map.getResults()) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
      address.push_back(indices[dim.getPosition()]);
      continue;
    }
    AffineMap single = AffineMap::get(map.getNumDims(), 0, expr);
    OpFoldResult index = affine::makeComposedFoldedAffineApply(
        rewriter, loc, single, getAsOpFoldResult(indices));
    address.push_back(getValueOrCreateConstantIndexOp(rewriter, loc, index));
  }
  return address;
}

/// Whether no reduction loop indexes `init`.
bool LoopEmitter::isSum(OpOperand &init) {
  AffineMap map = op.getMatchingIndexingMap(&init);
  for (auto [loop, type] : llvm::enumerate(op.getIteratorTypesArray()))
    if (type == utils::IteratorType::reduction && map.isFunctionOfDim(loop))
      return false;
  return true;
}

/// Nothing is loaded that neither the body reads nor loops carry: it may never
/// have been written.
SmallVector<Value> LoopEmitter::loadInits(ArrayRef<OpOperand *> inits) {
  SmallVector<Value> values;
  for (OpOperand *init : inits) {
    bool isUsed = !op.getMatchingBlockArgument(init).use_empty() ||
                  (op.getNumReductionLoops() != 0 && isSum(*init));
    values.push_back(isUsed ? memref::LoadOp::create(rewriter, loc, init->get(),
                                                     getAddress(init))
                                  .getResult()
                            : Value());
  }
  return values;
}

void LoopEmitter::storeInits(ArrayRef<OpOperand *> inits,
                             ArrayRef<Value> values) {
  for (auto [init, value] : llvm::zip_equal(inits, values))
    memref::StoreOp::create(rewriter, loc, value, init->get(),
                            getAddress(init));
}

/// The body for what the results are so far, null where it does not ask;
/// returns what it yields.
SmallVector<Value> LoopEmitter::emitBody(ArrayRef<Value> partial) {
  Block *body = op.getBlock();
  IRMapping mapping;
  for (OpOperand *input : op.getDpsInputOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(input);
    if (argument.use_empty())
      continue;
    Value value = input->get();
    if (isa<MemRefType>(value.getType()))
      value = memref::LoadOp::create(rewriter, loc, value, getAddress(input));
    mapping.map(argument, value);
  }
  for (auto [argument, value] : llvm::zip(op.getRegionOutputArgs(), partial))
    if (value)
      mapping.map(argument, value);
  for (Operation &inner : body->without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
      mapping.map(index.getResult(), indices[index.getDim()]);
      continue;
    }
    rewriter.clone(inner, mapping);
  }
  SmallVector<Value> results;
  for (Value result : body->getTerminator()->getOperands())
    results.push_back(mapping.lookupOrDefault(result));
  return results;
}

/// One iteration, given the partial sums; returns what they are then.
SmallVector<Value> LoopEmitter::emitIteration(ArrayRef<Value> partial) {
  SmallVector<Value> own = loadInits(elements), all;
  size_t nextSum = 0, nextOwn = 0;
  for (OpOperand &init : op.getDpsInitsMutable())
    all.push_back(isSum(init) ? partial[nextSum++] : own[nextOwn++]);
  SmallVector<Value> results = emitBody(all), carried, stored;
  for (auto [init, result] : llvm::zip(op.getDpsInitsMutable(), results))
    (isSum(init) ? carried : stored).push_back(result);
  storeInits(elements, stored);
  return carried;
}

/// Reduction loops that carry the partial results.
SmallVector<Value> LoopEmitter::emitReductions(ArrayRef<unsigned> loops,
                                               ArrayRef<Value> partial) {
  if (loops.empty())
    return emitIteration(partial);
  auto loop = scf::ForOp::create(rewriter, loc, constant(0),
                                 bound(loops.front()), constant(1), partial);
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointToStart(loop.getBody());
  indices[loops.front()] = loop.getInductionVar();
  SmallVector<Value> carried(loop.getRegionIterArgs());
  SmallVector<Value> results = emitReductions(loops.drop_front(), carried);
  scf::YieldOp::create(rewriter, loc, results);
  return SmallVector<Value>(loop.getResults());
}

/// Asks for vectors: with so many arrays LLVM would rather not compare where
/// they lie.
static void annotate(scf::ForOp loop) {
  MLIRContext *context = loop.getContext();
  auto enable = LLVM::LoopVectorizeAttr::get(
      context, BoolAttr::get(context, false), {}, {}, {}, {}, {}, {});
  loop->setAttr("llvm.loop_annotation",
                LLVM::LoopAnnotationAttr::get(context, {}, enable, {}, {}, {},
                                              {}, {}, {}, {}, {}, {}, {}, {},
                                              {}, {}));
}

/// Reductions around the columns [first, last).
void LoopEmitter::emitColumns(const Schedule &schedule, Value first,
                              Value last) {
  for (unsigned reduction : schedule.reductions) {
    auto loop = scf::ForOp::create(rewriter, loc, constant(0), bound(reduction),
                                   constant(1));
    rewriter.setInsertionPointToStart(loop.getBody());
    indices[reduction] = loop.getInductionVar();
  }
  auto loop = scf::ForOp::create(rewriter, loc, first, last, constant(1));
  if (op.getNumDpsInits() > 1)
    annotate(loop);
  rewriter.setInsertionPointToStart(loop.getBody());
  indices[*schedule.column] = loop.getInductionVar();
  storeInits(sums, emitIteration(loadInits(sums)));
}

/// The parallel loops, one op for all of them.
void LoopEmitter::emitParallel(const Schedule &schedule) {
  SmallVector<Value> upper, step;
  for (unsigned loop : schedule.parallel) {
    upper.push_back(bound(loop));
    step.push_back(constant(1));
  }
  if (schedule.column) {
    upper.push_back(bound(*schedule.column));
    step.push_back(constant(kColumnBlock));
  }
  Value first, last;
  if (!upper.empty()) {
    SmallVector<Value> lower(upper.size(), constant(0));
    auto loop = scf::ParallelOp::create(rewriter, loc, lower, upper, step);
    rewriter.setInsertionPointToStart(loop.getBody());
    for (auto [i, dim] : llvm::enumerate(schedule.parallel))
      indices[dim] = loop.getInductionVars()[i];
    first = loop.getInductionVars().back();
  }
  if (!schedule.column) {
    storeInits(sums, emitReductions(schedule.reductions, loadInits(sums)));
    return;
  }
  Value end =
      arith::AddIOp::create(rewriter, loc, first, constant(kColumnBlock));
  last = arith::MinSIOp::create(rewriter, loc, end, upper.back());
  emitColumns(schedule, first, last);
}

void LoopEmitter::run(const Schedule &schedule) {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(op);
  ranges = op.createLoopRanges(rewriter, loc);
  emitParallel(schedule);
  rewriter.eraseOp(op);
}

/// Sums may be formed in any order.
static void allowReassociation(LinalgOp op) {
  for (BlockArgument output : op.getRegionOutputArgs())
    for (Operation *user : output.getUsers())
      if (auto add = dyn_cast<arith::AddFOp>(user))
        add.setFastmath(add.getFastmath() | arith::FastMathFlags::reassoc);
}

namespace {
struct LinalgToLoops
    : public sparsedrop::impl::LinalgToLoopsBase<LinalgToLoops> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<memref::CopyOp> copies;
    getOperation().walk([&](memref::CopyOp op) {
      if (isa<MemRefType>(op.getSource().getType()) &&
          isa<MemRefType>(op.getTarget().getType()))
        copies.push_back(op);
    });
    for (memref::CopyOp op : copies) {
      rewriter.setInsertionPoint(op);
      rewriter.replaceOpWithNewOp<linalg::CopyOp>(op, op.getSource(),
                                                  op.getTarget());
    }
    SmallVector<LinalgOp> ops;
    getOperation().walk([&](LinalgOp op) {
      if (op.hasPureBufferSemantics())
        ops.push_back(op);
    });
    for (LinalgOp op : ops) {
      if (op.getNumReductionLoops() != 0)
        allowReassociation(op);
      LoopEmitter(rewriter, op).run(chooseSchedule(op));
    }
  }
};
} // namespace
