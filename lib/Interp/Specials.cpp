//===- Specials.cpp - Special registers -----------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Specials.h"

#include "Machine.h"

#include <chrono>

using namespace sparsedrop::ptx;

namespace {

/// What a reader needs.
struct Reader {
  Warp &warp;
  unsigned lane;

  Dim3 thread() const {
    return warp.getBlock().getThread(warp.getThread(lane));
  }
  const Launch &launch() const { return warp.getLaunch(); }
  const Dim3 &block() const { return warp.getBlock().getId(); }
  Dim3 numClusters() const {
    const Dim3 &grid = launch().grid, &size = launch().cluster;
    return {grid.x / size.x, grid.y / size.y, grid.z / size.z};
  }
  Dim3 cluster() const {
    const Dim3 &id = block(), &size = launch().cluster;
    return {id.x / size.x, id.y / size.y, id.z / size.z};
  }
  Dim3 blockInCluster() const {
    const Dim3 &id = block(), &size = launch().cluster;
    return {id.x % size.x, id.y % size.y, id.z % size.z};
  }
  uint32_t numWarps() const {
    return (launch().block.count() + kNumLanes - 1) / kNumLanes;
  }
  uint32_t sharedSize() const { return launch().getSharedSize(); }
  uint64_t ticks() const {
    // Warp instructions so far: deterministic, and it grows.
    return warp.getCluster().getTicks();
  }
  uint64_t nanoseconds() const {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  LaneMask bit() const { return LaneMask(1) << lane; }
};

struct SpecialRegister {
  std::string_view name;
  unsigned size;
  bool isVolatile;
  uint64_t (*read)(const Reader &);
};

} // namespace

#define VECTOR(NAME, VALUE)                                                    \
  {NAME ".x", 4, false,                                                        \
   [](const Reader &r) -> uint64_t { return r.VALUE.x; }},                     \
      {NAME ".y", 4, false,                                                    \
       [](const Reader &r) -> uint64_t { return r.VALUE.y; }},                 \
  {                                                                            \
    NAME ".z", 4, false, [](const Reader &r) -> uint64_t { return r.VALUE.z; } \
  }
#define SCALAR(NAME, SIZE, VALUE)                                              \
  {NAME, SIZE, false,                                                          \
   []([[maybe_unused]] const Reader &r) -> uint64_t { return VALUE; }}
#define CLOCK(NAME, SIZE, VALUE)                                               \
  {NAME, SIZE, true, [](const Reader &r) -> uint64_t { return VALUE; }}

static constexpr SpecialRegister kSpecials[] = {
    VECTOR("%tid", thread()),
    VECTOR("%ntid", launch().block),
    VECTOR("%ctaid", block()),
    VECTOR("%nctaid", launch().grid),
    VECTOR("%clusterid", cluster()),
    VECTOR("%nclusterid", numClusters()),
    VECTOR("%cluster_ctaid", blockInCluster()),
    VECTOR("%cluster_nctaid", launch().cluster),
    SCALAR("%cluster_ctarank", 4, r.warp.getBlock().getRank()),
    SCALAR("%cluster_nctarank", 4, r.launch().cluster.count()),
    SCALAR("%is_explicit_cluster", 1, r.launch().cluster.count() > 1),
    SCALAR("%laneid", 4, r.lane),
    SCALAR("%warpid", 4, r.warp.getIndex()),
    SCALAR("%nwarpid", 4, r.numWarps()),
    SCALAR("%smid", 4, 0),
    SCALAR("%nsmid", 4, 1),
    SCALAR("%gridid", 8, 0),
    SCALAR("%lanemask_eq", 4, r.bit()),
    SCALAR("%lanemask_lt", 4, r.bit() - 1),
    SCALAR("%lanemask_le", 4, r.bit() | (r.bit() - 1)),
    SCALAR("%lanemask_gt", 4, ~(r.bit() | (r.bit() - 1))),
    SCALAR("%lanemask_ge", 4, ~(r.bit() - 1)),
    SCALAR("%dynamic_smem_size", 4, r.launch().dynamicShared),
    SCALAR("%total_smem_size", 4, r.sharedSize()),
    SCALAR("%aggr_smem_size", 4, r.sharedSize() + kSharedBase),
    SCALAR("%reserved_smem_offset_begin", 4, 0),
    SCALAR("%reserved_smem_offset_end", 4, kSharedBase),
    SCALAR("%reserved_smem_offset_cap", 4, kSharedBase),
    CLOCK("%clock", 4, r.ticks()),
    CLOCK("%clock_hi", 4, r.ticks() >> 32),
    CLOCK("%clock64", 8, r.ticks()),
    CLOCK("%globaltimer", 8, r.nanoseconds()),
    CLOCK("%globaltimer_lo", 4, r.nanoseconds()),
    CLOCK("%globaltimer_hi", 4, r.nanoseconds() >> 32),
};

std::optional<uint32_t> sparsedrop::ptx::findSpecial(std::string_view name) {
  for (uint32_t i = 0; i < std::size(kSpecials); ++i)
    if (kSpecials[i].name == name)
      return i;
  return std::nullopt;
}

bool sparsedrop::ptx::isVolatile(uint32_t special) {
  return special < std::size(kSpecials) && kSpecials[special].isVolatile;
}

unsigned sparsedrop::ptx::getSpecialSize(uint32_t special) {
  return kSpecials[special].size;
}

uint64_t sparsedrop::ptx::readSpecial(uint32_t special, Warp &warp,
                                      const Frame &frame, unsigned lane) {
  if (special & kLocalAddress)
    return frame.localBase + (special & kAddressOffset);
  uint64_t shared =
      (uint64_t(warp.getBlock().getRank()) << kClusterRankShift) + kSharedBase;
  if (special & kSharedAddress)
    return shared + (special & kAddressOffset);
  if (special & kDynamicAddress)
    return shared + warp.getLaunch().getKernel().staticShared;
  return kSpecials[special].read(Reader{warp, lane});
}
