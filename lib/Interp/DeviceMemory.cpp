//===- DeviceMemory.cpp - Allocations of the interpreter's device ---------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceMemory.h"

#include <cstdlib>
#include <cstring>
#include <new>

using namespace sparsedrop::ptx;

/// Bytes on both sides of an allocation, so that neighbours are no neighbours.
static constexpr uint64_t kGuard = 256;
/// 0xFF..: NaN in every float type, -1 in every integer type.
static constexpr int kPoison = 0xFF;

static void release(Allocation &allocation) {
  std::free(reinterpret_cast<void *>(allocation.address - kGuard));
  std::free(allocation.written);
}

DeviceMemory::~DeviceMemory() {
  for (auto &[address, allocation] : allocations)
    release(*allocation);
}

Allocation *DeviceMemory::allocate(uint64_t size, std::string name) {
  if (size > uint64_t(1) << 46)
    return nullptr;
  uint64_t padded = (size + 3 * kGuard) / kGuard * kGuard;
  auto *bytes = static_cast<uint8_t *>(std::aligned_alloc(kGuard, padded));
  auto *written = static_cast<uint8_t *>(std::calloc(size + 16, 1));
  if (!bytes || !written) {
    std::free(bytes);
    std::free(written);
    return nullptr;
  }
  std::memset(bytes, kPoison, padded);
  auto owned = std::make_unique<Allocation>();
  owned->address = reinterpret_cast<uint64_t>(bytes) + kGuard;
  owned->size = size;
  owned->name = std::move(name);
  owned->written = written;
  std::unique_lock<std::shared_mutex> lock(mutex);
  used += size;
  Allocation *result = owned.get();
  allocations[owned->address] = std::move(owned);
  return result;
}

bool DeviceMemory::free(uint64_t address) {
  std::unique_lock<std::shared_mutex> lock(mutex);
  auto found = allocations.find(address);
  if (found == allocations.end())
    return false;
  used -= found->second->size;
  release(*found->second);
  allocations.erase(found);
  return true;
}

const Allocation *DeviceMemory::find(uint64_t address) const {
  std::shared_lock<std::shared_mutex> lock(mutex);
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin())
    return nullptr;
  const Allocation &candidate = *std::prev(after)->second;
  bool isInside = candidate.contains(address, 1) ||
                  (candidate.size == 0 && candidate.address == address);
  return isInside ? &candidate : nullptr;
}

static std::string nameOf(const Allocation &allocation) {
  std::string size = std::to_string(allocation.size) + " bytes";
  return allocation.name.empty() ? "an allocation of " + size
                                 : "'" + allocation.name + "' of " + size;
}

std::string DeviceMemory::describe(uint64_t address) const {
  std::shared_lock<std::shared_mutex> lock(mutex);
  auto after = allocations.upper_bound(address);
  const Allocation *next =
      after == allocations.end() ? nullptr : after->second.get();
  const Allocation *previous =
      after == allocations.begin() ? nullptr : std::prev(after)->second.get();
  uint64_t past =
      previous ? address - previous->address - previous->size : ~0ull;
  uint64_t before = next ? next->address - address : ~0ull;
  constexpr uint64_t kNear = uint64_t(1) << 20;
  if (previous && past <= before && past < kNear)
    return std::to_string(past) + " bytes past the end of " + nameOf(*previous);
  if (next && before < kNear)
    return std::to_string(before) + " bytes before " + nameOf(*next);
  return "in no allocation";
}

bool DeviceMemory::markWritten(uint64_t address, uint64_t size) {
  const Allocation *allocation = find(address);
  if (size == 0)
    return true;
  if (!allocation || !allocation->contains(address, size))
    return false;
  std::memset(allocation->written + (address - allocation->address), 1, size);
  return true;
}

uint64_t DeviceMemory::getUsedBytes() const {
  std::shared_lock<std::shared_mutex> lock(mutex);
  return used;
}
