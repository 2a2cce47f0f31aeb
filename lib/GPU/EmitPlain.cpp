//===- EmitPlain.cpp - Contractions on plain arithmetic -------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For sums that must be exact (f32, f64), any strides, and small sizes. A block
// of 16 x 16 threads computes a tile of the outputs: a step loads a slice of
// both factors from global memory to registers while it multiplies the slice
// before from shared memory, where two slices have their places. A thread's
// rows and columns come in groups of four neighbours, so that it reads shared
// memory in vectors, and threads beside it read the vectors beside.
//
//===----------------------------------------------------------------------===//

#include "Emitters.h"
#include "Epilogue.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::sparsedrop;

static constexpr int64_t kSide = 16, kThreads = kSide * kSide;

namespace {
/// The tile of one factor: `lines` rows or columns times the depth.
struct FactorTile {
  unsigned operand;
  Role role; ///< of the lines
  int64_t lines, depth;
  int64_t width;   ///< elements that a thread loads at a time
  bool alongDepth; ///< whether those follow the depth, else the lines
  int64_t base;    ///< bytes into shared memory

  /// Elements of shared memory between two slices of depth 1. The padding
  /// keeps vectors aligned and spreads columns over the banks.
  int64_t pitch() const { return lines + 4; }
  int64_t size() const { return depth * pitch(); }
  int64_t chunks() const { return lines * depth / (width * kThreads); }
};

/// Writes one kernel.
class PlainEmitter {
public:
  PlainEmitter(KernelModule &kernels, RewriterBase &host, ContractOp op,
               KernelAttr choice)
      : op(op), product(op, choice), choice(choice),
        k(kernels, host, op, "plain", kThreads), access(k, product),
        type(op.getSum().getType()) {}

  void run();
  /// Sums that a second kernel has to add, if there are.
  Value getParts() const { return parts; }

private:
  FactorTile makeTile(unsigned operand, Role role, int64_t lines,
                      int64_t width);
  void placeBlock();
  void locate(const FactorTile &tile, int64_t chunk, Value &line, Value &depth);
  SmallVector<Value> loadTile(const FactorTile &tile, Value slice);
  void storeTile(const FactorTile &tile, ArrayRef<Value> values, Value stage);
  TileStart getNumbers(const FactorTile &tile, Value line, Value depth);
  Value loadGuarded(const FactorTile &tile, Value line, Value depth);
  SmallVector<Value> loadFragment(const FactorTile &tile, Value stage,
                                  int64_t depth, Value lane, int64_t count);
  SmallVector<Value> multiply(Value stage, ValueRange sums);
  SmallVector<Value> emitMainLoop();
  void emitOutputs(ValueRange sums);

  int64_t bytes() const { return type.getIntOrFloatBitWidth() / 8; }
  static int64_t group(int64_t count) { return std::min<int64_t>(count, 4); }

  ContractOp op;
  Product product;
  KernelAttr choice;
  KernelBuilder k;
  ProductAccess access;
  Type type; ///< of the sums
  FactorTile first, second;
  int64_t perRow = 0, perColumn = 0; ///< rows and columns of a thread
  Value tx, ty;                      ///< the thread
  Value batch, row, column;          ///< where the block's tile begins
  Value depthEnd;                    ///< of the block's part
  Value parts; ///< sums, where several blocks share the depth
  HostIndex grid;
};
} // namespace

FactorTile PlainEmitter::makeTile(unsigned operand, Role role, int64_t lines,
                                  int64_t width) {
  FactorTile tile{operand, role, lines, choice.getTile()[2], 1, false, 0};
  tile.alongDepth = product.isContiguous(operand, Role::Depth) ||
                    !product.isContiguous(operand, role);
  int64_t most =
      product.getVectorWidth(operand, tile.alongDepth ? Role::Depth : role);
  tile.width = std::min(width, most);
  // Each thread loads at least one vector, and none crosses a line.
  int64_t along = tile.alongDepth ? tile.depth : lines;
  while (tile.width > 1 && (lines * tile.depth % (tile.width * kThreads) != 0 ||
                            along % tile.width != 0))
    tile.width /= 2;
  return tile;
}

