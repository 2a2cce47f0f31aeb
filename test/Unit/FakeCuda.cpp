//===- FakeCuda.cpp - A CUDA driver without a GPU -------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Stands in for libcuda.so.1: remembers the calls it gets, keeps "device"
// memory on the host, launches nothing, and fails where a test wants it to. In
// a capture copies wait for the graph's launch, and what a real driver would
// not allow breaks it. SPARSEDROP_FAKE_WITHOUT_GRAPHS makes it an older one.
//
//===----------------------------------------------------------------------===//

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {
struct State {
  std::string log, failing;
  int result = 0;
  void *current = nullptr;
  int depth = 0; ///< of contexts that were pushed
  /// Bytes of the memory of the device (type 2) and of the host (type 1).
  struct Memory {
    size_t bytes;
    unsigned type;
  };
  std::map<uint64_t, Memory> memory;
  size_t used = 0, most = SIZE_MAX; ///< bytes of the device
  using Work = std::vector<std::function<void()>>;
  struct Capture {
    int mode;
    bool isBroken = false;
    Work work;
  };
  std::map<uintptr_t, Capture> captures; ///< by stream
  std::map<uintptr_t, Work> graphs;      ///< captured, or to be launched
};

enum { kUnsupported = 900, kInvalidated = 901, kRelaxed = 2 };
} // namespace

static State &getState() {
  static State state;
  return state;
}

/// Remembers a call; what it has to return.
template <typename... Args>
static int enter(const char *name, const Args &...args) {
  State &state = getState();
  std::ostringstream line;
  line << name;
  ((line << ' ' << args), ...);
  state.log += line.str() + "\n";
  return state.failing == name ? state.result : 0;
}

/// Copies now, or when the stream's graph is launched.
static void copy(void *to, const void *from, size_t bytes, uintptr_t stream) {
  auto found = getState().captures.find(stream);
  if (found == getState().captures.end())
    std::memmove(to, from, bytes);
  else
    found->second.work.push_back([=] { std::memmove(to, from, bytes); });
}

/// What waits for a stream that is captured breaks the capture.
static bool breaks(uintptr_t stream) {
  auto found = getState().captures.find(stream);
  if (found == getState().captures.end())
    return false;
  found->second.isBroken = true;
  return true;
}

/// The same of what waits for everything; and, unless captures are relaxed, of
/// what might.
static bool breaksAll(bool onlyMight) {
  bool result = false;
  for (auto &[stream, capture] : getState().captures)
    if (!onlyMight || capture.mode != kRelaxed)
      result |= breaks(stream);
  return result;
}

static int context;

extern "C" {

//===----------------------------------------------------------------------===//
// For tests
//===----------------------------------------------------------------------===//

/// Calls since the last time, a line each.
const char *fakeCudaTakeLog() {
  static std::string taken;
  taken.swap(getState().log);
  getState().log.clear();
  return taken.c_str();
}

/// All calls of a function return `result` from now on.
void fakeCudaFail(const char *name, int result) {
  getState().failing = name;
  getState().result = result;
}

/// Contexts that were pushed and not popped.
int fakeCudaGetDepth() { return getState().depth; }

/// The memory of the device from now on, in bytes.
void fakeCudaSetMemory(size_t bytes) { getState().most = bytes; }

/// Bytes that were allocated on the device and not freed.
size_t fakeCudaGetUsed() { return getState().used; }

//===----------------------------------------------------------------------===//
// Devices and contexts
//===----------------------------------------------------------------------===//

int cuInit(unsigned flags) { return enter("cuInit", flags); }

int cuGetErrorString(int result, const char **text) {
  *text = result == 1   ? "invalid argument"
          : result == 2 ? "out of memory"
                        : nullptr;
  return 0;
}

int cuGetErrorName(int result, const char **name) {
  *name = result == 1   ? "CUDA_ERROR_INVALID_VALUE"
          : result == 2 ? "CUDA_ERROR_OUT_OF_MEMORY"
                        : nullptr;
  return 0;
}

int cuDeviceGetCount(int *count) {
  *count = 2;
  return enter("cuDeviceGetCount");
}

int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return enter("cuDeviceGet", ordinal);
}

