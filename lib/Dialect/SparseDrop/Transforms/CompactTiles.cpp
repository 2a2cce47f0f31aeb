//===- CompactTiles.cpp - Products with dropped tiles, class by class -----===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The kept tiles are the union of classes, each some rows times some columns,
// and no two classes share either. So an op whose terms vanish where tiles are
// dropped, and one whose result is dropped, is a loop over the classes, of ops
// on kept rows and kept columns: all of it row patterns from there on.
//
//===----------------------------------------------------------------------===//

#include "CompactTiles.h"

#include "CompactionContext.h"
#include "LinalgUtils.h"
#include "ZeroTest.h"

#include "sparsedrop/Dialect/SparseDrop/Transforms/Transforms.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

namespace {
/// The loops of an op that run over the rows and the columns of the tiles.
using TileLoops = std::array<unsigned, 2>;
} // namespace

/// The loops that index the dimensions of `dropout` in the operand of `op`.
static std::optional<TileLoops> getTileLoops(LinalgOp op, OpOperand &operand,
                                             DropoutOp dropout) {
  AffineMap map = op.getMatchingIndexingMap(&operand);
  TileLoops loops;
  for (auto [loop, dim] : llvm::zip(loops, dropout.getDims())) {
    auto expr = dyn_cast<AffineDimExpr>(map.getResult(dim));
    if (!expr || !isPlainLoop(op, expr.getPosition()))
      return std::nullopt;
    loop = expr.getPosition();
  }
  return loops[0] != loops[1] ? std::optional(loops) : std::nullopt;
}

//===----------------------------------------------------------------------===//
// The ops of one class
//===----------------------------------------------------------------------===//

namespace {
/// One of the ops that a class computes one after the other.
struct Stage {
  LinalgOp op;
  TileLoops loops;
  /// What the stage before it has computed, or what is dropped; null: neither.
  OpOperand *previous = nullptr;
};

/// Builds the loop over the classes of a tile pattern for some ops.
class ClassLoop {
public:
  /// What is dropped is what stage `dropAt` reads, or the result of the last.
  ClassLoop(RewriterBase &rewriter, ArrayRef<Stage> stages, DropoutOp dropout,
            size_t dropAt)
      : rewriter(rewriter), stages(stages), dropout(dropout), dropAt(dropAt),
        last(stages.back().op), loc(last.getLoc()) {}

  /// The results of the last stage.
  SmallVector<Value> run();

private:
  bool dropsResult() const { return dropAt == stages.size(); }
  Value createEmpty(OpOperand &init, ArrayRef<OpFoldResult> sizes);
  Value createZeros(OpOperand &init, ArrayRef<OpFoldResult> sizes);
  SmallVector<OpFoldResult> getKeptSizes(const Stage &stage,
                                         OpOperand &operand);
  Value compact(const Stage &stage, OpOperand &operand, Value value);
  Value createTotal(OpOperand &init);
  Value createStart(const Stage &stage, OpOperand &init);
  Value createSum(OpOperand &init, Value total);
  LinalgOp createPart(const Stage &stage, Value previous, ValueRange inits);
  SmallVector<Value> computeClass(ValueRange totals);
  Value scale(Value part);
  Value insert(OpOperand &init, Value part, Value total);

  RewriterBase &rewriter;
  ArrayRef<Stage> stages;
  DropoutOp dropout;
  size_t dropAt;
  LinalgOp last;
  Location loc;
  std::array<Value, 2> patterns;
};
} // namespace

/// Kept rows and columns of `value`, as far as the operand has them.
Value ClassLoop::compact(const Stage &stage, OpOperand &operand, Value value) {
  if (isZeroFill(value))
    return createZeros(operand, getKeptSizes(stage, operand));
  for (auto [loop, pattern] : llvm::zip(stage.loops, patterns))
    if (std::optional<int64_t> dim = getIndexedDim(stage.op, operand, loop))
      value = CompactOp::create(rewriter, loc, value, pattern, *dim);
  return value;
}

Value ClassLoop::createEmpty(OpOperand &init, ArrayRef<OpFoldResult> sizes) {
  return tensor::EmptyOp::create(rewriter, loc, sizes,
                                 getElementTypeOrSelf(init.get().getType()));
}

Value ClassLoop::createZeros(OpOperand &init, ArrayRef<OpFoldResult> sizes) {
  Type element = getElementTypeOrSelf(init.get().getType());
  Value zero =
      arith::ConstantOp::create(rewriter, loc, rewriter.getZeroAttr(element));
  return linalg::FillOp::create(rewriter, loc, zero, createEmpty(init, sizes))
      .getResult(0);
}

