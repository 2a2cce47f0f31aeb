//===- Epilogue.cpp - From sums to outputs --------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Epilogue.h"

#include "Bodies.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::sparsedrop;

//===----------------------------------------------------------------------===//
// Addresses
//===----------------------------------------------------------------------===//

ProductAccess::ProductAccess(KernelBuilder &k, const Product &product)
    : k(k), product(product) {
  ContractOp op = product.op;
  unsigned loops = op.getNumLoops();
  extents.assign(loops, HostIndex());
  for (unsigned operand = 0; operand < op->getNumOperands(); ++operand) {
    Value buffer = op->getOperand(operand);
    SmallVector<HostIndex> dims = getStrides(k, buffer);
    SmallVector<HostIndex> &sums =
        strides.emplace_back(loops, k.hostConstant(0));
    auto type = cast<MemRefType>(buffer.getType());
    for (auto [dim, index] : llvm::enumerate(product.indices[operand])) {
      if (auto loop = getWholeLoop(index, type.getDimSize(dim)))
        if (!extents[*loop])
          extents[*loop] = getExtent(k, buffer, static_cast<int64_t>(dim));
      for (auto [loop, coefficient] : llvm::enumerate(index.coefficients))
        if (coefficient != 0)
          sums[loop] = k.hostAdd(
              sums[loop], k.hostMul(dims[dim], k.hostConstant(coefficient)));
    }
  }
  for (Role role : {Role::Batch, Role::Rows, Role::Columns, Role::Depth}) {
    HostIndex &count = counts[index(role)];
    count = getHostIterations(role);
    ArrayRef<int64_t> boxes = product.getBoxes(role);
    if (boxes.empty())
      continue;
    count = k.hostConstant(1);
    for (auto [i, box] : llvm::enumerate(boxes))
      count =
          k.hostMul(k.hostMul(count, countBoxes(role, i)), k.hostConstant(box));
  }
}

Value ProductAccess::getCount(Role role) {
  return k.getInt(getHostCount(role));
}

HostIndex ProductAccess::getHostIterations(Role role) const {
  HostIndex count = k.hostConstant(1);
  for (unsigned loop : product.get(role))
    count = k.hostMul(count, extents[loop]);
  return count;
}

/// Boxes along loop `i` of a role.
HostIndex ProductAccess::countBoxes(Role role, size_t i) const {
  return k.hostCeilDiv(extents[product.get(role)[i]],
                       product.getBoxes(role)[i]);
}

//===----------------------------------------------------------------------===//
// Numbers of a role
//===----------------------------------------------------------------------===//

SmallVector<Value> ProductAccess::getIndices(Role role, Value n) {
  ArrayRef<unsigned> loops = product.get(role);
  ArrayRef<int64_t> boxes = product.getBoxes(role);
  int64_t size = 1;
  for (int64_t box : boxes)
    size *= box;
  // Which box, and where in it.
  Value box = n, inside;
  if (!boxes.empty()) {
    box = k.divU(n, k.constant(size));
    inside = k.remU(n, k.constant(size));
  }
  SmallVector<Value> indices(loops.size());
  for (size_t i = loops.size(); i-- > 0;) {
    Value index = box;
    if (i > 0) {
      Value count =
          k.getInt(boxes.empty() ? extents[loops[i]] : countBoxes(role, i));
      index = k.remU(box, count);
      box = k.divU(box, count);
    }
    if (!boxes.empty()) {
      Value length = k.constant(boxes[i]);
      index = k.add(k.mul(index, length), k.remU(inside, length));
      inside = k.divU(inside, length);
    }
    indices[i] = index;
  }
  return indices;
}

Value ProductAccess::contains(Role role, Value n) {
  if (product.getBoxes(role).empty())
    return k.less(n, getCount(role));
  Value result;
  for (auto [loop, index] : llvm::zip(product.get(role), getIndices(role, n))) {
    Value isInside = k.less(index, k.getInt(extents[loop]));
    result = result ? k.both(result, isInside) : isInside;
  }
  return result;
}

