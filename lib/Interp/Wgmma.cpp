//===- Wgmma.cpp - wgmma.mma_async
//-----------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WgmmaData.h"

#include "FloatFormats.h"
#include "MatrixCompute.h"

#include <algorithm>
#include <cstring>

using namespace sparsedrop::ptx;

using Tile = MatrixState::Tile;
static constexpr unsigned kRows = MatrixState::kRows;

//===----------------------------------------------------------------------===//
// Tiles and registers
//===----------------------------------------------------------------------===//

static void getNumbers(Tile &tile, float *&numbers) { numbers = tile.floats; }
static void getNumbers(Tile &tile, int32_t *&numbers) {
  numbers = tile.integers;
}

/// Calls visit(registers, numbers) for each 8x8 block of a tile. Blocks of the
/// same columns follow each other in the registers (ISA 9.7.15.5.1.1).
template <typename T, typename Visitor>
static void forEachBlock(Tile &tile, const WgmmaData &data, Visitor visit) {
  T *numbers;
  getNumbers(tile, numbers);
  unsigned count = getBlockRegisters(data.d), n = data.shape.n, next = 0;
  for (unsigned column = 0; column < n; column += 8) {
    for (unsigned row = 0; row < kRows; row += 8) {
      uint8_t *registers[2];
      for (unsigned i = 0; i < count; ++i)
        registers[i] = tile.frame->registers + data.slotsD[next++];
      visit(registers, numbers + row * n + column);
    }
  }
}

template <typename T> static void loadTile(Tile &tile, const WgmmaData &data) {
  forEachBlock<T>(tile, data, [&](uint8_t **registers, T *numbers) {
    readAccumulators<T>(data.d, registers, numbers, data.shape.n);
  });
}

template <typename T> static void storeTile(Tile &tile) {
  const WgmmaData &data = *tile.data;
  forEachBlock<T>(tile, data, [&](uint8_t **registers, T *numbers) {
    writeAccumulators<T>(data.d, registers, numbers, data.shape.n);
  });
}

void MatrixState::writeBack(Tile &tile) {
  if (isInteger(tile.data->a))
    storeTile<int32_t>(tile);
  else
    storeTile<float>(tile);
}

/// What is in the registers until wgmma.wait_group: NaN.
static void poison(Warp &warp, const WgmmaData &data) {
  for (uint32_t slot : data.slotsD)
    std::memset(warp.lanes<uint8_t>(slot), 0xFF, 4 * kNumLanes);
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

static void multiply(const WgmmaData &data, WgmmaTiles<float> &tiles,
                     float *sums) {
  unsigned n = data.shape.n, count = kRows * n;
  if (data.isNegated)
    for (unsigned i = 0; i < kRows * data.shape.k; ++i)
      tiles.a[i] = -tiles.a[i];
  multiplyAdd(sums, tiles.a, tiles.b, kRows, n, data.shape.k);
  if (data.d == Accumulator::F16)
    for (unsigned i = 0; i < count; ++i)
      sums[i] = fromHalf(toHalf(sums[i]));
}

static void multiply(const WgmmaData &data, WgmmaTiles<int32_t> &tiles,
                     int32_t *sums) {
  unsigned n = data.shape.n;
  alignas(64) int32_t products[kRows * MatrixState::kMostColumns];
  std::fill(products, products + kRows * n, 0);
  multiplyAdd(products, tiles.a, tiles.b, kRows, n, data.shape.k);
  addIntegers(sums, products, kRows * n, data.isSaturating);
}

//===----------------------------------------------------------------------===//
// Issue
//===----------------------------------------------------------------------===//

/// A pending tile of the same registers and shape, whose sums go on without a
/// wait (ISA 9.7.15.7.1); null if there is none.
static Tile *findTile(MatrixState &state, Warp &warp, const WgmmaData &data) {
  for (std::unique_ptr<Tile> &tile : state.tiles)
    if (tile->frame.get() == &warp.getFrame() &&
        (tile->data == &data ||
         (tile->data->shape == data.shape && tile->data->d == data.d &&
          tile->data->slotsD == data.slotsD)))
      return tile.get();
  return nullptr;
}

template <typename T>
static Flow issue(Warp &warp, const Inst &inst, MatrixState &state,
                  Tile *tile) {
  const auto &data = inst.getData<WgmmaData>();
  WgmmaTiles<T> tiles;
  MatrixState::Reads reads = state.makeReads();
  Flow flow = readOperands(warp, inst, tiles, reads);
  if (flow == Flow::Next && data.isSparse)
    flow = expandSparse(warp, inst, data.sparse, data.metadata, tiles.a);
  if (flow != Flow::Next)
    return flow;
  bool goesOn = tile != nullptr;
  bool adds = warp.lanes<uint8_t>(data.scaleD)[0] != data.isScaleNegated;
  if (!goesOn)
    tile = &state.makeTile();
  tile->data = reads.data = &data;
  tile->frame = reads.frame = warp.shareFrame();
  tile->line = reads.line = inst.line;
  tile->group = reads.group = state.numGroups + 1;
  reads.time = warp.getAsyncAgent().time;
  T *sums;
  getNumbers(*tile, sums);
  if (!adds)
    std::fill(sums, sums + kRows * data.shape.n, T(0));
  else if (!goesOn)
    loadTile<T>(*tile, data);
  multiply(data, tiles, sums);
  state.reads.push_back(std::move(reads));
  return Flow::Next;
}

Flow sparsedrop::ptx::runWgmma(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.converge(inst, mask, kAllLanes, flow))
    return flow;
  const auto &data = inst.getData<WgmmaData>();
  MatrixState &state = MatrixState::get(warp);
  state.watch(warp.shareFrame());
  Tile *tile = findTile(state, warp, data);
  flow = checkWarpgroup(warp, inst, state);
  if (flow == Flow::Next)
    flow = checkOperands(warp, inst, state, tile);
  if (flow == Flow::Next)
    flow = isInteger(data.a) ? issue<int32_t>(warp, inst, state, tile)
                             : issue<float>(warp, inst, state, tile);
  if (flow != Flow::Next)
    return flow;
  poison(warp, data);
  state.markPending();
  countMultiplyAdds(warp, uint64_t(kRows) * data.shape.n * data.shape.k);
  return Flow::Next;
}
