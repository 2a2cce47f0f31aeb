//===- Shadow.cpp - What is known of shared memory ------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Shadow.h"

using namespace sparsedrop::ptx;

/// Times that fit a packed cell; beyond, races of that agent go unnoticed.
static constexpr uint32_t kLastTime = (1u << 22) - 1;

static uint32_t timeOf(uint32_t packed) { return packed >> 10; }
static unsigned laneOf(uint32_t packed) { return (packed >> 4) & 63; }
static unsigned bytesOf(uint32_t packed) { return packed & 15; }

SharedShadow::SharedShadow(uint32_t size, uint32_t numAgents, uint32_t checks)
    : cells((size + 3) / 4), reads(numAgents), checks(checks) {}

/// Calls visit(word, bytes of it) for each word of a range.
template <typename Visitor>
inline void SharedShadow::forEachWord(uint32_t offset, uint32_t size,
                                      Visitor visit) const {
  uint32_t end = offset + size;
  if (offset % 4 == 0 && size % 4 == 0) {
    for (uint32_t word = offset / 4; word < end / 4; ++word)
      visit(word, kAllBytes);
    return;
  }
  while (offset < end) {
    uint32_t word = offset / 4, first = offset % 4;
    uint32_t last = std::min(end - word * 4, 4u);
    visit(word, ((1u << last) - 1) & ~((1u << first) - 1));
    offset = (word + 1) * 4;
  }
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

static std::string describe(uint32_t word, unsigned bytes) {
  unsigned first = 0;
  while (first < 4 && !(bytes & (1u << first)))
    ++first;
  return "shared memory at offset " + std::to_string(word * 4 + first);
}

static std::string describeAgent(uint32_t agent, unsigned lane,
                                 uint32_t numAgents) {
  uint32_t numWarps = numAgents / 2;
  std::string text = agent < numWarps ? "warp " + std::to_string(agent)
                                      : "an asynchronous operation of warp " +
                                            std::to_string(agent - numWarps);
  if (lane < kNumLanes)
    text += " lane " + std::to_string(lane);
  return text;
}

Violation SharedShadow::checkWriter(const Agent &agent, unsigned lane,
                                    uint32_t word, unsigned bytes, Access kind,
                                    Proxy proxy) const {
  const Cell &cell = cells[word];
  if (cell.flags & kPoison) {
    if (!isEnabled(Check::Async))
      return {};
    return {Check::Async,
            describe(word, bytes) +
                " is the destination of an asynchronous copy that "
                "nobody has waited for"};
  }
  if (!cell.write || !(bytesOf(cell.write) & bytes))
    return {};
  if (isAtomic(kind) && (cell.flags & kAtomicWrite))
    return {};
  uint32_t time = timeOf(cell.write);
  bool isOwn = cell.writer == agent.id;
  bool isOrdered = isOwn ? laneOf(cell.write) == lane || time < agent.time ||
                               lane >= kNumLanes
                         : agent.known.covers(cell.writer, time);
  if (!isOrdered && isEnabled(Check::Race))
    return {Check::Race,
            (isRead(kind) ? "reads " : "writes ") + describe(word, bytes) +
                ", which " +
                describeAgent(cell.writer, laneOf(cell.write), reads.size()) +
                " wrote with no barrier between"};
  bool needsFence = proxy == Proxy::Async && !(cell.flags & kAsyncWrite);
  if (needsFence && isEnabled(Check::Proxy) &&
      !agent.fenced.covers(cell.writer, time))
    return {Check::Proxy,
            "the async proxy uses " + describe(word, bytes) + ", which " +
                describeAgent(cell.writer, laneOf(cell.write), reads.size()) +
                " wrote through the generic proxy without a fence.proxy.async "
                "between"};
  return {};
}

Violation SharedShadow::checkReaders(const Agent &agent, unsigned lane,
                                     uint32_t word, unsigned bytes) const {
  uint64_t readers = cells[word].readers;
  for (uint32_t group = 0; readers; ++group, readers >>= 1) {
    if (!(readers & 1))
      continue;
    for (uint32_t reader = group; reader < reads.size(); reader += 64) {
      uint32_t read = reads[reader].empty() ? 0 : reads[reader][word];
      if (!read || !(bytesOf(read) & bytes))
        continue;
      bool isOrdered = reader == agent.id
                           ? laneOf(read) == lane ||
                                 timeOf(read) < agent.time || lane >= kNumLanes
                           : agent.known.covers(reader, timeOf(read));
      if (!isOrdered)
        return {Check::Race,
                "writes " + describe(word, bytes) + ", which " +
                    describeAgent(reader, laneOf(read), reads.size()) +
                    " read with no barrier between"};
    }
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Records
//===----------------------------------------------------------------------===//

void SharedShadow::recordWrite(const Agent &agent, unsigned lane, uint32_t word,
                               unsigned bytes, Access kind, Proxy proxy) {
  Cell &cell = cells[word];
  uint32_t packed = pack(std::min(agent.time, kLastTime), lane, bytes);
  // Bytes of one lane's neighbouring writes are remembered together.
  if (cell.writer == agent.id && (cell.write | 15) == (packed | 15))
    packed |= bytesOf(cell.write);
  cell.write = agent.time > kLastTime ? 0 : packed;
  cell.writer = agent.id;
  cell.readers = 0;
  cell.flags = (cell.flags | bytes) & kAllBytes;
  if (isAtomic(kind))
    cell.flags |= kAtomicWrite;
  if (proxy == Proxy::Async)
    cell.flags |= kAsyncWrite;
}

SharedShadow::Reader::Reader(SharedShadow &shadow, const Agent &agent,
                             unsigned lane)
    : agent(agent.id), lane(lane), time(std::min(agent.time, kLastTime)),
      isLate(agent.time > kLastTime), sharesBit(shadow.reads.size() > 64) {
  std::vector<uint32_t> &row = shadow.reads[agent.id];
  if (row.empty())
    row.resize(shadow.cells.size(), 0);
  reads = row.data();
}

inline void SharedShadow::recordRead(const Reader &reader, Cell &cell,
                                     uint32_t word, unsigned bytes) {
  uint32_t &read = reader.reads[word];
  uint64_t bit = uint64_t(1) << (reader.agent % 64);
  uint32_t packed = pack(reader.time, reader.lane, bytes);
  if ((cell.readers & bit) && timeOf(read) == reader.time) {
    // Several lanes at one time: none of them is the only reader.
    if (laneOf(read) != reader.lane)
      packed |= 63u << 4;
    packed |= bytesOf(read);
  }
  read = reader.isLate ? 0 : packed;
  if (reader.sharesBit && !(cell.readers & bit)) {
    // Others that share the bit have read before the last write.
    for (uint32_t other = reader.agent % 64; other < reads.size(); other += 64)
      if (other != reader.agent && !reads[other].empty())
        reads[other][word] = 0;
  }
  cell.readers |= bit;
}

//===----------------------------------------------------------------------===//
// Accesses
//===----------------------------------------------------------------------===//

Violation SharedShadow::accessWord(const Agent &agent, unsigned lane,
                                   uint32_t word, unsigned bytes, Access kind,
                                   Proxy proxy) {
  Cell &cell = cells[word];
  Violation violation = checkWriter(agent, lane, word, bytes, kind, proxy);
  if (needsValue(kind) && (cell.flags & bytes) != bytes && !violation &&
      !(cell.flags & kPoison) && isEnabled(Check::Uninitialized))
    violation = {Check::Uninitialized, "reads " +
                                           describe(word, bytes & ~cell.flags) +
                                           ", which nothing has written"};
  if (isRead(kind)) {
    // What may meet atomic writes is no reason to report them.
    if (!isAtomic(kind))
      recordRead(Reader(*this, agent, lane), cell, word, bytes);
    return violation;
  }
  if (!violation && cell.asyncReads && isEnabled(Check::Async))
    violation = {Check::Async, "writes " + describe(word, bytes) +
                                   ", which an asynchronous operation that "
                                   "nobody has waited for may still read"};
  if (!violation && cell.readers && isEnabled(Check::Race))
    violation = checkReaders(agent, lane, word, bytes);
  recordWrite(agent, lane, word, bytes, kind, proxy);
  return violation;
}

inline bool SharedShadow::isOrdered(const Agent &agent, unsigned lane,
                                    uint32_t other, uint32_t packed) {
  uint32_t time = timeOf(packed);
  if (other == agent.id)
    return time < agent.time || laneOf(packed) == lane || lane >= kNumLanes;
  return agent.known.covers(other, time);
}

template <Proxy On>
inline bool SharedShadow::isFine(const Agent &agent, unsigned lane,
                                 const Cell &cell) {
  bool isFenced = On == Proxy::Generic || (cell.flags & kAsyncWrite) ||
                  agent.fenced.covers(cell.writer, timeOf(cell.write));
  return !(cell.flags & kPoison) && isFenced &&
         isOrdered(agent, lane, cell.writer, cell.write);
}

inline bool SharedShadow::areReadsOrdered(const Agent &agent, unsigned lane,
                                          uint32_t word) const {
  uint64_t readers = cells[word].readers;
  if (reads.size() > 64)
    return !readers;
  for (; readers; readers &= readers - 1) {
    uint32_t reader = __builtin_ctzll(readers);
    if (!isOrdered(agent, lane, reader, reads[reader][word]))
      return false;
  }
  return true;
}

/// Reads are most of all accesses, nothing is wrong with most of them, and
/// neighbouring words were mostly written by one access.
template <Proxy On, bool Begins>
Violation SharedShadow::read(const Agent &agent, unsigned lane, uint32_t offset,
                             uint32_t size) {
  Violation first;
  Reader reader(*this, agent, lane);
  Cell *begin = cells.data();
  const Cell *fine = nullptr; // the last one with which nothing was wrong
  forEachWord(offset, size, [&](uint32_t word, unsigned bytes) {
    Cell &cell = begin[word];
    bool isLike = fine && cell.write == fine->write &&
                  cell.writer == fine->writer && cell.flags == fine->flags &&
                  bytes == kAllBytes;
    if (isLike ||
        ((cell.flags & bytes) == bytes && isFine<On>(agent, lane, cell))) {
      if (bytes == kAllBytes)
        fine = &cell;
      recordRead(reader, cell, word, bytes);
    } else if (Violation violation =
                   accessWord(agent, lane, word, bytes, Access::Read, On)) {
      if (!first)
        first = std::move(violation);
    }
    if (Begins && cell.asyncReads < kManyReads)
      ++cell.asyncReads;
  });
  return first;
}

template <Proxy On>
Violation SharedShadow::write(const Agent &agent, unsigned lane,
                              uint32_t offset, uint32_t size, Access kind) {
  Violation first;
  forEachWord(offset, size, [&](uint32_t word, unsigned bytes) {
    const Cell &cell = cells[word];
    if (kind == Access::Write && !cell.asyncReads &&
        isFine<On>(agent, lane, cell) && areReadsOrdered(agent, lane, word))
      return recordWrite(agent, lane, word, bytes, kind, On);
    Violation violation = accessWord(agent, lane, word, bytes, kind, On);
    if (violation && !first)
      first = std::move(violation);
  });
  return first;
}

Violation SharedShadow::access(const Agent &agent, unsigned lane,
                               uint32_t offset, uint32_t size, Access kind,
                               Proxy proxy) {
  bool isAsync = proxy == Proxy::Async;
  if (kind == Access::Read)
    return isAsync ? read<Proxy::Async, false>(agent, lane, offset, size)
                   : read<Proxy::Generic, false>(agent, lane, offset, size);
  return isAsync ? write<Proxy::Async>(agent, lane, offset, size, kind)
                 : write<Proxy::Generic>(agent, lane, offset, size, kind);
}

LaneMask SharedShadow::readByLanes(const Agent &agent, LaneMask mask,
                                   const uint32_t *words, unsigned count) {
  Reader reader(*this, agent, 0);
  if (reader.isLate || reader.sharesBit)
    return mask;
  uint64_t bit = uint64_t(1) << agent.id;
  LaneMask others = 0;
  for (; mask; mask &= mask - 1) {
    unsigned lane = __builtin_ctz(mask);
    Cell *cell = cells.data() + words[lane];
    bool isWritten = true;
    for (unsigned i = 0; i < count; ++i)
      isWritten &= (cell[i].flags & (kAllBytes | kPoison)) == kAllBytes &&
                   isOrdered(agent, lane, cell[i].writer, cell[i].write);
    if (!isWritten) {
      others |= LaneMask(1) << lane;
      continue;
    }
    uint32_t *read = reader.reads + words[lane];
    for (unsigned i = 0; i < count; ++i) {
      uint32_t packed = pack(reader.time, lane, kAllBytes);
      bool isAgain = (cell[i].readers & bit) && timeOf(read[i]) == reader.time;
      // Several lanes at one time: none of them is the only reader.
      if (isAgain && laneOf(read[i]) != lane)
        packed |= 63u << 4;
      read[i] = packed;
      cell[i].readers |= bit;
    }
  }
  return others;
}

Violation SharedShadow::beginAsyncWrite(const Agent &agent, unsigned lane,
                                        uint32_t offset, uint32_t size,
                                        Proxy proxy) {
  Violation violation = access(agent, lane, offset, size, Access::Write, proxy);
  forEachWord(offset, size,
              [&](uint32_t word, unsigned) { cells[word].flags |= kPoison; });
  return violation;
}

void SharedShadow::endAsyncWrite(const Agent &agent, unsigned lane,
                                 uint32_t offset, uint32_t size, Proxy proxy) {
  forEachWord(offset, size, [&](uint32_t word, unsigned bytes) {
    cells[word].flags &= ~kPoison;
    recordWrite(agent, lane, word, bytes, Access::Write, proxy);
  });
}

Violation SharedShadow::beginAsyncRead(const Agent &agent, unsigned lane,
                                       uint32_t offset, uint32_t size) {
  return read<Proxy::Async, true>(agent, lane, offset, size);
}

void SharedShadow::endAsyncRead(uint32_t offset, uint32_t size) {
  forEachWord(offset, size, [&](uint32_t word, unsigned) {
    if (cells[word].asyncReads > 0 && cells[word].asyncReads < kManyReads)
      --cells[word].asyncReads;
  });
}

Violation SharedShadow::checkExit(const Agent &agent) const {
  constexpr unsigned kLane = kAnyLane;
  for (uint32_t word = 0; word < cells.size(); ++word) {
    const Cell &cell = cells[word];
    bool isKnown = isOrdered(agent, kLane, cell.writer, cell.write) &&
                   areReadsOrdered(agent, kLane, word);
    if (isKnown || (cell.flags & kPoison) || !isEnabled(Check::Race))
      continue;
    Violation violation = checkWriter(agent, kLane, word, kAllBytes,
                                      Access::Write, Proxy::Generic);
    if (!violation)
      violation = checkReaders(agent, kLane, word, kAllBytes);
    if (violation) {
      violation.message = "the block exits, which " + violation.message;
      return violation;
    }
  }
  return {};
}

void SharedShadow::forget(uint32_t offset, uint32_t size) {
  forEachWord(offset, size, [&](uint32_t word, unsigned) {
    cells[word].write = 0;
    cells[word].readers = 0;
  });
}

bool SharedShadow::isWritten(uint32_t offset, uint32_t size) const {
  bool all = true;
  forEachWord(offset, size, [&](uint32_t word, unsigned bytes) {
    all &= (cells[word].flags & bytes) == bytes;
  });
  return all;
}
