//===- Product.h - A contraction as a product of matrices -------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The loops of a contraction have four roles: batch loops index both factors
// and the outputs, rows the first factor and the outputs, columns the second
// and the outputs, depth both factors. The loops of a role are numbered through
// as one, the last one fastest, and an operand's address is linear in them. So
// a transposition, a batch, a loop that is split into blocks, and a convolution
// are one case.
//
// A kernel may cut the iterations of a role into boxes instead: a tile is one
// of b0 x b1 x ... iterations of its loops, boxes are numbered through, and so
// are the iterations of a box; the last box of a loop may stick out.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_PRODUCT_H
#define SPARSEDROP_LIB_GPU_PRODUCT_H

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlir::sparsedrop {

enum class Role { Batch, Rows, Columns, Depth };

/// The strides of one operand in elements, one for each loop; kDynamic where it
/// is known at run time only.
using LoopStrides = SmallVector<int64_t>;

/// The loops and accesses of a contraction on buffers, as far as types tell.
struct Product {
  explicit Product(ContractOp op);
  /// With the boxes of a choice that can be obeyed.
  Product(ContractOp op, KernelAttr choice) : Product(op) { setBoxes(choice); }

  ContractOp op;
  /// Operand numbers of the factor that rows index, and of the other one: the
  /// columns are those along which the first output is contiguous.
  unsigned first = 0, second = 1;
  /// The loops of each role, from slow to fast.
  SmallVector<unsigned> loops[4];
  /// Extents of the loops; kDynamic where unknown.
  SmallVector<int64_t> extents;
  /// The same, and an estimate where unknown: what a pattern keeps of a
  /// dimension counts as half of it.
  SmallVector<int64_t> likely;
  /// Of each operand.
  SmallVector<LoopStrides> strides;
  /// What indexes each dimension of each operand.
  SmallVector<SmallVector<LinearIndex>> indices;
  /// Products of this form that one launch computes, as far as is likely.
  int64_t groups = 1;
  /// Iterations of each loop of a role in a box; empty: they are numbered
  /// through.
  SmallVector<int64_t> boxes[4];

  ArrayRef<unsigned> get(Role role) const {
    return loops[static_cast<int>(role)];
  }
  ArrayRef<int64_t> getBoxes(Role role) const {
    return boxes[static_cast<int>(role)];
  }
  /// Takes the boxes of a choice; why that is not possible, or nothing.
  std::string setBoxes(KernelAttr choice);
  /// Whether `count` numbers of a role, from a multiple of `count` on, are a
  /// box of its loops, or anything where there are no boxes.
  bool isBox(Role role, int64_t count) const;
  /// The number of columns from one iteration of the joint loop to the next: as
  /// many are neighbours, then come those of the next iteration. 1 without.
  int64_t getJointStep() const;
  /// The columns that belong together where there is a joint loop: the
  /// iterations of it that its box has. 1 without.
  int64_t getJointBox() const;
  /// Boxes of columns for a tile of `count`, as a joint loop asks for: all of
  /// its iterations, and what is left of the contiguous loop. Empty without
  /// one, or if there are none.
  SmallVector<int64_t> getJointBoxes(int64_t count) const;
  /// Why columns of a tile, whose boxes are set, are not what a joint loop asks
  /// for, or are boxes without one; empty if they are.
  std::string getJointProblem() const;
  Role getRole(unsigned loop) const;
  /// Whether a dimension of an operand is indexed by a sum of loops, as that of
  /// an image is by pixels and taps, or begins elsewhere.
  bool isImage(unsigned operand, unsigned dim) const;
  /// Whether a dimension of an operand is known to be indexed inside of it
  /// only; what is outside of it is zero.
  bool isInside(unsigned operand, unsigned dim) const;
  /// The product of the likely extents of a role.
  int64_t count(Role role) const;
  /// Tiles of `size` iterations along a role, as far as extents are likely.
  int64_t countTiles(Role role, int64_t size) const;
  /// Whether neighbours of a role are neighbours in memory.
  bool isContiguous(unsigned operand, Role role) const;
  /// The most neighbours of a role that can be moved at a time: the role is
  /// contiguous and what else moves the address is a multiple of their number.
  int64_t getVectorWidth(unsigned operand, Role role, int64_t bytes = 16) const;
  /// The same for all extras and outputs along the columns, at least one of
  /// which is contiguous; those that no column indexes do not count.
  int64_t getEpilogueWidth(int64_t most) const;

  Type getElement(unsigned operand) const {
    return getElementTypeOrSelf(op->getOperand(operand).getType());
  }

private:
  void estimateExtents();
};

/// The loop all iterations of which are one launch with `op`, or null.
scf::ForOp getGroupedLoop(Operation *op);

/// Why a choice cannot be obeyed for a product of a grouped loop; empty if it
/// can, or there is none.
std::string getGroupProblem(Operation *op, KernelAttr choice);

/// Why tensor cores cannot multiply the factors by the instructions of a
/// family, f32 only if `tf32`; empty if they can.
std::string getFactorProblem(const Product &product, KernelFamily family,
                             bool tf32);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_PRODUCT_H