Value ProductAccess::containsAll(Role role, Value n, int64_t count) {
  if (product.getBoxes(role).empty())
    return k.b.createOrFold<arith::CmpIOp>(
        arith::CmpIPredicate::sle, k.add(n, k.constant(count)), getCount(role));
  // No index of a part is larger than that of its last number.
  return contains(role, k.add(n, k.constant(count - 1)));
}

Value ProductAccess::getEnd(Role role, Value n) {
  if (product.getBoxes(role).empty())
    return getCount(role);
  Value extent = k.getInt(extents[product.get(role).back()]);
  return k.add(n, k.sub(extent, getIndices(role, n).back()));
}

Value ProductAccess::getIteration(Role role, Value n) {
  if (product.getBoxes(role).empty())
    return n;
  Value sum = k.constant(0);
  for (auto [loop, index] : llvm::zip(product.get(role), getIndices(role, n)))
    sum = k.add(k.mul(sum, k.getInt(extents[loop])), index);
  return sum;
}

//===----------------------------------------------------------------------===//
// Offsets
//===----------------------------------------------------------------------===//

HostIndex ProductAccess::getStride(unsigned operand, Role role) const {
  ArrayRef<unsigned> loops = product.get(role);
  return loops.empty() ? k.hostConstant(0) : strides[operand][loops.back()];
}

Value ProductAccess::getOffset(unsigned operand, Role role, Value n) {
  Value sum = k.constant(0, 64);
  ArrayRef<unsigned> loops = product.get(role);
  SmallVector<Value> indices = getIndices(role, n);
  for (size_t i = loops.size(); i-- > 0;) {
    HostIndex stride = strides[operand][loops[i]];
    if (!isConstantIntValue(stride, 0))
      sum = k.add(sum, k.mul(k.extend(indices[i]), k.getInt(stride, 64)));
  }
  return sum;
}

Value ProductAccess::getAddress(unsigned operand, TileStart numbers) {
  Value sum;
  for (Role role : {Role::Rows, Role::Columns, Role::Depth, Role::Batch}) {
    if (!numbers[role])
      continue;
    Value offset = getOffset(operand, role, numbers[role]);
    sum = sum ? k.add(offset, sum) : offset;
  }
  SmallVector<HostIndex> dims;
  for (auto [dim, index] : llvm::enumerate(product.indices[operand])) {
    if (index.offset == 0)
      continue;
    if (dims.empty())
      dims = getStrides(k, product.op->getOperand(operand));
    HostIndex shift = k.hostMul(dims[dim], k.hostConstant(index.offset));
    sum = k.add(sum, k.getInt(shift, 64));
  }
  return k.offset(getPointer(operand), sum, product.getElement(operand));
}

Value ProductAccess::isInside(unsigned operand, TileStart numbers) {
  SmallVector<Value> indices(extents.size());
  Value result;
  for (auto [dim, index] : llvm::enumerate(product.indices[operand])) {
    if (product.isInside(operand, static_cast<unsigned>(dim)))
      continue;
    if (!result)
      for (Role role : {Role::Batch, Role::Rows, Role::Columns, Role::Depth})
        if (numbers[role])
          for (auto [loop, value] :
               llvm::zip(product.get(role), getIndices(role, numbers[role])))
            indices[loop] = value;
    Value sum = k.constant(index.offset);
    for (auto [loop, coefficient] : llvm::zip(indices, index.coefficients))
      if (coefficient != 0)
        sum = k.add(sum, k.mul(loop, k.constant(coefficient)));
    Value extent = k.getInt(getExtent(k, product.op->getOperand(operand),
                                      static_cast<int64_t>(dim)));
    // What is negative is larger than any extent without a sign.
    Value isIn =
        k.b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::ult, sum, extent);
    result = result ? k.both(result, isIn) : isIn;
  }
  return result;
}

//===----------------------------------------------------------------------===//
// The epilogue
//===----------------------------------------------------------------------===//

/// Whether neighbouring columns move the address of an operand.
static bool isIndexed(const Product &product, unsigned operand) {
  return llvm::any_of(product.get(Role::Columns), [&](unsigned loop) {
    return loop != ContractOp(product.op).getJoint() &&
           product.strides[operand][loop] != 0;
  });
}

