//===- Plugin.cpp - The interpreter as a device ---------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PluginState.h"
#include "TensorMap.h"

#include <cstring>
#include <thread>
#include <unistd.h>

using namespace sparsedrop::ptx;

static std::string &getMessage() {
  thread_local std::string message;
  return message;
}

int32_t sparsedrop::ptx::failPlugin(std::string message) {
  getMessage() = std::move(message);
  return 1;
}

static const char *getLastError() { return getMessage().c_str(); }

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

static PluginDevice *openDevice() {
  auto device = std::make_unique<PluginDevice>();
  return readEnvironment(*device) ? device.release() : nullptr;
}

static void closeDevice(PluginDevice *device) { delete device; }

static void describeDevice(PluginDevice *device, sparsedrop_device_info *info) {
  *info = {};
  std::string name = "PTX interpreter (sm_" + std::to_string(device->arch) +
                     (device->arch >= 90 ? "a)" : ")");
  name.copy(info->name, sizeof(info->name) - 1);
  unsigned threads = device->options.threads;
  info->arch = device->arch;
  info->processors =
      threads ? threads : std::max(1u, std::thread::hardware_concurrency());
  info->maxThreads = 1024;
  info->maxShared = getMostShared(device->arch);
  info->hasClusters = device->arch >= 90;
  info->isInterpreter = 1;
  info->memoryBytes =
      uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static uint64_t allocate(PluginDevice *device, uint64_t bytes) {
  if (Allocation *allocation = device->memory.allocate(bytes))
    return allocation->address;
  failPlugin("there is no memory for " + std::to_string(bytes) + " bytes");
  return 0;
}

static int32_t freeMemory(PluginDevice *device, uint64_t address) {
  if (device->memory.free(address))
    return 0;
  return failPlugin("the address to free is not the start of an allocation");
}

static bool containsBytes(PluginDevice *device, uint64_t address,
                          uint64_t bytes) {
  const Allocation *allocation = device->memory.find(address);
  return allocation && allocation->contains(address, bytes);
}

/// The allocation that bytes are in; null after failPlugin().
static const Allocation *findBytes(PluginDevice *device, const char *what,
                                   uint64_t address, uint64_t bytes) {
  const Allocation *allocation = device->memory.find(address);
  if (allocation && allocation->contains(address, bytes))
    return allocation;
  std::string size = std::to_string(bytes) + " bytes";
  if (allocation)
    failPlugin(std::string(what) + " of " + size + " at byte " +
               std::to_string(address - allocation->address) +
               " of an allocation of " + std::to_string(allocation->size) +
               " bytes");
  else
    failPlugin(std::string(what) + " of " + size + " " +
               device->memory.describe(address));
  return nullptr;
}

static int32_t writeMemory(PluginDevice *device, uint64_t to, const void *from,
                           uint64_t bytes) {
  const Allocation *allocation = findBytes(device, "an upload", to, bytes);
  if (!allocation)
    return 1;
  std::memcpy(reinterpret_cast<void *>(to), from, bytes);
  std::memset(allocation->written + (to - allocation->address), 1, bytes);
  return 0;
}

/// Bytes that nothing has written are the caller's affair: rows may be padded.
static int32_t readMemory(PluginDevice *device, void *to, uint64_t from,
                          uint64_t bytes) {
  if (!findBytes(device, "a download", from, bytes))
    return 1;
  std::memcpy(to, reinterpret_cast<const void *>(from), bytes);
  return 0;
}

static int32_t copyMemory(PluginDevice *device, uint64_t to, uint64_t from,
                          uint64_t bytes) {
  const Allocation *source = findBytes(device, "a copy", from, bytes);
  const Allocation *target =
      source ? findBytes(device, "a copy", to, bytes) : nullptr;
  if (!target)
    return 1;
  std::memmove(reinterpret_cast<void *>(to),
               reinterpret_cast<const void *>(from), bytes);
  std::memmove(target->written + (to - target->address),
               source->written + (from - source->address), bytes);
  return 0;
}

static int32_t fillMemory(PluginDevice *device, uint64_t to, uint32_t value,
                          int32_t elementBytes, uint64_t count) {
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(count, uint64_t(elementBytes), &bytes))
    return failPlugin("there are no " + std::to_string(count) +
                      " elements to fill");
  const Allocation *allocation = findBytes(device, "a fill", to, bytes);
  if (!allocation)
    return 1;
  auto *data = reinterpret_cast<uint8_t *>(to);
  for (uint64_t i = 0; i < bytes; ++i)
    data[i] = value >> 8 * (i % elementBytes);
  std::memset(allocation->written + (to - allocation->address), 1, bytes);
  return 0;
}

//===----------------------------------------------------------------------===//
// Tensor maps
//===----------------------------------------------------------------------===//

/// The number of a power of two in a list that starts with 0: 0, first, twice
/// that and so on.
template <typename T> static T toEnum(int32_t bytes, int32_t first) {
  unsigned number = bytes ? 1 : 0;
  for (int32_t other = first; bytes && other < bytes; other *= 2)
    ++number;
  return static_cast<T>(number);
}

static int32_t encodeMap(const sparsedrop_tensor_map *map, uint8_t *out) {
  using Info = TensorMapInfo;
  Info info;
  info.dataType = static_cast<Info::DataType>(map->type);
  info.rank = map->rank;
  info.address = map->address;
  std::copy_n(map->dims, Info::kMostRank, info.dims);
  std::copy_n(map->strides, Info::kMostRank - 1, info.strides);
  std::copy_n(map->box, Info::kMostRank, info.box);
  std::copy_n(map->elementStrides, Info::kMostRank, info.elementStrides);
  info.interleave = toEnum<Info::Interleave>(map->interleave, 16);
  info.swizzle = toEnum<Info::Swizzle>(map->swizzle, 32);
  info.promotion = toEnum<Info::Promotion>(map->promotion, 64);
  info.fill = map->fillsNaN ? Info::NaN : Info::Zero;
  std::string error = encodeTensorMap(info, out);
  return error.empty() ? 0 : failPlugin("tensor map: " + error);
}

const Plugin *sparsedrop_interp_plugin() {
  static constexpr Plugin kPlugin = {
      kPluginVersion, getLastError,      openDevice,    closeDevice,
      describeDevice, allocate,          freeMemory,    containsBytes,
      writeMemory,    readMemory,        copyMemory,    fillMemory,
      loadProgram,    unloadProgram,     findVariable,  findKernel,
      describeKernel, getParameterBytes, prepareLaunch, runLaunch,
      releaseLaunch,  encodeMap};
  return &kPlugin;
}
