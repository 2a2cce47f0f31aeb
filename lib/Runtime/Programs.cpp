//===- Programs.cpp - What programs keep on a device ----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Programs.h"

#include "Error.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

using namespace sparsedrop::runtime;

//===----------------------------------------------------------------------===//
// The pool
//===----------------------------------------------------------------------===//

/// Sizes are rounded up to steps of an eighth of their power of two, so that
/// the temporaries of steps with other patterns fit into each other's places.
static uint64_t roundUp(uint64_t bytes) {
  uint64_t step = 256;
  while (step * 16 <= bytes)
    step *= 2;
  return (bytes + step - 1) / step * step;
}

/// The smallest unused block that is not more than twice as large.
bool Pool::findFree(Stream &stream, uint64_t bytes, uint64_t &address,
                    uint64_t &size) {
  auto &blocks = unused[&stream];
  auto found = blocks.lower_bound(bytes);
  if (found == blocks.end() || found->first / 2 > bytes)
    return false;
  size = found->first;
  address = found->second;
  blocks.erase(found);
  return true;
}

int32_t Pool::allocate(Stream &stream, uint64_t bytes, uint64_t &address) {
  address = 0;
  if (bytes == 0)
    return 0;
  std::lock_guard<std::mutex> lock(mutex);
  uint64_t size = roundUp(bytes);
  if (size < bytes)
    return fail("cannot allocate " + std::to_string(bytes) +
                " bytes on the device");
  if (!findFree(stream, size, address, size)) {
    ++misses;
    if (device.allocate(size, address) != 0 &&
        (trimLocked() != 0 || device.allocate(size, address) != 0))
      return fail("cannot allocate " + std::to_string(bytes) +
                  " bytes on the device, of which programs use " +
                  std::to_string(bytesInUse.load()) + ": " +
                  sparsedrop_last_error());
  }
  used[address] = {size, &stream};
  bytesInUse += size;
  bytesPeak = std::max(bytesPeak.load(), bytesInUse.load());
  return 0;
}

int32_t Pool::free(uint64_t address) {
  if (address == 0)
    return 0;
  std::lock_guard<std::mutex> lock(mutex);
  auto found = used.find(address);
  if (found == used.end())
    return fail("cannot free an address that no program has allocated");
  bytesInUse -= found->second.bytes;
  unused[found->second.stream].insert({found->second.bytes, address});
  used.erase(found);
  return 0;
}

int32_t Pool::trim() {
  std::lock_guard<std::mutex> lock(mutex);
  return trimLocked();
}

int32_t Pool::trimLocked() {
  int32_t status = device.synchronize();
  for (auto &[stream, blocks] : unused)
    for (auto &[bytes, address] : blocks)
      status |= device.free(address);
  unused.clear();
  return status;
}

//===----------------------------------------------------------------------===//
// Images
//===----------------------------------------------------------------------===//

/// Why code for `chip` does not run on a device; empty if it does.
static std::string checkChip(const std::string &chip, int32_t arch) {
  int wanted = 0;
  if (std::sscanf(chip.c_str(), "sm_%d", &wanted) != 1)
    return "the program was compiled for '" + chip + "', which is no chip";
  bool isExact = chip.back() == 'a';
  if (isExact ? arch == wanted : arch >= wanted)
    return "";
  return "the program was compiled for " + chip + ", but the device is an sm_" +
         std::to_string(arch);
}

int32_t LoadedImage::load(Device &device, const sparsedrop_device_info &info) {
  this->info = info;
  std::string error = checkChip(chip, info.arch);
  if (!error.empty())
    return fail(error);
  if (image.cubin && !info.isInterpreter)
    binary = device.load({static_cast<const char *>(image.cubin),
                          static_cast<size_t>(image.cubinBytes)});
  if (!binary)
    binary = device.load({image.ptx, static_cast<size_t>(image.ptxBytes)});
  return binary ? 0 : 1;
}

