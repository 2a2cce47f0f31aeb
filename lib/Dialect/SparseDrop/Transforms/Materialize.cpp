//===- Materialize.cpp - Annotations become ops ---------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LinalgUtils.h"

#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h"
#include "sparsedrop/Sampling/Channel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_MATERIALIZE
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

//===----------------------------------------------------------------------===//
// Seed and step
//===----------------------------------------------------------------------===//

static std::optional<unsigned> findArgument(func::FuncOp function,
                                            StringRef attribute) {
  for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i)
    if (function.getArgAttr(i, attribute))
      return i;
  return std::nullopt;
}

static bool needsArgument(func::FuncOp function, StringRef attribute) {
  return !findArgument(function, attribute);
}

/// Whether some annotation in `function` drops anything.
static bool hasAnnotations(func::FuncOp function) {
  WalkResult result = function.walk([](Operation *op) {
    SmallVector<DropoutAttr> annotations;
    getDropoutAnnotations(op, annotations);
    for (DropoutAttr annotation : annotations)
      if (!annotation.getRate().isZero())
        return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return result.wasInterrupted();
}

namespace {
/// A function that needs seed and step, and the calls that must pass them.
struct Threading {
  SmallVector<func::CallOp> calls;
  bool gainsSeed = false, gainsStep = false;
  func::FuncOp primal; ///< of a gradient that is declared
};
using ThreadingMap = llvm::MapVector<func::FuncOp, Threading>;
} // namespace

/// Functions with annotations, and those that call one which gains arguments.
static LogicalResult collectFunctions(ModuleOp module, ThreadingMap &needed) {
  SmallVector<func::FuncOp> worklist;
  auto addGradient = [&](func::FuncOp gradient, func::FuncOp function) {
    if (!needed.insert({gradient, Threading()}).second)
      return;
    Threading &threading = needed[gradient];
    threading.primal = function;
    threading.gainsSeed = needsArgument(gradient, kSeedAttrName);
    threading.gainsStep = needsArgument(gradient, kStepAttrName);
    worklist.push_back(gradient);
  };
  auto add = [&](func::FuncOp function) {
    auto [it, isNew] = needed.insert({function, Threading()});
    if (!isNew)
      return;
    it->second.gainsSeed = needsArgument(function, kSeedAttrName);
    it->second.gainsStep = needsArgument(function, kStepAttrName);
    worklist.push_back(function);
    // A declared gradient will take what its function takes.
    auto gradient =
        module.lookupSymbol<func::FuncOp>(getGradientName(function.getName()));
    if (function->hasAttr(kDifferentiateAttrName) && gradient &&
        gradient.isExternal())
      addGradient(gradient, function);
  };
  module.walk([&](func::FuncOp function) {
    if (!function.isExternal() && hasAnnotations(function))
      add(function);
  });
  SymbolTableCollection symbolTables;
  SymbolUserMap users(symbolTables, module);
  while (!worklist.empty()) {
    func::FuncOp function = worklist.pop_back_val();
    Threading threading = needed.lookup(function);
    if (!threading.gainsSeed && !threading.gainsStep)
      continue;
    for (Operation *user : users.getUsers(function)) {
      auto call = dyn_cast<func::CallOp>(user);
      if (!call)
        return user->emitError()
               << "uses function '" << function.getName()
               << "' other than by a call, but it gains seed and step "
                  "arguments for its dropouts; give it arguments marked "
               << kSeedAttrName << " and " << kStepAttrName;
      threading.calls.push_back(call);
      add(call->getParentOfType<func::FuncOp>());
    }
    needed[function] = threading;
  }
  return success();
}

/// Gives `function` the argument, if it lacks it: behind the others, or where
/// `primal` has it.
static void gainArgument(func::FuncOp function, StringRef attribute,
                         func::FuncOp primal) {
  if (findArgument(function, attribute))
    return;
  Builder builder(function.getContext());
  unsigned index =
      primal ? *findArgument(primal, attribute) : function.getNumArguments();
  DictionaryAttr attributes = builder.getDictionaryAttr(
      builder.getNamedAttr(attribute, builder.getUnitAttr()));
  (void)function.insertArgument(index, builder.getI64Type(), attributes,
                                function.getLoc());
}

/// Passes the argument of the caller on at `call` to `function`.
static void passArgument(func::CallOp call, func::FuncOp function,
                         StringRef attribute) {
  auto caller = call->getParentOfType<func::FuncOp>();
  Value value = caller.getArgument(*findArgument(caller, attribute));
  unsigned index = *findArgument(function, attribute);
  call.getOperandsMutable().slice(index, 0).append(value);
}

/// Adds the arguments and passes them on at calls.
static void threadArguments(const ThreadingMap &needed) {
  for (const auto &[function, threading] : needed) {
    gainArgument(function, kSeedAttrName, threading.primal);
    gainArgument(function, kStepAttrName, threading.primal);
  }
  for (const auto &[function, threading] : needed)
    for (func::CallOp call : threading.calls) {
      if (threading.gainsSeed)
        passArgument(call, function, kSeedAttrName);
      if (threading.gainsStep)
        passArgument(call, function, kStepAttrName);
    }
}

//===----------------------------------------------------------------------===//
// Patterns
//===----------------------------------------------------------------------===//

namespace {
/// Turns the annotations of one function into ops, one pattern a site.
class FunctionMaterializer {
public:
  explicit FunctionMaterializer(func::FuncOp function)
      : function(function), builder(function.getContext()) {}

  LogicalResult run() {
    SmallVector<LinalgOp> annotated;
    function.walk([&](LinalgOp op) {
      if (op->hasAttr(kDropoutAttrName))
        annotated.push_back(op);
    });
    for (LinalgOp op : annotated)
      if (failed(materialize(op)))
        return failure();
    return success();
  }

private:
  /// What a site was first used with.
  struct Site {
    DropoutAttr annotation;
    LinalgOp op;
    SmallVector<int64_t> extents; // static, or kDynamic
    Value pattern;                // null where an extent is dynamic
  };

  LogicalResult materialize(LinalgOp op);
  LogicalResult materialize(LinalgOp op, DropoutAttr annotation);
  LogicalResult checkSite(LinalgOp op, DropoutAttr annotation, Site &site,
                          ArrayRef<int64_t> extents);
  LogicalResult checkArguments(LinalgOp op, DropoutAttr annotation,
                               ArrayRef<int64_t> extents);
  Value createPattern(LinalgOp op, DropoutAttr annotation, Value operand,
                      ArrayRef<int64_t> dims);
  Value createDropout(Location loc, Value value, Value pattern,
                      ArrayRef<int64_t> dims);
  Value createChannelCount(Location loc, DropoutAttr annotation, Value extent);
  Value createKeepShare(Location loc, StringRef site, Value rate);
  Value findArgument(StringRef attribute, StringRef site);

  func::FuncOp function;
  OpBuilder builder;
  llvm::StringMap<Site> sites;
};
} // namespace

LogicalResult FunctionMaterializer::materialize(LinalgOp op) {
  SmallVector<DropoutAttr> annotations;
  getDropoutAnnotations(op, annotations);
  op->removeDiscardableAttr(kDropoutAttrName);
  for (DropoutAttr annotation : annotations)
    if (failed(materialize(op, annotation)))
      return failure();
  return success();
}

LogicalResult FunctionMaterializer::checkSite(LinalgOp op,
                                              DropoutAttr annotation,
                                              Site &site,
                                              ArrayRef<int64_t> extents) {
  if (!site.annotation) {
    site.annotation = annotation;
    site.op = op;
    site.extents = SmallVector<int64_t>(extents);
    return success();
  }
  bool sameExtents = true;
  for (auto [a, b] : llvm::zip_equal(site.extents, extents))
    sameExtents &=
        ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
  if (site.annotation.sameSite(annotation) && sameExtents)
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError()
                                  << "uses site \"" << annotation.getSite()
                                  << "\" with other "
                                  << (sameExtents ? "parameters" : "extents")
                                  << " than before: got ";
  if (sameExtents)
    diagnostic << annotation;
  else
    diagnostic << extents;
  diagnostic.attachNote(site.op->getLoc())
      << "first used here" << (sameExtents ? "" : " with another extent");
  return diagnostic;
}

/// The argument that is marked for a site.
Value FunctionMaterializer::findArgument(StringRef attribute, StringRef site) {
  for (BlockArgument argument : function.getArguments()) {
    auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                      attribute);
    if (name && name.getValue() == site)
      return argument;
  }
  return {};
}

/// 1 - `rate` (f64), a rate that is known at run time only.
Value FunctionMaterializer::createKeepShare(Location loc, StringRef site,
                                            Value rate) {
  auto number = [&](double value) -> Value {
    return arith::ConstantFloatOp::create(builder, loc, builder.getF32Type(),
                                          APFloat(static_cast<float>(value)));
  };
  // Ordered comparisons: NaN fails.
  Value isRate = arith::AndIOp::create(
      builder, loc,
      arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OGE, rate,
                            number(0)),
      arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OLT, rate,
                            number(1)));
  cf::AssertOp::create(builder, loc, isRate,
                       "expected the rate of site \"" + site.str() +
                           "\" in [0, 1)");
  Value one = arith::ConstantFloatOp::create(builder, loc, builder.getF64Type(),
                                             APFloat(1.0));
  Value wide = arith::ExtFOp::create(builder, loc, builder.getF64Type(), rate);
  return arith::SubFOp::create(builder, loc, one, wide);
}

