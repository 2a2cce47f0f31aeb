//===- FactorTile.cpp - Tiles of a factor in shared memory ----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FactorTile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::sparsedrop;

static constexpr int64_t kChunk = 16, kBankBytes = 128;

FactorLayout mlir::sparsedrop::makeFactorLayout(const Product &product,
                                                unsigned operand, Role role,
                                                int64_t lines, int64_t depth,
                                                int64_t width) {
  FactorLayout layout;
  layout.operand = operand;
  layout.role = role;
  layout.lines = lines;
  layout.depth = depth;
  layout.elementBytes = product.getElement(operand).getIntOrFloatBitWidth() / 8;
  int64_t alongDepth = product.getVectorWidth(operand, Role::Depth);
  int64_t alongLines = product.getVectorWidth(operand, role);
  // ldmatrix transposes elements of 16 bits only.
  if (layout.elementBytes == 2 && alongLines > alongDepth) {
    layout.alongDepth = false;
    layout.width = std::min(width, alongLines);
  } else {
    layout.width = std::min(width, alongDepth);
  }
  if (layout.width * layout.elementBytes < 4) {
    layout.width = 0;
    layout.alongDepth = true;
  }
  return layout;
}

void FactorTile::setPlace(Value batch, Value line, Value depthEnd) {
  this->batch = batch;
  firstLine = line;
  this->depthEnd = depthEnd;
}

//===----------------------------------------------------------------------===//
// Addresses
//===----------------------------------------------------------------------===//

/// In shared memory, of a byte of a row, both i32.
Value FactorTile::getPlace(Value stage, Value row, Value byte) {
  int64_t chunks = layout.rowBytes() / kChunk;
  // Rows that fill all banks together share a swizzle.
  int64_t shared = std::max<int64_t>(1, kBankBytes / layout.rowBytes());
  int64_t mask = std::min<int64_t>(chunks, 8) - 1;
  Value swizzle = k.andI(k.divU(row, k.constant(shared)), k.constant(mask));
  Value chunk = k.xorI(k.divU(byte, k.constant(kChunk)), swizzle);
  Value inRow =
      k.add(k.mul(chunk, k.constant(kChunk)), k.remU(byte, k.constant(kChunk)));
  Value offset = k.add(k.add(k.mul(stage, k.constant(layout.stageBytes())),
                             k.mul(row, k.constant(layout.rowBytes()))),
                       inRow);
  return k.offset(k.sharedMemory(layout.base), offset, k.b.getI8Type());
}

/// Of an element in global memory.
TileStart FactorTile::getNumbers(Value line, Value depth) {
  TileStart numbers;
  numbers[Role::Batch] = batch;
  numbers[layout.role] = line;
  numbers[Role::Depth] = depth;
  return numbers;
}

