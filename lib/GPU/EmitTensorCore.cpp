//===- EmitTensorCore.cpp - Contractions by mma.sync ----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For f16, bf16 and tf32 factors and f32 sums, on sm_80 and later. Shared
// memory holds a ring of stages, each a slice of the depth of both factors:
//
//   copies      [ slice s+2 | slice s+3 | ...       cp.async, one group a slice
//   warps                   | slice s   | slice s+1   ldmatrix, mma.sync
//
// A step waits until its slice is there, lets the copies of the slice that is
// stages - 1 ahead begin (into the place that all warps have left), and
// multiplies. A warp computes a tile of its own of 16 x 16 blocks in registers.
// At the end sums go through shared memory, 16 rows of each warp at a time, to
// the epilogue.
//
//===----------------------------------------------------------------------===//

#include "Emitters.h"
#include "FactorTile.h"
#include "TileSchedule.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// Bytes of depth of one mma.sync, and lines of a block that a warp loads at a
/// time.
static constexpr int64_t kStepBytes = 32, kBlock = 16;

namespace {
/// Writes one kernel.
class TensorCoreEmitter {
public:
  TensorCoreEmitter(KernelModule &kernels, RewriterBase &host, ContractOp op,
                    KernelAttr choice)
      : op(op), product(op, choice), choice(choice),
        threads(32 * choice.getWarps()[0] * choice.getWarps()[1]),
        k(kernels, host, op, "tensor_core", threads), access(k, product),
        first(makeLayout(0)), second(makeLayout(1)),
        firstTile(k, access, product, first, threads),
        secondTile(k, access, product, second, threads) {}

  void run();
  /// Sums that a second kernel has to add, if there are.
  Value getParts() const { return parts; }

private:
  FactorLayout makeLayout(int side);
  void placeBlock();
  void startCopies(Value slice, Value stage);
  void multiplyStep(Value stage, int64_t step, SmallVectorImpl<Value> &sums);
  Value multiplyBlock(ArrayRef<Value> a, ArrayRef<Value> b, Value sum);
  SmallVector<Value> emitMainLoop();
  void emitOutputs(ArrayRef<Value> sums);
  void storeSums(ArrayRef<Value> sums, int64_t block, int64_t pitch);
  Value next(Value stage);

  int64_t warpLines(int side) const {
    return choice.getTile()[side] / choice.getWarps()[side];
  }
  int64_t blocks(int side) const { return warpLines(side) / kBlock; }

  ContractOp op;
  Product product;
  KernelAttr choice;
  int64_t threads;
  KernelBuilder k;
  ProductAccess access;
  FactorLayout first, second;
  FactorTile firstTile, secondTile;
  Value warpRow, warpColumn; ///< where the warp's tile begins
  Value batch, row, column;  ///< where the block's tile begins
  Value begin, end;          ///< the block's slices of the depth
  Value parts;               ///< sums, where several blocks share the depth
  HostIndex grid;
};
} // namespace

FactorLayout TensorCoreEmitter::makeLayout(int side) {
  ArrayRef<int64_t> tile = choice.getTile();
  FactorLayout layout =
      makeFactorLayout(product, side == 0 ? product.first : product.second,
                       side == 0 ? Role::Rows : Role::Columns, tile[side],
                       tile[2], choice.getVector()[side]);
  if (side == 1)
    layout.base = choice.getStages() * first.stageBytes();
  return layout;
}

void TensorCoreEmitter::placeBlock() {
  ArrayRef<int64_t> tile = choice.getTile();
  HostIndex across = k.hostCeilDiv(access.getHostCount(Role::Columns), tile[1]);
  HostIndex down = k.hostCeilDiv(access.getHostCount(Role::Rows), tile[0]);
  HostIndex area = k.hostMul(across, down);
  grid = k.hostMul(area, access.getHostCount(Role::Batch));
  Value block = k.remU(k.blockId(), k.getInt(area));
  batch = k.divU(k.blockId(), k.getInt(area));
  auto [tileRow, tileColumn] = locateTile(k, block, down, across);
  row = k.mul(tileRow, k.constant(tile[0]));
  column = k.mul(tileColumn, k.constant(tile[1]));
  Value warp = k.divU(k.threadId(), k.constant(32));
  Value wide = k.constant(choice.getWarps()[1]);
  warpRow = k.mul(k.divU(warp, wide), k.constant(warpLines(0)));
  warpColumn = k.mul(k.remU(warp, wide), k.constant(warpLines(1)));
  Value depth = access.getCount(Role::Depth);
  getSlices(k, depth, tile[2], choice.getSplit(), k.blockId(1), begin, end);
  Value depthEnd = k.minS(depth, k.mul(end, k.constant(tile[2])));
  firstTile.setPlace(batch, row, depthEnd);
  secondTile.setPlace(batch, column, depthEnd);
}

//===----------------------------------------------------------------------===//
// The main loop
//===----------------------------------------------------------------------===//

