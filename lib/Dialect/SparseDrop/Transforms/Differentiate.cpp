//===- Differentiate.cpp - Gradients of functions -------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InlineCalls.h"
#include "MeasureChannels.h"
#include "ReverseSweep.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_DIFFERENTIATE
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;

//===----------------------------------------------------------------------===//
// What is asked for
//===----------------------------------------------------------------------===//

namespace {
/// The numbers in the attribute of a function, checked.
struct Request {
  SmallVector<int64_t> arguments; ///< wrt
  SmallVector<int64_t> results;   ///< of
  /// Share of what is known of channels that stays when they are measured
  /// again; paper, section C.3.
  double average = 0.9;
  bool samplesApart = false; ///< of sensitivities
};
} // namespace

static bool isDifferentiable(Type type) {
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    type = tensor.getElementType();
  return isa<FloatType>(type);
}

/// The numbers under `name`; all floats of `types` when the attribute does not
/// say.
static LogicalResult readNumbers(func::FuncOp function, StringRef name,
                                 StringRef what, TypeRange types,
                                 bool allByDefault,
                                 SmallVectorImpl<int64_t> &numbers) {
  auto dictionary =
      function->getAttrOfType<DictionaryAttr>(kDifferentiateAttrName);
  auto list = dictionary ? dictionary.getAs<ArrayAttr>(name) : ArrayAttr();
  if (!list) {
    for (auto [i, type] : llvm::enumerate(types))
      if (allByDefault || isDifferentiable(type))
        numbers.push_back(i);
  } else {
    for (IntegerAttr number : list.getAsRange<IntegerAttr>())
      numbers.push_back(number.getInt());
  }
  for (int64_t number : numbers)
    if (!isDifferentiable(types[number]))
      return function.emitOpError()
             << "cannot be differentiated: " << what << ' ' << number
             << " is no float and no tensor of floats but " << types[number]
             << (list ? "" : "; name others with '") << (list ? "" : name)
             << (list ? "" : "'");
  if (numbers.empty())
    return function.emitOpError()
           << "cannot be differentiated: it has no " << what << " of floats";
  return success();
}

static FailureOr<Request> readRequest(func::FuncOp function) {
  Request request;
  if (failed(readNumbers(function, "wrt", "argument",
                         function.getArgumentTypes(), /*allByDefault=*/false,
                         request.arguments)) ||
      failed(readNumbers(function, "of", "result", function.getResultTypes(),
                         /*allByDefault=*/true, request.results)))
    return failure();
  auto dictionary =
      function->getAttrOfType<DictionaryAttr>(kDifferentiateAttrName);
  bool isNamed = dictionary && dictionary.contains("wrt");
  auto isRate = [&](int64_t number) {
    return function.getArgAttr(number, kRateAttrName) != nullptr;
  };
  if (isNamed && llvm::any_of(request.arguments, isRate))
    return function.emitOpError()
           << "cannot be differentiated by a drop rate, which is an argument "
              "marked "
           << kRateAttrName;
  llvm::erase_if(request.arguments, isRate);
  if (auto average =
          dictionary ? dictionary.getAs<FloatAttr>("average") : FloatAttr())
    request.average = average.getValueAsDouble();
  if (auto of = dictionary ? dictionary.getAs<StringAttr>("sensitivity")
                           : StringAttr())
    request.samplesApart = of == "sample";
  return request;
}

//===----------------------------------------------------------------------===//
// Preparation
//===----------------------------------------------------------------------===//

