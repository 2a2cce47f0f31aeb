//===- PrepareForCPU.cpp - Tensor programs before bufferization -----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DissolveJoins.h"

#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/Conversion/Reductions.h"
#include "sparsedrop/Conversion/SmallFloats.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_PREPAREFORCPU
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using linalg::LinalgOp;

static bool isPointwise(LinalgOp op) {
  return op.getNumReductionLoops() == 0 && op.hasPureTensorSemantics();
}

/// Softmax and its like become structured ops.
static LogicalResult decomposeAggregates(RewriterBase &rewriter,
                                         ModuleOp module) {
  SmallVector<linalg::AggregatedOpInterface> ops;
  module.walk([&](linalg::AggregatedOpInterface op) { ops.push_back(op); });
  for (linalg::AggregatedOpInterface op : ops) {
    rewriter.setInsertionPoint(op);
    FailureOr<SmallVector<Value>> results = op.decomposeOperation(rewriter);
    if (failed(results))
      return op.emitOpError() << "cannot run: it does not decompose";
    rewriter.replaceOp(op, *results);
  }
  return success();
}

/// Fusion works on generic ops.
static void generalizeElementwise(RewriterBase &rewriter, ModuleOp module) {
  SmallVector<LinalgOp> ops;
  module.walk([&](LinalgOp op) {
    if (isPointwise(op) &&
        !isa<linalg::GenericOp, linalg::FillOp, linalg::CopyOp>(op))
      ops.push_back(op);
  });
  for (LinalgOp op : ops) {
    rewriter.setInsertionPoint(op);
    Attribute kernel = op->getAttr(mlir::sparsedrop::kKernelAttrName);
    FailureOr<linalg::GenericOp> generic =
        linalg::generalizeNamedOp(rewriter, op);
    // The user's choice of a kernel.
    if (succeeded(generic) && kernel)
      (*generic)->setAttr(mlir::sparsedrop::kKernelAttrName, kernel);
  }
}

/// Fuse where nothing is computed twice: a single user with the same loops.
/// Products stay as they are: they go to BLAS.
static bool shouldFuse(OpOperand *operand) {
  LinalgOp producer = mlir::sparsedrop::getOwnProducer(*operand);
  if (!producer)
    return false;
  auto consumer = cast<LinalgOp>(operand->getOwner());
  if (producer.getNumLoops() != consumer.getNumLoops())
    return false;
  return consumer.getNumReductionLoops() == 0 ||
         consumer.getNumDpsInputs() == 1;
}

namespace {
/// What a body takes from outside and yields is a fill, which others fold.
struct ConstantToFill : public OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::GenericOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.hasPureTensorSemantics() || op.getNumDpsInits() != 1 ||
        op.getNumReductionLoops() != 0)
      return rewriter.notifyMatchFailure(op, "not one elementwise result");
    Value value = op.getBlock()->getTerminator()->getOperand(0);
    if (op.getRegion().isAncestor(value.getParentRegion()))
      return rewriter.notifyMatchFailure(op, "the result is computed");
    rewriter.replaceOpWithNewOp<linalg::FillOp>(op, value, op.getDpsInits()[0]);
    return success();
  }
};
} // namespace

/// The part of dimension `dim` that `insert` writes, if it writes all of the
/// other dimensions.
static std::optional<std::pair<int64_t, int64_t>>
getRange(tensor::InsertSliceOp insert, unsigned dim) {
  RankedTensorType type = insert.getDestType();
  if (!insert.hasUnitStride())
    return std::nullopt;
  for (unsigned other = 0; other < type.getRank(); ++other)
    if (other != dim &&
        (type.isDynamicDim(other) || insert.isDynamicSize(other) ||
         insert.getStaticSize(other) != type.getDimSize(other)))
      return std::nullopt;
  if (insert.isDynamicOffset(dim) || insert.isDynamicSize(dim))
    return std::nullopt;
  int64_t begin = insert.getStaticOffset(dim);
  return std::pair(begin, begin + insert.getStaticSize(dim));
}

namespace {
/// What slices cover entirely need not be filled before.
struct DropCoveredFill : public OpRewritePattern<tensor::InsertSliceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::InsertSliceOp op,
                                PatternRewriter &rewriter) const override {
    tensor::InsertSliceOp first = op;
    SmallVector<tensor::InsertSliceOp> inserts{op};
    while (auto before =
               first.getDest().getDefiningOp<tensor::InsertSliceOp>()) {
      if (!before->hasOneUse())
        return rewriter.notifyMatchFailure(op, "others read what is covered");
      inserts.push_back(first = before);
    }
    auto fill = first.getDest().getDefiningOp<linalg::FillOp>();
    if (!fill || !fill.hasPureTensorSemantics())
      return rewriter.notifyMatchFailure(op, "not into a fill");
    for (unsigned dim = 0; dim < op.getDestType().getRank(); ++dim)
      if (coversAll(inserts, dim, op.getDestType().getDimSize(dim))) {
        rewriter.modifyOpInPlace(first, [&] {
          first.getDestMutable().assign(fill.getDpsInits()[0]);
        });
        return success();
      }
    return rewriter.notifyMatchFailure(op, "a part stays as it was filled");
  }

private:
  static bool coversAll(ArrayRef<tensor::InsertSliceOp> inserts, unsigned dim,
                        int64_t size) {
    SmallVector<std::pair<int64_t, int64_t>> ranges;
    for (tensor::InsertSliceOp insert : inserts)
      if (auto range = getRange(insert, dim))
        ranges.push_back(*range);
    llvm::sort(ranges);
    int64_t end = 0;
    for (auto [begin, after] : ranges)
      if (begin <= end)
        end = std::max(end, after);
    return end == size;
  }
};
} // namespace

