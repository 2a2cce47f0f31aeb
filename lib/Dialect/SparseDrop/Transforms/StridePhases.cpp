//===- StridePhases.cpp - Strided ops as sums of unstrided ones -----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StridePhases.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <numeric>

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

namespace {
/// A dimension of the operand that is read at s o + d k.
struct Window {
  int64_t dim;
  unsigned origin, tap;     ///< the loops o and k
  int64_t stride, dilation; ///< s and d
  int64_t taps;             ///< extent of k
  int64_t classes;          ///< s' = s / gcd(s, d)
};

class StrideSplitter {
public:
  StrideSplitter(RewriterBase &rewriter, LinalgOp op, OpOperand &operand)
      : rewriter(rewriter), op(op), operand(operand), loc(op.getLoc()),
        type(cast<RankedTensorType>(operand.get().getType())) {}

  /// Whether the op is of the form.
  bool match();
  SmallVector<StridePhase> split();

private:
  bool matchDim(int64_t dim, AffineExpr expr);
  bool readsTapsPlainly();
  StridePhase createPhase(ArrayRef<int64_t> first);
  /// The taps of a window in the class of `first`.
  static int64_t countTaps(const Window &window, int64_t first) {
    return (window.taps - first + window.classes - 1) / window.classes;
  }

  RewriterBase &rewriter;
  LinalgOp op;
  OpOperand &operand;
  Location loc;
  RankedTensorType type;
  SmallVector<Window> windows; ///< those with a stride
};
} // namespace

bool StrideSplitter::matchDim(int64_t dim, AffineExpr expr) {
  if (isa<AffineDimExpr>(expr))
    return true;
  std::optional<SmallVector<int64_t>> coefficients =
      getLinearCoefficients(expr, op.getNumLoops());
  if (!coefficients)
    return false;
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  SmallVector<unsigned> origins, taps;
  for (auto [loop, coefficient] : llvm::enumerate(*coefficients))
    if (coefficient != 0)
      (iterators[loop] == utils::IteratorType::parallel ? origins : taps)
          .push_back(loop);
  if (origins.size() != 1 || taps.size() != 1)
    return false;
  int64_t stride = (*coefficients)[origins.front()];
  if (stride == 1)
    return true;
  int64_t dilation = (*coefficients)[taps.front()];
  int64_t extent = op.getStaticLoopRanges()[taps.front()];
  if (stride < 1 || dilation < 1 || ShapedType::isDynamic(extent) ||
      type.isDynamicDim(dim))
    return false;
  windows.push_back({dim, origins.front(), taps.front(), stride, dilation,
                     extent, stride / std::gcd(stride, dilation)});
  return true;
}

/// Whether other operands have a plain dimension for each tap, which can be
/// sliced, and none for the origin in a sum.
bool StrideSplitter::readsTapsPlainly() {
  for (OpOperand &other : op->getOpOperands()) {
    if (&other == &operand)
      continue;
    for (AffineExpr expr : op.getMatchingIndexingMap(&other).getResults())
      for (const Window &window : windows)
        if (!isa<AffineDimExpr>(expr) && (expr.isFunctionOfDim(window.tap) ||
                                          expr.isFunctionOfDim(window.origin)))
          return false;
  }
  return true;
}

bool StrideSplitter::match() {
  if (op.hasIndexSemantics() || op->getNumResults() != 1)
    return false;
  for (auto [dim, expr] :
       llvm::enumerate(op.getMatchingIndexingMap(&operand).getResults()))
    if (!matchDim(dim, expr))
      return false;
  return !windows.empty() && readsTapsPlainly();
}

StridePhase StrideSplitter::createPhase(ArrayRef<int64_t> first) {
  StridePhase phase{{}, operand.getOperandNumber(), {}, {}, {}};
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  SmallVector<Value> inputs = op.getDpsInputs();
  SmallVector<AffineExpr> exprs(maps[phase.operand].getResults());
  phase.offsets.assign(type.getRank(), rewriter.getIndexAttr(0));
  phase.strides.assign(type.getRank(), rewriter.getIndexAttr(1));
  phase.sizes = tensor::getMixedSizes(rewriter, loc, operand.get());
  for (auto [window, begin] : llvm::zip_equal(windows, first)) {
    int64_t offset = window.dilation * begin;
    int64_t size = std::max<int64_t>(0, type.getDimSize(window.dim) - offset);
    phase.offsets[window.dim] = rewriter.getIndexAttr(offset);
    phase.strides[window.dim] = rewriter.getIndexAttr(window.stride);
    phase.sizes[window.dim] =
        rewriter.getIndexAttr((size + window.stride - 1) / window.stride);
    exprs[window.dim] = rewriter.getAffineDimExpr(window.origin) +
                        rewriter.getAffineDimExpr(window.tap) *
                            (window.dilation * window.classes / window.stride);
  }
  maps[phase.operand] =
      AffineMap::get(op.getNumLoops(), 0, exprs, rewriter.getContext());
  inputs[phase.operand] = tensor::ExtractSliceOp::create(
      rewriter, loc, operand.get(), phase.offsets, phase.sizes, phase.strides);
  for (auto [i, input] : llvm::enumerate(inputs)) {
    if (i == phase.operand)
      continue;
    SmallVector<OpFoldResult> sizes =
        tensor::getMixedSizes(rewriter, loc, input);
    SmallVector<OpFoldResult> offsets(sizes.size(), rewriter.getIndexAttr(0));
    SmallVector<OpFoldResult> strides(sizes.size(), rewriter.getIndexAttr(1));
    bool isSliced = false;
    for (auto [dim, expr] : llvm::enumerate(maps[i].getResults()))
      for (auto [window, begin] : llvm::zip_equal(windows, first))
        if (expr == rewriter.getAffineDimExpr(window.tap)) {
          isSliced = true;
          offsets[dim] = rewriter.getIndexAttr(begin);
          strides[dim] = rewriter.getIndexAttr(window.classes);
          sizes[dim] = rewriter.getIndexAttr(countTaps(window, begin));
        }
    if (isSliced)
      input = tensor::ExtractSliceOp::create(rewriter, loc, input, offsets,
                                             sizes, strides);
  }
  phase.op = linalg::GenericOp::create(rewriter, loc, op->getResultTypes(),
                                       inputs, op.getDpsInits(), maps,
                                       op.getIteratorTypesArray());
  IRMapping mapping;
  op->getRegion(0).cloneInto(&phase.op.getRegion(), mapping);
  return phase;
}

SmallVector<StridePhase> StrideSplitter::split() {
  SmallVector<StridePhase> phases;
  SmallVector<int64_t> first(windows.size(), 0);
  while (true) {
    phases.push_back(createPhase(first));
    size_t i = 0;
    for (; i < windows.size(); ++i) {
      if (++first[i] < std::min(windows[i].classes, windows[i].taps))
        break;
      first[i] = 0;
    }
    if (i == windows.size())
      return phases;
  }
}

SmallVector<StridePhase> mlir::sparsedrop::splitStrides(RewriterBase &rewriter,
                                                        LinalgOp op,
                                                        OpOperand &operand) {
  StrideSplitter splitter(rewriter, op, operand);
  if (!isa<RankedTensorType>(operand.get().getType()) || !splitter.match())
    return {};
  return splitter.split();
}
