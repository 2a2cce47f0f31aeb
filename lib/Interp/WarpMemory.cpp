//===- WarpMemory.cpp - Accesses of memory and their checks ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

#include <cstring>

using namespace sparsedrop::ptx;

static std::string hex(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof(text), "0x%llx",
                static_cast<unsigned long long>(value));
  return text;
}

static std::string describeAccess(bool isWrite, uint32_t size) {
  return (isWrite ? "writes " : "reads ") + std::to_string(size) +
         (size == 1 ? " byte" : " bytes");
}

//===----------------------------------------------------------------------===//
// Where an address is
//===----------------------------------------------------------------------===//

bool Warp::locateShared(const Inst &inst, unsigned lane, uint64_t address,
                        uint32_t size, Place &place) {
  std::deque<Block> &blocks = getCluster().getBlocks();
  uint64_t rank = address >> kClusterRankShift;
  uint64_t inBlock = address & ((uint64_t(1) << kClusterRankShift) - 1);
  if (rank >= blocks.size()) {
    report(inst, lane, Check::Bounds,
           "the shared-memory address " + hex(address) + " is in block " +
               std::to_string(rank) + " of the cluster, which has " +
               std::to_string(blocks.size()));
    return false;
  }
  Block &owner = blocks[rank];
  uint64_t end = kSharedBase + uint64_t(owner.getSharedSize());
  if (inBlock < kSharedBase || inBlock > end || size > end - inBlock) {
    report(inst, lane, Check::Bounds,
           "accesses " + std::to_string(size) +
               " bytes at the shared-memory "
               "address " +
               hex(address) + ", offset " +
               std::to_string(int64_t(inBlock) - int64_t(kSharedBase)) +
               " of the block's " + std::to_string(owner.getSharedSize()) +
               " bytes");
    return false;
  }
  if (owner.hasExited() && &owner != block) {
    report(inst, lane, Check::Bounds,
           "accesses the shared memory of block " + std::to_string(rank) +
               " of the cluster, which has exited");
    return false;
  }
  place.space = Space::Shared;
  place.block = &owner;
  place.offset = inBlock - kSharedBase;
  place.data = owner.getShared() + place.offset;
  return true;
}

bool Warp::locateGlobal(const Inst &inst, unsigned lane, uint64_t address,
                        uint32_t size, bool isWrite, Place &place) {
  const Allocation *allocation = lastAllocation;
  if (!allocation || !allocation->contains(address, size)) {
    DeviceMemory &memory = getLaunch().getMemory();
    allocation = memory.find(address);
    if (!allocation || !allocation->contains(address, size)) {
      std::string where =
          allocation ? std::to_string(allocation->address + allocation->size -
                                      address) +
                           " bytes before the end of an allocation of " +
                           std::to_string(allocation->size) + " bytes"
                     : memory.describe(address);
      report(inst, lane, Check::Bounds,
             describeAccess(isWrite, size) + " at " + hex(address) + ", " +
                 where);
      return false;
    }
    lastAllocation = allocation;
  }
  if (isWrite && allocation->isReadOnly) {
    report(inst, lane, Check::Bounds,
           describeAccess(isWrite, size) + " at " + hex(address) +
               ", in the constant '" + allocation->name + "'");
    return false;
  }
  place.space = Space::Global;
  place.data = reinterpret_cast<uint8_t *>(address);
  place.written = allocation->written + (address - allocation->address);
  return true;
}

bool Warp::locateLocal(const Inst &inst, unsigned lane, uint64_t address,
                       uint32_t size, Place &place) {
  place.space = Space::Local;
  place.data = getLocal(lane, address, size);
  if (place.data)
    return true;
  report(inst, lane, Check::Bounds,
         "accesses " + std::to_string(size) + " bytes at offset " +
             std::to_string(address) + " of the thread's local memory of " +
             std::to_string(localSize) + " bytes");
  return false;
}

/// The kernel's parameters: in memory of the launch, and only to be read.
static bool locateParameter(Warp &warp, const Inst &inst, unsigned lane,
                            uint64_t offset, uint32_t size, bool isWrite,
                            Warp::Place &place) {
  std::vector<uint8_t> &parameters = warp.getLaunch().parameters;
  bool isInside =
      offset <= parameters.size() && size <= parameters.size() - offset;
  if (isInside && !isWrite) {
    place.space = Space::Param;
    place.data = parameters.data() + offset;
    return true;
  }
  warp.report(inst, lane, Check::Bounds,
              describeAccess(isWrite, size) + " at offset " +
                  std::to_string(offset) + " of the kernel's " +
                  std::to_string(parameters.size()) + " bytes of parameters");
  return false;
}

bool Warp::locate(const Inst &inst, unsigned lane, Space space,
                  uint64_t address, uint32_t size, uint32_t align, bool isWrite,
                  Place &place) {
  if (address & (align - 1)) {
    report(inst, lane, Check::Alignment,
           "the address " + hex(address) + " is not a multiple of " +
               std::to_string(align));
    return false;
  }
  if (space == Space::Generic || space == Space::Param ||
      space == Space::Local) {
    uint64_t window = address & kWindowMask, offset = address & ~kWindowMask;
    if (window == kSharedWindow)
      return locateShared(inst, lane, offset, size, place);
    if (window == kLocalWindow || space == Space::Local)
      return locateLocal(inst, lane, offset, size, place);
    if (window == kParamWindow || space == Space::Param)
      return locateParameter(*this, inst, lane, offset, size, isWrite, place);
  }
  if (space == Space::Shared)
    return locateShared(inst, lane, address, size, place);
  return locateGlobal(inst, lane, address, size, isWrite, place);
}

//===----------------------------------------------------------------------===//
// Accesses
//===----------------------------------------------------------------------===//

uint8_t *Warp::access(const Inst &inst, unsigned lane, Space space,
                      uint64_t address, uint32_t size, Access kind,
                      uint32_t align) {
  Place place;
  if (!locate(inst, lane, space, address, size, align, !isRead(kind), place))
    return nullptr;
  Flow flow = Flow::Next;
  if (place.space == Space::Shared) {
    if (Violation violation = place.block->getShadow().access(
            agent, lane, place.offset, size, kind))
      flow = report(inst, lane, violation);
  } else if (place.written) {
    if (needsValue(kind) && std::memchr(place.written, 0, size))
      flow = report(
          inst, lane, Check::Uninitialized,
          "reads " + std::to_string(size) + " bytes at " + hex(address) +
              ", byte " + std::to_string(address - lastAllocation->address) +
              " of an allocation of " + std::to_string(lastAllocation->size) +
              " bytes, which nothing has written");
    if (!isRead(kind))
      std::memset(place.written, 1, size);
  }
  return flow == Flow::Stop ? nullptr : place.data;
}
