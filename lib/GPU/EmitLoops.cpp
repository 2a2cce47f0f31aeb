//===- EmitLoops.cpp - Elementwise and reduction kernels ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The outputs of an op, its parallel loops, form a grid of columns (the loop
// along which most memory is contiguous) and rows (all other loops).
//
//   elementwise      a thread takes some neighbouring columns of a row
//   serial           a thread takes one output and reduces by itself
//   reduce_rows      some threads of a block share the reduction of one output
//   reduce_columns   neighbouring threads take neighbouring columns; threads
//                    of other warps share the reduction
//
// A result with an element for each iteration is stored while others are
// reduced.
//
//===----------------------------------------------------------------------===//

#include "Bodies.h"
#include "Emitters.h"

#include "sparsedrop/Conversion/Reductions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

static int64_t countThreads(KernelAttr choice) {
  int64_t count = 1;
  for (int64_t n : choice.getThreads())
    count *= n;
  return count;
}

namespace {
/// Writes one op of a kernel.
class LoopsEmitter {
public:
  LoopsEmitter(KernelBuilder &k, LinalgOp op, KernelAttr choice,
               ArrayRef<Value> starts)
      : op(op), choice(choice), starts(starts), threads(countThreads(choice)),
        k(k), indices(op.getNumLoops()) {}

  /// The whole kernel; `others` are the rest of the group.
  void run(MutableArrayRef<LoopsEmitter> others);

private:
  void arrangeLoops();
  void takeRows(LoopsEmitter &leader);
  void emitElementwise();
  void emitRows(MutableArrayRef<LoopsEmitter> others);
  void emitColumns(MutableArrayRef<LoopsEmitter> others);
  void emitRow(Value lane, int64_t lanes);

  void decode(ArrayRef<unsigned> loops, Value number);
  HostIndex countIterations(ArrayRef<unsigned> loops);
  Value loadInit(OpOperand &init, int64_t width = 1);
  SmallVector<Value> loadInits();
  void storeOutputs(ValueRange values);
  SmallVector<Value> getNeutral();
  SmallVector<Value> emitIteration(ValueRange partial);
  SmallVector<Value> emitTerm(ValueRange partial, Value mayStore);
  SmallVector<Value> reduce(Value first, Value step, ValueRange start,
                            Value mayStore = {});
  SmallVector<Value> combine(ValueRange lhs, ValueRange rhs);
  SmallVector<Value> combineLanes(ValueRange values, int64_t lanes);
  SmallVector<Value> combineShared(ValueRange values, Value row, Value column,
                                   int64_t rows, int64_t columns,
                                   Value isWriter = {});
  void emitVector(Value column, int64_t width);
  bool isVector(OpOperand *operand);
  Value pointer(OpOperand *operand) {
    return getElementPointer(k, operand->get(),
                             op.getMatchingIndexingMap(operand), indices);
  }
  /// Which output `init` is.
  unsigned getNumber(OpOperand &init) {
    return init.getOperandNumber() - op.getNumDpsInputs();
  }
  Type element(OpOperand *operand) {
    return getElementTypeOrSelf(operand->get().getType());
  }
  void ifThen(Value condition, llvm::function_ref<void()> body);

  LinalgOp op;
  KernelAttr choice;
  ArrayRef<Value> starts; ///< scalars of the host that outputs begin from
  int64_t threads;
  KernelBuilder &k;
  SmallVector<Value> indices;
  SmallVector<HostIndex> extents;
  /// The loop of the columns, if there is a parallel loop, and the others.
  std::optional<unsigned> column;
  SmallVector<unsigned> rows, reductions;
  /// The outputs that a thread holds until it has all of each; others have an
  /// element for each iteration of a reduction, which stores it.
  SmallVector<OpOperand *> held;
  int64_t sharedBytes = 0;
};
} // namespace

