//===- Recalibrate.cpp - Statistics with nothing dropped ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InlineCalls.h"
#include "LinalgUtils.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/SymbolTable.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_RECALIBRATE
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;

namespace {
/// A result that is a statistic of the batch.
struct Statistic {
  unsigned result;
  unsigned running; ///< number of the argument that is its running value
};
} // namespace

static SmallVector<Statistic> findStatistics(func::FuncOp function) {
  SmallVector<Statistic> statistics;
  for (unsigned i = 0, e = function.getNumResults(); i < e; ++i)
    if (auto running =
            function.getResultAttrOfType<IntegerAttr>(i, kStatisticAttrName))
      statistics.push_back({i, static_cast<unsigned>(running.getInt())});
  return statistics;
}

static void removeMarks(func::FuncOp function) {
  for (const Statistic &statistic : findStatistics(function))
    function.removeResultAttr(
        statistic.result,
        StringAttr::get(function.getContext(), kStatisticAttrName));
}

/// What is called is not looked into any more: it must drop nothing.
static LogicalResult verifyCalls(func::FuncOp function, SymbolTable &symbols) {
  WalkResult result = function.walk([&](func::CallOp call) {
    auto callee = symbols.lookup<func::FuncOp>(call.getCallee());
    if (!callee || callee.isExternal())
      return WalkResult::advance();
    call.emitOpError() << "cannot be recalibrated: it calls '"
                       << call.getCallee()
                       << "', which has branches between blocks; lift them to "
                          "scf first";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

/// Nothing in `function` is dropped any more.
static void removeDropouts(RewriterBase &rewriter, func::FuncOp function) {
  function.walk([&](Operation *op) {
    op->removeAttr(kDropoutAttrName);
    if (auto dropout = dyn_cast<DropoutOp>(op))
      rewriter.replaceOp(dropout, dropout.getSource());
  });
}

/// Makes `clone` return new running statistics, in place, and nothing else.
static void returnStatistics(RewriterBase &rewriter, func::FuncOp clone,
                             ArrayRef<Statistic> statistics) {
  for (unsigned i = 0, e = clone.getNumArguments(); i < e; ++i)
    clone.removeArgAttr(i, kDonateAttrName);
  auto exit = cast<func::ReturnOp>(clone.getBody().front().getTerminator());
  unsigned last = clone.getNumArguments();
  (void)clone.insertArgument(last, rewriter.getF64Type(), DictionaryAttr(),
                             clone.getLoc());
  rewriter.setInsertionPoint(exit);
  SmallVector<Value> results;
  SmallVector<Type> types;
  for (auto [i, statistic] : llvm::enumerate(statistics)) {
    Value running = clone.getArgument(statistic.running);
    Value share = clone.getArgument(last);
    auto element = cast<FloatType>(getElementTypeOrSelf(running.getType()));
    if (element.getWidth() < 64)
      share = arith::TruncFOp::create(rewriter, exit.getLoc(), element, share);
    results.push_back(createBlend(rewriter, exit.getLoc(), running,
                                  exit.getOperand(statistic.result), share));
    types.push_back(running.getType());
    clone.setArgAttr(statistic.running, kDonateAttrName,
                     rewriter.getI64IntegerAttr(i));
  }
  exit.getOperandsMutable().assign(results);
  clone.setResAttrsAttr(ArrayAttr());
  clone.setType(rewriter.getFunctionType(clone.getArgumentTypes(), types));
}

LogicalResult mlir::sparsedrop::recalibrate(RewriterBase &rewriter,
                                            func::FuncOp function) {
  SymbolTable symbols(function->getParentOfType<ModuleOp>());
  std::string name = getRecalibrationName(function.getName());
  if (Operation *existing = symbols.lookup(name))
    return existing->emitError() << "has the name of the recalibration of '"
                                 << function.getName() << "'";
  SmallVector<Statistic> statistics = findStatistics(function);
  for (const Statistic &statistic : statistics)
    if (Type type = function.getResultTypes()[statistic.result];
        !isa<RankedTensorType>(type) ||
        !isDroppable(getElementTypeOrSelf(type)))
      return function.emitOpError()
             << "cannot be recalibrated: expected statistics that are ranked "
                "tensors of floats, but result "
             << statistic.result << " is " << type;
  FailureOr<func::FuncOp> copy =
      cloneWithoutCalls(rewriter, function, "recalibrated");
  if (failed(copy))
    return failure();
  func::FuncOp clone = *copy;
  if (failed(verifyCalls(clone, symbols))) {
    clone.erase();
    return failure();
  }
  removeDropouts(rewriter, clone);
  returnStatistics(rewriter, clone, statistics);
  clone.setName(name);
  symbols.insert(clone);
  return success();
}

namespace {
struct Recalibrate
    : public mlir::sparsedrop::impl::RecalibrateBase<Recalibrate> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<func::FuncOp> functions;
    getOperation().walk([&](func::FuncOp function) {
      if (!findStatistics(function).empty())
        functions.push_back(function);
    });
    for (func::FuncOp function : functions) {
      if (failed(recalibrate(rewriter, function)))
        return signalPassFailure();
      removeMarks(function);
    }
  }
};
} // namespace
