//===- Product.cpp - A contraction as a product of matrices ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Product.h"

#include "Alignment.h"

#include "sparsedrop/Conversion/SmallFloats.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <numeric>

using namespace mlir;
using namespace mlir::sparsedrop;

static constexpr int64_t kDynamic = ShapedType::kDynamic;

/// The stride of each loop of an operand.
static LoopStrides getLoopStrides(ContractOp op, unsigned operand,
                                  ArrayRef<LinearIndex> indices) {
  auto type = cast<MemRefType>(op->getOperand(operand).getType());
  int64_t offset;
  SmallVector<int64_t> strides;
  if (failed(type.getStridesAndOffset(strides, offset)))
    strides.assign(type.getRank(), kDynamic);
  LoopStrides result(op.getNumLoops(), 0);
  for (auto [dim, index] : llvm::enumerate(indices)) {
    for (auto [sum, coefficient] : llvm::zip(result, index.coefficients)) {
      if (coefficient == 0 || sum == kDynamic)
        continue;
      sum = ShapedType::isDynamic(strides[dim])
                ? kDynamic
                : sum + coefficient * strides[dim];
    }
  }
  return result;
}

/// The size of a dimension as the host computes it, where that is told.
static Value getSize(Value buffer, int64_t dim) {
  auto find = [&](ArrayRef<OpFoldResult> sizes) {
    return dyn_cast_if_present<Value>(sizes[dim]);
  };
  if (auto alloc = buffer.getDefiningOp<memref::AllocOp>())
    return find(alloc.getMixedSizes());
  auto view = buffer.getDefiningOp<memref::SubViewOp>();
  if (view && view.getDroppedDims().none())
    return find(view.getMixedSizes());
  return {};
}

/// What an unknown extent is likely to be, if anything tells. One that is also
/// the size of a slice is at most what is sliced, and half of it for the usual
/// patterns.
static std::optional<int64_t> estimateExtent(Value buffer, int64_t dim) {
  Value size = getSize(buffer, dim);
  if (!size)
    return std::nullopt;
  for (Operation *user : size.getUsers()) {
    auto view = dyn_cast<memref::SubViewOp>(user);
    if (!view)
      continue;
    for (auto [whole, part] :
         llvm::zip(view.getSourceType().getShape(), view.getMixedSizes()))
      if (part == OpFoldResult(size) && !ShapedType::isDynamic(whole))
        return std::max<int64_t>(1, (whole + 1) / 2);
  }
  return std::nullopt;
}

/// Loops in the order of the dimensions that they index in `operand`.
static void sortByDimensions(ContractOp op, unsigned operand,
                             SmallVectorImpl<unsigned> &loops) {
  AffineMap map = op.getMap(operand);
  auto position = [&](unsigned loop) {
    unsigned last = 0;
    for (auto [dim, expr] : llvm::enumerate(map.getResults()))
      if (expr.isFunctionOfDim(loop))
        last = dim + 1;
    return std::make_pair(last, loop);
  };
  llvm::sort(loops,
             [&](unsigned a, unsigned b) { return position(a) < position(b); });
}

/// The first and the last value of an index; nothing if they are not known.
static std::optional<std::pair<int64_t, int64_t>>
getRange(const LinearIndex &index, ArrayRef<int64_t> extents) {
  int64_t first = index.offset, last = index.offset;
  for (auto [extent, coefficient] : llvm::zip(extents, index.coefficients)) {
    if (coefficient != 0 && extent == kDynamic)
      return std::nullopt;
    (coefficient < 0 ? first : last) += coefficient * (extent - 1);
  }
  return std::make_pair(first, last);
}

/// A sum without loops of one iteration, where one other loop is left that goes
/// through all of the `size` elements of a dimension: a tap alone does not make
/// an image.
static void simplify(LinearIndex &index, ArrayRef<int64_t> extents,
                     int64_t size) {
  LinearIndex simple = index;
  for (auto [coefficient, extent] : llvm::zip(simple.coefficients, extents))
    if (extent == 1)
      coefficient = 0;
  std::optional<unsigned> loop = getWholeLoop(simple, size);
  if (loop && !ShapedType::isDynamic(size) && extents[*loop] == size)
    index = simple;
}