int cuDeviceGetName(char *name, int, int) {
  std::strcpy(name, "Fake GPU");
  return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int) {
  static const std::map<int, int> values = {{1, 1024}, {16, 132},    {75, 9},
                                            {76, 0},   {97, 232448}, {120, 1}};
  auto found = values.find(attribute);
  if (found == values.end())
    return 1;
  *value = found->second;
  return 0;
}

int cuDeviceTotalMem_v2(size_t *bytes, int) {
  *bytes = size_t(80) << 30;
  return 0;
}

int cuDevicePrimaryCtxRetain(void **result, int device) {
  *result = &context;
  return enter("cuDevicePrimaryCtxRetain", device);
}

int cuDevicePrimaryCtxRelease_v2(int device) {
  return enter("cuDevicePrimaryCtxRelease", device);
}

int cuCtxGetCurrent(void **result) {
  *result = getState().current;
  return 0;
}

int cuCtxPushCurrent_v2(void *pushed) {
  getState().current = pushed;
  ++getState().depth;
  return 0;
}

int cuCtxPopCurrent_v2(void **popped) {
  *popped = getState().current;
  getState().current = nullptr;
  --getState().depth;
  return 0;
}

int cuCtxSynchronize() {
  int result = enter("cuCtxSynchronize");
  return breaksAll(/*onlyMight=*/false) ? kUnsupported : result;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  State &state = getState();
  int result = enter("cuMemAlloc", bytes);
  if (breaksAll(/*onlyMight=*/true))
    return kUnsupported;
  if (!result && bytes > state.most - state.used)
    result = 2;
  *address = result ? 0
                    : reinterpret_cast<uint64_t>(
                          std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  if (*address) {
    state.memory[*address] = {bytes, 2};
    state.used += bytes;
  }
  return result;
}

int cuMemFree_v2(uint64_t address) {
  State &state = getState();
  auto found = state.memory.find(address);
  if (found == state.memory.end())
    return enter("cuMemFree"), 1;
  state.used -= found->second.bytes;
  state.memory.erase(found);
  std::free(reinterpret_cast<void *>(address));
  return enter("cuMemFree");
}

int cuMemAllocHost_v2(void **memory, size_t bytes) {
  int result = enter("cuMemAllocHost", bytes);
  *memory = result ? nullptr : std::malloc(bytes);
  if (*memory)
    getState().memory[reinterpret_cast<uint64_t>(*memory)] = {bytes, 1};
  return result;
}

int cuMemFreeHost(void *memory) {
  getState().memory.erase(reinterpret_cast<uint64_t>(memory));
  std::free(memory);
  return enter("cuMemFreeHost");
}

/// The type of memory, and the device that it belongs to: number 1, as in
/// CudaTest.
int cuPointerGetAttribute(unsigned *value, int attribute, uint64_t address) {
  State &state = getState();
  auto next = state.memory.upper_bound(address);
  if (next == state.memory.begin())
    return 1;
  auto &[start, memory] = *--next;
  if (address - start >= memory.bytes)
    return 1;
  *value = attribute == 2 ? memory.type : 1;
  return 0;
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes,
                         uintptr_t stream) {
  copy(reinterpret_cast<void *>(to), from, bytes, stream);
  return enter("cuMemcpyHtoDAsync", bytes, stream);
}

int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes,
                         uintptr_t stream) {
  copy(to, reinterpret_cast<void *>(from), bytes, stream);
  return enter("cuMemcpyDtoHAsync", bytes, stream);
}

int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes,
                         uintptr_t stream) {
  copy(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from), bytes,
       stream);
  return enter("cuMemcpyDtoDAsync", bytes, stream);
}

int cuMemsetD8Async(uint64_t, unsigned char value, size_t count, uintptr_t) {
  return enter("cuMemsetD8Async", unsigned(value), count);
}

