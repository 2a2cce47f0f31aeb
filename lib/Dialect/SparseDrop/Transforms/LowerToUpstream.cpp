//===- LowerToUpstream.cpp - What is left becomes upstream ops ------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChannelLists.h"
#include "LinalgUtils.h"
#include "LowerPatterns.h"
#include "SplitGranularLoops.h"

#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_LOWERTOUPSTREAM
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;

namespace {
/// Lowers the ops of one module.
class UpstreamLowering {
public:
  UpstreamLowering(RewriterBase &rewriter, ModuleOp module)
      : rewriter(rewriter), module(module), patterns(rewriter) {}

  LogicalResult run();

private:
  LogicalResult lower(Operation *op);
  LogicalResult lowerInsertionsOfTiles();
  Value lowerCompact(CompactOp op, const LoweredPattern &pattern);
  Value gatherGranules(CompactOp op, const LoweredPattern &pattern);
  Value lowerExpand(ExpandOp op, const LoweredPattern &pattern);
  Value lowerMask(MaskOp op, const LoweredPattern &pattern);
  LogicalResult erasePatterns();

  RewriterBase &rewriter;
  ModuleOp module;
  PatternLowering patterns;
  JoinedValues joined;
};
} // namespace

/// A copy of the kept granules, for what is no loop that could be split.
Value UpstreamLowering::gatherGranules(CompactOp op,
                                       const LoweredPattern &pattern) {
  Location loc = op.getLoc();
  int64_t rank = op.getType().getRank(), dim = op.getDim();
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(rewriter, loc, op.getSource());
  sizes[dim] = pattern.keptCount;
  Value empty = tensor::EmptyOp::create(rewriter, loc, sizes,
                                        op.getType().getElementType());
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  auto body = [&](OpBuilder &b, Location l, ValueRange) {
    SmallVector<Value> indices;
    for (int64_t i = 0; i < rank; ++i)
      indices.push_back(linalg::IndexOp::create(b, l, i));
    indices[dim] = patterns.getKeptIndex(b, l, pattern, indices[dim]);
    Value element = tensor::ExtractOp::create(b, l, op.getSource(), indices);
    linalg::YieldOp::create(b, l, element);
  };
  return linalg::GenericOp::create(rewriter, loc, empty.getType(), ValueRange(),
                                   empty, rewriter.getMultiDimIdentityMap(rank),
                                   iterators, body)
      .getResult(0);
}

/// Rule C7: a strided slice. Where the dimension is innermost in memory and
/// several ops read it, it is packed once for all of them.
Value UpstreamLowering::lowerCompact(CompactOp op,
                                     const LoweredPattern &pattern) {
  Location loc = op.getLoc();
  if (pattern.keptList)
    return gatherChannels(rewriter, loc, op.getSource(), op.getDim(), pattern);
  if (pattern.type.getGranularity() != 1)
    return gatherGranules(op, pattern);
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(rewriter, loc, op.getSource());
  SmallVector<OpFoldResult> offsets(sizes.size(), rewriter.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), rewriter.getIndexAttr(1));
  offsets[op.getDim()] = getAsOpFoldResult(pattern.bias);
  sizes[op.getDim()] = pattern.keptCount;
  strides[op.getDim()] = getAsOpFoldResult(pattern.period);
  // No slice begins in a tensor without elements.
  if (isEmptyTensor(op.getType()))
    return tensor::EmptyOp::create(rewriter, loc, sizes,
                                   op.getType().getElementType());
  Value slice = tensor::ExtractSliceOp::create(rewriter, loc, op.getSource(),
                                               offsets, sizes, strides);
  // What is updated is read where it lies.
  auto isRead = [](OpOperand &use) {
    auto reader = dyn_cast<linalg::LinalgOp>(use.getOwner());
    return reader && reader.isDpsInput(&use);
  };
  bool isInnermost = op.getDim() == op.getType().getRank() - 1;
  if (!isInnermost || op.getType().getRank() < 2 ||
      llvm::count_if(op->getUses(), isRead) < 2)
    return slice;
  Value empty = tensor::EmptyOp::create(rewriter, loc, sizes,
                                        op.getType().getElementType());
  Value packed =
      linalg::CopyOp::create(rewriter, loc, slice, empty).getResult(0);
  rewriter.replaceUsesWithIf(op.getResult(), packed, isRead);
  return slice;
}

