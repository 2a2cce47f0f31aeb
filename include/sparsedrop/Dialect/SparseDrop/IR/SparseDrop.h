//===- SparseDrop.h - The sparsedrop dialect ---------------------*- C++
//-*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one header a client of the dialect includes.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROP_H
#define SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROP_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDropEnums.h.inc"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDropDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDropAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDropTypes.h.inc"

#define GET_OP_CLASSES
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDropOps.h.inc"

namespace sparsedrop::sampling {}

namespace mlir::sparsedrop {

/// Draws and searches (libSparseDropSampling), which know nothing of MLIR.
namespace sampling = ::sparsedrop::sampling;

/// Names of the attributes that the dialect gives to functions, arguments and
/// contractions (see the dialect's documentation).
inline constexpr StringLiteral kDropoutAttrName = "sparsedrop.dropout";
inline constexpr StringLiteral kSeedAttrName = "sparsedrop.seed";
inline constexpr StringLiteral kStepAttrName = "sparsedrop.step";
inline constexpr StringLiteral kSensitivityAttrName = "sparsedrop.sensitivity";
inline constexpr StringLiteral kImportanceAttrName = "sparsedrop.importance";
inline constexpr StringLiteral kRateAttrName = "sparsedrop.rate";
inline constexpr StringLiteral kDonateAttrName = "sparsedrop.donate";
inline constexpr StringLiteral kStatisticAttrName = "sparsedrop.statistic";
inline constexpr StringLiteral kDifferentiateAttrName =
    "sparsedrop.differentiate";
inline constexpr StringLiteral kProductAttrName = "sparsedrop.product";
inline constexpr StringLiteral kProductsAttrName = "sparsedrop.products";
inline constexpr StringLiteral kMissedAttrName = "sparsedrop.missed";
inline constexpr StringLiteral kGroupAttrName = "sparsedrop.group";
inline constexpr StringLiteral kConstantsAttrName = "sparsedrop.constants";
inline constexpr StringLiteral kOverlapsAttrName = "sparsedrop.overlaps";
inline constexpr StringLiteral kKernelAttrName = "sparsedrop.kernel";
/// On a loop: no iteration writes an element that another one reads or writes.
inline constexpr StringLiteral kDisjointAttrName = "sparsedrop.disjoint";
/// On a loop around one product: one launch does all iterations.
inline constexpr StringLiteral kGroupedAttrName = "sparsedrop.grouped";

/// Whether `op` makes a pattern of its first operand, another pattern.
bool isDerivedPattern(Operation *op);

/// Whether `op` makes a pattern.
bool isPatternMaker(Operation *op);

/// Adds to `annotations` the dropout annotations of `op`, in order.
void getDropoutAnnotations(Operation *op,
                           SmallVectorImpl<DropoutAttr> &annotations);

/// Whether elements of `type` can be dropped: floats of at most 64 bits.
inline bool isDroppable(Type type) {
  auto element = dyn_cast<FloatType>(type);
  return element && element.getWidth() <= 64;
}

/// A sum of multiples of loops, and a constant.
struct LinearIndex {
  SmallVector<int64_t> coefficients; ///< of each loop
  int64_t offset = 0;
};

/// `expr` as one of `loops` loops; nothing if it is none.
std::optional<LinearIndex> getLinearIndex(AffineExpr expr, unsigned loops);

/// The loop whose iterations index a dimension of `size` elements each once,
/// forwards or backwards: it has that extent. Nothing if none is known to.
std::optional<unsigned> getWholeLoop(const LinearIndex &index, int64_t size);

/// The coefficient of each of `loops` loops in `expr`; nothing if it is not a
/// sum of multiples of loops.
std::optional<SmallVector<int64_t>> getLinearCoefficients(AffineExpr expr,
                                                          unsigned loops);

/// Name of the gradient of a function: NAME_grad.
std::string getGradientName(StringRef function);

/// Name of the function that recalibrates statistics: NAME_recalibrate.
std::string getRecalibrationName(StringRef function);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROP_H