/// The first element of a chunk, inside the tile. Threads beside each other
/// take chunks beside each other in global memory.
void FactorTile::locate(Value chunk, Value &line, Value &depth) {
  int64_t width = std::max<int64_t>(1, layout.width);
  bool byDepth = layout.width != 0
                     ? layout.alongDepth
                     : !product.isContiguous(layout.operand, layout.role);
  int64_t across = (byDepth ? layout.depth : layout.lines) / width;
  Value fast = k.mul(k.remU(chunk, k.constant(across)), k.constant(width));
  Value slow = k.divU(chunk, k.constant(across));
  line = byDepth ? slow : fast;
  depth = byDepth ? fast : slow;
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

void FactorTile::copyAsync(Value line, Value depth, Value start, Value stage) {
  Value globalLine = k.add(firstLine, line), globalDepth = k.add(start, depth);
  Value along = layout.alongDepth
                    ? k.sub(depthEnd, globalDepth)
                    : k.sub(access.getEnd(layout.role, globalLine), globalLine);
  // Neighbours of a line that is outside are as well.
  bool isCut = !product.getBoxes(layout.role).empty();
  Value isInside;
  if (layout.alongDepth || isCut)
    isInside = access.contains(layout.role, globalLine);
  if (!layout.alongDepth) {
    Value isDeep = k.less(globalDepth, depthEnd);
    isInside = isInside ? k.both(isInside, isDeep) : isDeep;
  }
  TileStart numbers = getNumbers(globalLine, globalDepth);
  if (Value inside = access.isInside(layout.operand, numbers))
    isInside = k.both(isInside, inside);
  Value zero = k.constant(0);
  Value count = k.minS(along, k.constant(layout.width));
  count = k.b.createOrFold<arith::MaxSIOp>(count, zero);
  count = k.select(isInside, count, zero);
  Value bytes = k.mul(count, k.constant(layout.elementBytes));
  Value row = layout.alongDepth ? line : depth;
  Value byte =
      k.mul(layout.alongDepth ? depth : line, k.constant(layout.elementBytes));
  int64_t size = layout.width * layout.elementBytes;
  auto cache = size == kChunk ? NVVM::LoadCacheModifierKind::CG
                              : NVVM::LoadCacheModifierKind::CA;
  NVVM::CpAsyncOp::create(
      k.b, getPlace(stage, row, byte),
      access.getAddress(layout.operand, numbers),
      k.b.getI32IntegerAttr(static_cast<int32_t>(size)),
      NVVM::LoadCacheModifierKindAttr::get(k.b.getContext(), cache), bytes);
}

void FactorTile::copyElement(Value line, Value depth, Value start,
                             Value stage) {
  Type element = product.getElement(layout.operand);
  Value globalLine = k.add(firstLine, line), globalDepth = k.add(start, depth);
  Value isInside = k.both(access.contains(layout.role, globalLine),
                          k.less(globalDepth, depthEnd));
  TileStart numbers = getNumbers(globalLine, globalDepth);
  if (Value inside = access.isInside(layout.operand, numbers))
    isInside = k.both(isInside, inside);
  auto branch = scf::IfOp::create(k.b, TypeRange(element), isInside, true);
  {
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPointToStart(branch.thenBlock());
    Value value = k.load(access.getAddress(layout.operand, numbers), element);
    scf::YieldOp::create(k.b, value);
    k.b.setInsertionPointToStart(branch.elseBlock());
    Value none = arith::ConstantOp::create(k.b, k.b.getFloatAttr(element, 0));
    scf::YieldOp::create(k.b, none);
  }
  Value byte = k.mul(depth, k.constant(layout.elementBytes));
  k.store(branch.getResult(0), getPlace(stage, line, byte), element);
}

void FactorTile::copy(Value start, Value stage) {
  int64_t total =
      layout.lines * layout.depth / std::max<int64_t>(1, layout.width);
  auto copyChunk = [&](Value chunk) {
    Value line, depth;
    locate(chunk, line, depth);
    if (layout.width != 0)
      copyAsync(line, depth, start, stage);
    else
      copyElement(line, depth, start, stage);
  };
  // Single elements are many: a loop. Small tiles leave threads without a
  // chunk.
  if (layout.width == 0 || total % threads != 0) {
    auto loop = scf::ForOp::create(k.b, k.threadId(), k.constant(total),
                                   k.constant(threads));
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPoint(loop.getBody()->getTerminator());
    copyChunk(loop.getInductionVar());
    return;
  }
  for (int64_t chunk = 0; chunk < total; chunk += threads)
    copyChunk(k.add(k.threadId(), k.constant(chunk)));
}

//===----------------------------------------------------------------------===//
// Loads
//===----------------------------------------------------------------------===//

SmallVector<Value> FactorTile::loadMatrices(Value stage, Value line,
                                            int64_t step) {
  Value lane = k.remU(k.threadId(), k.constant(32));
  Value inMatrix = k.andI(lane, k.constant(7));
  Value low = k.andI(k.divU(lane, k.constant(8)), k.constant(1));
  Value high = k.divU(lane, k.constant(16));
  // Which of the four matrices, whose addresses groups of eight lanes give, are
  // further along the lines, and which along the depth.
  bool isRows = layout.role == Role::Rows;
  Value lineHalf = isRows ? low : high, depthHalf = isRows ? high : low;
  Value row, byte;
  if (layout.alongDepth) {
    row = k.add(line, k.add(inMatrix, k.mul(lineHalf, k.constant(8))));
    byte = k.add(k.constant(step * 32), k.mul(depthHalf, k.constant(kChunk)));
  } else {
    row = k.add(k.constant(step * 16),
                k.add(inMatrix, k.mul(depthHalf, k.constant(8))));
    byte = k.mul(k.add(line, k.mul(lineHalf, k.constant(8))),
                 k.constant(layout.elementBytes));
  }
  Type i32 = k.b.getI32Type();
  auto type =
      LLVM::LLVMStructType::getLiteral(k.b.getContext(), {i32, i32, i32, i32});
  auto majors = layout.alongDepth ? NVVM::MMALayout::row : NVVM::MMALayout::col;
  MLIRContext *context = k.b.getContext();
  Value loaded = NVVM::LdMatrixOp::create(
      k.b, type, getPlace(stage, row, byte), k.b.getI32IntegerAttr(4),
      NVVM::MMALayoutAttr::get(context, majors),
      NVVM::LdStMatrixShapeAttr::get(context, 8, 8),
      NVVM::LdStMatrixEltTypeAttr::get(context, NVVM::LdStMatrixEltType::B16));
  SmallVector<Value> parts;
  for (int64_t i = 0; i < 4; ++i)
    parts.push_back(LLVM::ExtractValueOp::create(k.b, loaded, i));
  return parts;
}
