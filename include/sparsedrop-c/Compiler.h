//===- sparsedrop-c/Compiler.h - Flat C API of the compiler -------*- C -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What other languages embed: parse or load MLIR, run pipelines, print, compile
// for a target, call. Plain C types only; no MLIR header is needed. Drawing
// patterns and searching distributions is in sparsedrop-c/Runtime.h, whose
// library this one loads.
//
// Conventions. Functions that can fail return null or a status other than 0;
// sparsedrop_last_error() (Runtime.h) then holds the calling thread's text: one
// line an error, "file:line:column: message". All strings are UTF-8 and end
// with a zero. Null is accepted by the destroy functions and nowhere else,
// unless a comment says so.
//
// Threads. Any number of contexts may be in use at once. Functions on one
// context and on its modules may be called from several threads and wait for
// each other; a module must not be used while it is being destroyed.
// Executables may be called from several threads without waiting. Contexts,
// modules and executables may be destroyed in any order.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_C_COMPILER_H
#define SPARSEDROP_C_COMPILER_H

#include "sparsedrop-c/Device.h"
#include "sparsedrop-c/Runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Raised by one whenever a function or a struct below changes its meaning.
#define SPARSEDROP_COMPILER_VERSION 2

/// The value that the loaded library was built with.
SPARSEDROP_API int32_t sparsedrop_compiler_version(void);

/// For people: the versions of SparseDrop and of MLIR.
SPARSEDROP_API const char *sparsedrop_compiler_version_text(void);

/// Receives text in one or more pieces, which do not end with a zero.
typedef void (*sparsedrop_text_callback)(const char *text, size_t length,
                                         void *user);

//===----------------------------------------------------------------------===//
// Contexts and diagnostics
//===----------------------------------------------------------------------===//

/// Owns what modules share.
typedef struct sparsedrop_context sparsedrop_context;

enum sparsedrop_severity {
  SPARSEDROP_NOTE = 0, ///< belongs to the diagnostic before it
  SPARSEDROP_WARNING = 1,
  SPARSEDROP_ERROR = 2,
  SPARSEDROP_REMARK = 3
};

typedef struct {
  int32_t severity;
  const char *file; ///< "" when the place is not known
  int32_t line, column;
  const char *message;
} sparsedrop_diagnostic;

/// `diagnostic` is valid during the call. Called on the thread that called the
/// library or on one of the compiler's, one at a time.
typedef void (*sparsedrop_diagnostic_callback)(
    const sparsedrop_diagnostic *diagnostic, void *user);

SPARSEDROP_API sparsedrop_context *sparsedrop_context_create(void);
SPARSEDROP_API void sparsedrop_context_destroy(sparsedrop_context *context);

/// Diagnostics of all kinds go to `callback` from now on; null: to nobody.
/// Errors end up in sparsedrop_last_error() as well.
SPARSEDROP_API void
sparsedrop_context_set_callback(sparsedrop_context *context,
                                sparsedrop_diagnostic_callback callback,
                                void *user);

/// Remarks whose category matches the regular expression `filter`
/// ("sparsedrop.*": what was compacted, what was not and why) become
/// diagnostics from now on. May be called once a context.
SPARSEDROP_API int32_t sparsedrop_context_enable_remarks(
    sparsedrop_context *context, const char *filter);

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

/// An MLIR module.
typedef struct sparsedrop_module sparsedrop_module;

/// Parses `length` bytes of text or bytecode, which need not end with a zero;
/// `name` stands in diagnostics where a file's name would.
SPARSEDROP_API sparsedrop_module *
sparsedrop_module_parse(sparsedrop_context *context, const char *text,
                        size_t length, const char *name);

/// Parses a file.
SPARSEDROP_API sparsedrop_module *
sparsedrop_module_load(sparsedrop_context *context, const char *path);

SPARSEDROP_API sparsedrop_module *
sparsedrop_module_clone(sparsedrop_module *module);
SPARSEDROP_API void sparsedrop_module_destroy(sparsedrop_module *module);

/// Runs passes in MLIR's textual form on the module:
/// "builtin.module(sparsedrop-pipeline{mode=compact})". All upstream passes are
/// known. After a failure the module is as the failing pass left it and may
/// only be destroyed.
SPARSEDROP_API int32_t sparsedrop_module_run(sparsedrop_module *module,
                                             const char *pipeline);

enum sparsedrop_print_flags {
  SPARSEDROP_PRINT_LOCATIONS = 1,
  SPARSEDROP_PRINT_GENERIC = 2,
  /// Names of values come from their locations, where those have names.
  SPARSEDROP_PRINT_NAMES = 4,
  SPARSEDROP_PRINT_BYTECODE = 8 ///< without the other flags
};