void LoopsEmitter::ifThen(Value condition, llvm::function_ref<void()> body) {
  auto branch = scf::IfOp::create(k.b, condition);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
  body();
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

std::optional<unsigned> mlir::sparsedrop::findColumn(LinalgOp op) {
  SmallVector<int> votes(op.getNumLoops(), 0);
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    if (!type || type.getRank() == 0)
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    if (auto dim = dyn_cast<AffineDimExpr>(map.getResults().back()))
      votes[dim.getPosition()] +=
          2 * static_cast<int>(type.getRank()) + op.isDpsInit(&operand);
  }
  std::optional<unsigned> best;
  for (auto [loop, iterator] : llvm::enumerate(op.getIteratorTypesArray()))
    if (iterator == utils::IteratorType::parallel &&
        (!best || votes[loop] >= votes[*best]))
      best = loop;
  return best;
}

void LoopsEmitter::arrangeLoops() {
  SmallVector<Range> ranges = op.createLoopRanges(k.host, op.getLoc());
  for (Range range : ranges)
    extents.push_back(range.size);
  column = findColumn(op);
  for (auto [loop, iterator] : llvm::enumerate(op.getIteratorTypesArray())) {
    if (iterator == utils::IteratorType::reduction)
      reductions.push_back(loop);
    else if (loop != column)
      rows.push_back(loop);
  }
  for (OpOperand &init : op.getDpsInitsMutable())
    if (reductions.empty() || !isElementwise(op, init))
      held.push_back(&init);
}

HostIndex LoopsEmitter::countIterations(ArrayRef<unsigned> loops) {
  HostIndex count = k.hostConstant(1);
  for (unsigned loop : loops)
    count = k.hostMul(count, extents[loop]);
  return count;
}

/// Sets the indices of `loops`, the last one fastest, from a number of type
/// i32.
void LoopsEmitter::decode(ArrayRef<unsigned> loops, Value number) {
  for (auto [i, loop] : llvm::enumerate(llvm::reverse(loops))) {
    if (i + 1 == loops.size()) {
      indices[loop] = k.toIndex(number);
      return;
    }
    Value extent = k.getInt(extents[loop]);
    indices[loop] = k.toIndex(k.remU(number, extent));
    number = k.divU(number, extent);
  }
}

//===----------------------------------------------------------------------===//
// Iterations
//===----------------------------------------------------------------------===//

/// What an output holds before; null if nobody asks.
Value LoopsEmitter::loadInit(OpOperand &init, int64_t width) {
  if (op.getMatchingBlockArgument(&init).use_empty())
    return {};
  if (Value start = starts[getNumber(init)])
    return k.getScalar(start);
  return k.load(pointer(&init), element(&init), width);
}

SmallVector<Value> LoopsEmitter::loadInits() {
  SmallVector<Value> values;
  for (OpOperand *init : held)
    values.push_back(loadInit(*init));
  return values;
}

void LoopsEmitter::storeOutputs(ValueRange values) {
  for (auto [init, value] : llvm::zip(held, values))
    k.store(value, pointer(init), element(init));
}

/// What the body makes of all outputs at the current indices, of `partial` for
/// those that are held.
SmallVector<Value> LoopsEmitter::emitIteration(ValueRange partial) {
  SmallVector<Value> arguments;
  for (OpOperand *input : op.getDpsInputOperands()) {
    if (op.getMatchingBlockArgument(input).use_empty())
      arguments.push_back({});
    else if (isa<MemRefType>(input->get().getType()))
      arguments.push_back(k.load(pointer(input), element(input)));
    else
      arguments.push_back(k.getScalar(input->get()));
  }
  size_t next = 0;
  for (OpOperand &init : op.getDpsInitsMutable())
    arguments.push_back(llvm::is_contained(held, &init) ? partial[next++]
                                                        : loadInit(init));
  return inlineBody(k, *op.getBlock(), arguments, indices);
}

/// An iteration of a reduction: the held outputs; others are stored, where
/// `mayStore` says so (null: everywhere).
SmallVector<Value> LoopsEmitter::emitTerm(ValueRange partial, Value mayStore) {
  SmallVector<Value> results;
  SmallVector<std::pair<OpOperand *, Value>> stores;
  for (auto [init, value] :
       llvm::zip(op.getDpsInitsMutable(), emitIteration(partial))) {
    if (llvm::is_contained(held, &init))
      results.push_back(value);
    else
      stores.push_back({&init, value});
  }
  auto store = [&] {
    for (auto [init, value] : stores)
      k.store(value, pointer(init), element(init));
  };
  if (stores.empty() || !mayStore)
    store();
  else
    ifThen(mayStore, store);
  return results;
}

