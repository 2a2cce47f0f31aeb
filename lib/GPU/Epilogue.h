//===- Epilogue.h - From sums to outputs ------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_EPILOGUE_H
#define SPARSEDROP_LIB_GPU_EPILOGUE_H

#include "KernelBuilder.h"
#include "Product.h"

namespace mlir::sparsedrop {

/// A number of each role, such as those where a tile begins, i32; null where an
/// operand does not have the role.
struct TileStart {
  Value &operator[](Role role) { return starts[static_cast<int>(role)]; }
  Value starts[4];
};

/// The addresses of a product's operands in a kernel.
class ProductAccess {
public:
  ProductAccess(KernelBuilder &k, const Product &product);

  /// Numbers of a role, on the host and as i32 in the kernel: its iterations,
  /// and those of boxes that stick out.
  HostIndex getHostCount(Role role) const { return counts[index(role)]; }
  Value getCount(Role role);
  /// Iterations of a role, without those that stick out.
  HostIndex getHostIterations(Role role) const;
  /// Whether number `n` (i32) of a role is an iteration.
  Value contains(Role role, Value n);
  /// Whether all of `count` numbers from `n` on, which are a part of a box,
  /// are.
  Value containsAll(Role role, Value n, int64_t count);
  /// The number behind the last one whose iteration is a neighbour of that of
  /// `n` (i32): where the fastest loop of a box ends, or all iterations.
  Value getEnd(Role role, Value n);
  /// The iteration that number `n` of a role is, numbered through.
  Value getIteration(Role role, Value n);
  /// The index of each loop of a role, from slow to fast, at number `n`.
  SmallVector<Value> getIndices(Role role, Value n);
  /// Elements from the start of an operand to number `n` (i32) of a role, i64.
  Value getOffset(unsigned operand, Role role, Value n);
  /// The stride of the fastest loop of a role.
  HostIndex getStride(unsigned operand, Role role) const;
  HostIndex getLoopStride(unsigned operand, unsigned loop) const {
    return strides[operand][loop];
  }
  HostIndex getLoopExtent(unsigned loop) const { return extents[loop]; }
  const Product &getProduct() const { return product; }
  Value getPointer(unsigned operand) {
    return k.getPointer(product.op->getOperand(operand));
  }
  /// The address of an element of an operand.
  Value getAddress(unsigned operand, TileStart numbers);
  /// Whether it is inside of the operand, i1: there may be padding around. Null
  /// if all are.
  Value isInside(unsigned operand, TileStart numbers);

private:
  static int index(Role role) { return static_cast<int>(role); }
  HostIndex countBoxes(Role role, size_t i) const;

  KernelBuilder &k;
  const Product &product;
  SmallVector<HostIndex> extents;
  SmallVector<SmallVector<HostIndex>> strides;
  HostIndex counts[4];
};

/// A part of the outputs whose sums lie in shared memory. Where columns are
/// joint, those of one part after those of another: as many of each.
struct SumTile {
  Value pointer; ///< shared memory: row-major sums
  Type type;     ///< of a sum
  int64_t rows, columns;
  int64_t pitch;     ///< elements between rows
  Value batch;       ///< number of the batch, i32
  Value row, column; ///< of the outputs, i32
  /// Rows of the tile that are neighbours in the outputs (0: all are), and rows
  /// of the outputs from one such block to the next.
  int64_t blockRows = 0, blockStride = 0;
  /// Number of the thread among those that share the tile; null: in the block.
  Value thread = Value();
};

/// What the region of the contraction yields, for each of its values and each
/// of the neighbouring columns from `column` on, which are all there; `sums`
/// has one value for each, then those of the columns that are joint with them.
/// `width`: how many columns of extras are loaded at a time.
SmallVector<SmallVector<Value>>
computeOutputs(KernelBuilder &k, ProductAccess &access, const Product &product,
               ArrayRef<Value> sums, Value batch, Value row, Value column,
               int64_t width);

/// The `threads` threads that share a tile apply the region of the contraction
/// to a tile, `width` neighbouring columns at a time, and store what it yields
/// where there are outputs. The caller puts barriers around.
void emitEpilogue(KernelBuilder &k, ProductAccess &access,
                  const Product &product, const SumTile &tile, int64_t threads,
                  int64_t width);

//===----------------------------------------------------------------------===//
// Parts of the depth
//===----------------------------------------------------------------------===//
//
// Where there are few outputs, several blocks share the depth of one tile. Each
// writes the sums of its part to memory, and a second kernel adds them, always
// in the same order, and applies the epilogue.

/// The slices [begin, end) of number `part` out of `parts`, of a depth that is
/// cut into slices of `size`.
void getSlices(KernelBuilder &k, Value depth, int64_t size, int64_t parts,
               Value part, Value &begin, Value &end);

/// Memory for the sums of `parts` parts.
Value allocateParts(KernelBuilder &k, ProductAccess &access, Type type,
                    int64_t parts);

/// As emitEpilogue(): the sums of number `part` (i32) go to `parts`.
void emitPart(KernelBuilder &k, ProductAccess &access, const SumTile &tile,
              int64_t threads, Value parts, Value part);

/// The second kernel, and the end of `parts`.
void emitCombination(KernelModule &kernels, RewriterBase &host, ContractOp op,
                     Value parts, int64_t count);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_EPILOGUE_H
