//===- LinalgUtils.cpp - Small questions about structured ops -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LinalgUtils.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

bool mlir::sparsedrop::isPlainLoop(linalg::LinalgOp op, unsigned loop) {
  for (AffineMap map : op.getIndexingMapsArray()) {
    unsigned uses = 0;
    for (AffineExpr expr : map.getResults()) {
      if (!expr.isFunctionOfDim(loop))
        continue;
      ++uses;
      if (!isa<AffineDimExpr>(expr))
        return false;
    }
    if (uses > 1)
      return false;
  }
  return true;
}

std::optional<int64_t> mlir::sparsedrop::getIndexedDim(linalg::LinalgOp op,
                                                       OpOperand &operand,
                                                       unsigned loop) {
  AffineMap map = op.getMatchingIndexingMap(&operand);
  for (auto [dim, expr] : llvm::enumerate(map.getResults()))
    if (expr.isFunctionOfDim(loop))
      return dim;
  return std::nullopt;
}

void mlir::sparsedrop::rewriteIndices(
    RewriterBase &rewriter, Operation *op, unsigned loop,
    function_ref<Value(Location, Value)> create) {
  SmallVector<linalg::IndexOp> indices;
  for (Region &region : op->getRegions())
    region.walk([&](linalg::IndexOp index) {
      if (index.getDim() == loop)
        indices.push_back(index);
    });
  OpBuilder::InsertionGuard guard(rewriter);
  for (linalg::IndexOp index : indices) {
    rewriter.setInsertionPointAfter(index);
    Value replacement = create(index.getLoc(), index);
    rewriter.replaceAllUsesExcept(index, replacement,
                                  replacement.getDefiningOp());
  }
}

void mlir::sparsedrop::shiftIndices(RewriterBase &rewriter, Operation *op,
                                    unsigned loop, OpFoldResult offset) {
  rewriteIndices(rewriter, op, loop, [&](Location loc, Value index) -> Value {
    return arith::AddIOp::create(
        rewriter, loc, index,
        getValueOrCreateConstantIndexOp(rewriter, loc, offset));
  });
}

Attribute mlir::sparsedrop::getFilling(Value value) {
  // The kept part of equal elements.
  while (auto compact = value.getDefiningOp<CompactOp>())
    value = compact.getSource();
  Attribute constant;
  if (auto fill = value.getDefiningOp<linalg::FillOp>()) {
    matchPattern(fill.getInputs()[0], m_Constant(&constant));
    return constant;
  }
  if (!matchPattern(value, m_Constant(&constant)))
    return {};
  auto elements = dyn_cast<SplatElementsAttr>(constant);
  return elements ? elements.getSplatValue<Attribute>() : Attribute();
}

tensor::PadOp mlir::sparsedrop::getZeroPad(Value value) {
  auto pad = value.getDefiningOp<tensor::PadOp>();
  Value filler = pad ? pad.getConstantPaddingValue() : Value();
  return filler && matchPattern(filler, m_AnyZeroFloat()) ? pad
                                                          : tensor::PadOp();
}

bool mlir::sparsedrop::isNarrowing(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 1 || op.getNumDpsInits() != 1 ||
      op.getNumReductionLoops() != 0 ||
      !llvm::all_of(op.getIndexingMapsArray(),
                    [](AffineMap map) { return map.isIdentity(); }))
    return false;
  auto truncation = op.getBody()
                        ->getTerminator()
                        ->getOperand(0)
                        .getDefiningOp<arith::TruncFOp>();
  return truncation && truncation.getIn() == op.getRegionInputArgs()[0];
}

bool mlir::sparsedrop::isZeroFill(Value value) {
  Attribute filling = getFilling(value);
  return filling && matchPattern(filling, m_AnyZeroFloat());
}

bool mlir::sparsedrop::isEmptyTensor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && llvm::is_contained(tensor.getShape(), 0);
}

/// What `value` extends, or `value`.
static Value skipExtension(Value value) {
  auto extension = value.getDefiningOp<arith::ExtFOp>();
  return extension ? extension.getIn() : value;
}

bool mlir::sparsedrop::isProductBody(Block &body) {
  if (body.getNumArguments() != 3)
    return false;
  auto add = body.getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!add || add->getBlock() != &body)
    return false;
  Value x = body.getArgument(0), y = body.getArgument(1);
  Value out = body.getArgument(2);
  Value term = add.getLhs() == out ? add.getRhs() : add.getLhs();
  auto mul = term.getDefiningOp<arith::MulFOp>();
  if (!mul || (add.getLhs() != out && add.getRhs() != out))
    return false;
  int64_t extensions =
      (x.getType() != out.getType()) + (y.getType() != out.getType());
  Value lhs = skipExtension(mul.getLhs()), rhs = skipExtension(mul.getRhs());
  return llvm::hasNItems(body, 3 + extensions) &&
         ((lhs == x && rhs == y) || (lhs == y && rhs == x));
}

