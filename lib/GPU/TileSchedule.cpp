//===- TileSchedule.cpp - The tiles of persistent blocks ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TileSchedule.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// Rows of tiles that follow each other.
static constexpr int64_t kGroup = 8;

TileSchedule::TileSchedule(KernelBuilder &k, ProductAccess &access,
                           ArrayRef<int64_t> tile,
                           std::array<int64_t, 2> cluster, int64_t parts)
    : k(k), access(access), tile(tile), cluster(cluster), parts(parts),
      down(
          k.hostCeilDiv(access.getHostCount(Role::Rows), tile[0] * cluster[0])),
      across(k.hostCeilDiv(access.getHostCount(Role::Columns),
                           tile[1] * cluster[1])),
      count(k.hostMul(k.hostMul(down, across),
                      k.hostMul(access.getHostCount(Role::Batch),
                                k.hostConstant(parts)))) {}

HostIndex TileSchedule::getGrid() {
  int64_t blocks = cluster[0] * cluster[1];
  HostIndex processors = k.hostProcessors();
  if (blocks == 1 && !k.isGrouped())
    return k.hostMin(count, processors);
  // Groups have the same share of the device: they are about as large.
  HostIndex places =
      k.hostDiv(processors, k.hostMul(k.hostGroups(), k.hostConstant(blocks)));
  HostIndex most = k.hostMax(places, k.hostConstant(1));
  return k.hostMul(k.hostMin(count, most), k.hostConstant(blocks));
}

Value TileSchedule::getDown() {
  return k.remU(k.blockId(), k.constant(cluster[0]));
}
Value TileSchedule::getAcross() {
  return k.remU(k.divU(k.blockId(), k.constant(cluster[0])),
                k.constant(cluster[1]));
}

std::pair<Value, Value> mlir::sparsedrop::locateTile(KernelBuilder &k,
                                                     Value number,
                                                     HostIndex down,
                                                     HostIndex across) {
  Value group = k.mul(k.getInt(across), k.constant(kGroup));
  Value top = k.mul(k.divU(number, group), k.constant(kGroup));
  Value height = k.minS(k.sub(k.getInt(down), top), k.constant(kGroup));
  Value inGroup = k.remU(number, group);
  return {k.add(top, k.remU(inGroup, height)), k.divU(inGroup, height)};
}

TilePlace TileSchedule::locate(Value number) {
  TilePlace place;
  Value area = k.mul(k.getInt(down), k.getInt(across));
  Value inArea = k.remU(number, area);
  Value batches = access.getCount(Role::Batch);
  place.batch = k.remU(k.divU(number, area), batches);
  place.part = k.divU(k.divU(number, area), batches);
  auto [row, column] = locateTile(k, inArea, down, across);
  auto getStart = [&](Value number, int side, Value inCluster) {
    Value first = k.mul(number, k.constant(cluster[side]));
    return k.mul(k.add(first, inCluster), k.constant(tile[side]));
  };
  place.row = getStart(row, 0, getDown());
  place.column = getStart(column, 1, getAcross());
  getSlices(k, access.getCount(Role::Depth), tile[2], parts, place.part,
            place.begin, place.end);
  return place;
}

SmallVector<Value> TileSchedule::emitLoop(
    ValueRange carried,
    llvm::function_ref<SmallVector<Value>(TilePlace, ValueRange)> body) {
  // A cluster takes as many tiles as it has blocks.
  Value blocks = k.constant(cluster[0] * cluster[1]);
  auto loop =
      scf::ForOp::create(k.b, k.divU(k.blockId(), blocks), k.getInt(count),
                         k.divU(k.gridSize(), blocks), carried);
  k.keepRolled(loop);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToStart(loop.getBody());
  scf::YieldOp::create(
      k.b, body(locate(loop.getInductionVar()), loop.getRegionIterArgs()));
  return SmallVector<Value>(loop.getResults());
}