/// max(m, m * round((1 - rate) * C / m)), at most C (paper, section C.3).
Value FunctionMaterializer::createChannelCount(Location loc,
                                               DropoutAttr annotation,
                                               Value extent) {
  Value rate = findArgument(kRateAttrName, annotation.getSite());
  auto constant = extent.getDefiningOp<arith::ConstantIndexOp>();
  if (constant && !rate)
    return arith::ConstantIndexOp::create(
        builder, loc,
        sampling::channelCount(annotation.getRateAsDouble(), constant.value(),
                               annotation.getMultiple()));
  Type f64 = builder.getF64Type();
  auto number = [&](double value) -> Value {
    return arith::ConstantFloatOp::create(builder, loc, builder.getF64Type(),
                                          APFloat(value));
  };
  Value multiple =
      arith::ConstantIndexOp::create(builder, loc, annotation.getMultiple());
  Value integer =
      arith::IndexCastOp::create(builder, loc, builder.getI64Type(), extent);
  Value channels = arith::SIToFPOp::create(builder, loc, f64, integer);
  Value share = rate ? createKeepShare(loc, annotation.getSite(), rate)
                     : number(1 - annotation.getRateAsDouble());
  // In the order of sampling::channelCount, which rounds alike.
  Value groups = arith::DivFOp::create(
      builder, loc, arith::MulFOp::create(builder, loc, share, channels),
      number(static_cast<double>(annotation.getMultiple())));
  Value half = arith::AddFOp::create(builder, loc, groups, number(0.5));
  Value rounded = arith::IndexCastOp::create(
      builder, loc, builder.getIndexType(),
      arith::FPToSIOp::create(builder, loc, builder.getI64Type(), half));
  Value count = arith::MulIOp::create(builder, loc, rounded, multiple);
  count = arith::MaxSIOp::create(builder, loc, count, multiple);
  return arith::MinSIOp::create(builder, loc, count, extent);
}

