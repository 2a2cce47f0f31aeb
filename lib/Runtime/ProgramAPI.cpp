//===- ProgramAPI.cpp - C API of programs on a device ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceHandles.h"
#include "Error.h"
#include "Programs.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>

using namespace sparsedrop::runtime;

namespace {
/// A section of the calling thread.
struct Section {
  Device *device = nullptr;
  Stream *stream = nullptr;
  Programs *programs = nullptr;
  LoadedImage *image = nullptr;
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
  return sections.back().failed ? nullptr : &sections.back();
}

/// Ends what a call does when `status` is one of failure.
static bool check(Section *section, int32_t status) {
  if (status == 0)
    return true;
  section->failed = true;
  std::string message = sparsedrop_last_error();
  sparsedrop_fail(message.c_str());
  return false;
}

//===----------------------------------------------------------------------===//
// Sections
//===----------------------------------------------------------------------===//

int32_t sparsedrop_program_enter(sparsedrop_device *device,
                                 sparsedrop_stream *stream,
                                 const sparsedrop_program_image *image) {
  sparsedrop_enter();
  Section section;
  std::vector<Section> &sections = getSections();
  if (!device) {
    fail("a program was called without a device");
  } else {
    section.device = device->device.get();
    section.stream = findStream(*section.device, stream);
    section.programs = &Programs::get(*section.device);
    if (section.stream)
      section.image = section.programs->find(image, device->info);
  }
  section.failed = !section.image;
  sections.push_back(section);
  return section.failed;
}

int32_t sparsedrop_program_leave() {
  std::vector<Section> &sections = getSections();
  if (sections.empty())
    return fail("sparsedrop_program_leave was called outside of a section");
  sections.pop_back();
  return sparsedrop_leave();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

void *sparsedrop_program_alloc(uint64_t, uint64_t bytes) {
  Section *section = getSection();
  uint64_t address = 0;
  if (!section || !check(section, section->programs->pool.allocate(
                                      *section->stream, bytes, address)))
    return nullptr;
  return reinterpret_cast<void *>(address);
}

void sparsedrop_program_free(void *pointer) {
  std::vector<Section> &sections = getSections();
  // Also after a failure, so that nothing is lost.
  if (!sections.empty() && sections.back().programs)
    sections.back().programs->pool.free(toAddress(pointer));
}

int32_t sparsedrop_program_release(sparsedrop_device *device, void *pointer) {
  return Programs::get(*device->device).pool.free(toAddress(pointer));
}

void sparsedrop_program_trim(sparsedrop_device *device) {
  Programs::get(*device->device).pool.trim();
}

void sparsedrop_program_copy(void *to, const void *from, int64_t bytes) {
  Section *section = getSection();
  if (!section || bytes <= 0)
    return;
  ++section->programs->copies;
  check(section,
        section->device->copy(*section->stream, toAddress(to), toAddress(from),
                              static_cast<uint64_t>(bytes)));
}

void sparsedrop_program_download(void *to, const void *from, int64_t bytes) {
  Section *section = getSection();
  if (!section || bytes <= 0)
    return;
  ++section->programs->synchronizations;
  if (check(section,
            section->device->download(*section->stream, to, toAddress(from),
                                      static_cast<uint64_t>(bytes))))
    check(section, section->stream->synchronize());
}

int64_t sparsedrop_program_read(const void *address, int64_t bytes) {
  int64_t word = 0;
  if (bytes > 0 && bytes <= 8)
    sparsedrop_program_download(&word, address, bytes);
  return word;
}

/// The driver copies from memory that is not page-locked before it returns, the
/// interpreter does not: it gets a copy and is waited for.
void sparsedrop_program_upload(void *to, const void *from, int64_t bytes) {
  Section *section = getSection();
  if (!section || bytes <= 0)
    return;
  ++section->programs->uploads;
  if (check(section,
            section->device->upload(*section->stream, toAddress(to), from,
                                    static_cast<uint64_t>(bytes))))
    check(section, section->device->finishUpload(*section->stream));
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
                  "are not memory of the device",
                  index, address, bytes);
    check(section, fail(text));
  }
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

void sparsedrop_program_launch(int64_t kernel, int64_t gridX, int64_t gridY,
                               int64_t gridZ, int64_t threads,
                               int64_t sharedBytes, const int64_t *parameters,
                               int64_t count) {
  Section *section = getSection();
  if (!section || gridX == 0 || gridY == 0 || gridZ == 0)
    return;
  std::vector<const void *> pointers;
  std::vector<uint64_t> sizes(static_cast<size_t>(count), 8);
  for (int64_t i = 0; i < count; ++i)
    pointers.push_back(parameters + i);
  sparsedrop_launch launch = {};
  launch.size = sizeof(launch);
  int64_t grid[] = {gridX, gridY, gridZ};
  for (int i = 0; i < 3; ++i) {
    if (grid[i] < 0 || grid[i] > INT32_MAX) {
      check(section, fail("a launch of kernel " + std::to_string(kernel) +
                          " with " + std::to_string(grid[i]) + " blocks"));
      return;
    }
    launch.grid[i] = static_cast<uint32_t>(grid[i]);
    launch.block[i] = i == 0 ? static_cast<uint32_t>(threads) : 1;
  }
  launch.sharedBytes = static_cast<uint32_t>(sharedBytes);
  launch.parameters = pointers.data();
  launch.parameterBytes = sizes.data();
  launch.parameterCount = static_cast<int32_t>(count);
  ++section->programs->launches;
  check(section, section->image->launch(kernel, *section->stream, launch));
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
  statistics->synchronizations = programs.synchronizations;
  statistics->allocations = programs.pool.misses;
  statistics->bytesInUse = programs.pool.bytesInUse;
  statistics->bytesPeak = programs.pool.bytesPeak;
}

void sparsedrop_program_statistics_reset(sparsedrop_device *device) {
  Programs &programs = Programs::get(*device->device);
  programs.launches = programs.copies = programs.uploads = 0;
  programs.synchronizations = 0;
  programs.pool.misses = 0;
  programs.pool.bytesPeak = programs.pool.bytesInUse.load();
}
