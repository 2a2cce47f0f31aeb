//===- Machine.h - Grids, clusters, blocks and warps ------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The state of a running kernel. A cluster (a block, where there are none) is
// executed by one host thread, warp after warp; several clusters run at once.
//
// Lanes of a warp are in fragments, each at one instruction in one frame. The
// innermost, then earliest instruction goes first, so that lanes meet again
// where branches join; a fragment that is blocked lets the others go on.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_MACHINE_H
#define SPARSEDROP_LIB_INTERP_MACHINE_H

#include "DeviceMemory.h"
#include "Program.h"
#include "Report.h"
#include "Shadow.h"

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>

namespace sparsedrop::ptx {

class Block;
class Cluster;
class Launch;

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

/// A call of a function by some lanes of a warp.
struct Frame {
  const Code *code = nullptr;
  std::shared_ptr<Frame> caller;
  const Inst *callInst = nullptr; ///< the call, which says where results go
  uint32_t returnTo = 0;          ///< instruction of the caller
  uint32_t depth = 0;
  uint64_t localBase = 0; ///< of the lanes' stacks in local memory
  std::unique_ptr<uint8_t[]> storage;
  uint8_t *registers = nullptr; ///< aligned to 64 bytes
};

/// Lanes at one instruction.
struct Fragment {
  std::shared_ptr<Frame> frame;
  uint32_t pc = 0;
  LaneMask mask = 0;
  bool isBlocked = false;
  bool isConverging = false; ///< blocked because lanes are missing
  std::string why;           ///< what it waits for
};

/// State of wgmma for a warp (Warpgroup.cpp).
struct MatrixState;
/// State of cp.async and of bulk groups for a warp (AsyncCopy.cpp).
struct CopyState;
/// State of the copies of a cluster that signal mbarriers (AsyncCopy.cpp).
struct ClusterCopies;

/// 32 lanes, or fewer in the last warp of a block.
class Warp {
public:
  Warp(Block &block, uint32_t index, LaneMask present);
  ~Warp();

  //===--------------------------------------------------------------------===//
  // For handlers
  //===--------------------------------------------------------------------===//

  /// The lanes of a slot of the running fragment.
  template <typename T> T *lanes(uint32_t offset) {
    return reinterpret_cast<T *>(registers + offset);
  }
  Block &getBlock() { return *block; }
  Cluster &getCluster();
  Launch &getLaunch();
  uint32_t getIndex() const { return index; } ///< in the block
  /// Lanes that were launched, and those that have not exited.
  LaneMask getPresent() const { return present; }
  LaneMask getLive() const { return live; }
  /// Linear index of a lane's thread in the block.
  uint32_t getThread(unsigned lane) const { return index * kNumLanes + lane; }
  /// Instruction that runs.
  uint32_t getPc() const { return pc; }
  const Code &getCode() const { return *code; }
  Agent &getAgent() { return agent; }
  /// The agent of this warp's asynchronous operations.
  Agent &getAsyncAgent() { return asyncAgent; }

  /// Reports something about a lane; Stop if that ends the launch, else Next.
  Flow report(const Inst &inst, unsigned lane, Check check,
              std::string message);
  /// Reports a violation, if it is one.
  Flow report(const Inst &inst, unsigned lane, const Violation &violation) {
    return violation ? report(inst, lane, violation.check, violation.message)
                     : Flow::Next;
  }
  /// The running fragment waits; `why` ("mbarrier at 0x400, phase 0, 2 arrivals
  /// pending") is for the report if nobody can go on. Returns Retry: the
  /// handler runs again when others have.
  Flow wait(std::string why);
  /// Whether all lanes of `members` that have not exited are here. If not, the
  /// fragment waits for them: return Retry.
  bool converge(const Inst &inst, LaneMask mask, LaneMask members, Flow &flow);
  /// The same for groups of lanes that have the same member mask, in a slot of
  /// 32 bits: whether all members of all groups are here.
  bool convergeGroups(const Inst &inst, LaneMask mask, uint32_t slot,
                      Flow &flow);
  /// The lanes of `mask` that have the member mask of the first of them.
  LaneMask getGroup(LaneMask mask, uint32_t slot) {
    const auto *members = lanes<uint32_t>(slot);
    uint32_t first = members[__builtin_ctz(mask)];
    LaneMask group = 0;
    for (unsigned lane = 0; lane < kNumLanes; ++lane)
      group |= LaneMask(members[lane] == first) << lane;
    return group & mask;
  }
  /// The same for `.aligned` instructions, which all lanes of the warp must
  /// execute together.
  bool convergeAligned(const Inst &inst, LaneMask mask, Flow &flow) {
    return converge(inst, mask, present, flow);
  }

