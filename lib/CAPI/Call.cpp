//===- Call.cpp - Calls of compiled functions on callers' arrays ----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every check precedes the first write: an array that does not fit leaves the
// donated ones as they were.
//
//===----------------------------------------------------------------------===//

#include "Call.h"
#include "Arrays.h"

#include "sparsedrop-c/Program.h"

#include "llvm/ADT/SmallVector.h"

#include <cstring>

using namespace mlir;
using namespace mlir::sparsedrop::capi;
using mlir::sparsedrop::DevicePlace;
using mlir::sparsedrop::Executable;

namespace {
/// One call on its way.
class Call {
public:
  Call(const sparsedrop_executable &target, const DevicePlace &place,
       ArrayRef<sparsedrop_array> inputs,
       MutableArrayRef<sparsedrop_array> results, bool isCaptured)
      : target(target), place(place), inputs(inputs), results(results),
        isCaptured(isCaptured) {}
  ~Call();

  /// Empty, or what is wrong.
  std::string check() const;
  std::string run(int64_t seed, int64_t step, Executable::Costs &costs);

private:
  std::string checkTarget() const;
  std::string checkPlace(const sparsedrop_array &array,
                         const sparsedrop_slot &slot) const;
  std::string checkInput(size_t index) const;
  std::string checkResult(size_t index) const;
  std::string checkOverlaps() const;
  bool isDonated(size_t input) const {
    return target.inputs[input].slot.donation >= 0;
  }
  bool pack();
  void noteUse();
  int32_t finish(MutableArrayRef<Executable::Array> outputs);
  int32_t copyResult(const Executable::Array &output,
                     const sparsedrop_array &result);
  void giveAway(Executable::Array &output, const SlotText &slot,
                sparsedrop_array &result);

  const sparsedrop_executable &target;
  DevicePlace place; ///< without a device: the host
  ArrayRef<sparsedrop_array> inputs;
  MutableArrayRef<sparsedrop_array> results;
  bool isCaptured; ///< nothing runs on the stream
  SmallVector<Executable::Array> packed;
};

/// Memory that an array reaches, and whether the call writes to it.
struct Reach {
  std::string name;
  std::pair<uintptr_t, uintptr_t> range;
  bool isWritten;
};
} // namespace

static thread_local Executable::Costs lastCosts;

/// To the host, or to the pool of the device that it was allocated from.
static void release(void *allocation, sparsedrop_device *device) {
  if (device)
    sparsedrop_program_release(device, allocation);
  else
    sparsedrop_free(allocation);
}

