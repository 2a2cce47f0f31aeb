//===- DeviceCudaBinary.cpp - Modules and launches of CUDA ----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceCuda.h"

#include "Error.h"

#include <algorithm>
#include <cstring>
#include <string>

using namespace sparsedrop::runtime;

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

namespace {
class CudaKernel : public Kernel {
public:
  CudaKernel(const CudaDevice &device, cuda::Function function)
      : device(device), driver(device.getDriver()), function(function) {}

  int32_t describe(sparsedrop_kernel_info &info) override;
  std::vector<uint64_t> getParameterBytes() override { return parameterBytes; }
  int32_t launch(Stream &stream, const sparsedrop_launch &launch) override;

private:
  int32_t get(cuda::FunctionAttribute attribute, int &value);
  int32_t allow(cuda::FunctionAttribute attribute, int value, int &allowed);
  void findParameters();

  const CudaDevice &device;
  const cuda::Driver &driver;
  cuda::Function function;
  bool knowsParameters = false;
  std::vector<uint64_t> parameterBytes;
  std::mutex mutex; ///< of what the driver was told
  int dynamicShared = 0, anyCluster = 0;
};
} // namespace

int32_t CudaKernel::get(cuda::FunctionAttribute attribute, int &value) {
  return driver.functionGet(&value, attribute, function);
}

void CudaKernel::findParameters() {
  if (!driver.getParameter)
    return;
  size_t offset = 0, bytes = 0;
  cuda::Result result = cuda::kSuccess;
  for (size_t i = 0; i < 4096; ++i) {
    result = driver.getParameter.ask(function, i, &offset, &bytes);
    if (result != cuda::kSuccess)
      break;
    parameterBytes.push_back(bytes);
  }
  knowsParameters = result == cuda::kInvalidValue;
}

int32_t CudaKernel::describe(sparsedrop_kernel_info &info) {
  ContextScope scope(device);
  int shared = 0, local = 0, constant = 0;
  info = {};
  if (!scope || get(cuda::kFunctionThreads, info.maxThreads) != 0 ||
      get(cuda::kFunctionRegisters, info.registers) != 0 ||
      get(cuda::kFunctionShared, shared) != 0 ||
      get(cuda::kFunctionLocal, local) != 0 ||
      get(cuda::kFunctionConst, constant) != 0)
    return 1;
  info.sharedBytes = shared;
  info.localBytes = local;
  info.constBytes = constant;
  // Unknown to older drivers, which have no clusters.
  for (int i = 0; i < 3; ++i)
    if (driver.functionGet.ask(&info.cluster[i], cuda::kClusterWidth + i,
                               function) != cuda::kSuccess)
      info.cluster[i] = 0;
  findParameters();
  info.parameterCount = knowsParameters ? int32_t(parameterBytes.size()) : -1;
  return 0;
}

/// Raises an attribute of the function, which the driver is told once.
int32_t CudaKernel::allow(cuda::FunctionAttribute attribute, int value,
                          int &allowed) {
  std::lock_guard<std::mutex> lock(mutex);
  if (value <= allowed)
    return 0;
  if (driver.functionSet(function, attribute, value) != 0)
    return 1;
  allowed = value;
  return 0;
}

/// Static and dynamic shared memory of a block that need no permission.
static constexpr uint32_t kFreeShared = 48 * 1024;
/// Blocks of a cluster that all GPUs have room for.
static constexpr uint32_t kPortableCluster = 8;

int32_t CudaKernel::launch(Stream &stream, const sparsedrop_launch &launch) {
  ContextScope scope(device);
  if (!scope)
    return 1;
  const uint32_t (&grid)[3] = launch.grid, (&block)[3] = launch.block;
  uint32_t blocks = launch.cluster[0] * launch.cluster[1] * launch.cluster[2];
  // With static memory, less than that may need it: asking costs nothing.
  if (launch.sharedBytes > kFreeShared / 2 &&
      allow(cuda::kMaxDynamicShared, launch.sharedBytes, dynamicShared) != 0)
    return 1;
  if (blocks > kPortableCluster &&
      allow(cuda::kNonPortableCluster, 1, anyCluster) != 0)
    return 1;
  auto **parameters = const_cast<void **>(launch.parameters);
  cuda::Stream on = CudaStream::get(stream);
  // An overlap is a wish: older drivers launch one after the other.
  bool overlaps = launch.overlaps != 0 && driver.launchWith;
  if (!blocks && !overlaps)
    return driver.launch(function, grid[0], grid[1], grid[2], block[0],
                         block[1], block[2], launch.sharedBytes, on, parameters,
                         nullptr);
  if (!driver.launchWith)
    return fail("the CUDA driver has no cuLaunchKernelEx: it is too old");
  cuda::LaunchAttribute attributes[2] = {};
  unsigned count = 0;
  if (blocks) {
    attributes[count].id = cuda::LaunchAttribute::kCluster;
    std::copy_n(launch.cluster, 3, attributes[count++].cluster);
  }
  if (overlaps) {
    attributes[count].id = cuda::LaunchAttribute::kProgrammaticSerialization;
    attributes[count++].isAllowed = 1;
  }
  cuda::LaunchConfig config = {{grid[0], grid[1], grid[2]},
                               {block[0], block[1], block[2]},
                               launch.sharedBytes,
                               on,
                               attributes,
                               count};
  return driver.launchWith(&config, function, parameters, nullptr);
}

//===----------------------------------------------------------------------===//
// Binaries
//===----------------------------------------------------------------------===//

