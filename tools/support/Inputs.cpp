//===- Inputs.cpp - Inputs from files or drawn ----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Inputs.h"

#include "Npy.h"

#include "mlir/IR/BuiltinTypes.h"

#include <cmath>

using namespace mlir::sparsedrop::run;

static llvm::Error fail(const llvm::Twine &message) {
  return llvm::createStringError(message);
}

namespace {
/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) with Box-Muller: the inputs of
/// --random are the same everywhere.
class Normal {
public:
  explicit Normal(uint64_t seed) : state(seed) {}

  double draw() {
    double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * 3.14159265358979323846 * uniform());
  }

private:
  double uniform() {
    state += 0x9E3779B97F4A7C15u;
    uint64_t z = state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (static_cast<double>((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
  }
  uint64_t state;
};
} // namespace

/// Normal values; integers are rounded and not negative.
static llvm::Expected<std::vector<Tensor>>
drawInputs(llvm::ArrayRef<const Slot *> slots, uint64_t seed) {
  std::vector<Tensor> inputs;
  for (auto [i, slot] : llvm::enumerate(slots)) {
    if (llvm::any_of(slot->shape, mlir::ShapedType::isDynamic))
      return fail("argument " + llvm::Twine(i) + " is " +
                  describe(slot->elementType, slot->shape) +
                  ": --random needs known sizes; give --input instead");
    Tensor tensor{slot->elementType, slot->shape, {}};
    int64_t size = tensor.size();
    tensor.bytes.resize(
        static_cast<size_t>(size * getElementBytes(slot->elementType)));
    Normal normal(seed * 1000003 + i);
    bool isFloat = mlir::isa<mlir::FloatType>(slot->elementType);
    for (int64_t j = 0; j < size; ++j) {
      double value = normal.draw();
      tensor.set(j, isFloat ? value : std::floor(std::abs(value)));
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

llvm::Expected<std::vector<Tensor>>
mlir::sparsedrop::run::makeInputs(const Executable &program,
                                  llvm::ArrayRef<std::string> files,
                                  std::optional<uint64_t> random) {
  llvm::SmallVector<const Slot *> slots = program.getInputs();
  if (random && !files.empty())
    return fail("expected --input or --random, but got both");
  if (files.empty() && (random || slots.empty()))
    return drawInputs(slots, random.value_or(0));
  if (files.size() != slots.size())
    return fail("expected " + llvm::Twine(slots.size()) +
                " inputs (--input=FILE.npy for each, or --random=SEED), but "
                "got " +
                llvm::Twine(files.size()));
  std::vector<Tensor> inputs;
  for (auto [file, slot] : llvm::zip(files, slots)) {
    llvm::Expected<Tensor> tensor =
        readNpy(file, slot->elementType, slot->shape);
    if (!tensor)
      return tensor.takeError();
    inputs.push_back(std::move(*tensor));
  }
  return inputs;
}
