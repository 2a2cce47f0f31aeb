//===- DeviceBinaryAPI.cpp - C ABI: kernels and tensor maps ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceHandles.h"

#include "Error.h"

#include <cstring>

using namespace sparsedrop::runtime;

//===----------------------------------------------------------------------===//
// Binaries
//===----------------------------------------------------------------------===//

sparsedrop_binary *sparsedrop_binary_load(sparsedrop_device *device,
                                          const void *image, uint64_t bytes) {
  if (!image || !bytes) {
    fail("expected PTX or a cubin, but got nothing");
    return nullptr;
  }
  auto handle = std::make_unique<sparsedrop_binary>();
  handle->device = device->device;
  handle->info = device->info;
  handle->binary =
      device->device->load({static_cast<const char *>(image), bytes});
  return handle->binary ? handle.release() : nullptr;
}

void sparsedrop_binary_destroy(sparsedrop_binary *binary) { delete binary; }

int32_t sparsedrop_binary_variable(sparsedrop_binary *binary, const char *name,
                                   uint64_t *address, uint64_t *bytes) {
  *address = *bytes = 0;
  return binary->binary->findVariable(name, *address, *bytes);
}

sparsedrop_kernel *sparsedrop_binary_kernel(sparsedrop_binary *binary,
                                            const char *name) {
  std::lock_guard<std::mutex> lock(binary->mutex);
  auto found = binary->kernels.find(name);
  if (found != binary->kernels.end())
    return &found->second;
  sparsedrop_kernel kernel;
  kernel.binary = binary;
  kernel.name = name;
  kernel.kernel = binary->binary->findKernel(name);
  if (!kernel.kernel || kernel.kernel->describe(kernel.info) != 0)
    return nullptr;
  if (kernel.info.parameterCount >= 0)
    kernel.parameterBytes = kernel.kernel->getParameterBytes();
  return &binary->kernels.emplace(name, std::move(kernel)).first->second;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

int32_t sparsedrop_kernel_describe(sparsedrop_kernel *kernel,
                                   sparsedrop_kernel_info *info) {
  *info = kernel->info;
  return 0;
}

/// A caller's struct, of this header or an earlier one; what that did not have
/// is zero.
template <typename T>
static int32_t takeStruct(const T *from, const char *name, T &to) {
  to = {};
  if (!from || from->size < sizeof(size_t) || from->size > sizeof(T))
    return fail(std::string("the size of a ") + name + " is " +
                std::to_string(from ? from->size : 0) + ", but expected " +
                std::to_string(sizeof(T)));
  std::memcpy(&to, from, from->size);
  return 0;
}

int32_t sparsedrop_kernel_launch(sparsedrop_kernel *kernel,
                                 sparsedrop_stream *stream,
                                 const sparsedrop_launch *launch) {
  sparsedrop_launch whole;
  Stream *found = findStream(*kernel->binary->device, stream);
  if (!found || takeStruct(launch, "sparsedrop_launch", whole) != 0)
    return 1;
  std::string error = checkLaunch(whole, kernel->binary->info, kernel->info,
                                  kernel->parameterBytes);
  if (!error.empty())
    return fail("kernel '" + kernel->name + "': " + error);
  if (kernel->kernel->launch(*found, whole) != 0)
    return 1;
  if (found->capture)
    found->capture->kept.push_back(kernel->binary->binary);
  return 0;
}

//===----------------------------------------------------------------------===//
// Tensor maps
//===----------------------------------------------------------------------===//

static bool isOneOf(int32_t value, std::initializer_list<int32_t> values) {
  for (int32_t other : values)
    if (value == other)
      return true;
  return false;
}

/// What cannot be said in the driver's terms; the rest is for the device.
static std::string checkMap(const sparsedrop_tensor_map &map) {
  if (map.type < SPARSEDROP_MAP_U8 || map.type > SPARSEDROP_MAP_TF32_FTZ)
    return "type " + std::to_string(map.type) + " is unknown";
  if (map.rank < 1 || map.rank > 5)
    return "expected 1 to 5 dimensions, but got " + std::to_string(map.rank);
  if (!isOneOf(map.interleave, {0, 16, 32}))
    return "expected an interleave of 0, 16 or 32 bytes, but got " +
           std::to_string(map.interleave);
  if (!isOneOf(map.swizzle, {0, 32, 64, 128}))
    return "expected a swizzle of 0, 32, 64 or 128 bytes, but got " +
           std::to_string(map.swizzle);
  if (!isOneOf(map.promotion, {0, 64, 128, 256}))
    return "expected a promotion of 0, 64, 128 or 256 bytes, but got " +
           std::to_string(map.promotion);
  return "";
}

int32_t sparsedrop_tensor_map_encode(sparsedrop_device *device,
                                     const sparsedrop_tensor_map *map,
                                     void *out) {
  sparsedrop_tensor_map whole;
  if (takeStruct(map, "sparsedrop_tensor_map", whole) != 0)
    return 1;
  std::string error = checkMap(whole);
  if (!error.empty())
    return fail("tensor map: " + error);
  bool hasSteps = false;
  for (int32_t i = 0; i < whole.rank; ++i)
    hasSteps |= whole.elementStrides[i] != 0;
  for (uint32_t &step : whole.elementStrides)
    step = hasSteps ? step : 1;
  return device->device->encode(whole, static_cast<uint8_t *>(out));
}
