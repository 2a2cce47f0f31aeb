//===- DeviceLaunch.cpp - Whether a launch is allowed ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A driver says "invalid argument"; this says which one.
//
//===----------------------------------------------------------------------===//

#include "Device.h"

#include <string>

using namespace sparsedrop::runtime;

static std::string str(const uint32_t (&size)[3]) {
  return std::to_string(size[0]) + "x" + std::to_string(size[1]) + "x" +
         std::to_string(size[2]);
}

static uint64_t countOf(const uint32_t (&size)[3]) {
  return uint64_t(size[0]) * size[1] * size[2];
}

static std::string checkRange(const char *what, const uint32_t (&size)[3],
                              const uint32_t (&most)[3]) {
  for (unsigned i = 0; i < 3; ++i) {
    if (!size[i])
      return std::string("the ") + what + " " + str(size) + " has no elements";
    if (size[i] > most[i])
      return std::string("the ") + what + " " + str(size) +
             " is too large: at most " + str(most) + " are allowed";
  }
  return "";
}

static std::string checkCluster(const sparsedrop_launch &launch,
                                const sparsedrop_device_info &device,
                                const sparsedrop_kernel_info &kernel) {
  const uint32_t (&size)[3] = launch.cluster;
  if (!size[0] && !size[1] && !size[2])
    return "";
  std::string error = checkRange("cluster", size, {16, 16, 16});
  if (!error.empty())
    return error;
  if (countOf(size) > 16)
    return "the cluster " + str(size) + " has " +
           std::to_string(countOf(size)) +
           " blocks, but at most 16 are allowed";
  if (countOf(size) > 1 && !device.hasClusters)
    return std::string("device ") + device.name + " has no clusters";
  for (unsigned i = 0; i < 3; ++i) {
    uint32_t own = kernel.cluster[i];
    if (own && own != size[i])
      return "the kernel requires clusters of " +
             str({uint32_t(kernel.cluster[0]), uint32_t(kernel.cluster[1]),
                  uint32_t(kernel.cluster[2])}) +
             ", but got " + str(size);
    if (launch.grid[i] % size[i])
      return "the grid " + str(launch.grid) +
             " is not a multiple of the cluster " + str(size);
  }
  return "";
}

static std::string checkParameters(const sparsedrop_launch &launch,
                                   const sparsedrop_kernel_info &kernel,
                                   const std::vector<uint64_t> &bytes) {
  if (launch.parameterCount < 0 ||
      (launch.parameterCount > 0 && !launch.parameters))
    return "expected pointers to the parameters";
  for (int32_t i = 0; i < launch.parameterCount; ++i)
    if (!launch.parameters[i])
      return "the pointer to parameter " + std::to_string(i) + " is null";
  if (kernel.parameterCount < 0)
    return "";
  if (kernel.parameterCount != launch.parameterCount)
    return "the kernel has " + std::to_string(kernel.parameterCount) +
           " parameters, but got " + std::to_string(launch.parameterCount);
  for (size_t i = 0; launch.parameterBytes && i < bytes.size(); ++i)
    if (bytes[i] != launch.parameterBytes[i])
      return "parameter " + std::to_string(i) + " has " +
             std::to_string(bytes[i]) + " bytes, but got " +
             std::to_string(launch.parameterBytes[i]);
  return "";
}

std::string
sparsedrop::runtime::checkLaunch(const sparsedrop_launch &launch,
                                 const sparsedrop_device_info &device,
                                 const sparsedrop_kernel_info &kernel,
                                 const std::vector<uint64_t> &parameterBytes) {
  std::string error =
      checkRange("grid", launch.grid, {0x7FFFFFFF, 65535, 65535});
  if (error.empty())
    error = checkRange("block", launch.block, {1024, 1024, 64});
  uint64_t threads = countOf(launch.block);
  if (error.empty() && threads > uint64_t(kernel.maxThreads))
    error = "the block " + str(launch.block) + " has " +
            std::to_string(threads) + " threads, but the kernel allows " +
            std::to_string(kernel.maxThreads);
  if (error.empty())
    error = checkCluster(launch, device, kernel);
  uint64_t shared = kernel.sharedBytes + launch.sharedBytes;
  if (error.empty() && shared > uint64_t(device.maxShared))
    error = "the kernel needs " + std::to_string(shared) +
            " bytes of shared memory, but " + device.name + " has " +
            std::to_string(device.maxShared);
  return error.empty() ? checkParameters(launch, kernel, parameterBytes)
                       : error;
}
