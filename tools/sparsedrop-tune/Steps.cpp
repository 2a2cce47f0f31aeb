//===- Steps.cpp - Steps that are timed on a device -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Steps.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using namespace mlir::sparsedrop::tune;

Steps::Steps(sparsedrop_device *device) : device(device), arrays(device) {}

Steps::~Steps() {
  sparsedrop_event_destroy(start);
  sparsedrop_event_destroy(end);
}

bool Steps::prepare(const Executable &program,
                    MutableArrayRef<run::Tensor> tensors) {
  inputs = tensors;
  start = sparsedrop_event_create(device);
  end = sparsedrop_event_create(device);
  if (!start || !end)
    return false;
  for (auto [tensor, slot] : llvm::zip(inputs, program.getInputs())) {
    void *data = slot->isTensor ? arrays.add(tensor) : tensor.bytes.data();
    if (!data && !tensor.bytes.empty())
      return false;
    operands.push_back({data, tensor.shape, nullptr, slot->isTensor});
  }
  return true;
}

bool Steps::restore(const Executable &program) {
  for (const Slot &slot : program.getResults()) {
    if (!slot.donor || !slot.isTensor)
      continue;
    const run::Tensor &tensor = inputs[*slot.donor];
    auto address = reinterpret_cast<uint64_t>(operands[*slot.donor].data);
    if (sparsedrop_device_upload(device, nullptr, address, tensor.bytes.data(),
                                 tensor.bytes.size()) != 0)
      return false;
  }
  return sparsedrop_device_synchronize(device) == 0;
}

std::optional<double> Steps::run(const Executable &program, int64_t seed,
                                 int64_t step) {
  double milliseconds = 0;
  bool passed =
      restore(program) && sparsedrop_event_record(start, nullptr) == 0 &&
      program.call({device, nullptr}, operands, seed, step, arrays.results) &&
      sparsedrop_event_record(end, nullptr) == 0 &&
      sparsedrop_event_synchronize(end) == 0 &&
      sparsedrop_event_elapsed(start, end, &milliseconds) == 0;
  arrays.releaseResults();
  return passed ? std::optional<double>(1e3 * milliseconds) : std::nullopt;
}
