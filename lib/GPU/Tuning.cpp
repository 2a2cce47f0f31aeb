//===- Tuning.cpp - Kernels that a measurement tries ----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Tuning.h"

#include "ChooseContraction.h"
#include "Signature.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace mlir::sparsedrop;

FailureOr<SmallVector<TunableProduct>>
mlir::sparsedrop::findTunableProducts(ModuleOp module, StringRef chipName,
                                      bool tf32, size_t most) {
  FailureOr<Chip> chip = getChip(module.getLoc(), chipName);
  if (failed(chip))
    return failure();
  chip->tf32 = tf32;
  llvm::MapVector<StringAttr, SmallVector<ContractOp>> products;
  module.walk([&](ContractOp op) {
    if (op->getNumResults() == 0 && !op->hasAttr(kKernelAttrName))
      products[StringAttr::get(op.getContext(), getSignature(op, *chip))]
          .push_back(op);
  });
  SmallVector<TunableProduct> result;
  for (auto &[signature, ops] : products) {
    TunableProduct &product = result.emplace_back();
    product.signature = signature.str();
    product.candidates = listCandidates(ops.front(), *chip, most);
    KernelAttr estimate = product.candidates.front();
    for (ContractOp op : ops) {
      product.locations.push_back(op.getLoc());
      llvm::erase_if(product.candidates, [&](KernelAttr choice) {
        return choice != estimate &&
               !getKernelProblem(op, choice, *chip).empty();
      });
    }
  }
  return result;
}