/// The sizes of the kept rows and columns of `operand`.
SmallVector<OpFoldResult> ClassLoop::getKeptSizes(const Stage &stage,
                                                  OpOperand &operand) {
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(rewriter, loc, operand.get());
  for (auto [loop, pattern] : llvm::zip(stage.loops, patterns))
    if (std::optional<int64_t> dim = getIndexedDim(stage.op, operand, loop))
      sizes[*dim] = KeptCountOp::create(rewriter, loc, pattern).getResult();
  return sizes;
}

/// What the loop begins with: zeros where dropped values are not written. Each
/// row is in a class, so where there are no columns all is written.
Value ClassLoop::createTotal(OpOperand &init) {
  TileLoops loops = stages.back().loops;
  if (dropsResult() && !isZeroFill(init.get()))
    return createZeros(init, tensor::getMixedSizes(rewriter, loc, init.get()));
  if (!getIndexedDim(last, init, loops[0]) ||
      getIndexedDim(last, init, loops[1]) || !isZeroFill(init.get()))
    return init.get();
  Value empty =
      createEmpty(init, tensor::getMixedSizes(rewriter, loc, init.get()));
  if (empty.getType() != init.get().getType())
    empty = tensor::CastOp::create(rewriter, loc, init.get().getType(), empty);
  return empty;
}

/// What a stage of a class begins with that nobody else sees.
Value ClassLoop::createStart(const Stage &stage, OpOperand &init) {
  if (isZeroFill(init.get()))
    return createZeros(init, getKeptSizes(stage, init));
  LinalgOp op = stage.op;
  if (op.payloadUsesValueFromOperand(&init))
    return compact(stage, init, init.get());
  return createEmpty(init, getKeptSizes(stage, init));
}

/// What the last stage of a class begins with. Of zeros nobody else has written
/// these rows or columns.
Value ClassLoop::createSum(OpOperand &init, Value total) {
  TileLoops loops = stages.back().loops;
  bool isPart = getIndexedDim(last, init, loops[0]) ||
                getIndexedDim(last, init, loops[1]);
  return dropsResult() || (isPart && isZeroFill(init.get()))
             ? createStart(stages.back(), init)
             : compact(stages.back(), init, total);
}

LinalgOp ClassLoop::createPart(const Stage &stage, Value previous,
                               ValueRange inits) {
  LinalgOp op = stage.op;
  SmallVector<Value> operands;
  for (OpOperand *input : op.getDpsInputOperands())
    operands.push_back(input == stage.previous
                           ? previous
                           : compact(stage, *input, input->get()));
  llvm::append_range(operands, inits);
  LinalgOp part = clone(rewriter, op, TypeRange(inits), operands);
  for (size_t i = 0; i < patterns.size(); ++i)
    rewriteIndices(
        rewriter, part, stage.loops[i], [&](Location loc, Value index) {
          return KeptIndexOp::create(rewriter, loc, patterns[i], index)
              .getResult();
        });
  return part;
}

/// The scale of the dropout on a part of what is dropped.
Value ClassLoop::scale(Value part) {
  if (dropout.getUnscaled())
    return part;
  Value factor = rewriter.createOrFold<ScaleOp>(loc, dropout.getPattern());
  return createScaled(rewriter, loc, part, factor);
}

/// `total` with the rows and columns of the class replaced.
Value ClassLoop::insert(OpOperand &init, Value part, Value total) {
  auto insertAlong = [&](int64_t side, int64_t dim, Value source, Value dest) {
    return InsertOp::create(rewriter, loc, source, dest, patterns[side],
                            rewriter.getDenseI64ArrayAttr(dim))
        .getResult();
  };
  TileLoops loops = stages.back().loops;
  std::optional<int64_t> rows = getIndexedDim(last, init, loops[0]);
  std::optional<int64_t> columns = getIndexedDim(last, init, loops[1]);
  if (!rows)
    return columns ? insertAlong(1, *columns, part, total) : part;
  if (!columns)
    return insertAlong(0, *rows, part, total);
  // Columns first, in which the views of what is read are made, too.
  Value old = CompactOp::create(rewriter, loc, total, patterns[1], *columns);
  Value whole = insertAlong(0, *rows, part, old);
  return insertAlong(1, *columns, whole, total);
}

