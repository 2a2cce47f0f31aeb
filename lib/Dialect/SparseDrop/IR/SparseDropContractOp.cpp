//===- SparseDropContractOp.cpp - A contraction with an epilogue ----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;
using namespace mlir::sparsedrop;

std::optional<LinearIndex> mlir::sparsedrop::getLinearIndex(AffineExpr expr,
                                                            unsigned loops) {
  LinearIndex index{SmallVector<int64_t>(loops, 0)};
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    index.coefficients[dim.getPosition()] = 1;
    return index;
  }
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    index.offset = constant.getValue();
    return index;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return std::nullopt;
  auto lhs = getLinearIndex(binary.getLHS(), loops);
  auto rhs = getLinearIndex(binary.getRHS(), loops);
  if (!lhs || !rhs)
    return std::nullopt;
  if (binary.getKind() == AffineExprKind::Mul) {
    if (!isa<AffineConstantExpr>(binary.getRHS()))
      return std::nullopt;
    for (int64_t &coefficient : lhs->coefficients)
      coefficient *= rhs->offset;
    lhs->offset *= rhs->offset;
    return lhs;
  }
  if (binary.getKind() != AffineExprKind::Add)
    return std::nullopt;
  for (auto [a, b] : llvm::zip(lhs->coefficients, rhs->coefficients))
    a += b;
  lhs->offset += rhs->offset;
  return lhs;
}

std::optional<unsigned> mlir::sparsedrop::getWholeLoop(const LinearIndex &index,
                                                       int64_t size) {
  std::optional<unsigned> found;
  for (auto [loop, coefficient] : llvm::enumerate(index.coefficients)) {
    if (coefficient == 0)
      continue;
    bool isForward = coefficient == 1 && index.offset == 0;
    bool isBackward = coefficient == -1 && !ShapedType::isDynamic(size) &&
                      index.offset == size - 1;
    if (found || (!isForward && !isBackward))
      return std::nullopt;
    found = static_cast<unsigned>(loop);
  }
  return found;
}

std::optional<SmallVector<int64_t>>
mlir::sparsedrop::getLinearCoefficients(AffineExpr expr, unsigned loops) {
  std::optional<LinearIndex> index = getLinearIndex(expr, loops);
  if (!index || index->offset != 0 || isa<AffineConstantExpr>(expr))
    return std::nullopt;
  return index->coefficients;
}

//===----------------------------------------------------------------------===//
// Effects
//===----------------------------------------------------------------------===//

void ContractOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  for (OpOperand &operand : getOperation()->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    unsigned number = operand.getOperandNumber();
    bool isInit = number >= getFirstInit();
    // Builders ask before there is a body.
    if (!isInit || getEpilogue().empty() ||
        !getOldArgument(number - getFirstInit()).use_empty())
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
    if (isInit)
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
  }
}

//===----------------------------------------------------------------------===//
// Verification
//===----------------------------------------------------------------------===//

/// One map for each operand, over the same loops, as the operand's kind asks.
static LogicalResult verifyMaps(ContractOp op) {
  size_t operands = op->getNumOperands();
  if (op.getIndexingMaps().size() != operands)
    return op.emitOpError() << "expects " << operands
                            << " indexing maps, one for each operand, but got "
                            << op.getIndexingMaps().size();
  unsigned loops = op.getNumLoops();
  for (unsigned i = 0; i < operands; ++i) {
    AffineMap map = op.getMap(i);
    auto type = cast<ShapedType>(op->getOperand(i).getType());
    if (!type.hasRank() || map.getNumResults() != type.getRank() ||
        map.getNumDims() != loops || map.getNumSymbols() != 0)
      return op.emitOpError()
             << "expects a map from " << loops << " loops to the dimensions of "
             << type << " for operand " << i << ", but got "
             << AffineMapAttr::get(map);
    if (i >= op.getFirstInit() && !map.isProjectedPermutation())
      return op.emitOpError()
             << "expects outputs that are indexed by distinct "
                "loops, but operand "
             << i << " has the map " << AffineMapAttr::get(map);
    bool isFactor = i < 2;
    for (AffineExpr expr : map.getResults())
      if (isFactor ? !getLinearIndex(expr, loops)
                   : !getLinearCoefficients(expr, loops))
        return op.emitOpError()
               << "expects sums of multiples of loops, but "
                  "operand "
               << i << " has the map " << AffineMapAttr::get(map);
  }
  return success();
}

