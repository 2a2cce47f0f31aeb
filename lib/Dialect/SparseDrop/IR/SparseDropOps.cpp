//===- SparseDropOps.cpp - Ops that apply patterns ------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::sparsedrop;

//===----------------------------------------------------------------------===//
// Syntax: dim(1), dim(0, 1)
//===----------------------------------------------------------------------===//

static ParseResult parseDims(OpAsmParser &parser, DenseI64ArrayAttr &dims) {
  SmallVector<int64_t> values;
  if (parser.parseCommaSeparatedList(
          [&] { return parser.parseInteger(values.emplace_back()); }))
    return failure();
  dims = parser.getBuilder().getDenseI64ArrayAttr(values);
  return success();
}

static void printDims(OpAsmPrinter &printer, Operation *,
                      DenseI64ArrayAttr dims) {
  llvm::interleaveComma(dims.asArrayRef(), printer);
}

#define GET_OP_CLASSES
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDropOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Shared checks
//===----------------------------------------------------------------------===//

/// The dimensions exist, are as many as the pattern acts on, and differ.
static LogicalResult verifyDims(Operation *op, PatternType pattern,
                                ArrayRef<int64_t> dims, RankedTensorType type) {
  if (static_cast<int64_t>(dims.size()) != pattern.getRank())
    return op->emitOpError()
           << "expects " << pattern.getRank() << " dimensions for " << pattern
           << ", but got " << dims.size();
  for (int64_t dim : dims)
    if (dim < 0 || dim >= type.getRank())
      return op->emitOpError() << "expects dimensions in [0, " << type.getRank()
                               << "), but got " << dim;
  if (dims.size() == 2 && dims[0] == dims[1])
    return op->emitOpError() << "expects two different dimensions, but got "
                             << dims[0] << " twice";
  return success();
}

/// The static extent that a pattern was made for, or kDynamic.
static int64_t getStaticExtent(Value pattern, int64_t dim) {
  Value extent;
  if (auto part = pattern.getDefiningOp<ClassPatternOp>())
    return getStaticExtent(part.getSource(), part.getDim());
  if (auto sample = pattern.getDefiningOp<SampleOp>())
    extent = sample.getExtents()[dim];
  else if (auto made = pattern.getDefiningOp<MakePatternOp>())
    extent = made.getExtents()[dim];
  else if (auto slice = pattern.getDefiningOp<SlicePatternOp>())
    extent = slice.getExtent();
  APInt value;
  if (extent && matchPattern(extent, m_ConstantInt(&value)))
    return value.getSExtValue();
  return ShapedType::kDynamic;
}

/// The size along a dimension is what the pattern was made for.
static LogicalResult verifyExtent(Operation *op, Value pattern, int64_t index,
                                  int64_t size) {
  int64_t extent = getStaticExtent(pattern, index);
  if (ShapedType::isDynamic(extent) || ShapedType::isDynamic(size) ||
      extent == size)
    return success();
  return op->emitOpError() << "expects a dimension of the pattern's extent "
                           << extent << ", but got " << size;
}

/// `full` and `compact` agree but along `dim`.
static LogicalResult verifyPair(Operation *op, RankedTensorType full,
                                RankedTensorType compact, int64_t dim) {
  if (full.getRank() != compact.getRank() ||
      full.getElementType() != compact.getElementType())
    return op->emitOpError() << "expects tensors of one rank and element type, "
                                "but got "
                             << full << " and " << compact;
  for (int64_t i = 0, e = full.getRank(); i < e; ++i) {
    int64_t a = full.getDimSize(i), b = compact.getDimSize(i);
    bool dynamic = ShapedType::isDynamic(a) || ShapedType::isDynamic(b);
    if (i != dim && a != b && !dynamic)
      return op->emitOpError()
             << "expects equal sizes but along dimension " << dim
             << ", but got " << a << " and " << b << " along " << i;
    if (i == dim && !dynamic && b > a)
      return op->emitOpError() << "expects no more kept units than the extent "
                               << a << ", but got " << b;
  }
  return success();
}

/// Sizes of `source`, with the one along `dim` replaced.
static SmallVector<OpFoldResult> reifyLike(OpBuilder &builder, Location loc,
                                           Value source, int64_t dim,
                                           OpFoldResult size) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, source);
  if (size)
    sizes[dim] = size;
  return sizes;
}

static OpFoldResult foldToAttr(OpBuilder &builder, RankedTensorType type,
                               int64_t dim, Value value) {
  if (!type.isDynamicDim(dim))
    return builder.getIndexAttr(type.getDimSize(dim));
  return value;
}

//===----------------------------------------------------------------------===//
// DropoutOp
//===----------------------------------------------------------------------===//

