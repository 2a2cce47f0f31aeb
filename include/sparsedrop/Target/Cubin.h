//===- Cubin.h - Machine code of GPUs by ptxas ---------------- -*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TARGET_CUBIN_H
#define SPARSEDROP_TARGET_CUBIN_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace mlir::sparsedrop {

/// The path of ptxas: on the PATH, or of the toolkit that CUDA_HOME, CUDA_PATH
/// or CUDA_ROOT names, or, if none of them is set, of the one in
/// /usr/local/cuda. Empty if there is none.
std::string findPtxas();

/// The cubin of PTX for a chip (sm_90a). The error is the first that
/// ptxas says.
llvm::Expected<std::string> assemble(llvm::StringRef ptxas, llvm::StringRef ptx,
                                     llvm::StringRef chip);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_TARGET_CUBIN_H