/// Of what is joint with a column, number `joint`.
static Value getOperandPointer(KernelBuilder &k, ProductAccess &access,
                               const Product &product, unsigned operand,
                               Value batch, Value row, Value column,
                               int64_t joint) {
  Value at = k.add(column, k.constant(joint * product.getJointStep()));
  Value sum = k.add(access.getOffset(operand, Role::Batch, batch),
                    access.getOffset(operand, Role::Rows, row));
  sum = k.add(sum, access.getOffset(operand, Role::Columns, at));
  return k.offset(access.getPointer(operand), sum, product.getElement(operand));
}

SmallVector<SmallVector<Value>> mlir::sparsedrop::computeOutputs(
    KernelBuilder &k, ProductAccess &access, const Product &product,
    ArrayRef<Value> sums, Value batch, Value row, Value column, int64_t width) {
  ContractOp op = product.op;
  size_t count = sums.size() / op.countSums();
  // Of each column: the sums, then what the region takes of extras and outputs.
  SmallVector<SmallVector<Value>> arguments(count);
  for (auto [i, sum] : llvm::enumerate(sums))
    arguments[i % count].push_back(sum);
  for (unsigned operand = 2; operand < op->getNumOperands(); ++operand) {
    bool isMoved = isIndexed(product, operand);
    size_t step = isMoved ? width : count;
    for (auto [joint, argument] : llvm::enumerate(op.getElements(operand))) {
      Value loaded;
      for (size_t i = 0; i < count; ++i) {
        if (!argument.use_empty() && i % step == 0)
          loaded =
              k.load(getOperandPointer(
                         k, access, product, operand, batch, row,
                         k.add(column, k.constant(static_cast<int64_t>(i))),
                         static_cast<int64_t>(joint)),
                     product.getElement(operand), isMoved ? width : 1);
        Value value = loaded;
        if (value)
          value = k.split(value, static_cast<int64_t>(i % step),
                          product.getElement(operand));
        arguments[i].push_back(value);
      }
    }
  }
  SmallVector<SmallVector<Value>> results(
      op.getBody()->getTerminator()->getNumOperands());
  for (ArrayRef<Value> column : arguments)
    for (auto [list, value] :
         llvm::zip(results, inlineBody(k, *op.getBody(), column, {})))
      list.push_back(value);
  return results;
}

/// `width` columns from `column` on, which are all there, from their sums and
/// those of what is joint with them.
static void emitChunk(KernelBuilder &k, ProductAccess &access,
                      const Product &product, ArrayRef<Value> sums, Value batch,
                      Value row, Value column, int64_t width) {
  ContractOp op = product.op;
  SmallVector<Value> parts;
  for (Value vector : sums)
    for (int64_t i = 0; i < width; ++i)
      parts.push_back(k.split(vector, i, getElementTypeOrSelf(vector)));
  SmallVector<SmallVector<Value>> results =
      computeOutputs(k, access, product, parts, batch, row, column, width);
  auto next = results.begin();
  for (unsigned operand = op.getFirstInit(); operand < op->getNumOperands();
       ++operand)
    for (unsigned joint = 0; joint < op.countElements(operand); ++joint) {
      ArrayRef<Value> values = *next++;
      k.store(width > 1 ? k.join(values) : values[0],
              getOperandPointer(k, access, product, operand, batch, row, column,
                                joint),
              product.getElement(operand));
    }
}

/// The row of the outputs that row `y` of a tile is.
static Value getRow(KernelBuilder &k, const SumTile &tile, Value y) {
  if (tile.blockRows == 0)
    return k.add(tile.row, y);
  Value block = k.constant(tile.blockRows);
  Value start = k.mul(k.divU(y, block), k.constant(tile.blockStride));
  return k.add(tile.row, k.add(start, k.remU(y, block)));
}

static Value getThread(KernelBuilder &k, const SumTile &tile) {
  return tile.thread ? tile.thread : k.threadId();
}