/// Prints the module to `callback`; `flags` is a sum of the above.
SPARSEDROP_API int32_t
sparsedrop_module_print(sparsedrop_module *module, int32_t flags,
                        sparsedrop_text_callback callback, void *user);

//===----------------------------------------------------------------------===//
// Arrays
//===----------------------------------------------------------------------===//

/// Element types of arrays: those of enum sparsedrop_type and these. Integers
/// of one width are one type, with or without a sign.
enum sparsedrop_array_type {
  SPARSEDROP_I1 = 16, ///< a byte, 0 or 1
  SPARSEDROP_I8 = 17,
  SPARSEDROP_I16 = 18,
  SPARSEDROP_I32 = 19,
  SPARSEDROP_I64 = 20,
  SPARSEDROP_INDEX = 21 ///< 64 bits
};

/// Strided memory. `shape` and `strides` have `rank` entries; strides count
/// elements and may be null for row-major contiguous memory.
typedef struct {
  void *data;
  int32_t type; ///< enum sparsedrop_type or sparsedrop_array_type
  int32_t rank;
  const int64_t *shape;
  const int64_t *strides;
  int32_t readOnly; ///< other than 0: a call that would write is refused
  int32_t onDevice; ///< other than 0: `data` is an address of a device's memory
  void *owner;      ///< of the library; null for the caller's own arrays
} sparsedrop_array;

/// Frees what the library allocated for `array` and zeroes it; nothing for the
/// caller's own arrays. Memory of a device, which must still be open, serves
/// the stream that it was allocated on again. If calls on other streams used
/// it, the device is waited for.
SPARSEDROP_API void sparsedrop_array_release(sparsedrop_array *array);

/// Makes an array in the memory of a device from one of the host. Waits for the
/// stream (null: the default one).
SPARSEDROP_API int32_t sparsedrop_array_upload(sparsedrop_device *device,
                                               sparsedrop_stream *stream,
                                               const sparsedrop_array *from,
                                               sparsedrop_array *to);
/// Copies a contiguous array of a device to one of the host, of the same type
/// and shape. Waits for the stream.
SPARSEDROP_API int32_t sparsedrop_array_download(sparsedrop_device *device,
                                                 sparsedrop_stream *stream,
                                                 const sparsedrop_array *from,
                                                 const sparsedrop_array *to);

/// A DLManagedTensor of DLPack (the struct without a version) on memory that
/// the library allocated on a device, which is freed when both the array and
/// the tensor have been released. `deviceType` and `deviceId` are DLPack's.
/// Other than 0, `elsewhere` says that work on other streams than the array's
/// may use it, so that the device is waited for before the memory is used
/// again. Null after a failure.
SPARSEDROP_API void *sparsedrop_array_to_dlpack(const sparsedrop_array *array,
                                                int32_t deviceType,
                                                int32_t deviceId,
                                                int32_t elsewhere);

//===----------------------------------------------------------------------===//
// Executables
//===----------------------------------------------------------------------===//

/// A function compiled for a target in one mode.
typedef struct sparsedrop_executable sparsedrop_executable;

/// Zero all of it, set `size`, then what is to differ from the defaults.
typedef struct {
  size_t size;        ///< sizeof(sparsedrop_compile_options)
  const char *target; ///< cpu or nvptx; null: nvptx if there is a chip
  const char *entry;  ///< the function; the only public one when null
  const char *mode;   ///< compact (also when null), masked, bernoulli, dense
  const char *method; ///< of the search: sgd (also when null) or maxent
  const int64_t *periods; ///< candidate periods, ascending; null: all from 1
  int64_t periodCount;
  int32_t instrument; ///< other than 0: calls count the work of each product
  const char *chip; ///< the GPU to compile for (sm_80, sm_90a); null: the host
  int32_t tf32; ///< other than 0: factors of f32 products are rounded to tf32
  /// File of measured kernels of products on a GPU, which go before the estimate
  /// (sparsedrop-tune writes it); null: none.
  const char *kernelTable;
  const char *const *exclude; ///< sites at which nothing is dropped
  int64_t excludeCount;
} sparsedrop_compile_options;

/// Compiles a function of `module`, which stays as it is, for a target.
/// `options` may be null.
SPARSEDROP_API sparsedrop_executable *
sparsedrop_compile(sparsedrop_module *module,
                   const sparsedrop_compile_options *options);
SPARSEDROP_API void
sparsedrop_executable_destroy(sparsedrop_executable *executable);

#define SPARSEDROP_DYNAMIC INT64_MIN

/// An input or a result: its type and its shape, with SPARSEDROP_DYNAMIC for
/// extents that are known at run time only. A scalar has rank 0.
typedef struct {
  int32_t type;
  int32_t rank;
  const int64_t *shape; ///< valid as long as the executable
  int32_t isTensor;
  /// Of an input: the result that is written into it (`sparsedrop.donate`), of
  /// a result: the input that it ends in; else -1.
  int64_t donation;
} sparsedrop_slot;

