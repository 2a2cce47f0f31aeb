//===- sparsedrop-c/Device.h - C ABI of devices -------------------*- C -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// GPUs, and the interpreter that stands in for one. A device is of a kind:
//
//   cuda    an NVIDIA GPU through its driver, which is opened when it is first
//           asked for: without one everything else still runs.
//           SPARSEDROP_CUDA_LIBRARY names another library than libcuda.so.1.
//   interp  executes PTX on the CPU and checks it. Its library,
//           libsparsedrop_interp, is opened from the folder of this one when it
//           is first asked for; SPARSEDROP_INTERP_LIBRARY names another file.
//           What a check finds is the failure of the stream that the kernel was
//           launched on. SPARSEDROP_INTERP_CHECKS (all, none or a list),
//           SPARSEDROP_INTERP_THREADS, SPARSEDROP_INTERP_SEED and
//           SPARSEDROP_INTERP_ARCH (90) are read when a device is opened.
//
// Conventions are those of Runtime.h: a status other than 0, or null, is a
// failure, of which sparsedrop_last_error() holds one line. Handles may be
// destroyed in any order and used from any thread. Null is accepted by the
// destroy functions, and as a stream: the device's default one.
//
// Order. What is enqueued on a stream runs after all that is on it already;
// between streams only events order, also for the default stream. Host memory
// must stay as it is until the stream has come past the copy. A failure on the
// device is told by the next call on its stream, or on the device, that waits;
// what was enqueued behind it does not run.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_C_DEVICE_H
#define SPARSEDROP_C_DEVICE_H

#include "sparsedrop-c/Runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Raised by one whenever a function or a struct below changes its meaning.
#define SPARSEDROP_DEVICE_VERSION 1

/// The value that the loaded library was built with.
SPARSEDROP_API int32_t sparsedrop_device_version(void);

typedef struct sparsedrop_device sparsedrop_device;
typedef struct sparsedrop_stream sparsedrop_stream;
typedef struct sparsedrop_event sparsedrop_event;
/// PTX or a cubin that was loaded into a device.
typedef struct sparsedrop_binary sparsedrop_binary;
/// A kernel of a binary, which owns it.
typedef struct sparsedrop_kernel sparsedrop_kernel;
/// What a stream would have done, recorded once, to be launched by one call.
typedef struct sparsedrop_graph sparsedrop_graph;

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

/// Devices of a kind. Fails if there is no driver, or no interpreter.
SPARSEDROP_API int32_t sparsedrop_device_count(const char *kind,
                                               int32_t *count);

/// Opens device `ordinal` of a kind. On a GPU that is its primary context, the
/// one that frameworks use; opening it again is cheap.
SPARSEDROP_API sparsedrop_device *sparsedrop_device_open(const char *kind,
                                                         int32_t ordinal);
SPARSEDROP_API void sparsedrop_device_close(sparsedrop_device *device);

typedef struct {
  char name[128];
  int32_t arch; ///< compute capability: 90 for 9.0
  int32_t processors;
  int32_t maxThreads;  ///< of a block
  int32_t maxShared;   ///< bytes of a block, with the opt-in
  int32_t hasClusters; ///< launches may have clusters of several blocks
  int32_t isInterpreter;
  uint64_t memoryBytes;
} sparsedrop_device_info;

SPARSEDROP_API int32_t sparsedrop_device_describe(sparsedrop_device *device,
                                                  sparsedrop_device_info *info);

/// Waits for everything on all streams of the device.
SPARSEDROP_API int32_t sparsedrop_device_synchronize(sparsedrop_device *device);

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Memory of the device, aligned to 256 bytes; 0 bytes are address 0. What is
/// in it is nobody's: the interpreter reports reads of it.
SPARSEDROP_API int32_t sparsedrop_device_alloc(sparsedrop_device *device,
                                               uint64_t bytes,
                                               uint64_t *address);
/// Waits for the device first. Address 0 is accepted.
SPARSEDROP_API int32_t sparsedrop_device_free(sparsedrop_device *device,
                                              uint64_t address);

/// Page-locked memory of the host, from and to which copies are asynchronous on
/// a GPU.
SPARSEDROP_API void *sparsedrop_host_alloc(sparsedrop_device *device,
                                           uint64_t bytes);
SPARSEDROP_API int32_t sparsedrop_host_free(sparsedrop_device *device,
                                            void *memory);

/// Copies to the device, from it, and inside it.
SPARSEDROP_API int32_t sparsedrop_device_upload(sparsedrop_device *device,
                                                sparsedrop_stream *stream,
                                                uint64_t to, const void *from,
                                                uint64_t bytes);
SPARSEDROP_API int32_t sparsedrop_device_download(sparsedrop_device *device,
                                                  sparsedrop_stream *stream,
                                                  void *to, uint64_t from,
                                                  uint64_t bytes);
