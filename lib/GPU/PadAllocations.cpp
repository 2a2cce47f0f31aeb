//===- PadAllocations.cpp - Rows of temporaries are aligned ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/SmallFloats.h"
#include "sparsedrop/GPU/Passes.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_PADALLOCATIONS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;

/// What cp.async copies at most, and what tensor maps ask of strides.
static constexpr int64_t kRowBytes = 16;

/// The multiple that the innermost extent is rounded up to; 1: rows of the
/// allocation are aligned as they are.
static int64_t getMultiple(memref::AllocOp alloc) {
  MemRefType type = alloc.getType();
  if (type.getRank() < 2 || !type.getLayout().isIdentity() ||
      !type.getElementType().isIntOrFloat())
    return 1;
  int64_t bits = type.getElementType().getIntOrFloatBitWidth();
  // Arrays of bytes are no factors, but for floats.
  if ((bits < 16 && !isSmallFloat(type)) || kRowBytes * 8 % bits != 0)
    return 1;
  int64_t multiple = kRowBytes * 8 / bits, extent = type.getShape().back();
  return !ShapedType::isDynamic(extent) && extent % multiple == 0 ? 1
                                                                  : multiple;
}

/// Whether all users take a buffer of any strides.
static bool isInside(memref::AllocOp alloc) {
  return llvm::all_of(alloc->getUsers(), [](Operation *user) {
    return isa<linalg::LinalgOp, ContractOp, memref::DeallocOp, memref::DimOp>(
        user);
  });
}

/// The rows lie in a larger allocation; what is behind each is never read.
static void pad(RewriterBase &rewriter, memref::AllocOp alloc,
                int64_t multiple) {
  MemRefType type = alloc.getType();
  Location loc = alloc.getLoc();
  rewriter.setInsertionPoint(alloc);
  SmallVector<OpFoldResult> sizes = alloc.getMixedSizes();
  Value extent = getValueOrCreateConstantIndexOp(rewriter, loc, sizes.back());
  Value step = arith::ConstantIndexOp::create(rewriter, loc, multiple);
  Value groups = rewriter.createOrFold<arith::CeilDivUIOp>(loc, extent, step);
  SmallVector<OpFoldResult> padded(sizes);
  padded.back() = getAsOpFoldResult(
      rewriter.createOrFold<arith::MulIOp>(loc, groups, step));
  SmallVector<int64_t> shape;
  SmallVector<Value> dynamic;
  dispatchIndexOpFoldResults(padded, dynamic, shape);
  auto larger = memref::AllocOp::create(
      rewriter, loc, MemRefType::get(shape, type.getElementType()), dynamic,
      alloc.getAlignmentAttr());
  SmallVector<OpFoldResult> zeros(sizes.size(), rewriter.getIndexAttr(0));
  SmallVector<OpFoldResult> ones(sizes.size(), rewriter.getIndexAttr(1));
  Value view =
      memref::SubViewOp::create(rewriter, loc, larger, zeros, sizes, ones);
  // An op may use it twice.
  llvm::SetVector<Operation *> users(alloc->user_begin(), alloc->user_end());
  for (Operation *user : users) {
    Value other = isa<memref::DeallocOp>(user) ? larger.getResult() : view;
    rewriter.modifyOpInPlace(
        user, [&] { user->replaceUsesOfWith(alloc.getResult(), other); });
  }
  rewriter.eraseOp(alloc);
}

namespace {
struct PadAllocations
    : public mlir::sparsedrop::impl::PadAllocationsBase<PadAllocations> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<memref::AllocOp> allocs;
    getOperation().walk([&](memref::AllocOp op) {
      if (getMultiple(op) != 1 && isInside(op))
        allocs.push_back(op);
    });
    for (memref::AllocOp op : allocs)
      pad(rewriter, op, getMultiple(op));
  }
};
} // namespace
