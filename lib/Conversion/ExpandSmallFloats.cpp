//===- ExpandSmallFloats.cpp - Arithmetic of floats of 8 bits -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Floats of 8 bits are for storage: processors compute with what they stand
// for. Sources: "FP8 formats for deep learning" (arXiv 2209.05433); APFloat's
// Float8E4M3FN and Float8E5M2, which constants are folded with, round like
// this.
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/Conversion/SmallFloats.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <cmath>

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_EXPANDSMALLFLOATS
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using mlir::sparsedrop::isSmallFloat;

bool mlir::sparsedrop::isSmallFloat(Type type) {
  return isa<Float8E4M3FNType, Float8E5M2Type>(getElementTypeOrSelf(type));
}

namespace {
/// How a format rounds. Magnitudes are the bits without the sign.
struct Format {
  int64_t mantissa; ///< bits
  int64_t bias;     ///< of the exponent
  uint8_t overflow; ///< magnitude of what is too large
  uint8_t nan;
};

/// Writes ops on scalars or vectors of one shape.
class BitBuilder {
public:
  BitBuilder(ImplicitLocOpBuilder &b, Type shape) : b(b), shape(shape) {}

  /// `element`, or a vector of it.
  Type like(Type element) const {
    auto vector = dyn_cast<VectorType>(shape);
    return vector ? Type(vector.clone(element)) : element;
  }
  Type i(unsigned width) const { return like(b.getIntegerType(width)); }
  Value constant(uint64_t value, unsigned width) const {
    return make(i(width), b.getIntegerAttr(b.getIntegerType(width),
                                           static_cast<int64_t>(value)));
  }
  Value number(float value) const {
    return make(like(b.getF32Type()), b.getF32FloatAttr(value));
  }
  Value bits(Value value, unsigned width) const {
    return arith::BitcastOp::create(b, i(width), value);
  }
  Value isAbove(Value lhs, Value rhs) const {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, lhs, rhs);
  }

  ImplicitLocOpBuilder &b;

private:
  Value make(Type type, TypedAttr value) const {
    if (auto vector = dyn_cast<VectorType>(type))
      return arith::ConstantOp::create(b,
                                       DenseElementsAttr::get(vector, value));
    return arith::ConstantOp::create(b, value);
  }

  Type shape;
};
} // namespace

static Format getFormat(Type type) {
  if (isa<Float8E4M3FNType>(getElementTypeOrSelf(type)))
    return {3, 7, 0x7f, 0x7f};
  return {2, 15, 0x7c, 0x7e};
}

//===----------------------------------------------------------------------===//
// From 8 bits
//===----------------------------------------------------------------------===//

/// The f32 that a value stands for. Both formats are the upper bits of an f16,
/// e4m3 but for the bias of the exponent and NaN.
static Value widenToF32(ImplicitLocOpBuilder &b, Value value) {
  BitBuilder bits(b, value.getType());
  Value all = arith::ExtUIOp::create(b, bits.i(16), bits.bits(value, 8));
  Type f16 = bits.like(b.getF16Type()), f32 = bits.like(b.getF32Type());
  auto extend = [&](Value half) -> Value {
    Value number = arith::BitcastOp::create(b, f16, half);
    return arith::ExtFOp::create(b, f32, number);
  };
  if (isa<Float8E5M2Type>(getElementTypeOrSelf(value.getType())))
    return extend(arith::ShLIOp::create(b, all, bits.constant(8, 16)));
  Value magnitude = arith::AndIOp::create(b, all, bits.constant(0x7f, 16));
  Value sign = arith::AndIOp::create(b, all, bits.constant(0x80, 16));
  Value half = arith::OrIOp::create(
      b, arith::ShLIOp::create(b, magnitude, bits.constant(7, 16)),
      arith::ShLIOp::create(b, sign, bits.constant(8, 16)));
  Value isNaN = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, magnitude,
                                      bits.constant(0x7f, 16));
  // 2^8 is the difference of the biases; NaN of f16, with the sign.
  half = arith::SelectOp::create(
      b, isNaN, arith::OrIOp::create(b, half, bits.constant(0x7e00, 16)), half);
  return arith::MulFOp::create(b, extend(half), bits.number(256.0f));
}

static Value widen(ImplicitLocOpBuilder &b, Value value, Type type) {
  Value wide = widenToF32(b, value);
  unsigned width = getElementTypeOrSelf(type).getIntOrFloatBitWidth();
  if (width == 32)
    return wide;
  if (width > 32)
    return arith::ExtFOp::create(b, type, wide);
  // Exact: 16 bits have at least the exponents and the mantissa of 8 that are
  // converted to them.
  return arith::TruncFOp::create(b, type, wide);
}

//===----------------------------------------------------------------------===//
// To 8 bits
//===----------------------------------------------------------------------===//

/// Whether bit 0 of the result of an f64 is set where it is not exact, so that
/// rounding it once more rounds as if it were the first time (round to odd).
static Value narrowToOdd(ImplicitLocOpBuilder &b, Value value) {
  BitBuilder bits(b, value.getType());
  Value nearest = arith::TruncFOp::create(b, bits.like(b.getF32Type()), value);
  Value back = arith::ExtFOp::create(b, value.getType(), nearest);
  auto magnitude = [&](Value wide) {
    return arith::AndIOp::create(b, bits.bits(wide, 64),
                                 bits.constant(0x7fffffffffffffffu, 64));
  };
  Value one = bits.constant(1, 32);
  Value word = bits.bits(nearest, 32);
  Value isLarger = bits.isAbove(magnitude(back), magnitude(value));
  Value toZero = arith::SelectOp::create(
      b, isLarger, arith::SubIOp::create(b, word, one), word);
  // False for NaN, which stays as it is.
  Value isInexact =
      arith::CmpFOp::create(b, arith::CmpFPredicate::ONE, back, value);
  Value odd = arith::SelectOp::create(
      b, isInexact, arith::OrIOp::create(b, toZero, one), word);
  return arith::BitcastOp::create(b, nearest.getType(), odd);
}