namespace {
class CudaBinary : public Binary {
public:
  CudaBinary(CudaDevice &device, cuda::Module module)
      : device(device), module(module) {}
  ~CudaBinary() override {
    // Kernels may still run.
    if (ContextScope scope(device); scope) {
      device.getDriver().synchronize.ask();
      device.getDriver().moduleUnload.ask(module);
    }
  }

  int32_t findVariable(const char *name, uint64_t &address,
                       uint64_t &bytes) override {
    cuda::Pointer pointer = 0;
    size_t size = 0;
    const cuda::Driver &driver = device.getDriver();
    ContextScope scope(device);
    if (!scope)
      return 1;
    cuda::Result result =
        driver.moduleGetGlobal.ask(&pointer, &size, module, name);
    address = pointer;
    bytes = size;
    return result == cuda::kSuccess
               ? 0
               : driver.failWith(driver.moduleGetGlobal.getName(), result,
                                 ": variable '" + std::string(name) + "'");
  }

  std::unique_ptr<Kernel> findKernel(const char *name) override {
    const cuda::Driver &driver = device.getDriver();
    ContextScope scope(device);
    if (!scope)
      return nullptr;
    cuda::Function function = nullptr;
    cuda::Result result = driver.moduleGetFunction.ask(&function, module, name);
    if (result == cuda::kSuccess)
      return std::make_unique<CudaKernel>(device, function);
    driver.failWith(driver.moduleGetFunction.getName(), result,
                    ": kernel '" + std::string(name) + "'");
    return nullptr;
  }

private:
  CudaDevice &device;
  cuda::Module module;
};
} // namespace

template <typename T> static T readAt(std::string_view bytes, size_t offset) {
  T value = 0;
  if (offset + sizeof(T) <= bytes.size())
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// What machine code says of its own size: the driver is told none. 0 for
/// text.
static uint64_t getCodeSize(std::string_view image) {
  if (image.substr(0, 4) == "\x7f"
                            "ELF")
    // The table of sections comes last.
    return std::max<uint64_t>(64, readAt<uint64_t>(image, 40) +
                                      uint64_t(readAt<uint16_t>(image, 58)) *
                                          readAt<uint16_t>(image, 60));
  if (readAt<uint32_t>(image, 0) == 0xBA55ED50)
    return std::max<uint64_t>(16, readAt<uint16_t>(image, 6) +
                                      readAt<uint64_t>(image, 8));
  return 0;
}

/// ": " and a driver's log as one line, or "".
static std::string formatLog(std::string log) {
  log.resize(std::strlen(log.c_str()));
  while (!log.empty() && (log.back() == '\n' || log.back() == ' '))
    log.pop_back();
  for (char &c : log)
    c = c == '\n' ? ';' : c;
  return log.empty() ? log : ": " + log;
}

std::unique_ptr<Binary> CudaDevice::load(std::string_view image) {
  uint64_t size = getCodeSize(image);
  if (size > image.size()) {
    fail("the machine code is cut off: expected " + std::to_string(size) +
         " bytes, but got " + std::to_string(image.size()));
    return nullptr;
  }
  std::string copy(image);
  std::string log(8192, '\0');
  int options[] = {cuda::kErrorLog, cuda::kErrorLogBytes};
  void *values[] = {log.data(), reinterpret_cast<void *>(log.size() - 1)};
  ContextScope scope(*this);
  if (!scope)
    return nullptr;
  cuda::Module module = nullptr;
  cuda::Result result =
      driver.moduleLoad.ask(&module, copy.c_str(), 2, options, values);
  if (result == cuda::kSuccess)
    return std::make_unique<CudaBinary>(*this, module);
  driver.failWith(driver.moduleLoad.getName(), result, formatLog(log));
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Tensor maps
//===----------------------------------------------------------------------===//

/// The number of a power of two in a list that starts with 0: 0, first, twice
/// that and so on.
static int toEnum(int32_t bytes, int32_t first) {
  int number = bytes ? 1 : 0;
  for (int32_t other = first; bytes && other < bytes; other *= 2)
    ++number;
  return number;
}

template <typename T>
static std::string formatList(const char *name, const T *values,
                              int32_t count) {
  std::string text = std::string(", ") + name + " ";
  for (int32_t i = 0; i < count; ++i)
    text += (i ? "," : "") + std::to_string(values[i]);
  return text;
}

int32_t CudaDevice::encode(const sparsedrop_tensor_map &map, uint8_t *out) {
  if (!driver.encodeTiled)
    return fail("the CUDA driver has no cuTensorMapEncodeTiled: it is too old");
  cuda::TensorMap encoded = {};
  ContextScope scope(*this);
  if (!scope)
    return 1;
  cuda::Result result = driver.encodeTiled.ask(
      &encoded, map.type, map.rank, reinterpret_cast<void *>(map.address),
      map.dims, map.strides, map.box, map.elementStrides,
      toEnum(map.interleave, 16), toEnum(map.swizzle, 32),
      toEnum(map.promotion, 64), map.fillsNaN ? 1 : 0);
  if (result == cuda::kSuccess) {
    std::memcpy(out, encoded.bytes, sizeof(encoded.bytes));
    return 0;
  }
  return driver.failWith(
      driver.encodeTiled.getName(), result,
      ": type " + std::to_string(map.type) +
          formatList("dimensions", map.dims, map.rank) +
          formatList("strides", map.strides, map.rank - 1) +
          formatList("box", map.box, map.rank) +
          formatList("element strides", map.elementStrides, map.rank) +
          ", interleave " + std::to_string(map.interleave) + ", swizzle " +
          std::to_string(map.swizzle) + ", address modulo 16 " +
          std::to_string(map.address % 16));
}
