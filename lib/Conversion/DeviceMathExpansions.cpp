//===- DeviceMathExpansions.cpp - Functions that libclc lacks -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceMathExpansions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/FloatingPointMode.h"

using namespace mlir;

namespace {
/// Short names for what the expansions below are made of.
struct Maker : public ImplicitLocOpBuilder {
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  template <typename OpTy, typename... Args> Value make(Args &&...args) {
    return OpTy::create(*this, std::forward<Args>(args)...);
  }
  Value integer(Type type, int64_t value) {
    return make<arith::ConstantOp>(getIntegerAttr(type, value));
  }
  Value real(Type type, double value) {
    return make<arith::ConstantOp>(getFloatAttr(type, value));
  }
  Value compare(arith::CmpIPredicate predicate, Value a, Value b) {
    return make<arith::CmpIOp>(predicate, a, b);
  }
  Value compare(arith::CmpFPredicate predicate, Value a, Value b) {
    return make<arith::CmpFOp>(predicate, a, b);
  }
};

/// sinh and cosh of f64 by exponentials: libclc's read behind the end of a
/// table for infinities and NaN. With u = e^|x| - 1, sinh |x| = (u + u / (u +
/// 1)) / 2 and cosh x = (e^|x| + e^-|x|) / 2; where e^|x| would overflow too
/// early, both are e^(|x|/2) / 2 * e^(|x|/2).
template <typename OpTy>
struct ExpandHyperbolic : public OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF64())
      return rewriter.notifyMatchFailure(op, "libclc's is good for f32");
    Maker b(op.getLoc(), rewriter);
    auto constant = [&](double value) { return b.real(op.getType(), value); };
    Value x = op.getOperand(), size = b.make<math::AbsFOp>(x), result;
    Value half = constant(0.5);
    if constexpr (std::is_same_v<OpTy, math::SinhOp>) {
      Value u = b.make<math::ExpM1Op>(size);
      Value next = b.make<arith::AddFOp>(u, constant(1));
      result = b.make<arith::AddFOp>(u, b.make<arith::DivFOp>(u, next));
    } else {
      Value up = b.make<math::ExpOp>(size);
      result =
          b.make<arith::AddFOp>(up, b.make<arith::DivFOp>(constant(1), up));
    }
    result = b.make<arith::MulFOp>(half, result);
    Value root = b.make<math::ExpOp>(b.make<arith::MulFOp>(half, size));
    Value large =
        b.make<arith::MulFOp>(b.make<arith::MulFOp>(half, root), root);
    Value isLarge = b.compare(arith::CmpFPredicate::OGT, size, constant(709));
    result = b.make<arith::SelectOp>(isLarge, large, result);
    if constexpr (std::is_same_v<OpTy, math::SinhOp>)
      result = b.make<math::CopySignOp>(result, x);
    rewriter.replaceOp(op, result);
    return success();
  }
};

template <typename OpTy, unsigned Classes>
struct ExpandClassification : public OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<LLVM::IsFPClass>(op, op.getType(),
                                                 op.getOperand(), Classes);
    return success();
  }
};

struct ExpandSincos : public OpRewritePattern<math::SincosOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::SincosOp op,
                                PatternRewriter &rewriter) const override {
    Maker b(op.getLoc(), rewriter);
    Value x = op.getOperand();
    rewriter.replaceOp(op, {b.make<math::SinOp>(x), b.make<math::CosOp>(x)});
    return success();
  }
};

/// x^n as pow(x, n), in f64 where the type of x has no exact n: an odd n that
/// becomes even would change the sign.
struct ExpandFPowI : public OpRewritePattern<math::FPowIOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::FPowIOp op,
                                PatternRewriter &rewriter) const override {
    auto type = dyn_cast<FloatType>(op.getType());
    if (!type || type.getWidth() > 64)
      return rewriter.notifyMatchFailure(op, "expected a float of C");
    Maker b(op.getLoc(), rewriter);
    Value n = op.getRhs();
    APInt value;
    bool isSmall = n.getType().getIntOrFloatBitWidth() <= 24 ||
                   (matchPattern(n, m_ConstantInt(&value)) &&
                    value.getSignificantBits() <= 24);
    Type wide = type.isF64() || !isSmall ? b.getF64Type() : b.getF32Type();
    Value x = op.getLhs();
    if (wide != type)
      x = b.make<arith::ExtFOp>(wide, x);
    Value result = b.make<math::PowFOp>(x, b.make<arith::SIToFPOp>(wide, n));
    if (wide != type)
      result = b.make<arith::TruncFOp>(type, result);
    rewriter.replaceOp(op, result);
    return success();
  }
};