/// Which operands each loop may index.
static LogicalResult verifyLoops(ContractOp op) {
  for (unsigned loop = 0, e = op.getNumLoops(); loop < e; ++loop) {
    bool isParallel = !op.isReduction(loop);
    for (unsigned i = op.getFirstInit(); i < op->getNumOperands(); ++i)
      if (op.getMap(i).isFunctionOfDim(loop) != isParallel)
        return op.emitOpError()
               << "expects outputs of the same loops, but loop " << loop
               << " does not index all of them";
    for (unsigned i = 2; i < op.getFirstInit(); ++i)
      if (!isParallel && op.getMap(i).isFunctionOfDim(loop))
        return op.emitOpError() << "expects extras that no reduction indexes, "
                                   "but loop "
                                << loop << " indexes operand " << i;
    int users = op.getMap(0).isFunctionOfDim(loop) +
                op.getMap(1).isFunctionOfDim(loop) + isParallel;
    if (users < 2)
      return op.emitOpError() << "expects each loop to index two of lhs, rhs "
                                 "and outputs, but loop "
                              << loop << " indexes " << users;
  }
  return success();
}

static LogicalResult verifyTypes(ContractOp op) {
  auto element = [&](unsigned i) {
    return cast<ShapedType>(op->getOperand(i).getType()).getElementType();
  };
  for (unsigned i = 0; i < 2; ++i)
    if (!isa<FloatType>(element(i)))
      return op.emitOpError() << "expects factors of floats, but operand " << i
                              << " is " << op->getOperand(i).getType();
  Block *body = op.getBody();
  if (body->getNumArguments() != op->getNumOperands() - 1)
    return op.emitOpError()
           << "expects a region of " << op->getNumOperands() - 1
           << " arguments, but got " << body->getNumArguments();
  if (!op.getSum().getType().isF32() && !op.getSum().getType().isF64())
    return op.emitOpError()
           << "expects a sum of f32 or f64, but got " << op.getSum().getType();
  for (unsigned i = 2; i < op->getNumOperands(); ++i)
    if (body->getArgument(i - 1).getType() != element(i))
      return op.emitOpError()
             << "expects argument " << i - 1 << " of the region to be "
             << element(i) << ", but got "
             << body->getArgument(i - 1).getType();
  Operation *yield = body->getTerminator();
  unsigned first = op.getFirstInit();
  if (yield->getNumOperands() != op.getInits().size())
    return op.emitOpError()
           << "expects " << op.getInits().size() << " yielded values, but got "
           << yield->getNumOperands();
  for (auto [i, value] : llvm::enumerate(yield->getOperands()))
    if (value.getType() != element(first + i))
      return op.emitOpError() << "expects to yield " << element(first + i)
                              << ", but got " << value.getType();
  return success();
}

/// Static extents of one loop agree.
static LogicalResult verifyExtents(ContractOp op) {
  SmallVector<int64_t> extents(op.getNumLoops(), ShapedType::kDynamic);
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    auto type = cast<ShapedType>(op->getOperand(i).getType());
    for (auto [dim, expr] : llvm::enumerate(op.getMap(i).getResults())) {
      std::optional<unsigned> loop = getWholeLoop(
          *getLinearIndex(expr, op.getNumLoops()), type.getDimSize(dim));
      if (!loop || type.isDynamicDim(dim))
        continue;
      int64_t &extent = extents[*loop];
      if (!ShapedType::isDynamic(extent) && extent != type.getDimSize(dim))
        return op.emitOpError()
               << "expects one extent of loop " << *loop << ", but got "
               << extent << " and " << type.getDimSize(dim);
      extent = type.getDimSize(dim);
    }
  }
  return success();
}

LogicalResult ContractOp::verify() {
  if (getInits().empty())
    return emitOpError() << "expects an output";
  if (failed(verifyMaps(*this)) || failed(verifyLoops(*this)) ||
      failed(verifyTypes(*this)))
    return failure();
  return verifyExtents(*this);
}
