//===- ProgramCapture.cpp - Graphs of programs ----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramCapture.h"

#include "DeviceCapture.h"
#include "DeviceHandles.h"
#include "Error.h"

using namespace sparsedrop::runtime;

static std::unique_ptr<ProgramCapture> &getCapture() {
  thread_local std::unique_ptr<ProgramCapture> capture;
  return capture;
}

ProgramCapture *ProgramCapture::get() { return getCapture().get(); }

ProgramCapture::ProgramCapture(std::shared_ptr<Device> device,
                               std::shared_ptr<Stream> stream)
    : device(std::move(device)), stream(std::move(stream)) {
  Pool &pool = Programs::get(*this->device).pool;
  memoryUser = pool.beginGraph();
  // The pool is the device's, which graphs keep.
  memory = std::shared_ptr<void>(&pool, [user = memoryUser](void *owner) {
    static_cast<Pool *>(owner)->endGraph(user);
  });
}

/// Of a thread that ends in a capture, or after a failure.
ProgramCapture::~ProgramCapture() {
  if (stream->capture && isStarted)
    cancelCapture(*stream);
}

int32_t ProgramCapture::startRecording() {
  if (isStarted && !stream->capture)
    return fail("somebody else has ended the capture of the stream");
  if (isStarted)
    return 0;
  if (beginCapture(*device, *stream) != 0)
    return 1;
  isStarted = true;
  stream->capture->kept.push_back(memory);
  return 0;
}

int32_t ProgramCapture::start(LoadedImage &image) {
  image.findAll();
  return startRecording();
}

void ProgramCapture::noteFailure() {
  if (failure.empty())
    failure = sparsedrop_last_error();
}

sparsedrop_graph *ProgramCapture::end() {
  if (!failure.empty()) {
    fail("the capture has failed: " + failure);
    return nullptr;
  }
  if (startRecording() != 0)
    return nullptr;
  isStarted = false;
  return endCapture(device, *stream);
}

//===----------------------------------------------------------------------===//
// C API
//===----------------------------------------------------------------------===//

int32_t sparsedrop_program_capture_begin(sparsedrop_device *device,
                                         sparsedrop_stream *stream) {
  if (ProgramCapture::get())
    return fail("the thread is capturing programs already");
  if (!findStream(*device->device, stream))
    return 1;
  if (!stream)
    return fail("the default stream cannot be captured: expected a stream of "
                "its own");
  if (stream->stream->isRecorded())
    return fail("the stream is being captured already");
  getCapture() =
      std::make_unique<ProgramCapture>(device->device, stream->stream);
  return 0;
}

sparsedrop_graph *sparsedrop_program_capture_end() {
  std::unique_ptr<ProgramCapture> capture = std::move(getCapture());
  if (capture)
    return capture->end();
  fail("the thread is not capturing programs");
  return nullptr;
}
