//===- sparsedrop-c/Program.h - Programs compiled for a device ----*- C -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the host code of a program compiled for a GPU calls. A program runs on
// the thread that calls it, on one stream, between sparsedrop_program_enter()
// and sparsedrop_program_leave(); both nest. In between, functions that have no
// status report failures as sparsedrop_fail() does: the section keeps the first
// one, and from then on nothing is launched, copied or allocated.
//
// Nothing waits for the device but what says so.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_C_PROGRAM_H
#define SPARSEDROP_C_PROGRAM_H

#include "sparsedrop-c/Device.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Raised by one whenever a function or a struct below changes its meaning.
#define SPARSEDROP_PROGRAM_VERSION 2

/// The kernels of a program, which devices know by its address: it must stay
/// where it is, with all that it points to, as long as the process runs.
typedef struct {
  size_t size;      ///< sizeof(sparsedrop_program_image)
  const char *chip; ///< what the code is for: "sm_90a"
  const char *ptx;  ///< may end with a zero
  uint64_t ptxBytes;
  const void *cubin; ///< tried first on a GPU; may be null
  uint64_t cubinBytes;
  const char *const *kernels; ///< names
  int64_t kernelCount;
  const char *const *constants; ///< names of variables of the PTX
  int64_t constantCount;
  /// Whether kernels wait by themselves for what was launched before
  /// (griddepcontrol): each may be launched while that still runs.
  int64_t overlaps;
} sparsedrop_program_image;

/// Opens a guarded section (sparsedrop_enter) in which the calling thread's
/// programs use `device`, `stream` (null: the default one) and `image`, which
/// is loaded into the device the first time. Code for sm_90a runs on
/// exactly 9.0, code for sm_90 on 9.0 and later; anything else is a failure.
/// The section is open also after a failure: sparsedrop_program_leave() must
/// follow.
SPARSEDROP_API int32_t
sparsedrop_program_enter(sparsedrop_device *device, sparsedrop_stream *stream,
                         const sparsedrop_program_image *image);

/// Closes the section; 1 if something failed in it, else 0.
SPARSEDROP_API int32_t sparsedrop_program_leave(void);

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

/// What the calling thread's programs do on `stream` from now on is recorded
/// instead of run, as by sparsedrop_capture_begin(), which is called when the
/// first program has entered and all of its code is loaded. Everything that the
/// host part computes is fixed: patterns, sizes, addresses, scalars, tensor
/// maps.
///
/// Memory that programs allocate meanwhile, results too, is the graph's alone,
/// since each launch writes to it; it is not given back to the device either.
/// What is released before the graph goes serves nobody else until then.
///
/// A program that waits for the device (sparsedrop_program_read and _download)
/// fails, and so does one that finds no memory: nothing can be given back
/// meanwhile. Then there is no graph. Fails if the thread is capturing already;
/// programs cannot enter on a stream that is captured by anything else.
SPARSEDROP_API int32_t sparsedrop_program_capture_begin(
    sparsedrop_device *device, sparsedrop_stream *stream);
