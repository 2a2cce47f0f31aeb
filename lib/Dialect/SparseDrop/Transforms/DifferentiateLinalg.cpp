//===- DifferentiateLinalg.cpp - Gradients of structured ops --------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One rule on indexing maps. With y[g(i)] = sum over i of body(x[f(i)], ...),
// the gradient of x is the sum over the same loops
//
//   dx[f(i)] += dy[g(i)] * d body / d x,
//
// where the loops that f names have become parallel and the others reductions:
// of a product, a permuted product; of a broadcast bias, a sum; of an
// activation, an activation. A maximum gives dy to the first iteration that
// attains it.
//
//===----------------------------------------------------------------------===//

#include "AdjointLoops.h"
#include "LinalgUtils.h"
#include "ReverseSweep.h"
#include "StridePhases.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

namespace {
/// How a result depends on its terms.
enum class Kind { None, Elementwise, Sum, Extremum };

/// One result and what flows back to it.
struct ResultInfo {
  Kind kind = Kind::None;
  Value adjoint;
  Operation *extremum = nullptr; ///< in the body: max(init, term)
  Value term;
  Value first; ///< i64 per element: iteration that attains it, -1 for the init
};

/// The blocks' arguments of one result in a body being built.
enum Slot { kInit, kResult, kAdjoint, kFirst, kSlots };
} // namespace

//===----------------------------------------------------------------------===//
// Kinds of results
//===----------------------------------------------------------------------===//

static BlockArgument getInitArgument(LinalgOp op, unsigned result) {
  return op.getBlock()->getArgument(op.getNumDpsInputs() + result);
}

static Value getYielded(LinalgOp op, unsigned result) {
  return op.getBlock()->getTerminator()->getOperand(result);
}

static bool isExtremum(Operation *op) {
  return isa<arith::MaximumFOp, arith::MaxNumFOp, arith::MinimumFOp,
             arith::MinNumFOp>(op);
}

/// Whether `yielded` is `accumulator` plus and minus other values.
static bool isSum(Value accumulator, Value yielded) {
  while (accumulator != yielded) {
    if (!accumulator.hasOneUse())
      return false;
    OpOperand &use = *accumulator.use_begin();
    Operation *user = use.getOwner();
    bool keeps = isa<arith::AddFOp>(user) ||
                 (isa<arith::SubFOp>(user) && use.getOperandNumber() == 0);
    if (!keeps)
      return false;
    accumulator = user->getResult(0);
  }
  return true;
}

/// What result `index` is; None if there is no rule for it.
static ResultInfo classify(LinalgOp op, unsigned index) {
  ResultInfo info;
  AffineMap map = op.getMatchingIndexingMap(op.getDpsInitOperand(index));
  Value accumulator = getInitArgument(op, index);
  Value yielded = getYielded(op, index);
  if (op.getNumReductionLoops() == 0) {
    if (map.isPermutation())
      info.kind = Kind::Elementwise;
    return info;
  }
  if (!map.isProjectedPermutation())
    return info;
  if (isSum(accumulator, yielded)) {
    info.kind = Kind::Sum;
    return info;
  }
  Operation *last = yielded.getDefiningOp();
  if (!last || last->getBlock() != op.getBlock() || !isExtremum(last) ||
      !accumulator.hasOneUse() ||
      !llvm::is_contained(last->getOperands(), accumulator))
    return info;
  info.kind = Kind::Extremum;
  info.extremum = last;
  info.term = last->getOperand(last->getOperand(0) == accumulator ? 1 : 0);
  return info;
}

//===----------------------------------------------------------------------===//
// Ops of what a body reads
//===----------------------------------------------------------------------===//

/// Prepares an operand for an op whose body reads it, or not; nothing if it
/// cannot be one.
using Prepare =
    function_ref<std::optional<MappedValue>(MappedValue, bool isRead)>;

/// Adds the loops that `map` names by themselves; false if there are none that
/// are new.
static bool addNamedLoops(AffineMap map, llvm::SmallBitVector &named) {
  unsigned before = named.count();
  for (AffineExpr expr : map.getResults())
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      named.set(dim.getPosition());
  return named.count() > before;
}

