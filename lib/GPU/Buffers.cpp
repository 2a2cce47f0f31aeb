//===- Buffers.cpp - What ops do to buffers -------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Buffers.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Utils/MemRefUtils.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mlir::sparsedrop;

Value mlir::sparsedrop::getRoot(Value value) {
  auto buffer = dyn_cast<MemrefValue>(value);
  return buffer ? memref::skipViewLikeOps(buffer) : value;
}

/// Whether a block argument or a result of another op may be a name of `value`.
static bool escapes(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) {
    if (auto view = dyn_cast<ViewLikeOpInterface>(user))
      return llvm::any_of(view->getResults(), escapes);
    bool isKernel = isa<linalg::LinalgOp, ContractOp>(user);
    bool returns = isa<FunctionOpInterface>(user->getParentOp()) &&
                   user->getNumSuccessors() == 0;
    return (user->hasTrait<OpTrait::IsTerminator>() && !returns) ||
           (user->getNumRegions() != 0 && !isKernel) ||
           llvm::any_of(user->getResultTypes(), llvm::IsaPred<MemRefType>);
  });
}

bool mlir::sparsedrop::isOwnBuffer(Value root) {
  if (auto argument = dyn_cast<BlockArgument>(root)) {
    if (!isa<FunctionOpInterface>(argument.getOwner()->getParentOp()) ||
        !argument.getOwner()->isEntryBlock())
      return false;
    return !escapes(root);
  }
  return isa<memref::AllocOp, memref::GetGlobalOp, UnrealizedConversionCastOp>(
             root.getDefiningOp()) &&
         !escapes(root);
}

static bool isView(Value value, Value root) {
  return isa<MemRefType>(value.getType()) && getRoot(value) == root;
}

bool mlir::sparsedrop::touches(Operation *op, Value root) {
  if (isa<ViewLikeOpInterface>(op))
    return false;
  if (op->getNumRegions() != 0) {
    if (!isa<linalg::LinalgOp, ContractOp>(op))
      return true;
    // Bodies may read buffers of outside.
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    if (llvm::any_of(captured,
                     [&](Value value) { return isView(value, root); }))
      return true;
  }
  return llvm::any_of(op->getOperands(),
                      [&](Value operand) { return isView(operand, root); });
}

bool mlir::sparsedrop::writes(Operation *op, Value root) {
  auto destination = dyn_cast<DestinationStyleOpInterface>(op);
  return !destination ||
         llvm::any_of(destination.getDpsInits(),
                      [&](Value init) { return isView(init, root); });
}

linalg::FillOp mlir::sparsedrop::findFill(linalg::LinalgOp op,
                                          OpOperand &init) {
  Value output = init.get();
  Value allocation = getRoot(output);
  if (!allocation.getDefiningOp<memref::AllocOp>() ||
      !isOwnBuffer(allocation) ||
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
