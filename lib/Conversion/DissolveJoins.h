//===- DissolveJoins.h - Values that are joined to be taken apart -*- C++ -*-=//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_CONVERSION_DISSOLVEJOINS_H
#define SPARSEDROP_LIB_CONVERSION_DISSOLVEJOINS_H

#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {

/// Readers of slices get what was inserted there, where all that is inserted
/// into a tensor is read by slices that are either one insertion's or none's.
/// So a loop whose iterations were split, at a tail that is cut off a last
/// granule, is two chains of ops with nothing between them. Values have to be
/// the same where they are equal (CSE). Of parts that are joined for good, each
/// is computed once the ones before it are in place.
void dissolveJoins(RewriterBase &rewriter, Operation *root);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_CONVERSION_DISSOLVEJOINS_H
