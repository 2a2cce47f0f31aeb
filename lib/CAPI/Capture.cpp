//===- Capture.cpp - Calls that are recorded and launched again -----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Arrays.h"
#include "Call.h"

#include "sparsedrop-c/Program.h"

#include "llvm/ADT/SmallVector.h"

using namespace mlir;
using namespace mlir::sparsedrop::capi;

struct sparsedrop_captured {
  sparsedrop_graph *graph = nullptr;
  std::string name; ///< of the function
  /// Of the arrays that were given, where they are the library's.
  llvm::SmallVector<Owner *> owners;

  ~sparsedrop_captured() {
    sparsedrop_graph_destroy(graph);
    for (Owner *owner : owners)
      owner->release();
  }
};

namespace {
/// A stream to record on. None of the caller's is needed: nothing runs on it.
class CaptureStream {
public:
  explicit CaptureStream(sparsedrop_device *device)
      : stream(sparsedrop_stream_create(device)) {}
  ~CaptureStream() { sparsedrop_stream_destroy(stream); }
  sparsedrop_stream *const stream;
};
} // namespace

/// Records a call; null, with what is wrong, after a failure.
static sparsedrop_graph *
record(const sparsedrop_executable &executable, sparsedrop_device *device,
       ArrayRef<sparsedrop_array> inputs, int64_t seed, int64_t step,
       MutableArrayRef<sparsedrop_array> results, std::string &problem) {
  CaptureStream on(device);
  if (!on.stream || sparsedrop_program_capture_begin(device, on.stream) != 0) {
    problem = sparsedrop_last_error();
    return nullptr;
  }
  problem = runCall(executable, {device, on.stream}, inputs, seed, step,
                    results, /*isCaptured=*/true);
  sparsedrop_graph *graph = sparsedrop_program_capture_end();
  if (problem.empty() && !graph)
    problem = sparsedrop_last_error();
  if (problem.empty())
    return graph;
  sparsedrop_graph_destroy(graph);
  return nullptr;
}

sparsedrop_captured *sparsedrop_executable_capture(
    const sparsedrop_executable *executable, sparsedrop_device *device,
    const sparsedrop_array *inputs, int64_t inputCount, int64_t seed,
    int64_t step, sparsedrop_array *results, int64_t resultCount) {
  if (!device) {
    fail(executable->name + ": expected a device, but got none");
    return nullptr;
  }
  std::string problem = checkCounts(inputCount, resultCount);
  if (!problem.empty()) {
    fail(executable->name + ": " + problem);
    return nullptr;
  }
  ArrayRef<sparsedrop_array> given(inputs, static_cast<size_t>(inputCount));
  MutableArrayRef<sparsedrop_array> wanted(
      results, static_cast<size_t>(results ? resultCount : 0));
  llvm::SmallVector<sparsedrop_array> before(wanted);
  sparsedrop_graph *graph =
      record(*executable, device, given, seed, step, wanted, problem);
  if (!graph) {
    // What was handed out is of no use, and no longer there for the caller.
    for (auto [result, earlier] : llvm::zip(wanted, before)) {
      if (result.owner && !earlier.data)
        sparsedrop_array_release(&result);
      result = earlier;
    }
    fail(executable->name + ": " + problem);
    return nullptr;
  }
  auto captured = std::make_unique<sparsedrop_captured>();
  captured->graph = graph;
  captured->name = executable->name;
  auto keep = [&](const sparsedrop_array &array) {
    auto *owner = static_cast<Owner *>(array.owner);
    if (!array.data || !owner)
      return;
    owner->retain();
    captured->owners.push_back(owner);
  };
  llvm::for_each(given, keep);
  llvm::for_each(before, keep);
  return captured.release();
}

int32_t sparsedrop_captured_launch(sparsedrop_captured *captured,
                                   sparsedrop_stream *stream) {
  for (Owner *owner : captured->owners)
    owner->noteUse(stream);
  if (sparsedrop_graph_launch(captured->graph, stream) == 0)
    return 0;
  return fail(captured->name + ": " + sparsedrop_last_error());
}

void sparsedrop_captured_destroy(sparsedrop_captured *captured) {
  delete captured;
}
