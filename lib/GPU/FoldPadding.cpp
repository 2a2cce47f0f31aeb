//===- FoldPadding.cpp - Padding becomes an index of contractions ---------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a contraction reads outside of a factor is zero. So an image that is
// padded with zeros is read itself, a little earlier; taps in the other order
// are read backwards; and of a result of which only the middle is used, only
// that is computed. No copy remains of any of them.
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "RemarkOptions.h"
#include "SplitLoop.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_FOLDPADDING
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;

static void setMap(ContractOp op, unsigned operand, AffineMap map) {
  auto maps =
      llvm::to_vector(op.getIndexingMaps().getAsValueRange<AffineMapAttr>());
  maps[operand] = map;
  op.setIndexingMapsAttr(Builder(op).getAffineMapArrayAttr(maps));
}

//===----------------------------------------------------------------------===//
// Padding
//===----------------------------------------------------------------------===//

namespace {
/// A value with zeros around it.
struct Padding {
  Value source;
  SmallVector<int64_t> low;  ///< zeros before it, in each dimension
  llvm::SmallBitVector dims; ///< those that have zeros before or behind it
};
} // namespace

/// Whether all offsets and strides are known, and each stride is 1.
static bool isShift(OffsetSizeAndStrideOpInterface slice) {
  return llvm::none_of(slice.getStaticOffsets(), ShapedType::isDynamic) &&
         llvm::all_of(slice.getStaticStrides(),
                      [](int64_t stride) { return stride == 1; });
}

/// Whether both have the same extent.
static bool isSameExtent(Value a, Value b, int64_t dim) {
  FailureOr<bool> equal =
      ValueBoundsConstraintSet::areEqual({a, dim}, {b, dim});
  return succeeded(equal) && *equal;
}

static bool isZeroFill(Value value) {
  auto fill = value.getDefiningOp<linalg::FillOp>();
  return fill && matchPattern(fill.getInputs()[0], m_AnyZeroFloat());
}

/// A slice of a value with zeros around it: fewer zeros, or a part of the
/// value.
static std::optional<Padding> getSlice(Value value) {
  auto slice = value.getDefiningOp<tensor::ExtractSliceOp>();
  if (!slice || !isShift(slice) ||
      slice.getType().getRank() != slice.getSourceType().getRank())
    return std::nullopt;
  Padding padding;
  padding.source = slice.getSource();
  padding.dims.resize(slice.getType().getRank());
  for (auto [dim, offset] : llvm::enumerate(slice.getStaticOffsets())) {
    padding.low.push_back(-offset);
    if (offset != 0 ||
        !isSameExtent(slice.getSource(), value, static_cast<int64_t>(dim)))
      padding.dims.set(dim);
  }
  return padding;
}

static std::optional<Padding> getPadding(Value value) {
  Padding padding;
  if (auto pad = value.getDefiningOp<tensor::PadOp>()) {
    Value filler = pad.getConstantPaddingValue();
    if (!filler || !matchPattern(filler, m_AnyZeroFloat()) ||
        llvm::any_of(pad.getStaticLow(), ShapedType::isDynamic))
      return std::nullopt;
    padding.source = pad.getSource();
    padding.low = llvm::to_vector(pad.getStaticLow());
    padding.dims.resize(padding.low.size());
    for (auto [dim, high] : llvm::enumerate(pad.getMixedHighPad()))
      if (padding.low[dim] != 0 || !isZeroInteger(high))
        padding.dims.set(dim);
    return padding;
  }
  auto insert = value.getDefiningOp<tensor::InsertSliceOp>();
  if (!insert || !isShift(insert) ||
      insert.getSourceType().getRank() != insert.getType().getRank())
    return std::nullopt;
  if (!isZeroFill(insert.getDest()))
    return std::nullopt;
  padding.source = insert.getSource();
  padding.low = llvm::to_vector(insert.getStaticOffsets());
  padding.dims.resize(padding.low.size());
  for (auto [dim, low] : llvm::enumerate(padding.low))
    if (low != 0 || !isSameExtent(insert.getSource(), insert.getDest(),
                                  static_cast<int64_t>(dim)))
      padding.dims.set(dim);
  return padding;
}

/// Why the contraction has to read the padded factor, or nothing.
static std::string getProblem(ContractOp op, unsigned factor,
                              const Padding &padding) {
  AffineMap map = op.getMap(factor);
  for (unsigned dim : padding.dims.set_bits()) {
    // Loops have their extents from dimensions that they index alone.
    if (isa<AffineDimExpr>(map.getResult(dim)))
      return "dimension " + std::to_string(dim) +
             " is indexed by one loop alone";
    if (dim + 1 == map.getNumResults())
      return "the innermost dimension is padded";
  }
  return "";
}

