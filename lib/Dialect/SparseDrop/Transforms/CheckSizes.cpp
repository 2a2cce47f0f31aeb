//===- CheckSizes.cpp - Run-time checks of sizes --------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h"

#include "LowerPatterns.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/RuntimeVerifiableOpInterface.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_CHECKSIZES
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;
using mlir::sparsedrop::InsertOp;

/// Whether `op` reads along dimension `dim` by the index of a loop around it
/// that is no longer than the dimension.
static bool isWithinLoop(tensor::ExtractOp op, Value index, int64_t dim) {
  auto loop = index.getDefiningOp<linalg::IndexOp>();
  auto around = op->getParentOfType<linalg::LinalgOp>();
  if (!loop || !around || loop->getParentOp() != around.getOperation())
    return false;
  int64_t range = around.getStaticLoopRanges()[loop.getDim()];
  int64_t size = op.getTensor().getType().getDimSize(dim);
  return ShapedType::isStatic(range) && ShapedType::isStatic(size) &&
         range <= size;
}

/// Whether some size, offset or index of `op` is known at run time only: where
/// all are static the verifier has said what there is to say.
static bool needsChecks(Operation *op) {
  if (auto extract = dyn_cast<tensor::ExtractOp>(op))
    return llvm::any_of(llvm::enumerate(extract.getIndices()), [&](auto index) {
      return !isWithinLoop(extract, index.value(),
                           static_cast<int64_t>(index.index()));
    });
  auto isUnknown = [](Value value) {
    return value.getType().isIndex() && !matchPattern(value, m_Constant());
  };
  if (llvm::any_of(op->getOperands(), isUnknown))
    return true;
  auto isDynamic = [](Type type) {
    auto shaped = dyn_cast<ShapedType>(type);
    return shaped && (!shaped.hasRank() || !shaped.hasStaticShape());
  };
  return llvm::any_of(op->getOperandTypes(), isDynamic) ||
         llvm::any_of(op->getResultTypes(), isDynamic);
}

std::string mlir::sparsedrop::describeMisfit(Operation *op, StringRef reason) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (auto loc = op->getLoc()->findInstanceOf<FileLineColLoc>())
    stream << loc.getFilename().getValue() << ':' << loc.getLine() << ':'
           << loc.getColumn() << ": ";
  stream << "'" << op->getName()
         << "' op does not fit the sizes it is given: " << reason.rtrim();
  return text;
}

/// The dimension of `value` that a pattern acts on has the size that it was
/// drawn for.
static void checkExtent(OpBuilder &builder, Operation *op, Value value,
                        int64_t dim, Value expected) {
  Location loc = op->getLoc();
  Value size = builder.createOrFold<tensor::DimOp>(loc, value, dim);
  Value fits = builder.createOrFold<arith::CmpIOp>(
      loc, arith::CmpIPredicate::eq, size, expected);
  if (matchPattern(fits, m_One()))
    return;
  cf::AssertOp::create(builder, loc, fits,
                       describeMisfit(op,
                                      "a dimension is not of the extent of its "
                                      "pattern"));
}

static void assertThat(OpBuilder &builder, Operation *op, Value condition,
                       StringRef reason) {
  if (!matchPattern(condition, m_One()))
    cf::AssertOp::create(builder, op->getLoc(), condition,
                         describeMisfit(op, reason));
}

/// 0 <= first and first + (size - 1) * stride < extent, unless size is 0.
static Value isInside(OpBuilder &builder, Location loc, OpFoldResult first,
                      OpFoldResult size, OpFoldResult stride,
                      OpFoldResult extent) {
  auto value = [&](OpFoldResult number) {
    return getValueOrCreateConstantIndexOp(builder, loc, number);
  };
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  auto compare = [&](arith::CmpIPredicate predicate, Value a, Value b) {
    return builder.createOrFold<arith::CmpIOp>(loc, predicate, a, b);
  };
  Value steps = builder.createOrFold<arith::SubIOp>(loc, value(size), one);
  Value reach = builder.createOrFold<arith::MulIOp>(loc, steps, value(stride));
  Value last = builder.createOrFold<arith::AddIOp>(loc, value(first), reach);
  // As unsigned numbers those below 0 are large.
  Value inside = builder.createOrFold<arith::AndIOp>(
      loc, compare(arith::CmpIPredicate::ult, value(first), value(extent)),
      compare(arith::CmpIPredicate::ult, last, value(extent)));
  Value isEmpty = compare(arith::CmpIPredicate::eq, value(size), zero);
  return builder.createOrFold<arith::OrIOp>(loc, isEmpty, inside);
}