/// Rule C8: an insertion into zeros.
Value UpstreamLowering::lowerExpand(ExpandOp op,
                                    const LoweredPattern &pattern) {
  Location loc = op.getLoc();
  if (pattern.keptList)
    return expandChannels(rewriter, loc, op.getSource(), op.getType(),
                          op.getDim(), pattern);
  Type element = op.getType().getElementType();
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(rewriter, loc, op.getSource());
  sizes[op.getDim()] = getAsOpFoldResult(pattern.extents[0]);
  if (!op.getType().isDynamicDim(op.getDim()))
    sizes[op.getDim()] =
        rewriter.getIndexAttr(op.getType().getDimSize(op.getDim()));
  for (int64_t i = 0, e = op.getType().getRank(); i < e; ++i)
    if (!op.getType().isDynamicDim(i))
      sizes[i] = rewriter.getIndexAttr(op.getType().getDimSize(i));
  Value empty = tensor::EmptyOp::create(rewriter, loc, sizes, element);
  Value zero =
      arith::ConstantOp::create(rewriter, loc, rewriter.getZeroAttr(element));
  Value zeros = linalg::FillOp::create(rewriter, loc, zero, empty).getResult(0);
  InsertionSide side{static_cast<int64_t>(op.getDim()), op.getPattern(),
                     &pattern};
  return insertKept(rewriter, loc, op.getSource(), zeros, side, patterns,
                    joined);
}

Value UpstreamLowering::lowerMask(MaskOp op, const LoweredPattern &pattern) {
  if (pattern.keptList)
    return maskChannels(rewriter, op.getLoc(), pattern);
  Location loc = op.getLoc();
  int64_t rank = pattern.type.getRank();
  SmallVector<OpFoldResult> sizes;
  for (Value extent : pattern.extents)
    sizes.push_back(getAsOpFoldResult(extent));
  Value empty =
      tensor::EmptyOp::create(rewriter, loc, sizes, rewriter.getI1Type());
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             rewriter, loc, empty.getType(), ValueRange(), empty,
             rewriter.getMultiDimIdentityMap(rank), iterators,
             [&](OpBuilder &b, Location l, ValueRange) {
               SmallVector<Value> indices;
               for (int64_t dim = 0; dim < rank; ++dim)
                 indices.push_back(linalg::IndexOp::create(b, l, dim));
               linalg::YieldOp::create(b, l,
                                       patterns.isKept(b, l, pattern, indices));
             })
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// Slices of slices
//===----------------------------------------------------------------------===//

/// The slice `inner` of the slice `outer`, if along each dimension one of them
/// takes all from 0 on with stride 1. Dimensions that the outer one drops the
/// inner one does not have.
template <typename OuterOp>
static bool composeSlices(OuterOp outer, OffsetSizeAndStrideOpInterface inner,
                          SmallVectorImpl<OpFoldResult> &offsets,
                          SmallVectorImpl<OpFoldResult> &sizes,
                          SmallVectorImpl<OpFoldResult> &strides) {
  offsets = outer.getMixedOffsets();
  sizes = outer.getMixedSizes();
  strides = outer.getMixedStrides();
  SmallVector<OpFoldResult> innerOffsets = inner.getMixedOffsets();
  SmallVector<OpFoldResult> innerSizes = inner.getMixedSizes();
  SmallVector<OpFoldResult> innerStrides = inner.getMixedStrides();
  llvm::SmallBitVector dropped = outer.getDroppedDims();
  if (offsets.size() - dropped.count() != innerOffsets.size())
    return false;
  size_t next = 0;
  for (size_t i = 0, e = offsets.size(); i < e; ++i) {
    if (dropped.test(static_cast<unsigned>(i)))
      continue;
    size_t at = next++;
    sizes[i] = innerSizes[at];
    if (isZeroInteger(innerOffsets[at]) && isOneInteger(innerStrides[at]))
      continue;
    if (!isZeroInteger(offsets[i]) || !isOneInteger(strides[i]))
      return false;
    offsets[i] = innerOffsets[at];
    strides[i] = innerStrides[at];
  }
  return true;
}

/// Whether something is inserted into `slice`.
static bool isInsertedInto(tensor::ExtractSliceOp slice) {
  return llvm::any_of(slice->getUses(), [](OpOperand &use) {
    auto insert = dyn_cast<tensor::InsertSliceOp>(use.getOwner());
    return insert && insert.getDest() == use.get();
  });
}