  /// Reads or writes memory for a lane: checks bounds, alignment (to `align`, a
  /// power of two), initialization, races, and returns the bytes; null if the
  /// launch has ended. Addresses of Shared are shared::cluster addresses; those
  /// of Generic may be in any window.
  uint8_t *access(const Inst &inst, unsigned lane, Space space,
                  uint64_t address, uint32_t size, Access kind, uint32_t align);
  /// As above, for the part that finds out where an address is.
  struct Place {
    Space space = Space::Global;
    Block *block = nullptr; ///< Shared: whose
    uint64_t offset = 0;    ///< Shared: from the start of the block's memory
    uint8_t *data = nullptr;
    uint8_t *written = nullptr; ///< Global: shadow of the bytes
  };
  /// Bounds and alignment only; false if the launch has ended.
  bool locate(const Inst &inst, unsigned lane, Space space, uint64_t address,
              uint32_t size, uint32_t align, bool isWrite, Place &place);

  /// Whether nobody in the cluster can go on: instructions that may give up
  /// after a time (mbarrier.try_wait) then do.
  bool mustGiveUp() const;
  /// Something that other warps may see has happened: a store, an arrival.
  void noteEffect() { ++effects; }

  // State of other parts, made when it is needed.
  std::unique_ptr<MatrixState> matrix;
  std::unique_ptr<CopyState> copies;
  /// Whether `matrix` has something that instructions with
  /// touchesMatrixRegisters must look at.
  bool watchesRegisters = false;
  /// A barrier: which lanes have come and not yet gone, and the phase that each
  /// of them waits for.
  struct BarrierWait {
    LaneMask arrived = 0;
    std::array<uint32_t, kNumLanes> phases{};
  };
  std::array<BarrierWait, 16> barrierWaits{};
  BarrierWait clusterWait;

  //===--------------------------------------------------------------------===//
  // For control flow and the scheduler
  //===--------------------------------------------------------------------===//

  /// Runs up to `budget` instructions; returns how many ran.
  uint64_t run(uint64_t budget);
  bool hasExited() const { return live == 0; }
  bool isBlocked() const;
  /// What the blocked lanes wait for, a line each.
  std::vector<std::string> describeWaits() const;
  /// The running fragment goes on at `target`; `mask` of its lanes only: the
  /// others stay at the next instruction.
  Flow jump(uint32_t target, LaneMask mask);
  /// The lanes of `mask`, some of those that run, come to this instruction
  /// again: they are no longer part of the running fragment.
  void splitHere(LaneMask mask);
  Flow exit(LaneMask mask);
  Flow call(const Code &callee, const Inst &inst, LaneMask mask);
  Flow ret(LaneMask mask);
  /// Lets blocked fragments try again.
  void unblock();
  Frame &getFrame() { return *fragments[running].frame; }
  /// For those who keep the frame's registers (wgmma).
  const std::shared_ptr<Frame> &shareFrame() {
    return fragments[running].frame;
  }
  /// The allocation that the last access was in, or null.
  const Allocation *getLastAllocation() const { return lastAllocation; }
  uint8_t *getLocal(unsigned lane, uint64_t offset, uint32_t size);
  std::vector<uint8_t> &getLocalWritten() { return localWritten; }

private:
  friend class Cluster;
  void start(const Code &kernel);
  std::shared_ptr<Frame> makeFrame(const Code &callee, uint64_t localBase,
                                   uint32_t depth);
  void fillFrame(Frame &frame);
  bool select();
  void merge();
  void split(LaneMask mask);
  uint32_t findStop() const;
  template <bool Observed> uint64_t runFragment(uint64_t budget);
  void observe(const Inst &inst, LaneMask mask);
  void growLocal(uint64_t size);
  bool locateShared(const Inst &inst, unsigned lane, uint64_t address,
                    uint32_t size, Place &place);
  bool locateGlobal(const Inst &inst, unsigned lane, uint64_t address,
                    uint32_t size, bool isWrite, Place &place);
  bool locateLocal(const Inst &inst, unsigned lane, uint64_t address,
                   uint32_t size, Place &place);
  uint64_t hashState() const;

