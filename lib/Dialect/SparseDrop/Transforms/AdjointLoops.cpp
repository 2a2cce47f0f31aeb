//===- AdjointLoops.cpp - The loops of a gradient -------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AdjointLoops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

//===----------------------------------------------------------------------===//
// Finding the loops
//===----------------------------------------------------------------------===//

/// The dimensions of a sum c1 d1 + c2 d2 + ... with positive constants.
static bool decompose(AffineExpr expr, int64_t factor,
                      SmallVectorImpl<std::pair<unsigned, int64_t>> &terms) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    terms.push_back({dim.getPosition(), factor});
    return factor > 0;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return false;
  if (expr.getKind() == AffineExprKind::Add)
    return decompose(binary.getLHS(), factor, terms) &&
           decompose(binary.getRHS(), factor, terms);
  auto constant = dyn_cast<AffineConstantExpr>(binary.getRHS());
  return expr.getKind() == AffineExprKind::Mul && constant &&
         decompose(binary.getLHS(), factor * constant.getValue(), terms);
}

AdjointLoops::AdjointLoops(LinalgOp op, OpOperand &target)
    : op(op), target(target.get()), map(op.getMatchingIndexingMap(&target)),
      dims(op.getNumLoops()) {}

bool AdjointLoops::addGroup(AffineExpr expr, int64_t dim, std::string &reason) {
  SmallVector<std::pair<unsigned, int64_t>> terms;
  if (!decompose(expr, 1, terms)) {
    reason = "an index expression is not a sum of loops";
    return false;
  }
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  auto origin = llvm::find_if(terms, [&](std::pair<unsigned, int64_t> term) {
    return iterators[term.first] == utils::IteratorType::parallel;
  });
  if (origin == terms.end())
    origin = terms.begin();
  Group group{expr, origin->first, {}, 0, dim};
  SmallVector<int64_t> ranges = op.getStaticLoopRanges();
  for (auto [loop, coefficient] : terms) {
    Dim &entry = dims[loop];
    if (entry.role != Role::Plain) {
      reason = "a loop occurs in two index expressions of one operand";
      return false;
    }
    entry = {loop == group.origin ? Role::Origin : Role::Tap, coefficient,
             ranges[loop], groups.size()};
    if (loop == group.origin)
      continue;
    if (ShapedType::isDynamic(ranges[loop])) {
      reason = "the extent of a window is not static";
      return false;
    }
    group.taps.push_back(loop);
    group.padding += coefficient * (ranges[loop] - 1);
  }
  groups.push_back(std::move(group));
  return true;
}

void AdjointLoops::orderLoops() {
  SmallVector<unsigned> order;
  for (int64_t i = 0, e = map.getNumResults(); i < e; ++i) {
    auto dim = dyn_cast<AffineDimExpr>(map.getResult(i));
    auto group = llvm::find_if(
        groups, [&](const Group &candidate) { return candidate.dim == i; });
    order.push_back(dim ? dim.getPosition() : group->origin);
  }
  targetRank = order.size();
  for (unsigned i = 0, e = dims.size(); i < e; ++i)
    if (!llvm::is_contained(order, i))
      order.push_back(i);
  positions.resize(order.size());
  for (auto [i, dim] : llvm::enumerate(order))
    positions[dim] = i;
}

std::optional<AdjointLoops> AdjointLoops::create(LinalgOp op, OpOperand &target,
                                                 std::string &reason) {
  AdjointLoops loops(op, target);
  llvm::SmallBitVector seen(op.getNumLoops());
  for (auto [i, expr] : llvm::enumerate(loops.map.getResults())) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    if (!dim && !loops.addGroup(expr, i, reason))
      return std::nullopt;
    if (dim && seen[dim.getPosition()]) {
      reason = "an operand is indexed twice by one loop";
      return std::nullopt;
    }
    if (dim)
      seen.set(dim.getPosition());
  }
  for (unsigned dim : seen.set_bits())
    if (loops.dims[dim].role != Role::Plain) {
      reason = "a loop occurs in two index expressions of one operand";
      return std::nullopt;
    }
  loops.orderLoops();
  return loops;
}

//===----------------------------------------------------------------------===//
// Maps
//===----------------------------------------------------------------------===//

AffineExpr AdjointLoops::getDimExpr(unsigned oldDim) const {
  return getAffineDimExpr(positions[oldDim], map.getContext());
}

AffineMap AdjointLoops::getTargetMap() const {
  SmallVector<AffineExpr> exprs;
  for (size_t i = 0; i < targetRank; ++i)
    exprs.push_back(getAffineDimExpr(i, map.getContext()));
  return AffineMap::get(dims.size(), 0, exprs, map.getContext());
}

SmallVector<utils::IteratorType> AdjointLoops::getIteratorTypes() const {
  SmallVector<utils::IteratorType> types(targetRank,
                                         utils::IteratorType::parallel);
  types.resize(dims.size(), utils::IteratorType::reduction);
  return types;
}

