//===- WgmmaEpilogue.cpp - Outputs of wgmma -------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Warp w of a warpgroup has rows 16 w to 16 w + 15 of a block. Of each group of
// eight columns a lane holds two, 2 (lane % 4) and the next, in row lane / 4
// and in the eighth one behind it: words 4 g to 4 g + 3 of group g (PTX ISA,
// "Register fragments for wgmma", D). That is what stmatrix takes, too.
//
//===----------------------------------------------------------------------===//

#include "WgmmaEpilogue.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// Columns of a group, and of what one stmatrix stores.
static constexpr int64_t kGroupColumns = 8, kMatrixColumns = 16;

WgmmaEpilogue::WgmmaEpilogue(KernelBuilder &k, ProductAccess &access,
                             const Product &product, const WgmmaPlan &plan,
                             int64_t width)
    : k(k), access(access), product(product), plan(plan),
      width(std::min(width, product.getEpilogueWidth(8))) {
  for (const TensorBoxes &boxes : plan.stores)
    tensors.emplace_back(k, access, boxes);
}

void WgmmaEpilogue::addMaps() {
  for (auto [tensor, boxes] : llvm::zip(tensors, plan.stores))
    tensor.addMap(product.op->getOperand(boxes.operand), /*isFactor=*/false);
}

/// All threads of the warpgroup.
void WgmmaEpilogue::meet() {
  // Barrier 0 is the block's.
  NVVM::BarrierOp::create(
      k.b, /*res=*/Type(), k.add(at.consumer, k.constant(1)),
      k.constant(kGroupThreads), NVVM::BarrierReductionAttr(), Value());
}

/// For one thread of the warpgroup, always the same: bulk copies belong to the
/// thread that starts them.
void WgmmaEpilogue::emitOnce(llvm::function_ref<void()> body) {
  Value thread = k.add(k.mul(at.warp, k.constant(32)), at.lane);
  Value isFirst = k.b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::eq,
                                                  thread, k.constant(0));
  auto branch = scf::IfOp::create(k.b, isFirst);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
  body();
}

Value WgmmaEpilogue::getShared() {
  return k.offset(k.sharedMemory(plan.outputs),
                  k.mul(at.consumer, k.constant(plan.outputBytes)),
                  k.b.getI8Type());
}

