//===- LoopNest.h - Loops of a product --------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_LOOPNEST_H
#define SPARSEDROP_LIB_RUNTIME_LOOPNEST_H

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace sparsedrop::runtime {

enum Operand { A = 0, B = 1, C = 2 };

/// One loop: its extent and the stride of each operand, in elements.
struct Loop {
  int64_t extent;
  std::array<int64_t, 3> strides;
};

/// Loops of one kind (batch, rows, columns or contracted), outermost first,
/// that count as one index.
class LoopGroup {
public:
  std::vector<Loop> loops;

  int64_t extent() const;

  /// Orders by the absolute strides of `operand`, largest first.
  void sortBy(Operand operand);

  /// Joins neighbours that are one loop for all of `operands`.
  void merge(std::initializer_list<Operand> operands);

  /// The stride of `operand` along the whole group if it is constant; 0 for a
  /// group of one iteration.
  std::optional<int64_t> getStride(Operand operand) const;

  /// Offset of `operand` at iteration `index` of the group.
  int64_t getOffset(Operand operand, int64_t index) const;

  /// Steps through the iterations without divisions.
  class Cursor {
  public:
    /// At iteration `index` of the group, which has to outlive the cursor.
    Cursor(const LoopGroup &group, int64_t index);
    void next();
    int64_t get(Operand operand) const { return offsets[operand]; }

  private:
    const LoopGroup &group;
    int64_t inner; ///< iterations left in the innermost loop
    int64_t index; ///< of the group
    std::array<int64_t, 3> offsets;
  };

  /// Extent and stride of the innermost loop (1 and 1 without loops).
  Loop getInner() const;
};

/// A product as groups of loops.
struct LoopNest {
  LoopGroup batch, m, n, k;
};

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_LOOPNEST_H
