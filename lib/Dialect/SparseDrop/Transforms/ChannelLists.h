//===- ChannelLists.h - Compaction by lists of channels ---------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Patterns of kind channel have no stride: kept channels are a list, and their
// places in it the inverse of the list.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_CHANNELLISTS_H
#define SPARSEDROP_LIB_TRANSFORMS_CHANNELLISTS_H

#include "LowerPatterns.h"

namespace mlir::sparsedrop {

/// The kept channels of dimension `dim` of `source`, in order: a gather.
Value gatherChannels(OpBuilder &builder, Location loc, Value source,
                     int64_t dim, const LoweredPattern &pattern);

/// `dest` with its kept channels from `source`, which has only those.
Value scatterChannels(OpBuilder &builder, Location loc, Value source,
                      Value dest, int64_t dim, const LoweredPattern &pattern);

/// Zeros with the kept channels from `source`, of type `type`.
Value expandChannels(OpBuilder &builder, Location loc, Value source,
                     RankedTensorType type, int64_t dim,
                     const LoweredPattern &pattern);

/// i1 tensor of which channels are kept.
Value maskChannels(OpBuilder &builder, Location loc,
                   const LoweredPattern &pattern);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_CHANNELLISTS_H
