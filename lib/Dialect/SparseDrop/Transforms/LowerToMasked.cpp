//===- LowerToMasked.cpp - The masked reference ---------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LinalgUtils.h"

#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h"
#include "sparsedrop/Sampling/Philox.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_LOWERTOMASKED
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;

//===----------------------------------------------------------------------===//
// Random bits in the IR (docs/sampling.md, Bernoulli mode)
//===----------------------------------------------------------------------===//

namespace {
/// Emits i32 and i64 arithmetic.
class BitMath {
public:
  BitMath(OpBuilder &builder, Location loc) : builder(builder), loc(loc) {}

  Value i32(uint32_t value) const {
    return arith::ConstantIntOp::create(builder, loc,
                                        static_cast<int32_t>(value), 32);
  }
  Value i64(uint64_t value) const {
    return arith::ConstantIntOp::create(builder, loc,
                                        static_cast<int64_t>(value), 64);
  }
  Value add(Value a, Value b) const {
    return builder.createOrFold<arith::AddIOp>(loc, a, b);
  }
  Value exclusiveOr(Value a, Value b) const {
    return builder.createOrFold<arith::XOrIOp>(loc, a, b);
  }
  Value low(Value a) const {
    return builder.createOrFold<arith::TruncIOp>(loc, builder.getI32Type(), a);
  }
  Value high(Value a) const {
    return low(builder.createOrFold<arith::ShRUIOp>(loc, a, i64(32)));
  }
  Value widen(Value a) const {
    return builder.createOrFold<arith::ExtUIOp>(loc, builder.getI64Type(), a);
  }
  /// The 64-bit product of two 32-bit values.
  Value multiply(Value a, uint32_t b) const {
    return builder.createOrFold<arith::MulIOp>(loc, widen(a), i64(b));
  }

private:
  OpBuilder &builder;
  Location loc;
};
} // namespace

/// Philox 4x32-10 (Salmon et al., SC 2011) as arith ops.
static std::array<Value, 4> emitPhilox(const BitMath &math, Value seed,
                                       Value step, Value hash) {
  Value key0 = math.low(seed), key1 = math.high(seed);
  std::array<Value, 4> x{math.low(step), math.high(step), math.low(hash),
                         math.high(hash)};
  for (int round = 0; round < 10; ++round) {
    if (round > 0) {
      key0 = math.add(key0, math.i32(0x9E3779B9u));
      key1 = math.add(key1, math.i32(0xBB67AE85u));
    }
    Value product0 = math.multiply(x[0], 0xD2511F53u);
    Value product1 = math.multiply(x[2], 0xCD9E8D57u);
    x = {math.exclusiveOr(math.exclusiveOr(math.high(product1), x[1]), key0),
         math.low(product1),
         math.exclusiveOr(math.exclusiveOr(math.high(product0), x[3]), key1),
         math.low(product0)};
  }
  return x;
}

/// The hash of the site, continued over the sample's index if it has one:
/// FNV-1a over 8 little-endian bytes.
static Value emitHash(OpBuilder &builder, Location loc, SampleOp sample) {
  BitMath math(builder, loc);
  Value hash = math.i64(
      sampling::siteHash(sample.getSite().data(), sample.getSite().size()));
  if (!sample.getIndex())
    return hash;
  Value index = arith::IndexCastOp::create(builder, loc, builder.getI64Type(),
                                           sample.getIndex());
  for (unsigned byte = 0; byte < 8; ++byte) {
    Value shifted =
        arith::ShRUIOp::create(builder, loc, index, math.i64(8 * byte));
    Value bits = arith::AndIOp::create(builder, loc, shifted, math.i64(0xff));
    hash = arith::MulIOp::create(builder, loc, math.exclusiveOr(hash, bits),
                                 math.i64(0x100000001b3u));
  }
  return hash;
}

namespace {
/// What ordinary dropout in the place of a pattern needs.
struct Bernoulli {
  Value threshold; ///< i64, rate * 2^32
  Value scale;     ///< f32, 1 / (1 - rate)
};
} // namespace

/// The rate is the sample's; where the number of kept channels is known at run
/// time only, it is the share of the others.
static Bernoulli createBernoulli(OpBuilder &builder, Location loc,
                                 SampleOp sample) {
  constexpr double kTwoTo32 = 4294967296.0;
  Type f64 = builder.getF64Type(), i64 = builder.getI64Type();
  if (!sample.getCount() || matchPattern(sample.getCount(), m_Constant())) {
    double rate = sample.getRate().convertToDouble();
    return {arith::ConstantIntOp::create(
                builder, loc, static_cast<int64_t>(rate * kTwoTo32), 64),
            arith::ConstantFloatOp::create(
                builder, loc, builder.getF32Type(),
                APFloat(static_cast<float>(1 / (1 - rate))))};
  }
  auto toF64 = [&](Value index) -> Value {
    Value integer = arith::IndexCastOp::create(builder, loc, i64, index);
    return arith::SIToFPOp::create(builder, loc, f64, integer);
  };
  Value kept = toF64(sample.getCount()), all = toF64(sample.getExtents()[0]);
  Value dropped = arith::DivFOp::create(
      builder, loc, arith::SubFOp::create(builder, loc, all, kept), all);
  Value limit = arith::MulFOp::create(
      builder, loc, dropped,
      arith::ConstantFloatOp::create(builder, loc, builder.getF64Type(),
                                     APFloat(kTwoTo32)));
  Value factor = arith::DivFOp::create(builder, loc, all, kept);
  return {arith::FPToSIOp::create(builder, loc, i64, limit),
          arith::TruncFOp::create(builder, loc, builder.getF32Type(), factor)};
}

