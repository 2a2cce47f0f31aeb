//===- Products.cpp - Which structured ops are products -------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Products.h"

#include "sparsedrop/Conversion/RuntimeTypes.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using linalg::LinalgOp;
using mlir::sparsedrop::Accesses;

/// The block argument that `value` is, through extensions.
static BlockArgument getExtended(Value value, Block *body) {
  while (auto extension = value.getDefiningOp<arith::ExtFOp>())
    value = extension.getIn();
  auto argument = dyn_cast<BlockArgument>(value);
  return argument && argument.getOwner() == body ? argument : BlockArgument();
}

/// Whether the body is `init + a * b`, in some order.
static bool isProductBody(LinalgOp op) {
  Block *body = op.getBlock();
  auto add =
      body->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!add || add->getBlock() != body)
    return false;
  Value init = body->getArgument(2);
  Value term = add.getLhs() == init ? add.getRhs() : add.getLhs();
  if (add.getLhs() != init && add.getRhs() != init)
    return false;
  // A sum of a type that is narrower than the product is the runtime's own
  // business: it sums in f32 at least.
  if (auto truncation = term.getDefiningOp<arith::TruncFOp>())
    return false;
  auto product = term.getDefiningOp<arith::MulFOp>();
  if (!product || product->getBlock() != body)
    return false;
  BlockArgument lhs = getExtended(product.getLhs(), body);
  BlockArgument rhs = getExtended(product.getRhs(), body);
  return lhs && rhs && lhs.getArgNumber() + rhs.getArgNumber() == 1;
}

FailureOr<Accesses> mlir::sparsedrop::matchProduct(RewriterBase &rewriter,
                                                   LinalgOp op) {
  auto refuse = [&](const char *reason) {
    return rewriter.notifyMatchFailure(op, reason);
  };
  if (op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1 ||
      op.getNumReductionLoops() == 0)
    return refuse("not a reduction of two arrays into one");
  for (Value operand : op->getOperands()) {
    auto type = dyn_cast<ShapedType>(operand.getType());
    if (!type || !mlir::sparsedrop::getRuntimeType(type.getElementType()))
      return refuse("an operand is not an array of a supported type");
  }
  if (!isProductBody(op))
    return refuse("the body is not init + a * b");
  if (!op.getMatchingIndexingMap(op.getDpsInitOperand(0))
           .isProjectedPermutation())
    return refuse("the output is not indexed by plain loops");
  Accesses accesses;
  for (AffineMap map : op.getIndexingMapsArray()) {
    auto &operand = accesses.emplace_back();
    for (AffineExpr expr : map.getResults()) {
      auto coefficients =
          mlir::sparsedrop::getLinearCoefficients(expr, op.getNumLoops());
      if (!coefficients)
        return refuse("an indexing map is not linear");
      operand.push_back(*coefficients);
    }
  }
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
    int users = 0;
    for (auto &operand : accesses)
      users += llvm::any_of(
          operand, [&](ArrayRef<int64_t> dim) { return dim[loop] != 0; });
    if (users < 2)
      return refuse("a loop indexes a single operand");
  }
  return accesses;
}