Call::~Call() {
  for (Executable::Array &array : packed)
    sparsedrop_free(array.allocation);
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

/// Why `array` cannot be written to; empty when it can.
static std::string checkWritable(const sparsedrop_array &array) {
  if (array.readOnly)
    return "is read-only, but the call writes to it";
  for (int32_t dim = 0; array.strides && dim < array.rank; ++dim)
    if (array.strides[dim] == 0 && array.shape[dim] > 1)
      return "repeats its elements (a stride is 0), but the call writes to it";
  return "";
}

/// Whether the function was compiled for where it is called.
std::string Call::checkTarget() const {
  if (target.executable->isForDevice() && !place.device)
    return "was compiled for a GPU, but is called without a device";
  if (!target.executable->isForDevice() && place.device)
    return "was compiled for the host, but is called on a device";
  return "";
}

/// Whether an array lies where the function takes it from.
std::string Call::checkPlace(const sparsedrop_array &array,
                             const sparsedrop_slot &slot) const {
  bool expected = place.device && slot.isTensor;
  if (expected != (array.onDevice != 0))
    return expected
               ? "expected memory of the device, but got memory of the host"
               : "expected memory of the host, but got memory of a device";
  if (!expected)
    return "";
  if (!isContiguous(array))
    return "is not contiguous in row-major order, as arrays on a device must "
           "be";
  constexpr uintptr_t kAlignment = 16;
  if (reinterpret_cast<uintptr_t>(array.data) % kAlignment != 0)
    return "is not at a multiple of 16 bytes, as arrays on a device must be";
  return "";
}

std::string Call::checkInput(size_t index) const {
  const sparsedrop_array &input = inputs[index];
  const sparsedrop_slot &slot = target.inputs[index].slot;
  std::string problem = checkArray(input, slot);
  if (problem.empty())
    problem = checkPlace(input, slot);
  if (problem.empty() && isDonated(index))
    problem = checkWritable(input);
  return problem;
}

std::string Call::checkResult(size_t index) const {
  const sparsedrop_array &result = results[index];
  const sparsedrop_slot &slot = target.results[index].slot;
  if (slot.donation >= 0 || !result.data)
    return "";
  std::string problem = checkArray(result, slot);
  if (problem.empty())
    problem = checkPlace(result, slot);
  return problem.empty() ? checkWritable(result) : problem;
}

std::string Call::checkOverlaps() const {
  SmallVector<Reach> reaches;
  for (auto [i, array] : llvm::enumerate(inputs))
    reaches.push_back(
        {"input " + std::to_string(i), getRange(array), isDonated(i)});
  for (auto [i, array] : llvm::enumerate(results))
    if (target.results[i].slot.donation < 0 && array.data)
      reaches.push_back({"result " + std::to_string(i), getRange(array), true});
  for (size_t i = 0; i < reaches.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      const Reach &a = reaches[i], &b = reaches[j];
      if ((a.isWritten || b.isWritten) && a.range.first < b.range.second &&
          b.range.first < a.range.second)
        return a.name + " overlaps " + b.name + ", and the call writes to " +
               (a.isWritten ? a.name : b.name);
    }
  return "";
}

std::string Call::check() const {
  auto count = [](size_t expected, StringRef what, size_t given) {
    return ("expected " + Twine(expected) + " " + what + ", but got " +
            Twine(given))
        .str();
  };
  if (std::string problem = checkTarget(); !problem.empty())
    return problem;
  if (inputs.size() != target.inputs.size())
    return count(target.inputs.size(), "inputs", inputs.size());
  if (!results.empty() && results.size() != target.results.size())
    return count(target.results.size(), "results", results.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::string problem = checkInput(i);
    if (!problem.empty())
      return "input " + std::to_string(i) + ": " + problem;
  }
  for (size_t i = 0; i < results.size(); ++i) {
    std::string problem = checkResult(i);
    if (!problem.empty())
      return "result " + std::to_string(i) + ": " + problem;
  }
  return checkOverlaps();
}

//===----------------------------------------------------------------------===//
// The call itself
//===----------------------------------------------------------------------===//

/// Arrays that are not contiguous are copied. False when memory is lacking.
bool Call::pack() {
  sparsedrop_enter();
  for (const sparsedrop_array &input : inputs) {
    Executable::Array &array = packed.emplace_back();
    array.shape.assign(getShape(input).begin(), getShape(input).end());
    array.data = input.data;
    array.onDevice = input.onDevice != 0;
    if (isContiguous(input))
      continue;
    auto bytes = static_cast<uint64_t>(*countElements(array.shape) *
                                       getTypeBytes(input.type));
    array.allocation = array.data = sparsedrop_alloc(64, bytes);
    if (!array.data)
      break;
    copyFrom(input, array.data);
  }
  return sparsedrop_leave() == 0;
}

/// Hands a result that the library allocated to the caller.
void Call::giveAway(Executable::Array &output, const SlotText &slot,
                    sparsedrop_array &result) {
  auto *owner =
      new Owner(output.onDevice ? Owner::Source::Program : Owner::Source::Host,
                std::exchange(output.allocation, nullptr), output.shape,
                place.device, place.stream);
  // Graphs write to it on any stream.
  if (isCaptured)
    owner->noteUseElsewhere();
  result = {output.data,         slot.slot.type, slot.slot.rank,
            owner->shape.data(), nullptr,        0,
            output.onDevice,     owner};
}

/// Copies a result to the caller's memory; a status.
int32_t Call::copyResult(const Executable::Array &output,
                         const sparsedrop_array &result) {
  if (!isContiguous(result)) {
    copyTo(result, output.data);
    return 0;
  }
  auto bytes = static_cast<size_t>(*countElements(getShape(result)) *
                                   getTypeBytes(result.type));
  if (output.onDevice)
    return sparsedrop_device_copy(
        place.device, place.stream, reinterpret_cast<uint64_t>(result.data),
        reinterpret_cast<uint64_t>(output.data), bytes);
  std::memcpy(result.data, output.data, bytes);
  return 0;
}

/// What the caller receives. All that can fail comes first; a status.
int32_t Call::finish(MutableArrayRef<Executable::Array> outputs) {
  for (auto [i, input] : llvm::enumerate(inputs))
    if (isDonated(i) && packed[i].allocation)
      copyTo(input, packed[i].data);
  auto isCopied = [&](size_t i) {
    return target.results[i].slot.donation < 0 && results[i].data;
  };
  for (size_t i = 0; i < results.size(); ++i)
    if (isCopied(i) && copyResult(outputs[i], results[i]) != 0)
      return 1;
  for (size_t i = 0; i < results.size(); ++i) {
    const SlotText &slot = target.results[i];
    if (slot.slot.donation >= 0) {
      results[i] = inputs[static_cast<size_t>(slot.slot.donation)];
      results[i].owner = nullptr;
    } else if (!results[i].data) {
      giveAway(outputs[i], slot, results[i]);
    }
  }
  return 0;
}

/// Whether each extent of what came out is what the caller made room for.
static std::string compareShapes(ArrayRef<sparsedrop_array> results,
                                 ArrayRef<Executable::Array> outputs) {
  for (auto [i, result] : llvm::enumerate(results))
    if (result.data && getShape(result) != ArrayRef(outputs[i].shape))
      return "result " + std::to_string(i) + ": expected room for " +
             describe(result.type, outputs[i].shape) + ", but got " +
             describe(result.type, getShape(result));
  return "";
}

/// Whose memory work on the call's stream uses, also if it fails on the way.
void Call::noteUse() {
  for (const sparsedrop_array &input : inputs)
    if (input.owner)
      static_cast<Owner *>(input.owner)->noteUse(place.stream);
  for (const sparsedrop_array &result : results)
    if (result.data && result.owner)
      static_cast<Owner *>(result.owner)->noteUse(place.stream);
}

std::string Call::run(int64_t seed, int64_t step, Executable::Costs &costs) {
  SmallVector<Executable::Array> outputs;
  if (!pack())
    return sparsedrop_last_error();
  if (place.device && !isCaptured)
    noteUse();
  if (!target.executable->call(place, packed, seed, step, outputs, &costs))
    return sparsedrop_last_error();
  // Extents that only the call itself can tell.
  SmallVector<sparsedrop_array> given;
  for (auto [i, result] : llvm::enumerate(results)) {
    given.push_back(result);
    if (target.results[i].slot.donation >= 0)
      given.back().data = nullptr;
  }
  std::string problem = compareShapes(given, outputs);
  if (problem.empty() && finish(outputs) != 0)
    problem = sparsedrop_last_error();
  for (Executable::Array &output : outputs)
    release(output.allocation, output.onDevice ? place.device : nullptr);
  return problem;
}

std::string mlir::sparsedrop::capi::runCall(
    const sparsedrop_executable &executable, const DevicePlace &place,
    ArrayRef<sparsedrop_array> inputs, int64_t seed, int64_t step,
    MutableArrayRef<sparsedrop_array> results, bool isCaptured) {
  Call call(executable, place, inputs, results, isCaptured);
  std::string problem = call.check();
  Executable::Costs costs;
  if (problem.empty())
    problem = call.run(seed, step, costs);
  if (problem.empty() && !isCaptured)
    lastCosts = costs;
  return problem;
}

/// Checks and runs a call; a status.
std::string mlir::sparsedrop::capi::checkCounts(int64_t inputs,
                                                int64_t results) {
  if (inputs >= 0 && results >= 0)
    return "";
  return "expected numbers of arrays of at least 0, but got " +
         std::to_string(std::min(inputs, results));
}

static int32_t run(const sparsedrop_executable *executable,
                   const DevicePlace &place, const sparsedrop_array *inputs,
                   int64_t inputCount, int64_t seed, int64_t step,
                   sparsedrop_array *results, int64_t resultCount) {
  std::string problem = checkCounts(inputCount, resultCount);
  if (problem.empty())
    problem = runCall(*executable, place,
                      {inputs, static_cast<size_t>(inputCount)}, seed, step,
                      {results, static_cast<size_t>(results ? resultCount : 0)},
                      /*isCaptured=*/false);
  return problem.empty() ? 0 : fail(executable->name + ": " + problem);
}

int32_t sparsedrop_executable_call(const sparsedrop_executable *executable,
                                   const sparsedrop_array *inputs,
                                   int64_t inputCount, int64_t seed,
                                   int64_t step, sparsedrop_array *results,
                                   int64_t resultCount) {
  return run(executable, {}, inputs, inputCount, seed, step, results,
             resultCount);
}

int32_t sparsedrop_executable_call_on(const sparsedrop_executable *executable,
                                      sparsedrop_device *device,
                                      sparsedrop_stream *stream,
                                      const sparsedrop_array *inputs,
                                      int64_t inputCount, int64_t seed,
                                      int64_t step, sparsedrop_array *results,
                                      int64_t resultCount) {
  if (!device)
    return fail(executable->name + ": expected a device, but got none");
  return run(executable, {device, stream}, inputs, inputCount, seed, step,
             results, resultCount);
}

void sparsedrop_last_call_costs(double *seconds, int64_t *peakBytes) {
  if (seconds)
    *seconds = lastCosts.seconds;
  if (peakBytes)
    *peakBytes = lastCosts.peakBytes;
}