/// What upstream does not verify at run time: a slice is inserted within its
/// destination, and has the size that the op says.
static void checkInsertSlice(OpBuilder &builder, tensor::InsertSliceOp op) {
  builder.setInsertionPoint(op);
  Location loc = op.getLoc();
  llvm::SmallBitVector dropped = op.getDroppedDims();
  int64_t sourceDim = 0;
  for (int64_t dim = 0, rank = op.getDestType().getRank(); dim < rank; ++dim) {
    OpFoldResult size = op.getMixedSizes()[dim];
    assertThat(builder, op,
               isInside(builder, loc, op.getMixedOffsets()[dim], size,
                        op.getMixedStrides()[dim],
                        tensor::getMixedSize(builder, loc, op.getDest(), dim)),
               "the slice is not within its destination");
    if (dropped.test(dim))
      continue;
    Value given = getValueOrCreateConstantIndexOp(
        builder, loc,
        tensor::getMixedSize(builder, loc, op.getSource(), sourceDim++));
    Value wanted = getValueOrCreateConstantIndexOp(builder, loc, size);
    assertThat(builder, op,
               builder.createOrFold<arith::CmpIOp>(
                   loc, arith::CmpIPredicate::eq, given, wanted),
               "the source is not of the slice's size");
  }
}

/// The elements of a new tensor are as many as memory has: sizes that are
/// computed may be below 0, products of large ones wrap.
static void checkEmpty(OpBuilder &builder, tensor::EmptyOp op) {
  // Addresses of programs have 47 bits.
  constexpr int64_t kMostElements = int64_t(1) << 47;
  builder.setInsertionPoint(op);
  Location loc = op.getLoc();
  int64_t known = 1;
  for (int64_t size : op.getType().getShape())
    if (ShapedType::isStatic(size) && llvm::MulOverflow(known, size, known))
      known = kMostElements;
  Value most = arith::ConstantIndexOp::create(builder, loc, kMostElements);
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value count = arith::ConstantIndexOp::create(builder, loc, known);
  Value fits;
  auto require = [&](arith::CmpIPredicate predicate, Value a, Value b) {
    Value holds = arith::CmpIOp::create(builder, loc, predicate, a, b);
    fits = fits ? arith::AndIOp::create(builder, loc, fits, holds) : holds;
  };
  for (Value size : op.getDynamicSizes()) {
    require(arith::CmpIPredicate::ult, size, most);
    auto product = arith::MulUIExtendedOp::create(builder, loc, count, size);
    require(arith::CmpIPredicate::eq, product.getHigh(), zero);
    count = product.getLow();
  }
  require(arith::CmpIPredicate::ult, count, most);
  assertThat(builder, op, fits, "no memory has so many elements");
}

/// Whether the sizes are not those of one tensor that is there.
static bool needsCount(tensor::EmptyOp op) {
  ValueRange sizes = op.getDynamicSizes();
  return sizes.size() > 1 ||
         (sizes.size() == 1 && !sizes[0].getDefiningOp<tensor::DimOp>());
}

/// Each of `sizes` that is computed is at least 0.
static void checkNotNegative(OpBuilder &builder, Operation *op,
                             ValueRange sizes, StringRef reason) {
  builder.setInsertionPoint(op);
  Value zero;
  for (Value size : sizes) {
    // Sizes of what is there.
    if (matchPattern(size, m_Constant()) ||
        isa_and_present<tensor::DimOp, KeptCountOp, ExtentOp>(
            size.getDefiningOp()))
      continue;
    if (!zero)
      zero = arith::ConstantIndexOp::create(builder, op->getLoc(), 0);
    assertThat(builder, op,
               builder.createOrFold<arith::CmpIOp>(
                   op->getLoc(), arith::CmpIPredicate::sge, size, zero),
               reason);
  }
}

/// A pad adds elements and takes none away: what its lowerings copy would not
/// fit in.
static LogicalResult checkPad(OpBuilder &builder, tensor::PadOp op) {
  for (ArrayRef<int64_t> amounts : {op.getStaticLow(), op.getStaticHigh()})
    for (int64_t amount : amounts)
      if (ShapedType::isStatic(amount) && amount < 0)
        return op.emitOpError() << "expects padding of at least 0, but got "
                                << amount << "; use tensor.extract_slice";
  checkNotNegative(builder, op, op.getLow(), "padding is negative");
  checkNotNegative(builder, op, op.getHigh(), "padding is negative");
  return success();
}

/// The parallel loops that windows slide along: an operand is read at sums of
/// them and others.
static llvm::SmallBitVector getSlidingLoops(linalg::LinalgOp op) {
  llvm::SmallBitVector loops(op.getNumLoops());
  SmallVector<utils::IteratorType> types = op.getIteratorTypesArray();
  for (OpOperand *input : op.getDpsInputOperands())
    for (AffineExpr expr : op.getMatchingIndexingMap(input).getResults())
      for (unsigned loop = 0; loop < loops.size(); ++loop)
        if (!isa<AffineDimExpr>(expr) && expr.isFunctionOfDim(loop) &&
            types[loop] == utils::IteratorType::parallel)
          loops.set(loop);
  return loops;
}

