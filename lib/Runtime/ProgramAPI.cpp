//===- ProgramAPI.cpp - C API of programs on a device ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceCapture.h"
#include "DeviceHandles.h"
#include "Error.h"
#include "ProgramCapture.h"
#include "Programs.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

using namespace sparsedrop::runtime;

namespace {
/// A section of the calling thread.
struct Section {
  sparsedrop_device *handle = nullptr;
  Device *device = nullptr;
  Stream *stream = nullptr;
  Programs *programs = nullptr;
  LoadedImage *image = nullptr;
  uint64_t memoryUser = 0; ///< of the pool
  bool failed = false;
};
} // namespace

static std::vector<Section> &getSections() {
  thread_local std::vector<Section> sections;
  return sections;
}

static uint64_t toAddress(const void *pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

/// The section that a call acts in; null after a failure in it, or if there is
/// none.
static Section *getSection() {
  std::vector<Section> &sections = getSections();
  if (sections.empty()) {
    sparsedrop_fail("a program's function was called outside of a section");
    return nullptr;
  }
  // Also one that did not come from here: a pattern out of its range.
  if (hasFailed())
    sections.back().failed = true;
  return sections.back().failed ? nullptr : &sections.back();
}

/// Whether `status` is one of success; nothing runs in the section otherwise.
static bool check(Section *section, int32_t status) {
  section->failed |= status != 0;
  return status == 0;
}

//===----------------------------------------------------------------------===//
// Sections
//===----------------------------------------------------------------------===//

/// Whose memory a section allocates: the stream's, or that of the graph that
/// the thread captures there. A status.
static int32_t findMemoryUser(Section &section) {
  ProgramCapture *capture = ProgramCapture::get();
  if (capture && capture->isOn(*section.stream)) {
    section.memoryUser = capture->getMemoryUser();
    return capture->start(*section.image);
  }
  section.memoryUser = section.stream->getNumber();
  if (!section.stream->isRecorded())
    return 0;
  return fail("the stream is being captured, but not by "
              "sparsedrop_program_capture_begin() on this thread: the graph "
              "would use memory that the program has given back");
}

int32_t sparsedrop_program_enter(sparsedrop_device *device,
                                 sparsedrop_stream *stream,
                                 const sparsedrop_program_image *image) {
  sparsedrop_enter();
  Section section;
  std::vector<Section> &sections = getSections();
  if (!device) {
    fail("a program was called without a device");
  } else {
    section.handle = device;
    section.device = device->device.get();
    section.stream = findStream(*section.device, stream);
    section.programs = &Programs::get(*section.device);
    if (section.stream)
      section.image = section.programs->find(image, device->info);
  }
  section.failed = !section.image || findMemoryUser(section) != 0;
  sections.push_back(section);
  return section.failed;
}

int32_t sparsedrop_program_leave() {
  std::vector<Section> &sections = getSections();
  if (sections.empty())
    return fail("sparsedrop_program_leave was called outside of a section");
  Stream *stream = sections.back().stream;
  sections.pop_back();
  int32_t status = sparsedrop_leave();
  ProgramCapture *capture = ProgramCapture::get();
  if (status != 0 && capture && stream && capture->isOn(*stream))
    capture->noteFailure();
  return status;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

void *sparsedrop_program_alloc(uint64_t alignment, uint64_t bytes) {
  constexpr uint64_t kMost = 256;
  Section *section = getSection();
  if (!section)
    return nullptr;
  if (alignment > kMost) {
    check(section, fail("expected an alignment of at most 256 bytes, but got " +
                        std::to_string(alignment)));
    return nullptr;
  }
  uint64_t address = 0;
  check(section,
        section->programs->pool.allocate(section->memoryUser, bytes, address));
  return reinterpret_cast<void *>(address);
}

void sparsedrop_program_free(void *pointer) {
  std::vector<Section> &sections = getSections();
  if (sections.empty())
    sparsedrop_fail("a program's function was called outside of a section");
  // Also after a failure, so that nothing is lost.
  else if (Section &section = sections.back(); section.programs)
    check(&section, section.programs->pool.free(toAddress(pointer)));
}

int32_t sparsedrop_program_release(sparsedrop_device *device, void *pointer) {
  return Programs::get(*device->device).pool.free(toAddress(pointer));
}

int32_t sparsedrop_program_trim(sparsedrop_device *device) {
  return Programs::get(*device->device).pool.trim();
}

void sparsedrop_program_copy(void *to, const void *from, int64_t bytes) {
  Section *section = getSection();
  if (!section || bytes <= 0)
    return;
  if (check(section, section->device->copy(*section->stream, toAddress(to),
                                           toAddress(from),
                                           static_cast<uint64_t>(bytes))))
    ++section->programs->copies;
}

void sparsedrop_program_download(void *to, const void *from, int64_t bytes) {
  Section *section = getSection();
  if (!section || bytes <= 0)
    return;
  if (section->stream->capture) {
    check(section, fail("the program needs a value of the device on the host, "
                        "which a graph has only when it is launched: call the "
                        "program without capturing it"));
    return;
  }
  ++section->programs->synchronizations;
  if (check(section,
            section->device->download(*section->stream, to, toAddress(from),
                                      static_cast<uint64_t>(bytes))))
    check(section, section->stream->synchronize());
}

int64_t sparsedrop_program_read(const void *address, int64_t bytes) {
  int64_t word = 0;
  if (bytes >= 1 && bytes <= 8)
    sparsedrop_program_download(&word, address, bytes);
  else if (Section *section = getSection())
    check(section, fail("expected to read 1 to 8 bytes, but got " +
                        std::to_string(bytes)));
  return word;
}

void sparsedrop_program_upload(void *to, const void *from, int64_t bytes) {
  Section *section = getSection();
  if (!section || bytes <= 0)
    return;
  bool hasWaited = false;
  auto size = static_cast<uint64_t>(bytes);
  int32_t status =
      section->stream->capture
          ? uploadCaptured(*section->stream, toAddress(to), from, size)
          : section->device->uploadNow(*section->stream, toAddress(to), from,
                                       size, hasWaited);
  if (check(section, status))
    ++section->programs->uploads;
  section->programs->synchronizations += hasWaited;
}

void *sparsedrop_program_constant(int64_t index) {
  Section *section = getSection();
  uint64_t address = 0;
  if (section)
    check(section, section->image->findConstant(index, address));
  return reinterpret_cast<void *>(address);
}

void sparsedrop_program_check_argument(int64_t index, const void *address,
                                       int64_t bytes) {
  Section *section = getSection();
  if (!section || bytes <= 0)
    return;
  char text[160];
  if (toAddress(address) % 16 != 0) {
    std::snprintf(text, sizeof(text),
                  "argument %" PRId64
                  " is at %p, which is not a multiple of 16 "
                  "bytes",
                  index, address);
    check(section, fail(text));
  } else if (!section->device->contains(toAddress(address),
                                        static_cast<uint64_t>(bytes))) {
    std::snprintf(text, sizeof(text),
                  "argument %" PRId64 " is at %p: %" PRId64 " bytes from there "
                  "are not memory of the device; is it an array of the "
                  "host?",
                  index, address, bytes);
    check(section, fail(text));
  }
}

void sparsedrop_program_check_extent(int64_t extent) {
  constexpr int64_t kMost = (int64_t(1) << 31) - (1 << 25);
  Section *section = getSection();
  if (section && (extent < 0 || extent >= kMost))
    check(section, fail("an extent, or a product of extents, is " +
                        std::to_string(extent) + ": kernels take fewer than " +
                        std::to_string(kMost)));
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

static void launch(int64_t kernel, const ProgramLaunch &launch) {
  Section *section = getSection();
  if (!section || std::count(launch.grid, launch.grid + 3, 0) != 0)
    return;
  if (check(section, section->image->launch(kernel, *section->stream, launch)))
    ++section->programs->launches;
}

void sparsedrop_program_launch(int64_t kernel, int64_t gridX, int64_t gridY,
                               int64_t gridZ, int64_t threads,
                               int64_t sharedBytes, const int64_t *parameters,
                               int64_t count, int64_t maps) {
  launch(
      kernel,
      {{gridX, gridY, gridZ}, threads, sharedBytes, parameters, count, maps});
}

void sparsedrop_program_launch_groups(int64_t kernel, int64_t gridX,
                                      int64_t groups, int64_t threads,
                                      int64_t sharedBytes,
                                      const int64_t *records, int64_t count) {
  launch(kernel, {{gridX, 1, groups},
                  threads,
                  sharedBytes,
                  records,
                  count,
                  /*maps=*/0,
                  /*isOneParameter=*/true});
}

void sparsedrop_program_map(int64_t *map, const void *address, int64_t type,
                            int64_t swizzle, int64_t rank,
                            const int64_t *shape) {
  Section *section = getSection();
  if (!section)
    return;
  sparsedrop_tensor_map whole = {};
  whole.size = sizeof(whole);
  whole.type = static_cast<int32_t>(type);
  whole.rank = static_cast<int32_t>(rank);
  whole.address = reinterpret_cast<uintptr_t>(address);
  whole.swizzle = static_cast<int32_t>(swizzle);
  whole.promotion = 256;
  for (int64_t i = 0; i < std::min<int64_t>(rank, 5); ++i) {
    const int64_t *dim = shape + 4 * i;
    whole.dims[i] = static_cast<uint64_t>(dim[0]);
    if (i > 0)
      whole.strides[i - 1] = static_cast<uint64_t>(dim[1]);
    whole.box[i] = static_cast<uint32_t>(dim[2]);
    whole.elementStrides[i] = static_cast<uint32_t>(dim[3]);
    if (dim[0] == 0) {
      std::fill_n(map, kMapWords, 0);
      return;
    }
  }
  // Encoded where the driver wants it.
  alignas(128) int64_t encoded[kMapWords];
  if (check(section,
            sparsedrop_tensor_map_encode(section->handle, &whole, encoded)))
    std::copy_n(encoded, kMapWords, map);
}

int64_t sparsedrop_program_processors() {
  Section *section = getSection();
  return section ? section->image->getProcessors() : 1;
}

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

void sparsedrop_program_statistics_of(
    sparsedrop_device *device, sparsedrop_program_statistics *statistics) {
  Programs &programs = Programs::get(*device->device);
  statistics->launches = programs.launches;
  statistics->copies = programs.copies;
  statistics->uploads = programs.uploads;
  Pool::Statistics memory = programs.pool.getStatistics();
  statistics->synchronizations =
      programs.synchronizations + memory.synchronizations;
  statistics->allocations = memory.misses;
  statistics->bytesInUse = memory.bytesInUse;
  statistics->bytesPeak = memory.bytesPeak;
}

void sparsedrop_program_statistics_reset(sparsedrop_device *device) {
  Programs &programs = Programs::get(*device->device);
  programs.launches = programs.copies = programs.uploads = 0;
  programs.synchronizations = 0;
  programs.pool.resetStatistics();
}
