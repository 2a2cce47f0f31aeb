//===- WgmmaOperands.cpp - Matrices that a wgmma reads --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WgmmaData.h"
#include "WgmmaDescriptor.h"

#include <cstring>

using namespace sparsedrop::ptx;

namespace {

constexpr unsigned kChunkBytes = 16;

std::string hex(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof(text), "0x%llx",
                static_cast<unsigned long long>(value));
  return text;
}

/// The 16-byte chunks of shared memory that a matrix uses, each once.
class ChunkSet {
public:
  void add(uint32_t offset) {
    uint32_t index = offset / kChunkBytes;
    bits[index / 64] |= uint64_t(1) << (index % 64);
  }
  /// Calls visit(offset, size) for each run of chunks.
  template <typename Visitor> void forEachRun(Visitor visit) const {
    uint32_t start = 0, end = 0; // of the run so far
    for (uint32_t i = 0; i < kWords; ++i) {
      for (uint64_t left = bits[i]; left; left &= left - 1) {
        uint32_t chunk = 64 * i + __builtin_ctzll(left);
        if (chunk != end) {
          if (end != start)
            visit(start * kChunkBytes, (end - start) * kChunkBytes);
          start = chunk;
        }
        end = chunk + 1;
      }
    }
    if (end != start)
      visit(start * kChunkBytes, (end - start) * kChunkBytes);
  }

private:
  /// Descriptors reach 2^18 bytes from the start, and strides as much again.
  static constexpr uint32_t kWords = (1u << 18) / kChunkBytes / 64;
  uint64_t bits[kWords] = {};
};

/// A matrix operand of shared memory as it is read by a warp.
struct SharedMatrix {
  const char *name;    ///< "A"
  unsigned numReaders; ///< warps that the hardware reads it once for
  MatrixDescriptor descriptor;
  bool isMNMajor;
  unsigned firstMN, numMN; ///< rows of A or columns of B
  unsigned numK;
  unsigned columns; ///< elements of a chunk
};

/// The bytes of a core matrix: chunk `chunk` of eight lines.
bool readCore(Warp &warp, const SharedMatrix &matrix, unsigned firstLine,
              unsigned chunk, uint8_t *core, ChunkSet &chunks,
              uint32_t &address) {
  Block &block = warp.getBlock();
  for (unsigned i = 0; i < 8; ++i) {
    address =
        matrix.descriptor.getChunk(matrix.isMNMajor, firstLine + i, chunk);
    uint32_t offset = address - kSharedBase;
    uint64_t end = uint64_t(offset) + kChunkBytes;
    if (end > block.getSharedSize())
      return false;
    std::memcpy(core + i * kChunkBytes, block.getShared() + offset,
                kChunkBytes);
    chunks.add(offset);
  }
  return true;
}

/// Records the reads; reports the first thing that is wrong with them.
Flow noteReads(Warp &warp, const Inst &inst, const SharedMatrix &matrix,
               const ChunkSet &chunks, MatrixState::Reads &reads) {
  // What the async proxy knows is what the warp knows when it issues this.
  Agent agent = warp.getAgent();
  agent.id = warp.getAsyncAgent().id;
  agent.time = warp.getAsyncAgent().time;
  Violation first;
  uint32_t bytes = 0;
  chunks.forEachRun([&](uint32_t offset, uint32_t size) {
    bytes += size;
    reads.ranges.push_back({offset, size});
    Violation violation = warp.getBlock().getShadow().beginAsyncRead(
        agent, SharedShadow::kAnyLane, offset, size);
    if (violation && !first)
      first = std::move(violation);
  });
  getStatistics(warp).sharedReadBytes += bytes / matrix.numReaders;
  if (first)
    first.message = "matrix " + std::string(matrix.name) + ": " + first.message;
  return warp.report(inst, 0, first);
}

Flow reportBounds(Warp &warp, const Inst &inst, const SharedMatrix &matrix,
                  uint32_t address) {
  warp.report(inst, 0, Check::Bounds,
              "the descriptor of matrix " + std::string(matrix.name) +
                  ", start " + hex(matrix.descriptor.start) +
                  ", leads to the shared-memory address " + hex(address) +
                  ", offset " + std::to_string(int64_t(address) - kSharedBase) +
                  " of the block's " +
                  std::to_string(warp.getBlock().getSharedSize()) + " bytes");
  return Flow::Stop;
}

/// A K-major line must fit the swizzle: there is no stride to what follows.
Flow checkSwizzle(Warp &warp, const Inst &inst, const SharedMatrix &matrix) {
  uint32_t swizzle = matrix.descriptor.swizzle;
  unsigned bytes = matrix.numK / matrix.columns * kChunkBytes;
  if (matrix.isMNMajor || !swizzle || bytes <= swizzle)
    return Flow::Next;
  return warp.report(inst, 0, Check::Fault,
                     "matrix " + std::string(matrix.name) + " has " +
                         std::to_string(bytes) +
                         " bytes of k, which are more than the swizzle of " +
                         std::to_string(swizzle));
}

