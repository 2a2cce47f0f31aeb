//===- AdjointLoops.h - The loops of a gradient -----------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_ADJOINTLOOPS_H
#define SPARSEDROP_LIB_TRANSFORMS_ADJOINTLOOPS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <string>

namespace mlir::sparsedrop {

/// A tensor (or scalar) and the map by which loops index it.
struct MappedValue {
  Value value;
  AffineMap map;
};

/// The loops over which the gradient of one operand of a structured op is
/// computed: those of the op, with the dimensions of the operand first.
///
/// Where the operand is indexed by a sum, such as s o + d k of a convolution
/// with stride s and dilation d, two iterations meet in one element. No output
/// may be indexed like that, so the loop o gives way to the operand's own index
/// x = s o + d k: what o indexes is spread out to s o with zeros between and
/// d (K - 1) zeros before it, k runs backwards, and the spread-out tensor is
/// read at x + d k.
class AdjointLoops {
public:
  /// Finds the loops for `target`. Nothing, and why in `reason`, if some index
  /// expression of the op cannot be inverted.
  static std::optional<AdjointLoops>
  create(linalg::LinalgOp op, OpOperand &target, std::string &reason);

  /// The map of the operand, and so of its gradient, on the new loops.
  AffineMap getTargetMap() const;
  SmallVector<utils::IteratorType> getIteratorTypes() const;
  bool hasReductions() const { return targetRank < positions.size(); }

  /// `operand` on the new loops: spread out and reversed where it needs to be.
  /// One that is there for its sizes only, and not `isRead`, keeps its order.
  std::optional<MappedValue> transform(OpBuilder &builder, Location loc,
                                       MappedValue operand, bool isRead,
                                       std::string &reason) const;

  /// The index of the old loop `dim` inside of a body; null for a loop that has
  /// given way.
  Value getIndex(OpBuilder &builder, Location loc, unsigned dim) const;

private:
  enum class Role { Plain, Origin, Tap };
  struct Dim {
    Role role = Role::Plain;
    int64_t coefficient = 1; ///< in the sum
    int64_t extent = 0;      ///< of a tap
    size_t group = 0;
  };
  /// A dimension of the operand that is indexed by a sum.
  struct Group {
    AffineExpr expr;
    unsigned origin;
    SmallVector<unsigned> taps;
    int64_t padding = 0;
    int64_t dim; ///< of the operand
  };

  AdjointLoops(linalg::LinalgOp op, OpOperand &target);
  bool addGroup(AffineExpr expr, int64_t dim, std::string &reason);
  void orderLoops();
  AffineExpr getDimExpr(unsigned oldDim) const;
  std::optional<AffineExpr> transformExpr(AffineExpr expr) const;

  linalg::LinalgOp op;
  Value target;
  AffineMap map;
  SmallVector<Dim> dims;
  SmallVector<Group> groups;
  SmallVector<unsigned> positions; ///< of the old loops among the new ones
  size_t targetRank = 0;
};

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_ADJOINTLOOPS_H