void mlir::sparsedrop::emitEpilogue(KernelBuilder &k, ProductAccess &access,
                                    const Product &product, const SumTile &tile,
                                    int64_t threads, int64_t width) {
  // Columns of each part that is joint with others.
  int64_t own = tile.columns / product.getJointBox(), across = own / width;
  auto loop =
      scf::ForOp::create(k.b, getThread(k, tile),
                         k.constant(tile.rows * across), k.constant(threads));
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPoint(loop.getBody()->getTerminator());
  Value chunk = loop.getInductionVar();
  Value y = k.divU(chunk, k.constant(across));
  Value x = k.mul(k.remU(chunk, k.constant(across)), k.constant(width));
  Value row = getRow(k, tile, y), column = k.add(tile.column, x);
  // The sums of `count` columns from x on, and of what is joint with them.
  auto load = [&](Value x, int64_t count) {
    SmallVector<Value> sums;
    for (unsigned i = 0; i < ContractOp(product.op).countSums(); ++i) {
      Value place = k.add(k.mul(y, k.constant(tile.pitch)),
                          k.add(x, k.constant(i * own)));
      sums.push_back(
          k.load(k.offset(tile.pointer, place, tile.type), tile.type, count));
    }
    return sums;
  };
  Value isRow = access.contains(Role::Rows, row);
  Value isWhole =
      k.both(isRow, access.containsAll(Role::Columns, column, width));
  auto branch = scf::IfOp::create(k.b, isWhole, /*withElseRegion=*/width > 1);
  k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
  emitChunk(k, access, product, load(x, width), tile.batch, row, column, width);
  if (width == 1)
    return;
  // The last columns, one by one.
  k.b.setInsertionPoint(branch.elseBlock()->getTerminator());
  // A tile behind the last box has neighbours of nothing.
  if (!product.getBoxes(Role::Columns).empty())
    isRow = k.both(isRow, access.contains(Role::Columns, column));
  auto inside = scf::IfOp::create(k.b, isRow);
  k.b.setInsertionPoint(inside.thenBlock()->getTerminator());
  auto rest = scf::ForOp::create(
      k.b, column, access.getEnd(Role::Columns, column), k.constant(1));
  k.b.setInsertionPoint(rest.getBody()->getTerminator());
  Value at = rest.getInductionVar();
  emitChunk(k, access, product, load(k.sub(at, tile.column), 1), tile.batch,
            row, at, 1);
}

//===----------------------------------------------------------------------===//
// Parts of the depth
//===----------------------------------------------------------------------===//

/// Where the sum of an output in one part lies: parts, batches, rows, columns.
static Value getPartialPlace(KernelBuilder &k, ProductAccess &access,
                             Value part, Value batch, Value row, Value column) {
  Value place = k.extend(part);
  auto step = [&](Role role, Value number) {
    place =
        k.add(k.mul(place, k.extend(k.getInt(access.getHostIterations(role)))),
              k.extend(access.getIteration(role, number)));
  };
  step(Role::Batch, batch);
  step(Role::Rows, row);
  step(Role::Columns, column);
  return place;
}

void mlir::sparsedrop::getSlices(KernelBuilder &k, Value depth, int64_t size,
                                 int64_t parts, Value part, Value &begin,
                                 Value &end) {
  end = k.divU(k.add(depth, k.constant(size - 1)), k.constant(size));
  begin = k.constant(0);
  if (parts == 1)
    return;
  Value share = k.divU(k.add(end, k.constant(parts - 1)), k.constant(parts));
  begin = k.minS(k.mul(part, share), end);
  end = k.minS(k.add(begin, share), end);
}

Value mlir::sparsedrop::allocateParts(KernelBuilder &k, ProductAccess &access,
                                      Type type, int64_t parts) {
  HostIndex count = k.hostConstant(parts);
  for (Role role : {Role::Batch, Role::Rows, Role::Columns})
    count = k.hostMul(count, access.getHostIterations(role));
  return memref::AllocOp::create(k.host, k.b.getLoc(),
                                 MemRefType::get({ShapedType::kDynamic}, type),
                                 k.hostValue(count));
}

