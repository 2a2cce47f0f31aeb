//===- Shadow.h - What is known of shared memory ----------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A cell for each word of a block's shared memory: who wrote it last, who has
// read it since, which bytes were ever written, what is in flight. Accesses go
// through here before they touch the bytes.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_SHADOW_H
#define SPARSEDROP_LIB_INTERP_SHADOW_H

#include "Clock.h"
#include "Program.h"
#include "Report.h"

namespace sparsedrop::ptx {

/// How memory is accessed. Atomic is a read and a write at once; AtomicRead and
/// AtomicWrite are those that may meet other atomic accesses: volatile,
/// relaxed, acquire, release.
enum class Access : uint8_t { Read, Write, Atomic, AtomicRead, AtomicWrite };
inline bool isRead(Access kind) {
  return kind == Access::Read || kind == Access::AtomicRead;
}
inline bool isAtomic(Access kind) { return kind >= Access::Atomic; }
inline bool needsValue(Access kind) {
  return isRead(kind) || kind == Access::Atomic;
}
/// On which path (ISA 8.6).
enum class Proxy : uint8_t { Generic, Async };

/// What is wrong with an access; an empty message: nothing.
struct Violation {
  Check check = Check::Race;
  std::string message;
  explicit operator bool() const { return !message.empty(); }
};

/// Shadow of the shared memory of one block. Offsets count from the start of
/// the block's memory (shared address - kSharedBase); ranges must be inside.
/// Not thread-safe: a cluster runs on one thread.
class SharedShadow {
public:
  /// A lane that stands for a whole warp or an asynchronous operation.
  static constexpr unsigned kAnyLane = 32;

  SharedShadow(uint32_t size, uint32_t numAgents, uint32_t checks);

  /// Checks and records an access of `size` bytes by a lane of `agent`. Returns
  /// the first thing that is wrong with it. What `agent` must know is judged by
  /// its `known` clock; an Async read also needs generic writes to be `fenced`.
  /// The access is recorded even if something is wrong.
  Violation access(const Agent &agent, unsigned lane, uint32_t offset,
                   uint32_t size, Access kind, Proxy proxy = Proxy::Generic);

  /// Reads of a warp's lanes, each of `count` words from words[lane]. Records
  /// those with which nothing is wrong; the others are returned, and left for
  /// `access` to look at.
  LaneMask readByLanes(const Agent &agent, LaneMask mask, const uint32_t *words,
                       unsigned count);

  /// An asynchronous write has been issued: until `endAsyncWrite`, its bytes
  /// are poison for everybody. Checks as a write does.
  Violation beginAsyncWrite(const Agent &agent, unsigned lane, uint32_t offset,
                            uint32_t size, Proxy proxy);
  /// It has landed: a write of `agent` at its present time. Agent is whoever's
  /// clock is handed on by what completes: the waiting warp for cp.async, the
  /// async agent for bulk copies.
  void endAsyncWrite(const Agent &agent, unsigned lane, uint32_t offset,
                     uint32_t size, Proxy proxy);
  /// An asynchronous read is under way (bulk store, wgmma): writes to its bytes
  /// are reported until `endAsyncRead`. `begin` checks as an async read does.
  Violation beginAsyncRead(const Agent &agent, unsigned lane, uint32_t offset,
                           uint32_t size);
  void endAsyncRead(uint32_t offset, uint32_t size);

  /// The block exits: what others have done with its memory must be known to
  /// it, by then, `agent` being all that its warps know. Returns the first
  /// access that is not.
  Violation checkExit(const Agent &agent) const;

  /// Forgets who wrote and read (mbarrier.inval, reuse of an object).
  void forget(uint32_t offset, uint32_t size);
  bool isWritten(uint32_t offset, uint32_t size) const;

private:
  /// Times, lanes and bytes packed: time << 10 | lane << 4 | bytes.
  struct Cell {
    uint64_t readers = 0; ///< bit agent % 64
    uint32_t write = 0;   ///< 0: nobody
    uint16_t writer = 0;
    uint8_t flags = 0; ///< bytes ever written, then the flags below
    uint8_t asyncReads = 0;
  };
  static constexpr uint8_t kAllBytes = 15, kPoison = 16, kAsyncWrite = 32,
                           kAtomicWrite = 64;
  /// Of asyncReads: so many that they cannot be counted down.
  static constexpr uint8_t kManyReads = 255;

  static uint32_t pack(uint32_t time, unsigned lane, unsigned bytes) {
    return time << 10 | lane << 4 | bytes;
  }
  Violation accessWord(const Agent &agent, unsigned lane, uint32_t word,
                       unsigned bytes, Access kind, Proxy proxy);
  Violation checkWriter(const Agent &agent, unsigned lane, uint32_t word,
                        unsigned bytes, Access kind, Proxy proxy) const;
  Violation checkReaders(const Agent &agent, unsigned lane, uint32_t word,
                         unsigned bytes) const;
  void recordWrite(const Agent &agent, unsigned lane, uint32_t word,
                   unsigned bytes, Access kind, Proxy proxy);
  /// Who reads, for several words.
  struct Reader {
    Reader(SharedShadow &shadow, const Agent &agent, unsigned lane);
    uint32_t agent;
    unsigned lane;
    uint32_t time;
    bool isLate;     ///< its times no longer fit
    bool sharesBit;  ///< in Cell::readers, with others
    uint32_t *reads; ///< its row
  };
  void recordRead(const Reader &reader, Cell &cell, uint32_t word,
                  unsigned bytes);
  /// Whether an access of `other`, packed, goes before one of an agent's lane.
  static bool isOrdered(const Agent &agent, unsigned lane, uint32_t other,
                        uint32_t packed);
  /// Whether nothing can be wrong with an access as far as the last write is
  /// concerned; if false, it takes a closer look. `areReadsOrdered`: the same
  /// for a write and the reads before it.
  template <Proxy On>
  static bool isFine(const Agent &agent, unsigned lane, const Cell &cell);
  bool areReadsOrdered(const Agent &agent, unsigned lane, uint32_t word) const;
  template <Proxy On, bool Begins>
  Violation read(const Agent &agent, unsigned lane, uint32_t offset,
                 uint32_t size);
  template <Proxy On>
  Violation write(const Agent &agent, unsigned lane, uint32_t offset,
                  uint32_t size, Access kind);
  template <typename Visitor>
  void forEachWord(uint32_t offset, uint32_t size, Visitor visit) const;
  bool isEnabled(Check check) const {
    return checks & (1u << static_cast<unsigned>(check));
  }

  std::vector<Cell> cells;
  /// When each agent last read a word, packed; rows made when they are needed.
  std::vector<std::vector<uint32_t>> reads;
  uint32_t checks;
};

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_SHADOW_H