scf::ForOp mlir::sparsedrop::getGroupedLoop(Operation *op) {
  auto loop = dyn_cast_if_present<scf::ForOp>(op->getParentOp());
  bool isGrouped = loop && loop->hasAttr(kGroupedAttrName) &&
                   loop.getInductionVar().getType().isIndex() &&
                   !loop.getUnsignedCmp();
  return isGrouped ? loop : scf::ForOp();
}

std::string mlir::sparsedrop::getGroupProblem(Operation *op,
                                              KernelAttr choice) {
  return getGroupedLoop(op) && choice.getSplit() > 1
             ? "groups have no second launch to add up parts of the depth"
             : "";
}

/// As for extents, half of what patterns drop counts as kept.
static int64_t estimateGroups(ContractOp op) {
  scf::ForOp loop = getGroupedLoop(op);
  if (!loop)
    return 1;
  std::optional<llvm::APInt> count = loop.getStaticTripCount();
  return count ? count->getSExtValue() : 2;
}

Product::Product(ContractOp op) : op(op), groups(estimateGroups(op)) {
  unsigned init = op.getFirstInit(), count = op.getNumLoops();
  extents.assign(count, kDynamic);
  for (unsigned operand = 0; operand < op->getNumOperands(); ++operand) {
    auto type = cast<MemRefType>(op->getOperand(operand).getType());
    auto &list = indices.emplace_back();
    for (AffineExpr expr : op.getMap(operand).getResults())
      list.push_back(*getLinearIndex(expr, count));
    for (auto [dim, index] : llvm::enumerate(list))
      if (auto loop = getWholeLoop(index, type.getDimSize(dim)))
        if (!type.isDynamicDim(dim))
          extents[*loop] = type.getDimSize(dim);
  }
  for (unsigned operand = 0; operand < op->getNumOperands(); ++operand) {
    auto type = cast<MemRefType>(op->getOperand(operand).getType());
    for (auto [dim, index] : llvm::enumerate(indices[operand]))
      simplify(index, extents, type.getDimSize(dim));
    strides.push_back(getLoopStrides(op, operand, indices[operand]));
  }
  estimateExtents();
  // The columns are the side that the last dimension of the output is on.
  AffineMap map = op.getMap(init);
  if (map.getNumResults() > 0) {
    unsigned last = cast<AffineDimExpr>(map.getResults().back()).getPosition();
    if (op.getMap(0).isFunctionOfDim(last) &&
        !op.getMap(1).isFunctionOfDim(last))
      std::swap(first, second);
  }
  for (unsigned loop = 0; loop < count; ++loop) {
    bool inFirst = op.getMap(first).isFunctionOfDim(loop);
    bool inSecond = op.getMap(second).isFunctionOfDim(loop);
    Role role = op.isReduction(loop) ? Role::Depth
                : inFirst            ? (inSecond ? Role::Batch : Role::Rows)
                                     : Role::Columns;
    loops[static_cast<int>(role)].push_back(loop);
  }
  for (Role role : {Role::Batch, Role::Rows, Role::Columns})
    sortByDimensions(op, init, loops[static_cast<int>(role)]);
  sortByDimensions(op, first, loops[static_cast<int>(Role::Depth)]);
}

std::string Product::setBoxes(KernelAttr choice) {
  auto set = [&](Role role, StringRef name, ArrayRef<int64_t> list) {
    size_t expected = get(role).size();
    if (!list.empty() && list.size() != expected)
      return "expected " + std::to_string(expected) + " numbers in '" +
             name.str() + "', one for each loop, but got " +
             std::to_string(list.size());
    boxes[static_cast<int>(role)].assign(list.begin(), list.end());
    return std::string();
  };
  std::string problem = set(Role::Rows, "rows", choice.getRows());
  if (problem.empty())
    problem = set(Role::Columns, "columns", choice.getColumns());
  return problem.empty() ? set(Role::Depth, "depth", choice.getDepth())
                         : problem;
}

