//===- SinkScalars.cpp - Scalars are read where they are used -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_SINKSCALARS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using linalg::LinalgOp;

namespace {
/// Finds which scalars of the host are computed from elements of tensors.
class Dependence {
public:
  bool operator()(Value value) {
    Operation *op = value.getDefiningOp();
    if (isa_and_present<tensor::ExtractOp>(op))
      return true;
    if (!op || op->getNumRegions() != 0 || op->getNumResults() != 1 ||
        isa<ShapedType>(value.getType()) || !isMemoryEffectFree(op) ||
        llvm::any_of(op->getOperandTypes(), llvm::IsaPred<ShapedType>))
      return false;
    auto [it, isNew] = known.insert({value, false});
    if (!isNew)
      return it->second;
    bool depends = llvm::any_of(
        op->getOperands(), [&](Value operand) { return (*this)(operand); });
    return known[value] = depends;
  }

private:
  DenseMap<Value, bool> known;
};

/// Moves the scalars of one op.
class Sinker {
public:
  Sinker(RewriterBase &rewriter, linalg::GenericOp op, Dependence &depends)
      : rewriter(rewriter), op(op), depends(depends) {}

  void run(ArrayRef<Value> scalars);

private:
  Value getElement(tensor::ExtractOp extract);
  Value rebuild(Value scalar, IRMapping &elements);

  RewriterBase &rewriter;
  linalg::GenericOp op;
  Dependence &depends;
};
} // namespace

/// The element as a tensor of rank 0.
Value Sinker::getElement(tensor::ExtractOp extract) {
  auto type = cast<RankedTensorType>(extract.getTensor().getType());
  if (type.getRank() == 0)
    return extract.getTensor();
  rewriter.setInsertionPointAfter(extract);
  SmallVector<OpFoldResult> offsets = getAsOpFoldResult(extract.getIndices());
  SmallVector<OpFoldResult> ones(type.getRank(), rewriter.getIndexAttr(1));
  auto scalar = RankedTensorType::get({}, type.getElementType());
  return tensor::ExtractSliceOp::create(rewriter, extract.getLoc(), scalar,
                                        extract.getTensor(), offsets, ones,
                                        ones);
}

/// Computes `scalar` at the insertion point, from elements that are there.
Value Sinker::rebuild(Value scalar, IRMapping &elements) {
  if (Value known = elements.lookupOrNull(scalar))
    return known;
  if (!depends(scalar))
    return scalar;
  Operation *source = scalar.getDefiningOp();
  for (Value operand : source->getOperands())
    elements.map(operand, rebuild(operand, elements));
  Operation *copy = rewriter.clone(*source, elements);
  elements.map(scalar, copy->getResult(0));
  return copy->getResult(0);
}

static void collectExtracts(Value scalar, Dependence &depends,
                            llvm::SetVector<Operation *> &extracts) {
  if (!depends(scalar))
    return;
  Operation *source = scalar.getDefiningOp();
  if (isa<tensor::ExtractOp>(source)) {
    extracts.insert(source);
    return;
  }
  for (Value operand : source->getOperands())
    collectExtracts(operand, depends, extracts);
}

void Sinker::run(ArrayRef<Value> scalars) {
  llvm::SetVector<Operation *> extracts;
  for (Value scalar : scalars)
    collectExtracts(scalar, depends, extracts);
  SmallVector<Value> inputs(op.getInputs());
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  unsigned first = inputs.size();
  for (Operation *extract : extracts) {
    maps.insert(maps.begin() + inputs.size(),
                AffineMap::get(op.getNumLoops(), 0, op.getContext()));
    inputs.push_back(getElement(cast<tensor::ExtractOp>(extract)));
  }
  rewriter.setInsertionPoint(op);
  auto larger = linalg::GenericOp::create(
      rewriter, op.getLoc(), op.getResultTypes(), inputs, op.getOutputs(), maps,
      op.getIteratorTypesArray());
  larger->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  rewriter.inlineRegionBefore(op.getRegion(), larger.getRegion(),
                              larger.getRegion().begin());
  Block *body = larger.getBlock();
  IRMapping elements;
  for (auto [i, extract] : llvm::enumerate(extracts))
    elements.map(extract->getResult(0),
                 body->insertArgument(first + i,
                                      extract->getResult(0).getType(),
                                      extract->getLoc()));
  rewriter.setInsertionPointToStart(body);
  for (Value scalar : scalars) {
    Value moved = rebuild(scalar, elements);
    rewriter.replaceUsesWithIf(scalar, moved, [&](OpOperand &use) {
      return larger.getRegion().isAncestor(use.getOwner()->getParentRegion()) &&
             use.getOwner() != moved.getDefiningOp();
    });
  }
  rewriter.replaceOp(op, larger);
}

namespace {
struct SinkScalars
    : public mlir::sparsedrop::impl::SinkScalarsBase<SinkScalars> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    Dependence depends;
    SmallVector<LinalgOp> ops;
    getOperation().walk([&](LinalgOp op) {
      if (op.hasPureTensorSemantics())
        ops.push_back(op);
    });
    for (LinalgOp op : ops)
      sink(rewriter, op, depends);
  }

  void sink(RewriterBase &rewriter, LinalgOp op, Dependence &depends) {
    // A fill takes its scalar as an operand.
    if (!isa<linalg::GenericOp>(op) &&
        llvm::any_of(op->getOperands(),
                     [&](Value operand) { return depends(operand); })) {
      rewriter.setInsertionPoint(op);
      Attribute kernel = op->getAttr(mlir::sparsedrop::kKernelAttrName);
      FailureOr<linalg::GenericOp> generic =
          linalg::generalizeNamedOp(rewriter, op);
      if (failed(generic))
        return;
      if (kernel)
        (*generic)->setAttr(mlir::sparsedrop::kKernelAttrName, kernel);
      op = cast<LinalgOp>(generic->getOperation());
    }
    auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
    if (!generic)
      return;
    replaceScalarInputs(rewriter, generic, depends);
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(generic.getRegion(), captured);
    SmallVector<Value> scalars;
    for (Value value : captured)
      if (depends(value))
        scalars.push_back(value);
    if (!scalars.empty())
      Sinker(rewriter, generic, depends).run(scalars);
  }

  /// Inputs that are scalars are used by the body as they are.
  void replaceScalarInputs(RewriterBase &rewriter, linalg::GenericOp op,
                           Dependence &depends) {
    for (OpOperand *input : op.getDpsInputOperands())
      if (depends(input->get()))
        rewriter.replaceAllUsesWith(op.getMatchingBlockArgument(input),
                                    input->get());
  }
};
} // namespace
