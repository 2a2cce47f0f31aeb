//===- FactorBoxes.cpp - Factors of wgmma in shared memory ----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FactorBoxes.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// Rows of a core matrix, and their bytes.
static constexpr int64_t kCoreRows = 8, kCoreBytes = 16;

int64_t FactorBoxes::getOffset(int64_t line, int64_t step) const {
  if (!alongDepth()) {
    int64_t depths = step * (kStepBytes / boxes.elementBytes);
    return line / boxes.spanElements() * boxes.chunkBytes() +
           depths * boxes.span;
  }
  int64_t byte = step * kStepBytes;
  return byte / boxes.span * boxes.chunkBytes() + line * boxes.span +
         byte % boxes.span;
}

int64_t FactorBoxes::getDescriptor() const {
  // Strides between core matrices of 8 rows of 16 bytes. Along the depth:
  // leading is the one to the next 16 bytes (not read if swizzled), stride the
  // one to the next 8 lines. Along the lines: leading is the one to the next
  // chunk of lines and stride the one to the next 8 depths; the other way
  // around without a swizzle.
  bool isPlain = boxes.span == kCoreBytes;
  int64_t leading = isPlain || !alongDepth() ? boxes.chunkBytes() : 0;
  int64_t stride = kCoreRows * boxes.span;
  if (!alongDepth() && isPlain)
    std::swap(leading, stride);
  int64_t mode = isPlain ? 0 : boxes.span == 128 ? 1 : boxes.span == 64 ? 2 : 3;
  return static_cast<int64_t>(static_cast<uint64_t>(leading / 16) << 16 |
                              static_cast<uint64_t>(stride / 16) << 32 |
                              static_cast<uint64_t>(mode) << 62);
}

FailureOr<FactorBoxes>
mlir::sparsedrop::planFactor(const Product &product, unsigned operand,
                             Role role, int64_t lines, int64_t depth,
                             int64_t sharers, std::string &reason) {
  unsigned bits = product.getElement(operand).getIntOrFloatBitWidth();
  bool alongLines = product.getVectorWidth(operand, role) * bits == 128 &&
                    product.getVectorWidth(operand, Role::Depth) == 1;
  if (alongLines && bits != 16) {
    reason = "operand " + std::to_string(operand) +
             " is not contiguous along the depth, as wgmma wants it for "
             "elements that have no 16 bits";
    return failure();
  }
  FailureOr<TensorBoxes> boxes =
      alongLines ? planBoxes(product, operand, role, Role::Depth, lines, depth,
                             sharers, reason)
                 : planBoxes(product, operand, Role::Depth, role, depth, lines,
                             sharers, reason);
  if (failed(boxes))
    return failure();
  return FactorBoxes{*boxes};
}
