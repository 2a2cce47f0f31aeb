//===- DeviceCapture.cpp - Recording what is enqueued ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceCapture.h"

#include "DeviceHandles.h"
#include "Error.h"

#include <cstring>

using namespace sparsedrop::runtime;

//===----------------------------------------------------------------------===//
// Captures
//===----------------------------------------------------------------------===//

int32_t sparsedrop::runtime::beginCapture(Device &device, Stream &stream) {
  if (&stream == &device.getDefaultStream())
    return fail("the default stream cannot be captured: expected a stream of "
                "its own");
  if (stream.isRecorded())
    return fail("the stream is being captured already");
  // Counts from here on, so that nobody begins to wait.
  auto capture = std::make_unique<StreamCapture>(device);
  if (stream.beginCapture() != 0)
    return 1;
  stream.capture = std::move(capture);
  return 0;
}

void sparsedrop::runtime::cancelCapture(Stream &stream) {
  attempt([&] { return stream.endCapture(nullptr); });
  stream.capture.reset();
}

sparsedrop_graph *
sparsedrop::runtime::endCapture(const std::shared_ptr<Device> &device,
                                Stream &stream) {
  if (!stream.capture) {
    fail("the stream is not being captured");
    return nullptr;
  }
  if (std::string failure = stream.capture->failure; !failure.empty()) {
    cancelCapture(stream);
    fail("the capture has failed: " + failure);
    return nullptr;
  }
  auto handle = std::make_unique<sparsedrop_graph>();
  int32_t status = stream.endCapture(&handle->graph);
  std::unique_ptr<StreamCapture> capture = std::move(stream.capture);
  if (status != 0)
    return nullptr;
  handle->device = device;
  handle->kept = std::move(capture->kept);
  return handle.release();
}

//===----------------------------------------------------------------------===//
// What is enqueued
//===----------------------------------------------------------------------===//

int32_t sparsedrop::runtime::refuseCaptured(Stream &stream, const char *why) {
  if (!stream.capture)
    return 0;
  std::string message = std::string("the stream is being captured: ") + why;
  if (stream.capture->failure.empty())
    stream.capture->failure = message;
  return fail(message);
}

int32_t sparsedrop::runtime::refuseCaptures(Device &device) {
  if (device.captures == 0)
    return 0;
  return fail("a stream of the device is being captured: nobody can wait for "
              "the device before that has ended");
}

/// Page-locked, so that replays need not wait for the copy.
int32_t sparsedrop::runtime::uploadCaptured(Stream &stream, uint64_t to,
                                            const void *from, uint64_t bytes) {
  Device &device = stream.capture->device;
  void *copy = device.allocateHost(bytes);
  if (!copy)
    return 1;
  stream.capture->kept.push_back(
      std::shared_ptr<void>(copy, [&device](void *memory) {
        attempt([&] { return device.freeHost(memory); });
      }));
  std::memcpy(copy, from, bytes);
  return device.upload(stream, to, copy, bytes);
}

//===----------------------------------------------------------------------===//
// C ABI
//===----------------------------------------------------------------------===//

int32_t sparsedrop_capture_begin(sparsedrop_device *device,
                                 sparsedrop_stream *stream) {
  Stream *found = findStream(*device->device, stream);
  return found ? beginCapture(*device->device, *found) : 1;
}

sparsedrop_graph *sparsedrop_capture_end(sparsedrop_device *device,
                                         sparsedrop_stream *stream) {
  Stream *found = findStream(*device->device, stream);
  return found ? endCapture(device->device, *found) : nullptr;
}

int32_t sparsedrop_capture_cancel(sparsedrop_device *device,
                                  sparsedrop_stream *stream) {
  Stream *found = findStream(*device->device, stream);
  if (!found)
    return 1;
  if (found->capture)
    cancelCapture(*found);
  return 0;
}

int32_t sparsedrop_graph_launch(sparsedrop_graph *graph,
                                sparsedrop_stream *stream) {
  Stream *found = findStream(*graph->device, stream);
  if (!found || refuseCaptured(*found, kNoGraphs) != 0)
    return 1;
  // By somebody else.
  if (found->isRecorded())
    return fail(std::string("the stream is being captured: ") + kNoGraphs);
  return graph->graph->launch(*found);
}

void sparsedrop_graph_destroy(sparsedrop_graph *graph) { delete graph; }