/// The stages on the kept rows and columns of a class; the new totals.
SmallVector<Value> ClassLoop::computeClass(ValueRange totals) {
  Value value;
  SmallVector<Value> results;
  for (auto [i, stage] : llvm::enumerate(stages)) {
    if (i == dropAt)
      value = scale(
          value ? value : compact(stage, *stage.previous, dropout.getSource()));
    SmallVector<Value> inits;
    LinalgOp op = stage.op;
    for (auto [number, init] : llvm::enumerate(op.getDpsInitsMutable()))
      inits.push_back(op == last ? createSum(init, totals[number])
                                 : createStart(stage, init));
    LinalgOp part = createPart(stage, value, inits);
    results.assign(part->result_begin(), part->result_end());
    value = results[0];
  }
  for (auto [init, result, total] :
       llvm::zip(last.getDpsInitsMutable(), results, totals))
    result = insert(init, dropsResult() ? scale(result) : result, total);
  return results;
}

SmallVector<Value> ClassLoop::run() {
  Value zero = arith::ConstantIndexOp::create(rewriter, loc, 0);
  Value one = arith::ConstantIndexOp::create(rewriter, loc, 1);
  Value count = ClassCountOp::create(rewriter, loc, dropout.getPattern());
  SmallVector<Value> totals;
  for (OpOperand &init : last.getDpsInitsMutable())
    totals.push_back(createTotal(init));
  OpBuilder::InsertionGuard guard(rewriter);
  auto loop =
      scf::ForOp::create(rewriter, loc, zero, count, one, totals, nullptr);
  // Classes share neither rows nor columns: where a result has either, they are
  // in different parts of it.
  if (llvm::all_of(last.getDpsInitsMutable(), [&](OpOperand &init) {
        return llvm::any_of(stages.back().loops, [&](unsigned tileLoop) {
          return getIndexedDim(last, init, tileLoop).has_value();
        });
      }))
    loop->setAttr(kDisjointAttrName, rewriter.getUnitAttr());
  rewriter.setInsertionPointToStart(loop.getBody());
  ArrayRef<int64_t> tile = dropout.getPattern().getType().getTile();
  for (int64_t dim = 0; dim < 2; ++dim)
    patterns[dim] = ClassPatternOp::create(
        rewriter, loc,
        PatternType::get(rewriter.getContext(), PatternKind::Row, tile[dim]),
        dropout.getPattern(), loop.getInductionVar(), dim);
  scf::YieldOp::create(rewriter, loc, computeClass(loop.getRegionIterArgs()));
  return SmallVector<Value>(loop.getResults());
}

//===----------------------------------------------------------------------===//
// Where it applies
//===----------------------------------------------------------------------===//

/// Why a product with a dropped operand stays as it is; empty if it does not.
static StringRef getProblem(LinalgOp op, OpOperand &operand,
                            DropoutOp dropout) {
  if (!op.hasPureTensorSemantics() || !op.isDpsInput(&operand))
    return "it is not an input of a structured op on tensors";
  if (!getTileLoops(op, operand, dropout))
    return "the dimensions of the tiles are not plain loops";
  llvm::BitVector zero(op->getNumOperands());
  zero.set(operand.getOperandNumber());
  for (auto [i, result] : llvm::enumerate(runZeroTest(op, zero)))
    if (result.kind != ZeroTestResult::Argument ||
        result.argument != op.getNumDpsInputs() + i)
      return "its result is not what it was where dropped values are zero";
  return {};
}

/// Products with the dropped value, as far as they can be. One that reads it
/// twice reads a mask the other time.
static void compactReaders(CompactionContext &context, DropoutOp dropout) {
  llvm::SmallSetVector<Operation *, 4> users(dropout->user_begin(),
                                             dropout->user_end());
  for (Operation *user : users) {
    auto op = dyn_cast<LinalgOp>(user);
    OpOperand *use = llvm::find_if(user->getOpOperands(), [&](OpOperand &o) {
      return o.get() == dropout.getResult();
    });
    if (!op || !getProblem(op, *use, dropout).empty())
      continue;
    context.reportCompacted(op, "C9", {dropout.getPattern(), 0});
    context.rewriter.setInsertionPoint(op);
    Stage stage{op, *getTileLoops(op, *use, dropout), use};
    ClassLoop loop(context.rewriter, stage, dropout, /*dropAt=*/0);
    context.rewriter.replaceOp(op, loop.run());
  }
}

/// For all else there is a mask.
static void maskReaders(CompactionContext &context, DropoutOp dropout) {
  for (OpOperand &use : dropout->getUses()) {
    auto op = dyn_cast<LinalgOp>(use.getOwner());
    context.reportMissed(use.getOwner(), "reads", dropout.getPattern(),
                         op ? getProblem(op, use, dropout)
                            : "it is not a structured op");
  }
  context.rewriter.setInsertionPoint(dropout);
  context.rewriter.replaceOp(dropout, maskDropout(context.rewriter, dropout));
}