/// What partial results begin with. A format without infinity has nothing
/// beyond its largest number.
static TypedAttr getNeutralElement(Operation *combiner) {
  auto type = dyn_cast<FloatType>(combiner->getResult(0).getType());
  bool isMaximum = isa<arith::MaximumFOp>(combiner);
  if (type && (isMaximum || isa<arith::MinimumFOp>(combiner)) &&
      !APFloat::semanticsHasInf(type.getFloatSemantics()))
    return FloatAttr::get(
        type, APFloat::getLargest(type.getFloatSemantics(), isMaximum));
  return *arith::getNeutralElement(combiner);
}

SmallVector<Value> LoopsEmitter::getNeutral() {
  SmallVector<Value> values;
  for (OpOperand *init : held)
    values.push_back(arith::ConstantOp::create(
        k.b, getNeutralElement(getCombiner(op, getNumber(*init)))));
  return values;
}

/// Iterations first, first + step, ... of the reductions, taken as one loop.
SmallVector<Value> LoopsEmitter::reduce(Value first, Value step,
                                        ValueRange start, Value mayStore) {
  if (reductions.empty())
    return emitIteration(start);
  Value end = k.getInt(countIterations(reductions));
  auto loop = scf::ForOp::create(k.b, first, end, step, start);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToStart(loop.getBody());
  decode(reductions, loop.getInductionVar());
  SmallVector<Value> carried(loop.getRegionIterArgs());
  scf::YieldOp::create(k.b, emitTerm(carried, mayStore));
  return SmallVector<Value>(loop.getResults());
}

SmallVector<Value> LoopsEmitter::combine(ValueRange lhs, ValueRange rhs) {
  SmallVector<Value> results;
  for (auto [init, a, b] : llvm::zip(held, lhs, rhs)) {
    Operation *combiner = getCombiner(op, getNumber(*init));
    IRMapping mapping;
    mapping.map(combiner->getOperand(0), a);
    mapping.map(combiner->getOperand(1), b);
    results.push_back(k.b.clone(*combiner, mapping)->getResult(0));
  }
  return results;
}

/// What another lane of the warp holds.
static Value shuffle(KernelBuilder &k, Value value, int64_t distance) {
  Type type = value.getType();
  unsigned bits = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  Type i32 = k.b.getI32Type(), whole = k.b.getIntegerType(bits);
  Value all = k.constant(-1), lane = k.constant(distance),
        clamp = k.constant(31);
  Value word = value;
  if (isa<FloatType>(type))
    word = arith::BitcastOp::create(k.b, whole, word);
  else if (type.isIndex())
    word = arith::IndexCastOp::create(k.b, whole, word);
  auto move = [&](Value part) -> Value {
    return NVVM::ShflOp::create(k.b, i32, all, part, lane, clamp,
                                NVVM::ShflKind::bfly, UnitAttr());
  };
  if (bits == 64) {
    Value high = arith::TruncIOp::create(
        k.b, i32, arith::ShRUIOp::create(k.b, word, k.constant(32, 64)));
    Value low = arith::TruncIOp::create(k.b, i32, word);
    low = arith::ExtUIOp::create(k.b, whole, move(low));
    high = arith::ExtUIOp::create(k.b, whole, move(high));
    word = arith::OrIOp::create(
        k.b, low, arith::ShLIOp::create(k.b, high, k.constant(32, 64)));
  } else if (bits < 32) {
    word = arith::TruncIOp::create(
        k.b, whole, move(arith::ExtUIOp::create(k.b, i32, word)));
  } else {
    word = move(word);
  }
  if (isa<FloatType>(type))
    return arith::BitcastOp::create(k.b, type, word);
  return type.isIndex() ? k.toIndex(word) : word;
}

/// All of `lanes` neighbouring lanes get what they make together.
SmallVector<Value> LoopsEmitter::combineLanes(ValueRange values,
                                              int64_t lanes) {
  SmallVector<Value> results(values);
  for (int64_t distance = lanes / 2; distance >= 1; distance /= 2) {
    SmallVector<Value> others;
    for (Value value : results)
      others.push_back(shuffle(k, value, distance));
    results = combine(results, others);
  }
  return results;
}

