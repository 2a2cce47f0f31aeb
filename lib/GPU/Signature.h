//===- Signature.h - What a measured kernel is for --------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The name of a product by which measured kernels are found: what decides which
// kernel is the fastest and which ones can be obeyed. One line, the same in
// each run and process, with all fields in this order:
//
//   sm_90a bf16*bf16+f32 batch=1 rows=256 columns=? depth=2048x16
//       first=depth/8 second=columns/8 with=f32:columns/4
//       outs=bf16:rows.columns/8
//
// - The chip, with ` tf32` behind it where f32 factors may be rounded.
// - Types of the first factor (which rows index), the second, and the sums.
// - Extents of each role's loops from slow to fast, without those of 1; `?` is
//   one that is known at run time only.
// - For each factor the roles along which it is contiguous, and how many
//   elements of 16 bytes are known to be aligned there; `strided` if there is
//   none.
// - The epilogue's other inputs and its outputs: type, the roles that index it
//   (`scalar` if none does, else it is the same along the others), and elements
//   along the columns, as above; `:old` where the epilogue reads what an output
//   holds before. `none` where there are none.
//
// What the epilogue computes is not part of it: kernels differ little in that.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_SIGNATURE_H
#define SPARSEDROP_LIB_GPU_SIGNATURE_H

#include "ChooseContraction.h"

namespace mlir::sparsedrop {

/// The signature of a contraction on buffers.
std::string getSignature(ContractOp op, const Chip &chip);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_SIGNATURE_H