/// Where the joint loop is among those of the columns, if it is there and
/// another one is contiguous.
static std::optional<size_t> findJoint(const Product &product) {
  std::optional<int64_t> joint = ContractOp(product.op).getJoint();
  ArrayRef<unsigned> loops = product.get(Role::Columns);
  if (!joint)
    return std::nullopt;
  const unsigned *found = llvm::find(loops, *joint);
  if (found == loops.end() || found + 1 == loops.end())
    return std::nullopt;
  return found - loops.begin();
}

int64_t Product::getJointStep() const {
  std::optional<size_t> place = findJoint(*this);
  return place ? getBoxes(Role::Columns).back() : 1;
}

int64_t Product::getJointBox() const {
  std::optional<size_t> place = findJoint(*this);
  return place ? getBoxes(Role::Columns)[*place] : 1;
}

SmallVector<int64_t> Product::getJointBoxes(int64_t count) const {
  std::optional<size_t> place = findJoint(*this);
  if (!place)
    return {};
  // Tiles are powers of two.
  auto joint = static_cast<int64_t>(
      llvm::PowerOf2Ceil(extents[get(Role::Columns)[*place]]));
  if (count % joint != 0)
    return {};
  SmallVector<int64_t> result(get(Role::Columns).size(), 1);
  result[*place] = joint;
  result.back() = count / joint;
  return result;
}

std::string Product::getJointProblem() const {
  ArrayRef<int64_t> columns = getBoxes(Role::Columns);
  if (!ContractOp(op).getJoint())
    return columns.empty() ? "" : "only joint loops need boxes of columns";
  std::optional<size_t> place = findJoint(*this);
  if (!place)
    return "expected a joint loop that indexes the same factor as the "
           "contiguous loop of the outputs, which is another one";
  if (columns.empty())
    return "expected 'columns', boxes with all of the joint loop";
  for (size_t i = 0; i + 1 < columns.size(); ++i)
    if (i != *place && columns[i] != 1)
      return "expected boxes of one iteration of other columns";
  int64_t extent = extents[get(Role::Columns)[*place]];
  return columns[*place] >= extent
             ? ""
             : "expected boxes of " + std::to_string(extent) +
                   " iterations of the joint loop, but got " +
                   std::to_string(columns[*place]);
}

bool Product::isBox(Role role, int64_t count) const {
  for (int64_t box : llvm::reverse(getBoxes(role))) {
    int64_t part = std::min(count, box);
    if (box % part != 0 || count % part != 0)
      return false;
    count /= part;
  }
  return count == 1 || getBoxes(role).empty();
}

Role Product::getRole(unsigned loop) const {
  for (Role role : {Role::Batch, Role::Rows, Role::Columns})
    if (llvm::is_contained(get(role), loop))
      return role;
  return Role::Depth;
}

bool Product::isImage(unsigned operand, unsigned dim) const {
  const LinearIndex &index = indices[operand][dim];
  return index.offset != 0 || llvm::count_if(index.coefficients, [](int64_t c) {
                                return c != 0;
                              }) > 1;
}

bool Product::isInside(unsigned operand, unsigned dim) const {
  if (!isImage(operand, dim))
    return true;
  auto type = cast<MemRefType>(op->getOperand(operand).getType());
  auto range = getRange(indices[operand][dim], extents);
  return range && range->first >= 0 && !type.isDynamicDim(dim) &&
         range->second < type.getDimSize(dim);
}

/// Kept units of a large layer where nothing tells.
static constexpr int64_t kUnknownExtent = 1024;

