//===- Layers.cpp - The forward pass and the loss -------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ModelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace mlir::sparsedrop;
using arith::AddFOp;
using arith::DivFOp;
using arith::MulFOp;
using arith::SubFOp;

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

/// What layers read.
static void buildConstants(ModelBuilder &b, Activation activation) {
  b.createConstant("zero", 0);
  if (b.isNarrow())
    b.createConstant("zero_16", 0, b.getElementType());
  if (activation == Activation::Sigmoid || activation == Activation::GELU)
    b.createConstant("one", 1);
  if (activation == Activation::GELU) {
    b.createConstant("half", 0.5);
    b.createConstant("rsqrt2", std::sqrt(0.5));
  }
}

/// The activation of `s`, in a body.
static Value buildActivation(ModelBuilder &b, Activation activation, Value s) {
  switch (activation) {
  case Activation::ReLU:
    return b.createInBody<arith::MaximumFOp>("f", s, b["zero"]);
  case Activation::Tanh:
    return b.createInBody<math::TanhOp>("f", s);
  case Activation::Sigmoid: {
    Value n = b.createInBody<arith::NegFOp>("n", s);
    Value e = b.createInBody<math::ExpOp>("e", n);
    Value d = b.createInBody<AddFOp>("d", e, b["one"]);
    return b.createInBody<DivFOp>("f", b["one"], d);
  }
  case Activation::GELU: {
    Value q = b.createInBody<MulFOp>("q", s, b["rsqrt2"]);
    Value e = b.createInBody<math::ErfOp>("e", q);
    Value d = b.createInBody<AddFOp>("d", e, b["one"]);
    Value c = b.createInBody<MulFOp>("c", s, b["half"]);
    return b.createInBody<MulFOp>("f", c, d);
  }
  }
  llvm_unreachable("verified");
}

/// The product of layer `layer` (from 1), with the dropout of what it reads.
static Value buildProduct(ModelBuilder &b, const MLPOptions &options,
                          size_t layer, const Twine &name, Value x) {
  std::string number = std::to_string(layer);
  Value empty =
      b.createEmpty("empty" + number, {options.batch, options.widths[layer]},
                    b.getElementType());
  Value zeros = b.createFill("zeros" + number,
                             b[b.isNarrow() ? "zero_16" : "zero"], empty);
  auto product = linalg::MatmulOp::create(
      b.getBuilder(), b.getLoc(name), zeros.getType(),
      ValueRange{x, b["w" + number]}, ValueRange{zeros});
  if (layer > 1 && !options.dropout.empty() && options.dropout[layer - 2]) {
    LayerDropout dropout = *options.dropout[layer - 2];
    int64_t extents[] = {options.widths[layer], options.widths[layer - 1]};
    for (auto [size, extent] : llvm::zip(dropout.tile, extents))
      size = std::min(size, extent);
    product->setAttr(kDropoutAttrName,
                     getAnnotation(product.getLoc(), dropout,
                                   "hidden" + std::to_string(layer - 1)));
  }
  return b.set(name, product.getResult(0));
}

/// Layer `layer` (from 1) of `x`.
static Value buildLayer(ModelBuilder &b, const MLPOptions &options,
                        size_t layer, Value x) {
  std::string number = std::to_string(layer);
  bool isLast = layer + 1 == options.widths.size();
  if (isLast && !options.bias)
    return buildProduct(b, options, layer, "y", x);
  Value product = buildProduct(b, options, layer, "p" + number, x);
  SmallVector<ModelBuilder::Operand> inputs;
  inputs.push_back({options.bias ? "p" : "s", product, {0, 1}});
  if (options.bias)
    inputs.push_back({"b", b["b" + number], {1}});
  return b.createGeneric(
      isLast ? "y" : "h" + number, inputs, {"out", b["empty" + number], {0, 1}},
      [&](ValueRange in) {
        Value s = in[0];
        if (options.bias)
          s = b.createInBody<AddFOp>("s", in[0], in[1]);
        return isLast ? s : buildActivation(b, options.activation, s);
      });
}

Value mlir::sparsedrop::buildForward(ModelBuilder &b,
                                     const MLPOptions &options) {
  buildConstants(b, options.activation);
  Value value = b["x"];
  for (size_t layer = 1; layer < options.widths.size(); ++layer)
    value = buildLayer(b, options, layer, value);
  return value;
}