/// Blocks beside each other share rows.
void PlainEmitter::placeBlock() {
  HostIndex tilesX =
      k.hostCeilDiv(access.getHostCount(Role::Columns), second.lines);
  HostIndex tilesY =
      k.hostCeilDiv(access.getHostCount(Role::Rows), first.lines);
  grid = k.hostMul(k.hostMul(tilesX, tilesY), access.getHostCount(Role::Batch));
  Value block = k.blockId(), across = k.getInt(tilesX), down = k.getInt(tilesY);
  column = k.mul(k.remU(block, across), k.constant(second.lines));
  Value rest = k.divU(block, across);
  row = k.mul(k.remU(rest, down), k.constant(first.lines));
  batch = k.divU(rest, down);
  tx = k.remU(k.threadId(), k.constant(kSide));
  ty = k.divU(k.threadId(), k.constant(kSide));
}

//===----------------------------------------------------------------------===//
// From global to shared memory
//===----------------------------------------------------------------------===//

/// Line and depth, inside the tile, of the first element of a thread's chunk.
void PlainEmitter::locate(const FactorTile &tile, int64_t chunk, Value &line,
                          Value &depth) {
  Value number = k.add(k.threadId(), k.constant(chunk * kThreads));
  int64_t across = (tile.alongDepth ? tile.depth : tile.lines) / tile.width;
  Value fast =
      k.mul(k.remU(number, k.constant(across)), k.constant(tile.width));
  Value slow = k.divU(number, k.constant(across));
  line = tile.alongDepth ? slow : fast;
  depth = tile.alongDepth ? fast : slow;
}

TileStart PlainEmitter::getNumbers(const FactorTile &tile, Value line,
                                   Value depth) {
  TileStart numbers;
  numbers[Role::Batch] = batch;
  numbers[tile.role] = line;
  numbers[Role::Depth] = depth;
  return numbers;
}

/// One element as a summand, zero outside of the factor.
Value PlainEmitter::loadGuarded(const FactorTile &tile, Value line,
                                Value depth) {
  Type element = product.getElement(tile.operand);
  Value isInside =
      k.both(access.contains(tile.role, line), k.less(depth, depthEnd));
  TileStart numbers = getNumbers(tile, line, depth);
  if (Value inside = access.isInside(tile.operand, numbers))
    isInside = k.both(isInside, inside);
  auto branch = scf::IfOp::create(k.b, TypeRange(element), isInside, true);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToStart(branch.thenBlock());
  Value pointer = access.getAddress(tile.operand, numbers);
  scf::YieldOp::create(k.b, k.load(pointer, element));
  k.b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(
      k.b,
      arith::ConstantOp::create(k.b, k.b.getFloatAttr(element, 0)).getResult());
  return branch.getResult(0);
}

/// A thread's elements of slice number `slice`, in the order of storeTile.
SmallVector<Value> PlainEmitter::loadTile(const FactorTile &tile, Value slice) {
  Type element = product.getElement(tile.operand);
  Value start = k.mul(slice, k.constant(tile.depth));
  Value origin = tile.role == Role::Rows ? row : column;
  SmallVector<Value> values;
  for (int64_t chunk = 0; chunk < tile.chunks(); ++chunk) {
    Value line, depth;
    locate(tile, chunk, line, depth);
    line = k.add(origin, line);
    depth = k.add(start, depth);
    auto at = [&](int64_t i) {
      Value step = k.constant(i);
      return tile.alongDepth ? loadGuarded(tile, line, k.add(depth, step))
                             : loadGuarded(tile, k.add(line, step), depth);
    };
    if (tile.width == 1) {
      values.push_back(at(0));
      continue;
    }
    // Vectors where all of one is inside.
    Value last = k.constant(tile.width - 1);
    Value endLine = tile.alongDepth ? line : k.add(line, last);
    Value endDepth = tile.alongDepth ? k.add(depth, last) : depth;
    Value isInside =
        k.both(access.contains(tile.role, endLine), k.less(endDepth, depthEnd));
    TileStart numbers = getNumbers(tile, line, depth);
    if (Value inside = access.isInside(tile.operand, numbers))
      isInside = k.both(isInside, inside);
    SmallVector<Type> types(tile.width, element);
    auto branch = scf::IfOp::create(k.b, types, isInside, true);
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPointToStart(branch.thenBlock());
    Value vector =
        k.load(access.getAddress(tile.operand, numbers), element, tile.width);
    SmallVector<Value> parts;
    for (int64_t i = 0; i < tile.width; ++i)
      parts.push_back(k.split(vector, i, element));

    scf::YieldOp::create(k.b, parts);
    k.b.setInsertionPointToStart(branch.elseBlock());
    parts.clear();
    for (int64_t i = 0; i < tile.width; ++i)
      parts.push_back(at(i));
    scf::YieldOp::create(k.b, parts);
    llvm::append_range(values, branch.getResults());
  }
  for (Value &value : values)
    if (value.getType() != type)
      value = arith::ExtFOp::create(k.b, type, value);
  return values;
}

