//===- Emitters.h - The families of kernels ---------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each writes the kernel of one op on buffers as its `sparsedrop.kernel` says,
// and the launch in the op's place; the caller erases the op.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_EMITTERS_H
#define SPARSEDROP_LIB_GPU_EMITTERS_H

#include "KernelBuilder.h"
#include "Product.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mlir::sparsedrop {

/// Elementwise, serial and reduction kernels; one for all of `ops`, which are a
/// group whose first is the reduction that `choice` is of. `starts` has, for
/// each op and output, the scalar that all its elements hold before, or null:
/// those that are there.
LogicalResult emitLoops(KernelModule &kernels, RewriterBase &host,
                        ArrayRef<linalg::LinalgOp> ops, KernelAttr choice,
                        ArrayRef<SmallVector<Value>> starts);

/// The parallel loop along which most operands are contiguous: neighbouring
/// threads take neighbouring iterations of it, and vectors follow it.
std::optional<unsigned> findColumn(linalg::LinalgOp op);

/// Why a choice of the family cannot be obeyed; empty if it can. (planWgmma
/// tells for wgmma.)
std::string getPlainProblem(ContractOp op, KernelAttr choice);
std::string getTensorCoreProblem(Product product, KernelAttr choice);

/// Elementwise ops whose input is contiguous along another loop than the
/// output, through tiles of shared memory.
LogicalResult emitTranspose(KernelModule &kernels, RewriterBase &host,
                            linalg::LinalgOp op, KernelAttr choice);

/// Why `op` is none of those; empty if it is.
std::string getTransposeProblem(linalg::LinalgOp op);

/// The kernel of one of those.
KernelAttr chooseTranspose(linalg::LinalgOp op);

/// Contractions on plain arithmetic.
LogicalResult emitPlain(KernelModule &kernels, RewriterBase &host,
                        ContractOp op, KernelAttr choice);

/// Contractions on tensor cores, by mma.sync.
LogicalResult emitTensorCore(KernelModule &kernels, RewriterBase &host,
                             ContractOp op, KernelAttr choice);

/// Contractions on the tensor cores of sm_90a, by wgmma.
LogicalResult emitWgmma(KernelModule &kernels, RewriterBase &host,
                        ContractOp op, KernelAttr choice);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_EMITTERS_H