//===----------------------------------------------------------------------===//
// Losses
//===----------------------------------------------------------------------===//

/// The sum of the terms that `term` makes of the inputs, each divided by
/// `size`.
static Value buildMean(ModelBuilder &b, ArrayRef<ModelBuilder::Operand> inputs,
                       double size, ModelBuilder::Body term) {
  b.createConstant("size", size);
  Value empty = b.createEmpty("scalar", {}, b.getWideType());
  Value zero = b.createFill("zero_scalar", b["zero"], empty);
  return b.createGeneric("loss", inputs, {"sum", zero, {}}, [&](ValueRange in) {
    Value u = b.createInBody<DivFOp>("u", term(in.drop_back()), b["size"]);
    return b.createInBody<AddFOp>("r", u, in.back());
  });
}

/// What a loss reads: "y" in the type of the loss.
static Value buildLogits(ModelBuilder &b, const MLPOptions &options) {
  if (!b.isNarrow())
    return b["y"];
  Value empty = b.createEmpty(
      "logits_empty", {options.batch, options.widths.back()}, b.getWideType());
  return b.createGeneric("logits", {{"a", b["y"], {0, 1}}},
                         {"out", empty, {0, 1}},
                         [&](ValueRange in) { return in[0]; });
}

/// The mean of (y - target)^2.
static Value buildMeanSquaredError(ModelBuilder &b, const MLPOptions &options) {
  double size = double(options.batch) * double(options.widths.back());
  Value logits = buildLogits(b, options);
  return buildMean(b, {{"a", logits, {0, 1}}, {"b", b["target"], {0, 1}}}, size,
                   [&](ValueRange in) {
                     Value d = b.createInBody<SubFOp>("d", in[0], in[1]);
                     return b.createInBody<MulFOp>("t", d, d);
                   });
}

/// The largest logit of each row.
static Value buildLargest(ModelBuilder &b, ModelBuilder::Operand logits) {
  Value lowest = b.createFill("lowest", b["minus_infinity"], b["rows"]);
  return b.createGeneric(
      "largest", logits, {"m", lowest, {0}}, [&](ValueRange in) {
        return b.createInBody<arith::MaximumFOp>("r", in[0], in[1]);
      });
}

/// The mean over the batch of log(sum(exp(y - largest))) - sum(target * (y -
/// largest)).
static Value buildCrossEntropy(ModelBuilder &b, const MLPOptions &options) {
  ModelBuilder::Operand y = {"a", buildLogits(b, options), {0, 1}};
  b.createConstant("minus_infinity", -std::numeric_limits<double>::infinity());
  b.createEmpty("rows", {options.batch}, b.getWideType());
  ModelBuilder::Operand target = {"b", b["target"], {0, 1}};
  ModelBuilder::Operand largest = {"m", buildLargest(b, y), {0}};
  Value zero = b.createFill("zero_rows", b["zero"], b["rows"]);
  ModelBuilder::Operand sum = {"sum", zero, {0}};
  Value total = b.createGeneric("total", {y, largest}, sum, [&](ValueRange in) {
    Value d = b.createInBody<SubFOp>("d", in[0], in[1]);
    Value e = b.createInBody<math::ExpOp>("e", d);
    return b.createInBody<AddFOp>("r", e, in[2]);
  });
  Value label =
      b.createGeneric("label", {y, target, largest}, sum, [&](ValueRange in) {
        Value d = b.createInBody<SubFOp>("d", in[0], in[2]);
        Value t = b.createInBody<MulFOp>("t", d, in[1]);
        return b.createInBody<AddFOp>("r", t, in[3]);
      });
  return buildMean(b, {{"a", total, {0}}, {"b", label, {0}}}, options.batch,
                   [&](ValueRange in) {
                     Value l = b.createInBody<math::LogOp>("l", in[0]);
                     return b.createInBody<SubFOp>("t", l, in[1]);
                   });
}

Value mlir::sparsedrop::buildLoss(ModelBuilder &b, const MLPOptions &options) {
  if (options.loss == Loss::MeanSquaredError)
    return buildMeanSquaredError(b, options);
  return buildCrossEntropy(b, options);
}
