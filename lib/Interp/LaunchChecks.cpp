//===- LaunchChecks.cpp - Whether a launch is allowed ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Machine.h"

using namespace sparsedrop::ptx;

// CUDA C++ Programming Guide, technical specifications by compute capability.
uint32_t sparsedrop::ptx::getMostShared(unsigned arch) {
  struct Limit {
    unsigned arch;
    uint32_t kilobytes;
  };
  static constexpr Limit kLimits[] = {
      {70, 96},   {72, 96},   {75, 64},   {80, 163}, {86, 99},
      {87, 163},  {88, 163},  {89, 99},   {90, 227}, {100, 227},
      {101, 227}, {103, 227}, {110, 227}, {120, 99}, {121, 99}};
  uint32_t kilobytes = 48;
  for (const Limit &limit : kLimits)
    if (arch >= limit.arch)
      kilobytes = limit.kilobytes;
  return kilobytes * 1024;
}

static std::string str(const Dim3 &size) {
  return std::to_string(size.x) + "x" + std::to_string(size.y) + "x" +
         std::to_string(size.z);
}

static std::string checkRange(std::string_view what, const Dim3 &size,
                              const Dim3 &most) {
  if (!size.x || !size.y || !size.z)
    return "the " + std::string(what) + " " + str(size) + " has no elements";
  if (size.x > most.x || size.y > most.y || size.z > most.z)
    return "the " + std::string(what) + " " + str(size) +
           " is too large: at most " + str(most) + " are allowed";
  return "";
}

static Dim3 toDim(const uint32_t (&size)[3]) {
  return {size[0], std::max(size[1], 1u), std::max(size[2], 1u)};
}

/// .reqntid and .maxntid (ISA 11.4.3, 11.4.2).
static std::string checkThreads(const Function &function, const Dim3 &block) {
  if (block.count() > 1024)
    return "the block " + str(block) + " has " + std::to_string(block.count()) +
           " threads, but at most 1024 are allowed";
  if (function.reqntid[0]) {
    Dim3 want = toDim(function.reqntid);
    if (want.x != block.x || want.y != block.y || want.z != block.z)
      return "the kernel requires blocks of " + str(want) + ", but got " +
             str(block);
  }
  if (function.maxntid[0] && block.count() > toDim(function.maxntid).count())
    return "the kernel allows blocks of at most " +
           std::to_string(toDim(function.maxntid).count()) +
           " threads, but got " + std::to_string(block.count());
  return "";
}

/// .reqnctapercluster and .maxclusterrank (ISA 11.7).
static std::string checkCluster(const Launch &launch, const Function &function,
                                const Module &module) {
  const Dim3 &size = launch.cluster, &grid = launch.grid;
  constexpr uint64_t kMostBlocks = 16; // with the non-portable attribute
  if (!size.x || !size.y || !size.z || size.count() > kMostBlocks)
    return "the cluster " + str(size) + " has " + std::to_string(size.count()) +
           " blocks: 1 to " + std::to_string(kMostBlocks) + " are allowed";
  if (size.count() > 1 && module.arch < 90)
    return "clusters need the target sm_90 or later, but the target is " +
           module.target;
  if (function.cluster[0]) {
    Dim3 want = toDim(function.cluster);
    if (want.x != size.x || want.y != size.y || want.z != size.z)
      return "the kernel requires clusters of " + str(want) + ", but got " +
             str(size);
  }
  if (function.maxClusterRank && size.count() > function.maxClusterRank)
    return "the kernel allows clusters of at most " +
           std::to_string(function.maxClusterRank) + " blocks, but got " +
           std::to_string(size.count());
  if (grid.x % size.x || grid.y % size.y || grid.z % size.z)
    return "the grid " + str(grid) + " is not a multiple of the cluster " +
           str(size);
  return "";
}

std::string Launch::validate() const {
  const Function &function = *kernel.function;
  const Module &module = *program.module;
  std::string error = checkRange("grid", grid, {0x7FFFFFFF, 65535, 65535});
  if (error.empty())
    error = checkRange("block", block, {1024, 1024, 64});
  if (error.empty())
    error = checkThreads(function, block);
  if (error.empty())
    error = checkCluster(*this, function, module);
  uint32_t most = getMostShared(module.arch);
  uint64_t shared = uint64_t(kernel.staticShared) + dynamicShared;
  if (error.empty() && shared > most)
    error = "the kernel needs " + std::to_string(shared) +
            " bytes of shared memory, but " + module.target + " has " +
            std::to_string(most);
  if (error.empty() && parameters.size() != kernel.parameterBytes)
    error = "the kernel has " + std::to_string(kernel.parameterBytes) +
            " bytes of parameters, but got " +
            std::to_string(parameters.size());
  return error.empty() ? error : "kernel '" + function.name + "': " + error;
}
