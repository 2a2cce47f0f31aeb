//===- Header.h - C headers of compiled programs -------------- -*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TARGET_HEADER_H
#define SPARSEDROP_TARGET_HEADER_H

#include "sparsedrop/Target/Executable.h"

#include "llvm/Support/Error.h"

namespace mlir::sparsedrop {

/// A C header with a typed function for each program: one pointer an array, in
/// the order of the function's arguments, extents that are not known, scalars
/// by value, seed and step, and a place for each result that is not donated.
/// `guard` is the name of the include guard, `source` what is said to have been
/// compiled. An error if C or C++ cannot have a function of some program's
/// name.
llvm::Expected<std::string> makeHeader(ArrayRef<const Executable *> programs,
                                       StringRef guard, StringRef source);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_TARGET_HEADER_H
