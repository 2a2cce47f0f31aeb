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
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_EMITKERNELS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

/// The buffer that `value` is a view of.
static Value getRoot(Value value) {
  while (auto view = value.getDefiningOp<ViewLikeOpInterface>())
    value = view.getViewSource();
  return value;
}

/// Whether `op` may see the memory of an allocation.
static bool touches(Operation *op, Value allocation) {
  if (op->getNumRegions() != 0 && !isa<LinalgOp, ContractOp>(op))
    return true;
  if (isa<ViewLikeOpInterface>(op))
    return false;
  return llvm::any_of(op->getOperands(), [&](Value operand) {
    return isa<MemRefType>(operand.getType()) && getRoot(operand) == allocation;
  });
}

/// The fill that an output of `op`, all of whose elements it writes, begins
/// from and that nothing else sees.
static linalg::FillOp findFill(LinalgOp op, OpOperand &init) {
  Value output = init.get();
  Value allocation = getRoot(output);
  if (!allocation.getDefiningOp<memref::AllocOp>() ||
      op.getMatchingBlockArgument(&init).use_empty() ||
      !op.getMatchingIndexingMap(&init).isProjectedPermutation())
    return {};
  for (OpOperand &other : op->getOpOperands())
    if (&other != &init && isa<MemRefType>(other.get().getType()) &&
        getRoot(other.get()) == allocation)
      return {};
  for (Operation *previous = op->getPrevNode(); previous;
       previous = previous->getPrevNode()) {
    auto fill = dyn_cast<linalg::FillOp>(previous);
    if (fill && fill.getOutputs()[0] == output)
      return fill;
    if (touches(previous, allocation))
      return {};
  }
  return {};
}

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
    absorbFills(ops);
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
    auto loops = cast<LinalgOp>(op);
    SmallVector<Value> none(loops.getNumDpsInits());
    auto known = starts.find(op);
    return emitLoops(kernels, rewriter, loops, choice,
                     known == starts.end() ? none : known->second);
  }

  /// Ops that begin from a fill take its scalar instead.
  void absorbFills(SmallVectorImpl<Operation *> &ops) {
    llvm::SmallPtrSet<Operation *, 8> absorbed;
    for (Operation *op : ops) {
      auto loops = dyn_cast<LinalgOp>(op);
      if (!loops || isa<linalg::FillOp>(op))
        continue;
      SmallVector<Value> values(loops.getNumDpsInits());
      for (auto [i, init] : llvm::enumerate(loops.getDpsInitsMutable())) {
        linalg::FillOp fill = findFill(loops, init);
        if (!fill)
          continue;
        values[i] = fill.getInputs()[0];
        absorbed.insert(fill);
      }
      starts[op] = values;
    }
    llvm::erase_if(ops, [&](Operation *op) { return absorbed.contains(op); });
    for (Operation *fill : absorbed)
      fill->erase();
  }

  llvm::DenseMap<Operation *, SmallVector<Value>> starts;
};
} // namespace