/// To place `stage` (0 or 1) of shared memory, a slice of depth after another.
void PlainEmitter::storeTile(const FactorTile &tile, ArrayRef<Value> values,
                             Value stage) {
  Value base = k.offset(k.sharedMemory(tile.base),
                        k.mul(stage, k.constant(tile.size())), type);
  for (int64_t chunk = 0; chunk < tile.chunks(); ++chunk) {
    Value line, depth;
    locate(tile, chunk, line, depth);
    for (int64_t i = 0; i < tile.width; ++i) {
      Value step = k.constant(i);
      Value x = tile.alongDepth ? line : k.add(line, step);
      Value y = tile.alongDepth ? k.add(depth, step) : depth;
      Value place = k.add(k.mul(y, k.constant(tile.pitch())), x);
      k.store(values[chunk * tile.width + i], k.offset(base, place, type),
              type);
    }
  }
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// A thread's elements of one slice of depth 1.
SmallVector<Value> PlainEmitter::loadFragment(const FactorTile &tile,
                                              Value stage, int64_t depth,
                                              Value lane, int64_t count) {
  int64_t size = group(count);
  Value base = k.add(k.mul(stage, k.constant(tile.size())),
                     k.constant(depth * tile.pitch()));
  Value start = k.add(base, k.mul(lane, k.constant(size)));
  SmallVector<Value> values;
  for (int64_t i = 0; i < count; i += size) {
    Value place = k.add(start, k.constant(i * kSide));
    Value vector =
        k.load(k.offset(k.sharedMemory(tile.base), place, type), type, size);
    for (int64_t j = 0; j < size; ++j)
      values.push_back(k.split(vector, j, type));
  }
  return values;
}

SmallVector<Value> PlainEmitter::multiply(Value stage, ValueRange sums) {
  SmallVector<Value> results(sums);
  for (int64_t depth = 0; depth < first.depth; ++depth) {
    SmallVector<Value> a = loadFragment(first, stage, depth, ty, perRow);
    SmallVector<Value> b = loadFragment(second, stage, depth, tx, perColumn);
    for (int64_t i = 0; i < perRow; ++i)
      for (int64_t j = 0; j < perColumn; ++j) {
        Value &sum = results[i * perColumn + j];
        sum = LLVM::FMAOp::create(k.b, type, a[i], b[j], sum);
      }
  }
  return results;
}

/// Returns the sums of the thread, row by row.
SmallVector<Value> PlainEmitter::emitMainLoop() {
  Value zero = k.constant(0);
  Value none = arith::ConstantOp::create(k.b, k.b.getFloatAttr(type, 0));
  SmallVector<Value> start(perRow * perColumn, none);
  Value begin, end;
  getSlices(k, access.getCount(Role::Depth), first.depth, choice.getSplit(),
            k.blockId(1), begin, end);
  depthEnd =
      k.minS(access.getCount(Role::Depth), k.mul(end, k.constant(first.depth)));
  storeTile(first, loadTile(first, begin), zero);
  storeTile(second, loadTile(second, begin), zero);
  k.barrier();
  auto loop = scf::ForOp::create(k.b, begin, end, k.constant(1), start);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToStart(loop.getBody());
  Value slice = loop.getInductionVar();
  Value stage = k.andI(k.sub(slice, begin), k.constant(1));
  Value next = k.add(slice, k.constant(1));
  // Behind the last slice these are zeros.
  SmallVector<Value> a = loadTile(first, next), b = loadTile(second, next);
  SmallVector<Value> carried(loop.getRegionIterArgs());
  SmallVector<Value> sums = multiply(stage, carried);
  Value other = k.xorI(stage, k.constant(1));
  storeTile(first, a, other);
  storeTile(second, b, other);
  k.barrier();
  scf::YieldOp::create(k.b, sums);
  return SmallVector<Value>(loop.getResults());
}

/// One group of rows of all threads after another goes through shared memory.
void PlainEmitter::emitOutputs(ValueRange sums) {
  int64_t rows = group(perRow), columns = group(perColumn);
  int64_t pitch = second.lines + 4;
  int64_t width = std::min(choice.getVector()[2], product.getEpilogueWidth(8));
  for (int64_t i = 0; i < perRow; i += rows) {
    if (i > 0)
      k.barrier();
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < perColumn; j += columns) {
        Value y = k.add(k.mul(ty, k.constant(rows)), k.constant(r));
        Value x = k.add(k.mul(tx, k.constant(columns)), k.constant(j * kSide));
        Value place = k.add(k.mul(y, k.constant(pitch)), x);
        auto part = sums.slice(static_cast<size_t>((i + r) * perColumn + j),
                               static_cast<size_t>(columns));
        k.store(columns > 1 ? k.join(part) : part[0],
                k.offset(k.sharedMemory(), place, type), type);
      }
    k.barrier();
    SumTile tile{k.sharedMemory(),
                 type,
                 rows * kSide,
                 second.lines,
                 pitch,
                 batch,
                 k.add(row, k.constant(i * kSide)),
                 column};
    if (parts)
      emitPart(k, access, tile, kThreads, parts, k.blockId(1));
    else
      emitEpilogue(k, access, product, tile, kThreads, width);
  }
}