SPARSEDROP_API int32_t sparsedrop_device_copy(sparsedrop_device *device,
                                              sparsedrop_stream *stream,
                                              uint64_t to, uint64_t from,
                                              uint64_t bytes);

/// Sets `count` elements of 1, 2 or 4 bytes, to which `to` is aligned.
SPARSEDROP_API int32_t sparsedrop_device_fill(sparsedrop_device *device,
                                              sparsedrop_stream *stream,
                                              uint64_t to, uint32_t value,
                                              int32_t elementBytes,
                                              uint64_t count);

//===----------------------------------------------------------------------===//
// Streams and events
//===----------------------------------------------------------------------===//

SPARSEDROP_API sparsedrop_stream *
sparsedrop_stream_create(sparsedrop_device *device);
/// The caller's own stream, a CUstream, which must outlive this handle. Fails
/// on the interpreter.
SPARSEDROP_API sparsedrop_stream *
sparsedrop_stream_wrap(sparsedrop_device *device, void *native);
/// What is on the stream still runs.
SPARSEDROP_API void sparsedrop_stream_destroy(sparsedrop_stream *stream);

SPARSEDROP_API int32_t sparsedrop_stream_synchronize(sparsedrop_device *device,
                                                     sparsedrop_stream *stream);
/// `isDone` becomes 1 if nothing is left on the stream, else 0.
SPARSEDROP_API int32_t sparsedrop_stream_query(sparsedrop_device *device,
                                               sparsedrop_stream *stream,
                                               int32_t *isDone);
/// What is enqueued from now on waits for the last record of `event`, if there
/// was one.
SPARSEDROP_API int32_t sparsedrop_stream_wait(sparsedrop_device *device,
                                              sparsedrop_stream *stream,
                                              sparsedrop_event *event);

SPARSEDROP_API sparsedrop_event *
sparsedrop_event_create(sparsedrop_device *device);
SPARSEDROP_API void sparsedrop_event_destroy(sparsedrop_event *event);
SPARSEDROP_API int32_t sparsedrop_event_record(sparsedrop_event *event,
                                               sparsedrop_stream *stream);
/// Waits for the last record; an event that was never recorded is done.
SPARSEDROP_API int32_t sparsedrop_event_synchronize(sparsedrop_event *event);
SPARSEDROP_API int32_t sparsedrop_event_query(sparsedrop_event *event,
                                              int32_t *isDone);
/// Milliseconds between two records that are done.
SPARSEDROP_API int32_t sparsedrop_event_elapsed(sparsedrop_event *start,
                                                sparsedrop_event *end,
                                                double *milliseconds);

//===----------------------------------------------------------------------===//
// Binaries and kernels
//===----------------------------------------------------------------------===//

/// Loads `bytes` bytes of PTX (which may end with a zero) or, on a GPU, of a
/// cubin or fatbin. What is wrong with PTX is named with its line.
SPARSEDROP_API sparsedrop_binary *
sparsedrop_binary_load(sparsedrop_device *device, const void *image,
                       uint64_t bytes);
/// Waits for the device first.
SPARSEDROP_API void sparsedrop_binary_destroy(sparsedrop_binary *binary);

/// Address and size of a variable of global or constant memory.
SPARSEDROP_API int32_t sparsedrop_binary_variable(sparsedrop_binary *binary,
                                                  const char *name,
                                                  uint64_t *address,
                                                  uint64_t *bytes);

/// A kernel by its name; the same handle each time. Do not destroy it.
SPARSEDROP_API sparsedrop_kernel *
sparsedrop_binary_kernel(sparsedrop_binary *binary, const char *name);

typedef struct {
  int32_t registers; ///< of a thread; virtual ones in the interpreter
  int32_t maxThreads;
  uint64_t sharedBytes; ///< static, of a block
  uint64_t localBytes;  ///< of a thread
  uint64_t constBytes;
  int32_t cluster[3];     ///< that launches must have, or 0
  int32_t parameterCount; ///< -1 where the driver cannot say
} sparsedrop_kernel_info;

SPARSEDROP_API int32_t sparsedrop_kernel_describe(sparsedrop_kernel *kernel,
                                                  sparsedrop_kernel_info *info);

/// Zero all of it, set `size`, then what is to differ from zero.
typedef struct {
  size_t size;          ///< sizeof(sparsedrop_launch)
  uint32_t grid[3];     ///< blocks; a zero is an error
  uint32_t block[3];    ///< threads of a block; a zero is an error
  uint32_t cluster[3];  ///< blocks of a cluster; all zero: the kernel's own
  uint32_t sharedBytes; ///< dynamic
  /// A pointer to each parameter's value, which is copied by the call.
  const void *const *parameters;
  /// Bytes of each, to be compared with the kernel's; null: they are right.
  const uint64_t *parameterBytes;
  int32_t parameterCount;
  /// Other than 0: may begin before the kernel launched before it in the stream
  /// has ended, for whose results it waits by itself (griddepcontrol.wait).
  int32_t overlaps;
} sparsedrop_launch;