/// A generic op with the arguments of `body` for `inputs` and then `outputs`.
/// Inputs that the body does not read go, but for those that give a loop its
/// extent.
static linalg::GenericOp
createGeneric(RewriterBase &rewriter, Location loc, std::unique_ptr<Block> body,
              ArrayRef<MappedValue> inputs, ArrayRef<MappedValue> outputs,
              ArrayRef<utils::IteratorType> iterators, Prepare prepare) {
  SmallVector<std::optional<MappedValue>> kept(inputs.size());
  llvm::SmallBitVector named(iterators.size());
  for (const MappedValue &output : outputs)
    addNamedLoops(output.map, named);
  for (auto [i, input] : llvm::enumerate(inputs)) {
    if (body->getArgument(i).use_empty())
      continue;
    kept[i] = prepare(input, /*isRead=*/true);
    if (!kept[i])
      return {};
    addNamedLoops(kept[i]->map, named);
  }
  for (auto [i, input] : llvm::enumerate(inputs)) {
    if (kept[i] || !input.value || named.all())
      continue;
    kept[i] = prepare(input, /*isRead=*/false);
    if (!kept[i])
      return {};
    if (!addNamedLoops(kept[i]->map, named))
      kept[i].reset();
  }
  SmallVector<AffineMap> maps;
  SmallVector<Value> values, inits;
  llvm::BitVector unused(body->getNumArguments());
  for (auto [i, input] : llvm::enumerate(kept)) {
    if (!input) {
      unused.set(i);
      continue;
    }
    values.push_back(input->value);
    maps.push_back(input->map);
  }
  for (const MappedValue &output : outputs) {
    inits.push_back(output.value);
    maps.push_back(output.map);
  }
  body->eraseArguments(unused);
  auto generic =
      linalg::GenericOp::create(rewriter, loc, TypeRange(ValueRange(inits)),
                                values, inits, maps, iterators);
  generic.getRegion().push_back(body.release());
  return generic;
}

/// The number of an iteration among those of the reduction loops, as i64.
static Value createIteration(OpBuilder &builder, Location loc, LinalgOp op,
                             ArrayRef<OpFoldResult> extents,
                             function_ref<Value(unsigned)> getIndex) {
  Value number;
  for (auto [loop, type] : llvm::enumerate(op.getIteratorTypesArray())) {
    if (type != utils::IteratorType::reduction)
      continue;
    Value index = getIndex(loop);
    if (!index)
      return {};
    if (number) {
      Value extent =
          getValueOrCreateConstantIndexOp(builder, loc, extents[loop]);
      number = arith::MulIOp::create(builder, loc, number, extent);
      index = arith::AddIOp::create(builder, loc, number, index);
    }
    number = index;
  }
  return arith::IndexCastOp::create(builder, loc, builder.getI64Type(), number);
}

//===----------------------------------------------------------------------===//
// Bodies
//===----------------------------------------------------------------------===//

namespace {
/// Emits the gradient of one argument of a body, in a body on other loops.
class BodyGradient {
public:
  BodyGradient(OpBuilder &builder, LinalgOp op, ArrayRef<ResultInfo> results,
               ArrayRef<OpFoldResult> extents, const AdjointLoops &loops,
               const llvm::BitVector &activeArguments, ValueRange inputs,
               ValueRange slots)
      : builder(builder), op(op), results(results), extents(extents),
        loops(loops), active(activeArguments), inputs(inputs), slots(slots) {}

  /// The gradient; null if nothing flows to the argument. An error otherwise.
  FailureOr<Value> emit(BlockArgument target);

private:
  bool depends(Value value, const llvm::BitVector &arguments);
  Value forward(Value value);
  Value emitForward(Value value);
  Value seed(unsigned index);
  LogicalResult reverse(Operation &inner);
  void add(Value value, Value contribution);

  OpBuilder &builder;
  LinalgOp op;
  ArrayRef<ResultInfo> results;
  ArrayRef<OpFoldResult> extents;
  const AdjointLoops &loops;
  const llvm::BitVector &active;
  ValueRange inputs, slots;
  llvm::BitVector target;
  bool failed = false;
  IRMapping mapping;
  DenseMap<Value, Value> adjoints;
  DenseMap<Value, llvm::BitVector> origins;
};
} // namespace

/// Whether `value` of the body is computed from one of `arguments`.
bool BodyGradient::depends(Value value, const llvm::BitVector &arguments) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return argument.getOwner() == op.getBlock() &&
           arguments[argument.getArgNumber()];
  auto it = origins.find(value);
  return it != origins.end() && it->second.anyCommon(arguments);
}