/// Integer powers, modulo 2^w, by squares. Negative powers are those of the
/// inverse: of 1 and -1 it is the number itself, of others it truncates to 0,
/// and so does that of 0, where C's division would have no result.
struct ExpandIPowI : public OpRewritePattern<math::IPowIOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::IPowIOp op,
                                PatternRewriter &rewriter) const override {
    Type type = op.getType();
    if (!type.isIntOrIndex() || type.isInteger(1))
      return rewriter.notifyMatchFailure(op, "expected a scalar of more bits");
    Maker b(op.getLoc(), rewriter);
    Value zero = b.integer(type, 0), one = b.integer(type, 1);
    Value x = op.getLhs(), n = op.getRhs();
    Value isNegative = b.compare(arith::CmpIPredicate::slt, n, zero);
    Value count =
        b.make<arith::SelectOp>(isNegative, b.make<arith::AndIOp>(n, one), n);
    Value power = multiply(b, x, count, one);
    Value isUnit = b.make<arith::OrIOp>(
        b.compare(arith::CmpIPredicate::eq, x, one),
        b.compare(arith::CmpIPredicate::eq, x, b.integer(type, -1)));
    Value inverse = b.make<arith::SelectOp>(isUnit, power, zero);
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, isNegative, inverse,
                                                 power);
    return success();
  }

  /// `x` to the power of `count`, which is not negative.
  static Value multiply(Maker &b, Value x, Value count, Value one) {
    Value zero = b.integer(x.getType(), 0);
    auto loop = scf::WhileOp::create(
        b, TypeRange{x.getType(), x.getType(), x.getType()},
        ValueRange{one, x, count},
        [&](OpBuilder &builder, Location loc, ValueRange state) {
          Maker inner(loc, builder);
          Value more = inner.compare(arith::CmpIPredicate::ne, state[2], zero);
          scf::ConditionOp::create(builder, loc, more, state);
        },
        [&](OpBuilder &builder, Location loc, ValueRange state) {
          Maker inner(loc, builder);
          Value isOdd =
              inner.compare(arith::CmpIPredicate::ne,
                            inner.make<arith::AndIOp>(state[2], one), zero);
          Value next = inner.make<arith::MulIOp>(state[0], state[1]);
          next = inner.make<arith::SelectOp>(isOdd, next, state[0]);
          Value square = inner.make<arith::MulIOp>(state[1], state[1]);
          Value rest = inner.make<arith::ShRUIOp>(state[2], one);
          scf::YieldOp::create(builder, loc, ValueRange{next, square, rest});
        });
    return loop.getResult(0);
  }
};

//===----------------------------------------------------------------------===//
// Remainders
//===----------------------------------------------------------------------===//

