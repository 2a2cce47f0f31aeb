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
        indices(op.getNumLoops()) {}

  void run(const Schedule &schedule);

private:
  void emitParallel(const Schedule &schedule);
  void emitColumns(const Schedule &schedule, Value first, Value last);
  SmallVector<Value> emitReductions(ArrayRef<unsigned> loops,
                                    ArrayRef<Value> partial);
  SmallVector<Value> emitBody(ArrayRef<Value> partial);
  SmallVector<Value> getAddress(OpOperand *operand);
  SmallVector<Value> loadInits();
  void storeInits(ArrayRef<Value> values);
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

SmallVector<Value> LoopEmitter::loadInits() {
  SmallVector<Value> values;
  for (OpOperand &init : op.getDpsInitsMutable())
    values.push_back(
        memref::LoadOp::create(rewriter, loc, init.get(), getAddress(&init)));
  return values;
}

void LoopEmitter::storeInits(ArrayRef<Value> values) {
  for (auto [init, value] : llvm::zip(op.getDpsInitsMutable(), values))
    memref::StoreOp::create(rewriter, loc, value, init.get(),
                            getAddress(&init));
}

/// One iteration; returns what it yields.
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
  mapping.map(body->getArguments().take_back(partial.size()), partial);
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

/// Reduction loops that carry the partial results.
SmallVector<Value> LoopEmitter::emitReductions(ArrayRef<unsigned> loops,
                                               ArrayRef<Value> partial) {
  if (loops.empty())
    return emitBody(partial);
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
  rewriter.setInsertionPointToStart(loop.getBody());
  indices[*schedule.column] = loop.getInductionVar();
  storeInits(emitBody(loadInits()));
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
    bool isUsed = llvm::any_of(op.getRegionOutputArgs(), [](Value argument) {
      return !argument.use_empty();
    });
    if (schedule.reductions.empty() && !isUsed) {
      // Nothing is read that may never have been written.
      SmallVector<Value> none;
      storeInits(emitBody(none));
      return;
    }
    storeInits(emitReductions(schedule.reductions, loadInits()));
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
