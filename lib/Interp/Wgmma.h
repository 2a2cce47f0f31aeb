//===- Wgmma.h - Warpgroup matrix instructions ------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A wgmma is computed where it is issued, into a tile beside the registers; the
// registers hold NaN until wgmma.wait_group. Each of the four warps computes
// its own 16 rows, so that they need not meet.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_WGMMA_H
#define SPARSEDROP_LIB_INTERP_WGMMA_H

#include "Machine.h"
#include "MatrixElements.h"

#include <deque>
#include <memory>
#include <vector>

namespace sparsedrop::ptx {

struct WgmmaData;

/// What wgmmas of a warp have not finished, and which registers they use.
struct MatrixState {
  static constexpr unsigned kRows = 16, kMostColumns = 256;

  /// Accumulators of wgmmas that nobody has waited for.
  struct Tile {
    const WgmmaData *data = nullptr; ///< of the last wgmma: shape, registers
    std::shared_ptr<Frame> frame;
    uint32_t line = 0;
    uint64_t group = 0; ///< of the last wgmma
    union alignas(64) {
      float floats[kRows * kMostColumns];
      int32_t integers[kRows * kMostColumns];
    };
    Tile() {}
  };
  /// What a wgmma reads: shared memory, and registers of matrix A.
  struct Reads {
    struct Range {
      uint32_t offset, size;
    };
    std::vector<Range> ranges;
    const WgmmaData *data = nullptr;
    std::shared_ptr<Frame> frame;
    uint32_t line = 0;
    uint64_t group = 0;
    uint32_t time = 0; ///< of the async agent
  };
  /// A wgmma that some warp of the warpgroup has issued, and not yet all four.
  struct Issue {
    const Inst *inst = nullptr;
    uint64_t descriptorA = 0, descriptorB = 0;
    uint32_t warp = 0;  ///< the first
    uint8_t issued = 0; ///< a bit for each warp
  };
  /// What is known of a register.
  enum Status : uint8_t {
    Accumulates = 1, ///< accumulator of a pending wgmma
    Multiplies = 2,  ///< matrix A of one
    Touched = 4,     ///< used by another instruction since the last fence
  };

  std::vector<std::unique_ptr<Tile>> tiles, freeTiles;
  std::vector<Reads> reads, freeReads;
  /// Groups that were committed; wgmmas that were not are in the next one.
  uint64_t numGroups = 0;
  bool hasFence = false;
  std::shared_ptr<Frame> frame; ///< whose registers `status` is about
  std::vector<uint8_t> status;  ///< by slot / 32
  uint64_t numIssued = 0;       ///< wgmmas of this warp
  std::vector<uint64_t> ends;   ///< of each group: wgmmas up to there
  // In the first warp of a warpgroup only.
  std::deque<Issue> issues;
  uint64_t numForgotten = 0; ///< that were before `issues`

  /// A warp's state, which from now on watches its registers.
  static MatrixState &get(Warp &warp);
  /// Turns to another function's registers.
  void watch(std::shared_ptr<Frame> next);
  uint8_t &at(uint32_t slot);
  /// Marks what the pending wgmmas of `frame` use.
  void markPending();
  Tile &makeTile();
  Reads makeReads();
  /// Groups up to this one have finished: their results are in the registers.
  void complete(Warp &warp, uint64_t group);
  /// A warpgroup's wgmma finishes as one: whoever has waited for a group knows
  /// that the other three warps' reads for it are over, too.
  void completeOthers(Warp &warp, uint64_t group);
  /// What a wait for a group waits for: a wgmma that not all four warps have
  /// issued; empty if there is none.
  std::string findMissing(Warp &warp, uint64_t group) const;
  /// Name and use of a register of `frame`.
  std::string describe(Warp &warp, uint32_t slot);

private:
  static void writeBack(Tile &tile);
};

/// Reports uses of registers that pending wgmmas own, and remembers those that
/// need a wgmma.fence.
Flow checkMatrixRegisters(Warp &warp, const Inst &inst, LaneMask mask);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_WGMMA_H
