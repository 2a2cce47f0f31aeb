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

SmallVector<Value> mlir::sparsedrop::buildUpdate(ModelBuilder &builder,
                                                 const MLPOptions &options,
                                                 StringRef parameter) {
  return Update(builder, options, parameter).build();
}
