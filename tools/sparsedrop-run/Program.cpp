//===- Program.cpp - A program compiled in one mode -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Program.h"

#include "sparsedrop-c/Runtime.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <chrono>
#include <cstring>

using namespace mlir;
using namespace mlir::sparsedrop::run;

StringRef mlir::sparsedrop::run::getName(DropoutMode mode) {
  switch (mode) {
  case DropoutMode::Compact:
    return "compact";
  case DropoutMode::Masked:
    return "masked";
  case DropoutMode::Bernoulli:
    return "bernoulli";
  case DropoutMode::Dense:
    return "dense";
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

/// The public functions with bodies.
static SmallVector<func::FuncOp> getFunctions(ModuleOp module) {
  SmallVector<func::FuncOp> functions;
  for (auto function : module.getOps<func::FuncOp>())
    if (function.isPublic() && !function.isExternal())
      functions.push_back(function);
  return functions;
}

bool Program::addSlots(Operation *function, ArrayRef<Type> types,
                       SmallVectorImpl<Slot> &slots, StringRef what) {
  for (Type type : types) {
    Slot &slot = slots.emplace_back();
    slot.isTensor = isa<RankedTensorType>(type);
    slot.elementType = getElementTypeOrSelf(type);
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      slot.shape.assign(tensor.getShape().begin(), tensor.getShape().end());
    if (getElementBytes(slot.elementType) == 0 ||
        (isa<ShapedType>(type) && !slot.isTensor)) {
      function->emitError() << "cannot be run: " << what << " of type " << type;
      return false;
    }
  }
  return true;
}

bool Program::findEntry(StringRef wanted) {
  SmallVector<func::FuncOp> functions = getFunctions(*upstream), found;
  for (func::FuncOp function : functions)
    if (wanted.empty() || function.getName() == wanted)
      found.push_back(function);
  if (found.size() != 1) {
    InFlightDiagnostic error = upstream->emitError();
    if (!wanted.empty())
      error << "there is no public function '" << wanted << "'";
    else if (found.empty())
      error << "there is no public function to run";
    else
      error << "there is more than one function; choose with --entry";
    if (!functions.empty()) {
      error << "; there are:";
      for (func::FuncOp function : functions)
        error << " " << function.getName();
    }
    return false;
  }
  func::FuncOp function = found.front();
  name = function.getName().str();
  if (!addSlots(function, function.getArgumentTypes(), arguments,
                "an argument") ||
      !addSlots(function, function.getResultTypes(), results, "a result"))
    return false;
  size_t input = 0;
  for (auto [i, slot] : llvm::enumerate(arguments)) {
    slot.isSeed = !!function.getArgAttr(i, mlir::sparsedrop::kSeedAttrName);
    slot.isStep = !!function.getArgAttr(i, mlir::sparsedrop::kStepAttrName);
    auto result = function.getArgAttrOfType<IntegerAttr>(
        i, mlir::sparsedrop::kDonateAttrName);
    if (result && result.getInt() >= 0 &&
        static_cast<size_t>(result.getInt()) < results.size())
      results[result.getInt()].donor = input;
    input += !slot.isSeed && !slot.isStep;
  }
  return true;
}

/// Whether the pipeline will make `entry` as the gradient of a function.
static bool isFutureGradient(ModuleOp module, StringRef entry) {
  return llvm::any_of(getFunctions(module), [&](func::FuncOp function) {
    return function->hasAttr(mlir::sparsedrop::kDifferentiateAttrName) &&
           mlir::sparsedrop::getGradientName(function.getName()) == entry;
  });
}

std::unique_ptr<Program> Program::compile(ModuleOp module, StringRef entry,
                                          DropoutMode mode, bool instrument) {
  std::unique_ptr<Program> program(new Program());
  program->upstream = cast<ModuleOp>(module->clone());
  if (!isFutureGradient(module, entry) && !program->findEntry(entry))
    return nullptr;
  program->arguments.clear();
  program->results.clear();
  MLIRContext *context = module.getContext();
  mlir::sparsedrop::SparseDropPipelineOptions options;
  options.mode = mode;
  options.instrument = instrument;
  PassManager first(context);
  mlir::sparsedrop::buildSparseDropPipeline(first, options);
  // The signature may have gained seed and step.
  if (failed(first.run(*program->upstream)) || !program->findEntry(entry))
    return nullptr;
  OwningOpRef<ModuleOp> lowered =
      cast<ModuleOp>(program->upstream.get()->clone());
  // What the entry does not call needs no compiling, and may call what is not
  // here.
  for (func::FuncOp function : getFunctions(*lowered))
    if (function.getName() != program->name)
      function.setPrivate();
  PassManager second(context);
  second.addPass(createSymbolDCEPass());
  mlir::sparsedrop::buildToCPUPipeline(second);
  if (failed(second.run(*lowered)))
    return nullptr;
  program->jit = mlir::sparsedrop::JIT::create(*lowered);
  if (!program->jit)
    return nullptr;
  program->entry = program->jit->lookup(lowered->getLoc(), program->name);
  return program->entry ? std::move(program) : nullptr;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// A memref descriptor in words: pointer, aligned pointer, offset, sizes,
/// strides.
static std::vector<uint64_t> makeDescriptor(const Tensor &tensor) {
  auto address = reinterpret_cast<uint64_t>(tensor.bytes.data());
  std::vector<uint64_t> words{address, address, 0};
  for (int64_t extent : tensor.shape)
    words.push_back(static_cast<uint64_t>(extent));
  size_t rank = tensor.shape.size();
  words.resize(3 + 2 * rank);
  uint64_t stride = 1;
  for (size_t dim = rank; dim-- > 0;) {
    words[3 + rank + dim] = stride;
    stride *= static_cast<uint64_t>(tensor.shape[dim]);
  }
  return words;
}

/// Where the results lie in the struct that holds them, in bytes; `total`
/// receives its size.
static SmallVector<size_t> layOutResults(ArrayRef<Slot> results,
                                         size_t &total) {
  SmallVector<size_t> offsets;
  total = 0;
  for (const Slot &slot : results) {
    if (slot.donor) {
      offsets.push_back(0);
      continue;
    }
    size_t size = slot.isTensor
                      ? 8 * (3 + 2 * slot.shape.size())
                      : static_cast<size_t>(getElementBytes(slot.elementType));
    size_t alignment = slot.isTensor ? 8 : size;
    total = (total + alignment - 1) / alignment * alignment;
    offsets.push_back(total);
    total += size;
  }
  return offsets;
}

/// Copies results out and frees them.
void Program::readResults(const std::vector<uint64_t> &storage,
                          ArrayRef<Tensor> inputs,
                          std::vector<Tensor> *outputs) {
  size_t total;
  SmallVector<size_t> offsets = layOutResults(results, total);
  const auto *bytes = reinterpret_cast<const uint8_t *>(storage.data());
  if (outputs)
    outputs->clear();
  for (auto [slot, offset] : llvm::zip(results, offsets)) {
    if (slot.donor) {
      if (outputs)
        outputs->push_back(inputs[*slot.donor]);
      continue;
    }
    Tensor tensor{slot.elementType, {}, {}};
    auto width = static_cast<size_t>(getElementBytes(slot.elementType));
    const uint8_t *data = bytes + offset;
    void *allocated = nullptr;
    if (slot.isTensor) {
      const uint64_t *words = storage.data() + offset / 8;
      for (size_t dim = 0; dim < slot.shape.size(); ++dim)
        tensor.shape.push_back(static_cast<int64_t>(words[3 + dim]));
      allocated = reinterpret_cast<void *>(words[0]);
      data = reinterpret_cast<const uint8_t *>(words[1]) + words[2] * width;
    }
    if (outputs) {
      tensor.bytes.assign(data,
                          data + static_cast<size_t>(tensor.size()) * width);
      outputs->push_back(std::move(tensor));
    }
    sparsedrop_free(allocated);
  }
}

bool Program::run(ArrayRef<Tensor> inputs, int64_t seed, int64_t step,
                  std::vector<Tensor> *outputs) {
  std::vector<std::vector<uint64_t>> descriptors;
  std::vector<void *> pointers;
  size_t total;
  layOutResults(results, total);
  std::vector<uint64_t> storage(total / 8 + 1);
  if (llvm::any_of(results, [](const Slot &slot) { return !slot.donor; }))
    pointers.push_back(storage.data());
  const Tensor *input = inputs.begin();
  for (const Slot &slot : arguments) {
    if (slot.isSeed || slot.isStep) {
      pointers.push_back(slot.isSeed ? &seed : &step);
      continue;
    }
    const Tensor &tensor = *input++;
    if (slot.isTensor) {
      descriptors.push_back(makeDescriptor(tensor));
      pointers.push_back(descriptors.back().data());
    } else {
      pointers.push_back(const_cast<uint8_t *>(tensor.bytes.data()));
    }
  }
  int64_t before = sparsedrop_memory_in_use();
  sparsedrop_memory_reset_peak();
  auto start = std::chrono::steady_clock::now();
  int32_t status = entry(pointers.data());
  seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  peakBytes = sparsedrop_memory_peak() - before;
  readResults(storage, inputs, status == 0 ? outputs : nullptr);
  if (status == 0)
    return true;
  upstream->lookupSymbol(name)->emitError()
      << "failed to run: " << sparsedrop_last_error();
  return false;
}
