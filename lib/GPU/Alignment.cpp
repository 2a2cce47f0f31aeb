//===- Alignment.cpp - What divides addresses and strides -----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Alignment.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;
using namespace mlir::sparsedrop;

static constexpr int64_t kArgumentBytes = 16, kAllocationBytes = 256;

static int64_t getBytes(Type element) {
  return element.isIndex()
             ? 8
             : std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8);
}

/// What divides an index that at most `depth` ops compute one from another:
/// those of a size are few, and a sum of itself has as many paths as it likes.
static int64_t getDivisor(OpFoldResult index, unsigned depth) {
  if (std::optional<int64_t> constant = getConstantIntValue(index))
    return std::abs(*constant);
  Operation *op = cast<Value>(index).getDefiningOp();
  if (depth == 0 || !op)
    return 1;
  auto get = [&](unsigned operand) {
    return getDivisor(op->getOperand(operand), depth - 1);
  };
  if (int64_t product; isa<arith::MulIOp>(op))
    return llvm::MulOverflow(get(0), get(1), product) ? 1 : product;
  if (isa<arith::AddIOp, arith::SubIOp, arith::MinSIOp, arith::MaxSIOp>(op))
    return std::gcd(get(0), get(1));
  if (isa<arith::SelectOp>(op))
    return std::gcd(get(1), get(2));
  return 1;
}

int64_t mlir::sparsedrop::getDivisor(OpFoldResult index) {
  constexpr unsigned kDepth = 10;
  return ::getDivisor(index, kDepth);
}

/// A buffer without gaps whose address is a multiple of `bytes`.
static Layout getDense(Value buffer, ValueRange sizes, int64_t bytes) {
  auto type = cast<MemRefType>(buffer.getType());
  Layout layout;
  layout.base = std::max<int64_t>(1, bytes / getBytes(type.getElementType()));
  int64_t stride = 1;
  size_t next = sizes.size();
  for (int64_t dim = type.getRank(); dim-- > 0;) {
    layout.strides.insert(layout.strides.begin(), stride);
    if (!type.isDynamicDim(dim))
      stride *= type.getDimSize(dim);
    else
      stride *= next > 0 ? getDivisor(sizes[--next]) : 1;
  }
  return layout;
}

static Layout getSubview(memref::SubViewOp view) {
  Layout source = getLayout(view.getSource()), layout;
  layout.base = source.base;
  llvm::SmallBitVector dropped = view.getDroppedDims();
  for (auto [dim, offset, step] :
       llvm::enumerate(view.getMixedOffsets(), view.getMixedStrides())) {
    layout.base =
        std::gcd(layout.base, source.strides[dim] * getDivisor(offset));
    if (!dropped.test(dim))
      layout.strides.push_back(source.strides[dim] * getDivisor(step));
  }
  return layout;
}

/// A dimension that is split: the inner parts divide the strides of the outer.
static Layout getExpanded(memref::ExpandShapeOp view) {
  Layout source = getLayout(view.getSrc()), layout;
  layout.base = source.base;
  SmallVector<OpFoldResult> sizes = view.getMixedOutputShape();
  for (auto [stride, group] :
       llvm::zip(source.strides, view.getReassociationIndices())) {
    SmallVector<int64_t> strides;
    for (int64_t dim : llvm::reverse(group)) {
      strides.insert(strides.begin(), stride);
      stride *= getDivisor(sizes[dim]);
    }
    llvm::append_range(layout.strides, strides);
  }
  return layout;
}

/// Dimensions that are joined: the inner one's stride, which divides the
/// others.
static Layout getCollapsed(memref::CollapseShapeOp view) {
  Layout source = getLayout(view.getSrc()), layout;
  layout.base = source.base;
  for (const ReassociationIndices &group : view.getReassociationIndices()) {
    int64_t divisor = 0;
    for (int64_t dim : group)
      divisor = std::gcd(divisor, source.strides[dim]);
    layout.strides.push_back(std::max<int64_t>(divisor, 1));
  }
  return layout;
}

Layout mlir::sparsedrop::getLayout(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  Operation *op = buffer.getDefiningOp();
  if (auto view = dyn_cast_or_null<memref::SubViewOp>(op))
    return getSubview(view);
  if (auto view = dyn_cast_or_null<memref::ExpandShapeOp>(op))
    return getExpanded(view);
  if (auto view = dyn_cast_or_null<memref::CollapseShapeOp>(op))
    return getCollapsed(view);
  if (auto cast = dyn_cast_or_null<memref::CastOp>(op))
    if (isa<MemRefType>(cast.getSource().getType()))
      return getLayout(cast.getSource());
  if (auto alloc = dyn_cast_or_null<memref::AllocOp>(op))
    return getDense(buffer, alloc.getDynamicSizes(), kAllocationBytes);
  bool isArgument =
      isa<BlockArgument>(buffer) &&
      isa<FunctionOpInterface>(buffer.getParentBlock()->getParentOp());
  if (type.getLayout().isIdentity() && isArgument)
    return getDense(buffer, {}, kArgumentBytes);
  // An element, and the strides that the type names.
  Layout layout;
  int64_t offset;
  SmallVector<int64_t> strides;
  if (failed(type.getStridesAndOffset(strides, offset)))
    strides.assign(type.getRank(), 1);
  for (int64_t stride : strides)
    layout.strides.push_back(ShapedType::isDynamic(stride) ? 1
                                                           : std::abs(stride));
  return layout;
}

int64_t mlir::sparsedrop::getVectorWidth(Value buffer, int64_t limit) {
  auto type = cast<MemRefType>(buffer.getType());
  int64_t offset;
  SmallVector<int64_t> strides;
  if (type.getRank() == 0 ||
      failed(type.getStridesAndOffset(strides, offset)) ||
      strides.back() != 1 || type.getElementType().isInteger(1) ||
      type.getElementType().isIndex())
    return 1;
  Layout layout = getLayout(buffer);
  int64_t divisor = layout.base;
  for (int64_t stride : llvm::drop_end(layout.strides))
    divisor = std::gcd(divisor, stride);
  int64_t width = std::max<int64_t>(1, limit / getBytes(type.getElementType()));
  while (width > 1 && divisor % width != 0)
    width /= 2;
  return width;
}
