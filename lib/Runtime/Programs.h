//===- Programs.h - What programs keep on a device --------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_PROGRAMS_H
#define SPARSEDROP_LIB_RUNTIME_PROGRAMS_H

#include "Device.h"

#include "sparsedrop-c/Program.h"

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

namespace sparsedrop::runtime {

/// Memory of a device by stream. A freed block serves the stream that it was
/// allocated for again: its work is in order, so nothing waits.
class Pool {
public:
  explicit Pool(Device &device) : device(device) {}

  /// A status; the address is 0 for 0 bytes.
  int32_t allocate(Stream &stream, uint64_t bytes, uint64_t &address);
  int32_t free(uint64_t address);
  /// Waits, and gives unused blocks back to the device.
  int32_t trim();

  std::atomic<uint64_t> bytesInUse{0}, bytesPeak{0}, misses{0};

private:
  struct Block {
    uint64_t bytes = 0;
    Stream *stream = nullptr;
  };

  bool findFree(Stream &stream, uint64_t bytes, uint64_t &address,
                uint64_t &size);
  int32_t trimLocked();

  Device &device;
  std::mutex mutex;                                             ///< of the rest
  std::map<Stream *, std::multimap<uint64_t, uint64_t>> unused; ///< by size
  std::unordered_map<uint64_t, Block> used;                     ///< by address
};

/// An image in a device.
class LoadedImage {
public:
  LoadedImage(const sparsedrop_program_image &image, std::string chip)
      : image(image), chip(std::move(chip)),
        kernels(static_cast<size_t>(image.kernelCount)),
        constants(static_cast<size_t>(image.constantCount)) {}

  int32_t load(Device &device, const sparsedrop_device_info &info);
  /// A status.
  int32_t launch(int64_t number, Stream &stream, sparsedrop_launch &launch);
  int32_t findConstant(int64_t number, uint64_t &address);

private:
  struct LoadedKernel {
    std::unique_ptr<Kernel> kernel;
    sparsedrop_kernel_info info = {};
    std::vector<uint64_t> parameterBytes;
  };

  LoadedKernel *findKernel(int64_t number);

  sparsedrop_program_image image;
  std::string chip;
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

  /// Of a device; made the first time.
  static Programs &get(Device &device);
  /// To be called before a device goes.
  static void release(Device &device);

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