/// One group of copies, which may be empty.
void TensorCoreEmitter::startCopies(Value slice, Value stage) {
  Value depth = k.mul(slice, k.constant(choice.getTile()[2]));
  firstTile.copy(depth, stage);
  secondTile.copy(depth, stage);
  NVVM::CpAsyncCommitGroupOp::create(k.b);
}

/// The stage behind another one.
Value TensorCoreEmitter::next(Value stage) {
  Value following = k.add(stage, k.constant(1));
  Value isLast = k.b.createOrFold<arith::CmpIOp>(
      arith::CmpIPredicate::eq, following, k.constant(choice.getStages()));
  return k.select(isLast, k.constant(0), following);
}

/// 16 x 8 sums, a struct of four.
Value TensorCoreEmitter::multiplyBlock(ArrayRef<Value> a, ArrayRef<Value> b,
                                       Value sum) {
  Type element = product.getElement(product.first);
  SmallVector<Value> lhs(a), rhs(b), old;
  NVVM::MMATypes type = element.isF16()    ? NVVM::MMATypes::f16
                        : element.isBF16() ? NVVM::MMATypes::bf16
                                           : NVVM::MMATypes::tf32;
  if (element.isF16())
    for (SmallVector<Value> *words : {&lhs, &rhs})
      for (Value &word : *words)
        word =
            LLVM::BitcastOp::create(k.b, VectorType::get({2}, element), word);
  for (int64_t i = 0; i < 4; ++i)
    old.push_back(LLVM::ExtractValueOp::create(k.b, sum, i));
  int64_t depth = kStepBytes / first.elementBytes;
  return NVVM::MmaOp::create(
      k.b, sum.getType(), lhs, rhs, old, ArrayRef<int64_t>{16, 8, depth},
      std::optional<NVVM::MMAB1Op>(), std::optional<NVVM::MMAIntOverflow>(),
      std::array<NVVM::MMATypes, 2>{type, type},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row,
                                     NVVM::MMALayout::col});
}

/// f32 words to the nearest tf32.
static void roundToTf32(KernelBuilder &k, SmallVectorImpl<Value> &words) {
  for (Value &word : words) {
    Value value = arith::BitcastOp::create(k.b, k.b.getF32Type(), word);
    word = NVVM::ConvertFloatToTF32Op::create(
        k.b, k.b.getI32Type(), value, NVVM::FPRoundingMode::RNA,
        NVVM::SaturationMode::NONE, /*relu=*/false);
  }
}

void TensorCoreEmitter::multiplyStep(Value stage, int64_t step,
                                     SmallVectorImpl<Value> &sums) {
  bool isTf32 = first.elementBytes == 4;
  SmallVector<SmallVector<Value>> a, b;
  for (int64_t i = 0; i < blocks(0); ++i)
    a.push_back(firstTile.loadMatrices(
        stage, k.add(warpRow, k.constant(i * kBlock)), step));
  for (int64_t i = 0; i < blocks(1); ++i)
    b.push_back(secondTile.loadMatrices(
        stage, k.add(warpColumn, k.constant(i * kBlock)), step));
  if (isTf32) {
    for (SmallVector<Value> &words : a)
      roundToTf32(k, words);
    for (SmallVector<Value> &words : b)
      roundToTf32(k, words);
  }
  for (int64_t i = 0; i < blocks(0); ++i)
    for (int64_t j = 0; j < 2 * blocks(1); ++j) {
      Value &sum = sums[i * 2 * blocks(1) + j];
      ArrayRef<Value> columns = b[j / 2];
      sum = multiplyBlock(a[i], columns.slice(2 * (j % 2), 2), sum);
    }
}

SmallVector<Value> TensorCoreEmitter::emitMainLoop() {
  int64_t stages = choice.getStages();
  Type f32 = k.b.getF32Type();
  auto type =
      LLVM::LLVMStructType::getLiteral(k.b.getContext(), {f32, f32, f32, f32});
  Value none = LLVM::ZeroOp::create(k.b, type);
  SmallVector<Value> start(blocks(0) * blocks(1) * 2, none);
  int64_t count = static_cast<int64_t>(start.size());
  for (int64_t i = 0; i < stages - 1; ++i)
    startCopies(k.add(begin, k.constant(i)), k.constant(i));
  start.push_back(k.constant(0));
  start.push_back(k.constant(stages - 1));
  auto loop = scf::ForOp::create(k.b, begin, end, k.constant(1), start);
  {
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> sums(loop.getRegionIterArgs().take_front(count));
    Value from = loop.getRegionIterArgs()[count];
    Value to = loop.getRegionIterArgs()[count + 1];
    NVVM::CpAsyncWaitGroupOp::create(k.b, static_cast<uint32_t>(stages - 2));
    k.barrier();
    startCopies(k.add(loop.getInductionVar(), k.constant(stages - 1)), to);
    for (int64_t step = 0;
         step * kStepBytes < choice.getTile()[2] * first.elementBytes; ++step)
      multiplyStep(from, step, sums);
    sums.push_back(next(from));
    sums.push_back(next(to));
    scf::YieldOp::create(k.b, sums);
  }
  NVVM::CpAsyncWaitGroupOp::create(k.b, 0u);
  k.barrier();
  return SmallVector<Value>(loop.getResults().take_front(count));
}

