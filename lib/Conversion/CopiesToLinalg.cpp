//===- CopiesToLinalg.cpp - Strided copies as structured ops --------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_COPIESTOLINALG
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

namespace {
struct CopiesToLinalg
    : public sparsedrop::impl::CopiesToLinalgBase<CopiesToLinalg> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    getOperation().walk([&](memref::CopyOp op) {
      auto source = dyn_cast<MemRefType>(op.getSource().getType());
      auto target = dyn_cast<MemRefType>(op.getTarget().getType());
      if (!source || !target || (source.getLayout().isIdentity() &&
                                 target.getLayout().isIdentity()))
        return;
      rewriter.setInsertionPoint(op);
      rewriter.replaceOpWithNewOp<linalg::CopyOp>(op, op.getSource(),
                                                  op.getTarget());
    });
  }
};
} // namespace
