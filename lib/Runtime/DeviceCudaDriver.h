//===- DeviceCudaDriver.h - Functions of the CUDA driver --------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What of the driver API (CUDA 12 and later; a few functions may be missing) is
// used, by the names that its ABI has.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_DEVICECUDADRIVER_H
#define SPARSEDROP_LIB_RUNTIME_DEVICECUDADRIVER_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace sparsedrop::runtime::cuda {

// Types of the driver's ABI.
using Result = int;
using DeviceId = int;
using Pointer = unsigned long long;
struct ContextImpl;
struct StreamImpl;
struct EventImpl;
struct ModuleImpl;
struct FunctionImpl;
struct GraphImpl;
struct GraphExecImpl;
using Context = ContextImpl *;
using Stream = StreamImpl *;
using Event = EventImpl *;
using Module = ModuleImpl *;
using Function = FunctionImpl *;
using Graph = GraphImpl *;
using GraphExec = GraphExecImpl *;

enum : Result {
  kSuccess = 0,
  kInvalidValue = 1,
  kNoDevice = 100,
  kNotReady = 600,
};

enum DeviceAttribute : int {
  kMaxThreads = 1,
  kProcessors = 16,
  kMajor = 75,
  kMinor = 76,
  kMaxSharedOptin = 97,
  kClusterLaunch = 120,
};

enum FunctionAttribute : int {
  kFunctionThreads = 0,
  kFunctionShared = 1,
  kFunctionConst = 2,
  kFunctionLocal = 3,
  kFunctionRegisters = 4,
  kMaxDynamicShared = 8,
  kClusterWidth = 11,
  kClusterHeight = 12,
  kClusterDepth = 13,
  kNonPortableCluster = 14,
};

enum : unsigned { kNonBlocking = 1 };   ///< of streams
enum : unsigned { kDisableTiming = 2 }; ///< of events
/// Of captures: the thread may allocate memory and load code meanwhile.
enum CaptureMode : int { kRelaxed = 2 };
enum CaptureStatus : int { kNoCapture = 0 };
enum PointerAttribute : int { kMemoryType = 2, kMemoryDevice = 9 };
enum : unsigned {
  kHostMemory = 1,   ///< page-locked; other memory of the host is unknown
  kDeviceMemory = 2, ///< managed memory, too
};
enum JitOption : int { kErrorLog = 5, kErrorLogBytes = 6 };

/// CUlaunchAttribute and CUlaunchConfig.
struct LaunchAttribute {
  static constexpr int kCluster = 4, kProgrammaticSerialization = 6;
  int id;
  char pad[4];
  union {
    char bytes[64];
    unsigned cluster[3];
    int isAllowed;
  };
};
struct LaunchConfig {
  unsigned grid[3], block[3];
  unsigned sharedBytes;
  Stream stream;
  LaunchAttribute *attributes;
  unsigned numAttributes;
};
static_assert(sizeof(LaunchAttribute) == 72 && sizeof(LaunchConfig) == 56);

/// CUtensorMap.
struct alignas(64) TensorMap {
  uint8_t bytes[128];
};

class Driver;

/// A function of the driver: calling it makes an error the calling thread's
/// message and returns a status.
template <typename... Args> class Entry {
public:
  Entry(Driver &driver, const char *symbol, bool isOptional = false);

  int32_t operator()(Args... args) const;
  /// The driver's own answer.
  Result ask(Args... args) const { return function(args...); }
  explicit operator bool() const { return function; }
  const char *getName() const { return symbol; }

private:
  Driver &driver;
  const char *symbol;
  Result (*function)(Args...) = nullptr;
};

/// The functions of a driver's library.
class Driver {
public:
  explicit Driver(void *library) : library(library) {}

  /// The process's driver, which is opened the first time; null after fail().
  static const Driver *get();

  /// "cuMemAlloc: out of memory (CUDA_ERROR_OUT_OF_MEMORY)" as the message;
  /// returns 1.
  int32_t failWith(const char *symbol, Result result,
                   const std::string &more = "") const;
  void *find(const char *symbol, bool isOptional);

private:
  void *library;
  std::string missing; ///< the first function that is not there

public:
  Entry<unsigned> init{*this, "cuInit"};
  Entry<Result, const char **> getErrorName{*this, "cuGetErrorName"};
  Entry<Result, const char **> getErrorString{*this, "cuGetErrorString"};

  Entry<int *> deviceGetCount{*this, "cuDeviceGetCount"};
  Entry<DeviceId *, int> deviceGet{*this, "cuDeviceGet"};
  Entry<char *, int, DeviceId> deviceGetName{*this, "cuDeviceGetName"};
  Entry<int *, int, DeviceId> deviceGetAttribute{*this, "cuDeviceGetAttribute"};
  Entry<size_t *, DeviceId> deviceTotalMem{*this, "cuDeviceTotalMem_v2"};

  Entry<Context *, DeviceId> primaryRetain{*this, "cuDevicePrimaryCtxRetain"};
  Entry<DeviceId> primaryRelease{*this, "cuDevicePrimaryCtxRelease_v2"};
  Entry<Context *> getCurrent{*this, "cuCtxGetCurrent"};
  Entry<Context> pushCurrent{*this, "cuCtxPushCurrent_v2"};
  Entry<Context *> popCurrent{*this, "cuCtxPopCurrent_v2"};
  Entry<> synchronize{*this, "cuCtxSynchronize"};