static void foldPadding(ContractOp op, unsigned factor,
                        const Padding &padding) {
  AffineMap map = op.getMap(factor);
  SmallVector<AffineExpr> exprs(map.getResults());
  for (auto [expr, low] : llvm::zip(exprs, padding.low))
    expr = expr - low;
  setMap(op, factor,
         AffineMap::get(map.getNumDims(), 0, exprs, op.getContext()));
  op->setOperand(factor, padding.source);
}

//===----------------------------------------------------------------------===//
// The other order
//===----------------------------------------------------------------------===//

/// The map by which a copy that turns dimensions around reads its source.
static std::optional<AffineMap> getReversal(linalg::GenericOp copy) {
  if (!copy || !copy.hasPureTensorSemantics() || copy.getNumDpsInputs() != 1 ||
      copy.getNumDpsInits() != 1 || copy.getNumReductionLoops() != 0 ||
      copy.getBlock()->getTerminator()->getOperand(0) !=
          copy.getBlock()->getArgument(0) ||
      !copy.getIndexingMapsArray()[1].isIdentity())
    return std::nullopt;
  AffineMap map = copy.getIndexingMapsArray()[0];
  auto type = cast<RankedTensorType>(copy.getDpsInputs()[0].getType());
  if (type.getRank() != map.getNumDims())
    return std::nullopt;
  for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
    std::optional<LinearIndex> index = getLinearIndex(expr, map.getNumDims());
    if (!index || getWholeLoop(*index, type.getDimSize(dim)) != dim)
      return std::nullopt;
  }
  return map;
}

//===----------------------------------------------------------------------===//
// The middle of a result
//===----------------------------------------------------------------------===//

namespace {
/// The only user of a contraction, which takes a slice of it, and elementwise
/// ops with one operand on the way there.
struct Crop {
  SmallVector<linalg::GenericOp> between;
  tensor::ExtractSliceOp slice;
};
} // namespace

static std::optional<Crop> getCrop(ContractOp op) {
  if (op->getNumResults() != 1 || !op->hasOneUse())
    return std::nullopt;
  Crop crop;
  Operation *user = *op->user_begin();
  while (auto generic = dyn_cast<linalg::GenericOp>(user)) {
    bool isPointwise =
        generic.hasPureTensorSemantics() && generic.getNumDpsInputs() == 1 &&
        generic->getNumResults() == 1 && generic->hasOneUse() &&
        generic.getNumReductionLoops() == 0 &&
        generic.getDpsInits()[0].getDefiningOp<tensor::EmptyOp>() &&
        generic.getBlock()->getOps<linalg::IndexOp>().empty() &&
        llvm::all_of(generic.getIndexingMapsArray(),
                     [](AffineMap map) { return map.isIdentity(); });
    if (!isPointwise)
      return std::nullopt;
    crop.between.push_back(generic);
    user = *generic->user_begin();
  }
  crop.slice = dyn_cast<tensor::ExtractSliceOp>(user);
  if (!crop.slice || crop.slice->getBlock() != op->getBlock() ||
      !isShift(crop.slice) ||
      crop.slice.getType().getRank() != crop.slice.getSourceType().getRank())
    return std::nullopt;
  return crop;
}

/// What each loop begins at; nothing if an operand would have to be sliced,
/// too.
static std::optional<SmallVector<int64_t>> getStarts(ContractOp op, Crop crop) {
  SmallVector<int64_t> starts(op.getNumLoops(), 0);
  Value whole = op->getResult(0);
  for (auto [dim, expr] : llvm::enumerate(op.getInitMap().getResults())) {
    unsigned loop = cast<AffineDimExpr>(expr).getPosition();
    starts[loop] = crop.slice.getStaticOffset(dim);
    FailureOr<bool> equal = ValueBoundsConstraintSet::areEqual(
        {whole, static_cast<int64_t>(dim)}, crop.slice.getMixedSizes()[dim]);
    if (starts[loop] == 0 && succeeded(equal) && *equal)
      continue;
    for (unsigned i = 0; i < op.getFirstInit(); ++i)
      for (AffineExpr other : op.getMap(i).getResults())
        if (other.isFunctionOfDim(loop) &&
            (i >= 2 || isa<AffineDimExpr>(other)))
          return std::nullopt;
  }
  return starts;
}

