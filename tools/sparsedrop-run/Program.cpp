//===- Program.cpp - A program that runs on arrays of its own -------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Program.h"

#include "sparsedrop-c/Runtime.h"

using namespace mlir;
using namespace mlir::sparsedrop::run;
using mlir::sparsedrop::Executable;

std::unique_ptr<Program> Program::compile(ModuleOp module, StringRef entry,
                                          DropoutMode mode, bool instrument) {
  mlir::sparsedrop::ExecutableOptions options;
  options.entry = entry.str();
  options.mode = mode;
  options.instrument = instrument;
  auto program = std::make_unique<Program>();
  program->executable = Executable::compile(module, options);
  return program->executable ? std::move(program) : nullptr;
}

void Program::restore(MutableArrayRef<Tensor> inputs,
                      ArrayRef<Tensor> original) const {
  for (const Slot &slot : getResults())
    if (slot.donor)
      inputs[*slot.donor].bytes = original[*slot.donor].bytes;
}

bool Program::run(MutableArrayRef<Tensor> inputs, int64_t seed, int64_t step,
                  std::vector<Tensor> *results) {
  SmallVector<Executable::Array> arrays, outputs;
  for (Tensor &tensor : inputs)
    arrays.push_back({tensor.bytes.data(), tensor.shape, nullptr});
  if (!executable->call(arrays, seed, step, outputs, &costs)) {
    getUpstream().lookupSymbol(getEntryName())->emitError()
        << "failed to run: " << sparsedrop_last_error();
    return false;
  }
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
