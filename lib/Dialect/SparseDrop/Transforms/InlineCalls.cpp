//===- InlineCalls.cpp - Functions without calls --------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InlineCalls.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Transforms/Inliner.h"
#include "mlir/Transforms/InliningUtils.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// Whether calls lead from `function` back to itself.
static bool isRecursive(func::FuncOp function, SymbolTableCollection &symbols,
                        llvm::SmallPtrSetImpl<Operation *> &open,
                        llvm::SmallPtrSetImpl<Operation *> &done) {
  if (done.contains(function))
    return false;
  if (!open.insert(function).second)
    return true;
  WalkResult result = function.walk([&](func::CallOp call) {
    auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(
        call, call.getCalleeAttr());
    return callee && isRecursive(callee, symbols, open, done)
               ? WalkResult::interrupt()
               : WalkResult::advance();
  });
  open.erase(function);
  done.insert(function);
  return result.wasInterrupted();
}

/// Puts the bodies of called functions in the place of their calls.
static LogicalResult inlineCalls(func::FuncOp function, StringRef purpose) {
  SymbolTableCollection symbols;
  llvm::SmallPtrSet<Operation *, 8> open, done;
  if (isRecursive(function, symbols, open, done))
    return function.emitOpError()
           << "cannot be " << purpose << ": it calls itself";
  InlinerInterface interface(function.getContext());
  InlinerConfig config;
  SmallVector<func::CallOp> calls;
  auto collect = [&] {
    calls.clear();
    function.walk([&](func::CallOp call) {
      auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(
          call, call.getCalleeAttr());
      if (callee && !callee.isExternal() && callee.getBody().hasOneBlock())
        calls.push_back(call);
    });
    return !calls.empty();
  };
  while (collect())
    for (func::CallOp call : calls) {
      auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(
          call, call.getCalleeAttr());
      if (failed(inlineCall(interface, config.getCloneCallback(), call, callee,
                            &callee.getBody())))
        return call.emitOpError() << "cannot be inlined";
      call.erase();
    }
  return success();
}

FailureOr<func::FuncOp>
mlir::sparsedrop::cloneWithoutCalls(RewriterBase &rewriter,
                                    func::FuncOp function, StringRef purpose) {
  if (function.isExternal())
    return function.emitOpError()
           << "cannot be " << purpose << ": it has no body";
  rewriter.setInsertionPointAfter(function);
  auto clone = cast<func::FuncOp>(rewriter.clone(*function));
  clone->removeAttr(kDifferentiateAttrName);
  if (failed(inlineCalls(clone, purpose))) {
    clone.erase();
    return failure();
  }
  if (clone.getBody().hasOneBlock())
    return clone;
  clone.erase();
  return function.emitOpError()
         << "cannot be " << purpose
         << ": it has branches between blocks; lift them to scf first";
}
