//===- EmitKernels.cpp - Ops on buffers become kernels --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "Buffers.h"
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
  using EmitKernelsBase::EmitKernelsBase;

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
    KernelModule kernels(getOperation(), overlap);
    IRRewriter rewriter(&getContext());
    absorbFills(ops);
    for (size_t i = 0, next; i < ops.size(); i = next) {
      // Members of a group follow each other.
      next = i + 1;
      while (next < ops.size() && getGroup(ops[i]) &&
             getGroup(ops[i]) == getGroup(ops[next]))
        ++next;
      ArrayRef<Operation *> members(&ops[i], next - i);
      if (failed(members.size() == 1 ? emit(kernels, rewriter, ops[i])
                                     : emitGroup(kernels, rewriter, members)) ||
          kernels.hasFailed())
        return signalPassFailure();
      for (Operation *op : members)
        op->erase();
    }
  }

  /// The number of the group that an op is a member of.
  static std::optional<int64_t> getGroup(Operation *op) {
    auto numbers = op->getAttrOfType<DenseI64ArrayAttr>(kGroupAttrName);
    return numbers && !numbers.empty() ? std::optional<int64_t>(numbers[0])
                                       : std::nullopt;
  }

  LogicalResult emitGroup(KernelModule &kernels, RewriterBase &rewriter,
                          ArrayRef<Operation *> members) {
    SmallVector<LinalgOp> loops;
    SmallVector<SmallVector<Value>> values;
    for (Operation *op : members) {
      loops.push_back(cast<LinalgOp>(op));
      values.push_back(getStarts(loops.back()));
    }
    auto choice = members[0]->getAttrOfType<KernelAttr>(kKernelAttrName);
    return emitLoops(kernels, rewriter, loops, choice, values);
  }

  SmallVector<Value> getStarts(LinalgOp op) {
    auto known = starts.find(op);
    return known == starts.end() ? SmallVector<Value>(op.getNumDpsInits())
                                 : known->second;
  }

  LogicalResult emit(KernelModule &kernels, RewriterBase &rewriter,
                     Operation *op) {
    auto choice = op->getAttrOfType<KernelAttr>(kKernelAttrName);
    if (!choice)
      return op->emitOpError() << "has no '" << kKernelAttrName
                               << "'; run sparsedrop-choose-kernels first";
    bool isProduct = choice.getFamily() == KernelFamily::Wgmma ||
                     choice.getFamily() == KernelFamily::TensorCore ||
                     choice.getFamily() == KernelFamily::Plain;
    auto contract = dyn_cast<ContractOp>(op);
    if (isProduct != (contract != nullptr))
      return op->emitOpError()
             << "cannot become a kernel of family '"
             << stringifyKernelFamily(choice.getFamily()) << "'";
    if (std::string problem = getGroupProblem(op, choice); !problem.empty())
      return op->emitOpError()
             << "cannot become the kernel " << choice << ": " << problem;
    if (choice.getFamily() == KernelFamily::Wgmma)
      return emitWgmma(kernels, rewriter, contract, choice);
    if (choice.getFamily() == KernelFamily::TensorCore)
      return emitTensorCore(kernels, rewriter, contract, choice);
    if (choice.getFamily() == KernelFamily::Plain)
      return emitPlain(kernels, rewriter, contract, choice);
    auto loops = cast<LinalgOp>(op);
    if (choice.getFamily() == KernelFamily::Transpose)
      return emitTranspose(kernels, rewriter, loops, choice);
    return emitLoops(kernels, rewriter, loops, choice, getStarts(loops));
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
