//===- ChooseLayouts.cpp - The order of dimensions in memory --------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "RemarkOptions.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_CHOOSELAYOUTS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

//===----------------------------------------------------------------------===//
// Who wants what
//===----------------------------------------------------------------------===//

static bool isView(Operation *op) {
  auto view = dyn_cast<memref::SubViewOp>(op);
  return view && view.getDroppedDims().none();
}

/// Uses of a buffer, also through slices of it.
static void collectUses(Value buffer, SmallVectorImpl<OpOperand *> &uses) {
  for (OpOperand &use : buffer.getUses()) {
    uses.push_back(&use);
    if (isView(use.getOwner()))
      collectUses(use.getOwner()->getResult(0), uses);
  }
}

static bool isFactor(OpOperand &use) {
  return isa<ContractOp>(use.getOwner()) && use.getOperandNumber() < 2;
}

/// Whether the slice that a product reads takes every so many elements of a
/// dimension.
static bool hasGaps(Value view, int64_t dim) {
  auto slice = view.getDefiningOp<memref::SubViewOp>();
  return slice && !isConstantIntValue(slice.getMixedStrides()[dim], 1);
}

/// Whether another operand that `owner` goes through together with its outputs
/// lies in memory as it does: then it would be read across.
static bool hasCompanion(Operation *owner, ArrayRef<OpOperand *> uses) {
  unsigned first = isa<ContractOp>(owner) ? 2 : 0;
  for (OpOperand &operand : owner->getOpOperands()) {
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    if (operand.getOperandNumber() >= first && type && type.getRank() > 1 &&
        !llvm::is_contained(uses, &operand))
      return true;
  }
  return false;
}

