//===- Updates.cpp - Optimizers -------------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ModelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/Sequence.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using arith::AddFOp;
using arith::MulFOp;
using arith::SubFOp;

void mlir::sparsedrop::buildUpdateConstants(ModelBuilder &b,
                                            const MLPOptions &options) {
  b.create<tensor::ExtractOp>("rate", b["learning_rate"], ValueRange());
  if (options.decay != 0) {
    b.createConstant("one", 1);
    b.createConstant("decay", options.decay);
    b.create<MulFOp>("shrink", b["rate"], b["decay"]);
    b.create<SubFOp>("keep", b["one"], b["shrink"]);
  }
  if (options.optimizer == Optimizer::Momentum)
    b.createConstant("momentum", options.momentum);
  if (options.optimizer == Optimizer::Adam) {
    b.createConstant("beta1", options.betas.first);
    b.createConstant("rest1", 1 - options.betas.first);
    b.createConstant("beta2", options.betas.second);
    b.createConstant("rest2", 1 - options.betas.second);
    b.createConstant("epsilon", options.epsilon);
  }
}

namespace {
/// The update of one parameter.
class Update {
public:
  Update(ModelBuilder &b, const MLPOptions &options, StringRef parameter)
      : b(b), options(options), parameter(parameter),
        gradient(getOperand("g", "d" + parameter.str())) {}

  SmallVector<Value> build();

private:
  using Operand = ModelBuilder::Operand;

  /// An elementwise operand, by the name of its value.
  Operand getOperand(StringRef name, StringRef value) const {
    Value tensor = b[value];
    unsigned rank = cast<RankedTensorType>(tensor.getType()).getRank();
    return {name, tensor, llvm::to_vector<2>(llvm::seq(rank))};
  }

  /// The parameter, shrunk, less the rate times `direction` of the inputs.
  Value descend(ArrayRef<Operand> inputs, ModelBuilder::Body direction);
  /// The state `kind` ("m" or "v") by a body of (gradient, state).
  Operand buildMoment(StringRef kind, ModelBuilder::Body body);
  SmallVector<Value> buildMomentum();
  SmallVector<Value> buildAdam();

  ModelBuilder &b;
  const MLPOptions &options;
  StringRef parameter;
  Operand gradient;
};
} // namespace

Value Update::descend(ArrayRef<Operand> inputs, ModelBuilder::Body direction) {
  return b.createGeneric("new_" + parameter, inputs, getOperand("w", parameter),
                         [&](ValueRange in) {
                           Value w = in.back();
                           Value c = b.createInBody<MulFOp>("c", direction(in),
                                                            b["rate"]);
                           if (options.decay != 0)
                             w = b.createInBody<MulFOp>("k", w, b["keep"]);
                           return b.createInBody<SubFOp>("n", w, c);
                         });
}

ModelBuilder::Operand Update::buildMoment(StringRef kind,
                                          ModelBuilder::Body body) {
  std::string name = (kind + "_" + parameter).str();
  Operand moment = getOperand(kind, name);
  moment.value = b.createGeneric("new_" + name, gradient, moment, body);
  return moment;
}

SmallVector<Value> Update::buildMomentum() {
  Operand m = buildMoment("m", [&](ValueRange in) {
    Value k = b.createInBody<MulFOp>("k", in[1], b["momentum"]);
    return b.createInBody<AddFOp>("n", k, in[0]);
  });
  return {descend(m, [](ValueRange in) { return in[0]; }), m.value};
}

SmallVector<Value> Update::buildAdam() {
  Operand m = buildMoment("m", [&](ValueRange in) {
    Value k = b.createInBody<MulFOp>("k", in[1], b["beta1"]);
    Value c = b.createInBody<MulFOp>("c", in[0], b["rest1"]);
    return b.createInBody<AddFOp>("n", k, c);
  });
  Operand v = buildMoment("v", [&](ValueRange in) {
    Value k = b.createInBody<MulFOp>("k", in[1], b["beta2"]);
    Value q = b.createInBody<MulFOp>("q", in[0], in[0]);
    Value c = b.createInBody<MulFOp>("c", q, b["rest2"]);
    return b.createInBody<AddFOp>("n", k, c);
  });
  Value weight = descend({m, v}, [&](ValueRange in) {
    Value s = b.createInBody<math::SqrtOp>("s", in[1]);
    Value d = b.createInBody<AddFOp>("d", s, b["epsilon"]);
    return b.createInBody<arith::DivFOp>("u", in[0], d);
  });
  return {weight, m.value, v.value};
}