Value FunctionMaterializer::createPattern(LinalgOp op, DropoutAttr annotation,
                                          Value operand,
                                          ArrayRef<int64_t> dims) {
  Location loc = op.getLoc();
  SmallVector<Value> extents;
  for (int64_t dim : dims)
    extents.push_back(builder.createOrFold<tensor::DimOp>(loc, operand, dim));
  bool isChannel = annotation.getKind() == PatternKind::Channel;
  Value sensitivity, importance, count;
  if (isChannel) {
    sensitivity = findArgument(kSensitivityAttrName, annotation.getSite());
    importance = findArgument(kImportanceAttrName, annotation.getSite());
    count = createChannelCount(loc, annotation, extents[0]);
  }
  auto type = PatternType::get(builder.getContext(), annotation.getKind(),
                               annotation.getGranularity(),
                               annotation.getTile(), annotation.getOrder());
  return SampleOp::create(
      builder, loc, type, annotation.getSite(),
      function.getArgument(*::findArgument(function, kSeedAttrName)),
      function.getArgument(*::findArgument(function, kStepAttrName)), extents,
      /*index=*/Value(), sensitivity, importance, count, annotation.getRate(),
      /*max_period=*/IntegerAttr(), annotation.getDistribution(),
      annotation.getScale(), annotation.getTemperature());
}

/// Checks what arguments give for a channel site.
LogicalResult FunctionMaterializer::checkArguments(LinalgOp op,
                                                   DropoutAttr annotation,
                                                   ArrayRef<int64_t> extents) {
  if (annotation.getKind() != PatternKind::Channel)
    return success();
  StringRef site = annotation.getSite();
  if (annotation.getScale() == ScaleMode::Energy &&
      !findArgument(kImportanceAttrName, site))
    return op.emitOpError()
           << "asks for scale 'energy' at site \"" << site
           << "\", which needs an argument marked " << kImportanceAttrName;
  for (StringRef attribute : {kSensitivityAttrName, kImportanceAttrName}) {
    Value values = findArgument(attribute, site);
    auto type = values ? dyn_cast<RankedTensorType>(values.getType()) : nullptr;
    if (!type || type.isDynamicDim(0) || ShapedType::isDynamic(extents[0]) ||
        type.getDimSize(0) == extents[0])
      continue;
    return op.emitOpError() << "has " << extents[0] << " channels at site \""
                            << site << "\", but the argument marked "
                            << attribute << " has " << type.getDimSize(0);
  }
  return success();
}