/// Why the order of a buffer's dimensions has to stay; empty if it need not.
static StringRef getProblem(ArrayRef<OpOperand *> uses) {
  for (OpOperand *use : uses) {
    Operation *owner = use->getOwner();
    if (isView(owner) || isFactor(*use) ||
        isa<memref::DeallocOp, linalg::FillOp>(owner))
      continue;
    if (auto dim = dyn_cast<memref::DimOp>(owner);
        dim && dim.getConstantIndex())
      continue;
    if (!isa<linalg::GenericOp, linalg::CopyOp, ContractOp>(owner))
      return "something else than products and loops uses it";
    if (hasCompanion(owner, uses))
      return "it is read or written together with other arrays";
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Another order
//===----------------------------------------------------------------------===//

namespace {
/// Gives a buffer another order of its dimensions, wherever it is used.
class Reorder {
public:
  Reorder(RewriterBase &rewriter, ArrayRef<int64_t> order)
      : rewriter(rewriter), order(order),
        permutation(AffineMap::getPermutationMap(
            SmallVector<unsigned>(order.begin(), order.end()),
            rewriter.getContext())) {}

  void run(memref::AllocOp alloc) {
    SmallVector<OpFoldResult> sizes = permute(alloc.getMixedSizes());
    SmallVector<int64_t> shape;
    SmallVector<Value> dynamic;
    dispatchIndexOpFoldResults(sizes, dynamic, shape);
    rewriter.setInsertionPoint(alloc);
    auto reordered = memref::AllocOp::create(
        rewriter, alloc.getLoc(),
        MemRefType::get(shape, alloc.getType().getElementType()), dynamic,
        alloc.getAlignmentAttr());
    replace(alloc, reordered);
    rewriter.eraseOp(alloc);
  }

private:
  SmallVector<OpFoldResult> permute(ArrayRef<OpFoldResult> list) const {
    SmallVector<OpFoldResult> result;
    for (int64_t dim : order)
      result.push_back(list[dim]);
    return result;
  }

  void replace(Value from, Value to) {
    while (!from.use_empty()) {
      OpOperand &use = *from.use_begin();
      Operation *owner = use.getOwner();
      if (auto view = dyn_cast<memref::SubViewOp>(owner))
        replaceView(view, to);
      else if (auto dim = dyn_cast<memref::DimOp>(owner))
        replaceDim(dim, to);
      else if (auto contract = dyn_cast<ContractOp>(owner))
        replaceIn(contract, use, to);
      else if (auto linalgOp = dyn_cast<LinalgOp>(owner);
               linalgOp && !isa<linalg::FillOp>(owner))
        replaceIn(linalgOp, use, to);
      else
        rewriter.modifyOpInPlace(owner, [&] { use.set(to); });
    }
  }

  void replaceView(memref::SubViewOp view, Value to) {
    rewriter.setInsertionPoint(view);
    Value reordered = memref::SubViewOp::create(
        rewriter, view.getLoc(), to, permute(view.getMixedOffsets()),
        permute(view.getMixedSizes()), permute(view.getMixedStrides()));
    replace(view, reordered);
    rewriter.eraseOp(view);
  }

  void replaceDim(memref::DimOp dim, Value to) {
    rewriter.setInsertionPoint(dim);
    auto place = llvm::find(order, *dim.getConstantIndex()) - order.begin();
    rewriter.replaceOpWithNewOp<memref::DimOp>(dim, to, place);
  }

  void replaceIn(ContractOp op, OpOperand &use, Value to) {
    unsigned number = use.getOperandNumber();
    auto maps =
        llvm::to_vector(op.getIndexingMaps().getAsValueRange<AffineMapAttr>());
    maps[number] = permutation.compose(maps[number]);
    rewriter.modifyOpInPlace(op, [&] {
      use.set(to);
      op.setIndexingMapsAttr(rewriter.getAffineMapArrayAttr(maps));
    });
  }

  void replaceIn(LinalgOp op, OpOperand &use, Value to) {
    unsigned number = use.getOperandNumber();
    auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
    if (!generic) {
      rewriter.setInsertionPoint(op);
      generic = *linalg::generalizeNamedOp(rewriter, op);
    }
    SmallVector<AffineMap> maps = generic.getIndexingMapsArray();
    maps[number] = permutation.compose(maps[number]);
    rewriter.modifyOpInPlace(generic, [&] {
      generic->setOperand(number, to);
      generic.setIndexingMapsAttr(rewriter.getAffineMapArrayAttr(maps));
    });
  }

  RewriterBase &rewriter;
  ArrayRef<int64_t> order;
  AffineMap permutation;
};

struct ChooseLayouts
    : public mlir::sparsedrop::impl::ChooseLayoutsBase<ChooseLayouts> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<memref::AllocOp> allocs;
    getOperation().walk([&](memref::AllocOp op) {
      if (op.getType().getRank() > 1 && op.getType().getLayout().isIdentity())
        allocs.push_back(op);
    });
    for (memref::AllocOp alloc : allocs)
      visit(rewriter, alloc);
  }

  /// The dropped dimension goes to the front, if products drop that one alone.
  static void visit(RewriterBase &rewriter, memref::AllocOp alloc) {
    SmallVector<OpOperand *> uses;
    collectUses(alloc, uses);
    int64_t last = alloc.getType().getRank() - 1;
    auto dropped = [&](int64_t dim) {
      auto *use = llvm::find_if(uses, [&](OpOperand *use) {
        return isFactor(*use) && hasGaps(use->get(), dim);
      });
      return use == uses.end() ? nullptr : (*use)->getOwner();
    };
    Operation *reader = dropped(last);
    if (!reader)
      return;
    StringRef problem = getProblem(uses);
    if (dropped(last - 1))
      problem = "another product drops elements of another dimension";
    auto options =
        getRemarkOptions(alloc, "Layout", "sparsedrop-choose-layouts");
    if (!problem.empty()) {
      remark::missed(reader->getLoc(), options) << remark::add(
          "the dimension of which kept elements are read stays innermost: {0}",
          problem);
      return;
    }
    remark::passed(reader->getLoc(), options) << remark::add(
        "the dimension of which kept elements are read becomes the outermost: "
        "nothing has to be packed");
    SmallVector<int64_t> order{last};
    llvm::append_range(order, llvm::seq<int64_t>(0, last));
    Reorder(rewriter, order).run(alloc);
  }
};
} // namespace
