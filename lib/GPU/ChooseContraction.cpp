//===- ChooseContraction.cpp - Kernels of contractions --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChooseContraction.h"

#include "Candidates.h"
#include "CostModel.h"
#include "Emitters.h"
#include "WgmmaPlan.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace mlir::sparsedrop;

FailureOr<Chip> mlir::sparsedrop::getChip(Location loc, StringRef name) {
  // LLVM ends the process for others.
  constexpr int64_t kPlain[] = {80, 86, 87, 89, 90, 100, 103, 120};
  constexpr int64_t kOwn[] = {90, 100, 103, 120};
  StringRef number = name;
  Chip chip;
  if (number.consume_front("sm_")) {
    bool isOwn = number.consume_back("a");
    if (!number.getAsInteger(10, chip.arch) &&
        (isOwn ? llvm::is_contained(kOwn, chip.arch)
               : llvm::is_contained(kPlain, chip.arch))) {
      chip.wgmma = isOwn && chip.arch == 90;
      chip.name = name.str();
      chip.processors = chip.arch >= 90 ? 132 : 108;
      return chip;
    }
  }
  return emitError(loc) << "expected a chip from sm_80 on, such as sm_80, "
                           "sm_86, sm_89 or sm_90a, but got '"
                        << name << "'";
}

static std::string describe(const Product &product, KernelAttr choice,
                            const Chip &chip) {
  ProductCost cost = estimateCost(product, choice, chip);
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << stringifyKernelFamily(choice.getFamily()) << ": " << cost.waves
         << (cost.waves == 1 ? " wave" : " waves") << " of tiles, limited by "
         << (cost.isByMath ? "the tensor cores" : "the L2 cache");
  return text;
}

/// The cheapest of a list that is not empty; the first of several.
static KernelAttr getCheapest(ArrayRef<KernelAttr> list, const Product &product,
                              const Chip &chip) {
  return *llvm::min_element(list, [&](KernelAttr a, KernelAttr b) {
    return estimateCost(product, a, chip).cycles <
           estimateCost(product, b, chip).cycles;
  });
}

/// Whether the chip's tensor cores multiply the factors by a family's
/// instruction.
static bool multiplies(const Product &product, KernelFamily family,
                       const Chip &chip) {
  return (family != KernelFamily::Wgmma || chip.wgmma) &&
         getFactorProblem(product, family, chip.tf32).empty();
}

ContractionChoice mlir::sparsedrop::chooseContraction(ContractOp op,
                                                      const Chip &chip) {
  Product product(op);
  if (chip.family == KernelFamily::Plain)
    return {choosePlain(product, chip), "plain: as asked for"};
  bool hasWgmma = multiplies(product, KernelFamily::Wgmma, chip);
  bool hasTensorCore = multiplies(product, KernelFamily::TensorCore, chip);
  if (!hasWgmma && !hasTensorCore)
    return {choosePlain(product, chip),
            "plain: tensor cores do not multiply the types, or only as tf32"};
  KernelAttr common = hasTensorCore ? chooseTensorCore(product, chip)
                                    : choosePlain(product, chip);
  if (!hasWgmma)
    return {common, describe(product, common, chip)};
  std::string reason;
  SmallVector<KernelAttr> list = listWgmma(product, reason);
  if (list.empty())
    return {common,
            stringifyKernelFamily(common.getFamily()).str() +
                " instead of wgmma: " + reason,
            /*isFallback=*/true};
  KernelAttr own = getCheapest(list, product, chip);
  bool isOwn = !hasTensorCore || estimateCost(product, own, chip).cycles <=
                                     estimateCost(product, common, chip).cycles;
  if (chip.family && hasTensorCore)
    isOwn = chip.family == KernelFamily::Wgmma;
  KernelAttr choice = isOwn ? own : common;
  return {choice, describe(product, choice, chip)};
}

SmallVector<KernelAttr>
mlir::sparsedrop::listCandidates(ContractOp op, const Chip &chip, size_t most) {
  Product product(op);
  SmallVector<KernelAttr> list;
  std::string reason;
  if (multiplies(product, KernelFamily::Wgmma, chip))
    list = listWgmma(product, reason);
  if (multiplies(product, KernelFamily::TensorCore, chip))
    llvm::append_range(list, listTensorCore(product, chip));
  if (list.empty())
    list = listPlain(product);
  // Of those that cost the same the first of the list goes first.
  SmallVector<std::pair<double, size_t>> order;
  for (auto [i, choice] : llvm::enumerate(list))
    order.emplace_back(estimateCost(product, choice, chip).cycles, i);
  llvm::sort(order);
  SmallVector<KernelAttr> result{chooseContraction(op, chip).kernel};
  for (auto [cycles, i] : order)
    if (result.size() < most && !llvm::is_contained(result, list[i]) &&
        getKernelProblem(op, list[i], chip).empty())
      result.push_back(list[i]);
  return result;
}

std::string mlir::sparsedrop::getKernelProblem(ContractOp op, KernelAttr choice,
                                               const Chip &chip) {
  std::string name = stringifyKernelFamily(choice.getFamily()).str();
  if (chip.family && choice.getFamily() != chip.family)
    return "it is of family " + name + ", but " +
           stringifyKernelFamily(*chip.family).str() + " is asked for";
  if (choice.getTf32() && !chip.tf32)
    return "it rounds to tf32, which is not asked for";
  if (std::string problem = getGroupProblem(op, choice); !problem.empty())
    return problem;
  Product product(op);
  std::string reason;
  switch (choice.getFamily()) {
  case KernelFamily::Plain:
    return getPlainProblem(op, choice);
  case KernelFamily::TensorCore:
    return getTensorCoreProblem(product, choice);
  case KernelFamily::Wgmma:
    if (!chip.wgmma)
      return chip.name + " does not have wgmma; expected sm_90a";
    return succeeded(planWgmma(product, choice, reason)) ? "" : reason;
  default:
    return "a product cannot become a kernel of family " + name;
  }
}
