//===- CompactLinalg.cpp - Rules C2 to C5 on structured ops ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All of it is on indexing maps and bodies: matmul, batch_matmul, convolution,
// bias, activation and their gradients are one case.
//
//===----------------------------------------------------------------------===//

#include "CompactUpdate.h"
#include "CompactionContext.h"
#include "LinalgUtils.h"
#include "ZeroTest.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

/// The loop that indexes dimension `dim` of an operand with `map`.
static std::optional<unsigned> getLoop(AffineMap map, int64_t dim) {
  if (auto expr = dyn_cast<AffineDimExpr>(map.getResult(dim)))
    return expr.getPosition();
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// The smaller op
//===----------------------------------------------------------------------===//

/// `op` with the loop that `pattern` acts on reduced to the kept iterations.
static LinalgOp compactAlongLoop(CompactionContext &context, LinalgOp op,
                                 unsigned loop, Value pattern) {
  SmallVector<Value> operands;
  for (OpOperand &operand : op->getOpOperands()) {
    std::optional<int64_t> dim = getIndexedDim(op, operand, loop);
    operands.push_back(dim ? context.getCompact(operand.get(), {pattern, *dim})
                           : operand.get());
  }
  SmallVector<Type> resultTypes;
  for (int64_t i = 0, e = op.getNumDpsInits(); i < e; ++i)
    resultTypes.push_back(operands[op.getNumDpsInputs() + i].getType());
  RewriterBase &rewriter = context.rewriter;
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(op);
  LinalgOp smaller = clone(rewriter, op, resultTypes, operands);
  // The original index of the kept one.
  rewriteIndices(rewriter, smaller, loop, [&](Location loc, Value index) {
    return KeptIndexOp::create(rewriter, loc, pattern, index).getResult();
  });
  return smaller;
}

//===----------------------------------------------------------------------===//
// C3, C4, C5: expands move down
//===----------------------------------------------------------------------===//

namespace {
/// A loop of an op and the pattern that some inputs are expands of.
struct Candidate {
  unsigned loop;
  Value pattern;
};

/// What becomes of one result of the op: of the smaller op's, its expand, or
/// `dest` with its kept slice replaced. An insert without `dest` goes into what
/// the dense op gives for zeros.
struct ResultPlan {
  enum Kind { AsIs, Expand, Insert } kind = AsIs;
  int64_t dim = 0;
  Value dest;
};

struct Plan {
  llvm::BitVector zero; ///< operands that are zero where values are dropped
  SmallVector<ResultPlan> results;
};
} // namespace

static SmallVector<Candidate> getCandidates(LinalgOp op) {
  SmallVector<Candidate> candidates;
  for (OpOperand *input : op.getDpsInputOperands()) {
    AffineMap map = op.getMatchingIndexingMap(input);
    for (Line line : CompactionContext::getExpandLines(input->get())) {
      std::optional<unsigned> loop = getLoop(map, line.dim);
      if (loop && llvm::none_of(candidates, [&](const Candidate &other) {
            return other.loop == *loop && other.pattern == line.pattern;
          }))
        candidates.push_back({*loop, line.pattern});
    }
  }
  return candidates;
}

/// The inputs that are zero where `candidate` drops.
static llvm::BitVector getZeroInputs(LinalgOp op, const Candidate &candidate) {
  llvm::BitVector zero(op->getNumOperands());
  for (OpOperand *input : op.getDpsInputOperands()) {
    std::optional<int64_t> dim = getIndexedDim(op, *input, candidate.loop);
    if (dim &&
        CompactionContext::isExpand(input->get(), {candidate.pattern, *dim}))
      zero.set(input->getOperandNumber());
  }
  return zero;
}

/// C3: the dropped terms of a reduction leave the accumulator as it was.
static std::optional<Plan> planReduction(CompactionContext &context,
                                         LinalgOp op,
                                         const Candidate &candidate) {
  // Each iteration of such a loop has an element of its own.
  for (OpOperand &init : op.getDpsInitsMutable())
    if (getIndexedDim(op, init, candidate.loop)) {
      context.noteReason(op, "a result is indexed by the reduction loop");
      return std::nullopt;
    }
  llvm::BitVector zero = getZeroInputs(op, candidate);
  for (auto [i, result] : llvm::enumerate(runZeroTest(op, zero)))
    if (result.kind != ZeroTestResult::Argument ||
        result.argument != op.getNumDpsInputs() + i) {
      context.noteReason(op, "the reduction's terms do not vanish where the "
                             "dropped values are zero");
      return std::nullopt;
    }
  return Plan{zero, SmallVector<ResultPlan>(op->getNumResults())};
}

/// The tensor that result `index` equals where the op's zero test yields block
/// argument `argument`, or null.
static Value getUnchangedTensor(LinalgOp op, unsigned index,
                                unsigned argument) {
  OpOperand &operand = op->getOpOperand(argument);
  OpOperand *init = op.getDpsInitOperand(index);
  if (op.getMatchingIndexingMap(&operand) != op.getMatchingIndexingMap(init) ||
      operand.get().getType() != init->get().getType() ||
      !op.getMatchingIndexingMap(init).isPermutation())
    return {};
  return operand.get();
}

/// C4 and C5: along a parallel loop the results are zero, or a tensor that is
/// there already, or what a dense op makes of zeros, where values are dropped.
static std::optional<Plan> planParallel(CompactionContext &context, LinalgOp op,
                                        const Candidate &candidate) {
  Plan plan{getZeroInputs(op, candidate), {}};
  for (OpOperand &init : op.getDpsInitsMutable()) {
    std::optional<int64_t> dim = getIndexedDim(op, init, candidate.loop);
    if (!dim) {
      context.noteReason(op, "a result is not indexed by the parallel loop");
      return std::nullopt;
    }
    if (isZeroFill(init.get()) ||
        CompactionContext::isExpand(init.get(), {candidate.pattern, *dim}))
      plan.zero.set(init.getOperandNumber());
    plan.results.push_back({ResultPlan::Expand, *dim, {}});
  }
  for (auto [i, result] : llvm::enumerate(runZeroTest(op, plan.zero))) {
    if (result.kind == ZeroTestResult::Zero ||
        (op.getNumReductionLoops() != 0 && reducesToZero(op, i, plan.zero)))
      continue;
    plan.results[i].kind = ResultPlan::Insert;
    Value &dest = plan.results[i].dest;
    if (result.kind == ZeroTestResult::Argument)
      dest = getUnchangedTensor(op, i, result.argument);
    // An accumulation over reduction loops keeps its init as well: each of its
    // steps is the identity.
    if (result.kind == ZeroTestResult::Argument &&
        result.argument == op.getNumDpsInputs() + i)
      dest = op.getDpsInits()[i];
    if (!dest && !isElementwise(op)) {
      context.noteReason(op, "its result is not zero where the dropped values "
                             "are zero");
      return std::nullopt;
    }
  }
  return plan;
}

static void replaceWithPlan(CompactionContext &context, LinalgOp op,
                            LinalgOp smaller, const Plan &plan, Value pattern) {
  RewriterBase &rewriter = context.rewriter;
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfter(smaller);
  SmallVector<Value> replacements;
  for (auto [i, part] : llvm::enumerate(plan.results)) {
    Value result = smaller->getResult(i);
    Type type = op->getResult(i).getType();
    if (part.kind == ResultPlan::Expand)
      result = context.createExpand(type, result, {pattern, part.dim});
    if (part.kind == ResultPlan::Insert)
      result =
          InsertOp::create(rewriter, op.getLoc(), result, part.dest, pattern,
                           rewriter.getDenseI64ArrayAttr(part.dim));
    replacements.push_back(result);
  }
  rewriter.replaceOp(op, replacements);
}

/// A second pattern on the same dimension stays: say so.
static void noteConflicts(CompactionContext &context, LinalgOp op,
                          LinalgOp smaller, const Candidate &candidate) {
  for (const Candidate &other : getCandidates(op))
    if (other.loop == candidate.loop && other.pattern != candidate.pattern)
      context.noteReason(
          smaller, "two different patterns act on one dimension; that of site "
                   "\"" +
                       getSite(candidate.pattern) + "\" was compacted");
}

/// The smaller op; behind a dense one for the results that need it.
static LinalgOp makeSmaller(CompactionContext &context, LinalgOp op,
                            const Candidate &candidate, Plan &plan) {
  llvm::BitVector dense(op->getNumResults());
  for (auto [i, part] : llvm::enumerate(plan.results))
    if (part.kind == ResultPlan::Insert && !part.dest)
      dense.set(i);
  if (dense.none())
    return compactAlongLoop(context, op, candidate.loop, candidate.pattern);
  SmallVector<Value> dests = createDenseResults(context, op, plan.zero, dense);
  for (auto [i, dest] : llvm::zip(dense.set_bits(), dests))
    plan.results[i].dest = dest;
  LinalgOp update = createUpdate(context, op, plan.zero, dense, dests);
  LinalgOp smaller =
      compactAlongLoop(context, update, candidate.loop, candidate.pattern);
  context.rewriter.eraseOp(update);
  return smaller;
}

bool mlir::sparsedrop::pushExpandsThroughLinalg(CompactionContext &context,
                                                LinalgOp op) {
  if (!op.hasPureTensorSemantics())
    return false;
  for (const Candidate &candidate : getCandidates(op)) {
    if (!isPlainLoop(op, candidate.loop)) {
      context.noteReason(op, "the loop occurs in a compound index expression");
      continue;
    }
    if (!context.dominates(candidate.pattern, op))
      continue;
    bool isReduction = op.getIteratorTypesArray()[candidate.loop] ==
                       utils::IteratorType::reduction;
    std::optional<Plan> plan = isReduction
                                   ? planReduction(context, op, candidate)
                                   : planParallel(context, op, candidate);
    if (!plan)
      continue;
    LinalgOp smaller = makeSmaller(context, op, candidate, *plan);
    noteConflicts(context, op, smaller, candidate);
    bool inserts = llvm::any_of(plan->results, [](const ResultPlan &part) {
      return part.kind == ResultPlan::Insert;
    });
    context.reportCompacted(smaller,
                            isReduction ? "C3" : (inserts ? "C5" : "C4"),
                            {candidate.pattern, 0});
    replaceWithPlan(context, op, smaller, *plan, candidate.pattern);
    return true;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// C2: compacts move up
//===----------------------------------------------------------------------===//

/// The dimension along which each result is compacted when `loop` is; nothing
/// when a result is not indexed by it.
static std::optional<SmallVector<int64_t>> getResultDims(LinalgOp op,
                                                         unsigned loop) {
  SmallVector<int64_t> dims;
  for (OpOperand &init : op.getDpsInitsMutable()) {
    std::optional<int64_t> dim = getIndexedDim(op, init, loop);
    if (!dim)
      return std::nullopt;
    dims.push_back(*dim);
  }
  return dims;
}

/// Whether `op`, which does no more than read each element once, reads what is
/// read whole behind it, by users that have been compacted where they can be:
/// one loop may serve both then, and a part would have to be packed for `op`.
static bool readsWhole(LinalgOp op, unsigned loop, Value pattern) {
  SmallVector<OpOperand *> inputs = op.getDpsInputOperands();
  if (op.getNumReductionLoops() == 0 ||
      !llvm::all_of(inputs, [&](OpOperand *input) {
        return op.getMatchingIndexingMap(input).isPermutation();
      }))
    return false;
  return llvm::all_of(inputs, [&](OpOperand *input) {
    Line line{pattern, *getIndexedDim(op, *input, loop)};
    return !CompactionContext::isExpand(input->get(), line) &&
           llvm::any_of(input->get().getUsers(), [&](Operation *user) {
             return isa<LinalgOp>(user) && user->getBlock() == op->getBlock() &&
                    op->isBeforeInBlock(user);
           });
  });
}

/// Says of the products that an elementwise op reads, itself or behind others,
/// why they stay whole.
static void noteProducts(CompactionContext &context, LinalgOp op) {
  llvm::SetVector<Operation *> work;
  work.insert(op);
  for (size_t i = 0; i < work.size(); ++i) {
    auto reader = cast<LinalgOp>(work[i]);
    if (reader.getNumReductionLoops() != 0) {
      context.noteReason(reader, "not all users of the product agree on the "
                                 "units they keep");
      continue;
    }
    for (Value input : reader.getDpsInputs())
      if (auto producer = input.getDefiningOp<LinalgOp>())
        work.insert(producer);
  }
}

static bool pullLine(CompactionContext &context, LinalgOp op, OpResult result,
                     Line line) {
  OpOperand *init = op.getDpsInitOperand(result.getResultNumber());
  std::optional<unsigned> loop =
      getLoop(op.getMatchingIndexingMap(init), line.dim);
  if (!loop || !isPlainLoop(op, *loop) ||
      op.getIteratorTypesArray()[*loop] != utils::IteratorType::parallel) {
    context.noteReason(op, "the compacted dimension is not a plain loop");
    return false;
  }
  std::optional<SmallVector<int64_t>> dims = getResultDims(op, *loop);
  if (!dims || !context.dominates(line.pattern, op))
    return false;
  bool agree = llvm::all_of(op->getResults(), [&](OpResult other) {
    return CompactionContext::allUsesCompact(
        other, {line.pattern, (*dims)[other.getResultNumber()]});
  });
  if (!agree && CompactionContext::isUpdated(result, line)) {
    context.noteReason(op, "its kept slice is updated where it lies");
    return false;
  }
  if (!agree) {
    // What is there is cheaper to copy than to compute again.
    if (op.getNumReductionLoops() == 0)
      context.noteReason(op, "not all of its users agree on the units they "
                             "keep");
    noteProducts(context, op);
    return false;
  }
  if (readsWhole(op, *loop, line.pattern)) {
    context.noteReason(op, "what it reads is read whole by others, too");
    return false;
  }
  LinalgOp smaller = compactAlongLoop(context, op, *loop, line.pattern);
  context.reportCompacted(smaller, "C2", line);
  for (OpResult other : op->getResults())
    context.replaceCompacts(other,
                            {line.pattern, (*dims)[other.getResultNumber()]},
                            smaller->getResult(other.getResultNumber()));
  return true;
}

bool mlir::sparsedrop::pullCompactsThroughLinalg(CompactionContext &context,
                                                 LinalgOp op) {
  if (!op.hasPureTensorSemantics())
    return false;
  bool changed = false;
  for (OpResult result : op->getResults())
    for (Line line : CompactionContext::getCompactLines(result))
      changed |= pullLine(context, op, result, line);
  return changed;
}
