//===- GroupProducts.cpp - One launch for the products of a loop ----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The products of a loop whose iterations have nothing to do with each other,
// as the classes of a tile pattern, may run at the same time. A loop of several
// products is as many loops of one.
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "RemarkOptions.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_GROUPPRODUCTS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;

/// The products of a loop, or why they are launched one by one.
static SmallVector<ContractOp> findProducts(scf::ForOp loop,
                                            std::string &problem) {
  SmallVector<ContractOp> products;
  if (loop->getNumResults() != 0) {
    problem = "iterations need what others have computed";
    return {};
  }
  if (!loop.getInductionVar().getType().isIndex() || loop.getUnsignedCmp()) {
    problem = "iterations are not counted by a signed index";
    return {};
  }
  for (Operation &op : loop.getBody()->without_terminator()) {
    if (auto product = dyn_cast<ContractOp>(op)) {
      auto choice = op.getAttrOfType<KernelAttr>(kKernelAttrName);
      if (choice && choice.getSplit() > 1) {
        problem = "parts of the depth, which were chosen, take a second launch";
        return {};
      }
      products.push_back(product);
    } else if (!isa<cf::AssertOp>(op) &&
               (!isMemoryEffectFree(&op) || op.getNumRegions() != 0)) {
      problem = ("iterations do more than multiply: '" +
                 op.getName().getStringRef() + "'")
                    .str();
      return {};
    }
  }
  if (products.empty())
    problem = "there are none";
  return products;
}

/// A loop before `loop` of one of its products.
static scf::ForOp split(RewriterBase &rewriter, scf::ForOp loop,
                        ContractOp product) {
  rewriter.setInsertionPoint(loop);
  IRMapping mapping;
  auto own = cast<scf::ForOp>(rewriter.clone(*loop, mapping));
  Operation *kept = mapping.lookup(product.getOperation());
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(*own.getBody()))) {
    bool isOther = isa<ContractOp>(op) && &op != kept;
    if (isOther || isOpTriviallyDead(&op))
      rewriter.eraseOp(&op);
  }
  return own;
}

static void explain(scf::ForOp loop, StringRef problem, size_t count) {
  auto options = getRemarkOptions(loop, "Launch", "sparsedrop-group-products");
  if (problem.empty())
    remark::passed(loop.getLoc(), options)
        << remark::add("the products of all iterations take {0} launch{1}",
                       count, count == 1 ? "" : "es");
  else
    remark::missed(loop.getLoc(), options) << remark::add(
        "the products of a loop are launched one by one: {0}", problem);
}

namespace {
struct GroupProducts
    : public mlir::sparsedrop::impl::GroupProductsBase<GroupProducts> {
  void runOnOperation() override {
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](scf::ForOp loop) {
      if (loop->hasAttr(kDisjointAttrName))
        loops.push_back(loop);
    });
    IRRewriter rewriter(&getContext());
    for (scf::ForOp loop : loops) {
      std::string problem;
      SmallVector<ContractOp> products = findProducts(loop, problem);
      explain(loop, problem, products.size());
      if (products.empty())
        continue;
      for (ContractOp product : ArrayRef(products).drop_back())
        group(split(rewriter, loop, product));
      for (ContractOp product : ArrayRef(products).drop_back())
        rewriter.eraseOp(product);
      group(loop);
    }
  }

  void group(scf::ForOp loop) {
    loop->setAttr(kGroupedAttrName, UnitAttr::get(&getContext()));
  }
};
} // namespace
