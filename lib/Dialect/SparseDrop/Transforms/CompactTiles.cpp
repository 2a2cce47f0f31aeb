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
// The op of one class
//===----------------------------------------------------------------------===//

namespace {
/// Builds the loop over the classes of a tile pattern for one op.
class ClassLoop {
public:
  ClassLoop(RewriterBase &rewriter, LinalgOp op, DropoutOp dropout,
            TileLoops loops)
      : rewriter(rewriter), op(op), dropout(dropout), loops(loops),
        loc(op.getLoc()) {}

  /// The results. `dropped` is the operand that is dropped, if not the result.
  SmallVector<Value> run(OpOperand *dropped);

private:
  Value compact(OpOperand &operand, Value value);
  Value createZeros(OpOperand &init);
  SmallVector<Value> createSums(ValueRange totals);
  LinalgOp createPart(OpOperand *dropped, ValueRange totals);
  Value scale(Value part);
  Value insert(OpOperand &init, Value part, Value total);

  RewriterBase &rewriter;
  LinalgOp op;
  DropoutOp dropout;
  TileLoops loops;
  Location loc;
  std::array<Value, 2> patterns;
};
} // namespace

/// Kept rows and columns of `value`, as far as the operand has them.
Value ClassLoop::compact(OpOperand &operand, Value value) {
  for (auto [loop, pattern] : llvm::zip(loops, patterns))
    if (std::optional<int64_t> dim = getIndexedDim(op, operand, loop))
      value = CompactOp::create(rewriter, loc, value, pattern, *dim);
  return value;
}

/// Zeros in the place of the kept rows and columns of `init`.
Value ClassLoop::createZeros(OpOperand &init) {
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(rewriter, loc, init.get());
  for (auto [loop, pattern] : llvm::zip(loops, patterns))
    if (std::optional<int64_t> dim = getIndexedDim(op, init, loop))
      sizes[*dim] = KeptCountOp::create(rewriter, loc, pattern).getResult();
  Type element = getElementTypeOrSelf(init.get().getType());
  Value empty = tensor::EmptyOp::create(rewriter, loc, sizes, element);
  Value zero =
      arith::ConstantOp::create(rewriter, loc, rewriter.getZeroAttr(element));
  return linalg::FillOp::create(rewriter, loc, zero, empty).getResult(0);
}

/// What the sums of a class begin with. Of zeros nobody else has written these
/// rows or columns.
SmallVector<Value> ClassLoop::createSums(ValueRange totals) {
  SmallVector<Value> sums;
  for (auto [i, total] : llvm::enumerate(totals)) {
    OpOperand &init = *op.getDpsInitOperand(i);
    bool isPart =
        getIndexedDim(op, init, loops[0]) || getIndexedDim(op, init, loops[1]);
    sums.push_back(isPart && isZeroFill(init.get()) ? createZeros(init)
                                                    : compact(init, total));
  }
  return sums;
}

LinalgOp ClassLoop::createPart(OpOperand *dropped, ValueRange totals) {
  SmallVector<Value> operands;
  for (OpOperand *input : op.getDpsInputOperands())
    operands.push_back(input == dropped
                           ? scale(compact(*input, dropout.getSource()))
                           : compact(*input, input->get()));
  SmallVector<Value> sums = createSums(totals);
  llvm::append_range(operands, sums);
  LinalgOp part = clone(rewriter, op, TypeRange(ValueRange(sums)), operands);
  for (size_t i = 0; i < loops.size(); ++i)
    rewriteIndices(rewriter, part, loops[i], [&](Location loc, Value index) {
      return KeptIndexOp::create(rewriter, loc, patterns[i], index).getResult();
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

/// `total` with the rows and columns of the class replaced. Other columns of
/// these rows are in no other class: of zeros they are what they were.
Value ClassLoop::insert(OpOperand &init, Value part, Value total) {
  auto insertAlong = [&](int64_t side, int64_t dim, Value source, Value dest) {
    return InsertOp::create(rewriter, loc, source, dest, patterns[side],
                            rewriter.getDenseI64ArrayAttr(dim))
        .getResult();
  };
  std::optional<int64_t> rows = getIndexedDim(op, init, loops[0]);
  std::optional<int64_t> columns = getIndexedDim(op, init, loops[1]);
  if (!rows)
    return columns ? insertAlong(1, *columns, part, total) : part;
  if (!columns)
    return insertAlong(0, *rows, part, total);
  Value old = CompactOp::create(rewriter, loc, total, patterns[0], *rows);
  Value whole = isZeroFill(init.get())
                    ? ExpandOp::create(rewriter, loc, old.getType(), part,
                                       patterns[1], *columns)
                          .getResult()
                    : insertAlong(1, *columns, part, old);
  return insertAlong(0, *rows, whole, total);
}

SmallVector<Value> ClassLoop::run(OpOperand *dropped) {
  Value zero = arith::ConstantIndexOp::create(rewriter, loc, 0);
  Value one = arith::ConstantIndexOp::create(rewriter, loc, 1);
  Value count = ClassCountOp::create(rewriter, loc, dropout.getPattern());
  auto body = [&](OpBuilder &, Location, Value number, ValueRange totals) {
    ArrayRef<int64_t> tile = dropout.getPattern().getType().getTile();
    for (int64_t dim = 0; dim < 2; ++dim)
      patterns[dim] = ClassPatternOp::create(
          rewriter, loc,
          PatternType::get(op.getContext(), PatternKind::Row, tile[dim]),
          dropout.getPattern(), number, dim);
    LinalgOp part = createPart(dropped, totals);
    SmallVector<Value> results;
    for (auto [init, result, total] :
         llvm::zip(op.getDpsInitsMutable(), part->getResults(), totals))
      results.push_back(insert(init, dropped ? result : scale(result), total));
    scf::YieldOp::create(rewriter, loc, results);
  };
  OpBuilder::InsertionGuard guard(rewriter);
  auto loop = scf::ForOp::create(rewriter, loc, zero, count, one,
                                 op.getDpsInits(), nullptr);
  rewriter.setInsertionPointToStart(loop.getBody());
  body(rewriter, loc, loop.getInductionVar(), loop.getRegionIterArgs());
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
    ClassLoop loop(context.rewriter, op, dropout,
                   *getTileLoops(op, *use, dropout));
    context.rewriter.replaceOp(op, loop.run(use));
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

/// The product whose result is dropped and read by nothing else: only kept
/// tiles are computed.
static bool compactProducer(CompactionContext &context, DropoutOp dropout) {
  RewriterBase &rewriter = context.rewriter;
  auto op = dropout.getSource().getDefiningOp<LinalgOp>();
  if (!op || !op.hasPureTensorSemantics() || op->getNumResults() != 1 ||
      op.getNumReductionLoops() == 0 || !op->hasOneUse() ||
      !isZeroFill(op.getDpsInits()[0]))
    return false;
  std::optional<TileLoops> loops =
      getTileLoops(op, *op.getDpsInitOperand(0), dropout);
  if (!loops)
    return false;
  context.reportCompacted(op, "C9", {dropout.getPattern(), 0});
  rewriter.setInsertionPoint(dropout);
  rewriter.replaceOp(dropout,
                     ClassLoop(rewriter, op, dropout, *loops).run(nullptr));
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
