//===- DeviceAPI.cpp - C ABI: devices, memory, streams --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceCapture.h"
#include "DeviceHandles.h"

#include "Error.h"

using namespace sparsedrop::runtime;

int32_t sparsedrop_device_version() { return SPARSEDROP_DEVICE_VERSION; }

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

static const DeviceKind *findKind(const char *name) {
  static constexpr DeviceKind kKinds[] = {
      {"cuda", countCudaDevices, openCudaDevice},
      {"interp", countInterpDevices, openInterpDevice},
  };
  for (const DeviceKind &kind : kKinds)
    if (name && kind.name == name)
      return &kind;
  fail("'" + std::string(name ? name : "") +
       "' is no kind of device: there are cuda and interp");
  return nullptr;
}

int32_t sparsedrop_device_count(const char *kind, int32_t *count) {
  const DeviceKind *found = findKind(kind);
  *count = 0;
  return found ? found->count(*count) : 1;
}

sparsedrop_device *sparsedrop_device_open(const char *kind, int32_t ordinal) {
  const DeviceKind *found = findKind(kind);
  int32_t count = 0;
  if (!found || found->count(count) != 0)
    return nullptr;
  if (ordinal < 0 || ordinal >= count) {
    fail("there is no " + std::string(kind) + " device " +
         std::to_string(ordinal) + ": there are " + std::to_string(count));
    return nullptr;
  }
  auto handle = std::make_unique<sparsedrop_device>();
  handle->device = found->open(ordinal);
  if (!handle->device || handle->device->describe(handle->info) != 0)
    return nullptr;
  return handle.release();
}

void sparsedrop_device_close(sparsedrop_device *device) { delete device; }

int32_t sparsedrop_device_describe(sparsedrop_device *device,
                                   sparsedrop_device_info *info) {
  *info = device->info;
  return 0;
}