/// Ends the calling thread's capture, in any case; null after a failure, also
/// of a program in the capture. sparsedrop_graph_destroy() makes the graph's
/// memory that of all streams, results when they have been released as well.
SPARSEDROP_API sparsedrop_graph *sparsedrop_program_capture_end(void);

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Memory of the device, aligned to 256 bytes (a larger `alignment` is a
/// failure), which the current stream may use at once: what it freed before is
/// used again, since its work is in order. Null for 0 bytes, and after a
/// failure. When the device has no memory left, blocks that nobody uses are
/// given back to it (which waits), and then it is a failure.
SPARSEDROP_API void *sparsedrop_program_alloc(uint64_t alignment,
                                              uint64_t bytes);
/// To the pool of the stream that it was allocated for, whose next allocation
/// may have it at once: what other streams do with it must be done. Once the
/// stream has been destroyed, any stream may have it. Null is accepted.
SPARSEDROP_API void sparsedrop_program_free(void *pointer);

/// The same for a result of a program, outside of a section. What has not been
/// released when the last handle of the device goes, goes with it.
SPARSEDROP_API int32_t sparsedrop_program_release(sparsedrop_device *device,
                                                  void *pointer);

/// Waits for the device and gives unused blocks of all streams back to it; a
/// status, since what failed on the device is told here as by
/// sparsedrop_device_synchronize().
SPARSEDROP_API int32_t sparsedrop_program_trim(sparsedrop_device *device);

/// Copies inside the device, in the order of the stream.
SPARSEDROP_API void sparsedrop_program_copy(void *to, const void *from,
                                            int64_t bytes);
/// Copies from the host; `from` may change when the call returns, which waits
/// for the stream if `from` is page-locked.
SPARSEDROP_API void sparsedrop_program_upload(void *to, const void *from,
                                              int64_t bytes);
/// Copies to the host. Waits for the stream.
SPARSEDROP_API void sparsedrop_program_download(void *to, const void *from,
                                                int64_t bytes);
/// 1 to 8 bytes, the other bits are zero. Waits for the stream.
SPARSEDROP_API int64_t sparsedrop_program_read(const void *address,
                                               int64_t bytes);

/// The address of variable image->constants[index].
SPARSEDROP_API void *sparsedrop_program_constant(int64_t index);

/// Fails unless argument `index` of the program, an array of `bytes` bytes,
/// lies in memory of the device at a multiple of 16 bytes. An empty array may
/// lie anywhere. A GPU's driver is asked about the first and the last byte.
SPARSEDROP_API void sparsedrop_program_check_argument(int64_t index,
                                                      const void *address,
                                                      int64_t bytes);

/// Fails unless an extent, or a product of extents, is in [0, 2^31 - 2^25):
/// kernels count with 32 bits.
SPARSEDROP_API void sparsedrop_program_check_extent(int64_t extent);

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// Enqueues kernel image->kernels[kernel] with blocks of `threads` threads and
/// dynamic shared memory. `parameters` has `count` words of 8 bytes: `maps`
/// tensor maps of 16 words each, which are the kernel's first parameters, then
/// one word for each other parameter. A grid with a zero does nothing. What can
/// be checked before a launch is, as by sparsedrop_kernel_launch(); the failure
/// names the kernel, the grid and the parameters.
SPARSEDROP_API void sparsedrop_program_launch(int64_t kernel, int64_t gridX,
                                              int64_t gridY, int64_t gridZ,
                                              int64_t threads,
                                              int64_t sharedBytes,
                                              const int64_t *parameters,
                                              int64_t count, int64_t maps);

/// The same for a kernel whose only parameter are `count` words: the records of
/// several groups of blocks, which the kernel tells apart by the third number
/// of its blocks. The grid is gridX x 1 x groups.
SPARSEDROP_API void
sparsedrop_program_launch_groups(int64_t kernel, int64_t gridX, int64_t groups,
                                 int64_t threads, int64_t sharedBytes,
                                 const int64_t *records, int64_t count);

/// Writes the tensor map (16 words) of an array that starts at `address`.
/// `shape` has four words for each dimension, from the innermost to the
/// outermost: its extent in elements, its stride in bytes (1 element in the
/// innermost one, where it is not read), the extent of a box, and the step from
/// one element of a box to the next (1 in the innermost one): a box of 16
/// elements with a step of 2 has 8 of them. `type` is of
/// enum sparsedrop_tensor_map_type, `swizzle` is 0, 32, 64 or 128 bytes.
/// Elements outside of the array are read as zeros. An array without elements
/// has a map of zeros, which no kernel may use. A failure names the dimension
/// and the rule that it breaks.
SPARSEDROP_API void sparsedrop_program_map(int64_t *map, const void *address,
                                           int64_t type, int64_t swizzle,
                                           int64_t rank, const int64_t *shape);

/// Multiprocessors of the device: as many blocks keep all of it busy.
SPARSEDROP_API int64_t sparsedrop_program_processors(void);

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

/// What programs did on a device since the last reset. What they did in a
/// capture counts once, launches of graphs do not.
typedef struct {
  uint64_t launches, copies, uploads; ///< that were enqueued
  uint64_t synchronizations;          ///< times that the host waited
  uint64_t allocations;               ///< that the pool could not serve
  uint64_t bytesInUse, bytesPeak;     ///< rounded up as the pool does
} sparsedrop_program_statistics;

SPARSEDROP_API void
sparsedrop_program_statistics_of(sparsedrop_device *device,
                                 sparsedrop_program_statistics *statistics);
/// The peak becomes what is in use.
SPARSEDROP_API void
sparsedrop_program_statistics_reset(sparsedrop_device *device);

#ifdef __cplusplus
}
#endif

#endif // SPARSEDROP_C_PROGRAM_H
