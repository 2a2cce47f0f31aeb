//===- AssertsToRuntime.cpp - Failed assertions end a function ------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_ASSERTSTORUNTIME
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

static LLVM::LLVMFuncOp declareFail(ModuleOp module, OpBuilder &builder) {
  if (auto known = module.lookupSymbol<LLVM::LLVMFuncOp>("sparsedrop_fail"))
    return known;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(module.getBody());
  auto pointer = LLVM::LLVMPointerType::get(builder.getContext());
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(builder.getContext()), pointer);
  return LLVM::LLVMFuncOp::create(builder, module.getLoc(), "sparsedrop_fail",
                                  type);
}

namespace {
struct AssertsToRuntime
    : public mlir::sparsedrop::impl::AssertsToRuntimeBase<AssertsToRuntime> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<cf::AssertOp> asserts;
    getOperation().walk([&](cf::AssertOp op) {
      if (isa<LLVM::LLVMFuncOp>(op->getParentOp()))
        asserts.push_back(op);
    });
    for (cf::AssertOp op : asserts)
      lower(rewriter, op);
  }

  /// Splits the block: the function goes on, or records the failure and
  /// returns zeros, which nobody is to read.
  void lower(RewriterBase &rewriter, cf::AssertOp op) {
    Location loc = op.getLoc();
    auto function = cast<LLVM::LLVMFuncOp>(op->getParentOp());
    LLVM::LLVMFuncOp fail = declareFail(getOperation(), rewriter);
    Block *before = op->getBlock();
    Block *after = rewriter.splitBlock(before, std::next(Block::iterator(op)));
    Block *failure = rewriter.createBlock(&function.getBody());
    std::string text = op.getMsg().str();
    text.push_back('\0');
    Value message = LLVM::createGlobalString(
        loc, rewriter, "sparsedrop_message_" + std::to_string(count++), text,
        LLVM::Linkage::Private);
    LLVM::CallOp::create(rewriter, loc, fail, message);
    Type result = function.getFunctionType().getReturnType();
    if (isa<LLVM::LLVMVoidType>(result))
      LLVM::ReturnOp::create(rewriter, loc, ValueRange());
    else
      LLVM::ReturnOp::create(
          rewriter, loc,
          LLVM::ZeroOp::create(rewriter, loc, result).getResult());
    rewriter.setInsertionPointToEnd(before);
    LLVM::CondBrOp::create(rewriter, loc, op.getArg(), after, failure);
    rewriter.eraseOp(op);
  }

  unsigned count = 0;
};
} // namespace
