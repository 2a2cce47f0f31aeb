//===- DeviceCudaGraph.cpp - Graphs of CUDA -------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Launches that may overlap carry the same attribute in a capture: the driver
// makes programmatic edges of them. Nothing here looks at the edges, since the
// driver's older queries fail for such graphs.
//
//===----------------------------------------------------------------------===//

#include "DeviceCuda.h"

#include "Error.h"

using namespace sparsedrop::runtime;

namespace {
class CudaGraph : public Graph {
public:
  CudaGraph(const CudaDevice &device, cuda::GraphExec exec, cuda::Event event)
      : device(device), exec(exec), event(event) {}
  ~CudaGraph() override {
    if (ContextScope scope(device); scope) {
      device.getDriver().graphExecDestroy.ask(exec);
      device.getDriver().eventDestroy.ask(event);
    }
  }

  int32_t launch(Stream &stream) override;
  void wait() override;

private:
  const CudaDevice &device;
  cuda::GraphExec exec;
  /// Behind the last launch. One is enough, also with several streams: the
  /// driver runs launches of a graph one after the other.
  cuda::Event event;
  std::mutex mutex; ///< so that the event is behind the last launch
};
} // namespace

int32_t CudaGraph::launch(Stream &stream) {
  const cuda::Driver &driver = device.getDriver();
  cuda::Stream on = CudaStream::get(stream);
  ContextScope scope(device);
  std::lock_guard<std::mutex> lock(mutex);
  if (!scope || driver.graphLaunch(exec, on) != 0)
    return 1;
  return driver.eventRecord(event, on);
}

/// An event that was never recorded is done. Other than waiting for the device
/// this may be done while a stream is captured.
void CudaGraph::wait() {
  if (ContextScope scope(device); scope)
    device.getDriver().eventSynchronize.ask(event);
}

/// The first function for graphs that the driver does not have, or null.
static const char *findMissing(const cuda::Driver &driver) {
  if (!driver.captureBegin)
    return "cuStreamBeginCapture";
  if (!driver.captureEnd)
    return "cuStreamEndCapture";
  if (!driver.graphInstantiate)
    return "cuGraphInstantiateWithFlags";
  if (!driver.graphLaunch)
    return "cuGraphLaunch";
  if (!driver.graphExecDestroy)
    return "cuGraphExecDestroy";
  return driver.graphDestroy ? nullptr : "cuGraphDestroy";
}

int32_t CudaStream::beginCapture() {
  const cuda::Driver &driver = device.getDriver();
  if (const char *missing = findMissing(driver))
    return fail(std::string("the CUDA driver has no ") + missing +
                ": it is too old for graphs");
  // Programs allocate memory while they are captured, which the other modes
  // forbid.
  return device.call(driver.captureBegin, stream, int(cuda::kRelaxed));
}

/// Makes a graph that can be launched; a status.
static int32_t instantiate(const CudaDevice &device, cuda::Graph captured,
                           std::unique_ptr<Graph> &graph) {
  const cuda::Driver &driver = device.getDriver();
  cuda::GraphExec exec = nullptr;
  cuda::Event event = nullptr;
  if (driver.graphInstantiate(&exec, captured, 0ull) != 0)
    return 1;
  if (driver.eventCreate(&event, unsigned(cuda::kDisableTiming)) != 0) {
    driver.graphExecDestroy.ask(exec);
    return 1;
  }
  graph = std::make_unique<CudaGraph>(device, exec, event);
  return 0;
}

int32_t CudaStream::endCapture(std::unique_ptr<Graph> *graph) {
  const cuda::Driver &driver = device.getDriver();
  ContextScope scope(device);
  if (!scope)
    return 1;
  cuda::Graph captured = nullptr;
  int32_t status = driver.captureEnd(stream, &captured);
  if (status == 0 && graph)
    status = instantiate(device, captured, *graph);
  if (captured)
    driver.graphDestroy.ask(captured);
  return status;
}

bool CudaStream::isRecorded() {
  if (capture)
    return true;
  const cuda::Driver &driver = device.getDriver();
  int state = cuda::kNoCapture;
  ContextScope scope(device);
  // Where the driver cannot say, its own functions will fail.
  return scope && driver.isCapturing &&
         driver.isCapturing.ask(stream, &state) == cuda::kSuccess &&
         state != cuda::kNoCapture;
}
