//===- ExtendLifetimes.cpp - Memory that calls know by its address --------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"

#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Utils/MemRefUtils.h"
#include "mlir/Interfaces/CallInterfaces.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_EXTENDLIFETIMES
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

/// Adds the ops that use `address`, or what is computed from it, as far as they
/// stand in `block`.
static void collectUsers(Value address, Block *block,
                         llvm::SmallPtrSetImpl<Operation *> &users) {
  for (Operation *user : address.getUsers()) {
    Operation *here = block->findAncestorOpInBlock(*user);
    if (here && !users.insert(here).second)
      continue;
    // What a call returns is no address.
    if (isa<CallOpInterface>(user))
      continue;
    for (Value result : user->getResults())
      collectUsers(result, block, users);
  }
}

/// Moves the deallocation behind the last op that may know the address, which
/// it may have by another name of the buffer: a view, a choice between two, a
/// value that a loop carries.
static void extend(memref::DeallocOp dealloc,
                   const BufferViewFlowAnalysis &flow) {
  Block *block = dealloc->getBlock();
  Value root = memref::skipViewLikeOps(cast<MemrefValue>(dealloc.getMemref()));
  llvm::SmallPtrSet<Operation *, 8> users;
  for (Value name : flow.resolve(root))
    for (Operation *user : name.getUsers())
      if (auto address = dyn_cast<memref::ExtractAlignedPointerAsIndexOp>(user))
        collectUsers(address, block, users);
  Operation *last = nullptr;
  for (Operation *user : users)
    if (dealloc->isBeforeInBlock(user) &&
        !user->hasTrait<OpTrait::IsTerminator>() &&
        (!last || last->isBeforeInBlock(user)))
      last = user;
  if (last)
    dealloc->moveAfter(last);
}

namespace {
struct ExtendLifetimes
    : public mlir::sparsedrop::impl::ExtendLifetimesBase<ExtendLifetimes> {
  void runOnOperation() override {
    SmallVector<memref::DeallocOp> deallocs;
    getOperation().walk([&](memref::DeallocOp op) { deallocs.push_back(op); });
    BufferViewFlowAnalysis flow(getOperation());
    for (memref::DeallocOp op : deallocs)
      extend(op, flow);
  }
};
} // namespace