//===----------------------------------------------------------------------===//
// Outputs
//===----------------------------------------------------------------------===//

/// Rows of one block of each warp to shared memory. A lane holds two columns of
/// row lane / 4 and of the eighth one behind it.
void TensorCoreEmitter::storeSums(ArrayRef<Value> sums, int64_t block,
                                  int64_t pitch) {
  Type f32 = k.b.getF32Type();
  Value lane = k.remU(k.threadId(), k.constant(32));
  Value warpBlock =
      k.mul(k.divU(warpRow, k.constant(warpLines(0))), k.constant(kBlock));
  Value y = k.add(warpBlock, k.divU(lane, k.constant(4)));
  Value x =
      k.add(warpColumn, k.mul(k.remU(lane, k.constant(4)), k.constant(2)));
  for (int64_t j = 0; j < 2 * blocks(1); ++j)
    for (int64_t half = 0; half < 2; ++half) {
      SmallVector<Value> pair;
      for (int64_t i = 0; i < 2; ++i)
        pair.push_back(LLVM::ExtractValueOp::create(
            k.b, sums[block * 2 * blocks(1) + j], 2 * half + i));

      Value line = k.add(y, k.constant(8 * half));
      Value place =
          k.add(k.mul(line, k.constant(pitch)), k.add(x, k.constant(8 * j)));
      k.store(k.join(pair), k.offset(k.sharedMemory(), place, f32), f32);
    }
}

void TensorCoreEmitter::emitOutputs(ArrayRef<Value> sums) {
  int64_t columns = choice.getTile()[1];
  // Eight rows of eight words more than a multiple of all banks.
  int64_t pitch = columns + 8;
  int64_t width = std::min(choice.getVector()[2], product.getEpilogueWidth(8));
  for (int64_t block = 0; block < blocks(0); ++block) {
    if (block > 0)
      k.barrier();
    storeSums(sums, block, pitch);
    k.barrier();
    SumTile tile{k.sharedMemory(),
                 k.b.getF32Type(),
                 kBlock * choice.getWarps()[0],
                 columns,
                 pitch,
                 batch,
                 k.add(row, k.constant(block * kBlock)),
                 column};
    tile.blockRows = kBlock;
    tile.blockStride = warpLines(0);
    if (parts)
      emitPart(k, access, tile, threads, parts, k.blockId(1));
    else
      emitEpilogue(k, access, product, tile, threads, width);
  }
}

void TensorCoreEmitter::run() {
  placeBlock();
  if (choice.getSplit() > 1)
    parts = allocateParts(k, access, k.b.getF32Type(), choice.getSplit());
  SmallVector<Value> sums = emitMainLoop();
  emitOutputs(sums);
  int64_t factors =
      choice.getStages() * (first.stageBytes() + second.stageBytes());
  int64_t outputs =
      kBlock * choice.getWarps()[0] * (choice.getTile()[1] + 8) * 4;
  k.finish(grid, k.hostConstant(choice.getSplit()), k.hostConstant(1),
           std::max(factors, outputs));
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

std::string mlir::sparsedrop::getTensorCoreProblem(Product product,
                                                   KernelAttr choice) {
  std::string problem =
      getFactorProblem(product, KernelFamily::TensorCore, choice.getTf32());
  if (problem.empty())
    problem = product.setBoxes(choice);
  if (problem.empty())
    problem = product.getJointProblem();
  if (!problem.empty())
    return problem;
  ArrayRef<int64_t> tile = choice.getTile(), warps = choice.getWarps();
  for (int side = 0; side < 2; ++side)
    if (tile[side] % (warps[side] * kBlock) != 0 ||
        !llvm::isPowerOf2_64(tile[side]))
      return "expected rows and columns that are a power of two and give each "
             "warp a multiple of 16";
  int64_t bytes =
      tile[2] * (product.getElement(product.first).getIntOrFloatBitWidth() / 8);
  if (bytes % kStepBytes != 0 || !llvm::isPowerOf2_64(bytes))
    return "expected a depth of a power of two of at least 32 bytes";
  if (choice.getStages() < 2)
    return "expected at least 2 stages";
  int64_t shared = choice.getStages() * bytes * (tile[0] + tile[1]);
  if (shared > 160 * 1024)
    return "its stages take " + std::to_string(shared) +
           " bytes of shared memory, more than 163840";
  if (warps[0] * warps[1] > 16)
    return "expected at most 16 warps";
  return "";
}

LogicalResult mlir::sparsedrop::emitTensorCore(KernelModule &kernels,
                                               RewriterBase &host,
                                               ContractOp op,
                                               KernelAttr choice) {
  std::string problem = getTensorCoreProblem(Product(op), choice);
  if (!problem.empty())
    return op->emitOpError()
           << "cannot become the kernel " << choice << ": " << problem;
  TensorCoreEmitter emitter(kernels, host, op, choice);
  emitter.run();
  if (Value parts = emitter.getParts())
    emitCombination(kernels, host, op, parts, choice.getSplit());
  return success();
}