/// Adds the product that `value`, which nothing else reads, is computed from,
/// and the elementwise ops behind it; false if there is none.
static bool collectStages(Value value, DropoutOp dropout,
                          SmallVectorImpl<Stage> &stages) {
  auto op = value.getDefiningOp<LinalgOp>();
  if (!op || !op.hasPureTensorSemantics() || op->getNumResults() != 1 ||
      !op->hasOneUse() || op->getBlock() != dropout->getBlock())
    return false;
  OpOperand &init = *op.getDpsInitOperand(0);
  std::optional<TileLoops> loops = getTileLoops(op, init, dropout);
  if (!loops)
    return false;
  if (op.getNumReductionLoops() != 0) {
    if (!isZeroFill(init.get()))
      return false;
    stages.push_back({op, *loops});
    return true;
  }
  AffineMap map = op.getMatchingIndexingMap(&init);
  for (OpOperand *input : op.getDpsInputOperands()) {
    if (op.getMatchingIndexingMap(input) != map ||
        !collectStages(input->get(), dropout, stages))
      continue;
    stages.push_back({op, *loops, input});
    return true;
  }
  return false;
}

/// The op that only updates something with what is dropped, if nothing else
/// reads that.
static LinalgOp getUpdate(DropoutOp dropout) {
  if (!dropout->hasOneUse())
    return {};
  OpOperand &use = *dropout->use_begin();
  auto op = dyn_cast<LinalgOp>(use.getOwner());
  bool isUpdate = op && op->getBlock() == dropout->getBlock() &&
                  op.getNumReductionLoops() == 0 &&
                  getProblem(op, use, dropout).empty();
  return isUpdate ? op : LinalgOp();
}

/// The product whose result is dropped and read by nothing else: only kept
/// tiles are computed, and what is updated with them.
static bool compactProducer(CompactionContext &context, DropoutOp dropout) {
  RewriterBase &rewriter = context.rewriter;
  SmallVector<Stage> stages;
  if (!collectStages(dropout.getSource(), dropout, stages))
    return false;
  context.reportCompacted(stages.front().op, "C9", {dropout.getPattern(), 0});
  size_t dropAt = stages.size();
  SmallVector<Operation *> replaced{dropout};
  for (const Stage &stage : llvm::reverse(stages))
    replaced.push_back(stage.op);
  Operation *last = dropout;
  if (LinalgOp update = getUpdate(dropout)) {
    OpOperand *use = &*dropout->use_begin();
    context.reportCompacted(update, "C9", {dropout.getPattern(), 0});
    stages.push_back({update, *getTileLoops(update, *use, dropout), use});
    last = update;
  }
  rewriter.setInsertionPoint(last);
  rewriter.replaceOp(last, ClassLoop(rewriter, stages, dropout, dropAt).run());
  for (Operation *op : replaced)
    if (op != last)
      rewriter.eraseOp(op);
  return true;
}

/// Whether nothing is ever dropped by `pattern`.
static bool keepsAll(Value pattern) {
  if (auto sample = pattern.getDefiningOp<SampleOp>())
    return sample.getDistribution() && sample.getDistribution()->size() == 1;
  auto made = pattern.getDefiningOp<MakePatternOp>();
  return made && matchPattern(made.getPeriod(), m_One());
}

void mlir::sparsedrop::compactTiles(RewriterBase &rewriter, Operation *root) {
  CompactionContext context(rewriter, root);
  SmallVector<DropoutOp> dropouts;
  root->walk([&](DropoutOp op) {
    if (op.getPattern().getType().getKind() == PatternKind::Tile)
      dropouts.push_back(op);
  });
  for (DropoutOp op : dropouts) {
    if (keepsAll(op.getPattern())) {
      rewriter.setInsertionPoint(op);
      rewriter.replaceOp(op, op.getUnscaled() ? op.getSource()
                                              : maskDropout(rewriter, op));
      continue;
    }
    // What only updates something with a gradient costs less than the gradient.
    bool isSummed = llvm::any_of(op->getUsers(), [](Operation *user) {
      auto reader = dyn_cast<LinalgOp>(user);
      return reader && reader.getNumReductionLoops() != 0;
    });
    if (!isSummed && compactProducer(context, op))
      continue;
    compactReaders(context, op);
    if (op.use_empty())
      rewriter.eraseOp(op);
    else if (!compactProducer(context, op))
      maskReaders(context, op);
  }
}
