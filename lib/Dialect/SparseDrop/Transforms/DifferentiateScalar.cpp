//===- DifferentiateScalar.cpp - Derivatives of scalar operations ---------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReverseSweep.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace mlir::sparsedrop;

namespace {
/// Builds what flows to one operand of one op.
class ScalarGradient {
public:
  ScalarGradient(OpBuilder &builder, Operation *op, unsigned index,
                 Value adjoint, ForwardValue forward,
                 function_ref<bool(Value)> isActive)
      : b(builder), loc(op->getLoc()), op(op), index(index), g(adjoint),
        forward(forward), isActive(isActive) {}

  FailureOr<Value> emit() {
    if (isa<arith::ArithDialect>(op->getDialect()))
      return emitArith();
    if (isa<math::MathDialect>(op->getDialect()))
      return emitMath();
    return failure();
  }

private:
  FailureOr<Value> emitArith();
  FailureOr<Value> emitMath();
  /// Functions of one argument: the derivative, from x and y = f(x).
  FailureOr<Value> emitUnary(Value x);

  Value in(unsigned i) { return forward(op->getOperand(i)); }
  Value out() { return forward(op->getResult(0)); }
  Value c(double value) {
    return arith::ConstantOp::create(b, loc,
                                     b.getFloatAttr(g.getType(), value));
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value neg(Value x) { return arith::NegFOp::create(b, loc, x); }
  Value select(Value condition, Value x, Value y) {
    return arith::SelectOp::create(b, loc, condition, x, y);
  }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) {
    return arith::CmpFOp::create(b, loc, predicate, x, y);
  }
  template <typename OpTy> Value call(Value x) {
    return OpTy::create(b, loc, x);
  }

  /// The larger of two takes the gradient, the first where they are equal; but
  /// an operand that does not matter takes none from one that does. Written on
  /// the result where that will do: it is saved anyhow.
  Value emitExtremum(arith::CmpFPredicate strict, arith::CmpFPredicate weak) {
    Value other = op->getOperand(1 - index);
    if (!isActive(other))
      return select(compare(strict, out(), forward(other)), g, c(0));
    return select(compare(index == 0 ? weak : strict, in(index), in(1 - index)),
                  g, c(0));
  }

  OpBuilder &b;
  Location loc;
  Operation *op;
  unsigned index;
  Value g;
  ForwardValue forward;
  function_ref<bool(Value)> isActive;
};
} // namespace

FailureOr<Value> ScalarGradient::emitArith() {
  using Predicate = arith::CmpFPredicate;
  return llvm::TypeSwitch<Operation *, FailureOr<Value>>(op)
      .Case<arith::AddFOp>([&](auto) { return g; })
      .Case<arith::SubFOp>([&](auto) { return index == 0 ? g : neg(g); })
      .Case<arith::MulFOp>([&](auto) { return mul(g, in(1 - index)); })
      .Case<arith::DivFOp>([&](auto) {
        Value quotient = div(g, in(1));
        return index == 0 ? quotient : neg(mul(quotient, out()));
      })
      .Case<arith::NegFOp>([&](auto) { return neg(g); })
      .Case<arith::ExtFOp>([&](auto) -> Value {
        return arith::TruncFOp::create(b, loc, op->getOperand(0).getType(), g);
      })
      .Case<arith::TruncFOp>([&](auto) -> Value {
        return arith::ExtFOp::create(b, loc, op->getOperand(0).getType(), g);
      })
      .Case<arith::MaximumFOp, arith::MaxNumFOp>(
          [&](auto) { return emitExtremum(Predicate::OGT, Predicate::OGE); })
      .Case<arith::MinimumFOp, arith::MinNumFOp>(
          [&](auto) { return emitExtremum(Predicate::OLT, Predicate::OLE); })
      .Case<arith::RemFOp>([&](auto) {
        // a - b * trunc(a / b), the quotient held fast.
        return index == 0 ? g
                          : neg(mul(g, call<math::TruncOp>(div(in(0), in(1)))));
      })
      .Case<arith::SelectOp>([&](auto) {
        return index == 1 ? select(in(0), g, c(0)) : select(in(0), c(0), g);
      })
      .Default([](Operation *) { return failure(); });
}

