//===- FactorBoxes.h - Tiles of a factor by bulk copies ---------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How wgmma gets its factors. A tensor map describes the factor as an array
// whose dimensions are the loops of its roles, with the strides that they have:
// the stride of a dropped dimension costs nothing. A bulk copy cuts a box out
// of it and lays it down in rows of `span` bytes, which follow whichever of
// depth and lines is contiguous in memory (PTX ISA, "Tensors").
//
//   along the depth (K-major)           along the lines (MN-major)
//   chunk 0: line 0, 1, ... x span      chunk 0: depth 0, 1, ... x span
//   chunk 1: the next span of depth     chunk 1: the next span of lines
//
// Rows of 128, 64 or 32 bytes are swizzled, rows of 16 bytes are not. wgmma
// reads all of them in place by a descriptor (PTX ISA, "Matrix descriptor").
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_FACTORBOXES_H
#define SPARSEDROP_LIB_GPU_FACTORBOXES_H

#include "Epilogue.h"

namespace mlir::sparsedrop {

/// A dimension of a tensor map.
struct BoxDim {
  Role role;
  /// From slow to fast; their addresses follow one another. None: the role has
  /// one iteration.
  SmallVector<unsigned> loops;
  int64_t box = 1; ///< iterations that one copy takes
};

/// The plan for one factor.
struct FactorBoxes {
  unsigned operand = 0;
  Role role = Role::Rows; ///< of the lines
  int64_t lines = 0, depth = 0;
  int64_t elementBytes = 2;
  /// Whether rows of shared memory follow the depth.
  bool alongDepth = true;
  int64_t span = 128; ///< bytes of a row of shared memory
  /// Blocks of a cluster that need the same tile. Each copies some of the rows,
  /// to all of them.
  int64_t sharers = 1;
  /// Whether one copy brings all chunks.
  bool isWhole = false;
  SmallVector<BoxDim> dims; ///< from the innermost to the outermost

  int64_t stageBytes() const { return lines * depth * elementBytes; }
  int64_t rows() const { return alongDepth ? lines : depth; }
  int64_t chunkBytes() const { return rows() * span; }
  int64_t chunks() const { return stageBytes() / chunkBytes(); }
  int64_t spanElements() const { return span / elementBytes; }
  int64_t swizzle() const { return span == 16 ? 0 : span; }
  /// Bytes from the start of a tile to lines from `line` on and a step of 32
  /// bytes of depth.
  int64_t getOffset(int64_t line, int64_t step) const;
  /// The bits of a matrix descriptor that are the same for all tiles.
  int64_t getDescriptor() const;
};

/// The plan for tiles of `lines` times `depth` of a factor of `product` that
/// `sharers` blocks need, or why bulk copies cannot bring them.
FailureOr<FactorBoxes> planBoxes(const Product &product, unsigned operand,
                                 Role role, int64_t lines, int64_t depth,
                                 int64_t sharers, std::string &reason);

/// Writes the copies of one factor.
class BoxedFactor {
public:
  /// `base`: where the first stage begins in shared memory; the next one
  /// follows after `stageBytes`.
  BoxedFactor(KernelBuilder &k, ProductAccess &access, const FactorBoxes &boxes,
              int64_t base, int64_t stageBytes)
      : k(k), access(access), boxes(boxes), base(base), stageBytes(stageBytes) {
  }

  /// Adds the tensor map to the kernel's parameters.
  void addMap(Value buffer);
  /// Where others need the tile, too: the part that this block copies (i32),
  /// and a bit for each block of the cluster that gets it (i16).
  void share(Value part, Value blocks) {
    this->part = part;
    this->blocks = blocks;
  }
  /// Copies the tile that begins at `line` and `depth` of a batch to a stage
  /// (all i32); `barrier` counts the bytes. What is outside of the factor
  /// becomes zero.
  void copy(Value batch, Value line, Value depth, Value stage, Value barrier);

private:
  SmallVector<Value> getCoordinates(Value batch, Value line, Value depth);

  KernelBuilder &k;
  ProductAccess &access;
  const FactorBoxes &boxes;
  int64_t base, stageBytes;
  Value map;
  Value part, blocks;
};

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_FACTORBOXES_H