/// What all rows of threads make of a column, for row 0; through shared memory,
/// where `isWriter` says that a thread writes (null: all do).
SmallVector<Value> LoopsEmitter::combineShared(ValueRange values, Value row,
                                               Value column, int64_t rows,
                                               int64_t columns,
                                               Value isWriter) {
  SmallVector<Value> bases;
  for (Value value : values) {
    Type type = value.getType();
    int64_t bytes = type.isIndex() ? 8 : (type.getIntOrFloatBitWidth() + 7) / 8;
    bases.push_back(k.sharedMemory(sharedBytes));
    sharedBytes += llvm::alignTo(rows * columns * bytes, 16);
    Value place = k.add(k.mul(row, k.constant(columns)), column);
    auto write = [&] {
      k.store(value, k.offset(bases.back(), place, type), type);
    };
    if (isWriter)
      ifThen(isWriter, write);
    else
      write();
  }
  k.barrier();
  SmallVector<Value> results;
  for (int64_t i = 0; i < rows; ++i) {
    SmallVector<Value> part;
    Value place = k.add(k.constant(i * columns), column);
    for (auto [base, value] : llvm::zip(bases, values))
      part.push_back(
          k.load(k.offset(base, place, value.getType()), value.getType()));
    results = i == 0 ? part : combine(results, part);
  }
  return results;
}

//===----------------------------------------------------------------------===//
// Families
//===----------------------------------------------------------------------===//

/// Whether neighbouring columns of an operand are neighbours in memory.
bool LoopsEmitter::isVector(OpOperand *operand) {
  auto type = dyn_cast<MemRefType>(operand->get().getType());
  return type && op.getMatchingIndexingMap(operand).isFunctionOfDim(*column);
}

/// `width` columns from `column` on, which are all there.
void LoopsEmitter::emitVector(Value first, int64_t width) {
  indices[*column] = k.toIndex(first);
  DenseMap<OpOperand *, Value> vectors;
  for (OpOperand *operand : op.getDpsInputOperands())
    if (isa<MemRefType>(operand->get().getType()) &&
        !op.getMatchingBlockArgument(operand).use_empty())
      vectors[operand] = k.load(pointer(operand), element(operand),
                                isVector(operand) ? width : 1);
  for (OpOperand &init : op.getDpsInitsMutable())
    vectors[&init] = loadInit(init, width);
  SmallVector<SmallVector<Value>> results(op.getNumDpsInits());
  for (int64_t i = 0; i < width; ++i) {
    indices[*this->column] = k.toIndex(k.add(first, k.constant(i)));
    SmallVector<Value> arguments;
    for (OpOperand &operand : op->getOpOperands()) {
      Value value = vectors.lookup(&operand);
      if (!value && !isa<MemRefType>(operand.get().getType()))
        value = k.getScalar(operand.get());
      if (value)
        value = k.split(value, i, element(&operand));

      arguments.push_back(value);
    }
    for (auto [list, value] :
         llvm::zip(results, inlineBody(k, *op.getBlock(), arguments, indices)))
      list.push_back(value);
  }
  indices[*this->column] = k.toIndex(first);
  for (auto [init, values] : llvm::zip(op.getDpsInitsMutable(), results)) {
    k.store(k.join(values), pointer(&init), element(&init));
  }
}