  Block *block;
  uint32_t index;
  LaneMask present, live;
  uint8_t *registers = nullptr;
  const Code *code = nullptr;
  uint32_t pc = 0;
  std::vector<Fragment> fragments;
  size_t running = 0;
  bool isSliceOver = false; ///< the running fragment lets another one go first
  bool hasMoved = false;    ///< the running fragment is not what it was
  uint64_t effects = 0;
  // Whether it spins: the state of a turn comes back though nothing changed.
  uint64_t savedState = 0, savedEffects = 0;
  uint32_t turnsSinceSaved = 0, turnsUntilSave = 1;
  bool isSpinning = false;
  Agent agent, asyncAgent;
  std::vector<uint8_t> local, localWritten; ///< localSize bytes for each lane
  uint64_t localSize = 0;
  const Allocation *lastAllocation = nullptr;
};

/// A named barrier (ISA 9.7.13.1).
struct Barrier {
  uint32_t expected = 0; ///< threads; 0: nobody has come yet
  uint32_t arrived = 0;
  uint32_t phase = 0;
  Knowledge coming, complete;
  // barrier.red
  uint32_t count = 0;
  bool all = true, any = false;
  uint32_t lastCount = 0;
  bool lastAll = true, lastAny = false;
};

/// An mbarrier object (ISA 9.7.13.15), by the offset of its 8 bytes.
struct Mbarrier {
  uint32_t phase = 0;       ///< completed phases
  uint32_t expected = 0;    ///< arrivals of each phase
  int64_t pending = 0;      ///< arrivals that this phase still lacks
  int64_t transactions = 0; ///< bytes that this phase still lacks
  Knowledge coming, complete;
  bool isFenced = false; ///< its initialization is visible to the async proxy
  Agent *initializer = nullptr;
  uint32_t initTime = 0;
};

/// What statistics count.
struct Statistics {
  std::array<uint64_t, kNumClasses> instructions{}; ///< of threads
  uint64_t warpInstructions = 0;
  uint64_t globalReadBytes = 0, globalWriteBytes = 0;
  uint64_t sharedReadBytes = 0, sharedWriteBytes = 0;
  uint64_t localBytes = 0;
  uint64_t sharedAccesses = 0; ///< of warps
  uint64_t bankConflicts = 0;  ///< passes beyond the first
  uint64_t asyncCopyBytes = 0;
  uint64_t multiplyAdds = 0; ///< of matrix instructions

  void add(const Statistics &other);
};

/// A cooperative thread array.
class Block {
public:
  Block(Cluster &cluster, uint32_t rank, Dim3 id);

  Cluster &getCluster() { return *cluster; }
  uint32_t getRank() const { return rank; } ///< in the cluster
  const Dim3 &getId() const { return id; }
  /// Thread index of a linear index.
  Dim3 getThread(uint32_t linear) const;
  uint8_t *getShared() { return shared.data(); }
  /// The shared-memory address of its first byte.
  uint64_t getSharedStart() const {
    return (uint64_t(rank) << kClusterRankShift) + kSharedBase;
  }
  uint32_t getSharedSize() const { return shared.size(); }
  SharedShadow &getShadow() { return shadow; }
  std::array<Barrier, 16> &getBarriers() { return barriers; }
  std::unordered_map<uint32_t, Mbarrier> &getMbarriers() { return mbarriers; }
  std::deque<Warp> &getWarps() { return warps; }
  bool hasExited() const;
  uint32_t getNumThreads() const { return numThreads; }
  /// Threads that have exited count as arrived at barriers of all threads.
  uint32_t getNumLive() const;

private:
  Cluster *cluster;
  uint32_t rank;
  Dim3 id;
  uint32_t numThreads;
  std::vector<uint8_t> shared;
  SharedShadow shadow;
  std::array<Barrier, 16> barriers;
  std::unordered_map<uint32_t, Mbarrier> mbarriers;
  std::deque<Warp> warps;
};

/// Blocks that run together. One host thread at a time.
class Cluster {
public:
  Cluster(Launch &launch, uint64_t index);
  ~Cluster();

