//===- MLP.cpp - Functions of a multilayer perceptron ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ModelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/Sequence.h"

using namespace mlir;
using namespace mlir::sparsedrop;

static constexpr StringLiteral kLossName = "loss";

namespace {
/// Names and shapes of what goes in and out of the functions.
struct Signature {
  explicit Signature(const MLPOptions &options)
      : x{"x", {options.batch, options.widths.front()}},
        target{"target", {options.batch, options.widths.back()}, true},
        loss{"loss", {}, true}, rate{"learning_rate", {}, true},
        parameters(options.getParameters()), state(options.getState()) {}

  NamedShape x, target, loss, rate;
  SmallVector<NamedShape> parameters, state;
};
} // namespace

static SmallVector<NamedShape> concat(std::initializer_list<NamedShape> first,
                                      ArrayRef<NamedShape> second) {
  SmallVector<NamedShape> result(first);
  llvm::append_range(result, second);
  return result;
}

/// @loss(x, target, parameters...), differentiated by the parameters.
static void buildLossFunction(ModelBuilder &b, const MLPOptions &options,
                              const Signature &signature) {
  auto arguments =
      concat({signature.x, signature.target}, signature.parameters);
  auto function = b.startFunction(kLossName, arguments, signature.loss);
  Builder &builder = b.getBuilder();
  auto wrt = llvm::to_vector(llvm::seq<int64_t>(2, arguments.size()));
  function->setAttr(kDifferentiateAttrName,
                    builder.getDictionaryAttr(builder.getNamedAttr(
                        "wrt", builder.getI64ArrayAttr(wrt))));
  buildForward(b, options);
  b.endFunction(buildLoss(b, options));
}

/// @predict(x, parameters...).
static void buildPredictFunction(ModelBuilder &b, const MLPOptions &options,
                                 const Signature &signature) {
  NamedShape logits = {"y", signature.target.shape};
  b.startFunction("predict", concat({signature.x}, signature.parameters),
                  logits);
  b.endFunction(buildForward(b, options));
}

/// The declaration of the gradient of @loss: the loss, and its gradient by each
/// parameter.
static func::FuncOp buildGradientDeclaration(ModelBuilder &b,
                                             const Signature &signature) {
  auto arguments =
      concat({signature.x, signature.target}, signature.parameters);
  auto results = concat({signature.loss}, signature.parameters);
  std::string name = getGradientName(kLossName);
  auto function =
      func::FuncOp::create(b.getBuilder(), b.getLoc(name), name,
                           b.getBuilder().getFunctionType(b.getTypes(arguments),
                                                          b.getTypes(results)));
  function.setPrivate();
  return function;
}

/// Calls the gradient and puts its results under the names of the parameters,
/// "dw1" and so on. Returns the loss.
static Value buildGradientCall(ModelBuilder &b, const Signature &signature,
                               func::FuncOp gradient) {
  SmallVector<Value> operands = {b["x"], b["target"]};
  for (const NamedShape &parameter : signature.parameters)
    operands.push_back(b[parameter.name]);
  auto call = func::CallOp::create(b.getBuilder(), b.getLoc("gradients"),
                                   gradient, operands);
  for (auto [parameter, result] :
       llvm::zip_equal(signature.parameters, call.getResults().drop_front()))
    b.set("d" + parameter.name, result);
  return call.getResult(0);
}

/// Gives @step, which is being built, a last argument of type i64.
static void addDrawArgument(ModelBuilder &b, func::FuncOp function,
                            StringRef name, StringRef attribute) {
  Builder &builder = b.getBuilder();
  unsigned index = function.getNumArguments();
  (void)function.insertArgument(index, builder.getI64Type(),
                                builder.getDictionaryAttr(builder.getNamedAttr(
                                    attribute, builder.getUnitAttr())),
                                b.getLoc(name));
  b.set(name, function.getArgument(index));
}

/// @step(x, target, parameters..., state..., learning_rate); parameters and
/// state are donated to results 1 and so on. Where updates are lazy, seed and
/// step come last.
static void buildStepFunction(ModelBuilder &b, const MLPOptions &options,
                              const Signature &signature,
                              func::FuncOp gradient) {
  auto donated = concat({}, signature.parameters);
  llvm::append_range(donated, signature.state);
  auto arguments = concat({signature.x, signature.target}, donated);
  arguments.push_back(signature.rate);
  auto function =
      b.startFunction("step", arguments, concat({signature.loss}, donated));
  for (size_t i = 1; i <= donated.size(); ++i)
    function.setArgAttr(i + 1, kDonateAttrName,
                        b.getBuilder().getI64IntegerAttr(i));
  bool draws =
      options.lazy &&
      llvm::any_of(llvm::seq<size_t>(1, options.widths.size()),
                   [&](size_t i) { return options.getUnitDropout(i); });
  if (draws) {
    addDrawArgument(b, function, "seed", kSeedAttrName);
    addDrawArgument(b, function, "step", kStepAttrName);
  }
  SmallVector<Value> results = {buildGradientCall(b, signature, gradient)};
  buildUpdateConstants(b, options);
  if (draws)
    buildPatterns(b, options);
  SmallVector<SmallVector<Value>> updates;
  for (const NamedShape &parameter : signature.parameters)
    updates.push_back(buildUpdate(b, options, parameter.name));
  for (size_t k = 0; k < updates.front().size(); ++k)
    for (ArrayRef<Value> update : updates)
      results.push_back(update[k]);
  b.endFunction(results);
}

FailureOr<OwningOpRef<ModuleOp>>
mlir::sparsedrop::buildMLP(Location loc, const MLPOptions &options) {
  if (failed(verifyOptions(loc, options)))
    return failure();
  MLIRContext *context = loc.getContext();
  context->loadDialect<arith::ArithDialect, func::FuncDialect,
                       linalg::LinalgDialect, math::MathDialect,
                       tensor::TensorDialect, SparseDropDialect>();
  Type elementType =
      options.elementType ? options.elementType : Float32Type::get(context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  ModelBuilder builder(*module, elementType);
  Signature signature(options);
  buildLossFunction(builder, options, signature);
  buildPredictFunction(builder, options, signature);
  func::FuncOp gradient = buildGradientDeclaration(builder, signature);
  buildStepFunction(builder, options, signature, gradient);
  return module;
}
