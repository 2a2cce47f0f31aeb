//===- EmitTranspose.cpp - Copies that change the order of dimensions -----===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The input is contiguous along one loop and the output along another. A block
// brings a tile of the input to shared memory in rows of the first, and reads
// it from there in rows of the second, so that a warp's accesses to global
// memory are neighbours both times:
//
//   for each row of the tile   a warp: 128 bytes of the input -> shared memory
//   barrier
//   for each column            a warp: shared memory -> body -> 128 bytes
//
// Rows of shared memory are an odd number of words apart.
//
//===----------------------------------------------------------------------===//

#include "Alignment.h"
#include "Bodies.h"
#include "Emitters.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

/// Bytes that a thread moves at a time, and those of a warp.
static constexpr int64_t kWord = 4, kWarp = 32;

/// The loop along which the innermost dimension of a buffer lies, where
/// neighbours of it are neighbours in memory.
static std::optional<unsigned> getFastest(LinalgOp op, OpOperand *operand) {
  auto type = dyn_cast<MemRefType>(operand->get().getType());
  AffineMap map = op.getMatchingIndexingMap(operand);
  if (!type || type.getRank() == 0 || !map.isProjectedPermutation())
    return std::nullopt;
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)) || strides.back() != 1)
    return std::nullopt;
  return cast<AffineDimExpr>(map.getResults().back()).getPosition();
}

static int64_t getElementBytes(Value buffer) {
  Type element = getElementTypeOrSelf(buffer.getType());
  return element.isIntOrFloat() && !element.isInteger(1)
             ? element.getIntOrFloatBitWidth() / 8
             : 0;
}

std::string mlir::sparsedrop::getTransposeProblem(LinalgOp op) {
  if (op.getNumReductionLoops() != 0 || op.getNumDpsInputs() != 1 ||
      op.getNumDpsInits() != 1)
    return "expected an elementwise op with one input and one output";
  OpOperand *input = op.getDpsInputOperand(0), *init = op.getDpsInitOperand(0);
  if (!op.getMatchingBlockArgument(init).use_empty())
    return "expected an output that is not read";
  std::optional<unsigned> from = getFastest(op, input),
                          to = getFastest(op, init);
  if (!from || !to || *from == *to ||
      !op.getMatchingIndexingMap(input).isFunctionOfDim(*to))
    return "expected an input and an output that are contiguous along "
           "different dimensions";
  int64_t bytes = getElementBytes(input->get());
  if (bytes == 0 || bytes > kWord || getElementBytes(init->get()) == 0)
    return "expected elements of 1, 2 or 4 bytes";
  return "";
}

namespace {
/// Writes one kernel.
class TransposeEmitter {
public:
  TransposeEmitter(KernelModule &kernels, RewriterBase &host, LinalgOp op,
                   KernelAttr choice)
      : op(op), choice(choice), threads(choice.getThreads()[0]),
        k(kernels, host, op, "transpose", threads), indices(op.getNumLoops()),
        input(op.getDpsInputOperand(0)), init(op.getDpsInitOperand(0)),
        from(*getFastest(op, input)), to(*getFastest(op, init)) {}

  void run();

private:
  void placeTile();
  void emitPhase(unsigned fast, int64_t fastTile, int64_t slowTile,
                 llvm::function_ref<void(Value, Value, int64_t)> body);
  void read(Value along, Value across, int64_t width);
  void write(Value along, Value across, int64_t width);
  Value shared(Value column, Value row);
  Value pointer(OpOperand *operand, Value alongFrom, Value alongTo);
  Type element(OpOperand *operand) {
    return getElementTypeOrSelf(operand->get().getType());
  }
  int64_t pitch() {
    int64_t perWord = kWord / getElementBytes(input->get());
    return llvm::alignTo(choice.getTile()[0], 2 * perWord) + perWord;
  }

  LinalgOp op;
  KernelAttr choice;
  int64_t threads;
  KernelBuilder k;
  SmallVector<Value> indices;
  OpOperand *input, *init;
  unsigned from, to; ///< loops along which they are contiguous
  SmallVector<HostIndex> extents;
  Value fromStart, toStart; ///< of the tile
  HostIndex tiles;
};
} // namespace

/// Tiles have numbers: along the input's rows fastest, then along the output's,
/// then through all other loops.
void TransposeEmitter::placeTile() {
  for (Range range : op.createLoopRanges(k.host, op.getLoc()))
    extents.push_back(range.size);
  HostIndex across = k.hostCeilDiv(extents[from], choice.getTile()[0]);
  HostIndex down = k.hostCeilDiv(extents[to], choice.getTile()[1]);
  tiles = k.hostMul(across, down);
  Value number = k.blockId(), wide = k.getInt(across), high = k.getInt(down);
  fromStart = k.mul(k.remU(number, wide), k.constant(choice.getTile()[0]));
  number = k.divU(number, wide);
  toStart = k.mul(k.remU(number, high), k.constant(choice.getTile()[1]));
  number = k.divU(number, high);
  for (unsigned loop = op.getNumLoops(); loop-- > 0;) {
    if (loop == from || loop == to)
      continue;
    Value extent = k.getInt(extents[loop]);
    indices[loop] = k.toIndex(k.remU(number, extent));
    number = k.divU(number, extent);
    tiles = k.hostMul(tiles, extents[loop]);
  }
}

/// Where an element of the tile is in shared memory; `column` along the input's
/// rows.
Value TransposeEmitter::shared(Value column, Value row) {
  Value place = k.add(k.mul(row, k.constant(pitch())), column);
  return k.offset(k.sharedMemory(), place, element(input));
}

