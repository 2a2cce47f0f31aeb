//===- ExcludeSites.cpp - Sites where nothing is dropped ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/StringSet.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_EXCLUDESITES
#include "sparsedrop/Dialect/SparseDrop/Transforms/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;

LogicalResult mlir::sparsedrop::excludeSites(RewriterBase &rewriter,
                                             ModuleOp module,
                                             ArrayRef<std::string> sites) {
  llvm::StringSet<> found;
  SmallVector<DropoutOp> excluded;
  module.walk([&](DropoutOp op) {
    auto sample = op.getPattern().getDefiningOp<SampleOp>();
    if (!sample || !llvm::is_contained(sites, sample.getSite()))
      return;
    found.insert(sample.getSite());
    excluded.push_back(op);
  });
  for (const std::string &site : sites)
    if (!found.contains(site))
      return module.emitError() << "expected sites of dropouts to exclude, but "
                                   "nothing is dropped at '"
                                << site << "'";
  for (DropoutOp op : excluded)
    rewriter.replaceOp(op, op.getSource());
  return success();
}

namespace {
struct ExcludeSites
    : public mlir::sparsedrop::impl::ExcludeSitesBase<ExcludeSites> {
  using ExcludeSitesBase::ExcludeSitesBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    if (failed(
            excludeSites(rewriter, getOperation(),
                         SmallVector<std::string>(sites.begin(), sites.end()))))
      signalPassFailure();
  }
};
} // namespace