FailureOr<Value> ScalarGradient::emitUnary(Value x) {
  return llvm::TypeSwitch<Operation *, FailureOr<Value>>(op)
      .Case<math::ExpOp>([&](auto) { return out(); })
      .Case<math::Exp2Op>([&](auto) { return mul(out(), c(M_LN2)); })
      .Case<math::ExpM1Op>([&](auto) { return add(out(), c(1)); })
      .Case<math::LogOp>([&](auto) { return div(c(1), x); })
      .Case<math::Log2Op>([&](auto) { return div(c(1 / M_LN2), x); })
      .Case<math::Log10Op>([&](auto) { return div(c(1 / M_LN10), x); })
      .Case<math::Log1pOp>([&](auto) { return div(c(1), add(c(1), x)); })
      .Case<math::SqrtOp>([&](auto) { return div(c(0.5), out()); })
      .Case<math::RsqrtOp>([&](auto) { return div(mul(c(-0.5), out()), x); })
      .Case<math::CbrtOp>([&](auto) { return div(out(), mul(c(3), x)); })
      .Case<math::TanhOp>([&](auto) { return sub(c(1), mul(out(), out())); })
      .Case<math::TanOp>([&](auto) { return add(c(1), mul(out(), out())); })
      .Case<math::SinOp>([&](auto) { return call<math::CosOp>(x); })
      .Case<math::CosOp>([&](auto) { return neg(call<math::SinOp>(x)); })
      .Case<math::SinhOp>([&](auto) { return call<math::CoshOp>(x); })
      .Case<math::CoshOp>([&](auto) { return call<math::SinhOp>(x); })
      .Case<math::AsinOp>(
          [&](auto) { return call<math::RsqrtOp>(sub(c(1), mul(x, x))); })
      .Case<math::AcosOp>(
          [&](auto) { return neg(call<math::RsqrtOp>(sub(c(1), mul(x, x)))); })
      .Case<math::AtanOp>([&](auto) { return div(c(1), add(c(1), mul(x, x))); })
      .Case<math::AsinhOp>(
          [&](auto) { return call<math::RsqrtOp>(add(mul(x, x), c(1))); })
      .Case<math::AcoshOp>(
          [&](auto) { return call<math::RsqrtOp>(sub(mul(x, x), c(1))); })
      .Case<math::AtanhOp>(
          [&](auto) { return div(c(1), sub(c(1), mul(x, x))); })
      .Case<math::ErfOp>([&](auto) {
        return mul(c(M_2_SQRTPI), call<math::ExpOp>(neg(mul(x, x))));
      })
      .Case<math::ErfcOp>([&](auto) {
        return mul(c(-M_2_SQRTPI), call<math::ExpOp>(neg(mul(x, x))));
      })
      .Case<math::AbsFOp>([&](auto) {
        Value negative = compare(arith::CmpFPredicate::OLT, x, c(0));
        Value positive = compare(arith::CmpFPredicate::OGT, x, c(0));
        return select(positive, c(1), select(negative, c(-1), c(0)));
      })
      .Default([](Operation *) { return failure(); });
}

FailureOr<Value> ScalarGradient::emitMath() {
  // Steps are flat.
  if (isa<math::FloorOp, math::CeilOp, math::RoundOp, math::RoundEvenOp,
          math::TruncOp>(op))
    return Value();
  if (isa<math::FmaOp>(op))
    return index == 2 ? g : mul(g, in(1 - index));
  if (isa<math::PowFOp>(op)) {
    if (index == 1)
      return mul(g, mul(out(), call<math::LogOp>(in(0))));
    Value lower =
        math::PowFOp::create(b, loc, in(0), sub(in(1), c(1))).getResult();
    return mul(g, mul(in(1), lower));
  }
  if (isa<math::Atan2Op>(op)) {
    Value square = add(mul(in(0), in(0)), mul(in(1), in(1)));
    Value slope = div(in(1 - index), square);
    return mul(g, index == 0 ? slope : neg(slope));
  }
  if (op->getNumOperands() != 1)
    return failure();
  FailureOr<Value> slope = emitUnary(in(0));
  if (failed(slope))
    return failure();
  return mul(g, *slope);
}

FailureOr<Value> mlir::sparsedrop::emitScalarGradient(
    OpBuilder &builder, Operation *op, unsigned index, Value adjoint,
    ForwardValue forward, function_ref<bool(Value)> isActive) {
  if (!isa<FloatType>(op->getOperand(index).getType()))
    return Value();
  return ScalarGradient(builder, op, index, adjoint, forward, isActive).emit();
}