  Launch &getLaunch() { return *launch; }
  std::deque<Block> &getBlocks() { return blocks; }
  /// Warps, then their asynchronous agents.
  uint32_t getNumAgents() const { return numAgents; }
  Barrier &getBarrier() { return barrier; } ///< barrier.cluster
  /// Clock of a location that is used to synchronize: atomics, volatile,
  /// acquire and release accesses.
  /// Addresses of global memory, of which there may be many, share a few clocks:
  /// then something may be taken for known that is not, never the reverse.
  Knowledge &getLocation(uint64_t address) {
    constexpr uint64_t kMostGlobal = 4096;
    bool isGlobal = (address & kWindowMask) == 0;
    return locations[isGlobal ? address / 4 % kMostGlobal : address];
  }
  /// Something that others may wait for has happened.
  void progress() { ++events; }
  uint64_t getEvents() const { return events; }
  /// Runs every warp in turn until `budget` instructions ran; true at the end.
  bool run(uint64_t budget);
  /// Index of the cluster in the grid of clusters.
  uint64_t getIndex() const { return index; }
  /// Warp instructions so far: what the clocks show.
  uint64_t getTicks() const { return ticks; }
  bool hasFinished() const { return isFinished; }
  /// Whether all warps that are left wait or spin, and for whom.
  bool isStuck() const;
  void reportStuck(std::string_view what);

  std::unique_ptr<ClusterCopies> copies;
  Statistics statistics;
  /// See Warp::mustGiveUp.
  bool mustGiveUp = false;

private:
  bool runRound(uint64_t &ran);
  void noteTurn(Warp &warp);
  void giveUp();
  void finish(); ///< checks at the end: copies nobody waited for

  Launch *launch;
  uint64_t index;
  uint32_t numAgents = 0;
  std::deque<Block> blocks;
  Barrier barrier;
  std::unordered_map<uint64_t, Knowledge> locations;
  uint64_t events = 0, ticks = 0;
  uint64_t round = 0;
  uint32_t timesGivenUp = 0;
  bool isFinished = false;
};

struct LaunchOptions {
  uint32_t checks = kAllChecks;
  bool collectStatistics = false;
  std::function<void(const std::string &)> trace; ///< a line an instruction
  unsigned threads = 0;         ///< 0: as many as there are processors
  uint64_t seed = 0;            ///< order of warps; 0: ascending
  uint64_t maxInstructions = 0; ///< of warps, in all; 0: no limit
};

/// Counts for the statistics, in the launch's own counters of this thread.
Statistics &getStatistics(Warp &warp);
inline void countMultiplyAdds(Warp &warp, uint64_t count) {
  getStatistics(warp).multiplyAdds += count;
}
inline void countCopy(Warp &warp, uint64_t bytes) {
  getStatistics(warp).asyncCopyBytes += bytes;
}

/// Bytes of shared memory that a block may have.
uint32_t getMostShared(unsigned arch);

/// A kernel's launch.
class Launch {
public:
  Launch(const Program &program, const Code &kernel, DeviceMemory &memory,
         LaunchOptions options);

  Dim3 grid, block, cluster;
  uint32_t dynamicShared = 0;
  std::vector<uint8_t> parameters; ///< laid out by the kernel's declaration

  /// Checks the sizes against the kernel and the target; a message if they are
  /// wrong, else "".
  std::string validate() const;
  /// Runs the grid. True if there was no finding.
  bool run();

  const Program &getProgram() const { return program; }
  const Code &getKernel() const { return kernel; }
  DeviceMemory &getMemory() { return memory; }
  Reporter &getReporter() { return reporter; }
  const LaunchOptions &getOptions() const { return options; }
  /// Bytes of a block's shared memory, static and dynamic.
  uint32_t getSharedSize() const;
  Statistics statistics;
  std::mutex statisticsMutex;

private:
  friend class Worker;
  std::atomic<uint64_t> executed{0};    ///< warp instructions
  std::atomic<uint64_t> nextCluster{0}; ///< not yet started
  /// For each worker, the effects that it had seen when it found all of its
  /// clusters waiting; kBusy if they are not, kDone at its end.
  std::vector<std::atomic<uint64_t>> stamps;
  static constexpr uint64_t kBusy = ~0ull, kDone = ~0ull - 1;

public:
  /// Grows with everything that a spinning warp may wait for.
  std::atomic<uint64_t> effects{0};
  uint64_t getNumClusters() const;

private:
  const Program &program;
  const Code &kernel;
  DeviceMemory &memory;
  LaunchOptions options;
  Reporter reporter;
};

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_MACHINE_H
