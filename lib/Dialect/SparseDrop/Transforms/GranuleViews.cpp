//===- GranuleViews.cpp - Parts of a granular dimension -------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GranuleViews.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"

using namespace mlir;
using namespace mlir::sparsedrop;

OpFoldResult mlir::sparsedrop::multiplySize(OpBuilder &builder, Location loc,
                                            OpFoldResult a, int64_t b) {
  if (std::optional<int64_t> constant = getConstantIntValue(a))
    return builder.getIndexAttr(*constant * b);
  Value factor = arith::ConstantIndexOp::create(builder, loc, b);
  return builder.createOrFold<arith::MulIOp>(
      loc, getValueOrCreateConstantIndexOp(builder, loc, a), factor);
}

/// The same, whether or not they are constant.
static SmallVector<OpFoldResult> findSizes(OpBuilder &builder, Location loc,
                                           Value value) {
  Operation *op = value.getDefiningOp();
  if (auto expand = dyn_cast_if_present<tensor::ExpandShapeOp>(op))
    return expand.getMixedOutputShape();
  if (auto empty = dyn_cast_if_present<tensor::EmptyOp>(op))
    return empty.getMixedSizes();
  if (auto extract = dyn_cast_if_present<tensor::ExtractSliceOp>(op);
      extract && extract.getDroppedDims().none())
    return extract.getMixedSizes();
  if (auto insert = dyn_cast_if_present<tensor::InsertSliceOp>(op))
    return findSizes(builder, loc, insert.getDest());
  if (auto style = dyn_cast_if_present<DestinationStyleOpInterface>(op))
    return findSizes(builder, loc,
                     style.getTiedOpOperand(cast<OpResult>(value))->get());
  auto collapse = dyn_cast_if_present<tensor::CollapseShapeOp>(op);
  if (!collapse)
    return tensor::getMixedSizes(builder, loc, value);
  SmallVector<OpFoldResult> sizes,
      split = findSizes(builder, loc, collapse.getSrc());
  for (const ReassociationIndices &group : collapse.getReassociationIndices()) {
    sizes.push_back(split[group[0]]);
    for (int64_t index : ArrayRef(group).drop_front()) {
      std::optional<int64_t> factor = getConstantIntValue(split[index]);
      if (!factor)
        return tensor::getMixedSizes(builder, loc, value);
      sizes.back() = multiplySize(builder, loc, sizes.back(), *factor);
    }
  }
  return sizes;
}

SmallVector<OpFoldResult>
mlir::sparsedrop::getKnownSizes(OpBuilder &builder, Location loc, Value value) {
  SmallVector<OpFoldResult> sizes = findSizes(builder, loc, value);
  // What the type does not know is no attribute.
  auto type = cast<RankedTensorType>(value.getType());
  for (auto [dim, size] : llvm::enumerate(sizes))
    size =
        type.isDynamicDim(dim)
            ? OpFoldResult(getValueOrCreateConstantIndexOp(builder, loc, size))
            : builder.getIndexAttr(type.getDimSize(dim));
  return sizes;
}

Value mlir::sparsedrop::sliceDim(OpBuilder &builder, Location loc, Value value,
                                 int64_t dim, OpFoldResult offset,
                                 OpFoldResult size) {
  SmallVector<OpFoldResult> sizes = getKnownSizes(builder, loc, value);
  if (isZeroInteger(offset) && isEqualConstantIntOrValue(sizes[dim], size))
    return value;
  SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), builder.getIndexAttr(1));
  offsets[dim] = offset;
  sizes[dim] = size;
  return tensor::ExtractSliceOp::create(builder, loc, value, offsets, sizes,
                                        strides);
}

Value mlir::sparsedrop::sliceGranules(OpBuilder &builder, Location loc,
                                      Value compact, int64_t dim,
                                      OpFoldResult whole,
                                      const SplitExtent &split) {
  if (isZeroInteger(split.tail))
    return compact;
  return sliceDim(builder, loc, compact, dim, builder.getIndexAttr(0), whole);
}

