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
// Images
//===----------------------------------------------------------------------===//

/// Why code for `chip` does not run on a device; empty if it does.
static std::string checkChip(const std::string &chip, int32_t arch) {
  constexpr size_t kPrefix = 3;
  size_t end = chip.find_first_not_of("0123456789", kPrefix);
  bool isExact = end != std::string::npos && chip.substr(end) == "a";
  size_t digits = std::min(end, chip.size()) - std::min(kPrefix, chip.size());
  if (chip.compare(0, kPrefix, "sm_") != 0 || digits < 2 || digits > 4 ||
      (end != std::string::npos && !isExact))
    return "the program was compiled for '" + chip +
           "': expected a chip such as sm_80 or sm_90a";
  int wanted = std::atoi(chip.c_str() + kPrefix);
  if (isExact ? arch == wanted : arch >= wanted)
    return "";
  return "the program was compiled for " + chip + ", but the device is an sm_" +
         std::to_string(arch);
}

int32_t LoadedImage::load(Device &device, const sparsedrop_device_info &info) {
  this->info = info;
  std::string error = checkChip(image.chip, info.arch);
  if (!error.empty())
    return fail(error);
  auto load = [&](const void *code, uint64_t bytes) {
    binary = device.load({static_cast<const char *>(code), bytes});
    return binary ? 0 : 1;
  };
  bool hasPTX = image.ptx && image.ptxBytes;
  if (image.cubin && image.cubinBytes && !info.isInterpreter)
    error = attempt([&] { return load(image.cubin, image.cubinBytes); });
  // The driver compiles PTX for what the cubin is not for.
  if (!binary && hasPTX)
    return load(image.ptx, image.ptxBytes);
  if (binary)
    return 0;
  return fail(error.empty() ? "the program has no code for the device" : error);
}