void mlir::sparsedrop::emitPart(KernelBuilder &k, ProductAccess &access,
                                const SumTile &tile, int64_t threads,
                                Value parts, Value part) {
  const Product &product = access.getProduct();
  auto loop = scf::ForOp::create(k.b, getThread(k, tile),
                                 k.constant(tile.rows * tile.columns),
                                 k.constant(threads));
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPoint(loop.getBody()->getTerminator());
  Value y = k.divU(loop.getInductionVar(), k.constant(tile.columns));
  Value x = k.remU(loop.getInductionVar(), k.constant(tile.columns));
  Value row = getRow(k, tile, y), column = k.add(tile.column, x);
  // A tile that has some columns of each part.
  int64_t own = tile.columns / product.getJointBox();
  if (product.getJointBox() > 1 && own != product.getJointStep()) {
    Value skipped = k.mul(k.divU(x, k.constant(own)),
                          k.constant(product.getJointStep() - own));
    column = k.add(column, skipped);
  }
  Value isInside = k.both(access.contains(Role::Rows, row),
                          access.contains(Role::Columns, column));
  auto branch = scf::IfOp::create(k.b, isInside);
  k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
  Value source = k.add(k.mul(y, k.constant(tile.pitch)), x);
  Value sum = k.load(k.offset(tile.pointer, source, tile.type), tile.type);
  Value place = getPartialPlace(k, access, part, tile.batch, row, column);
  k.store(sum, k.offset(k.getPointer(parts), place, tile.type), tile.type);
}

/// The sum of an output, of all parts one after another.
static Value addParts(KernelBuilder &k, ProductAccess &access, Value parts,
                      int64_t count, Value batch, Value row, Value column) {
  Type type = cast<MemRefType>(parts.getType()).getElementType();
  Value sum;
  for (int64_t part = 0; part < count; ++part) {
    Value place =
        getPartialPlace(k, access, k.constant(part), batch, row, column);
    Value term = k.load(k.offset(k.getPointer(parts), place, type), type);
    sum = sum ? arith::AddFOp::create(k.b, sum, term).getResult() : term;
  }
  return sum;
}

void mlir::sparsedrop::emitCombination(KernelModule &kernels,
                                       RewriterBase &host, ContractOp op,
                                       Value parts, int64_t count) {
  constexpr int64_t kThreads = 256;
  KernelBuilder k(kernels, host, op, "combine", kThreads);
  Product product(op);
  // Columns that are joint are neighbours.
  if (op.getJoint())
    product.boxes[static_cast<int>(Role::Columns)] =
        product.getJointBoxes(llvm::PowerOf2Ceil(op.countSums()));
  ProductAccess access(k, product);
  HostIndex across =
      k.hostCeilDiv(access.getHostCount(Role::Columns), product.getJointBox());
  HostIndex outputs =
      k.hostMul(k.hostMul(access.getHostCount(Role::Rows), across),
                access.getHostCount(Role::Batch));
  Value number = k.add(k.mul(k.blockId(), k.constant(kThreads)), k.threadId());
  auto branch = scf::IfOp::create(k.b, k.less(number, k.getInt(outputs)));
  {
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    Value columns = k.getInt(across), rows = access.getCount(Role::Rows);
    Value column =
        k.mul(k.remU(number, columns), k.constant(product.getJointBox()));
    Value rest = k.divU(number, columns);
    Value row = k.remU(rest, rows), batch = k.divU(rest, rows);
    SmallVector<Value> sums(op.countSums());
    for (auto [joint, sum] : llvm::enumerate(sums)) {
      Value at = k.add(column, k.constant(static_cast<int64_t>(joint) *
                                          product.getJointStep()));
      sum = addParts(k, access, parts, count, batch, row, at);
    }
    emitChunk(k, access, product, sums, batch, row, column, 1);
  }
  k.finish(k.hostCeilDiv(outputs, kThreads), k.hostConstant(1),
           k.hostConstant(1));
  memref::DeallocOp::create(host, op.getLoc(), parts);
}