/// arith.remf exactly as C's fmod. LLVM's back end has x - trunc(x / y) * y,
/// whose error is as large as that of the quotient.
///
/// With x = f * 2^e and y = g * 2^d for integers f and g of 24 or 53 bits and e
/// >= d, the remainder is (f * 2^(e - d) mod g) * 2^d, in which the power is
/// multiplied by as many bits at a time as 64 leave beside g. The math dialect
/// may not be loaded here: no op of it need be in the kernel.
struct ExpandRemainder : public OpRewritePattern<arith::RemFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::RemFOp op,
                                PatternRewriter &rewriter) const override {
    auto type = dyn_cast<FloatType>(op.getType());
    if (!type || type.getWidth() > 64 || type.getWidth() < 16)
      return rewriter.notifyMatchFailure(op, "expected a float of C");
    Maker b(op.getLoc(), rewriter);
    Value x = op.getLhs(), y = op.getRhs();
    if (type.getWidth() == 16) {
      // A remainder is a number of the operands' type: nothing is rounded.
      Type f32 = b.getF32Type();
      Value wide = b.make<arith::RemFOp>(b.make<arith::ExtFOp>(f32, x),
                                         b.make<arith::ExtFOp>(f32, y));
      rewriter.replaceOpWithNewOp<arith::TruncFOp>(op, type, wide);
      return success();
    }
    Parts parts(b, type);
    Value a = parts.magnitude(x), c = parts.magnitude(y);
    Value isSmaller = b.compare(arith::CmpIPredicate::ult, a, c);
    auto choice = scf::IfOp::create(
        b, isSmaller,
        [&](OpBuilder &builder, Location loc) {
          scf::YieldOp::create(builder, loc, a);
        },
        [&](OpBuilder &builder, Location loc) {
          Parts inner(Maker(loc, builder), type);
          scf::YieldOp::create(builder, loc, inner.remainder(a, c));
        });
    Value result = parts.withSign(choice.getResult(0), x);
    // Neither an infinity nor NaN has a remainder, and nothing has one by zero.
    Value infinity = b.integer(b.getI64Type(), parts.infinity);
    Value bad =
        b.make<arith::OrIOp>(b.compare(arith::CmpIPredicate::uge, a, infinity),
                             b.compare(arith::CmpIPredicate::ugt, c, infinity));
    bad = b.make<arith::OrIOp>(bad, b.compare(arith::CmpIPredicate::eq, c,
                                              b.integer(b.getI64Type(), 0)));
    Value nan = b.make<arith::ConstantOp>(
        b.getFloatAttr(type, APFloat::getQNaN(type.getFloatSemantics())));
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, bad, nan, result);
    return success();
  }

  /// Floats of a type by their bits, in the lower part of an i64.
  struct Parts {
    Parts(Maker maker, FloatType type)
        : b(maker), type(type), mantissa(type.getFPMantissaWidth() - 1),
          infinity(type.isF64() ? 0x7ff0000000000000 : 0x7f800000),
          word(b.getI64Type()), bits(b.getIntegerType(type.getWidth())) {}

    Value constant(int64_t value) { return b.integer(word, value); }

    Value magnitude(Value x) {
      Value value =
          b.make<arith::BitcastOp>(bits, b.make<LLVM::FAbsOp>(type, x));
      return type.isF64() ? value : b.make<arith::ExtUIOp>(word, value);
    }

    Value withSign(Value magnitude, Value sign) {
      if (!type.isF64())
        magnitude = b.make<arith::TruncIOp>(bits, magnitude);
      return b.make<LLVM::CopySignOp>(
          type, b.make<arith::BitcastOp>(type, magnitude), sign);
    }

    /// The exponent, 1 and more, and the integer before it.
    std::pair<Value, Value> split(Value value) {
      Value zero = constant(0), one = constant(1);
      Value exponent = b.make<arith::ShRUIOp>(value, constant(mantissa));
      Value isSubnormal = b.compare(arith::CmpIPredicate::eq, exponent, zero);
      Value hidden = constant(int64_t(1) << mantissa);
      Value rest =
          b.make<arith::AndIOp>(value, constant((int64_t(1) << mantissa) - 1));
      Value fraction = b.make<arith::SelectOp>(
          isSubnormal, rest, b.make<arith::OrIOp>(rest, hidden));
      return {b.make<arith::SelectOp>(isSubnormal, one, exponent), fraction};
    }

    /// Of magnitudes; the first one is not smaller. Any number for zeros,
    /// infinities and NaN.
    Value remainder(Value x, Value y) {
      auto [e, f] = split(x);
      auto [d, g] = split(y);
      g = b.make<arith::MaxUIOp>(g, constant(1));
      Value rest = b.make<arith::RemUIOp>(f, g);
      rest = shift(rest, b.make<arith::SubIOp>(e, d), g);
      return join(rest, d);
    }

    /// rest * 2^count mod divisor, for a rest that is smaller than divisor.
    Value shift(Value rest, Value count, Value divisor) {
      Value zero = constant(0), step = constant(63 - mantissa);
      auto loop = scf::WhileOp::create(
          b, TypeRange{word, word}, ValueRange{rest, count},
          [&](OpBuilder &builder, Location loc, ValueRange state) {
            Maker inner(loc, builder);
            Value more = inner.make<arith::AndIOp>(
                inner.compare(arith::CmpIPredicate::ne, state[0], zero),
                inner.compare(arith::CmpIPredicate::ne, state[1], zero));
            scf::ConditionOp::create(builder, loc, more, state);
          },
          [&](OpBuilder &builder, Location loc, ValueRange state) {
            Maker inner(loc, builder);
            Value by = inner.make<arith::MinUIOp>(state[1], step);
            Value next = inner.make<arith::ShLIOp>(state[0], by);
            next = inner.make<arith::RemUIOp>(next, divisor);
            Value left = inner.make<arith::SubIOp>(state[1], by);
            scf::YieldOp::create(builder, loc, ValueRange{next, left});
          });
      return loop.getResult(0);
    }

    /// The float of fraction * 2^exponent: the fraction moves up until its
    /// first bit is the hidden one, or the exponent is the smallest.
    Value join(Value fraction, Value exponent) {
      Value one = constant(1);
      Value zeros = b.make<LLVM::CountLeadingZerosOp>(word, fraction,
                                                      /*is_zero_poison=*/false);
      Value by = b.make<arith::SubIOp>(zeros, constant(63 - mantissa));
      Value lower = b.make<arith::SubIOp>(exponent, one);
      by = b.make<arith::MinUIOp>(by, lower);
      Value moved = b.make<arith::ShLIOp>(fraction, by);
      Value left = b.make<arith::SubIOp>(lower, by);
      Value value = b.make<arith::AddIOp>(
          moved, b.make<arith::ShLIOp>(left, constant(mantissa)));
      Value isZero = b.compare(arith::CmpIPredicate::eq, fraction, constant(0));
      return b.make<arith::SelectOp>(isZero, constant(0), value);
    }

    Maker b;
    FloatType type;
    int64_t mantissa; ///< bits behind the hidden one
    int64_t infinity; ///< its bits
    Type word, bits;
  };
};
} // namespace

void mlir::sparsedrop::populateDeviceMathExpansionPatterns(
    RewritePatternSet &patterns) {
  patterns.add<ExpandHyperbolic<math::SinhOp>, ExpandHyperbolic<math::CoshOp>,
               ExpandClassification<math::IsFiniteOp, llvm::fcFinite>,
               ExpandClassification<math::IsInfOp, llvm::fcInf>,
               ExpandClassification<math::IsNaNOp, llvm::fcNan>,
               ExpandClassification<math::IsNormalOp, llvm::fcNormal>,
               ExpandSincos, ExpandFPowI, ExpandIPowI, ExpandRemainder>(
      patterns.getContext());
}