Value TransposeEmitter::pointer(OpOperand *operand, Value alongFrom,
                                Value alongTo) {
  indices[from] = k.toIndex(k.add(fromStart, alongFrom));
  indices[to] = k.toIndex(k.add(toStart, alongTo));
  return getElementPointer(k, operand->get(),
                           op.getMatchingIndexingMap(operand), indices);
}

/// Calls `body` for each word of a tile whose rows lie along loop `fast`: with
/// its place along the row, the row, and the elements that it has.
void TransposeEmitter::emitPhase(
    unsigned fast, int64_t fastTile, int64_t slowTile,
    llvm::function_ref<void(Value, Value, int64_t)> body) {
  int64_t width = choice.getVector()[0], words = fastTile / width;
  Value fastStart = fast == from ? fromStart : toStart;
  Value slowStart = fast == from ? toStart : fromStart;
  Value fastEnd = k.sub(k.getInt(extents[fast]), fastStart);
  Value slowEnd = k.sub(k.getInt(extents[fast == from ? to : from]), slowStart);
  auto loop = scf::ForOp::create(
      k.b, k.threadId(), k.constant(words * slowTile), k.constant(threads));
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPoint(loop.getBody()->getTerminator());
  Value number = loop.getInductionVar();
  Value across = k.divU(number, k.constant(words));
  Value along = k.mul(k.remU(number, k.constant(words)), k.constant(width));
  auto when = [&](Value condition, llvm::function_ref<void()> inner) {
    auto branch = scf::IfOp::create(k.b, condition);
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    inner();
  };
  Value isRow = k.less(across, slowEnd);
  Value last = k.add(along, k.constant(width - 1));
  when(k.both(isRow, k.less(last, fastEnd)),
       [&] { body(along, across, width); });
  // Elements of a word that reaches over the edge.
  for (int64_t i = 0; i + 1 < width; ++i) {
    Value at = k.add(along, k.constant(i));
    Value isEdge = k.both(k.less(at, fastEnd),
                          k.less(k.sub(fastEnd, k.constant(1)), last));
    when(k.both(isRow, isEdge), [&] { body(at, across, 1); });
  }
}

void TransposeEmitter::read(Value along, Value across, int64_t width) {
  Value word = k.load(pointer(input, along, across), element(input), width);
  k.store(word, shared(along, across), element(input));
}

void TransposeEmitter::write(Value along, Value across, int64_t width) {
  Value target = pointer(init, across, along);
  SmallVector<Value> results;
  for (int64_t i = 0; i < width; ++i) {
    Value at = k.add(along, k.constant(i));
    Value value = k.load(shared(across, at), element(input));
    indices[to] = k.toIndex(k.add(toStart, at));
    results.push_back(
        inlineBody(k, *op.getBlock(), {value, Value()}, indices)[0]);
  }
  k.store(width > 1 ? k.join(results) : results[0], target, element(init));
}

void TransposeEmitter::run() {
  int64_t columns = choice.getTile()[0], rows = choice.getTile()[1];
  placeTile();
  emitPhase(from, columns, rows, [&](Value along, Value across, int64_t width) {
    read(along, across, width);
  });
  k.barrier();
  emitPhase(to, rows, columns, [&](Value along, Value across, int64_t width) {
    write(along, across, width);
  });
  k.finish(tiles, k.hostConstant(1), k.hostConstant(1),
           pitch() * rows * getElementBytes(input->get()));
}

KernelAttr mlir::sparsedrop::chooseTranspose(LinalgOp op) {
  constexpr int64_t kThreads = 256;
  Value input = op.getDpsInputOperand(0)->get();
  Value output = op.getDpsInitOperand(0)->get();
  // A warp moves 128 bytes of the input.
  int64_t bytes = getElementBytes(input);
  int64_t side = kWarp * kWord / bytes;
  int64_t width = std::min(
      {getVectorWidth(input, kWord), getVectorWidth(output), kWord / bytes});
  return KernelAttr::get(op.getContext(), KernelFamily::Transpose, {side, side},
                         {}, {}, {kThreads}, {width}, 1, 1, false, false, {},
                         {}, {});
}

/// Why a choice cannot be obeyed; empty if it can.
static std::string checkChoice(LinalgOp op, KernelAttr choice) {
  std::string problem = getTransposeProblem(op);
  if (!problem.empty())
    return problem;
  int64_t width = choice.getVector()[0], threads = choice.getThreads()[0];
  KernelAttr own = chooseTranspose(op);
  if (width > own.getVector()[0])
    return "expected 'vector' of at most " + std::to_string(own.getVector()[0]);
  for (int64_t side : choice.getTile())
    if (side % width != 0 || side > 256)
      return "expected a 'tile' of multiples of 'vector', at most 256";
  if (threads % kWarp != 0 || threads > 1024)
    return "expected 'threads' of a multiple of 32, at most 1024";
  int64_t bytes = (choice.getTile()[0] + 8) * choice.getTile()[1] *
                  getElementBytes(op.getDpsInputOperand(0)->get());
  if (bytes > 48 * 1024)
    return "a tile takes more than 48 KB of shared memory";
  return "";
}

LogicalResult mlir::sparsedrop::emitTranspose(KernelModule &kernels,
                                              RewriterBase &host, LinalgOp op,
                                              KernelAttr choice) {
  std::string problem = checkChoice(op, choice);
  if (!problem.empty())
    return op->emitOpError()
           << "cannot become the kernel " << choice << ": " << problem;
  TransposeEmitter(kernels, host, op, choice).run();
  return success();
}