Value BodyGradient::forward(Value value) {
  if (Value known = mapping.lookupOrNull(value))
    return known;
  Value result = emitForward(value);
  if (!result) {
    failed = true;
    return value;
  }
  mapping.map(value, result);
  return result;
}

Value BodyGradient::emitForward(Value value) {
  for (auto [i, info] : llvm::enumerate(results))
    if (info.kind == Kind::Elementwise && getYielded(op, i) == value &&
        !isa<BlockArgument>(value))
      return slots[i * kSlots + kResult];
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (argument.getOwner() != op.getBlock())
      return value;
    unsigned number = argument.getArgNumber();
    if (number < inputs.size())
      return inputs[number];
    unsigned result = number - inputs.size();
    return results[result].kind == Kind::Elementwise
               ? slots[result * kSlots + kInit]
               : Value();
  }
  Operation *inner = value.getDefiningOp();
  if (inner->getBlock() != op.getBlock())
    return value;
  if (auto index = dyn_cast<linalg::IndexOp>(inner))
    return loops.getIndex(builder, index.getLoc(), index.getDim());
  if (inner->getNumRegions() != 0)
    return {};
  for (Value operand : inner->getOperands())
    forward(operand);
  if (failed)
    return {};
  return builder.clone(*inner, mapping)
      ->getResult(cast<OpResult>(value).getResultNumber());
}

/// What flows to result `index` in one iteration.
Value BodyGradient::seed(unsigned index) {
  const ResultInfo &info = results[index];
  Value adjoint = slots[index * kSlots + kAdjoint];
  if (info.kind != Kind::Extremum)
    return adjoint;
  Location loc = op.getLoc();
  Value iteration =
      createIteration(builder, loc, op, extents, [&](unsigned loop) {
        return loops.getIndex(builder, loc, loop);
      });
  if (!iteration)
    return {};
  Value isFirst =
      arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                            slots[index * kSlots + kFirst], iteration);
  Value zero = arith::ConstantOp::create(
      builder, loc, builder.getZeroAttr(adjoint.getType()));
  return arith::SelectOp::create(builder, loc, isFirst, adjoint, zero);
}

void BodyGradient::add(Value value, Value contribution) {
  if (!depends(value, target) || !contribution)
    return;
  Value &adjoint = adjoints[value];
  adjoint = adjoint ? arith::AddFOp::create(builder, op.getLoc(), adjoint,
                                            contribution)
                          .getResult()
                    : contribution;
}

LogicalResult BodyGradient::reverse(Operation &inner) {
  if (inner.getNumResults() == 0)
    return success();
  Value adjoint;
  for (Value result : inner.getResults())
    if (Value found = adjoints.lookup(result))
      adjoint = found;
  if (!adjoint)
    return success();
  for (OpOperand &operand : inner.getOpOperands()) {
    if (!depends(operand.get(), target))
      continue;
    FailureOr<Value> gradient = failure();
    if (inner.getNumResults() == 1 && inner.getNumRegions() == 0)
      gradient = emitScalarGradient(
          builder, &inner, operand.getOperandNumber(), adjoint,
          [&](Value value) { return forward(value); },
          [&](Value value) { return depends(value, active); });
    if (mlir::failed(gradient) || failed)
      return inner.emitOpError() << "cannot be differentiated";
    add(operand.get(), *gradient);
  }
  return success();
}

FailureOr<Value> BodyGradient::emit(BlockArgument argument) {
  Block *body = op.getBlock();
  target.resize(body->getNumArguments());
  target.set(argument.getArgNumber());
  for (Operation &inner : *body) {
    llvm::BitVector origin(body->getNumArguments());
    inner.walk([&](Operation *nested) {
      for (Value operand : nested->getOperands()) {
        if (auto from = dyn_cast<BlockArgument>(operand);
            from && from.getOwner() == body)
          origin.set(from.getArgNumber());
        else if (auto it = origins.find(operand); it != origins.end())
          origin |= it->second;
      }
    });
    for (Value result : inner.getResults())
      origins[result] = origin;
  }
  for (auto [i, info] : llvm::enumerate(results)) {
    Value end = info.kind == Kind::Extremum ? info.term : getYielded(op, i);
    if (info.kind == Kind::None || !depends(end, target))
      continue;
    Value value = seed(i);
    if (!value)
      return op.emitOpError() << "cannot be differentiated: the window of a "
                                 "maximum moves with a loop that it gives way";
    add(end, value);
  }
  for (Operation &inner : llvm::reverse(body->without_terminator()))
    if (mlir::failed(reverse(inner)))
      return failure();
  return adjoints.lookup(argument);
}