Value mlir::sparsedrop::splitDim(OpBuilder &builder, Location loc, Value value,
                                 int64_t dim, OpFoldResult blocks,
                                 int64_t granularity) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<OpFoldResult> sizes = getKnownSizes(builder, loc, value);
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0, out = 0; i < type.getRank(); ++i) {
    groups.push_back({out++});
    if (i == dim)
      groups.back().push_back(out++);
  }
  // A size that is static on one side must be so on the other.
  sizes[dim] =
      type.isDynamicDim(dim)
          ? OpFoldResult(getValueOrCreateConstantIndexOp(builder, loc, blocks))
          : blocks;
  sizes.insert(sizes.begin() + dim + 1, builder.getIndexAttr(granularity));
  SmallVector<int64_t> shape;
  SmallVector<Value> dynamic;
  dispatchIndexOpFoldResults(sizes, dynamic, shape);
  return tensor::ExpandShapeOp::create(
      builder, loc, RankedTensorType::get(shape, type.getElementType()), value,
      groups, sizes);
}

Value mlir::sparsedrop::joinDims(OpBuilder &builder, Location loc, Value value,
                                 int64_t dim) {
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i < rank; ++i) {
    if (i == dim + 1)
      groups.back().push_back(i);
    else
      groups.push_back({i});
  }
  return tensor::CollapseShapeOp::create(builder, loc, value, groups);
}

Value mlir::sparsedrop::splitFull(OpBuilder &builder, Location loc, Value full,
                                  int64_t dim, const LoweredPattern &pattern,
                                  const SplitExtent &split) {
  int64_t granularity = pattern.type.getGranularity();
  Value whole = sliceDim(builder, loc, full, dim, builder.getIndexAttr(0),
                         multiplySize(builder, loc, split.full, granularity));
  return splitDim(builder, loc, whole, dim, split.full, granularity);
}

Value mlir::sparsedrop::sliceKeptGranules(OpBuilder &builder, Location loc,
                                          Value full, int64_t dim,
                                          const LoweredPattern &pattern,
                                          const SplitExtent &split) {
  Value granules = splitFull(builder, loc, full, dim, pattern, split);
  SmallVector<OpFoldResult> sizes = getKnownSizes(builder, loc, granules);
  SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), builder.getIndexAttr(1));
  offsets[dim] = getAsOpFoldResult(pattern.bias);
  sizes[dim] = split.kept;
  strides[dim] = getAsOpFoldResult(pattern.period);
  return tensor::ExtractSliceOp::create(builder, loc, granules, offsets, sizes,
                                        strides);
}

Value mlir::sparsedrop::sliceKeptTail(OpBuilder &builder, Location loc,
                                      Value full, int64_t dim,
                                      const LoweredPattern &pattern,
                                      const SplitExtent &split) {
  return sliceDim(
      builder, loc, full, dim,
      multiplySize(builder, loc, split.full, pattern.type.getGranularity()),
      split.tail);
}

Value mlir::sparsedrop::insertAlong(OpBuilder &builder, Location loc,
                                    Value source, Value dest, int64_t dim,
                                    OpFoldResult offset, OpFoldResult stride) {
  SmallVector<OpFoldResult> sizes = getKnownSizes(builder, loc, source);
  SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), builder.getIndexAttr(1));
  offsets[dim] = offset;
  strides[dim] = stride;
  return tensor::InsertSliceOp::create(builder, loc, source, dest, offsets,
                                       sizes, strides);
}

Value mlir::sparsedrop::sliceStrided(OpBuilder &builder, Location loc,
                                     Value dest, int64_t dim,
                                     OpFoldResult offset, OpFoldResult size,
                                     OpFoldResult stride) {
  SmallVector<OpFoldResult> sizes = getKnownSizes(builder, loc, dest);
  SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), builder.getIndexAttr(1));
  offsets[dim] = offset;
  sizes[dim] = size;
  strides[dim] = stride;
  return tensor::ExtractSliceOp::create(builder, loc, dest, offsets, sizes,
                                        strides);
}

bool mlir::sparsedrop::isOfClass(Operation *op) {
  return op->getParentOp()->hasAttr(kDisjointAttrName);
}