/// Reads a matrix into tile[m][k], for A, or tile[k][n].
template <typename T>
Flow readShared(Warp &warp, const Inst &inst, const SharedMatrix &matrix,
                CoreReader<T> reader, T *tile, unsigned strideMN,
                unsigned strideK, MatrixState::Reads &reads) {
  if (checkSwizzle(warp, inst, matrix) != Flow::Next)
    return Flow::Stop;
  ChunkSet chunks;
  bool isMN = matrix.isMNMajor;
  unsigned numLines = isMN ? matrix.numK : matrix.numMN;
  unsigned length = isMN ? matrix.numMN : matrix.numK;
  unsigned firstLine = isMN ? 0 : matrix.firstMN;
  unsigned firstChunk = isMN ? matrix.firstMN / matrix.columns : 0;
  unsigned strideLine = isMN ? strideK : strideMN;
  unsigned strideAlong = isMN ? strideMN : strideK;
  for (unsigned line = 0; line < numLines; line += 8) {
    for (unsigned i = 0; i < length / matrix.columns; ++i) {
      uint8_t core[8 * kChunkBytes];
      uint32_t address;
      if (!readCore(warp, matrix, firstLine + line, firstChunk + i, core,
                    chunks, address))
        return reportBounds(warp, inst, matrix, address);
      reader(core, tile + line * strideLine + i * matrix.columns * strideAlong,
             std::max(strideMN, strideK));
    }
  }
  return noteReads(warp, inst, matrix, chunks, reads);
}

/// The descriptor in a slot; Stop if it is none.
Flow readDescriptor(Warp &warp, const Inst &inst, const char *name,
                    uint32_t slot, uint64_t &bits) {
  const auto *lanes = warp.lanes<uint64_t>(slot);
  bits = lanes[0];
  Flow flow = Flow::Next;
  for (unsigned lane = 1; lane < kNumLanes; ++lane)
    if (lanes[lane] != bits)
      return warp.report(inst, lane, Check::Divergence,
                         "the descriptor of matrix " + std::string(name) +
                             " is not the same in all lanes");
  if (std::string why = MatrixDescriptor::validate(bits); !why.empty())
    flow = warp.report(inst, 0, Check::Fault,
                       "the descriptor of matrix " + std::string(name) + ", " +
                           hex(bits) + ", " + why);
  return flow;
}

} // namespace

template <typename T>
static void readRegistersA(Warp &warp, const WgmmaData &data, T *a) {
  unsigned columns = getCoreColumns(data.a), k = data.getStoredK();
  CoreReader<T> reader = getReader<T>(data.a, /*transposed=*/false);
  for (unsigned i = 0; i < data.slotsA.size(); ++i)
    reader(warp.lanes<uint8_t>(data.slotsA[i]),
           a + i % 2 * 8 * k + i / 2 * columns, k);
}

template <typename T>
Flow sparsedrop::ptx::readOperands(Warp &warp, const Inst &inst,
                                   WgmmaTiles<T> &tiles,
                                   MatrixState::Reads &reads) {
  const auto &data = inst.getData<WgmmaData>();
  unsigned n = data.shape.n, k = data.getStoredK();
  uint64_t bits;
  Flow flow = Flow::Next;
  if (data.hasRegistersA()) {
    readRegistersA(warp, data, tiles.a);
  } else {
    flow = readDescriptor(warp, inst, "A", data.descriptorA, bits);
    unsigned firstRow = warp.getIndex() % 4 * MatrixState::kRows;
    SharedMatrix a{"A",
                   1,
                   MatrixDescriptor(bits),
                   data.isMNMajorA,
                   firstRow,
                   MatrixState::kRows,
                   k,
                   getCoreColumns(data.a)};
    if (flow == Flow::Next)
      flow = readShared(warp, inst, a, getReader<T>(data.a, data.isMNMajorA),
                        tiles.a, k, 1, reads);
  }
  if (flow == Flow::Next)
    flow = readDescriptor(warp, inst, "B", data.descriptorB, bits);
  if (flow != Flow::Next)
    return flow;
  SharedMatrix b{"B", 4, MatrixDescriptor(bits), data.isMNMajorB,
                 0,   n, data.shape.k,           getCoreColumns(data.b)};
  return readShared(warp, inst, b, getReader<T>(data.b, !data.isMNMajorB),
                    tiles.b, 1, n, reads);
}

template Flow sparsedrop::ptx::readOperands<float>(Warp &, const Inst &,
                                                   WgmmaTiles<float> &,
                                                   MatrixState::Reads &);
template Flow sparsedrop::ptx::readOperands<int32_t>(Warp &, const Inst &,
                                                     WgmmaTiles<int32_t> &,
                                                     MatrixState::Reads &);