LoadedImage::LoadedKernel *LoadedImage::findKernel(int64_t number) {
  std::lock_guard<std::mutex> lock(mutex);
  if (number < 0 || number >= image.kernelCount) {
    fail("the program has no kernel " + std::to_string(number));
    return nullptr;
  }
  LoadedKernel &found = kernels[static_cast<size_t>(number)];
  if (found.kernel)
    return &found;
  std::unique_ptr<Kernel> kernel = binary->findKernel(image.kernels[number]);
  if (!kernel || kernel->describe(found.info) != 0)
    return nullptr;
  if (found.info.parameterCount >= 0)
    found.parameterBytes = kernel->getParameterBytes();
  found.kernel = std::move(kernel);
  return &found;
}

/// "kernel 'plain_3' with a grid of 4x1x1, 256 threads and parameters 0x7f.."
static std::string describe(const char *name, const sparsedrop_launch &launch) {
  std::string text =
      std::string("kernel '") + name + "' with a grid of " +
      std::to_string(launch.grid[0]) + "x" + std::to_string(launch.grid[1]) +
      "x" + std::to_string(launch.grid[2]) + ", " +
      std::to_string(launch.block[0]) + " threads and parameters";
  for (int32_t i = 0; i < launch.parameterCount; ++i) {
    char word[32];
    std::snprintf(word, sizeof(word), " 0x%" PRIx64,
                  *static_cast<const uint64_t *>(launch.parameters[i]));
    text += word;
  }
  return text;
}

int32_t LoadedImage::launch(int64_t number, Stream &stream,
                            sparsedrop_launch &launch) {
  LoadedKernel *found = findKernel(number);
  if (!found)
    return 1;
  std::string error =
      checkLaunch(launch, info, found->info, found->parameterBytes);
  if (error.empty() && found->kernel->launch(stream, launch) == 0)
    return 0;
  return fail(describe(image.kernels[number], launch) + ": " +
              (error.empty() ? sparsedrop_last_error() : error));
}

int32_t LoadedImage::findConstant(int64_t number, uint64_t &address) {
  std::lock_guard<std::mutex> lock(mutex);
  if (number < 0 || number >= image.constantCount)
    return fail("the program has no constant " + std::to_string(number));
  uint64_t &known = constants[static_cast<size_t>(number)], bytes;
  if (known == 0 &&
      binary->findVariable(image.constants[number], known, bytes) != 0)
    return 1;
  address = known;
  return 0;
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

namespace {
struct Registry {
  std::mutex mutex;
  std::map<Device *, std::unique_ptr<Programs>> all;
};
} // namespace

/// Never destroyed: devices may go after the process's static objects.
static Registry &getRegistry() {
  static Registry *registry = new Registry();
  return *registry;
}

Programs &Programs::get(Device &device) {
  Registry &registry = getRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  std::unique_ptr<Programs> &programs = registry.all[&device];
  if (!programs)
    programs = std::make_unique<Programs>(device);
  return *programs;
}

void Programs::release(Device &device) {
  Registry &registry = getRegistry();
  std::unique_ptr<Programs> programs;
  {
    std::lock_guard<std::mutex> lock(registry.mutex);
    auto found = registry.all.find(&device);
    if (found == registry.all.end())
      return;
    programs = std::move(found->second);
    registry.all.erase(found);
  }
  programs->pool.trim();
}

LoadedImage *Programs::find(const sparsedrop_program_image *image,
                            const sparsedrop_device_info &info) {
  if (!image || image->size != sizeof(sparsedrop_program_image)) {
    fail("the size of a sparsedrop_program_image is " +
         std::to_string(image ? image->size : 0) + ", but expected " +
         std::to_string(sizeof(sparsedrop_program_image)));
    return nullptr;
  }
  std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<LoadedImage> &known = images[image];
  if (known)
    return known.get();
  auto loaded = std::make_unique<LoadedImage>(*image, image->chip);
  if (loaded->load(device, info) != 0)
    return nullptr;
  known = std::move(loaded);
  return known.get();
}
