//===- Executable.cpp - Compiled functions and their calls ----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Arrays.h"
#include "Call.h"
#include "Context.h"

#include "sparsedrop/Conversion/RuntimeTypes.h"
#include "sparsedrop/Target/Report.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::sparsedrop::capi;
using mlir::sparsedrop::DropoutMode;
using mlir::sparsedrop::ExecutableOptions;
using mlir::sparsedrop::SearchMethod;
using mlir::sparsedrop::Slot;

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

static int32_t toC(Type type) {
  if (std::optional<int32_t> product = mlir::sparsedrop::getRuntimeType(type))
    return *product;
  if (type.isIndex())
    return SPARSEDROP_INDEX;
  if (!isa<IntegerType>(type))
    return -1;
  switch (type.getIntOrFloatBitWidth()) {
  case 1:
    return SPARSEDROP_I1;
  case 8:
    return SPARSEDROP_I8;
  case 16:
    return SPARSEDROP_I16;
  case 32:
    return SPARSEDROP_I32;
  case 64:
    return SPARSEDROP_I64;
  default:
    return -1;
  }
}

/// Copies of what MLIR says of the slots, so that calls need no context. False
/// when a type has no name in C.
static bool describeSlots(ArrayRef<const Slot *> from,
                          std::vector<SlotText> &to) {
  for (const Slot *slot : from) {
    SlotText &text = to.emplace_back();
    text.shape.assign(slot->shape.begin(), slot->shape.end());
    llvm::replace(text.shape, ShapedType::kDynamic, SPARSEDROP_DYNAMIC);
    text.slot.type = toC(slot->elementType);
    text.slot.rank = static_cast<int32_t>(text.shape.size());
    text.slot.isTensor = slot->isTensor;
    text.slot.donation = slot->donor ? static_cast<int64_t>(*slot->donor) : -1;
    if (text.slot.type < 0)
      return false;
  }
  for (SlotText &text : to)
    text.slot.shape = text.shape.data();
  return true;
}

/// What the options say in other than numbers.
static StringRef getText(const char *value, const char *otherwise) {
  return value ? value : otherwise;
}

/// Host or GPU; false after an error.
static bool readTarget(const sparsedrop_compile_options &from,
                       ExecutableOptions &to, Session &session) {
  StringRef chip = getText(from.chip, "");
  StringRef target = getText(from.target, chip.empty() ? "cpu" : "nvptx");
  to.chip = chip.str();
  to.tf32 = from.tf32 != 0;
  to.table = getText(from.kernelTable, "").str();
  if (target != "cpu" && target != "nvptx")
    session.addError("expected target to be cpu or nvptx, but got '" + target +
                     "'");
  else if (target == "cpu" && (!chip.empty() || to.tf32 || !to.table.empty()))
    session.addError("chip, tf32 and kernelTable belong to the target nvptx, "
                     "but the target is cpu");
  else if (target == "nvptx" && chip.empty())
    session.addError("expected a chip for the target nvptx, such as sm_80 or "
                     "sm_90a");
  else
    return true;
  return false;
}

static bool readOptions(const sparsedrop_compile_options &from,
                        ExecutableOptions &to, Session &session) {
  if (!readTarget(from, to, session))
    return false;
  to.entry = getText(from.entry, "").str();
  StringRef mode = getText(from.mode, "compact");
  auto knownMode = llvm::StringSwitch<std::optional<DropoutMode>>(mode)
                       .Case("compact", DropoutMode::Compact)
                       .Case("masked", DropoutMode::Masked)
                       .Case("bernoulli", DropoutMode::Bernoulli)
                       .Case("dense", DropoutMode::Dense)
                       .Default(std::nullopt);
  StringRef method = getText(from.method, "sgd");
  if (!knownMode)
    session.addError("expected mode to be compact, masked, bernoulli or "
                     "dense, but got '" +
                     mode + "'");
  else if (method != "sgd" && method != "maxent")
    session.addError("expected method to be sgd or maxent, but got '" + method +
                     "'");
  else {
    to.mode = *knownMode;
    to.method = method == "sgd" ? SearchMethod::SGD : SearchMethod::MaxEnt;
    to.instrument = from.instrument != 0;
    if (from.exclude)
      to.exclude.assign(from.exclude, from.exclude + from.excludeCount);
    if (from.periods)
      to.periods.assign(from.periods, from.periods + from.periodCount);
    return true;
  }
  return false;
}