/// An annotated convolution has a result: padding and dilation may leave none.
static LogicalResult checkWindows(OpBuilder &builder, linalg::LinalgOp op) {
  llvm::SmallBitVector sliding = getSlidingLoops(op);
  OpOperand *init = op.getDpsInitOperand(0);
  AffineMap map = op.getMatchingIndexingMap(init);
  auto type = cast<ShapedType>(init->get().getType());
  for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
    auto loop = dyn_cast<AffineDimExpr>(expr);
    if (!loop || !sliding.test(loop.getPosition()))
      continue;
    if (type.getDimSize(dim) == 0)
      return op.emitOpError()
             << "expects windows that fit at least once, but padding and "
                "dilation leave nothing of output dimension "
             << dim;
    if (!type.isDynamicDim(dim) || !isa<RankedTensorType>(type))
      continue;
    builder.setInsertionPoint(op);
    Location loc = op.getLoc();
    Value size = builder.createOrFold<tensor::DimOp>(loc, init->get(), dim);
    Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
    assertThat(builder, op,
               builder.createOrFold<arith::CmpIOp>(
                   loc, arith::CmpIPredicate::ne, size, zero),
               "padding and dilation leave nothing of its output");
  }
  return success();
}

/// The ops of this dialect that take a tensor and a pattern.
static void checkPatterns(OpBuilder &builder, Operation *op) {
  builder.setInsertionPoint(op);
  auto getExtent = [&](Value pattern, int64_t i) {
    return builder.createOrFold<ExtentOp>(op->getLoc(), pattern, i);
  };
  if (auto dropout = dyn_cast<DropoutOp>(op))
    for (auto [i, dim] : llvm::enumerate(dropout.getDims()))
      checkExtent(builder, op, dropout.getSource(), dim,
                  getExtent(dropout.getPattern(), i));
  if (auto compact = dyn_cast<CompactOp>(op))
    checkExtent(builder, op, compact.getSource(), compact.getDim(),
                getExtent(compact.getPattern(), 0));
  Value source, pattern;
  int64_t dim = 0;
  if (auto expand = dyn_cast<ExpandOp>(op)) {
    source = expand.getSource();
    pattern = expand.getPattern();
    dim = expand.getDim();
  }
  if (auto insert = dyn_cast<InsertOp>(op)) {
    source = insert.getSource();
    pattern = insert.getPattern();
    dim = insert.getDim();
    checkExtent(builder, op, insert.getDest(), dim, getExtent(pattern, 0));
  }
  if (source)
    checkExtent(
        builder, op, source, dim,
        KeptCountOp::create(builder, op->getLoc(), pattern).getResult());
}

namespace {
struct CheckSizes : public mlir::sparsedrop::impl::CheckSizesBase<CheckSizes> {
  void runOnOperation() override {
    SmallVector<RuntimeVerifiableOpInterface> ops;
    getOperation().walk([&](RuntimeVerifiableOpInterface op) {
      if (needsChecks(op))
        ops.push_back(op);
    });
    SmallVector<Operation *> patternOps;
    getOperation().walk([&](Operation *op) {
      if (isa<DropoutOp, CompactOp, ExpandOp, InsertOp>(op))
        patternOps.push_back(op);
    });
    SmallVector<tensor::InsertSliceOp> insertions;
    getOperation().walk([&](tensor::InsertSliceOp op) {
      if (needsChecks(op))
        insertions.push_back(op);
    });
    SmallVector<tensor::EmptyOp> empties;
    SmallVector<tensor::PadOp> pads;
    getOperation().walk([&](Operation *op) {
      if (auto empty = dyn_cast<tensor::EmptyOp>(op);
          empty && needsCount(empty))
        empties.push_back(empty);
      if (auto pad = dyn_cast<tensor::PadOp>(op))
        pads.push_back(pad);
    });
    SmallVector<linalg::LinalgOp> annotated;
    getOperation().walk([&](linalg::LinalgOp op) {
      if (op->hasAttr(kDropoutAttrName) && op.getNumDpsInits() == 1)
        annotated.push_back(op);
    });
    OpBuilder builder(&getContext());
    for (linalg::LinalgOp op : annotated)
      if (failed(checkWindows(builder, op)))
        return signalPassFailure();
    for (tensor::EmptyOp op : empties) {
      checkNotNegative(builder, op, op.getDynamicSizes(), "a size is negative");
      checkEmpty(builder, op);
    }
    for (tensor::PadOp op : pads)
      if (failed(checkPad(builder, op)))
        return signalPassFailure();
    for (tensor::InsertSliceOp op : insertions)
      checkInsertSlice(builder, op);
    for (Operation *op : patternOps)
      checkPatterns(builder, op);
    for (RuntimeVerifiableOpInterface op : ops) {
      builder.setInsertionPoint(op);
      op.generateRuntimeVerification(builder, op.getLoc(), describeMisfit);
    }
  }
};
} // namespace