//===----------------------------------------------------------------------===//
// Whole ops
//===----------------------------------------------------------------------===//

namespace {
class LinalgReverse {
public:
  LinalgReverse(ReverseSweep &sweep, LinalgOp op)
      : sweep(sweep), rewriter(sweep.rewriter), op(op), loc(op.getLoc()) {}

  LogicalResult run();

private:
  LogicalResult classifyResults();
  void findFirst(unsigned index);
  void addToInit(unsigned index);
  LogicalResult addGradient(OpOperand &target);
  FailureOr<Value> createGradient(OpOperand &target, Value &existing);
  FailureOr<Value> createStridedGradient(OpOperand &target);
  Value narrow(Value sums, Type element);
  SmallVector<MappedValue> getInputs();
  SmallVector<MappedValue> getSlots();
  linalg::GenericOp build(OpOperand &target, const AdjointLoops &loops,
                          Type element, Value existing);
  void markProduct(LinalgOp gradient, OpOperand &target);

  ReverseSweep &sweep;
  RewriterBase &rewriter;
  LinalgOp op;
  Location loc;
  SmallVector<ResultInfo> results;
  SmallVector<OpFoldResult> extents;
};
} // namespace

LogicalResult LinalgReverse::classifyResults() {
  for (OpResult result : op->getResults()) {
    ResultInfo info;
    if (Value adjoint = sweep.lookup(result)) {
      info = classify(op, result.getResultNumber());
      info.adjoint = adjoint;
      if (info.kind == Kind::None)
        return op.emitOpError()
               << "cannot be differentiated: its reduction is neither a sum "
                  "nor a maximum or minimum";
    }
    results.push_back(info);
  }
  return success();
}

/// The op again, for the iteration that first attains an extremum.
void LinalgReverse::findFirst(unsigned index) {
  ResultInfo &info = results[index];
  Value init = op.getDpsInits()[index];
  Type element = getElementTypeOrSelf(init.getType());
  AffineMap map = op.getMatchingIndexingMap(op.getDpsInitOperand(index));
  auto body = std::make_unique<Block>();
  for (Value input : op.getDpsInputs())
    body->addArgument(getElementTypeOrSelf(input.getType()), loc);
  Value best = body->addArgument(element, loc);
  Value first = body->addArgument(rewriter.getI64Type(), loc);
  {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(body.get());
    IRMapping mapping;
    for (unsigned i = 0, e = op.getNumDpsInputs(); i < e; ++i)
      mapping.map(op.getBlock()->getArgument(i), body->getArgument(i));
    mapping.map(getInitArgument(op, index), best);
    for (Operation &inner : op.getBlock()->without_terminator())
      if (&inner != info.extremum &&
          llvm::none_of(inner.getOperands(), [&](Value operand) {
            return operand == info.extremum->getResult(0);
          }))
        rewriter.clone(inner, mapping);
    Value term = mapping.lookupOrDefault(info.term);
    bool isMax = isa<arith::MaximumFOp, arith::MaxNumFOp>(info.extremum);
    Value better = arith::CmpFOp::create(rewriter, loc,
                                         isMax ? arith::CmpFPredicate::OGT
                                               : arith::CmpFPredicate::OLT,
                                         term, best);
    if (isa<arith::MaximumFOp, arith::MinimumFOp>(info.extremum)) {
      // NaN wins, the first one.
      Value isNaN = arith::CmpFOp::create(
          rewriter, loc, arith::CmpFPredicate::UNO, term, term);
      Value isNew = arith::CmpFOp::create(
          rewriter, loc, arith::CmpFPredicate::ORD, best, best);
      better = arith::OrIOp::create(
          rewriter, loc, better,
          arith::AndIOp::create(rewriter, loc, isNaN, isNew));
    }
    Value iteration =
        createIteration(rewriter, loc, op, extents, [&](unsigned loop) {
          return linalg::IndexOp::create(rewriter, loc, loop).getResult();
        });
    Value newBest = arith::SelectOp::create(rewriter, loc, better, term, best);
    Value newFirst =
        arith::SelectOp::create(rewriter, loc, better, iteration, first);
    linalg::YieldOp::create(rewriter, loc, ValueRange{newBest, newFirst});
  }
  Value none = arith::ConstantIntOp::create(rewriter, loc, -1, 64);
  Value empty = tensor::EmptyOp::create(
      rewriter, loc, tensor::getMixedSizes(rewriter, loc, init),
      rewriter.getI64Type());
  Value start = linalg::FillOp::create(rewriter, loc, none, empty).getResult(0);
  auto generic = createGeneric(
      rewriter, loc, std::move(body), getInputs(), {{init, map}, {start, map}},
      op.getIteratorTypesArray(), [](MappedValue value, bool) {
        return std::optional<MappedValue>(value);
      });
  info.first = generic.getResult(1);
}