void PlainEmitter::run() {
  ArrayRef<int64_t> tile = choice.getTile(), vector = choice.getVector();
  first = makeTile(product.first, Role::Rows, tile[0], vector[0]);
  second = makeTile(product.second, Role::Columns, tile[1], vector[1]);
  second.base = 2 * first.size() * bytes();
  perRow = tile[0] / kSide;
  perColumn = tile[1] / kSide;
  placeBlock();
  if (choice.getSplit() > 1)
    parts = allocateParts(k, access, type, choice.getSplit());
  SmallVector<Value> sums = emitMainLoop();
  emitOutputs(sums);
  int64_t factors = second.base + 2 * second.size() * bytes();
  int64_t outputs = group(perRow) * kSide * (tile[1] + 4) * bytes();
  k.finish(grid, k.hostConstant(choice.getSplit()), k.hostConstant(1),
           std::max(factors, outputs));
}

std::string mlir::sparsedrop::getPlainProblem(ContractOp op,
                                              KernelAttr choice) {
  Product product(op);
  std::string problem = product.setBoxes(choice);
  if (problem.empty())
    problem = product.getJointProblem();
  if (!problem.empty())
    return problem;
  constexpr int64_t kMostShared = 160 * 1024, kMostSums = 128;
  ArrayRef<int64_t> tile = choice.getTile();
  auto isGood = [](int64_t lines) {
    return lines == kSide || lines == 2 * kSide || lines % (4 * kSide) == 0;
  };
  if (!isGood(tile[0]) || !isGood(tile[1]) ||
      tile[0] * tile[2] % kThreads != 0 || tile[1] * tile[2] % kThreads != 0)
    return "expected rows and columns of 16, 32, 64 or a multiple of 64, and "
           "at least 256 elements of each factor";
  int64_t bytes = op.getSum().getType().getIntOrFloatBitWidth() / 8;
  int64_t sums = tile[0] * tile[1] * bytes / 4 / kThreads;
  if (sums > kMostSums)
    return "its sums take " + std::to_string(sums) +
           " registers of a thread, more than " + std::to_string(kMostSums);
  FactorTile first = {}, second = {};
  first.lines = tile[0];
  second.lines = tile[1];
  first.depth = second.depth = tile[2];
  int64_t shared = 2 * (first.size() + second.size()) * bytes;
  if (shared > kMostShared)
    return "its slices take " + std::to_string(shared) +
           " bytes of shared memory, more than " + std::to_string(kMostShared);
  return "";
}

LogicalResult mlir::sparsedrop::emitPlain(KernelModule &kernels,
                                          RewriterBase &host, ContractOp op,
                                          KernelAttr choice) {
  std::string problem = getPlainProblem(op, choice);
  if (!problem.empty())
    return op->emitOpError()
           << "cannot become the kernel " << choice << ": " << problem;
  PlainEmitter emitter(kernels, host, op, choice);
  emitter.run();
  if (Value parts = emitter.getParts())
    emitCombination(kernels, host, op, parts, choice.getSplit());
  return success();
}