LogicalResult DropoutOp::verify() {
  RankedTensorType type = getSource().getType();
  PatternType pattern = getPattern().getType();
  if (!isDroppable(type.getElementType()))
    return emitOpError()
           << "expects floating-point elements of at most 64 bits, but got "
           << type;
  if (failed(verifyDims(*this, pattern, getDims(), type)))
    return failure();
  for (auto [i, dim] : llvm::enumerate(getDims()))
    if (failed(verifyExtent(*this, getPattern(), i, type.getDimSize(dim))))
      return failure();
  return success();
}

/// Whether `pattern` is known to keep everything.
static bool isDense(Value pattern) {
  auto made = pattern.getDefiningOp<MakePatternOp>();
  return made && made.getPeriod() && matchPattern(made.getPeriod(), m_One());
}

OpFoldResult DropoutOp::fold(FoldAdaptor) {
  if (getUnscaled() && isDense(getPattern()))
    return getSource();
  return {};
}

LogicalResult DropoutOp::reifyResultShapes(OpBuilder &builder,
                                           ReifiedRankedShapedTypeDims &dims) {
  dims.push_back(reifyLike(builder, getLoc(), getSource(), 0, {}));
  return success();
}

//===----------------------------------------------------------------------===//
// CompactOp
//===----------------------------------------------------------------------===//

void CompactOp::build(OpBuilder &builder, OperationState &state, Value source,
                      Value pattern, int64_t dim) {
  auto type = cast<RankedTensorType>(source.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[dim] = ShapedType::kDynamic;
  build(builder, state, type.clone(shape), source, pattern,
        builder.getDenseI64ArrayAttr(dim));
}

LogicalResult CompactOp::verify() {
  RankedTensorType full = getSource().getType();
  if (failed(verifyDims(*this, getPattern().getType(), getDims(), full)) ||
      failed(verifyPair(*this, full, getResult().getType(), getDim())))
    return failure();
  return verifyExtent(*this, getPattern(), 0, full.getDimSize(getDim()));
}

OpFoldResult CompactOp::fold(FoldAdaptor) {
  // Rule C1, and what insert put there.
  if (auto expand = getSource().getDefiningOp<ExpandOp>())
    if (expand.getPattern() == getPattern() && expand.getDims() == getDims() &&
        expand.getSource().getType() == getType())
      return expand.getSource();
  if (auto insert = getSource().getDefiningOp<InsertOp>())
    if (insert.getPattern() == getPattern() && insert.getDims() == getDims() &&
        insert.getSource().getType() == getType())
      return insert.getSource();
  if (isDense(getPattern()) && getSource().getType() == getType())
    return getSource();
  return {};
}

LogicalResult CompactOp::reifyResultShapes(OpBuilder &builder,
                                           ReifiedRankedShapedTypeDims &dims) {
  Value count;
  if (getType().isDynamicDim(getDim()))
    count = KeptCountOp::create(builder, getLoc(), getPattern());
  dims.push_back(reifyLike(builder, getLoc(), getSource(), getDim(),
                           foldToAttr(builder, getType(), getDim(), count)));
  return success();
}

//===----------------------------------------------------------------------===//
// ExpandOp and InsertOp
//===----------------------------------------------------------------------===//

LogicalResult ExpandOp::verify() {
  RankedTensorType full = getResult().getType();
  if (failed(verifyDims(*this, getPattern().getType(), getDims(), full)) ||
      failed(verifyPair(*this, full, getSource().getType(), getDim())))
    return failure();
  return verifyExtent(*this, getPattern(), 0, full.getDimSize(getDim()));
}

OpFoldResult ExpandOp::fold(FoldAdaptor) {
  if (isDense(getPattern()) && getSource().getType() == getType())
    return getSource();
  return {};
}

LogicalResult ExpandOp::reifyResultShapes(OpBuilder &builder,
                                          ReifiedRankedShapedTypeDims &dims) {
  Value extent;
  if (getType().isDynamicDim(getDim()))
    extent = builder.createOrFold<ExtentOp>(getLoc(), getPattern(), 0);
  dims.push_back(reifyLike(builder, getLoc(), getSource(), getDim(),
                           foldToAttr(builder, getType(), getDim(), extent)));
  return success();
}

LogicalResult InsertOp::verify() {
  RankedTensorType full = getDest().getType();
  if (failed(verifyDims(*this, getPattern().getType(), getDims(), full)) ||
      failed(verifyPair(*this, full, getSource().getType(), getDim())))
    return failure();
  return verifyExtent(*this, getPattern(), 0, full.getDimSize(getDim()));
}

LogicalResult InsertOp::reifyResultShapes(OpBuilder &builder,
                                          ReifiedRankedShapedTypeDims &dims) {
  dims.push_back(reifyLike(builder, getLoc(), getDest(), 0, {}));
  return success();
}