/// What flows through a reduction to what it starts from.
void LinalgReverse::addToInit(unsigned index) {
  const ResultInfo &info = results[index];
  Value init = op.getDpsInits()[index];
  if (info.kind == Kind::Sum) {
    sweep.add(init, info.adjoint);
    return;
  }
  auto type = cast<RankedTensorType>(init.getType());
  AffineMap identity = rewriter.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> iterators(type.getRank(),
                                             utils::IteratorType::parallel);
  Value empty = tensor::EmptyOp::create(
      rewriter, loc, tensor::getMixedSizes(rewriter, loc, init),
      type.getElementType());
  auto generic = linalg::GenericOp::create(
      rewriter, loc, type, ValueRange{info.adjoint, info.first}, empty,
      ArrayRef{identity, identity, identity}, iterators,
      [](OpBuilder &b, Location l, ValueRange arguments) {
        Value none = arith::ConstantIntOp::create(b, l, -1, 64);
        Value isInit = arith::CmpIOp::create(b, l, arith::CmpIPredicate::eq,
                                             arguments[1], none);
        Value zero = arith::ConstantOp::create(
            b, l, b.getZeroAttr(arguments[0].getType()));
        Value selected =
            arith::SelectOp::create(b, l, isInit, arguments[0], zero);
        linalg::YieldOp::create(b, l, selected);
      });
  sweep.add(init, generic.getResult(0));
}

SmallVector<MappedValue> LinalgReverse::getInputs() {
  SmallVector<MappedValue> values;
  for (OpOperand *input : op.getDpsInputOperands())
    values.push_back({input->get(), op.getMatchingIndexingMap(input)});
  return values;
}

/// kSlots values for each result, null where there is none.
SmallVector<MappedValue> LinalgReverse::getSlots() {
  SmallVector<MappedValue> values;
  for (auto [i, info] : llvm::enumerate(results)) {
    OpOperand *init = op.getDpsInitOperand(i);
    AffineMap map = op.getMatchingIndexingMap(init);
    values.resize(values.size() + kSlots);
    MappedValue *slots = values.end() - kSlots;
    if (info.kind == Kind::Elementwise) {
      slots[kInit] = {init->get(), map};
      slots[kResult] = {op->getResult(i), map};
    }
    if (info.adjoint)
      slots[kAdjoint] = {info.adjoint, map};
    if (info.first)
      slots[kFirst] = {info.first, map};
  }
  return values;
}

/// `value`, which a body has just computed, in the type `wide`: as it was
/// before it was rounded. A product of narrow factors is exact in it, and a sum
/// of such terms is the product that kernels know.
static Value widen(RewriterBase &rewriter, Value value, Type wide) {
  Location loc = value.getLoc();
  if (auto rounded = value.getDefiningOp<arith::TruncFOp>();
      rounded && rounded.getIn().getType() == wide)
    return rounded.getIn();
  auto product = value.getDefiningOp<arith::MulFOp>();
  if (!product)
    return arith::ExtFOp::create(rewriter, loc, wide, value);
  Value lhs = widen(rewriter, product.getLhs(), wide);
  Value rhs = widen(rewriter, product.getRhs(), wide);
  if (product->use_empty())
    rewriter.eraseOp(product);
  return arith::MulFOp::create(rewriter, loc, lhs, rhs);
}

