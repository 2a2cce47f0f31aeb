//===- ZeroTest.cpp - What a body yields for zero inputs ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ZeroTest.h"
#include "LinalgUtils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::sparsedrop;

namespace {
/// What is known of a value: a constant, or that it equals another value (in
/// the end itself).
using Known = OpFoldResult;

/// Folds one body for one choice of zero arguments.
class BodyFolder {
public:
  void set(Value value, Attribute constant) { known[value] = constant; }
  void setZero(Value value) {
    set(value, Builder(value.getContext()).getZeroAttr(value.getType()));
  }

  Known get(Value value) const {
    if (auto it = known.find(value); it != known.end())
      return it->second;
    // Constants may have been hoisted out of the body.
    Attribute constant;
    return matchPattern(value, m_Constant(&constant)) ? Known(constant)
                                                      : Known(value);
  }

  static bool isZero(Known value) {
    auto attribute = dyn_cast<Attribute>(value);
    return attribute && matchPattern(attribute, m_AnyZeroFloat());
  }

  void visit(Operation &op) {
    if (op.getNumResults() != 1 || op.getNumRegions() != 0)
      return;
    if (std::optional<Known> result = foldAlgebraic(op))
      known[op.getResult(0)] = *result;
    else if (Attribute constant = foldConstant(op))
      known[op.getResult(0)] = constant;
  }

private:
  /// Identities that hold for finite operands, which op folders do not use.
  std::optional<Known> foldAlgebraic(Operation &op) const {
    if (isa<arith::MulFOp>(op)) {
      for (Value operand : op.getOperands())
        if (isZero(get(operand)))
          return get(operand);
      return std::nullopt;
    }
    if (isa<arith::AddFOp>(op)) {
      if (isZero(get(op.getOperand(0))))
        return get(op.getOperand(1));
      if (isZero(get(op.getOperand(1))))
        return get(op.getOperand(0));
      return std::nullopt;
    }
    // By a divisor that is not zero: the quotient is finite then.
    if (isa<arith::DivFOp>(op) && isZero(get(op.getOperand(0))) &&
        !isZero(get(op.getOperand(1))))
      return get(op.getOperand(0));
    if (isa<arith::SubFOp>(op) && isZero(get(op.getOperand(1))))
      return get(op.getOperand(0));
    if (auto select = dyn_cast<arith::SelectOp>(op))
      return foldSelect(select);
    if (auto truncation = dyn_cast<arith::TruncFOp>(op))
      return foldTruncation(truncation);
    return std::nullopt;
  }

  /// What was extended is truncated to what it was.
  std::optional<Known> foldTruncation(arith::TruncFOp truncation) const {
    auto value = dyn_cast<Value>(get(truncation.getIn()));
    auto extension =
        value ? value.getDefiningOp<arith::ExtFOp>() : arith::ExtFOp();
    if (!extension || extension.getIn().getType() != truncation.getType())
      return std::nullopt;
    return get(extension.getIn());
  }

  std::optional<Known> foldSelect(arith::SelectOp select) const {
    Known yes = get(select.getTrueValue()), no = get(select.getFalseValue());
    if (yes == no || (isZero(yes) && isZero(no)))
      return yes;
    auto condition = dyn_cast_or_null<IntegerAttr>(
        dyn_cast<Attribute>(get(select.getCondition())));
    if (!condition)
      return std::nullopt;
    return condition.getValue().isZero() ? no : yes;
  }

  /// The op's own folder, when all its operands are constants.
  Attribute foldConstant(Operation &op) const {
    SmallVector<Attribute> operands;
    for (Value operand : op.getOperands()) {
      auto attribute = dyn_cast<Attribute>(get(operand));
      if (!attribute && !matchPattern(operand, m_Constant(&attribute)))
        return {};
      operands.push_back(attribute);
    }
    SmallVector<OpFoldResult> results;
    if (failed(op.fold(operands, results)) || results.size() != 1)
      return {};
    return dyn_cast<Attribute>(results.front());
  }

  DenseMap<Value, Known> known;
};
} // namespace

/// Folds for zero arguments and, if there is a `constant`, that `argument`.
static BodyFolder fold(linalg::LinalgOp op,
                       const llvm::BitVector &zeroArguments,
                       unsigned argument = 0, Attribute constant = {}) {
  BodyFolder folder;
  Block *body = op.getBlock();
  if (constant)
    folder.set(body->getArgument(argument), constant);
  for (unsigned index : zeroArguments.set_bits())
    folder.setZero(body->getArgument(index));
  for (Operation &inner : body->without_terminator())
    folder.visit(inner);
  return folder;
}