/// A slice of two dimensions was made of two; it is one, and an update of it is
/// one insertion. Where parts are inserted into the first they stay slices of
/// that.
static void mergeSlices(RewriterBase &rewriter, ModuleOp module) {
  SmallVector<OpFoldResult> offsets, sizes, strides;
  module.walk([&](tensor::InsertSliceOp op) {
    auto inner = op.getSource().getDefiningOp<tensor::InsertSliceOp>();
    if (!inner || !inner->hasOneUse())
      return;
    // What the inner one leaves of the slice is there already.
    auto slice = inner.getDest().getDefiningOp<tensor::ExtractSliceOp>();
    if (!slice || slice.getSource() != op.getDest() ||
        !slice.isSameAs(op,
                        [](OpFoldResult a, OpFoldResult b) {
                          return isEqualConstantIntOrValue(a, b);
                        }) ||
        !composeSlices(op, inner, offsets, sizes, strides))
      return;
    rewriter.setInsertionPoint(op);
    rewriter.replaceOpWithNewOp<tensor::InsertSliceOp>(
        op, inner.getSource(), op.getDest(), offsets, sizes, strides);
    rewriter.eraseOp(inner);
  });
  module.walk([&](tensor::ExtractSliceOp op) {
    auto outer = op.getSource().getDefiningOp<tensor::ExtractSliceOp>();
    if (!outer || isInsertedInto(outer) ||
        !composeSlices(outer, op, offsets, sizes, strides))
      return;
    rewriter.setInsertionPoint(op);
    rewriter.replaceOpWithNewOp<tensor::ExtractSliceOp>(
        op, op.getType(), outer.getSource(), offsets, sizes, strides);
  });
}

LogicalResult UpstreamLowering::lower(Operation *op) {
  Value patternValue = isa<ExpandOp, CompactOp, DropoutOp>(op)
                           ? op->getOperand(1)
                           : op->getOperand(0);
  if (auto insert = dyn_cast<InsertOp>(op))
    patternValue = insert.getPattern();
  if (isa<DropoutOp>(op))
    return op->emitOpError() << "is left; run sparsedrop-compact or "
                                "sparsedrop-lower-to-masked first";
  FailureOr<LoweredPattern> lowered = patterns.lower(patternValue);
  if (failed(lowered))
    return failure();
  const LoweredPattern &pattern = *lowered;
  rewriter.setInsertionPoint(op);
  Location loc = op->getLoc();
  Value result =
      llvm::TypeSwitch<Operation *, Value>(op)
          .Case([&](CompactOp o) { return lowerCompact(o, pattern); })
          .Case([&](ExpandOp o) { return lowerExpand(o, pattern); })
          .Case([&](InsertOp o) {
            if (pattern.keptList)
              return scatterChannels(rewriter, loc, o.getSource(), o.getDest(),
                                     o.getDim(), pattern);
            InsertionSide side{static_cast<int64_t>(o.getDim()), o.getPattern(),
                               &pattern};
            return insertKept(rewriter, loc, o.getSource(), o.getDest(), side,
                              patterns, joined);
          })
          .Case([&](MaskOp o) { return lowerMask(o, pattern); })
          .Case([&](KeptCountOp o) {
            return getValueOrCreateConstantIndexOp(rewriter, loc,
                                                   pattern.keptCount);
          })
          .Case([&](KeptIndexOp o) {
            return patterns.getKeptIndex(rewriter, loc, pattern,
                                         o.getPosition());
          })
          .Case([&](ExtentOp o) { return pattern.extents[o.getDim()]; })
          .Case(
              [&](ClassCountOp) { return patterns.countClasses(loc, pattern); })
          .Case([&](ScaleOp o) { return pattern.scale; });
  Type type = op->getResult(0).getType();
  if (result.getType() != type)
    result = tensor::CastOp::create(rewriter, loc, type, result);
  rewriter.replaceOp(op, result);
  return success();
}

/// The insertions that `outer` puts back, from the outside on, each into a
/// compact along another dimension of what the one before it is inserted into.
static SmallVector<InsertOp> getInsertionsInside(InsertOp outer) {
  SmallVector<InsertOp> chain{outer};
  llvm::SmallDenseSet<int64_t> dims{static_cast<int64_t>(outer.getDim())};
  while (auto inner = chain.back().getSource().getDefiningOp<InsertOp>()) {
    if (getOuterInsertion(inner) != chain.back() ||
        !dims.insert(static_cast<int64_t>(inner.getDim())).second)
      break;
    chain.push_back(inner);
  }
  return chain;
}