/// The function's name.
SPARSEDROP_API const char *
sparsedrop_executable_name(const sparsedrop_executable *executable);

/// Inputs are the function's arguments other than seed and step, in order.
SPARSEDROP_API int64_t
sparsedrop_executable_input_count(const sparsedrop_executable *executable);
SPARSEDROP_API int64_t
sparsedrop_executable_result_count(const sparsedrop_executable *executable);
SPARSEDROP_API int32_t
sparsedrop_executable_input(const sparsedrop_executable *executable,
                            int64_t index, sparsedrop_slot *slot);
SPARSEDROP_API int32_t
sparsedrop_executable_result(const sparsedrop_executable *executable,
                             int64_t index, sparsedrop_slot *slot);

/// Calls the function. `inputs` has an array for each input; one that is not
/// contiguous is copied, and copied back if it is donated. Of `results`, an
/// array whose data is null receives memory of the library (to be released with
/// sparsedrop_array_release), one with data, type and shape is written to, and
/// one that an input is donated to becomes that input. `results` may be null:
/// then only donated inputs tell what was computed. Fails, before anything is
/// written, for an array of another type or shape, misaligned or read-only
/// memory, and for a donated input or a result that overlaps another array.
SPARSEDROP_API int32_t sparsedrop_executable_call(
    const sparsedrop_executable *executable, const sparsedrop_array *inputs,
    int64_t inputCount, int64_t seed, int64_t step, sparsedrop_array *results,
    int64_t resultCount);

/// The same for a function compiled for a chip, on a stream of a device (null:
/// the default one); it returns before the device is done. Tensors are
/// contiguous memory of the device (`onDevice`) at multiples of 16 bytes,
/// scalars memory of the host. The device must stay open until the results have
/// been released. The code of such a function stays until the process ends:
/// devices know it by its address.
SPARSEDROP_API int32_t sparsedrop_executable_call_on(
    const sparsedrop_executable *executable, sparsedrop_device *device,
    sparsedrop_stream *stream, const sparsedrop_array *inputs,
    int64_t inputCount, int64_t seed, int64_t step, sparsedrop_array *results,
    int64_t resultCount);

/// A call that was recorded: a graph, and the arrays that it works on.
typedef struct sparsedrop_captured sparsedrop_captured;

/// Records a call instead of making it, for a function compiled for a chip, to
/// be launched any number of times. Fixed are seed and step, and so the
/// patterns, scalars, shapes, and the addresses of all arrays; what is in them
/// is read when it is launched. Donated inputs are updated by each launch.
/// `results` are as those of sparsedrop_executable_call_on(): each launch
/// overwrites them, and before the first one there is nothing in them. They may
/// be released before or after the captured call, whose memory they are until
/// it has been destroyed. Arrays of the library that it works on stay as long
/// as it does; the caller's own must do so. Nothing may wait for the device
/// meanwhile. Fails as a call does, before anything is recorded, and for a
/// function whose host part reads what is computed on the device. Null after a
/// failure.
SPARSEDROP_API sparsedrop_captured *sparsedrop_executable_capture(
    const sparsedrop_executable *executable, sparsedrop_device *device,
    const sparsedrop_array *inputs, int64_t inputCount, int64_t seed,
    int64_t step, sparsedrop_array *results, int64_t resultCount);

/// Does on a stream of the device (null: the default one) what the call would
/// have done, behind earlier launches on any stream; it returns before the
/// device is done.
SPARSEDROP_API int32_t sparsedrop_captured_launch(sparsedrop_captured *captured,
                                                  sparsedrop_stream *stream);
/// Waits until no launch of it runs.
SPARSEDROP_API void sparsedrop_captured_destroy(sparsedrop_captured *captured);

/// What the last successful call from this thread took: seconds without checks
/// and copies of arrays, and the most bytes of temporaries and results (of the
/// whole process, if other threads called meanwhile). Of a call on a device
/// these are the seconds until it returned and the bytes of the host.
SPARSEDROP_API void sparsedrop_last_call_costs(double *seconds,
                                               int64_t *peakBytes);

/// The JSON report of an instrumented executable on the calls that this thread
/// made since it last reset its counters (sparsedrop_reset_counts): the format
/// of `sparsedrop-run --report=json`. `seed` and `step` are only repeated in
/// it.
SPARSEDROP_API int32_t sparsedrop_executable_report(
    const sparsedrop_executable *executable, int64_t seed, int64_t step,
    sparsedrop_text_callback callback, void *user);

#ifdef __cplusplus
}
#endif

#endif // SPARSEDROP_C_COMPILER_H
