//===- DroppedDims.cpp - Which dimensions an annotation drops -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LinalgUtils.h"

#include "sparsedrop/Dialect/SparseDrop/Transforms/Transforms.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

/// The dimensions of `operand` that plain loops of the given kind index.
static SmallVector<int64_t> getDims(LinalgOp op, OpOperand *operand,
                                    bool reduction) {
  SmallVector<int64_t> dims;
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  AffineMap map = op.getMatchingIndexingMap(operand);
  for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
    auto loop = dyn_cast<AffineDimExpr>(expr);
    if (loop &&
        (iterators[loop.getPosition()] == utils::IteratorType::reduction) ==
            reduction &&
        isPlainLoop(op, loop.getPosition()))
      dims.push_back(dim);
  }
  return dims;
}

/// Whether sums of loops index the operand: it is read by windows.
static bool isWindowed(LinalgOp op, OpOperand *operand) {
  return llvm::any_of(
      op.getMatchingIndexingMap(operand).getResults(),
      [](AffineExpr expr) { return expr.getKind() == AffineExprKind::Add; });
}

/// The contraction dimension of the annotated operand.
static FailureOr<int64_t> inferContractionDim(LinalgOp op, OpOperand *operand,
                                              DropoutAttr annotation) {
  SmallVector<int64_t> dims = getDims(op, operand, /*reduction=*/true);
  if (annotation.hasDim()) {
    if (llvm::is_contained(dims, annotation.getDim()))
      return annotation.getDim();
    return op->emitOpError()
           << "expects dim to be a contraction dimension of operand "
           << annotation.getOperand() << ", but got " << annotation.getDim();
  }
  if (dims.empty()) {
    InFlightDiagnostic diagnostic =
        op->emitOpError() << "expects a dropout of a contraction operand, "
                             "but operand "
                          << annotation.getOperand()
                          << " has no contraction dimension";
    if (isWindowed(op, operand))
      diagnostic << ": each output channel reads one input channel, so nothing "
                    "is summed over channels";
    return diagnostic;
  }
  if (dims.size() > 1)
    return op->emitOpError()
           << "expects dim, since operand " << annotation.getOperand()
           << " has " << dims.size() << " contraction dimensions: " << dims;
  return dims.front();
}

static LogicalResult verifySize(LinalgOp op, StringRef what, int64_t size,
                                int64_t extent) {
  if (ShapedType::isDynamic(extent) || size <= extent)
    return success();
  return op->emitOpError() << "expects a " << what
                           << " no larger than the extent " << extent
                           << ", but got " << size;
}

FailureOr<SmallVector<int64_t>>
mlir::sparsedrop::inferDroppedDims(LinalgOp op, DropoutAttr annotation) {
  OpOperand *operand = op.getDpsInputOperand(annotation.getOperand());
  auto type = cast<RankedTensorType>(operand->get().getType());
  FailureOr<int64_t> contraction = inferContractionDim(op, operand, annotation);
  if (failed(contraction))
    return failure();
  int64_t extent = type.getDimSize(*contraction);
  if (annotation.getKind() != PatternKind::Tile) {
    if (failed(
            verifySize(op, "granularity", annotation.getGranularity(), extent)))
      return failure();
    // Else all channels would be kept, whatever the rate.
    if (annotation.getKind() == PatternKind::Channel &&
        !annotation.getRate().isZero() &&
        failed(verifySize(op, "multiple", annotation.getMultiple(), extent)))
      return failure();
    return SmallVector<int64_t>{*contraction};
  }
  SmallVector<int64_t> outputs = getDims(op, operand, /*reduction=*/false);
  if (outputs.size() != 1)
    return op->emitOpError()
           << "expects a weight with an output and a contraction dimension for "
              "kind 'tile', but got "
           << type;
  if (failed(verifySize(op, "tile", annotation.getTile()[0],
                        type.getDimSize(outputs.front()))) ||
      failed(verifySize(op, "tile", annotation.getTile()[1], extent)))
    return failure();
  return SmallVector<int64_t>{outputs.front(), *contraction};
}