  Entry<Pointer *, size_t> memAlloc{*this, "cuMemAlloc_v2"};
  Entry<Pointer> memFree{*this, "cuMemFree_v2"};
  Entry<void *, int, Pointer> getPointerAttribute{
      *this, "cuPointerGetAttribute", /*isOptional=*/true};
  Entry<void **, size_t> hostAlloc{*this, "cuMemAllocHost_v2"};
  Entry<void *> hostFree{*this, "cuMemFreeHost"};
  Entry<Pointer, const void *, size_t, Stream> upload{*this,
                                                      "cuMemcpyHtoDAsync_v2"};
  Entry<void *, Pointer, size_t, Stream> download{*this,
                                                  "cuMemcpyDtoHAsync_v2"};
  Entry<Pointer, Pointer, size_t, Stream> copy{*this, "cuMemcpyDtoDAsync_v2"};
  Entry<Pointer, unsigned char, size_t, Stream> fill8{*this, "cuMemsetD8Async"};
  Entry<Pointer, unsigned short, size_t, Stream> fill16{*this,
                                                        "cuMemsetD16Async"};
  Entry<Pointer, unsigned, size_t, Stream> fill32{*this, "cuMemsetD32Async"};

  Entry<Stream *, unsigned> streamCreate{*this, "cuStreamCreate"};
  Entry<Stream> streamDestroy{*this, "cuStreamDestroy_v2"};
  Entry<Stream> streamSynchronize{*this, "cuStreamSynchronize"};
  Entry<Stream> streamQuery{*this, "cuStreamQuery"};
  Entry<Stream, Event, unsigned> streamWaitEvent{*this, "cuStreamWaitEvent"};
  Entry<Event *, unsigned> eventCreate{*this, "cuEventCreate"};
  Entry<Event> eventDestroy{*this, "cuEventDestroy_v2"};
  Entry<Event, Stream> eventRecord{*this, "cuEventRecord"};
  Entry<Event> eventSynchronize{*this, "cuEventSynchronize"};
  Entry<Event> eventQuery{*this, "cuEventQuery"};
  Entry<float *, Event, Event> eventElapsed{*this, "cuEventElapsedTime"};

  Entry<Stream, int> captureBegin{*this, "cuStreamBeginCapture_v2",
                                  /*isOptional=*/true};
  Entry<Stream, Graph *> captureEnd{*this, "cuStreamEndCapture",
                                    /*isOptional=*/true};
  Entry<Stream, int *> isCapturing{*this, "cuStreamIsCapturing",
                                   /*isOptional=*/true};
  Entry<GraphExec *, Graph, unsigned long long> graphInstantiate{
      *this, "cuGraphInstantiateWithFlags", /*isOptional=*/true};
  Entry<GraphExec, Stream> graphLaunch{*this, "cuGraphLaunch",
                                       /*isOptional=*/true};
  Entry<GraphExec> graphExecDestroy{*this, "cuGraphExecDestroy",
                                    /*isOptional=*/true};
  Entry<Graph> graphDestroy{*this, "cuGraphDestroy", /*isOptional=*/true};

  Entry<Module *, const void *, unsigned, int *, void **> moduleLoad{
      *this, "cuModuleLoadDataEx"};
  Entry<Module> moduleUnload{*this, "cuModuleUnload"};
  Entry<Function *, Module, const char *> moduleGetFunction{
      *this, "cuModuleGetFunction"};
  Entry<Pointer *, size_t *, Module, const char *> moduleGetGlobal{
      *this, "cuModuleGetGlobal_v2"};
  Entry<int *, int, Function> functionGet{*this, "cuFuncGetAttribute"};
  Entry<Function, int, int> functionSet{*this, "cuFuncSetAttribute"};
  Entry<Function, size_t, size_t *, size_t *> getParameter{
      *this, "cuFuncGetParamInfo", /*isOptional=*/true};
  Entry<Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
        unsigned, Stream, void **, void **>
      launch{*this, "cuLaunchKernel"};
  Entry<const LaunchConfig *, Function, void **, void **> launchWith{
      *this, "cuLaunchKernelEx", /*isOptional=*/true};
  Entry<TensorMap *, int, unsigned, void *, const uint64_t *, const uint64_t *,
        const uint32_t *, const uint32_t *, int, int, int, int>
      encodeTiled{*this, "cuTensorMapEncodeTiled", /*isOptional=*/true};
};

template <typename... Args>
Entry<Args...>::Entry(Driver &driver, const char *symbol, bool isOptional)
    : driver(driver), symbol(symbol),
      function(reinterpret_cast<Result (*)(Args...)>(
          driver.find(symbol, isOptional))) {}

template <typename... Args>
int32_t Entry<Args...>::operator()(Args... args) const {
  Result result = function(args...);
  return result == kSuccess ? 0 : driver.failWith(symbol, result);
}

} // namespace sparsedrop::runtime::cuda

#endif // SPARSEDROP_LIB_RUNTIME_DEVICECUDADRIVER_H
