//===- FactorBoxes.h - Factors of wgmma in shared memory --------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// wgmma reads the boxes of bulk copies in place, by matrix descriptors (PTX
// ISA, "Matrix descriptor"), whichever of depth and lines is contiguous:
//
//   along the depth (K-major)           along the lines (MN-major)
//   chunk 0: line 0, 1, ... x span      chunk 0: depth 0, 1, ... x span
//   chunk 1: the next span of depth     chunk 1: the next span of lines
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_FACTORBOXES_H
#define SPARSEDROP_LIB_GPU_FACTORBOXES_H

#include "TensorBoxes.h"

namespace mlir::sparsedrop {

/// Bytes of depth of one wgmma.
inline constexpr int64_t kStepBytes = 32;

/// The plan for one factor.
struct FactorBoxes {
  TensorBoxes boxes;

  bool alongDepth() const { return boxes.along == Role::Depth; }
  int64_t depth() const { return alongDepth() ? boxes.length : boxes.rows; }
  /// Bytes from the start of a tile to lines from `line` on and step `step` of
  /// the depth; linear in both.
  int64_t getOffset(int64_t line, int64_t step) const;
  /// The bits of a matrix descriptor that are the same for all tiles.
  int64_t getDescriptor() const;
};

/// The plan for tiles of `lines` (of role `role`) by `depth` of a factor, or
/// why it cannot be read by wgmma.
FailureOr<FactorBoxes> planFactor(const Product &product, unsigned operand,
                                  Role role, int64_t lines, int64_t depth,
                                  int64_t sharers, std::string &reason);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_FACTORBOXES_H