/// Elementwise ops on tensors and softmax become structured ops.
static LogicalResult structureOps(RewriterBase &rewriter,
                                  func::FuncOp function) {
  RewritePatternSet patterns(function.getContext());
  linalg::populateElementwiseToLinalgConversionPatterns(patterns);
  if (failed(applyPatternsGreedily(function, std::move(patterns))))
    return failure();
  SmallVector<linalg::AggregatedOpInterface> aggregates;
  function.walk(
      [&](linalg::AggregatedOpInterface op) { aggregates.push_back(op); });
  for (linalg::AggregatedOpInterface op : aggregates) {
    rewriter.setInsertionPoint(op);
    FailureOr<SmallVector<Value>> parts = op.decomposeOperation(rewriter);
    if (failed(parts))
      return op->emitOpError() << "cannot be differentiated";
    rewriter.replaceOp(op, *parts);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// The gradient of a function
//===----------------------------------------------------------------------===//

/// Whether the adjoint of a result is 1 rather than an argument.
static bool isScalar(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return !tensor || tensor.getRank() == 0;
}

/// The adjoint of result `value`: 1, or a new argument of `gradient`.
static Value createSeed(RewriterBase &rewriter, func::FuncOp gradient,
                        Value value) {
  Type type = value.getType();
  if (!isScalar(type)) {
    unsigned index = gradient.getNumArguments();
    (void)gradient.insertArgument(index, type, DictionaryAttr(),
                                  gradient.getLoc());
    return gradient.getArgument(index);
  }
  TypedAttr one = rewriter.getFloatAttr(getElementTypeOrSelf(type), 1);
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    one = DenseElementsAttr::get(tensor, one);
  return arith::ConstantOp::create(rewriter, value.getLoc(), one);
}

/// Whether an argument is what is known of channels: it has no gradient but is
/// updated.
static bool isMeasure(func::FuncOp function, unsigned argument) {
  return function.getArgAttr(argument, kSensitivityAttrName) ||
         function.getArgAttr(argument, kImportanceAttrName);
}

/// Adds the backward sweep to a clone of the function, and its results.
static LogicalResult addSweep(RewriterBase &rewriter, func::FuncOp gradient,
                              const Request &request) {
  Block &body = gradient.getBody().front();
  auto exit = cast<func::ReturnOp>(body.getTerminator());
  Activity activity;
  for (int64_t number : request.arguments)
    activity.insert(gradient.getArgument(number));
  SmallVector<Operation *> ops;
  for (Operation &op : body.without_terminator()) {
    activity.propagate(op);
    ops.push_back(&op);
  }
  rewriter.setInsertionPoint(exit);
  ReverseSweep sweep(rewriter, activity);
  sweep.samplesApart = request.samplesApart;
  findChannelWeights(sweep, ops);
  for (int64_t number : request.results) {
    Value value = exit.getOperand(number);
    sweep.add(value, createSeed(rewriter, gradient, value));
  }
  if (failed(sweep.run(ops)))
    return failure();
  SmallVector<Value> results(exit.getOperands());
  for (int64_t number : request.arguments) {
    BlockArgument argument = gradient.getArgument(number);
    if (!isMeasure(gradient, number)) {
      results.push_back(sweep.getOrZeros(argument));
      continue;
    }
    FailureOr<Value> updated =
        updateChannels(sweep, gradient, argument, request.average);
    if (failed(updated))
      return failure();
    results.push_back(*updated);
  }
  rewriter.modifyOpInPlace(exit,
                           [&] { exit.getOperandsMutable().assign(results); });
  for (unsigned i = gradient.getNumResults(), e = results.size(); i < e; ++i)
    (void)gradient.insertResult(i, results[i].getType(), DictionaryAttr());
  llvm::SmallPtrSet<Operation *, 32> primal(ops.begin(), ops.end());
  SmallVector<Operation *> slices;
  for (tensor::ExtractSliceOp slice : body.getOps<tensor::ExtractSliceOp>())
    if (!primal.contains(slice))
      slices.push_back(slice);
  narrowSlices(rewriter, slices);
  return success();
}

/// Gives the gradient its name, in the place of a declaration if there is one.
static LogicalResult nameGradient(func::FuncOp function, func::FuncOp gradient,
                                  SymbolTable &symbols) {
  std::string name = getGradientName(function.getName());
  Operation *existing = symbols.lookup(name);
  if (existing) {
    auto declaration = dyn_cast<func::FuncOp>(existing);
    if (!declaration || !declaration.isExternal())
      return existing->emitError() << "has the name of the gradient of '"
                                   << function.getName() << "'";
    if (declaration.getFunctionType() != gradient.getFunctionType())
      return declaration.emitOpError()
             << "declares the gradient of '" << function.getName()
             << "', whose type is " << gradient.getFunctionType();
    gradient.setVisibility(declaration.getVisibility());
    symbols.erase(declaration);
  }
  gradient.setName(name);
  symbols.insert(gradient);
  return success();
}

LogicalResult mlir::sparsedrop::differentiate(RewriterBase &rewriter,
                                              func::FuncOp function) {
  FailureOr<Request> request = readRequest(function);
  if (failed(request))
    return failure();
  WalkResult annotated = function.walk([](Operation *op) {
    if (!op->hasAttr(kDropoutAttrName))
      return WalkResult::advance();
    op->emitError() << "carries a dropout annotation that has not been "
                       "materialized; run sparsedrop-materialize first";
    return WalkResult::interrupt();
  });
  if (annotated.wasInterrupted())
    return failure();
  auto module = function->getParentOfType<ModuleOp>();
  FailureOr<func::FuncOp> clone =
      cloneWithoutCalls(rewriter, function, "differentiated");
  if (failed(clone))
    return failure();
  func::FuncOp gradient = *clone;
  SymbolTable symbols(module);
  if (failed(structureOps(rewriter, gradient)) ||
      failed(addSweep(rewriter, gradient, *request)) ||
      failed(nameGradient(function, gradient, symbols))) {
    gradient.erase();
    return failure();
  }
  return success();
}

namespace {
struct Differentiate
    : public mlir::sparsedrop::impl::DifferentiateBase<Differentiate> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<func::FuncOp> functions;
    getOperation().walk([&](func::FuncOp function) {
      if (function->hasAttr(kDifferentiateAttrName))
        functions.push_back(function);
    });
    for (func::FuncOp function : functions) {
      if (failed(differentiate(rewriter, function)))
        return signalPassFailure();
      function->removeAttr(kDifferentiateAttrName);
    }
  }
};
} // namespace