/// The dropout of `value`. What zeros were put around is dropped before that:
/// the dropped activation is the one without its padding.
Value FunctionMaterializer::createDropout(Location loc, Value value,
                                          Value pattern,
                                          ArrayRef<int64_t> dims) {
  tensor::PadOp pad = getZeroPad(value);
  bool isInside = pad && llvm::none_of(dims, [&](int64_t dim) {
                    return !isZeroInteger(pad.getMixedLowPad()[dim]) ||
                           !isZeroInteger(pad.getMixedHighPad()[dim]);
                  });
  if (!isInside)
    return DropoutOp::create(builder, loc, value.getType(), value, pattern,
                             dims, /*unscaled=*/false);
  Value dropped = createDropout(loc, pad.getSource(), pattern, dims);
  IRMapping mapping;
  mapping.map(pad.getSource(), dropped);
  return cast<tensor::PadOp>(builder.clone(*pad, mapping)).getResult();
}

LogicalResult FunctionMaterializer::materialize(LinalgOp op,
                                                DropoutAttr annotation) {
  FailureOr<SmallVector<int64_t>> dims = inferDroppedDims(op, annotation);
  if (failed(dims))
    return failure();
  OpOperand &operand = *op.getDpsInputOperand(annotation.getOperand());
  auto type = cast<RankedTensorType>(operand.get().getType());
  SmallVector<int64_t> extents;
  for (int64_t dim : *dims)
    extents.push_back(type.getDimSize(dim));
  Site &site = sites[annotation.getSite()];
  if (failed(checkSite(op, annotation, site, extents)))
    return failure();
  // No dropout, but a use of the site like any other.
  if (annotation.getRate().isZero())
    return success();
  if (failed(checkArguments(op, annotation, extents)))
    return failure();

  // Where the extent is static one draw at the entry serves all uses.
  bool isStatic = !llvm::is_contained(extents, ShapedType::kDynamic);
  Value pattern = isStatic ? site.pattern : Value();
  if (!pattern) {
    if (isStatic)
      builder.setInsertionPointToStart(&function.front());
    else
      builder.setInsertionPoint(op);
    pattern = createPattern(op, annotation, operand.get(), *dims);
    if (isStatic)
      site.pattern = pattern;
  }
  builder.setInsertionPoint(op);
  operand.set(createDropout(op.getLoc(), operand.get(), pattern, *dims));
  return success();
}

LogicalResult mlir::sparsedrop::verifySites(Operation *root) {
  llvm::StringMap<SampleOp> samples;
  WalkResult result = root->walk([&](SampleOp op) {
    SampleOp &first = samples[op.getSite()];
    if (!first)
      first = op;
    bool sameExtents = true;
    for (auto [a, b] : llvm::zip(first.getExtents(), op.getExtents())) {
      APInt known, other;
      if (matchPattern(a, m_ConstantInt(&known)) &&
          matchPattern(b, m_ConstantInt(&other)))
        sameExtents &= known == other;
    }
    if (sameExtents &&
        first.getPattern().getType() == op.getPattern().getType() &&
        first.getRateAttr() == op.getRateAttr() &&
        first.getDistributionAttr() == op.getDistributionAttr() &&
        first.getTemperature().bitwiseIsEqual(op.getTemperature()) &&
        first.getScale() == op.getScale())
      return WalkResult::advance();
    InFlightDiagnostic diagnostic =
        op.emitOpError() << "uses site \"" << op.getSite() << "\" with other "
                         << (sameExtents ? "parameters" : "extents")
                         << " than before";
    diagnostic.attachNote(first.getLoc()) << "first used here";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

LogicalResult mlir::sparsedrop::materializeDropout(ModuleOp module) {
  ThreadingMap needed;
  if (failed(collectFunctions(module, needed)))
    return failure();
  threadArguments(needed);
  WalkResult result = module.walk([](func::FuncOp function) {
    if (failed(FunctionMaterializer(function).run()))
      return WalkResult::interrupt();
    return WalkResult::skip();
  });
  return failure(result.wasInterrupted());
}

namespace {
struct Materialize
    : public mlir::sparsedrop::impl::MaterializeBase<Materialize> {
  void runOnOperation() override {
    if (failed(materializeDropout(getOperation())))
      signalPassFailure();
  }
};
} // namespace