linalg::GenericOp LinalgReverse::build(OpOperand &target,
                                       const AdjointLoops &loops, Type element,
                                       Value existing) {
  // A product of the adjoint with the other factor, in the order of a matmul.
  SmallVector<MappedValue> inputs = getInputs(), slots = getSlots();
  bool slotsFirst = target.getOperandNumber() == 0;
  SmallVector<MappedValue> operands(slotsFirst ? slots : inputs);
  llvm::append_range(operands, slotsFirst ? inputs : slots);
  auto body = std::make_unique<Block>();
  for (const MappedValue &operand : operands)
    body->addArgument(operand.value
                          ? getElementTypeOrSelf(operand.value.getType())
                          : rewriter.getI1Type(),
                      loc);
  BlockArgument sum = body->addArgument(element, loc);
  ValueRange arguments = body->getArguments();
  size_t split = slotsFirst ? slots.size() : inputs.size();
  ValueRange front = arguments.take_front(split);
  ValueRange back = arguments.drop_front(split).drop_back();
  llvm::BitVector active(op.getBlock()->getNumArguments());
  for (OpOperand &operand : op->getOpOperands())
    if (sweep.isActive(operand.get()))
      active.set(operand.getOperandNumber());
  bool accumulates = loops.hasReductions() || existing;
  {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(body.get());
    BodyGradient gradient(rewriter, op, results, extents, loops, active,
                          slotsFirst ? back : front, slotsFirst ? front : back);
    FailureOr<Value> emitted =
        gradient.emit(op.getMatchingBlockArgument(&target));
    if (failed(emitted))
      return {};
    Value value = *emitted;
    if (!value)
      value = arith::ConstantOp::create(
          rewriter, loc,
          rewriter.getZeroAttr(getElementTypeOrSelf(target.get().getType())));
    if (value.getType() != element)
      value = widen(rewriter, value, element);
    if (accumulates)
      value = arith::AddFOp::create(rewriter, loc, sum, value);
    linalg::YieldOp::create(rewriter, loc, value);
  }
  Value init = existing;
  if (!init) {
    SmallVector<OpFoldResult> sizes;
    if (isa<RankedTensorType>(target.get().getType()))
      sizes = tensor::getMixedSizes(rewriter, loc, target.get());
    init = tensor::EmptyOp::create(rewriter, loc, sizes, element);
    if (accumulates) {
      Value zero = arith::ConstantOp::create(rewriter, loc,
                                             rewriter.getZeroAttr(element));
      init = linalg::FillOp::create(rewriter, loc, zero, init).getResult(0);
    }
  }
  std::string reason;
  auto generic = createGeneric(
      rewriter, loc, std::move(body), operands, {{init, loops.getTargetMap()}},
      loops.getIteratorTypes(), [&](MappedValue value, bool isRead) {
        return loops.transform(rewriter, loc, value, isRead, reason);
      });
  if (!generic)
    op.emitOpError() << "cannot be differentiated: " << reason;
  return generic;
}

/// Names the product for reports: by convention the second operand is the
/// weight.
void LinalgReverse::markProduct(LinalgOp gradient, OpOperand &target) {
  if (op.getNumReductionLoops() == 0 || op->getNumOperands() != 3 ||
      gradient.getNumReductionLoops() == 0)
    return;
  gradient->setDiscardableAttr(
      kProductAttrName,
      rewriter.getStringAttr(target.getOperandNumber() == 1 ? "wgrad"
                                                            : "dgrad"));
}

/// `sums` with each element rounded to `element`.
Value LinalgReverse::narrow(Value sums, Type element) {
  auto type = cast<RankedTensorType>(sums.getType()).clone(element);
  AffineMap identity = rewriter.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> iterators(type.getRank(),
                                             utils::IteratorType::parallel);
  Value empty = tensor::EmptyOp::create(
      rewriter, loc, tensor::getMixedSizes(rewriter, loc, sums), element);
  return linalg::GenericOp::create(
             rewriter, loc, type, sums, empty, ArrayRef{identity, identity},
             iterators,
             [&](OpBuilder &b, Location l, ValueRange arguments) {
               Value rounded =
                   arith::TruncFOp::create(b, l, element, arguments[0]);
               linalg::YieldOp::create(b, l, rounded);
             })
      .getResult(0);
}