int32_t sparsedrop_device_synchronize(sparsedrop_device *device) {
  return refuseCaptures(*device->device) != 0 ? 1
                                              : device->device->synchronize();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

int32_t sparsedrop_device_alloc(sparsedrop_device *device, uint64_t bytes,
                                uint64_t *address) {
  *address = 0;
  return bytes ? device->device->allocate(bytes, *address) : 0;
}

int32_t sparsedrop_device_free(sparsedrop_device *device, uint64_t address) {
  return address ? device->device->free(address) : 0;
}

void *sparsedrop_host_alloc(sparsedrop_device *device, uint64_t bytes) {
  return device->device->allocateHost(bytes);
}

int32_t sparsedrop_host_free(sparsedrop_device *device, void *memory) {
  return memory ? device->device->freeHost(memory) : 0;
}

Stream *sparsedrop::runtime::findStream(Device &device,
                                        sparsedrop_stream *stream) {
  if (!stream)
    return &device.getDefaultStream();
  if (stream->device.get() == &device)
    return stream->stream.get();
  fail("the stream belongs to another device");
  return nullptr;
}

int32_t sparsedrop_device_upload(sparsedrop_device *device,
                                 sparsedrop_stream *stream, uint64_t to,
                                 const void *from, uint64_t bytes) {
  Stream *found = findStream(*device->device, stream);
  if (!found || !bytes)
    return found ? 0 : 1;
  return found->capture ? uploadCaptured(*found, to, from, bytes)
                        : device->device->upload(*found, to, from, bytes);
}

int32_t sparsedrop_device_download(sparsedrop_device *device,
                                   sparsedrop_stream *stream, void *to,
                                   uint64_t from, uint64_t bytes) {
  Stream *found = findStream(*device->device, stream);
  if (!found || !bytes)
    return found ? 0 : 1;
  // Replays write to it, so it must be memory that a device can write to.
  if (found->capture && !device->device->isPageLocked(to, bytes))
    return refuseCaptured(*found, "a copy to the host needs page-locked memory "
                                  "(sparsedrop_host_alloc)");
  return device->device->download(*found, to, from, bytes);
}

int32_t sparsedrop_device_copy(sparsedrop_device *device,
                               sparsedrop_stream *stream, uint64_t to,
                               uint64_t from, uint64_t bytes) {
  Stream *found = findStream(*device->device, stream);
  if (!found || !bytes)
    return found ? 0 : 1;
  return device->device->copy(*found, to, from, bytes);
}

int32_t sparsedrop_device_fill(sparsedrop_device *device,
                               sparsedrop_stream *stream, uint64_t to,
                               uint32_t value, int32_t elementBytes,
                               uint64_t count) {
  Stream *found = findStream(*device->device, stream);
  if (!found)
    return 1;
  if (elementBytes != 1 && elementBytes != 2 && elementBytes != 4)
    return fail("expected elements of 1, 2 or 4 bytes, but got " +
                std::to_string(elementBytes));
  if (to % elementBytes)
    return fail("the address to fill is not a multiple of " +
                std::to_string(elementBytes));
  return count ? device->device->fill(*found, to, value, elementBytes, count)
               : 0;
}

//===----------------------------------------------------------------------===//
// Streams
//===----------------------------------------------------------------------===//

static sparsedrop_stream *wrap(sparsedrop_device *device,
                               std::unique_ptr<Stream> stream) {
  return stream ? new sparsedrop_stream{device->device, std::move(stream)}
                : nullptr;
}

sparsedrop_stream *sparsedrop_stream_create(sparsedrop_device *device) {
  return wrap(device, device->device->createStream());
}

sparsedrop_stream *sparsedrop_stream_wrap(sparsedrop_device *device,
                                          void *native) {
  return wrap(device, device->device->wrapStream(native));
}

void sparsedrop_stream_destroy(sparsedrop_stream *stream) { delete stream; }

int32_t sparsedrop_stream_synchronize(sparsedrop_device *device,
                                      sparsedrop_stream *stream) {
  Stream *found = findStream(*device->device, stream);
  return !found || refuseCaptured(*found, kNoWaiting) != 0
             ? 1
             : found->synchronize();
}

/// A query's answer.
static int32_t answer(int32_t status, bool isDone, int32_t *to) {
  *to = isDone;
  return status;
}

int32_t sparsedrop_stream_query(sparsedrop_device *device,
                                sparsedrop_stream *stream, int32_t *isDone) {
  Stream *found = findStream(*device->device, stream);
  bool done = false;
  bool canAsk = found && refuseCaptured(*found, kNoWaiting) == 0;
  return answer(canAsk ? found->query(done) : 1, done, isDone);
}

int32_t sparsedrop_stream_wait(sparsedrop_device *device,
                               sparsedrop_stream *stream,
                               sparsedrop_event *event) {
  Stream *found = findStream(*device->device, stream);
  if (!found)
    return 1;
  if (event->device != device->device)
    return fail("the event belongs to another device");
  if (refuseCaptured(*found, kNoEvents) != 0)
    return 1;
  return found->wait(*event->event);
}

//===----------------------------------------------------------------------===//
// Events
//===----------------------------------------------------------------------===//

sparsedrop_event *sparsedrop_event_create(sparsedrop_device *device) {
  std::unique_ptr<Event> event = device->device->createEvent();
  return event ? new sparsedrop_event{device->device, std::move(event)}
               : nullptr;
}

void sparsedrop_event_destroy(sparsedrop_event *event) { delete event; }

int32_t sparsedrop_event_record(sparsedrop_event *event,
                                sparsedrop_stream *stream) {
  Stream *found = findStream(*event->device, stream);
  return !found || refuseCaptured(*found, kNoEvents) != 0
             ? 1
             : event->event->record(*found);
}

int32_t sparsedrop_event_synchronize(sparsedrop_event *event) {
  return event->event->synchronize();
}

int32_t sparsedrop_event_query(sparsedrop_event *event, int32_t *isDone) {
  bool done = false;
  int32_t status = event->event->query(done);
  return answer(status, done, isDone);
}

int32_t sparsedrop_event_elapsed(sparsedrop_event *start, sparsedrop_event *end,
                                 double *milliseconds) {
  *milliseconds = 0;
  if (start->device != end->device)
    return fail("the events belong to different devices");
  return end->event->getElapsed(*start->event, *milliseconds);
}
