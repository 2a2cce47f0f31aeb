//===- Recalibrate.cpp - Statistics with nothing dropped ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InlineCalls.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
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

/// Nothing in `function` is dropped any more.
static void removeDropouts(RewriterBase &rewriter, func::FuncOp function) {
  function.walk([&](Operation *op) {
    op->removeAttr(kDropoutAttrName);
    if (auto dropout = dyn_cast<DropoutOp>(op))
      rewriter.replaceOp(dropout, dropout.getSource());
  });
}

/// `running + share * (batch - running)`, elementwise.
static Value createBlend(OpBuilder &b, Location loc, Value running, Value batch,
                         Value share) {
  auto type = cast<RankedTensorType>(running.getType());
  auto element = cast<FloatType>(type.getElementType());
  if (element.getWidth() < 64)
    share = arith::TruncFOp::create(b, loc, element, share);
  Value empty = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, running), element);
  AffineMap identity = b.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> loops(type.getRank(),
                                         utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, empty.getType(), ValueRange{running, batch}, empty,
             ArrayRef<AffineMap>{identity, identity, identity}, loops,
             [&](OpBuilder &inner, Location, ValueRange in) {
               Value change = arith::SubFOp::create(inner, loc, in[1], in[0]);
               Value part = arith::MulFOp::create(inner, loc, change, share);
               Value sum = arith::AddFOp::create(inner, loc, in[0], part);
               linalg::YieldOp::create(inner, loc, sum);
             })
      .getResult(0);
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
    Value batch = exit.getOperand(statistic.result);
    results.push_back(createBlend(rewriter, exit.getLoc(), running, batch,
                                  clone.getArgument(last)));
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
  if (function.isExternal())
    return function.emitOpError() << "cannot be recalibrated: it has no body";
  SymbolTable symbols(function->getParentOfType<ModuleOp>());
  std::string name = getRecalibrationName(function.getName());
  if (Operation *existing = symbols.lookup(name))
    return existing->emitError() << "has the name of the recalibration of '"
                                 << function.getName() << "'";
  SmallVector<Statistic> statistics = findStatistics(function);
  rewriter.setInsertionPointAfter(function);
  auto clone = cast<func::FuncOp>(rewriter.clone(*function));
  clone->removeAttr(kDifferentiateAttrName);
  auto fail = [&] {
    clone.erase();
    return failure();
  };
  if (failed(inlineCalls(clone, "recalibrated")))
    return fail();
  if (!clone.getBody().hasOneBlock()) {
    function.emitOpError() << "cannot be recalibrated: it has branches between "
                              "blocks; lift them to scf first";
    return fail();
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
