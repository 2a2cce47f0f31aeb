//===- Programs.h - What programs keep on a device --------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_PROGRAMS_H
#define SPARSEDROP_LIB_RUNTIME_PROGRAMS_H

#include "ProgramPool.h"

#include "sparsedrop-c/Program.h"

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

namespace sparsedrop::runtime {

/// Words of a tensor map.
inline constexpr int64_t kMapWords = SPARSEDROP_MAP_BYTES / 8;

/// A launch as a program asks for it. Parameters are `count` words of 8 bytes;
/// tensor maps come first. `isOneParameter`: all words are one parameter.
struct ProgramLaunch {
  int64_t grid[3];
  int64_t threads, sharedBytes;
  const int64_t *parameters;
  int64_t count, maps;
  bool isOneParameter = false;
};

/// An image in a device.
class LoadedImage {
public:
  explicit LoadedImage(const sparsedrop_program_image &image)
      : image(image), kernels(static_cast<size_t>(image.kernelCount)),
        constants(static_cast<size_t>(image.constantCount)) {}

  /// Whether it was loaded from this; code and names are not compared.
  bool isOf(const sparsedrop_program_image &other) const {
    return std::memcmp(&image, &other, sizeof(image)) == 0;
  }
  // These return a status.
  int32_t load(Device &device, const sparsedrop_device_info &info);
  /// Finds all kernels and constants, which drivers may load when they are
  /// asked for. One that is not there is left to its use.
  void findAll();
  int32_t launch(int64_t number, Stream &stream, const ProgramLaunch &launch);
  int32_t findConstant(int64_t number, uint64_t &address);
  int64_t getProcessors() const { return info.processors; }

private:
  struct LoadedKernel {
    std::unique_ptr<Kernel> kernel;
    sparsedrop_kernel_info info = {};
    std::vector<uint64_t> parameterBytes;
  };

  LoadedKernel *findKernel(int64_t number);
  int32_t launch(LoadedKernel &kernel, Stream &stream,
                 const ProgramLaunch &launch);

  sparsedrop_program_image image;
  sparsedrop_device_info info = {};
  std::unique_ptr<Binary> binary;
  std::mutex mutex; ///< of the rest
  std::vector<LoadedKernel> kernels;
  std::vector<uint64_t> constants;
};

/// All that programs keep on one device.
class Programs {
public:
  explicit Programs(Device &device) : pool(device), device(device) {}
  ~Programs() { pool.clear(); }

  /// Of a device; made the first time.
  static Programs &get(Device &device);
  /// To be called before a device goes: its images and its memory go.
  static void release(Device &device);
  /// To be called before a stream goes.
  static void retire(Device &device, Stream &stream);

  /// Null after fail().
  LoadedImage *find(const sparsedrop_program_image *image,
                    const sparsedrop_device_info &info);

  Pool pool;
  std::atomic<uint64_t> launches{0}, copies{0}, uploads{0}, synchronizations{0};

private:
  Device &device;
  std::mutex mutex; ///< of the images
  std::map<const sparsedrop_program_image *, std::unique_ptr<LoadedImage>>
      images;
};

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_PROGRAMS_H
