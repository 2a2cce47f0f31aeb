//===- ForwardCopies.cpp - Buffers are written where they are copied to ---===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Utils/MemRefUtils.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_FORWARDCOPIES
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

/// Whether `base` is a buffer of its own: one that is allocated, or an argument
/// of a function, of which no two are the same memory.
static bool isOwn(Value base) {
  if (auto argument = dyn_cast<BlockArgument>(base))
    return argument.getOwner()->isEntryBlock() &&
           isa<FunctionOpInterface>(argument.getOwner()->getParentOp());
  return base.getDefiningOp<memref::AllocOp>() != nullptr;
}

namespace {
/// A copy of a buffer to a slice of another one.
class Forwarding {
public:
  Forwarding(memref::CopyOp copy, DominanceInfo &dominance)
      : copy(copy), dominance(dominance), source(copy.getSource()),
        slice(copy.getTarget().getDefiningOp<memref::SubViewOp>()) {}

  /// Whether those that write the buffer can write the slice.
  bool match();
  void apply(RewriterBase &rewriter);

private:
  bool isTemporary();
  bool findFirst();
  bool mayTouch(Value value);
  bool mayTouch(Operation &op);

  memref::CopyOp copy;
  DominanceInfo &dominance;
  Value source;
  memref::SubViewOp slice;
  Operation *first = nullptr; ///< that uses the buffer
};
} // namespace

/// Whether the copied buffer is allocated here and for nothing else: all of it,
/// or all that anybody uses. One from before a loop keeps what was written.
bool Forwarding::isTemporary() {
  Value whole = source;
  if (auto view = source.getDefiningOp<memref::SubViewOp>())
    whole = view.getSource();
  auto alloc = whole.getDefiningOp<memref::AllocOp>();
  return alloc && alloc->getBlock() == copy->getBlock() &&
         (whole == source || alloc->hasOneUse());
}

/// Finds the first user; all of them are structured ops before the copy.
bool Forwarding::findFirst() {
  for (Operation *user : source.getUsers()) {
    if (user == copy)
      continue;
    if (user->getBlock() != copy->getBlock() ||
        !isa<DestinationStyleOpInterface>(user) || !user->isBeforeInBlock(copy))
      return false;
    if (!first || user->isBeforeInBlock(first))
      first = user;
  }
  return first;
}

/// Whether `value` may be memory of the slice.
bool Forwarding::mayTouch(Value value) {
  auto buffer = dyn_cast<MemrefValue>(value);
  if (!buffer)
    return false;
  Value base = memref::skipViewLikeOps(buffer);
  Value other = memref::skipViewLikeOps(slice.getResult());
  if (base != other)
    return !isOwn(base) || !isOwn(other);
  auto view = value.getDefiningOp<memref::SubViewOp>();
  // What overlaps is told of slices that go up.
  if (!view || view.getSource() != slice.getSource() || !view.hasUnitStride() ||
      !slice.hasUnitStride())
    return true;
  FailureOr<bool> overlap = ValueBoundsConstraintSet::areOverlappingSlices(
      slice.getContext(), HyperrectangularSlice(slice),
      HyperrectangularSlice(view));
  return failed(overlap) || *overlap;
}

/// Whether `op` may read or write the slice. Calls know addresses.
bool Forwarding::mayTouch(Operation &op) {
  return op
      .walk([&](Operation *inner) {
        bool touches = isa<CallOpInterface>(inner) ||
                       (!isa<ViewLikeOpInterface>(inner) &&
                        llvm::any_of(inner->getOperands(), [&](Value operand) {
                          return mayTouch(operand);
                        }));
        return touches ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

bool Forwarding::match() {
  if (!slice || !isTemporary() || !findFirst() ||
      cast<MemRefType>(source.getType()).getShape() !=
          slice.getType().getShape())
    return false;
  for (Value operand : slice->getOperands())
    if (!dominance.properlyDominates(operand, first))
      return false;
  return llvm::none_of(
      llvm::make_range(first->getIterator(), copy->getIterator()),
      [&](Operation &op) { return mayTouch(op); });
}

void Forwarding::apply(RewriterBase &rewriter) {
  if (!dominance.properlyDominates(slice.getOperation(), first))
    rewriter.moveOpBefore(slice, first);
  rewriter.eraseOp(copy);
  rewriter.replaceAllUsesWith(source, slice);
  // A view, and what is allocated for it.
  for (Operation *op = source.getDefiningOp(); op;) {
    auto view = dyn_cast<memref::SubViewOp>(op);
    Operation *next = view ? view.getSource().getDefiningOp() : nullptr;
    rewriter.eraseOp(op);
    op = next;
  }
}

namespace {
struct ForwardCopies
    : public mlir::sparsedrop::impl::ForwardCopiesBase<ForwardCopies> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<memref::CopyOp> copies;
    getOperation().walk([&](memref::CopyOp op) { copies.push_back(op); });
    DominanceInfo dominance(getOperation());
    for (memref::CopyOp copy : copies) {
      Forwarding forwarding(copy, dominance);
      if (forwarding.match())
        forwarding.apply(rewriter);
    }
  }
};
} // namespace