/// Fills the executable; false after an error.
static bool compile(sparsedrop_module *module,
                    const sparsedrop_compile_options &options,
                    sparsedrop_executable &result) {
  Session session(*module->state);
  ExecutableOptions parsed;
  if (!readOptions(options, parsed, session))
    return false;
  result.executable =
      mlir::sparsedrop::Executable::compile(*module->module, parsed);
  if (!result.executable) {
    session.addFallback("the module cannot be compiled");
    return false;
  }
  SmallVector<const Slot *> results;
  for (const Slot &slot : result.executable->getResults())
    results.push_back(&slot);
  if (!describeSlots(result.executable->getInputs(), result.inputs) ||
      !describeSlots(results, result.results)) {
    session.addError("a type of the function '" +
                     result.executable->getEntryName() + "' cannot be passed");
    return false;
  }
  for (auto [i, text] : llvm::enumerate(result.results))
    if (text.slot.donation >= 0)
      result.inputs[static_cast<size_t>(text.slot.donation)].slot.donation =
          static_cast<int64_t>(i);
  result.name = result.executable->getEntryName().str();
  return true;
}

sparsedrop_executable *
sparsedrop_compile(sparsedrop_module *module,
                   const sparsedrop_compile_options *options) {
  sparsedrop_compile_options complete{};
  if (options) {
    if (options->size > sizeof(complete)) {
      fail(
          "sparsedrop_compile_options are of a newer version than the library");
      return nullptr;
    }
    std::memcpy(&complete, options, options->size);
  }
  auto result = std::make_unique<sparsedrop_executable>();
  result->state = module->state;
  return compile(module, complete, *result) ? result.release() : nullptr;
}

sparsedrop_executable::~sparsedrop_executable() {
  std::lock_guard<std::mutex> lock(state->mutex);
  executable.reset();
}

void sparsedrop_executable_destroy(sparsedrop_executable *executable) {
  delete executable;
}

//===----------------------------------------------------------------------===//
// Questions
//===----------------------------------------------------------------------===//

const char *
sparsedrop_executable_name(const sparsedrop_executable *executable) {
  return executable->name.c_str();
}

int64_t
sparsedrop_executable_input_count(const sparsedrop_executable *executable) {
  return static_cast<int64_t>(executable->inputs.size());
}

int64_t
sparsedrop_executable_result_count(const sparsedrop_executable *executable) {
  return static_cast<int64_t>(executable->results.size());
}

static int32_t getSlot(const std::vector<SlotText> &slots, int64_t index,
                       StringRef what, sparsedrop_slot *slot) {
  if (index < 0 || index >= static_cast<int64_t>(slots.size()))
    return fail("expected " + what + " 0 to " +
                Twine(static_cast<int64_t>(slots.size()) - 1) + ", but got " +
                Twine(index));
  *slot = slots[static_cast<size_t>(index)].slot;
  return 0;
}

int32_t sparsedrop_executable_input(const sparsedrop_executable *executable,
                                    int64_t index, sparsedrop_slot *slot) {
  return getSlot(executable->inputs, index, "input", slot);
}

int32_t sparsedrop_executable_result(const sparsedrop_executable *executable,
                                     int64_t index, sparsedrop_slot *slot) {
  return getSlot(executable->results, index, "result", slot);
}

int32_t sparsedrop_executable_report(const sparsedrop_executable *executable,
                                     int64_t seed, int64_t step,
                                     sparsedrop_text_callback callback,
                                     void *user) {
  std::string text;
  {
    Session session(*executable->state);
    if (!executable->executable->getUpstream()->hasAttr(
            mlir::sparsedrop::kProductsAttrName)) {
      session.addError("the function was compiled without counters "
                       "(sparsedrop_compile_options.instrument)");
      return 1;
    }
    int64_t peakBytes;
    sparsedrop_last_call_costs(nullptr, &peakBytes);
    std::vector<mlir::sparsedrop::ProductReport> products =
        mlir::sparsedrop::readProducts(*executable->executable);
    text =
        llvm::formatv("{0:2}\n", makeReport(*executable->executable, products,
                                            seed, step, peakBytes));
  }
  callback(text.data(), text.size(), user);
  return 0;
}
