//===- Block.cpp - Blocks and clusters ------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AsyncCopy.h"
#include "Machine.h"
#include "Wgmma.h"

using namespace sparsedrop::ptx;

static uint32_t countWarps(const Dim3 &block) {
  return (block.count() + kNumLanes - 1) / kNumLanes;
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

Block::Block(Cluster &cluster, uint32_t rank, Dim3 id)
    : cluster(&cluster), rank(rank), id(id),
      numThreads(cluster.getLaunch().block.count()),
      shared(cluster.getLaunch().getSharedSize(), 0xFF),
      shadow(shared.size(), cluster.getNumAgents(),
             cluster.getLaunch().getOptions().checks),
      barriers() {
  uint32_t numWarps = countWarps(cluster.getLaunch().block);
  uint32_t numAgents = cluster.getNumAgents();
  for (uint32_t i = 0; i < numWarps; ++i) {
    uint32_t left = numThreads - i * kNumLanes;
    LaneMask present =
        left >= kNumLanes ? kAllLanes : (LaneMask(1) << left) - 1;
    Warp &warp = warps.emplace_back(*this, i, present);
    uint32_t number = rank * numWarps + i;
    warp.getAgent().initialize(number, numAgents);
    warp.getAsyncAgent().initialize(numAgents / 2 + number, numAgents);
  }
}

Dim3 Block::getThread(uint32_t linear) const {
  const Dim3 &size = cluster->getLaunch().block;
  return {linear % size.x, linear / size.x % size.y, linear / size.x / size.y};
}

bool Block::hasExited() const {
  for (const Warp &warp : warps)
    if (!warp.hasExited())
      return false;
  return true;
}

uint32_t Block::getNumLive() const {
  uint32_t count = 0;
  for (const Warp &warp : warps)
    count += __builtin_popcount(warp.getLive());
  return count;
}

//===----------------------------------------------------------------------===//
// Clusters
//===----------------------------------------------------------------------===//

/// The block of a cluster by its rank: x runs fastest (ISA 10.18).
static Dim3 getBlockId(const Launch &launch, uint64_t cluster, uint32_t rank) {
  const Dim3 &size = launch.cluster;
  uint64_t countX = launch.grid.x / size.x, countY = launch.grid.y / size.y;
  uint32_t x = cluster % countX, y = cluster / countX % countY,
           z = cluster / countX / countY;
  return {x * size.x + rank % size.x, y * size.y + rank / size.x % size.y,
          z * size.z + rank / size.x / size.y};
}

Cluster::Cluster(Launch &launch, uint64_t index)
    : launch(&launch), index(index) {
  uint32_t count = launch.cluster.count();
  numAgents = 2 * count * countWarps(launch.block);
  for (uint32_t rank = 0; rank < count; ++rank)
    blocks.emplace_back(*this, rank, getBlockId(launch, index, rank));
  for (Block &block : blocks)
    for (Warp &warp : block.getWarps())
      warp.start(launch.getKernel());
}

Cluster::~Cluster() = default;