/// An expression of no origin and no tap, or the sum of a group itself.
std::optional<AffineExpr> AdjointLoops::transformExpr(AffineExpr expr) const {
  for (const Group &group : groups)
    if (expr == group.expr)
      return getDimExpr(group.origin);
  bool isPlain = true;
  SmallVector<AffineExpr> replacements;
  for (unsigned i = 0, e = dims.size(); i < e; ++i) {
    isPlain &= dims[i].role == Role::Plain || !expr.isFunctionOfDim(i);
    replacements.push_back(getDimExpr(i));
  }
  if (!isPlain)
    return std::nullopt;
  return expr.replaceDims(replacements);
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

/// `value` at offset `padding` and with `stride` along `dim` of a tensor of
/// zeros (-2 for integers) of `extent` there.
static Value spread(OpBuilder &builder, Location loc, Value value, int64_t dim,
                    int64_t padding, int64_t stride, OpFoldResult extent) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, value);
  SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), builder.getIndexAttr(1));
  SmallVector<OpFoldResult> whole(sizes);
  whole[dim] = extent;
  offsets[dim] = builder.getIndexAttr(padding);
  strides[dim] = builder.getIndexAttr(stride);
  Type element = type.getElementType();
  TypedAttr filler = isa<IntegerType>(element)
                         ? TypedAttr(builder.getIntegerAttr(element, -2))
                         : builder.getZeroAttr(element);
  Value scalar = arith::ConstantOp::create(builder, loc, filler);
  Value empty = tensor::EmptyOp::create(builder, loc, whole, element);
  Value zeros =
      linalg::FillOp::create(builder, loc, scalar, empty).getResult(0);
  return tensor::InsertSliceOp::create(builder, loc, value, zeros, offsets,
                                       sizes, strides);
}

/// `value` with the `extent` indices of `dim` in reverse order.
static Value reverse(OpBuilder &builder, Location loc, Value value, int64_t dim,
                     int64_t extent) {
  auto type = cast<RankedTensorType>(value.getType());
  if (extent == 1)
    return value;
  AffineMap identity = builder.getMultiDimIdentityMap(type.getRank());
  SmallVector<AffineExpr> exprs(identity.getResults());
  exprs[dim] = extent - 1 - exprs[dim];
  AffineMap reversed =
      AffineMap::get(type.getRank(), 0, exprs, builder.getContext());
  Value empty = tensor::EmptyOp::create(
      builder, loc, tensor::getMixedSizes(builder, loc, value),
      type.getElementType());
  SmallVector<utils::IteratorType> iterators(type.getRank(),
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             builder, loc, type, value, empty, ArrayRef{reversed, identity},
             iterators,
             [](OpBuilder &b, Location l, ValueRange arguments) {
               linalg::YieldOp::create(b, l, arguments[0]);
             })
      .getResult(0);
}

std::optional<MappedValue>
AdjointLoops::transform(OpBuilder &builder, Location loc, MappedValue operand,
                        bool isRead, std::string &reason) const {
  SmallVector<AffineExpr> exprs;
  for (auto [i, expr] : llvm::enumerate(operand.map.getResults())) {
    if (std::optional<AffineExpr> same = transformExpr(expr)) {
      exprs.push_back(*same);
      continue;
    }
    auto dim = dyn_cast<AffineDimExpr>(expr);
    if (!dim) {
      reason = "two operands are indexed by different sums of one loop";
      return std::nullopt;
    }
    const Dim &entry = dims[dim.getPosition()];
    if (entry.role == Role::Tap) {
      if (isRead)
        operand.value = reverse(builder, loc, operand.value, i, entry.extent);
      exprs.push_back(getDimExpr(dim.getPosition()));
      continue;
    }
    const Group &group = groups[entry.group];
    Value extent = getValueOrCreateConstantIndexOp(
        builder, loc, tensor::getMixedSize(builder, loc, target, group.dim));
    Value padding = arith::ConstantIndexOp::create(builder, loc, group.padding);
    Value whole = builder.createOrFold<arith::AddIOp>(loc, extent, padding);
    operand.value = spread(builder, loc, operand.value, i, group.padding,
                           entry.coefficient, getAsOpFoldResult(whole));
    AffineExpr sum = getDimExpr(group.origin);
    for (unsigned tap : group.taps)
      sum = sum + getDimExpr(tap) * dims[tap].coefficient;
    exprs.push_back(sum);
  }
  operand.map = AffineMap::get(dims.size(), 0, exprs, map.getContext());
  return operand;
}

Value AdjointLoops::getIndex(OpBuilder &builder, Location loc,
                             unsigned dim) const {
  const Dim &entry = dims[dim];
  if (entry.role == Role::Origin)
    return {};
  Value index = linalg::IndexOp::create(builder, loc, positions[dim]);
  if (entry.role == Role::Plain)
    return index;
  Value last = arith::ConstantIndexOp::create(builder, loc, entry.extent - 1);
  return arith::SubIOp::create(builder, loc, last, index);
}
