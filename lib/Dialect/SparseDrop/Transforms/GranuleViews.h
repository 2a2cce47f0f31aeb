//===- GranuleViews.h - Parts of a granular dimension ----------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A dimension of granularity g is (granules, g), and a tail where the last
// granule is cut off. What is cut and put together with these has the same
// value for the same size wherever it is.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_GRANULEVIEWS_H
#define SPARSEDROP_LIB_TRANSFORMS_GRANULEVIEWS_H

#include "LowerPatterns.h"

namespace mlir::sparsedrop {

/// `a` times `b`, which folds.
OpFoldResult multiplySize(OpBuilder &builder, Location loc, OpFoldResult a,
                          int64_t b);

/// The sizes of `value` as they are known where it was made: the same size is
/// the same value wherever parts are cut and put together.
SmallVector<OpFoldResult> getKnownSizes(OpBuilder &builder, Location loc,
                                        Value value);

/// value[.., offset : offset + size : 1, ..] along `dim`.
Value sliceDim(OpBuilder &builder, Location loc, Value value, int64_t dim,
               OpFoldResult offset, OpFoldResult size);

/// The kept granules of a compact value, without the tail: all of it where
/// there is none, so that values which are split and joined again stay as they
/// are.
Value sliceGranules(OpBuilder &builder, Location loc, Value compact,
                    int64_t dim, OpFoldResult whole, const SplitExtent &split);

/// Splits dimension `dim` into (blocks, g).
Value splitDim(OpBuilder &builder, Location loc, Value value, int64_t dim,
               OpFoldResult blocks, int64_t granularity);

/// Joins dimensions `dim` and `dim` + 1.
Value joinDims(OpBuilder &builder, Location loc, Value value, int64_t dim);

/// The whole granules of `full`, as (full, g).
Value splitFull(OpBuilder &builder, Location loc, Value full, int64_t dim,
                const LoweredPattern &pattern, const SplitExtent &split);

/// `dest` with dest[.., offset : .. : stride, ..] along `dim` replaced.
Value insertAlong(OpBuilder &builder, Location loc, Value source, Value dest,
                  int64_t dim, OpFoldResult offset, OpFoldResult stride);

/// dest[.., offset : offset + size * stride : stride, ..] along `dim`.
Value sliceStrided(OpBuilder &builder, Location loc, Value dest, int64_t dim,
                   OpFoldResult offset, OpFoldResult size, OpFoldResult stride);

/// Whether `op` is computed for one of several classes, whose results lie
/// between those of others: what is split is then not put together before.
bool isOfClass(Operation *op);

/// The whole kept granules of `full` along `dim`, as a strided view
/// [.., kept, g, ..] with one dimension more.
Value sliceKeptGranules(OpBuilder &builder, Location loc, Value full,
                        int64_t dim, const LoweredPattern &pattern,
                        const SplitExtent &split);

/// The kept part of the last granule of `full`, which the extent cuts off.
Value sliceKeptTail(OpBuilder &builder, Location loc, Value full, int64_t dim,
                    const LoweredPattern &pattern, const SplitExtent &split);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_GRANULEVIEWS_H
