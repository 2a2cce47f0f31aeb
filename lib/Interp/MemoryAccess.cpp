//===- MemoryAccess.cpp - What memory instructions share ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MemoryAccess.h"

#include "Decoder.h"

#include <algorithm>

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Modifiers
//===----------------------------------------------------------------------===//

Space sparsedrop::ptx::takeSpace(Decoder &decoder) {
  struct Word {
    std::string_view word;
    Space space;
  };
  static constexpr Word kWords[] = {
      {"global", Space::Global},      {"shared", Space::Shared},
      {"shared::cta", Space::Shared}, {"shared::cluster", Space::Shared},
      {"local", Space::Local},        {"const", Space::Const},
      {"param", Space::Param},        {"param::entry", Space::Param},
      {"param::func", Space::Param},
  };
  for (const Word &word : kWords)
    if (decoder.take(word.word))
      return word.space;
  return Space::Generic;
}

void sparsedrop::ptx::takeCacheHints(Decoder &decoder) {
  static constexpr std::string_view kHints[] = {"ca",
                                                "cg",
                                                "cs",
                                                "lu",
                                                "cv",
                                                "wb",
                                                "wt",
                                                "nc",
                                                "L2::cache_hint",
                                                "L2::64B",
                                                "L2::128B",
                                                "L2::256B",
                                                "L1::evict_normal",
                                                "L1::evict_unchanged",
                                                "L1::evict_first",
                                                "L1::evict_last",
                                                "L1::no_allocate",
                                                "L2::evict_first",
                                                "L2::evict_last",
                                                "L2::evict_normal",
                                                "level::eviction_priority"};
  for (std::string_view hint : kHints)
    decoder.take(hint);
}

bool sparsedrop::ptx::takeScope(Decoder &decoder) {
  return decoder.take("cta") || decoder.take("cluster") ||
         decoder.take("gpu") || decoder.take("sys") || decoder.take("gl");
}

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

/// Passes that a warp's access of shared memory needs beyond the first: 32
/// banks of 4 bytes; lanes are served 128 bytes at a time, and lanes that want
/// one word share it.
static unsigned countConflicts(const uint64_t *addresses, LaneMask mask,
                               unsigned size) {
  unsigned perPass = size <= 4 ? 32 : 128 / size, conflicts = 0;
  for (unsigned first = 0; first < kNumLanes; first += perPass) {
    std::vector<uint64_t> words;
    for (unsigned lane = first; lane < first + perPass; ++lane)
      if (mask >> lane & 1)
        for (unsigned byte = 0; byte < std::max(size, 1u); byte += 4)
          words.push_back((addresses[lane] + byte) / 4);
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    unsigned counts[32] = {}, most = 0;
    for (uint64_t word : words)
      most = std::max(most, ++counts[word % 32]);
    conflicts += most ? most - 1 : 0;
  }
  return conflicts;
}

void sparsedrop::ptx::countAccess(Warp &warp, const Inst &inst, LaneMask mask,
                                  Space space, bool is32, unsigned size,
                                  bool isWrite) {
  Statistics &statistics = getStatistics(warp);
  uint64_t addresses[kNumLanes] = {}, bytes = 0;
  LaneMask shared = 0;
  for (LaneMask left = mask; left; left &= left - 1) {
    unsigned lane = __builtin_ctz(left);
    uint64_t address = is32 ? getAddress<true>(warp, inst, lane)
                            : getAddress<false>(warp, inst, lane);
    uint64_t window = address & kWindowMask;
    addresses[lane] = address & ~kWindowMask;
    bool isGeneric = space == Space::Generic;
    if (space == Space::Shared || (isGeneric && window == kSharedWindow)) {
      shared |= LaneMask(1) << lane;
      continue;
    }
    if (space == Space::Local || (isGeneric && window == kLocalWindow))
      statistics.localBytes += size;
    else if (space != Space::Param)
      bytes += size;
  }
  (isWrite ? statistics.globalWriteBytes : statistics.globalReadBytes) += bytes;
  if (!shared)
    return;
  (isWrite ? statistics.sharedWriteBytes : statistics.sharedReadBytes) +=
      uint64_t(size) * __builtin_popcount(shared);
  ++statistics.sharedAccesses;
  statistics.bankConflicts += countConflicts(addresses, shared, size);
}