/// Whether the element at linear index `element` is kept: word i mod 4 of
/// Philox at counter h = hash + 1 + i div 4 is at least rate * 2^32.
static Value emitBernoulli(OpBuilder &builder, Location loc, SampleOp sample,
                           Value hash, Value threshold, Value element) {
  BitMath math(builder, loc);
  Value i =
      arith::IndexCastOp::create(builder, loc, builder.getI64Type(), element);
  Value block = arith::ShRUIOp::create(builder, loc, i, math.i64(2));
  std::array<Value, 4> words =
      emitPhilox(math, sample.getSeed(), sample.getStep(),
                 math.add(math.add(block, hash), math.i64(1)));
  Value word = words[0];
  Value lane = arith::AndIOp::create(builder, loc, i, math.i64(3));
  for (unsigned k = 1; k < 4; ++k) {
    Value isLane = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                         lane, math.i64(k));
    word = arith::SelectOp::create(builder, loc, isLane, words[k], word);
  }
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::uge,
                               math.widen(word), threshold);
}

//===----------------------------------------------------------------------===//
// Masked values
//===----------------------------------------------------------------------===//

/// `select(keep, scale * x, 0)`; `scale` may be null.
static Value emitSelect(OpBuilder &b, Location loc, Value keep, Value x,
                        Value scale) {
  Type element = x.getType();
  if (scale)
    x = emitScaled(b, loc, x, scale);
  Value zero = arith::ConstantOp::create(
      b, loc, cast<TypedAttr>(b.getZeroAttr(element)));
  return arith::SelectOp::create(b, loc, keep, x, zero);
}

static SmallVector<utils::IteratorType> allParallel(int64_t rank) {
  return SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel);
}

/// An elementwise op over the source of `op` (and `mask`, if not null).
static Value
createElementwise(RewriterBase &rewriter, DropoutOp op, Value mask,
                  function_ref<Value(OpBuilder &, Location, ValueRange)> body) {
  Location loc = op.getLoc();
  RankedTensorType type = op.getType();
  Value empty = tensor::EmptyOp::create(
      rewriter, loc, tensor::getMixedSizes(rewriter, loc, op.getSource()),
      type.getElementType());
  AffineMap identity = rewriter.getMultiDimIdentityMap(type.getRank());
  SmallVector<Value> inputs{op.getSource()};
  SmallVector<AffineMap> maps{identity};
  if (mask) {
    SmallVector<AffineExpr> dims;
    for (int64_t dim : op.getDims())
      dims.push_back(rewriter.getAffineDimExpr(dim));
    inputs.push_back(mask);
    maps.push_back(
        AffineMap::get(type.getRank(), 0, dims, rewriter.getContext()));
  }
  maps.push_back(identity);
  return linalg::GenericOp::create(
             rewriter, loc, type, inputs, empty, maps,
             allParallel(type.getRank()),
             [&](OpBuilder &b, Location l, ValueRange arguments) {
               linalg::YieldOp::create(b, l, body(b, l, arguments));
             })
      .getResult(0);
}

Value mlir::sparsedrop::maskDropout(RewriterBase &rewriter, DropoutOp op) {
  Location loc = op.getLoc();
  SmallVector<int64_t> shape;
  for (int64_t dim : op.getDims())
    shape.push_back(op.getType().getDimSize(dim));
  auto maskType = RankedTensorType::get(shape, rewriter.getI1Type());
  Value mask = MaskOp::create(rewriter, loc, maskType, op.getPattern());
  Value scale = op.getUnscaled()
                    ? Value()
                    : rewriter.createOrFold<ScaleOp>(loc, op.getPattern());
  return createElementwise(
      rewriter, op, mask, [&](OpBuilder &b, Location l, ValueRange arguments) {
        return emitSelect(b, l, arguments[1], arguments[0], scale);
      });
}