/// The caller's buffers are read only unless it gives them away.
static void markArguments(ModuleOp module) {
  Builder builder(module.getContext());
  module.walk([&](func::FuncOp function) {
    if (function.isExternal() || !function.isPublic())
      return;
    function->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(),
                      builder.getUnitAttr());
    for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i)
      if (isa<TensorType>(function.getArgumentTypes()[i]) &&
          !function.getArgAttr(i, mlir::sparsedrop::kDonateAttrName))
        function.setArgAttr(
            i, bufferization::BufferizationDialect::kWritableAttrName,
            builder.getBoolAttr(false));
  });
}

/// Whether a tensor of known sizes has more bytes than pointers can tell apart.
static bool isTooLarge(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape() ||
      llvm::is_contained(tensor.getShape(), 0))
    return false;
  int64_t bytes = 8;
  for (int64_t size : tensor.getShape())
    if (llvm::MulOverflow(bytes, size, bytes))
      return true;
  return bytes >= int64_t(1) << 50;
}

/// Why `type` cannot be computed with on the CPU; empty when it can.
static StringRef getTypeProblem(Type type) {
  if (isTooLarge(type))
    return "no memory has so many elements";
  auto element = dyn_cast<FloatType>(getElementTypeOrSelf(type));
  if (element && !mlir::sparsedrop::isSmallFloat(element) &&
      (element.getWidth() < 16 || element.getWidth() > 64))
    return "it works on a float that is neither f8E4M3FN nor f8E5M2 and has "
           "fewer than 16 or more than 64 bits";
  return {};
}

/// Whether a result has an element for each iteration of a reduction loop:
/// there is no loop nest that reduces the others and not that one.
static bool writesAlongReduction(Operation *op) {
  auto linalgOp = dyn_cast<LinalgOp>(op);
  if (!linalgOp)
    return false;
  SmallVector<utils::IteratorType> iterators = linalgOp.getIteratorTypesArray();
  for (OpOperand &init : linalgOp.getDpsInitsMutable())
    for (auto [loop, iterator] : llvm::enumerate(iterators))
      if (iterator == utils::IteratorType::reduction &&
          linalgOp.getMatchingIndexingMap(&init).isFunctionOfDim(loop))
        return true;
  return false;
}

static LogicalResult checkMaterialized(ModuleOp module) {
  WalkResult result = module.walk([](Operation *op) {
    if (!op->hasAttr(mlir::sparsedrop::kDropoutAttrName))
      return WalkResult::advance();
    op->emitOpError() << "has a dropout annotation that has not been "
                         "materialized; run sparsedrop-pipeline first";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

/// Functions of the runtime library, and what host code is given with it, keep
/// their names.
static LogicalResult checkNames(ModuleOp module) {
  WalkResult result = module.walk([](FunctionOpInterface function) {
    StringRef name = function.getName();
    if (function.isExternal() || !name.starts_with("sparsedrop_"))
      return WalkResult::advance();
    function->emitOpError() << "cannot run: names that begin with sparsedrop_ "
                               "are the runtime library's, but this is '"
                            << name << "'";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

/// Names what nothing lowers, while it is still an op on tensors.
static LogicalResult checkRunnable(ModuleOp module) {
  WalkResult result = module.walk<WalkOrder::PreOrder>([](Operation *op) {
    bool onTensors =
        llvm::any_of(op->getOperandTypes(), llvm::IsaPred<TensorType>) ||
        llvm::any_of(op->getResultTypes(), llvm::IsaPred<TensorType>);
    StringRef problem;
    if (auto truncation = dyn_cast<arith::TruncFOp>(op);
        truncation && mlir::sparsedrop::isSmallFloat(truncation.getType()) &&
        truncation.getRoundingmode().value_or(
            arith::RoundingMode::to_nearest_even) !=
            arith::RoundingMode::to_nearest_even)
      problem = "floats of 8 bits are rounded to the nearest, ties to even";
    if (onTensors && !isa<bufferization::BufferizableOpInterface>(op))
      problem = "nothing lowers it";
    if (writesAlongReduction(op))
      problem = "a result is indexed by a reduction loop";
    for (Type type : llvm::concat<Type>(llvm::to_vector(op->getOperandTypes()),
                                        llvm::to_vector(op->getResultTypes())))
      if (problem.empty())
        problem = getTypeProblem(type);
    if (problem.empty())
      return WalkResult::advance();
    op->emitOpError() << "cannot run: " << problem;
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

namespace {
struct PrepareForCPU
    : public mlir::sparsedrop::impl::PrepareForCPUBase<PrepareForCPU> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    IRRewriter rewriter(&getContext());
    if (failed(checkMaterialized(module)) || failed(checkNames(module)) ||
        failed(decomposeAggregates(rewriter, module)))
      return signalPassFailure();
    generalizeElementwise(rewriter, module);
    mlir::sparsedrop::dissolveJoins(rewriter, module);
    RewritePatternSet patterns(&getContext());
    linalg::populateElementwiseOpsFusionPatterns(patterns, shouldFuse);
    tensor::populateDecomposeTensorConcatPatterns(patterns);
    patterns.add<ConstantToFill, DropCoveredFill>(&getContext());
    if (failed(applyPatternsGreedily(module, std::move(patterns))))
      return signalPassFailure();
    if (failed(checkRunnable(module)))
      return signalPassFailure();
    markArguments(module);
  }
};
} // namespace