/// Whether `map` names the `batch` first loops in order and then `first` and
/// `second` in any order.
static bool isMatrix(AffineMap map, unsigned batch, unsigned first,
                     unsigned second) {
  if (map.getNumResults() != batch + 2 || !map.isProjectedPermutation())
    return false;
  for (unsigned i = 0; i < batch; ++i)
    if (map.getDimPosition(i) != i)
      return false;
  unsigned a = map.getDimPosition(batch), b = map.getDimPosition(batch + 1);
  return (a == first && b == second) || (a == second && b == first);
}

linalg::LinalgOp mlir::sparsedrop::nameProduct(RewriterBase &rewriter,
                                               linalg::GenericOp op) {
  unsigned loops = op.getNumLoops();
  if ((loops != 3 && loops != 4) || op.getNumReductionLoops() != 1 ||
      op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1 ||
      !isProductBody(*op.getBody()))
    return op;
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  unsigned batch = loops - 3, m = batch, n = batch + 1, k = batch + 2;
  if (op.getIteratorTypesArray()[k] != utils::IteratorType::reduction ||
      !maps[2].isProjectedPermutation() || maps[2].getNumResults() != k)
    return op;
  for (unsigned i = 0; i < k; ++i)
    if (maps[2].getDimPosition(i) != i)
      return op;
  SmallVector<Value> inputs(op.getInputs());
  if (isMatrix(maps[0], batch, n, k) && isMatrix(maps[1], batch, m, k)) {
    std::swap(inputs[0], inputs[1]);
    std::swap(maps[0], maps[1]);
  }
  if (!isMatrix(maps[0], batch, m, k) || !isMatrix(maps[1], batch, n, k))
    return op;
  rewriter.setInsertionPoint(op);
  auto mapsAttr = rewriter.getNamedAttr("indexing_maps",
                                        rewriter.getAffineMapArrayAttr(maps));
  linalg::LinalgOp named;
  if (batch == 0)
    named = linalg::MatmulOp::create(rewriter, op.getLoc(), op.getResultTypes(),
                                     inputs, op.getOutputs(), mapsAttr);
  else
    named = linalg::BatchMatmulOp::create(rewriter, op.getLoc(),
                                          op.getResultTypes(), inputs,
                                          op.getOutputs(), mapsAttr);
  rewriter.replaceOp(op, named->getResults());
  return named;
}

Value mlir::sparsedrop::emitScaled(OpBuilder &b, Location loc, Value x,
                                   Value scale) {
  Type element = x.getType();
  Type wide = element.isF64() ? element : b.getF32Type();
  if (wide != scale.getType())
    scale = arith::ExtFOp::create(b, loc, wide, scale);
  if (wide != element)
    x = arith::ExtFOp::create(b, loc, wide, x);
  x = arith::MulFOp::create(b, loc, x, scale);
  if (wide != element)
    x = arith::TruncFOp::create(b, loc, element, x);
  return x;
}

Value mlir::sparsedrop::createScaled(RewriterBase &rewriter, Location loc,
                                     Value value, Value scale) {
  auto type = cast<RankedTensorType>(value.getType());
  Value empty = tensor::EmptyOp::create(
      rewriter, loc, tensor::getMixedSizes(rewriter, loc, value),
      type.getElementType());
  AffineMap identity = rewriter.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> iterators(type.getRank(),
                                             utils::IteratorType::parallel);
  auto body = [&](OpBuilder &b, Location l, ValueRange arguments) {
    linalg::YieldOp::create(b, l, emitScaled(b, l, arguments[0], scale));
  };
  return linalg::GenericOp::create(rewriter, loc, type, value, empty,
                                   ArrayRef{identity, identity}, iterators,
                                   body)
      .getResult(0);
}

Value mlir::sparsedrop::createBlend(OpBuilder &b, Location loc, Value old,
                                    Value fresh, Value share) {
  auto type = cast<RankedTensorType>(old.getType());
  Value empty = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, old), type.getElementType());
  AffineMap identity = b.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> loops(type.getRank(),
                                         utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, empty.getType(), ValueRange{old, fresh}, empty,
             ArrayRef<AffineMap>{identity, identity, identity}, loops,
             [&](OpBuilder &inner, Location, ValueRange in) {
               Value change = arith::SubFOp::create(inner, loc, in[1], in[0]);
               Value part = arith::MulFOp::create(inner, loc, change, share);
               Value sum = arith::AddFOp::create(inner, loc, in[0], part);
               linalg::YieldOp::create(inner, loc, sum);
             })
      .getResult(0);
}
