//===- KernelTable.h - Measured kernels of products -------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A file of kernels that were measured on a device, by the signature of the
// product (which sparsedrop-choose-kernels tells in a remark where it finds
// none). sparsedrop-tune writes it; compilation reads it. JSON:
//
//   {
//     "version": 1,
//     "entries": [
//       {
//         "signature": "sm_90a bf16*bf16+f32 batch=1 rows=256 ...",
//         "kernel": "#sparsedrop.kernel<wgmma, tile = [128, 256, 64], ...>",
//         "step_us": 2.0,           median of a step of the program it was
//                                   measured in, with this kernel
//         "estimate_step_us": 3.0, the same with the cost model's choice
//         "saved_us": 1.0,          median of the differences, step by step
//         "device": "the name that its driver gives it",
//         "date": "2026-01-31"      of the measurement, UTC
//       }
//     ]
//   }
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_GPU_KERNELTABLE_H
#define SPARSEDROP_GPU_KERNELTABLE_H

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

namespace mlir::sparsedrop {

/// One measured kernel.
struct KernelTableEntry {
  std::string signature;
  KernelAttr kernel;
  /// Microseconds: a step with the kernel, with the cost model's choice, and
  /// how much less the first one is (below 0: more).
  double step = 0, estimateStep = 0, saved = 0;
  std::string device, date;
};

/// Entries by signature, in the order in which they came.
class KernelTable {
public:
  /// What the text `contents` of the file `name` holds; the dialect must be
  /// loaded into `context`. The error is one line: the file, the entry, what
  /// was expected and what came.
  static llvm::Expected<KernelTable> parse(StringRef contents, StringRef name,
                                           MLIRContext *context);
  /// The same of a file.
  static llvm::Expected<KernelTable> read(StringRef path, MLIRContext *context);

  /// Null if there is none.
  const KernelTableEntry *find(StringRef signature) const;
  /// Adds an entry, or puts it in the place of the one of its signature.
  void set(KernelTableEntry entry);
  ArrayRef<KernelTableEntry> getEntries() const { return entries; }

  /// Writes what `parse` reads.
  void print(llvm::raw_ostream &stream) const;

private:
  SmallVector<KernelTableEntry> entries;
  llvm::StringMap<size_t> places;
};

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_GPU_KERNELTABLE_H