/// To the nearest, ties to even; what is too large becomes infinity, or NaN
/// where there is none.
static Value narrowFromF32(ImplicitLocOpBuilder &b, Value value, Type type) {
  Format format = getFormat(type);
  BitBuilder bits(b, value.getType());
  auto word = [&](int64_t constant) {
    return bits.constant(static_cast<uint64_t>(constant), 32);
  };
  Value all = bits.bits(value, 32);
  Value magnitude = arith::AndIOp::create(b, all, word(0x7fffffff));
  // Numbers with the smallest exponent are multiples of 2^unit; the adder
  // rounds to them at a number whose last place that is.
  int64_t unit = 1 - format.bias - format.mantissa;
  float magic = std::ldexp(1.0f, static_cast<int>(23 + unit));
  Value sum = arith::AddFOp::create(
      b, arith::BitcastOp::create(b, value.getType(), magnitude),
      bits.number(magic));
  Value small = arith::SubIOp::create(b, bits.bits(sum, 32),
                                      bits.bits(bits.number(magic), 32));
  // Others have the exponent moved, and half of what is cut off added.
  int64_t cut = 23 - format.mantissa;
  int64_t move = ((int64_t(1) << (cut - 1)) - 1) - ((127 - format.bias) << 23);
  Value last = arith::AndIOp::create(
      b, arith::ShRUIOp::create(b, magnitude, word(cut)), word(1));
  Value moved = arith::AddIOp::create(
      b, arith::AddIOp::create(b, magnitude, word(move)), last);
  Value normal = arith::ShRUIOp::create(b, moved, word(cut));
  normal = arith::MinUIOp::create(b, normal, word(format.overflow));
  int64_t leastNormal = (128 - format.bias) << 23;
  Value isNormal = bits.isAbove(magnitude, word(leastNormal - 1));
  Value result = arith::SelectOp::create(b, isNormal, normal, small);
  Value isNaN = bits.isAbove(magnitude, word(0x7f800000));
  result = arith::SelectOp::create(b, isNaN, word(format.nan), result);
  Value sign = arith::AndIOp::create(
      b, arith::ShRUIOp::create(b, all, word(24)), word(0x80));
  result = arith::OrIOp::create(b, result, sign);
  return arith::BitcastOp::create(
      b, type, arith::TruncIOp::create(b, bits.i(8), result));
}

static Value narrow(ImplicitLocOpBuilder &b, Value value, Type type) {
  unsigned width =
      getElementTypeOrSelf(value.getType()).getIntOrFloatBitWidth();
  BitBuilder bits(b, value.getType());
  if (width < 32)
    value = arith::ExtFOp::create(b, bits.like(b.getF32Type()), value);
  if (width > 32)
    value = narrowToOdd(b, value);
  return narrowFromF32(b, value, type);
}

//===----------------------------------------------------------------------===//
// All ops
//===----------------------------------------------------------------------===//

/// Whether the op computes with small floats, rather than moves them.
static bool computes(Operation *op) {
  if (!isa<arith::ArithDialect, math::MathDialect>(op->getDialect()) ||
      isa<arith::ConstantOp, arith::BitcastOp, arith::SelectOp>(op))
    return false;
  return llvm::any_of(op->getOperandTypes(), isSmallFloat) ||
         llvm::any_of(op->getResultTypes(), isSmallFloat);
}

/// The results of the op on f32, between conversions.
static SmallVector<Value> computeInF32(ImplicitLocOpBuilder &b, Operation *op) {
  Operation *wide = op->clone();
  for (OpOperand &operand : wide->getOpOperands())
    if (isSmallFloat(operand.get().getType()))
      operand.set(widenToF32(b, operand.get()));
  for (Value result : wide->getResults())
    if (isSmallFloat(result.getType()))
      result.setType(BitBuilder(b, result.getType()).like(b.getF32Type()));
  b.insert(wide);
  SmallVector<Value> results;
  for (auto [result, type] :
       llvm::zip(wide->getResults(), op->getResultTypes()))
    results.push_back(isSmallFloat(type) ? narrowFromF32(b, result, type)
                                         : Value(result));
  return results;
}

static SmallVector<Value> expand(Operation *op) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  if (auto extension = dyn_cast<arith::ExtFOp>(op))
    return {widen(b, extension.getIn(), extension.getType())};
  if (auto truncation = dyn_cast<arith::TruncFOp>(op);
      truncation && !isSmallFloat(truncation.getIn().getType()))
    return {narrow(b, truncation.getIn(), truncation.getType())};
  return computeInF32(b, op);
}

void mlir::sparsedrop::expandSmallFloats(Operation *root) {
  SmallVector<Operation *> ops;
  root->walk([&](Operation *op) {
    if (computes(op))
      ops.push_back(op);
  });
  for (Operation *op : ops) {
    op->replaceAllUsesWith(expand(op));
    op->erase();
  }
}

namespace {
struct ExpandSmallFloats
    : public mlir::sparsedrop::impl::ExpandSmallFloatsBase<ExpandSmallFloats> {
  void runOnOperation() override {
    mlir::sparsedrop::expandSmallFloats(getOperation());
  }
};
} // namespace