SmallVector<ZeroTestResult>
mlir::sparsedrop::runZeroTest(linalg::LinalgOp op,
                              const llvm::BitVector &zeroArguments) {
  BodyFolder folder = fold(op, zeroArguments);
  Block *body = op.getBlock();
  SmallVector<ZeroTestResult> results;
  for (Value yielded : body->getTerminator()->getOperands()) {
    Known value = folder.get(yielded);
    ZeroTestResult &result = results.emplace_back();
    if (BodyFolder::isZero(value)) {
      result.kind = ZeroTestResult::Zero;
      continue;
    }
    auto argument = dyn_cast_or_null<BlockArgument>(dyn_cast<Value>(value));
    if (argument && argument.getOwner() == body) {
      result.kind = ZeroTestResult::Argument;
      result.argument = argument.getArgNumber();
    }
  }
  return results;
}

bool mlir::sparsedrop::reducesToZero(linalg::LinalgOp op, unsigned index,
                                     const llvm::BitVector &zeroArguments) {
  // There is a first step.
  for (auto [extent, type] :
       llvm::zip_equal(op.getStaticLoopRanges(), op.getIteratorTypesArray()))
    if (type == utils::IteratorType::reduction &&
        (ShapedType::isDynamic(extent) || extent == 0))
      return false;
  Attribute start = getFilling(op.getDpsInits()[index]);
  if (!start)
    return false;
  unsigned argument = op.getNumDpsInputs() + index;
  Value yielded = op.getBlock()->getTerminator()->getOperand(index);
  for (int step = 0; step < 2; ++step) {
    BodyFolder folder = fold(op, zeroArguments, argument, start);
    if (!BodyFolder::isZero(folder.get(yielded)))
      return false;
    start = cast<Attribute>(folder.get(yielded));
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Emission
//===----------------------------------------------------------------------===//

namespace {
/// Emits values of a body for other arguments, each once: as they are, or
/// folded for zero arguments.
class BodyEmitter {
public:
  BodyEmitter(OpBuilder &builder, Block *body, ValueRange arguments,
              const BodyFolder *folder)
      : builder(builder), body(body), arguments(arguments), folder(folder) {}

  Value emit(Value value) {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    Value result = emitNew(value);
    mapping.map(value, result);
    return result;
  }

private:
  Value emitNew(Value value) {
    if (value.getParentBlock() != body)
      return value;
    if (folder) {
      Known known = folder->get(value);
      if (auto constant = dyn_cast<Attribute>(known))
        return arith::ConstantOp::create(builder, value.getLoc(),
                                         cast<TypedAttr>(constant));
      if (auto other = cast<Value>(known); other != value)
        return emit(other);
    }
    if (auto argument = dyn_cast<BlockArgument>(value))
      return arguments[argument.getArgNumber()];
    Operation *op = value.getDefiningOp();
    for (Value operand : op->getOperands())
      emit(operand);
    return builder.clone(*op, mapping)
        ->getResult(cast<OpResult>(value).getResultNumber());
  }

  OpBuilder &builder;
  Block *body;
  ValueRange arguments;
  const BodyFolder *folder;
  IRMapping mapping;
};

/// Splits the values of a body into what they are for zero arguments and the
/// terms that the arguments add.
class DifferenceEmitter {
public:
  DifferenceEmitter(OpBuilder &builder, linalg::LinalgOp op,
                    const llvm::BitVector &zeroArguments, ValueRange arguments)
      : builder(builder), body(op.getBlock()), zero(zeroArguments),
        arguments(arguments), folder(fold(op, zeroArguments)),
        emitter(builder, body, arguments, /*folder=*/nullptr) {}

  /// The terms; null if there are none. Clears `isSum` where they are none of
  /// a sum.
  Value emit(Value value, bool &isSum) {
    if (auto argument = dyn_cast<BlockArgument>(value))
      return argument.getOwner() == body && zero[argument.getArgNumber()]
                 ? arguments[argument.getArgNumber()]
                 : Value();
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != body)
      return {};
    if (auto it = emitted.find(value); it != emitted.end())
      return it->second;
    Value result = emitNew(op, isSum);
    emitted[value] = result;
    return result;
  }

private:
  Value emitNew(Operation *op, bool &isSum) {
    SmallVector<Value> terms;
    for (Value operand : op->getOperands())
      terms.push_back(emit(operand, isSum));
    // An operation on regions may see the arguments from inside.
    isSum &= op->getNumRegions() == 0;
    if (!isSum || llvm::none_of(terms, [](Value term) { return term; }))
      return {};
    Value result = combine(op, terms);
    isSum &= static_cast<bool>(result);
    return result;
  }

  Value combine(Operation *op, ArrayRef<Value> terms) {
    Location loc = op->getLoc();
    if (isa<arith::NegFOp, arith::ExtFOp>(op))
      return create(op, terms);
    if (isa<arith::AddFOp, arith::SubFOp>(op)) {
      if (terms[0] && terms[1])
        return create(op, terms);
      if (terms[0])
        return terms[0];
      return isa<arith::AddFOp>(op)
                 ? terms[1]
                 : arith::NegFOp::create(builder, loc, terms[1]).getResult();
    }
    if (isa<arith::DivFOp>(op) && !terms[1])
      return create(op, {terms[0], emitter.emit(op->getOperand(1))});
    if (!isa<arith::MulFOp>(op))
      return {};
    // Products of sums have terms that cancel.
    if (terms[0] && terms[1])
      return isZero(op->getOperand(0)) && isZero(op->getOperand(1))
                 ? create(op, terms)
                 : Value();
    return terms[0] ? create(op, {terms[0], emitter.emit(op->getOperand(1))})
                    : create(op, {emitter.emit(op->getOperand(0)), terms[1]});
  }

  Value create(Operation *op, ArrayRef<Value> operands) {
    Operation *copy = builder.clone(*op);
    copy->setOperands(operands);
    return copy->getResult(0);
  }

  bool isZero(Value value) const {
    return BodyFolder::isZero(folder.get(value));
  }

  OpBuilder &builder;
  Block *body;
  const llvm::BitVector &zero;
  ValueRange arguments;
  BodyFolder folder;
  BodyEmitter emitter;
  DenseMap<Value, Value> emitted;
};
} // namespace

SmallVector<Value> mlir::sparsedrop::emitZeroed(
    OpBuilder &builder, linalg::LinalgOp op, const llvm::BitVector &results,
    const llvm::BitVector &zeroArguments, ValueRange arguments) {
  BodyFolder folder = fold(op, zeroArguments);
  BodyEmitter emitter(builder, op.getBlock(), arguments, &folder);
  SmallVector<Value> values;
  for (unsigned i : results.set_bits())
    values.push_back(
        emitter.emit(op.getBlock()->getTerminator()->getOperand(i)));
  return values;
}

Value mlir::sparsedrop::emitDifference(OpBuilder &builder, linalg::LinalgOp op,
                                       unsigned index,
                                       const llvm::BitVector &zeroArguments,
                                       ValueRange arguments) {
  DifferenceEmitter emitter(builder, op, zeroArguments, arguments);
  bool isSum = true;
  Value result =
      emitter.emit(op.getBlock()->getTerminator()->getOperand(index), isSum);
  return isSum ? result : Value();
}

//===----------------------------------------------------------------------===//
// Linear products
//===----------------------------------------------------------------------===//

/// The block arguments that the product `term` multiplies, in `factors`; false
/// when it is not a product of them.
static bool collectFactors(Value term, Block *body,
                           SmallVectorImpl<unsigned> &factors) {
  if (auto argument = dyn_cast<BlockArgument>(term);
      argument && argument.getOwner() == body) {
    factors.push_back(argument.getArgNumber());
    return true;
  }
  Operation *op = term.getDefiningOp();
  if (!op || op->getBlock() != body || !term.hasOneUse())
    return false;
  if (isa<arith::ExtFOp, arith::TruncFOp, arith::NegFOp>(op))
    return collectFactors(op->getOperand(0), body, factors);
  return isa<arith::MulFOp>(op) &&
         collectFactors(op->getOperand(0), body, factors) &&
         collectFactors(op->getOperand(1), body, factors);
}

bool mlir::sparsedrop::isLinearIn(linalg::LinalgOp op, unsigned index,
                                  unsigned argument) {
  Block *body = op.getBlock();
  Value yielded = body->getTerminator()->getOperand(index);
  auto add = yielded.getDefiningOp<arith::AddFOp>();
  if (!add || add->getBlock() != body)
    return false;
  BlockArgument init = body->getArgument(op.getNumDpsInputs() + index);
  Value term = add.getLhs() == init ? add.getRhs() : add.getLhs();
  if (add.getLhs() != init && add.getRhs() != init)
    return false;
  SmallVector<unsigned> factors;
  return init.hasOneUse() && collectFactors(term, body, factors) &&
         llvm::count(factors, argument) == 1;
}
