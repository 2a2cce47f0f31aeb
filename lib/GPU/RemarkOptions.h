//===- RemarkOptions.h - Where a remark comes from --------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_REMARKOPTIONS_H
#define SPARSEDROP_LIB_GPU_REMARKOPTIONS_H

#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace mlir::sparsedrop {

/// Those of a remark `name` of a pass, at `op` in its function.
inline remark::RemarkOpts getRemarkOptions(Operation *op, StringRef name,
                                           StringRef pass) {
  auto function = op->getParentOfType<FunctionOpInterface>();
  return remark::RemarkOpts::name(name).category(pass).function(
      function ? function.getName() : StringRef());
}

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_REMARKOPTIONS_H