/// The gradient of `target`, added to `existing` where there is one; it is null
/// afterwards where that could not be.
FailureOr<Value> LinalgReverse::createGradient(OpOperand &target,
                                               Value &existing) {
  std::string reason;
  std::optional<AdjointLoops> loops = AdjointLoops::create(op, target, reason);
  if (!loops)
    return op.emitOpError() << "cannot be differentiated: " << reason;
  Type element = getElementTypeOrSelf(target.get().getType());
  // Sums of 16-bit numbers are rounded once.
  bool isWidened =
      element.getIntOrFloatBitWidth() < 32 && loops->hasReductions();
  Type sumType = isWidened ? Type(rewriter.getF32Type()) : element;
  if (isWidened)
    existing = {};
  linalg::GenericOp generic = build(target, *loops, sumType, existing);
  if (!generic)
    return failure();
  LinalgOp gradient = nameProduct(rewriter, generic);
  rewriter.setInsertionPointAfter(gradient);
  markProduct(gradient, target);
  Value result = gradient->getResult(0);
  return isWidened ? narrow(result, element) : result;
}

/// The gradient of an operand that is read with strides: its residue classes
/// one by one. Null where it is not.
FailureOr<Value> LinalgReverse::createStridedGradient(OpOperand &target) {
  // A maximum knows its first term by the iterations of the whole op.
  if (llvm::any_of(results, [](const ResultInfo &info) {
        return info.kind != Kind::Sum;
      }))
    return Value();
  SmallVector<StridePhase> phases = splitStrides(rewriter, op, target);
  if (phases.empty())
    return Value();
  Value gradient = sweep.createZeros(target.get());
  for (StridePhase &phase : phases) {
    LinalgReverse part(sweep, phase.op);
    part.results.push_back(classify(phase.op, 0));
    part.results.front().adjoint = results.front().adjoint;
    for (auto [whole, slice] :
         llvm::zip_equal(op->getOperands(), phase.op->getOperands()))
      if (sweep.isActive(whole))
        sweep.activity.insert(slice);
    Value none;
    FailureOr<Value> slice =
        part.createGradient(phase.op->getOpOperand(phase.operand), none);
    if (failed(slice))
      return failure();
    gradient = tensor::InsertSliceOp::create(rewriter, loc, *slice, gradient,
                                             phase.offsets, phase.sizes,
                                             phase.strides);
    rewriter.eraseOp(phase.op);
  }
  return gradient;
}

LogicalResult LinalgReverse::addGradient(OpOperand &target) {
  OpBuilder::InsertionGuard guard(rewriter);
  Value value = target.get();
  FailureOr<Value> strided = createStridedGradient(target);
  if (failed(strided))
    return failure();
  if (*strided) {
    sweep.add(value, *strided);
    return success();
  }
  bool isTensor = isa<RankedTensorType>(value.getType());
  Value existing = isTensor ? sweep.lookup(value) : Value();
  FailureOr<Value> result = createGradient(target, existing);
  if (failed(result))
    return failure();
  if (!isTensor)
    *result = tensor::ExtractOp::create(rewriter, loc, *result, ValueRange());
  if (existing)
    sweep.set(value, *result);
  else
    sweep.add(value, *result);
  return success();
}

LogicalResult LinalgReverse::run() {
  if (!op.hasPureTensorSemantics())
    return op.emitOpError() << "cannot be differentiated: it works on buffers";
  if (failed(classifyResults()))
    return failure();
  bool hasExtremum = llvm::any_of(results, [](const ResultInfo &info) {
    return info.kind == Kind::Extremum;
  });
  if (hasExtremum)
    for (Range range : op.createLoopRanges(rewriter, loc))
      extents.push_back(range.size);
  for (auto [i, info] : llvm::enumerate(results)) {
    if (info.kind == Kind::Extremum)
      findFirst(i);
    bool reduces = info.kind == Kind::Sum || info.kind == Kind::Extremum;
    if (reduces && sweep.isActive(op.getDpsInits()[i]))
      addToInit(i);
  }
  for (OpOperand &operand : op->getOpOperands()) {
    bool isInit = op.isDpsInit(&operand);
    if (!sweep.isActive(operand.get()) ||
        op.getMatchingBlockArgument(&operand).use_empty())
      continue;
    if (isInit &&
        results[operand.getOperandNumber() - op.getNumDpsInputs()].kind !=
            Kind::Elementwise)
      continue;
    if (failed(addGradient(operand)))
      return failure();
  }
  return success();
}

LogicalResult mlir::sparsedrop::reverseLinalg(ReverseSweep &sweep,
                                              LinalgOp op) {
  return LinalgReverse(sweep, op).run();
}