/// Linear index of the element that is drawn: all dimensions, or the sample
/// (outermost dimension) and the channel for kind channel.
static Value emitElementIndex(OpBuilder &b, Location loc, DropoutOp op,
                              ArrayRef<Value> sizes) {
  SmallVector<int64_t> dims =
      llvm::to_vector(llvm::seq<int64_t>(0, op.getType().getRank()));
  int64_t channel = op.getDims().front();
  if (op.getPattern().getType().getKind() == PatternKind::Channel)
    dims = channel == 0 ? SmallVector<int64_t>{0}
                        : SmallVector<int64_t>{0, channel};
  Value element = linalg::IndexOp::create(b, loc, dims[0]);
  for (int64_t dim : ArrayRef<int64_t>(dims).drop_front()) {
    element = arith::MulIOp::create(b, loc, element, sizes[dim]);
    element = arith::AddIOp::create(b, loc, element,
                                    linalg::IndexOp::create(b, loc, dim));
  }
  return element;
}

static FailureOr<Value> maskByBernoulli(RewriterBase &rewriter, DropoutOp op) {
  auto sample = op.getPattern().getDefiningOp<SampleOp>();
  if (!sample)
    return op.emitOpError() << "has an explicit pattern, which mode "
                               "'bernoulli' cannot draw element by element";
  Location loc = op.getLoc();
  Bernoulli bernoulli = createBernoulli(rewriter, loc, sample);
  Value scale = op.getUnscaled() ? Value() : bernoulli.scale;
  Value hash = emitHash(rewriter, loc, sample);
  SmallVector<Value> sizes;
  for (OpFoldResult size : tensor::getMixedSizes(rewriter, loc, op.getSource()))
    sizes.push_back(getValueOrCreateConstantIndexOp(rewriter, loc, size));
  return createElementwise(rewriter, op, /*mask=*/Value(),
                           [&](OpBuilder &b, Location l, ValueRange arguments) {
                             Value keep = emitBernoulli(
                                 b, l, sample, hash, bernoulli.threshold,
                                 emitElementIndex(b, l, op, sizes));
                             return emitSelect(b, l, keep, arguments[0], scale);
                           });
}

/// In mode bernoulli the scale behind a product is that of the rate.
static void replaceScales(RewriterBase &rewriter, Operation *root) {
  root->walk([&](ScaleOp op) {
    auto sample = op.getPattern().getDefiningOp<SampleOp>();
    if (!sample)
      return;
    rewriter.setInsertionPoint(op);
    rewriter.replaceOp(op,
                       createBernoulli(rewriter, op.getLoc(), sample).scale);
  });
}

/// Where no pattern drops anything every unit is kept: what a program itself
/// compacts, expands or inserts is whole.
static void keepEverything(RewriterBase &rewriter, Operation *root) {
  SmallVector<Operation *> ops;
  root->walk([&](Operation *op) {
    if (isa<CompactOp, ExpandOp, mlir::sparsedrop::InsertOp, KeptCountOp>(op))
      ops.push_back(op);
  });
  for (Operation *op : ops) {
    rewriter.setInsertionPoint(op);
    Value whole = op->getOperand(0);
    if (auto count = dyn_cast<KeptCountOp>(op))
      whole =
          rewriter.createOrFold<ExtentOp>(op->getLoc(), count.getPattern(), 0);
    else if (whole.getType() != op->getResult(0).getType())
      whole = tensor::CastOp::create(rewriter, op->getLoc(),
                                     op->getResult(0).getType(), whole);
    rewriter.replaceOp(op, whole);
  }
}

LogicalResult mlir::sparsedrop::lowerToMasked(RewriterBase &rewriter,
                                              Operation *root,
                                              MaskSource masks) {
  WalkResult unmaterialized = root->walk([](Operation *op) {
    if (!op->hasAttr(kDropoutAttrName))
      return WalkResult::advance();
    op->emitError() << "carries a dropout annotation that has not been "
                       "materialized; run sparsedrop-materialize first";
    return WalkResult::interrupt();
  });
  if (unmaterialized.wasInterrupted())
    return failure();
  WalkResult sites = root->walk([](FunctionOpInterface function) {
    return failed(verifySites(function)) ? WalkResult::interrupt()
                                         : WalkResult::skip();
  });
  if (sites.wasInterrupted())
    return failure();
  // Bernoulli draws have a scale of their own, which must not fold before.
  if (masks == MaskSource::Pattern)
    hoistDropoutScales(rewriter, root);
  if (masks == MaskSource::Bernoulli)
    replaceScales(rewriter, root);
  if (masks != MaskSource::Pattern)
    keepEverything(rewriter, root);
  WalkResult result = root->walk([&](DropoutOp op) {
    rewriter.setInsertionPoint(op);
    FailureOr<Value> masked = op.getSource();
    if (masks == MaskSource::Pattern)
      masked = maskDropout(rewriter, op);
    if (masks == MaskSource::Bernoulli)
      masked = maskByBernoulli(rewriter, op);
    if (failed(masked))
      return WalkResult::interrupt();
    rewriter.replaceOp(op, *masked);
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

namespace {
struct LowerToMasked
    : public mlir::sparsedrop::impl::LowerToMaskedBase<LowerToMasked> {
  using LowerToMaskedBase::LowerToMaskedBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    if (failed(lowerToMasked(rewriter, getOperation(), masks)))
      signalPassFailure();
  }
};
} // namespace
