//===- ChooseContraction.cpp - Kernels of contractions --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChooseContraction.h"

using namespace mlir;
using namespace mlir::sparsedrop;

FailureOr<Chip> mlir::sparsedrop::getChip(Location loc, StringRef name) {
  StringRef number = name;
  Chip chip;
  if (number.consume_front("sm_")) {
    number.consume_back("a");
    if (!number.getAsInteger(10, chip.arch) && chip.arch >= 80 &&
        chip.arch < 130)
      return chip;
  }
  return emitError(loc) << "expected a chip from sm_80 on, such as sm_80, "
                           "sm_86, sm_89 or sm_90a, but got '"
                        << name << "'";
}

KernelAttr mlir::sparsedrop::chooseContraction(ContractOp op, const Chip &) {
  return KernelAttr::get(op.getContext(), KernelFamily::Plain, {64, 64, 16}, {},
                         {}, {1, 1, 1}, 1, 1, false);
}
