//===- Executable.cpp - A function compiled in one mode -------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Target/Executable.h"

#include "sparsedrop-c/Program.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"
#include "sparsedrop/GPU/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/DynamicLibrary.h"
#include "llvm/Support/MathExtras.h"

#include <chrono>
#include <cstddef>
#include <cstring>
#include <mutex>

using namespace mlir;
using namespace mlir::sparsedrop;

StringRef mlir::sparsedrop::getName(DropoutMode mode) {
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

int64_t mlir::sparsedrop::getElementBytes(Type type) {
  if (type.isIndex())
    return 8;
  if (!type.isIntOrFloat() || type.getIntOrFloatBitWidth() > 64)
    return 0;
  unsigned bits = type.getIntOrFloatBitWidth();
  if (bits == 1)
    return 1;
  return llvm::isPowerOf2_32(bits) && bits >= 8 ? bits / 8 : 0;
}

std::string mlir::sparsedrop::describe(Type elementType,
                                       ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (int64_t extent : shape) {
    if (ShapedType::isDynamic(extent))
      stream << "?x";
    else
      stream << extent << "x";
  }
  stream << elementType;
  return text;
}

/// Keeps code as long as the process.
static void keep(std::unique_ptr<JIT> jit) {
  static std::mutex mutex;
  static auto *all = new std::vector<std::unique_ptr<JIT>>();
  std::lock_guard<std::mutex> lock(mutex);
  all->push_back(std::move(jit));
}

Executable::~Executable() {
  if (isForDevice() && jit)
    keep(std::move(jit));
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

bool Executable::addSlots(Operation *function, ArrayRef<Type> types,
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

/// The function called `wanted`, or the only one; null after an error.
static func::FuncOp chooseFunction(ModuleOp module, StringRef wanted) {
  SmallVector<func::FuncOp> functions = getFunctions(module), found;
  for (func::FuncOp function : functions)
    if (wanted.empty() || function.getName() == wanted)
      found.push_back(function);
  if (found.size() == 1)
    return found.front();
  InFlightDiagnostic error = module.emitError();
  if (!wanted.empty())
    error << "there is no public function '" << wanted << "'";
  else if (found.empty())
    error << "there is no public function to run";
  else
    error << "there is more than one function; choose an entry";
  if (!functions.empty()) {
    error << "; there are:";
    for (func::FuncOp function : functions)
      error << " " << function.getName();
  }
  return {};
}

bool Executable::findEntry(StringRef wanted) {
  func::FuncOp function = chooseFunction(*upstream, wanted);
  if (!function)
    return false;
  name = function.getName().str();
  arguments.clear();
  results.clear();
  if (!addSlots(function, function.getArgumentTypes(), arguments,
                "an argument") ||
      !addSlots(function, function.getResultTypes(), results, "a result"))
    return false;
  size_t input = 0;
  for (auto [i, slot] : llvm::enumerate(arguments)) {
    slot.isSeed = !!function.getArgAttr(i, kSeedAttrName);
    slot.isStep = !!function.getArgAttr(i, kStepAttrName);
    auto result = function.getArgAttrOfType<IntegerAttr>(i, kDonateAttrName);
    if (result && result.getInt() >= 0 &&
        static_cast<size_t>(result.getInt()) < results.size())
      results[result.getInt()].donor = input;
    input += !slot.isSeed && !slot.isStep;
  }
  return true;
}

/// Whether the pipeline will make `entry`: the gradient of a function, or what
/// recalibrates its statistics.
static bool isFutureFunction(ModuleOp module, StringRef entry) {
  return llvm::any_of(getFunctions(module), [&](func::FuncOp function) {
    if (function->hasAttr(kDifferentiateAttrName) &&
        getGradientName(function.getName()) == entry)
      return true;
    bool hasStatistics = false;
    for (unsigned i = 0, e = function.getNumResults(); i < e; ++i)
      hasStatistics |= !!function.getResultAttr(i, kStatisticAttrName);
    return hasStatistics && getRecalibrationName(function.getName()) == entry;
  });
}

/// Functions without a body must be the runtime library's or the process's.
static LogicalResult checkCalls(ModuleOp module) {
  WalkResult result = module.walk([&](func::CallOp call) {
    auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
    if (!callee || !callee.isExternal() ||
        call.getCallee().starts_with("sparsedrop_") ||
        llvm::sys::DynamicLibrary::SearchForAddressOfSymbol(
            call.getCallee().str()))
      return WalkResult::advance();
    call.emitOpError() << "cannot run: '" << call.getCallee()
                       << "' has no body";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

/// A copy of what the entries need; null after an error.
OwningOpRef<ModuleOp>
Executable::cloneUpstream(ArrayRef<StringRef> entries) const {
  OwningOpRef<ModuleOp> lowered = cast<ModuleOp>(upstream.get()->clone());
  // What no entry calls needs no compiling, and may call what is not here.
  for (func::FuncOp function : getFunctions(*lowered))
    if (!entries.empty() && !llvm::is_contained(entries, function.getName()))
      function.setPrivate();
  PassManager cleanup(lowered->getContext());
  cleanup.addPass(createSymbolDCEPass());
  if (failed(cleanup.run(*lowered)) || failed(checkCalls(*lowered)))
    return {};
  return lowered;
}

void Executable::describeTarget(ToNVVMPipelineOptions &options) const {
  options.chip = chip;
  options.tf32 = tf32;
  options.family = family;
  options.table = table;
}

OwningOpRef<ModuleOp> Executable::lowerToDeviceBuffers() const {
  OwningOpRef<ModuleOp> lowered = cloneUpstream({StringRef(name)});
  if (!lowered)
    return {};
  PassManager pm(lowered->getContext());
  ToNVVMPipelineOptions options;
  describeTarget(options);
  buildToDeviceBuffersPipeline(pm, options);
  if (failed(pm.run(*lowered)))
    return {};
  return lowered;
}

OwningOpRef<ModuleOp> Executable::lower(ArrayRef<StringRef> entries) const {
  OwningOpRef<ModuleOp> lowered = cloneUpstream(entries);
  if (!lowered)
    return {};
  PassManager pm(lowered->getContext());
  if (isForDevice()) {
    ToNVVMPipelineOptions options;
    describeTarget(options);
    buildToNVVMPipeline(pm, options, measured);
  } else {
    buildToCPUPipeline(pm);
  }
  if (failed(pm.run(*lowered)))
    return {};
  return lowered;
}

/// To machine code.
bool Executable::compileForProcess() {
  OwningOpRef<ModuleOp> lowered = lower({StringRef(name)});
  if (!lowered)
    return false;
  if (isForDevice()) {
    PassManager pm(lowered->getContext());
    EmbedKernelsOptions options;
    options.chip = chip;
    pm.addPass(createEmbedKernels(options));
    if (failed(pm.run(*lowered)))
      return false;
  }
  jit = JIT::create(*lowered);
  if (jit)
    entry = jit->lookup(lowered->getLoc(), name);
  return entry != nullptr;
}

std::unique_ptr<Executable>
Executable::compile(ModuleOp module, const ExecutableOptions &options) {
  std::unique_ptr<Executable> executable = prepare(module, options);
  return executable && executable->compileForProcess() ? std::move(executable)
                                                       : nullptr;
}

std::unique_ptr<Executable>
Executable::prepare(ModuleOp module, const ExecutableOptions &options) {
  std::unique_ptr<Executable> executable(new Executable());
  executable->upstream = cast<ModuleOp>(module->clone());
  executable->mode = options.mode;
  executable->chip = options.chip;
  executable->tf32 = options.tf32;
  executable->family = options.family;
  executable->table = options.table;
  executable->measured = options.measured;
  if (!isFutureFunction(module, options.entry) &&
      !executable->findEntry(options.entry))
    return nullptr;
  SparseDropPipelineOptions pipeline;
  pipeline.mode = options.mode;
  pipeline.method = options.method;
  for (int64_t period : options.periods)
    pipeline.periods.push_back(period);
  for (const std::string &site : options.exclude)
    pipeline.exclude.push_back(site);
  pipeline.instrument = options.instrument;
  PassManager pm(module.getContext());
  buildSparseDropPipeline(pm, pipeline);
  // The signature may have gained seed and step.
  if (failed(pm.run(*executable->upstream)) ||
      !executable->findEntry(options.entry))
    return nullptr;
  return executable;
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

SmallVector<const Slot *> Executable::getInputs() const {
  SmallVector<const Slot *> inputs;
  for (const Slot &slot : arguments)
    if (!slot.isSeed && !slot.isStep)
      inputs.push_back(&slot);
  return inputs;
}

/// A memref descriptor in words: pointer, aligned pointer, offset, sizes,
/// strides.
static SmallVector<uint64_t> makeDescriptor(const Executable::Array &array) {
  auto address = reinterpret_cast<uint64_t>(array.data);
  SmallVector<uint64_t> words{address, address, 0};
  for (int64_t extent : array.shape)
    words.push_back(static_cast<uint64_t>(extent));
  size_t rank = array.shape.size();
  words.resize(3 + 2 * rank);
  uint64_t stride = 1;
  for (size_t dim = rank; dim-- > 0;) {
    words[3 + rank + dim] = stride;
    stride *= static_cast<uint64_t>(array.shape[dim]);
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

/// A scalar result moves to memory of its own, so that the caller need not tell
/// it from a tensor. False when there is none left.
static bool moveScalar(const void *source, int64_t width,
                       Executable::Array &array) {
  sparsedrop_enter();
  array.allocation = array.data =
      sparsedrop_alloc(alignof(std::max_align_t), static_cast<uint64_t>(width));
  if (sparsedrop_leave() != 0)
    return false;
  std::memcpy(array.data, source, static_cast<size_t>(width));
  return true;
}

bool Executable::readResults(ArrayRef<uint64_t> storage, ArrayRef<Array> inputs,
                             SmallVectorImpl<Array> &outputs) const {
  bool complete = true;
  size_t total;
  SmallVector<size_t> offsets = layOutResults(results, total);
  for (auto [slot, offset] : llvm::zip(results, offsets)) {
    Array &array = outputs.emplace_back();
    int64_t width = getElementBytes(slot.elementType);
    if (slot.donor) {
      array = inputs[*slot.donor];
      array.allocation = nullptr;
    } else if (slot.isTensor) {
      ArrayRef<uint64_t> words = storage.drop_front(offset / 8);
      for (size_t dim = 0; dim < slot.shape.size(); ++dim)
        array.shape.push_back(static_cast<int64_t>(words[3 + dim]));
      array.allocation = reinterpret_cast<void *>(words[0]);
      array.onDevice = isForDevice();
      array.data = reinterpret_cast<uint8_t *>(words[1]) +
                   words[2] * static_cast<uint64_t>(width);
    } else {
      complete &=
          moveScalar(reinterpret_cast<const uint8_t *>(storage.data()) + offset,
                     width, array);
    }
  }
  return complete;
}

bool Executable::call(const DevicePlace &place, ArrayRef<Array> inputs,
                      int64_t seed, int64_t step,
                      SmallVectorImpl<Array> &outputs, Costs *costs) const {
  SmallVector<SmallVector<uint64_t>> descriptors;
  descriptors.reserve(inputs.size());
  SmallVector<void *> pointers;
  size_t total;
  layOutResults(results, total);
  SmallVector<uint64_t> storage(total / 8 + 1);
  if (llvm::any_of(results, [](const Slot &slot) { return !slot.donor; }))
    pointers.push_back(storage.data());
  const Array *input = inputs.begin();
  for (const Slot &slot : arguments) {
    if (slot.isSeed || slot.isStep) {
      pointers.push_back(slot.isSeed ? &seed : &step);
    } else if (slot.isTensor) {
      descriptors.push_back(makeDescriptor(*input++));
      pointers.push_back(descriptors.back().data());
    } else {
      pointers.push_back((input++)->data);
    }
  }
  int64_t before = sparsedrop_memory_in_use();
  sparsedrop_memory_reset_peak();
  auto start = std::chrono::steady_clock::now();
  int32_t status = isForDevice()
                       ? reinterpret_cast<JIT::DeviceEntry>(entry)(
                             place.device, place.stream, pointers.data())
                       : reinterpret_cast<JIT::Entry>(entry)(pointers.data());
  if (costs)
    *costs = {
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
            .count(),
        sparsedrop_memory_peak() - before};
  outputs.clear();
  bool complete = readResults(storage, inputs, outputs);
  if (status == 0 && complete)
    return true;
  for (Array &array : outputs)
    if (array.onDevice)
      sparsedrop_program_release(place.device, array.allocation);
    else
      sparsedrop_free(array.allocation);
  outputs.clear();
  return false;
}
