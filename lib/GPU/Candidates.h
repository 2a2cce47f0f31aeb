//===- Candidates.h - Kernels that a product may become ---------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the cost model chooses among, and what a measurement tries. Lists are in
// a fixed order and hold only kernels that can be obeyed.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_CANDIDATES_H
#define SPARSEDROP_LIB_GPU_CANDIDATES_H

#include "ChooseContraction.h"
#include "Product.h"

namespace mlir::sparsedrop {

/// The tile of a family that keeps all processors busy and computes little in
/// vain. Types must be those of the family.
KernelAttr choosePlain(const Product &product, const Chip &chip);
KernelAttr chooseTensorCore(const Product &product, const Chip &chip);

/// All tiles of a family; for tensor cores also with parts of the depth. Some
/// may occur twice.
SmallVector<KernelAttr> listPlain(const Product &product);
SmallVector<KernelAttr> listTensorCore(const Product &product,
                                       const Chip &chip);

/// All tiles of wgmma, alone and in clusters, with each number of parts of the
/// depth. `reason` receives why the first one that cannot be obeyed cannot.
SmallVector<KernelAttr> listWgmma(const Product &product, std::string &reason);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_CANDIDATES_H