SmallVector<Value> Update::build() {
  switch (options.optimizer) {
  case Optimizer::SGD:
    return {descend(gradient, [](ValueRange in) { return in[0]; })};
  case Optimizer::Momentum:
    return buildMomentum();
  case Optimizer::Adam:
    return buildAdam();
  }
  llvm_unreachable("verified");
}

//===----------------------------------------------------------------------===//
// Lazy updates
//===----------------------------------------------------------------------===//

void mlir::sparsedrop::buildPatterns(ModelBuilder &b,
                                     const MLPOptions &options) {
  Builder &builder = b.getBuilder();
  for (size_t layer = 1; layer + 1 < options.widths.size(); ++layer) {
    const LayerDropout *dropout = options.getUnitDropout(layer);
    if (!dropout)
      continue;
    std::string number = std::to_string(layer);
    Value units = b.create<arith::ConstantIndexOp>("units" + number,
                                                   options.widths[layer]);
    IntegerAttr maxPeriod;
    if (dropout->maxPeriod)
      maxPeriod = builder.getI64IntegerAttr(*dropout->maxPeriod);
    auto type =
        PatternType::get(builder.getContext(), PatternKind::Row,
                         dropout->granularity, /*tile=*/{}, TileOrder::Skewed);
    b.create<SampleOp>("p" + number, type, "hidden" + number, b["seed"],
                       b["step"], units, /*index=*/Value(),
                       /*sensitivity=*/Value(), /*importance=*/Value(),
                       /*count=*/Value(), APFloat(dropout->rate), maxPeriod,
                       /*distribution=*/DenseF64ArrayAttr(), dropout->scale,
                       APFloat(DropoutAttr::kDefaultTemperature));
  }
}

namespace {
/// A dimension of a parameter along which the gradients of units that a hidden
/// layer drops are zero.
struct DroppedDim {
  int64_t dim;
  size_t layer;
};
} // namespace

/// Of layer i, the weight is (units of layer i - 1, units of layer i).
static SmallVector<DroppedDim> getDroppedDims(const MLPOptions &options,
                                              StringRef parameter) {
  size_t layer = 0;
  (void)parameter.drop_front().getAsInteger(10, layer);
  SmallVector<DroppedDim> dims;
  bool isWeight = parameter.front() == 'w';
  if (isWeight && options.getUnitDropout(layer - 1))
    dims.push_back({0, layer - 1});
  if (options.getUnitDropout(layer))
    dims.push_back({isWeight, layer});
  return dims;
}

/// `updated` where all of `dims` keep a unit, `old` elsewhere.
static Value buildKeptSlice(ModelBuilder &b, Value updated,
                            const Twine &updatedName, Value old,
                            const Twine &oldName, ArrayRef<DroppedDim> dims) {
  if (dims.empty())
    return updated;
  auto [dim, layer] = dims.front();
  std::string suffix = "_" + std::to_string(layer);
  std::string keptName = (updatedName + suffix).str();
  Value pattern = b["p" + std::to_string(layer)];
  Value value = b.create<CompactOp>(keptName, updated, pattern, dim);
  if (dims.size() > 1) {
    std::string oldKeptName = (oldName + suffix).str();
    Value oldKept = b.create<CompactOp>(oldKeptName, old, pattern, dim);
    value = buildKeptSlice(b, value, keptName, oldKept, oldKeptName,
                           dims.drop_front());
  }
  return b.create<InsertOp>("lazy_" + oldName, old.getType(), value, old,
                            pattern, ArrayRef<int64_t>(dim));
}

SmallVector<Value> mlir::sparsedrop::buildUpdate(ModelBuilder &b,
                                                 const MLPOptions &options,
                                                 StringRef parameter) {
  SmallVector<Value> updates = Update(b, options, parameter).build();
  if (!options.lazy)
    return updates;
  SmallVector<DroppedDim> dims = getDroppedDims(options, parameter);
  static constexpr StringLiteral kPrefixes[] = {"", "m_", "v_"};
  for (auto [updated, prefix] : llvm::zip_first(updates, kPrefixes)) {
    std::string name = (prefix + parameter).str();
    updated = buildKeptSlice(b, updated, "new_" + name, b[name], name, dims);
  }
  return updates;
}
