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
// What the region sees
//===----------------------------------------------------------------------===//

/// The extent of a loop, if the type of an operand that it alone indexes tells.
static std::optional<int64_t> findExtent(ContractOp op, unsigned loop) {
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    auto type = cast<ShapedType>(op->getOperand(i).getType());
    for (auto [dim, expr] : llvm::enumerate(op.getMap(i).getResults()))
      if (expr == getAffineDimExpr(loop, op.getContext()) &&
          !type.isDynamicDim(dim))
        return type.getDimSize(dim);
  }
  return std::nullopt;
}

unsigned ContractOp::countSums() {
  return getJoint() ? static_cast<unsigned>(*findExtent(*this, *getJoint()))
                    : 1;
}

unsigned ContractOp::countElements(unsigned operand) {
  bool isJoint = getJoint() &&
                 (operand < 2 || getMap(operand).isFunctionOfDim(*getJoint()));
  return isJoint ? countSums() : 1;
}

MutableArrayRef<BlockArgument> ContractOp::getElements(unsigned operand) {
  unsigned first = operand == 0 ? 0 : countSums();
  for (unsigned i = 2; i < operand; ++i)
    first += countElements(i);
  return getBody()->getArguments().slice(first, countElements(operand));
}

OperandRange ContractOp::getYielded(unsigned i) {
  unsigned first = 0, init = getFirstInit();
  for (unsigned before = 0; before < i; ++before)
    first += countElements(init + before);
  return getBody()->getTerminator()->getOperands().slice(
      first, countElements(init + i));
}

bool ContractOp::readsOld(unsigned i) {
  return llvm::any_of(getElements(getFirstInit() + i),
                      [](BlockArgument old) { return !old.use_empty(); });
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
    if (!isInit || getEpilogue().empty() || readsOld(number - getFirstInit()))
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
      if (op.getMap(i).isFunctionOfDim(loop) != isParallel &&
          loop != op.getJoint())
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

/// A joint loop, if there is one, is a loop of few iterations.
static LogicalResult verifyJoint(ContractOp op) {
  std::optional<int64_t> joint = op.getJoint();
  if (!joint)
    return success();
  if (*joint < 0 || *joint >= op.getNumLoops())
    return op.emitOpError() << "expects 'joint' to be the number of one of "
                            << op.getNumLoops() << " loops, but got " << *joint;
  std::optional<int64_t> extent = findExtent(op, static_cast<unsigned>(*joint));
  if (!extent || *extent < 1 || *extent > ContractOp::kMostJoint)
    return op.emitOpError()
           << "expects a joint loop of 1 to " << ContractOp::kMostJoint
           << " iterations, but got "
           << (extent ? std::to_string(*extent) : "an unknown number");
  return success();
}

/// Checks values of the region against the elements of operands from `first`
/// on.
static LogicalResult verifyElements(ContractOp op, TypeRange types,
                                    unsigned first, StringRef what) {
  unsigned number = 0;
  for (unsigned i = first; i < op->getNumOperands(); ++i) {
    Type element = getElementTypeOrSelf(op->getOperand(i).getType());
    for (unsigned j = 0; j < op.countElements(i); ++j, ++number)
      if (types[number] != element)
        return op.emitOpError() << "expects " << what << " " << number << " of "
                                << element << ", but got " << types[number];
  }
  return success();
}

static LogicalResult verifyTypes(ContractOp op) {
  for (unsigned i = 0; i < 2; ++i)
    if (!isa<FloatType>(getElementTypeOrSelf(op->getOperand(i).getType())))
      return op.emitOpError() << "expects factors of floats, but operand " << i
                              << " is " << op->getOperand(i).getType();
  unsigned sums = op.countSums(), first = op.getFirstInit();
  unsigned arguments = sums, results = 0;
  for (unsigned i = 2; i < op->getNumOperands(); ++i) {
    arguments += op.countElements(i);
    results += i < first ? 0 : op.countElements(i);
  }
  Block *body = op.getBody();
  if (body->getNumArguments() != arguments)
    return op.emitOpError()
           << "expects a region of " << arguments << " arguments, but got "
           << body->getNumArguments();
  Type sum = op.getSum().getType();
  if (!sum.isF32() && !sum.isF64())
    return op.emitOpError() << "expects a sum of f32 or f64, but got " << sum;
  for (BlockArgument other : op.getElements(0))
    if (other.getType() != sum)
      return op.emitOpError() << "expects sums of one type, but got " << sum
                              << " and " << other.getType();
  Operation *yield = body->getTerminator();
  if (yield->getNumOperands() != results)
    return op.emitOpError()
           << "expects " << results << " yielded values, but got "
           << yield->getNumOperands();
  TypeRange others = TypeRange(body->getArgumentTypes()).drop_front(sums);
  if (failed(verifyElements(op, others, 2, "argument behind the sums")))
    return failure();
  return verifyElements(op, yield->getOperandTypes(), first, "yielded value");
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
  if (failed(verifyMaps(*this)) || failed(verifyJoint(*this)) ||
      failed(verifyLoops(*this)) || failed(verifyExtents(*this)))
    return failure();
  return verifyTypes(*this);
}