/// Enqueues a launch. All that can be checked before it runs is: sizes against
/// the kernel and the device, count and bytes of parameters.
SPARSEDROP_API int32_t
sparsedrop_kernel_launch(sparsedrop_kernel *kernel, sparsedrop_stream *stream,
                         const sparsedrop_launch *launch);

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

/// From now on the stream records what is enqueued on it instead of running it:
/// launches, with their parameters as they are now, copies and fills in the
/// device, uploads and downloads. One thread captures; others leave the stream
/// alone meanwhile.
///
/// An upload copies the host's bytes at the call; each launch of the graph
/// uploads these again. A download needs page-locked memory, which must be
/// there as long as the graph. What waits or asks
/// (sparsedrop_stream_synchronize and _query), events, and launches of other
/// graphs are failures, and so is sparsedrop_capture_end() after one of them.
/// Nobody can wait for a whole device while a stream of it is captured.
/// Destroying the stream forgets what was recorded.
///
/// Fails for the default stream, for one that is being captured, and with a
/// driver that has no graphs.
SPARSEDROP_API int32_t sparsedrop_capture_begin(sparsedrop_device *device,
                                                sparsedrop_stream *stream);
/// Ends the capture, in any case, and makes a graph that can be launched; null
/// after a failure. The graph keeps the kernels and the bytes of uploads that
/// it needs. The memory of the device that it works on must be there when it
/// is launched.
SPARSEDROP_API sparsedrop_graph *
sparsedrop_capture_end(sparsedrop_device *device, sparsedrop_stream *stream);
/// Ends the capture, if there is one, and forgets what was recorded.
SPARSEDROP_API int32_t sparsedrop_capture_cancel(sparsedrop_device *device,
                                                 sparsedrop_stream *stream);

/// Enqueues all that was recorded, in its order, on any stream of the device
/// (null: the default one). It comes after earlier launches of the same graph,
/// also of those on other streams.
SPARSEDROP_API int32_t sparsedrop_graph_launch(sparsedrop_graph *graph,
                                               sparsedrop_stream *stream);
/// Waits until no launch of it runs; what failed is still told by the stream.
SPARSEDROP_API void sparsedrop_graph_destroy(sparsedrop_graph *graph);

//===----------------------------------------------------------------------===//
// Tensor maps
//===----------------------------------------------------------------------===//

/// Names of the fields and values of the enums are those of the CUDA driver's
/// cuTensorMapEncodeTiled.
enum sparsedrop_tensor_map_type {
  SPARSEDROP_MAP_U8 = 0,
  SPARSEDROP_MAP_U16 = 1,
  SPARSEDROP_MAP_U32 = 2,
  SPARSEDROP_MAP_I32 = 3,
  SPARSEDROP_MAP_U64 = 4,
  SPARSEDROP_MAP_I64 = 5,
  SPARSEDROP_MAP_F16 = 6,
  SPARSEDROP_MAP_F32 = 7,
  SPARSEDROP_MAP_F64 = 8,
  SPARSEDROP_MAP_BF16 = 9,
  SPARSEDROP_MAP_F32_FTZ = 10,
  SPARSEDROP_MAP_TF32 = 11,
  SPARSEDROP_MAP_TF32_FTZ = 12
};

#define SPARSEDROP_MAP_BYTES 128

/// Dimension 0 is the innermost. Zero all of it, then set what differs.
typedef struct {
  size_t size;  ///< sizeof(sparsedrop_tensor_map)
  int32_t type; ///< enum sparsedrop_tensor_map_type
  int32_t rank; ///< 1 to 5
  uint64_t address;
  uint64_t dims[5];           ///< elements
  uint64_t strides[4];        ///< bytes, of dimensions 1 and up
  uint32_t box[5];            ///< elements
  uint32_t elementStrides[5]; ///< all zero: 1
  int32_t interleave;         ///< 0, 16 or 32 bytes
  int32_t swizzle;            ///< 0, 32, 64 or 128 bytes
  int32_t promotion;          ///< L2: 0, 64, 128 or 256 bytes
  int32_t fillsNaN; ///< out-of-bounds elements are NaN instead of zero
} sparsedrop_tensor_map;

/// Writes the 128 bytes that a kernel takes as a .param or in global memory.
SPARSEDROP_API int32_t sparsedrop_tensor_map_encode(
    sparsedrop_device *device, const sparsedrop_tensor_map *map, void *out);

#ifdef __cplusplus
}
#endif

#endif // SPARSEDROP_C_DEVICE_H