/// Blocks are rows of threads whose width the host chooses, so that short rows
/// do not leave threads idle.
void LoopsEmitter::emitElementwise() {
  int64_t width = choice.getVector()[0];
  HostIndex columns = column ? extents[*column] : k.hostConstant(1);
  HostIndex chunks = k.hostCeilDiv(columns, width);
  HostIndex rowCount = countIterations(rows);
  // The smallest power of two that holds the chunks of a row.
  HostIndex across = k.hostConstant(threads);
  for (int64_t n = threads / 2; n >= 1; n /= 2) {
    Value fits = k.host.createOrFold<arith::CmpIOp>(
        op.getLoc(), arith::CmpIPredicate::ule, k.hostValue(chunks),
        k.hostValue(k.hostConstant(n)));
    across = getAsOpFoldResult(k.host.createOrFold<arith::SelectOp>(
        op.getLoc(), fits, k.hostValue(k.hostConstant(n)),
        k.hostValue(across)));
  }
  HostIndex down = getAsOpFoldResult(k.host.createOrFold<arith::DivUIOp>(
      op.getLoc(), k.hostValue(k.hostConstant(threads)), k.hostValue(across)));
  HostIndex gridX = k.hostCeilDiv(chunks, across);
  HostIndex gridY =
      k.hostMin(k.hostCeilDiv(rowCount, down), k.hostConstant(65535));

  Value thread = k.threadId(), wide = k.getInt(across);
  Value x = k.add(k.mul(k.blockId(0), wide), k.remU(thread, wide));
  Value first = k.mul(x, k.constant(width));
  Value y = k.add(k.mul(k.blockId(1), k.getInt(down)), k.divU(thread, wide));
  Value step = k.mul(k.gridSize(1), k.getInt(down));
  auto loop = scf::ForOp::create(k.b, y, k.getInt(rowCount), step);
  k.b.setInsertionPoint(loop.getBody()->getTerminator());
  decode(rows, loop.getInductionVar());
  Value end = k.getInt(columns);
  auto single = [&](Value at) {
    if (column)
      indices[*column] = k.toIndex(at);
    storeOutputs(reduce(k.constant(0), k.constant(1), loadInits()));
  };
  if (width == 1) {
    ifThen(k.less(first, end), [&] { single(first); });
  } else {
    Value last = k.add(first, k.constant(width - 1));
    ifThen(k.less(last, end), [&] { emitVector(first, width); });
    // The columns behind the last whole vector.
    Value isRest = k.both(
        k.less(first, end),
        k.b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::sge, last, end));
    ifThen(isRest, [&] {
      auto rest = scf::ForOp::create(k.b, first, end, k.constant(1));
      k.b.setInsertionPoint(rest.getBody()->getTerminator());
      single(rest.getInductionVar());
    });
  }
  k.b.setInsertionPointAfter(loop);
  k.finish(gridX, gridY, k.hostConstant(1));
}

/// The rows of a group's leader are this op's, too.
void LoopsEmitter::takeRows(LoopsEmitter &leader) {
  auto own = op->getAttrOfType<DenseI64ArrayAttr>(kGroupAttrName).asArrayRef();
  auto its =
      leader.op->getAttrOfType<DenseI64ArrayAttr>(kGroupAttrName).asArrayRef();
  for (auto [loop, other] : llvm::zip(own.drop_front(), its.drop_front()))
    indices[loop] = leader.indices[other];
}

/// What the lanes of a row do: a reduction, of which all get the result and one
/// stores it, or iterations of what is parallel inside of the row.
void LoopsEmitter::emitRow(Value lane, int64_t lanes) {
  Value isFirst = k.b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::eq,
                                                  lane, k.constant(0));
  if (!reductions.empty() && !isSplittable(op)) {
    ifThen(isFirst, [&] {
      storeOutputs(reduce(k.constant(0), k.constant(1), loadInits()));
    });
    return;
  }
  if (!reductions.empty()) {
    SmallVector<Value> values = reduce(lane, k.constant(lanes), getNeutral());
    values = combineLanes(values, std::min<int64_t>(lanes, 32));
    if (lanes > 32)
      values = combineShared(
          values, k.divU(lane, k.constant(32)), k.constant(0), lanes / 32, 1,
          k.b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::eq,
                                          k.remU(lane, k.constant(32)),
                                          k.constant(0)));
    ifThen(isFirst, [&] { storeOutputs(combine(loadInits(), values)); });
    return;
  }
  SmallVector<unsigned> inner;
  for (unsigned loop = 0; loop < indices.size(); ++loop)
    if (!indices[loop])
      inner.push_back(loop);
  if (inner.empty()) {
    ifThen(isFirst, [&] { storeOutputs(emitIteration(loadInits())); });
    return;
  }
  auto loop = scf::ForOp::create(k.b, lane, k.getInt(countIterations(inner)),
                                 k.constant(lanes));
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPoint(loop.getBody()->getTerminator());
  decode(inner, loop.getInductionVar());
  storeOutputs(emitIteration(loadInits()));
}