static void foldCrop(RewriterBase &rewriter, ContractOp op, Crop crop,
                     ArrayRef<int64_t> starts) {
  auto resize = [&](Value init) -> Value {
    SmallVector<OpFoldResult> sizes = crop.slice.getMixedSizes();
    rewriter.setInsertionPoint(crop.slice);
    if (init.getDefiningOp<tensor::EmptyOp>())
      return tensor::EmptyOp::create(rewriter, init.getLoc(), sizes,
                                     getElementTypeOrSelf(init.getType()));
    return tensor::ExtractSliceOp::create(rewriter, init.getLoc(), init,
                                          crop.slice.getMixedOffsets(), sizes,
                                          crop.slice.getMixedStrides());
  };
  SmallVector<AffineExpr> shifted;
  for (auto [loop, start] : llvm::enumerate(starts))
    shifted.push_back(rewriter.getAffineDimExpr(static_cast<unsigned>(loop)) +
                      start);
  Value init = resize(op.getInits()[0]);
  IRMapping mapping;
  mapping.map(op.getInits()[0], init);
  auto smaller = cast<ContractOp>(rewriter.clone(*op, mapping));
  smaller->getResult(0).setType(cast<RankedTensorType>(init.getType()));
  for (unsigned i = 0; i < 2; ++i)
    setMap(
        smaller, i,
        op.getMap(i).replaceDimsAndSymbols(shifted, {}, op.getNumLoops(), 0));
  Value result = smaller->getResult(0);
  for (linalg::GenericOp generic : crop.between) {
    Value own = resize(generic.getDpsInits()[0]);
    IRMapping operands;
    operands.map(generic->getOperand(0), result);
    operands.map(generic.getDpsInits()[0], own);
    Operation *copy = rewriter.clone(*generic, operands);
    copy->getResult(0).setType(cast<RankedTensorType>(own.getType()));
    result = copy->getResult(0);
  }
  rewriter.replaceOp(crop.slice, result);
  for (linalg::GenericOp generic : llvm::reverse(crop.between))
    rewriter.eraseOp(generic);
  rewriter.eraseOp(op);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

static remark::RemarkOpts getOptions(Operation *op) {
  return getRemarkOptions(op, "Padding", "sparsedrop-fold-padding");
}

/// Whether a factor is read at sums of loops.
static bool hasSums(ContractOp op) {
  return llvm::any_of(ArrayRef{0u, 1u}, [&](unsigned factor) {
    return !op.getMap(factor).isProjectedPermutation();
  });
}

/// Whether no constant leads outside of a factor yet.
static bool isInside(ContractOp op, unsigned factor) {
  return llvm::all_of(op.getMap(factor).getResults(), [&](AffineExpr expr) {
    return getLinearIndex(expr, op.getNumLoops())->offset == 0;
  });
}

/// Folds what one factor is a copy of; whether there was something. `isInside`:
/// all that is read lies inside of the factor.
static bool foldRead(RewriterBase &rewriter, ContractOp &op, unsigned factor,
                     bool &isInside) {
  Value value = op->getOperand(factor);
  if (auto copy = value.getDefiningOp<linalg::GenericOp>()) {
    std::optional<AffineMap> map = getReversal(copy);
    if (!map)
      return false;
    setMap(op, factor, map->compose(op.getMap(factor)));
    op->setOperand(factor, copy.getDpsInputs()[0]);
    return true;
  }
  // Upstream moves the reshapes of other products.
  if (hasSums(op))
    if (ContractOp split = splitCollapsed(rewriter, op, factor)) {
      op = split;
      return true;
    }
  // What is beside a slice is not zero.
  std::optional<Padding> slice = isInside ? getSlice(value) : std::nullopt;
  if (slice && getPadding(slice->source) &&
      getProblem(op, factor, *slice).empty()) {
    foldPadding(op, factor, *slice);
    return true;
  }
  std::optional<Padding> padding = getPadding(value);
  if (!padding || !getProblem(op, factor, *padding).empty())
    return false;
  foldPadding(op, factor, *padding);
  isInside = false;
  remark::passed(op.getLoc(), getOptions(op))
      << remark::add("operand {0} is read without a padded copy", factor);
  return true;
}

/// Says why a factor is still a copy.
static void explain(ContractOp op, unsigned factor) {
  Value value = op->getOperand(factor);
  auto insert = value.getDefiningOp<tensor::InsertSliceOp>();
  if (std::optional<Padding> padding = getPadding(value))
    remark::missed(op.getLoc(), getOptions(op))
        << remark::add("operand {0} is a padded copy: {1}", factor,
                       getProblem(op, factor, *padding));
  else if (insert && isZeroFill(insert.getDest()))
    remark::missed(op.getLoc(), getOptions(op)) << remark::add(
        "operand {0} is a spread-out copy: its elements are some apart",
        factor);
}

namespace {
struct FoldPadding
    : public mlir::sparsedrop::impl::FoldPaddingBase<FoldPadding> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<ContractOp> ops;
    getOperation().walk([&](ContractOp op) {
      if (op->getNumResults() != 0)
        ops.push_back(op);
    });
    for (ContractOp op : ops) {
      for (unsigned factor : {0u, 1u}) {
        bool isInBounds = isInside(op, factor);
        while (foldRead(rewriter, op, factor, isInBounds))
          ;
        explain(op, factor);
      }
      std::optional<Crop> crop = getCrop(op);
      if (!crop)
        continue;
      if (auto starts = getStarts(op, *crop))
        foldCrop(rewriter, op, *crop, *starts);
    }
  }
};
} // namespace
