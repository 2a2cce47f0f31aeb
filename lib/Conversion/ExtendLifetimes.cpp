//===- ExtendLifetimes.cpp - Memory that calls know by its address --------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_EXTENDLIFETIMES
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

/// Adds the ops that use `value`, an address or a buffer, or what is computed
/// from it, as far as they stand in `block`.
static void collectUsers(Value value, Block *block, bool isAddress,
                         llvm::SmallPtrSetImpl<Operation *> &users) {
  for (Operation *user : value.getUsers()) {
    bool isView = isa<ViewLikeOpInterface>(user);
    bool takes = isa<memref::ExtractAlignedPointerAsIndexOp>(user);
    if (!isAddress && !isView && !takes)
      continue;
    Operation *here = block->findAncestorOpInBlock(*user);
    if (isAddress && here && !users.insert(here).second)
      continue;
    // What a call returns is no address.
    if (isa<CallOpInterface>(user))
      continue;
    for (Value result : user->getResults())
      collectUsers(result, block, isAddress || takes, users);
  }
}

/// Moves the deallocation behind the last op that may know the address.
static void extend(memref::DeallocOp dealloc) {
  Block *block = dealloc->getBlock();
  llvm::SmallPtrSet<Operation *, 8> users;
  collectUsers(dealloc.getMemref(), block, /*isAddress=*/false, users);
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
    for (memref::DeallocOp op : deallocs)
      extend(op);
  }
};
} // namespace