void WgmmaEpilogue::emit(TilePlace place, ArrayRef<Value> sums, Value parts) {
  row = k.add(place.row, k.mul(at.down, k.constant(plan.rows)));
  column = k.add(place.column, k.mul(at.across, k.constant(plan.columns)));
  if (tensors.empty() || parts)
    return emitShared(place, sums, parts);
  Value isWhole =
      k.both(access.containsAll(Role::Rows, row, plan.rows),
             access.containsAll(Role::Columns, column, plan.columns));
  auto branch = scf::IfOp::create(k.b, isWhole, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
  emitStores(place, sums);
  k.b.setInsertionPoint(branch.elseBlock()->getTerminator());
  emitShared(place, sums, parts);
}

void WgmmaEpilogue::finish() {
  if (!tensors.empty())
    emitOnce([&] { NVVM::CpAsyncBulkWaitGroupOp::create(k.b, 0, UnitAttr()); });
}

//===----------------------------------------------------------------------===//
// From registers, by bulk copies
//===----------------------------------------------------------------------===//

/// What the region yields for two columns of a group, in one of the two rows
/// that a lane has.
SmallVector<SmallVector<Value>> WgmmaEpilogue::computePair(TileStart start,
                                                           Value sums,
                                                           int64_t group,
                                                           int64_t half) {
  SmallVector<Value> pair;
  for (int64_t i = 0; i < 2; ++i)
    pair.push_back(
        LLVM::ExtractValueOp::create(k.b, sums, 4 * group + 2 * half + i));
  Value y = k.add(k.mul(at.warp, k.constant(16)),
                  k.add(k.divU(at.lane, k.constant(4)), k.constant(8 * half)));
  Value x = k.add(k.mul(k.remU(at.lane, k.constant(4)), k.constant(2)),
                  k.constant(group * kGroupColumns));
  return computeOutputs(
      k, access, product, pair, start[Role::Batch], k.add(start[Role::Rows], y),
      k.add(start[Role::Columns], x), std::min<int64_t>(width, 2));
}

/// Two 16-bit values in a word. Where both were just truncated from f32, one
/// instruction does both.
static Value packPair(KernelBuilder &k, ArrayRef<Value> pair) {
  SmallVector<Value> sources;
  for (Value value : pair)
    if (auto truncation = value.getDefiningOp<arith::TruncFOp>())
      if (truncation.getIn().getType().isF32())
        sources.push_back(truncation.getIn());
  bool isNarrowed = sources.size() == 2;
  Value vector = k.join(isNarrowed ? ArrayRef<Value>(sources) : pair);

  if (isNarrowed)
    vector = LLVM::FPTruncOp::create(
        k.b, VectorType::get({2}, pair[0].getType()), vector);
  return LLVM::BitcastOp::create(k.b, k.b.getI32Type(), vector);
}

/// Four 8 x 8 matrices of 16-bit elements: both halves of the rows, of a group
/// and of the next. Each lane names a row of a matrix.
static void storeNarrow(KernelBuilder &k, const ConsumerThread &at,
                        BoxedTensor &tensor, ArrayRef<Value> words,
                        Value shared, int64_t column) {
  Value y =
      k.add(k.mul(at.warp, k.constant(16)), k.remU(at.lane, k.constant(16)));
  Value byte = k.add(k.mul(k.divU(at.lane, k.constant(16)), k.constant(16)),
                     k.constant(2 * column));
  NVVM::StMatrixOp::create(
      k.b, k.offset(shared, tensor.getPlace(y, byte), k.b.getI8Type()), words,
      NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(k.b.getContext(), 8, 8),
      NVVM::LdStMatrixEltType::B16);
}

/// Two neighbours of 32 bits.
static void storeWide(KernelBuilder &k, const ConsumerThread &at,
                      BoxedTensor &tensor, ArrayRef<Value> pair, Value shared,
                      int64_t column, int64_t half) {
  Value y = k.add(k.mul(at.warp, k.constant(16)),
                  k.add(k.divU(at.lane, k.constant(4)), k.constant(8 * half)));
  Value byte = k.add(k.mul(k.remU(at.lane, k.constant(4)), k.constant(8)),
                     k.constant(4 * column));
  k.store(k.join(pair),
          k.offset(shared, tensor.getPlace(y, byte), k.b.getI8Type()),
          k.b.getF32Type());
}

/// The columns of one pass, from registers to shared memory.
void WgmmaEpilogue::emitPass(TileStart start, Value sums, int64_t pass,
                             Value shared) {
  for (int64_t x = 0; x < plan.passColumns; x += kMatrixColumns) {
    // Of each output, the words of its matrices.
    SmallVector<SmallVector<Value>> words(tensors.size());
    for (int64_t part = 0; part < 4; ++part) {
      int64_t inMatrix = part / 2 * kGroupColumns, half = part % 2;
      int64_t group = (pass * plan.passColumns + x + inMatrix) / kGroupColumns;
      SmallVector<SmallVector<Value>> pairs =
          computePair(start, sums, group, half);
      Value place = shared;
      for (auto [i, boxes] : llvm::enumerate(plan.stores)) {
        if (boxes.elementBytes == 2)
          words[i].push_back(packPair(k, pairs[i]));
        else
          storeWide(k, at, tensors[i], pairs[i], place, x + inMatrix, half);
        place = k.offset(place, k.constant(boxes.bytes()), k.b.getI8Type());
      }
    }
    Value place = shared;
    for (auto [i, boxes] : llvm::enumerate(plan.stores)) {
      if (boxes.elementBytes == 2)
        storeNarrow(k, at, tensors[i], words[i], place, x);
      place = k.offset(place, k.constant(boxes.bytes()), k.b.getI8Type());
    }
  }
}

void WgmmaEpilogue::emitStores(TilePlace place, ArrayRef<Value> sums) {
  int64_t passes = plan.columns / plan.passColumns, number = 0;
  for (int64_t block = 0; block < plan.blocks(); ++block)
    for (int64_t pass = 0; pass < passes; ++pass, ++number) {
      Value shared = k.offset(
          getShared(), k.constant(number % plan.storeBuffers * plan.storeBytes),
          k.b.getI8Type());
      TileStart start;
      start[Role::Batch] = place.batch;
      start[Role::Rows] = k.add(row, k.constant(block * kGroupRows));
      start[Role::Columns] = column;
      emitOnce([&] {
        NVVM::CpAsyncBulkWaitGroupOp::create(
            k.b, static_cast<uint32_t>(plan.storeBuffers - 1),
            k.b.getUnitAttr());
      });
      meet();
      emitPass(start, sums[block], pass, shared);
      // Bulk copies are of another proxy.
      NVVM::FenceProxyOp::create(
          k.b, NVVM::ProxyKind::async_shared,
          NVVM::SharedSpaceAttr::get(k.b.getContext(),
                                     NVVM::SharedSpace::shared_cta));
      meet();
      start[Role::Columns] = k.add(column, k.constant(pass * plan.passColumns));
      emitOnce([&] {
        Value from = shared;
        for (auto [tensor, boxes] : llvm::zip(tensors, plan.stores)) {
          tensor.store(start, from);
          from = k.offset(from, k.constant(boxes.bytes()), k.b.getI8Type());
        }
        NVVM::CpAsyncBulkCommitGroupOp::create(k.b);
      });
    }
}

//===----------------------------------------------------------------------===//
// Through shared memory
//===----------------------------------------------------------------------===//

/// The group of columns that is number `j` of a pass: a pass has as many
/// columns of each joint part.
int64_t WgmmaEpilogue::getGroup(int64_t pass, int64_t j) const {
  int64_t own = plan.passColumns / product.getJointBox();
  int64_t column = j * kGroupColumns;
  int64_t part = column / own * product.getJointStep();
  return (part + pass * own + column % own) / kGroupColumns;
}

void WgmmaEpilogue::storeSums(Value sums, int64_t pass) {
  Type f32 = k.b.getF32Type();
  Value y =
      k.add(k.mul(at.warp, k.constant(16)), k.divU(at.lane, k.constant(4)));
  Value x = k.mul(k.remU(at.lane, k.constant(4)), k.constant(2));
  Value shared = getShared();
  for (int64_t j = 0; j < plan.passColumns / kGroupColumns; ++j)
    for (int64_t half = 0; half < 2; ++half) {
      SmallVector<Value> pair;
      int64_t from = 4 * getGroup(pass, j) + 2 * half;
      for (int64_t i = 0; i < 2; ++i)
        pair.push_back(LLVM::ExtractValueOp::create(k.b, sums, from + i));

      Value place =
          k.add(k.mul(k.add(y, k.constant(8 * half)), k.constant(plan.pitch)),
                k.add(x, k.constant(kGroupColumns * j)));
      k.store(k.join(pair), k.offset(shared, place, f32), f32);
    }
}

void WgmmaEpilogue::emitShared(TilePlace place, ArrayRef<Value> sums,
                               Value parts) {
  if (!tensors.empty())
    emitOnce([&] {
      NVVM::CpAsyncBulkWaitGroupOp::create(k.b, 0, k.b.getUnitAttr());
    });
  SumTile tile{getShared(), k.b.getF32Type(), kGroupRows, plan.passColumns,
               plan.pitch,  place.batch,      row,        column};
  tile.thread = k.add(k.mul(at.warp, k.constant(32)), at.lane);
  for (int64_t block = 0; block < plan.blocks(); ++block)
    for (int64_t pass = 0; pass < plan.columns / plan.passColumns; ++pass) {
      meet();
      storeSums(sums[block], pass);
      meet();
      tile.row = k.add(row, k.constant(block * kGroupRows));
      tile.column =
          k.add(column,
                k.constant(pass * (plan.passColumns / product.getJointBox())));
      if (parts)
        emitPart(k, access, tile, kGroupThreads, parts, place.part);
      else
        emitEpilogue(k, access, product, tile, kGroupThreads, width);
    }
}