LoadedImage::LoadedKernel *LoadedImage::findKernel(int64_t number) {
  std::lock_guard<std::mutex> lock(mutex);
  if (number < 0 || number >= image.kernelCount) {
    fail("the program has no kernel " + std::to_string(number) +
         ": there are " + std::to_string(image.kernelCount));
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

void LoadedImage::findAll() {
  for (int64_t i = 0; i < image.kernelCount; ++i)
    attempt([&] { return findKernel(i) ? 0 : 1; });
  uint64_t address = 0;
  for (int64_t i = 0; i < image.constantCount; ++i)
    attempt([&] { return findConstant(i, address); });
}

/// "kernel 'plain_3' with a grid of 4x1x1, 256 threads, 1024 bytes of shared
/// memory and parameters 0x7f.."
static std::string describe(const char *name, const ProgramLaunch &launch) {
  std::string text = std::string("kernel '") + name + "' with a grid of ";
  for (int i = 0; i < 3; ++i)
    text += (i ? "x" : "") + std::to_string(launch.grid[i]);
  text += ", " + std::to_string(launch.threads) + " threads, " +
          std::to_string(launch.sharedBytes) +
          " bytes of shared memory and parameters";
  if (launch.maps != 0)
    text += " (" + std::to_string(launch.maps) + " tensor maps first)";
  int64_t first = launch.maps * kMapWords;
  for (int64_t i = first; i < launch.count && launch.parameters; ++i) {
    char word[32];
    std::snprintf(word, sizeof(word), " 0x%" PRIx64,
                  static_cast<uint64_t>(launch.parameters[i]));
    text += word;
  }
  return text;
}

/// Whether all numbers of a launch fit the device's.
static bool hasRanges(const ProgramLaunch &launch) {
  for (int64_t value :
       {launch.grid[0], launch.grid[1], launch.grid[2], launch.threads,
        launch.sharedBytes, launch.count, launch.maps})
    if (value < 0 || value > INT32_MAX)
      return false;
  return true;
}

int32_t LoadedImage::launch(LoadedKernel &kernel, Stream &stream,
                            const ProgramLaunch &launch) {
  if (!hasRanges(launch))
    return fail("expected sizes from 0 to " + std::to_string(INT32_MAX));
  // Kept from launch to launch.
  thread_local std::vector<const void *> pointers;
  thread_local std::vector<uint64_t> sizes;
  pointers.clear();
  sizes.clear();
  int64_t words = launch.parameters ? launch.count : 0;
  for (int64_t word = 0; word < words;) {
    bool isMap = word < launch.maps * kMapWords && word + kMapWords <= words;
    int64_t taken = launch.isOneParameter ? words : isMap ? kMapWords : 1;
    pointers.push_back(launch.parameters + word);
    sizes.push_back(static_cast<uint64_t>(taken) * sizeof(int64_t));
    word += taken;
  }
  sparsedrop_launch whole = {};
  whole.size = sizeof(whole);
  for (int i = 0; i < 3; ++i) {
    whole.grid[i] = static_cast<uint32_t>(launch.grid[i]);
    whole.block[i] = i == 0 ? static_cast<uint32_t>(launch.threads) : 1;
  }
  whole.sharedBytes = static_cast<uint32_t>(launch.sharedBytes);
  whole.parameters = pointers.data();
  whole.parameterBytes = sizes.data();
  whole.parameterCount = static_cast<int32_t>(pointers.size());
  whole.overlaps = image.overlaps != 0;
  std::string error =
      checkLaunch(whole, info, kernel.info, kernel.parameterBytes);
  return error.empty() ? kernel.kernel->launch(stream, whole) : fail(error);
}

int32_t LoadedImage::launch(int64_t number, Stream &stream,
                            const ProgramLaunch &launch) {
  LoadedKernel *found = findKernel(number);
  if (!found)
    return 1;
  std::string error =
      attempt([&] { return this->launch(*found, stream, launch); });
  return error.empty()
             ? 0
             : fail(describe(image.kernels[number], launch) + ": " + error);
}

int32_t LoadedImage::findConstant(int64_t number, uint64_t &address) {
  std::lock_guard<std::mutex> lock(mutex);
  if (number < 0 || number >= image.constantCount)
    return fail("the program has no constant " + std::to_string(number) +
                ": there are " + std::to_string(image.constantCount));
  uint64_t &known = constants[static_cast<size_t>(number)];
  uint64_t found = 0, bytes = 0;
  if (known == 0 &&
      binary->findVariable(image.constants[number], found, bytes) != 0)
    return 1;
  if (known == 0)
    known = found;
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
  std::lock_guard<std::mutex> lock(registry.mutex);
  auto found = registry.all.find(&device);
  if (found == registry.all.end())
    return;
  programs = std::move(found->second);
  registry.all.erase(found);
}

void Programs::retire(Device &device, Stream &stream) {
  Registry &registry = getRegistry();
  Programs *programs = nullptr;
  {
    std::lock_guard<std::mutex> lock(registry.mutex);
    auto found = registry.all.find(&device);
    if (found == registry.all.end())
      return;
    programs = found->second.get();
  }
  programs->pool.retire(stream);
}

/// What is wrong with an image, or "".
static std::string checkImage(const sparsedrop_program_image *image) {
  if (!image || image->size != sizeof(sparsedrop_program_image))
    return "the size of a sparsedrop_program_image is " +
           std::to_string(image ? image->size : 0) + ", but expected " +
           std::to_string(sizeof(sparsedrop_program_image));
  if (!image->chip)
    return "the program does not say which chip it was compiled for";
  auto isList = [](const char *const *names, int64_t count) {
    return count == 0 || (count > 0 && names);
  };
  if (!isList(image->kernels, image->kernelCount) ||
      !isList(image->constants, image->constantCount))
    return "expected names of the program's kernels and constants";
  return "";
}

LoadedImage *Programs::find(const sparsedrop_program_image *image,
                            const sparsedrop_device_info &info) {
  std::lock_guard<std::mutex> lock(mutex);
  std::string error = checkImage(image);
  auto known = images.find(image);
  if (error.empty() && known != images.end()) {
    if (known->second->isOf(*image))
      return known->second.get();
    error = "a program's image has changed since it was loaded";
  }
  if (!error.empty()) {
    fail(error);
    return nullptr;
  }
  auto loaded = std::make_unique<LoadedImage>(*image);
  if (loaded->load(device, info) != 0)
    return nullptr;
  return images.emplace(image, std::move(loaded)).first->second.get();
}