void Product::estimateExtents() {
  likely = extents;
  for (unsigned operand = 0; operand < op->getNumOperands(); ++operand)
    for (auto [dim, expr] : llvm::enumerate(op.getMap(operand).getResults()))
      if (auto loop = dyn_cast<AffineDimExpr>(expr))
        if (likely[loop.getPosition()] == kDynamic)
          likely[loop.getPosition()] =
              estimateExtent(op->getOperand(operand), dim).value_or(kDynamic);
  llvm::replace(likely, kDynamic, kUnknownExtent);
}

int64_t Product::count(Role role) const {
  int64_t product = 1;
  for (unsigned loop : get(role))
    product *= likely[loop];
  return product;
}

int64_t Product::countTiles(Role role, int64_t size) const {
  if (getBoxes(role).empty())
    return llvm::divideCeil(count(role), size);
  int64_t product = 1;
  for (auto [loop, box] : llvm::zip(get(role), getBoxes(role)))
    product *= llvm::divideCeil(likely[loop], box);
  return product;
}

bool Product::isContiguous(unsigned operand, Role role) const {
  return !get(role).empty() && strides[operand][get(role).back()] == 1;
}

int64_t Product::getVectorWidth(unsigned operand, Role role,
                                int64_t bytes) const {
  // Neighbours are all inside, or none is.
  for (unsigned dim = 0; dim < indices[operand].size(); ++dim)
    if (!get(role).empty() && isImage(operand, dim) &&
        indices[operand][dim].coefficients[get(role).back()] != 0)
      return 1;
  // Booleans and indices are not stored as they are.
  Type element = getElement(operand);
  if (!isContiguous(operand, role) || !element.isIntOrFloat() ||
      element.isInteger(1))
    return 1;
  unsigned fastest = get(role).back();
  // Neighbours must not lie in different iterations of a slower loop.
  int64_t divisor = 0;
  if (!getBoxes(role).empty())
    divisor = getBoxes(role).back();
  else if (get(role).size() > 1)
    divisor = extents[fastest] == kDynamic ? 1 : extents[fastest];
  Layout layout = getLayout(op->getOperand(operand));
  divisor = std::gcd(divisor, layout.base);
  for (auto [dim, index] : llvm::enumerate(indices[operand])) {
    divisor = std::gcd(divisor, index.offset * layout.strides[dim]);
    for (auto [loop, coefficient] : llvm::enumerate(index.coefficients))
      if (coefficient != 0 &&
          !(loop == fastest && layout.strides[dim] == 1 && coefficient == 1))
        divisor = std::gcd(divisor, coefficient * layout.strides[dim]);
  }
  int64_t size = element.getIntOrFloatBitWidth() / 8;
  int64_t width = std::max<int64_t>(1, bytes / std::max<int64_t>(1, size));
  while (width > 1 && divisor % width != 0)
    width /= 2;
  return width;
}

int64_t Product::getEpilogueWidth(int64_t most) const {
  int64_t width = most;
  for (unsigned operand = 2; operand < op->getNumOperands(); ++operand) {
    bool isIndexed = llvm::any_of(get(Role::Columns), [&](unsigned loop) {
      return strides[operand][loop] != 0;
    });
    if (isIndexed)
      width = std::min(width, getVectorWidth(operand, Role::Columns));
  }
  return width;
}

std::string mlir::sparsedrop::getFactorProblem(const Product &product,
                                               KernelFamily family, bool tf32) {
  Type a = product.getElement(product.first);
  Type b = product.getElement(product.second);
  bool isSmall = isSmallFloat(a) && isSmallFloat(b);
  if (isSmall && family != KernelFamily::Wgmma)
    return "only wgmma multiplies floats of 8 bits";
  if (!isSmall && (a != b || !(a.isF16() || a.isBF16() || (a.isF32() && tf32))))
    return "tensor cores multiply f16 or bf16 by the same type, floats of 8 "
           "bits, or f32 as tf32";
  if (!ContractOp(product.op).getSum().getType().isF32())
    return "tensor cores form sums of f32";
  return "";
}