int cuMemsetD16Async(uint64_t, unsigned short value, size_t count, uintptr_t) {
  return enter("cuMemsetD16Async", value, count);
}

int cuMemsetD32Async(uint64_t, unsigned value, size_t count, uintptr_t) {
  return enter("cuMemsetD32Async", value, count);
}

//===----------------------------------------------------------------------===//
// Streams and events
//===----------------------------------------------------------------------===//

int cuStreamCreate(uintptr_t *stream, unsigned flags) {
  static uintptr_t next = 100;
  *stream = next++;
  return enter("cuStreamCreate", flags);
}

int cuStreamDestroy_v2(uintptr_t) { return enter("cuStreamDestroy"); }

int cuStreamSynchronize(uintptr_t stream) {
  int result = enter("cuStreamSynchronize", stream);
  return breaks(stream) ? kUnsupported : result;
}

int cuStreamQuery(uintptr_t stream) {
  int result = enter("cuStreamQuery");
  return breaks(stream) ? kUnsupported : result;
}

int cuStreamWaitEvent(uintptr_t stream, uintptr_t event, unsigned flags) {
  return enter("cuStreamWaitEvent", stream, event, flags);
}

int cuEventCreate(uintptr_t *event, unsigned flags) {
  static uintptr_t next = 500;
  *event = next++;
  return enter("cuEventCreate", flags);
}

int cuEventDestroy_v2(uintptr_t) { return enter("cuEventDestroy"); }

int cuEventRecord(uintptr_t event, uintptr_t stream) {
  return enter("cuEventRecord", event, stream);
}

int cuEventSynchronize(uintptr_t event) {
  return enter("cuEventSynchronize", event);
}

int cuEventQuery(uintptr_t) { return enter("cuEventQuery"); }

