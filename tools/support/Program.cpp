//===- Program.cpp - A program that runs on arrays of its own -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Program.h"

#include "DeviceArrays.h"

#include <chrono>

using namespace mlir;
using namespace mlir::sparsedrop::run;
using mlir::sparsedrop::Executable;

std::unique_ptr<Program> Program::compile(ModuleOp module, StringRef entry,
                                          DropoutMode mode, bool instrument,
                                          const Target &target) {
  mlir::sparsedrop::ExecutableOptions options;
  options.entry = entry.str();
  options.mode = mode;
  options.instrument = instrument;
  options.chip = target.chip;
  options.tf32 = target.tf32;
  options.family = target.family;
  options.table = target.table;
  options.measured = target.measured;
  auto program = std::make_unique<Program>();
  program->target = target;
  program->executable = Executable::compile(module, options);
  return program->executable ? std::move(program) : nullptr;
}

void Program::restore(MutableArrayRef<Tensor> inputs,
                      ArrayRef<Tensor> original) const {
  for (const Slot &slot : getResults())
    if (slot.donor)
      inputs[*slot.donor].bytes = original[*slot.donor].bytes;
}

bool Program::fail() {
  getUpstream().lookupSymbol(getEntryName())->emitError()
      << "failed to run: " << sparsedrop_last_error();
  return false;
}

bool Program::run(MutableArrayRef<Tensor> inputs, int64_t seed, int64_t step,
                  std::vector<Tensor> *results) {
  if (target.device)
    return runOnDevice(inputs, seed, step, results);
  SmallVector<Executable::Array> arrays, outputs;
  for (Tensor &tensor : inputs)
    arrays.push_back({tensor.bytes.data(), tensor.shape, nullptr});
  if (!executable->call(arrays, seed, step, outputs, &costs))
    return fail();
  if (results)
    results->clear();
  for (auto [slot, array] : llvm::zip(getResults(), outputs)) {
    if (results) {
      Tensor &tensor =
          results->emplace_back(Tensor{slot.elementType, array.shape, {}});
      const auto *data = static_cast<const uint8_t *>(array.data);
      tensor.bytes.assign(data, data + tensor.size() *
                                           getElementBytes(slot.elementType));
    }
    sparsedrop_free(array.allocation);
  }
  return true;
}

/// Seconds since a point in time.
static double getSecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

bool Program::runOnDevice(MutableArrayRef<Tensor> inputs, int64_t seed,
                          int64_t step, std::vector<Tensor> *results) {
  DeviceArrays arrays(target.device);
  if (!arrays.add(inputs, executable->getInputs()))
    return fail();
  sparsedrop_program_statistics_reset(target.device);
  auto start = std::chrono::steady_clock::now();
  if (!executable->call({target.device, nullptr}, arrays.operands, seed, step,
                        arrays.results))
    return fail();
  sparsedrop_program_statistics_of(target.device, &statistics);
  if (sparsedrop_device_synchronize(target.device) != 0)
    return fail();
  costs = {getSecondsSince(start), static_cast<int64_t>(statistics.bytesPeak)};
  if (results)
    results->clear();
  for (auto [slot, array] : llvm::zip(getResults(), arrays.results)) {
    Tensor tensor{slot.elementType, array.shape, {}};
    tensor.bytes.resize(
        static_cast<size_t>(tensor.size() * getElementBytes(slot.elementType)));
    if (!arrays.fetch(array, slot.isTensor, tensor.bytes))
      return fail();
    if (slot.donor)
      inputs[*slot.donor].bytes = tensor.bytes;
    if (results)
      results->push_back(std::move(tensor));
  }
  return true;
}

bool Program::timeGraph(MutableArrayRef<Tensor> inputs, int64_t seed,
                        int64_t step, double &seconds) {
  sparsedrop_device *device = target.device;
  std::unique_ptr<sparsedrop_stream, decltype(&sparsedrop_stream_destroy)>
      stream(sparsedrop_stream_create(device), sparsedrop_stream_destroy);
  DeviceArrays arrays(device);
  if (!stream || !arrays.add(inputs, executable->getInputs()) ||
      sparsedrop_program_capture_begin(device, stream.get()) != 0)
    return fail();
  bool isCalled = executable->call({device, stream.get()}, arrays.operands,
                                   seed, step, arrays.results);
  std::unique_ptr<sparsedrop_graph, decltype(&sparsedrop_graph_destroy)> graph(
      sparsedrop_program_capture_end(), sparsedrop_graph_destroy);
  if (!isCalled || !graph)
    return fail();
  for (int i = 0; i < 2; ++i) {
    if (arrays.upload(inputs) != 0)
      return fail();
    auto start = std::chrono::steady_clock::now();
    if (sparsedrop_graph_launch(graph.get(), stream.get()) != 0 ||
        sparsedrop_stream_synchronize(device, stream.get()) != 0)
      return fail();
    seconds = getSecondsSince(start);
  }
  return true;
}
