//===- LoopNest.cpp - Loops of a product ----------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LoopNest.h"

#include <algorithm>
#include <cstdlib>

using namespace sparsedrop::runtime;

int64_t LoopGroup::extent() const {
  int64_t product = 1;
  for (const Loop &loop : loops)
    product *= loop.extent;
  return product;
}

void LoopGroup::sortBy(Operand operand) {
  std::sort(loops.begin(), loops.end(), [&](const Loop &a, const Loop &b) {
    return std::abs(a.strides[operand]) > std::abs(b.strides[operand]);
  });
}

void LoopGroup::merge(std::initializer_list<Operand> operands) {
  std::vector<Loop> merged;
  for (const Loop &loop : loops) {
    bool joins =
        !merged.empty() &&
        std::all_of(operands.begin(), operands.end(), [&](Operand o) {
          return merged.back().strides[o] == loop.strides[o] * loop.extent;
        });
    if (!joins) {
      merged.push_back(loop);
      continue;
    }
    merged.back().extent *= loop.extent;
    merged.back().strides = loop.strides;
  }
  loops = std::move(merged);
}

std::optional<int64_t> LoopGroup::getStride(Operand operand) const {
  if (loops.empty())
    return 0;
  for (size_t i = 0; i + 1 < loops.size(); ++i)
    if (loops[i].strides[operand] !=
        loops[i + 1].strides[operand] * loops[i + 1].extent)
      return std::nullopt;
  return loops.back().strides[operand];
}

int64_t LoopGroup::getOffset(Operand operand, int64_t index) const {
  int64_t offset = 0;
  for (auto it = loops.rbegin(); it != loops.rend(); ++it) {
    offset += index % it->extent * it->strides[operand];
    index /= it->extent;
  }
  return offset;
}

LoopGroup::Cursor::Cursor(const LoopGroup &group, int64_t index)
    : group(group), inner(0), index(index) {
  Loop loop = group.getInner();
  inner = loop.extent - index % loop.extent;
  for (Operand operand : {A, B, C})
    offsets[operand] = group.getOffset(operand, index);
}

void LoopGroup::Cursor::next() {
  ++index;
  if (--inner > 0) {
    for (Operand operand : {A, B, C})
      offsets[operand] += group.loops.back().strides[operand];
    return;
  }
  // Past the innermost loop; past the last iteration it starts over.
  Loop loop = group.getInner();
  inner = loop.extent;
  for (Operand operand : {A, B, C})
    offsets[operand] = group.getOffset(operand, index);
}

Loop LoopGroup::getInner() const {
  return loops.empty() ? Loop{1, {1, 1, 1}} : loops.back();
}
