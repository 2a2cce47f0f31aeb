//===- ZeroTest.cpp - What a body yields for zero inputs ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ZeroTest.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
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
  void setZero(Value value) {
    known[value] = Builder(value.getContext()).getZeroAttr(value.getType());
  }

  Known get(Value value) const {
    auto it = known.find(value);
    return it == known.end() ? Known(value) : it->second;
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
    if (isa<arith::SubFOp>(op) && isZero(get(op.getOperand(1))))
      return get(op.getOperand(0));
    if (auto select = dyn_cast<arith::SelectOp>(op))
      return foldSelect(select);
    return std::nullopt;
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

SmallVector<ZeroTestResult>
mlir::sparsedrop::runZeroTest(linalg::LinalgOp op,
                              const llvm::BitVector &zeroArguments) {
  BodyFolder folder;
  Block *body = op.getBlock();
  for (unsigned index : zeroArguments.set_bits())
    folder.setZero(body->getArgument(index));
  for (Operation &inner : body->without_terminator())
    folder.visit(inner);

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