void LoopsEmitter::emitRows(MutableArrayRef<LoopsEmitter> others) {
  int64_t outputs = choice.getThreads()[0], lanes = choice.getThreads()[1];
  SmallVector<unsigned> parallel(rows);
  if (column)
    parallel.push_back(*column);
  HostIndex count = countIterations(parallel);
  Value thread = k.threadId();
  Value number = k.add(k.mul(k.blockId(), k.constant(outputs)),
                       k.divU(thread, k.constant(lanes)));
  Value lane = k.remU(thread, k.constant(lanes));
  // Warps are whole: either all lanes of one take part in a reduction, or none.
  ifThen(k.less(number, k.getInt(count)), [&] {
    decode(parallel, number);
    emitRow(lane, lanes);
    for (LoopsEmitter &other : others) {
      // Other lanes read what one has written.
      if (lanes > 32)
        k.barrier();
      else
        NVVM::SyncWarpOp::create(k.b, k.constant(-1));
      other.takeRows(*this);
      other.sharedBytes = sharedBytes;
      other.emitRow(lane, lanes);
      sharedBytes = other.sharedBytes;
    }
  });
  k.finish(k.hostCeilDiv(count, outputs), k.hostConstant(1), k.hostConstant(1),
           sharedBytes);
}

void LoopsEmitter::emitColumns(MutableArrayRef<LoopsEmitter> others) {
  int64_t across = choice.getThreads()[0], down = choice.getThreads()[1];
  HostIndex columns = extents[*column], rowCount = countIterations(rows);
  Value thread = k.threadId();
  Value tx = k.remU(thread, k.constant(across));
  Value ty = k.divU(thread, k.constant(across));
  Value x = k.add(k.mul(k.blockId(), k.constant(across)), tx);
  Value end = k.getInt(columns);
  // Threads behind the last column read it too: all take part in barriers.
  Value last = k.sub(end, k.constant(1));
  auto loop =
      scf::ForOp::create(k.b, k.blockId(1), k.getInt(rowCount), k.gridSize(1));
  k.b.setInsertionPoint(loop.getBody()->getTerminator());
  decode(rows, loop.getInductionVar());
  indices[*column] = k.toIndex(k.minS(x, last));
  SmallVector<Value> values =
      reduce(ty, k.constant(down), getNeutral(), k.less(x, end));
  values = combineShared(values, ty, tx, down, across);
  Value isFirst = k.b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::eq, ty,
                                                  k.constant(0));
  ifThen(k.both(isFirst, k.less(x, end)), [&] {
    storeOutputs(combine(loadInits(), values));
    for (LoopsEmitter &other : others) {
      other.takeRows(*this);
      other.storeOutputs(other.emitIteration(other.loadInits()));
    }
  });
  // The next row writes to the same shared memory.
  k.barrier();
  k.b.setInsertionPointAfter(loop);
  k.finish(k.hostCeilDiv(columns, across),
           k.hostMin(rowCount, k.hostConstant(65535)), k.hostConstant(1),
           sharedBytes);
}

void LoopsEmitter::run(MutableArrayRef<LoopsEmitter> others) {
  arrangeLoops();
  for (LoopsEmitter &other : others)
    other.arrangeLoops();
  switch (choice.getFamily()) {
  case KernelFamily::ReduceRows:
    return emitRows(others);
  case KernelFamily::ReduceColumns:
    return emitColumns(others);
  default:
    return emitElementwise();
  }
}

LogicalResult mlir::sparsedrop::emitLoops(KernelModule &kernels,
                                          RewriterBase &host,
                                          ArrayRef<LinalgOp> ops,
                                          KernelAttr choice,
                                          ArrayRef<SmallVector<Value>> starts) {
  std::string name = stringifyKernelFamily(choice.getFamily()).str();
  KernelBuilder k(kernels, host, ops.front(), name, countThreads(choice));
  std::vector<LoopsEmitter> emitters;
  for (auto [op, values] : llvm::zip(ops, starts))
    emitters.emplace_back(k, op, choice, values);
  emitters.front().run(MutableArrayRef<LoopsEmitter>(emitters).drop_front());
  return success();
}
