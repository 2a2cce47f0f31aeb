//===- EmitKernels.cpp - Ops on buffers become kernels --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "Emitters.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_EMITKERNELS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

namespace {
struct EmitKernels
    : public mlir::sparsedrop::impl::EmitKernelsBase<EmitKernels> {
  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      auto linalgOp = dyn_cast<LinalgOp>(op);
      auto contract = dyn_cast<ContractOp>(op);
      if ((linalgOp && linalgOp.hasPureBufferSemantics()) ||
          (contract && contract->getNumResults() == 0))
        ops.push_back(op);
    });
    if (ops.empty())
      return;
    KernelModule kernels(getOperation());
    IRRewriter rewriter(&getContext());
    for (Operation *op : ops) {
      if (failed(emit(kernels, rewriter, op)))
        return signalPassFailure();
      op->erase();
    }
  }

  LogicalResult emit(KernelModule &kernels, RewriterBase &rewriter,
                     Operation *op) {
    auto choice = op->getAttrOfType<KernelAttr>(kKernelAttrName);
    if (!choice)
      return op->emitOpError() << "has no '" << kKernelAttrName
                               << "'; run sparsedrop-choose-kernels first";
    bool isProduct = choice.getFamily() == KernelFamily::TensorCore ||
                     choice.getFamily() == KernelFamily::Plain;
    auto contract = dyn_cast<ContractOp>(op);
    if (isProduct != (contract != nullptr))
      return op->emitOpError()
             << "cannot become a kernel of family '"
             << stringifyKernelFamily(choice.getFamily()) << "'";
    if (choice.getFamily() == KernelFamily::TensorCore)
      return emitTensorCore(kernels, rewriter, contract, choice);
    if (choice.getFamily() == KernelFamily::Plain)
      return emitPlain(kernels, rewriter, contract, choice);
    return emitLoops(kernels, rewriter, cast<LinalgOp>(op), choice);
  }
};
} // namespace
