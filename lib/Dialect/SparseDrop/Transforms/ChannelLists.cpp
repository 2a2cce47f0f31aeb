//===- ChannelLists.cpp - Compaction by lists of channels -----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChannelLists.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Utils/Utils.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// `count` entries of a pattern's list from `offset` on.
static Value sliceList(OpBuilder &builder, Location loc,
                       const LoweredPattern &pattern, OpFoldResult offset,
                       OpFoldResult count) {
  auto type =
      RankedTensorType::get({ShapedType::kDynamic}, builder.getIndexType());
  Value list =
      bufferization::ToTensorOp::create(builder, loc, type, pattern.keptList,
                                        /*restrict=*/true, /*writable=*/false);
  OpFoldResult one = builder.getIndexAttr(1);
  return tensor::ExtractSliceOp::create(
      builder, loc, list, ArrayRef<OpFoldResult>(offset),
      ArrayRef<OpFoldResult>(count), ArrayRef<OpFoldResult>(one));
}

/// The kept channels, in order.
static Value getKept(OpBuilder &builder, Location loc,
                     const LoweredPattern &pattern) {
  return sliceList(builder, loc, pattern, builder.getIndexAttr(0),
                   pattern.keptCount);
}

/// Where each channel is among them.
static Value getPlaces(OpBuilder &builder, Location loc,
                       const LoweredPattern &pattern) {
  OpFoldResult extent = getAsOpFoldResult(pattern.extents[0]);
  return sliceList(builder, loc, pattern, extent, extent);
}

/// Loops over `init`; `list` has an entry for each index of `dim`. The body
/// gets that entry and the element of `init`.
static Value
createLoops(OpBuilder &builder, Location loc, Value list, Value init,
            int64_t dim,
            function_ref<Value(OpBuilder &, Location, Value, Value)> body) {
  auto type = cast<RankedTensorType>(init.getType());
  int64_t rank = type.getRank();
  SmallVector<AffineMap> maps{
      AffineMap::get(rank, 0, builder.getAffineDimExpr(dim)),
      builder.getMultiDimIdentityMap(rank)};
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             builder, loc, type, list, init, maps, iterators,
             [&](OpBuilder &b, Location l, ValueRange arguments) {
               linalg::YieldOp::create(b, l,
                                       body(b, l, arguments[0], arguments[1]));
             })
      .getResult(0);
}

/// The indices of the loops over `source`, but for `dim`.
static SmallVector<Value> createIndices(OpBuilder &builder, Location loc,
                                        Value source, int64_t dim,
                                        Value index) {
  SmallVector<Value> indices;
  int64_t rank = cast<RankedTensorType>(source.getType()).getRank();
  for (int64_t i = 0; i < rank; ++i)
    indices.push_back(i == dim ? index
                               : linalg::IndexOp::create(builder, loc, i));
  return indices;
}

/// An element where `condition` holds, or `otherwise`: nothing is read then.
static Value extractIf(OpBuilder &builder, Location loc, Value condition,
                       Value source, ValueRange indices, Value otherwise) {
  return scf::IfOp::create(
             builder, loc, condition,
             [&](OpBuilder &b, Location l) {
               Value element = tensor::ExtractOp::create(b, l, source, indices);
               scf::YieldOp::create(b, l, element);
             },
             [&](OpBuilder &b, Location l) {
               scf::YieldOp::create(b, l, otherwise);
             })
      .getResult(0);
}

Value mlir::sparsedrop::gatherChannels(OpBuilder &builder, Location loc,
                                       Value source, int64_t dim,
                                       const LoweredPattern &pattern) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, source);
  sizes[dim] = pattern.keptCount;
  Value empty = tensor::EmptyOp::create(builder, loc, sizes,
                                        getElementTypeOrSelf(source.getType()));
  return createLoops(builder, loc, getKept(builder, loc, pattern), empty, dim,
                     [&](OpBuilder &b, Location l, Value channel, Value) {
                       return tensor::ExtractOp::create(
                           b, l, source,
                           createIndices(b, l, source, dim, channel));
                     });
}

Value mlir::sparsedrop::scatterChannels(OpBuilder &builder, Location loc,
                                        Value source, Value dest, int64_t dim,
                                        const LoweredPattern &pattern) {
  Value places = getPlaces(builder, loc, pattern);
  Value none = arith::ConstantIndexOp::create(builder, loc, 0);
  return createLoops(
      builder, loc, places, dest, dim,
      [&](OpBuilder &b, Location l, Value place, Value old) -> Value {
        Value isKept =
            arith::CmpIOp::create(b, l, arith::CmpIPredicate::sge, place, none);
        if (pattern.mayBeEmpty)
          return extractIf(b, l, isKept, source,
                           createIndices(b, l, source, dim, place), old);
        // Something that is there is read for the others, too.
        Value safe = arith::MaxSIOp::create(b, l, place, none);
        Value element = tensor::ExtractOp::create(
            b, l, source, createIndices(b, l, source, dim, safe));
        return arith::SelectOp::create(b, l, isKept, element, old);
      });
}

Value mlir::sparsedrop::expandChannels(OpBuilder &builder, Location loc,
                                       Value source, RankedTensorType type,
                                       int64_t dim,
                                       const LoweredPattern &pattern) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, source);
  sizes[dim] = getAsOpFoldResult(pattern.extents[0]);
  for (int64_t i = 0, e = type.getRank(); i < e; ++i)
    if (!type.isDynamicDim(i))
      sizes[i] = builder.getIndexAttr(type.getDimSize(i));
  Value empty =
      tensor::EmptyOp::create(builder, loc, sizes, type.getElementType());
  Value zero = arith::ConstantOp::create(
      builder, loc, builder.getZeroAttr(type.getElementType()));
  Value zeros = linalg::FillOp::create(builder, loc, zero, empty).getResult(0);
  return scatterChannels(builder, loc, source, zeros, dim, pattern);
}

Value mlir::sparsedrop::maskChannels(OpBuilder &builder, Location loc,
                                     const LoweredPattern &pattern) {
  Value empty = tensor::EmptyOp::create(
      builder, loc,
      ArrayRef<OpFoldResult>{getAsOpFoldResult(pattern.extents[0])},
      builder.getI1Type());
  Value none = arith::ConstantIndexOp::create(builder, loc, 0);
  return createLoops(
      builder, loc, getPlaces(builder, loc, pattern), empty, 0,
      [&](OpBuilder &b, Location l, Value place, Value) -> Value {
        return arith::CmpIOp::create(b, l, arith::CmpIPredicate::sge, place,
                                     none);
      });
}