int cuEventElapsedTime(float *milliseconds, uintptr_t, uintptr_t) {
  *milliseconds = 1.5f;
  return enter("cuEventElapsedTime");
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_FAKE_WITHOUT_GRAPHS

int cuStreamBeginCapture_v2(uintptr_t stream, int mode) {
  int result = enter("cuStreamBeginCapture", stream, mode);
  if (result == 0)
    getState().captures[stream].mode = mode;
  return result;
}

int cuStreamIsCapturing(uintptr_t stream, int *status) {
  *status = getState().captures.count(stream) ? 1 : 0;
  return 0;
}

int cuStreamEndCapture(uintptr_t stream, uintptr_t *graph) {
  static uintptr_t next = 1000;
  State &state = getState();
  *graph = 0;
  int result = enter("cuStreamEndCapture", stream);
  auto found = state.captures.find(stream);
  if (found == state.captures.end())
    return 1;
  if (found->second.isBroken)
    result = kInvalidated;
  if (result == 0)
    state.graphs[ *graph = next++] = std::move(found->second.work);
  state.captures.erase(found);
  return result;
}

int cuGraphInstantiateWithFlags(uintptr_t *exec, uintptr_t graph,
                                unsigned long long flags) {
  static uintptr_t next = 2000;
  int result = enter("cuGraphInstantiateWithFlags", flags);
  if (result == 0)
    getState().graphs[ *exec = next++] = getState().graphs.at(graph);
  return result;
}

int cuGraphLaunch(uintptr_t exec, uintptr_t stream) {
  int result = enter("cuGraphLaunch", stream);
  for (const std::function<void()> &work : getState().graphs.at(exec))
    if (result == 0)
      work();
  return result;
}

int cuGraphExecDestroy(uintptr_t exec) {
  getState().graphs.erase(exec);
  return enter("cuGraphExecDestroy");
}

int cuGraphDestroy(uintptr_t graph) {
  getState().graphs.erase(graph);
  return enter("cuGraphDestroy");
}

#endif // SPARSEDROP_FAKE_WITHOUT_GRAPHS

/// Graphs that were made and not destroyed, and captures that have not ended.
size_t fakeCudaCountGraphs() {
  return getState().graphs.size() + getState().captures.size();
}

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

int cuModuleLoadDataEx(uintptr_t *module, const char *image, unsigned count,
                       int *options, void **values) {
  *module = 900;
  std::string text = image;
  bool isCode = text.substr(1, 3) == "ELF";
  int result =
      enter("cuModuleLoadDataEx", isCode ? "ELF" : text.substr(0, 8), count);
  if (breaksAll(/*onlyMight=*/true))
    return kUnsupported;
  if (isCode && getState().failing == "ELF")
    result = getState().result;
  for (unsigned i = 0; result && i < count; ++i)
    if (options[i] == 5)
      std::strcpy(static_cast<char *>(values[i]),
                  "ptxas application ptx input, line 3; error: no\nfatal\n");
  return result;
}

int cuModuleUnload(uintptr_t) { return enter("cuModuleUnload"); }

int cuModuleGetFunction(uintptr_t *function, uintptr_t, const char *name) {
  bool isWords = std::string(name) == "words";
  *function = isWords ? 701 : 700;
  int result = enter("cuModuleGetFunction", name);
  return result ? result : isWords || std::string(name) == "scale" ? 0 : 500;
}

int cuModuleGetGlobal_v2(uint64_t *address, size_t *bytes, uintptr_t,
                         const char *name) {
  *address = 4096;
  *bytes = 16;
  return std::string(name) == "counter" ? 0 : 500;
}

int cuFuncGetAttribute(int *value, int attribute, uintptr_t) {
  static constexpr int kValues[] = {512, 1024, 12, 8, 40};
  *value = attribute < 5 ? kValues[attribute] : 0;
  return 0;
}

int cuFuncSetAttribute(uintptr_t, int attribute, int value) {
  return enter("cuFuncSetAttribute", attribute, value);
}

/// Three parameters, a pointer and two words; two pointers of `words`.
int cuFuncGetParamInfo(uintptr_t function, size_t index, size_t *offset,
                       size_t *bytes) {
  if (function == 701) {
    *offset = 8 * index;
    *bytes = 8;
    return index < 2 ? 0 : 1;
  }
  static constexpr size_t kOffsets[] = {0, 8, 12}, kBytes[] = {8, 4, 4};
  if (index >= 3)
    return 1;
  *offset = kOffsets[index];
  *bytes = kBytes[index];
  return 0;
}

int cuLaunchKernel(uintptr_t, unsigned gridX, unsigned gridY, unsigned gridZ,
                   unsigned blockX, unsigned blockY, unsigned blockZ,
                   unsigned shared, uintptr_t stream, void **parameters,
                   void **) {
  unsigned second = 0;
  std::memcpy(&second, parameters[1], sizeof(second));
  return enter("cuLaunchKernel", gridX, gridY, gridZ, blockX, blockY, blockZ,
               shared, stream, second);
}

int cuLaunchKernelEx(const unsigned *config, uintptr_t, void **, void **) {
  struct Attribute {
    int id, pad;
    unsigned cluster[3];
    char rest[52];
  };
  const Attribute *attributes = nullptr;
  std::memcpy(&attributes, config + 10, sizeof(attributes));
  if (config[12] > 1)
    return enter("cuLaunchKernelEx", config[0], config[3], config[6],
                 attributes->id, attributes->cluster[0], attributes->cluster[1],
                 attributes->cluster[2], config[12], attributes[1].id,
                 attributes[1].cluster[0]);
  return enter("cuLaunchKernelEx", config[0], config[3], config[6],
               attributes->id, attributes->cluster[0], attributes->cluster[1],
               attributes->cluster[2], config[12]);
}

int cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *,
                           const uint64_t *dims, const uint64_t *strides,
                           const uint32_t *box, const uint32_t *steps,
                           int interleave, int swizzle, int promotion,
                           int fill) {
  std::memset(map, 0x5A, 128);
  bool isAligned = reinterpret_cast<uintptr_t>(map) % 64 == 0;
  return enter("cuTensorMapEncodeTiled", type, rank, dims[0], strides[0],
               box[0], steps[0], interleave, swizzle, promotion, fill,
               isAligned);
}

} // extern "C"
