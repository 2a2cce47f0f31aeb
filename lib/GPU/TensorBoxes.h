//===- TensorBoxes.h - Tiles by bulk copies ---------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tensor map describes an operand of a contraction as an array whose
// dimensions are the loops of its roles, with the strides that they have: the
// stride of a dropped dimension costs nothing. A dimension of an image, which a
// sum of pixels and taps indexes, is one of the map as it is: boxes are cut
// along the pixels, with a step where they have a stride, and begin where taps
// move them; what is outside of the image is padding. A bulk copy moves a box
// of it from or to shared memory, where it lies in rows of `span` bytes along
// the role that is contiguous in memory (PTX ISA, "Tensors"):
//
//   chunk 0: row 0, row 1, ...       each row is a span of the contiguous role
//   chunk 1: row 0, row 1, ...       the next span of it
//
// Rows of 128, 64 or 32 bytes are swizzled, rows of 16 bytes are not.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_TENSORBOXES_H
#define SPARSEDROP_LIB_GPU_TENSORBOXES_H

#include "Epilogue.h"

namespace mlir::sparsedrop {

/// A dimension of a tensor map.
struct BoxDim {
  Role role;
  /// From slow to fast; their addresses follow one another. None: the role has
  /// one iteration.
  SmallVector<unsigned> loops;
  int64_t box = 1; ///< iterations that one copy takes
  /// Iterations of a tile; kDynamic where the tile's begin anywhere.
  int64_t limit = 1;
  /// The operand's, where a sum of loops indexes it, of which `loops` has the
  /// one that boxes are cut along.
  std::optional<unsigned> imageDim = std::nullopt;
  int64_t step = 1; ///< elements from one iteration to the next
};

/// The plan for tiles of one operand.
struct TensorBoxes {
  unsigned operand = 0;
  /// The contiguous role, and the one that numbers the rows of shared memory.
  Role along = Role::Depth, across = Role::Rows;
  int64_t length = 0, rows = 0; ///< iterations of both in a tile
  int64_t elementBytes = 2;
  int64_t span = 128; ///< bytes of a row of shared memory
  /// Blocks of a cluster that need the same tile. Each copies some of the rows,
  /// to all of them.
  int64_t sharers = 1;
  /// Whether one copy moves all chunks.
  bool isWhole = false;
  SmallVector<BoxDim> dims; ///< from the innermost to the outermost

  int64_t bytes() const { return length * rows * elementBytes; }
  int64_t chunkBytes() const { return rows * span; }
  int64_t chunks() const { return bytes() / chunkBytes(); }
  int64_t spanElements() const { return span / elementBytes; }
  int64_t swizzle() const { return span == 16 ? 0 : span; }
};

/// The plan for tiles of `length` by `rows` that `sharers` blocks need, or why
/// bulk copies cannot move them.
FailureOr<TensorBoxes> planBoxes(const Product &product, unsigned operand,
                                 Role along, Role across, int64_t length,
                                 int64_t rows, int64_t sharers,
                                 std::string &reason);

/// Writes the copies of one operand.
class BoxedTensor {
public:
  BoxedTensor(KernelBuilder &k, ProductAccess &access, const TensorBoxes &boxes)
      : k(k), access(access), boxes(boxes) {}

  /// Adds the tensor map to the kernel's parameters; `isFactor`: f32 is rounded
  /// to tf32 on the way.
  void addMap(Value buffer, bool isFactor);
  /// Where other blocks need the tile, too: the part that this one copies
  /// (i32), and a bit for each block of the cluster that gets it (i16).
  void share(Value part, Value blocks) {
    this->part = part;
    this->blocks = blocks;
  }

  /// Copies a tile to shared memory; `barrier` counts the bytes. What is
  /// outside of the array becomes zero.
  void load(TileStart start, Value shared, Value barrier);
  /// Copies a tile from shared memory; what is outside of the array is not
  /// written.
  void store(TileStart start, Value shared);
  /// Where 16 bytes of a tile are in shared memory: bytes from its start; `row`
  /// is i32.
  Value getPlace(Value row, Value byte);

private:
  SmallVector<Value> getIndices(TileStart start);
  Value getImageCoordinate(unsigned dim, ArrayRef<Value> indices);
  SmallVector<Value> getCoordinates(TileStart start);
  MapDim getMapDim(const BoxDim &dim);

  KernelBuilder &k;
  ProductAccess &access;
  const TensorBoxes &boxes;
  Value map;
  Value part, blocks;
};

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_TENSORBOXES_H