/// What is inserted into a compact that is put back is inserted at once, along
/// all dimensions.
LogicalResult UpstreamLowering::lowerInsertionsOfTiles() {
  SmallVector<InsertOp> outers;
  module.walk([&](InsertOp op) {
    if (!getOuterInsertion(op))
      outers.push_back(op);
  });
  for (InsertOp outer : outers) {
    SmallVector<InsertOp> chain = getInsertionsInside(outer);
    SmallVector<LoweredPattern> lowered;
    for (InsertOp op : chain) {
      FailureOr<LoweredPattern> pattern = patterns.lower(op.getPattern());
      if (failed(pattern))
        return failure();
      lowered.push_back(*pattern);
    }
    if (chain.size() == 1 ||
        llvm::any_of(lowered, [](const LoweredPattern &pattern) {
          return pattern.keptList != nullptr;
        }))
      continue;
    SmallVector<InsertionSide> sides;
    for (auto [op, pattern] : llvm::zip(chain, lowered))
      sides.push_back(
          {static_cast<int64_t>(op.getDim()), op.getPattern(), &pattern});
    rewriter.setInsertionPoint(outer);
    Value result =
        insertKept(rewriter, outer.getLoc(), chain.back().getSource(),
                   outer.getDest(), sides, patterns, joined);
    rewriter.replaceOp(outer, result);
    for (InsertOp inner : ArrayRef(chain).drop_front()) {
      Operation *old = inner.getDest().getDefiningOp();
      rewriter.eraseOp(inner);
      if (old->use_empty())
        rewriter.eraseOp(old);
    }
  }
  return success();
}

/// Removes the ops that made patterns; what is left cannot be lowered.
LogicalResult UpstreamLowering::erasePatterns() {
  SmallVector<Operation *> makers;
  module.walk([&](Operation *op) {
    if (isPatternMaker(op))
      makers.push_back(op);
  });
  for (Operation *op : llvm::reverse(makers))
    if (op->use_empty())
      rewriter.eraseOp(op);
  WalkResult result = module.walk([](Operation *op) {
    bool isOurs = isa_and_present<SparseDropDialect>(op->getDialect());
    bool hasPattern =
        llvm::any_of(op->getOperandTypes(), llvm::IsaPred<PatternType>) ||
        llvm::any_of(op->getResultTypes(), llvm::IsaPred<PatternType>);
    if (auto function = dyn_cast<FunctionOpInterface>(op)) {
      hasPattern |=
          llvm::any_of(function.getArgumentTypes(), llvm::IsaPred<PatternType>);
      hasPattern |=
          llvm::any_of(function.getResultTypes(), llvm::IsaPred<PatternType>);
    }
    if (!isOurs && !hasPattern)
      return WalkResult::advance();
    op->emitError() << "cannot lower a pattern that is a function argument, a "
                       "call's result or carried by control flow; inline what "
                       "draws it";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

LogicalResult UpstreamLowering::run() {
  WalkResult annotated = module.walk([](Operation *op) {
    op->removeDiscardableAttr(kMissedAttrName);
    op->removeDiscardableAttr(kProductAttrName);
    if (!op->hasAttr(kDropoutAttrName))
      return WalkResult::advance();
    op->emitError() << "carries a dropout annotation that has not been "
                       "materialized; run sparsedrop-materialize first";
    return WalkResult::interrupt();
  });
  if (annotated.wasInterrupted() ||
      failed(splitGranularLoops(rewriter, module, patterns, joined)) ||
      failed(lowerInsertionsOfTiles()))
    return failure();
  SmallVector<Operation *> ops;
  module.walk([&](Operation *op) {
    if (isa_and_present<SparseDropDialect>(op->getDialect()) &&
        !isPatternMaker(op))
      ops.push_back(op);
  });
  for (Operation *op : ops) {
    if (op->use_empty()) {
      rewriter.eraseOp(op);
      continue;
    }
    if (failed(lower(op)))
      return failure();
  }
  mergeSlices(rewriter, module);
  return erasePatterns();
}

LogicalResult mlir::sparsedrop::lowerToUpstream(RewriterBase &rewriter,
                                                ModuleOp module) {
  return UpstreamLowering(rewriter, module).run();
}

namespace {
struct LowerToUpstream
    : public mlir::sparsedrop::impl::LowerToUpstreamBase<LowerToUpstream> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    if (failed(lowerToUpstream(rewriter, getOperation())))
      signalPassFailure();
  }
};
} // namespace
