//===- SparseDropDialect.cpp - The sparsedrop dialect ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Registration, and the checks of the attributes that the dialect gives to
// functions, arguments and contractions.
//
//===----------------------------------------------------------------------===//

#include "SparseDropBytecode.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Transforms/InliningUtils.h"
#include "llvm/ADT/SmallSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::sparsedrop;

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDropDialect.cpp.inc"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDropEnums.cpp.inc"

namespace {
/// All ops are pure values: they may be moved into a caller.
struct SparseDropInliner : public DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;

  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const final {
    return true;
  }
};
} // namespace

void SparseDropDialect::initialize() {
  addInterfaces<SparseDropInliner>();
  addBytecodeInterface(this);
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDropOps.cpp.inc"
      >();
}

Operation *SparseDropDialect::materializeConstant(OpBuilder &builder,
                                                  Attribute value, Type type,
                                                  Location loc) {
  return arith::ConstantOp::materialize(builder, value, type, loc);
}

void mlir::sparsedrop::getDropoutAnnotations(
    Operation *op, SmallVectorImpl<DropoutAttr> &annotations) {
  Attribute attribute = op->getDiscardableAttr(kDropoutAttrName);
  if (auto single = dyn_cast_or_null<DropoutAttr>(attribute))
    annotations.push_back(single);
  else if (auto list = dyn_cast_or_null<ArrayAttr>(attribute))
    llvm::append_range(annotations, list.getAsRange<DropoutAttr>());
}

std::string mlir::sparsedrop::getGradientName(StringRef function) {
  return function.str() + "_grad";
}

std::string mlir::sparsedrop::getRecalibrationName(StringRef function) {
  return function.str() + "_recalibrate";
}

//===----------------------------------------------------------------------===//
// Checks of an annotation against the op that carries it
//===----------------------------------------------------------------------===//

/// Units of a static extent must hold at least one granule or tile.
static LogicalResult verifySize(Operation *op, StringRef what, int64_t size,
                                int64_t extent) {
  if (ShapedType::isDynamic(extent) || size <= extent || extent == 0)
    return success();
  return op->emitOpError() << "expects a " << what
                           << " no larger than the extent " << extent
                           << ", but got " << size;
}

static LogicalResult verifyAnnotation(linalg::LinalgOp op,
                                      DropoutAttr annotation) {
  int64_t index = annotation.getOperand();
  if (index >= op.getNumDpsInputs())
    return op->emitOpError()
           << "expects a dropout of one of its " << op.getNumDpsInputs()
           << " inputs, but got operand = " << index;
  OpOperand *operand = op.getDpsInputOperand(index);
  auto type = dyn_cast<RankedTensorType>(operand->get().getType());
  if (!type)
    return op->emitOpError() << "expects a dropped operand that is a tensor, "
                                "but operand "
                             << index << " is " << operand->get().getType();
  if (!isDroppable(type.getElementType()))
    return op->emitOpError() << "expects a dropped operand of floating-point "
                                "elements of at most 64 bits, but got "
                             << type;
  if (annotation.hasDim() && annotation.getDim() >= type.getRank())
    return op->emitOpError() << "expects dim in [0, " << type.getRank()
                             << "), but got " << annotation.getDim();
  if (annotation.getKind() == PatternKind::Tile && type.getRank() != 2)
    return op->emitOpError()
           << "expects a weight of two dimensions for kind 'tile', but got "
           << type;
  if (!annotation.hasDim() || annotation.getKind() == PatternKind::Tile)
    return success();
  return verifySize(op, "granularity", annotation.getGranularity(),
                    type.getDimSize(annotation.getDim()));
}

/// Whether a reduction adds products up: what a contraction and a convolution
/// are, whatever else their bodies do.
static bool isSumOfProducts(linalg::LinalgOp op) {
  if (op.getNumReductionLoops() == 0)
    return false;
  Block *body = op.getBlock();
  bool multiplies =
      llvm::any_of(*body, llvm::IsaPred<arith::MulFOp, arith::MulIOp>);
  return multiplies &&
         llvm::any_of(body->getTerminator()->getOperands(), [&](Value result) {
           Operation *combiner = result.getDefiningOp();
           return isa_and_nonnull<arith::AddFOp, arith::AddIOp>(combiner) &&
                  llvm::any_of(combiner->getOperands(), [&](Value value) {
                    auto argument = dyn_cast<BlockArgument>(value);
                    return argument && argument.getOwner() == body &&
                           argument.getArgNumber() >= op.getNumDpsInputs();
                  });
         });
}

static LogicalResult verifyDropout(Operation *op, Attribute value) {
  SmallVector<DropoutAttr> annotations;
  if (auto list = dyn_cast<ArrayAttr>(value)) {
    if (!llvm::all_of(list, llvm::IsaPred<DropoutAttr>))
      return op->emitOpError()
             << "expects '" << kDropoutAttrName
             << "' to hold #sparsedrop.dropout only, but got " << value;
  } else if (!isa<DropoutAttr>(value)) {
    return op->emitOpError() << "expects '" << kDropoutAttrName
                             << "' to be #sparsedrop.dropout or an array of it"
                             << ", but got " << value;
  }
  getDropoutAnnotations(op, annotations);
  auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
  if (!linalgOp || !isSumOfProducts(linalgOp))
    return op->emitOpError()
           << "expects a dropout on a contraction or a convolution";
  llvm::SmallSet<int64_t, 4> seen;
  for (DropoutAttr annotation : annotations) {
    if (!seen.insert(annotation.getOperand()).second)
      return op->emitOpError() << "expects at most one dropout per operand, "
                                  "but got two for operand "
                               << annotation.getOperand();
    if (failed(verifyAnnotation(linalgOp, annotation)))
      return failure();
  }
  return success();
}

/// A list of distinct numbers below `count`.
static LogicalResult verifyNumbers(Operation *op, NamedAttribute entry,
                                   StringRef what, int64_t count) {
  auto list = dyn_cast<ArrayAttr>(entry.getValue());
  llvm::SmallSet<int64_t, 8> seen;
  for (Attribute element : list ? list.getValue() : ArrayRef<Attribute>()) {
    auto number = dyn_cast<IntegerAttr>(element);
    if (!number) {
      list = {};
      break;
    }
    if (number.getInt() < 0 || number.getInt() >= count)
      return op->emitOpError() << "expects '" << entry.getName().getValue()
                               << "' to name " << what << "s in [0, " << count
                               << "), but got " << number.getInt();
    if (!seen.insert(number.getInt()).second)
      return op->emitOpError()
             << "expects '" << entry.getName().getValue() << "' to name each "
             << what << " once, but got " << number.getInt() << " twice";
  }
  if (!list)
    return op->emitOpError()
           << "expects '" << entry.getName().getValue()
           << "' to be a list of integers, but got " << entry.getValue();
  return success();
}

static LogicalResult verifyAverage(Operation *op, Attribute value) {
  auto number = dyn_cast<FloatAttr>(value);
  double share = number ? number.getValueAsDouble() : -1;
  if (share >= 0 && share < 1)
    return success();
  return op->emitOpError() << "expects 'average' to be a float in [0, 1), but "
                              "got "
                           << value;
}

static LogicalResult verifySensitivity(Operation *op, Attribute value) {
  auto name = dyn_cast<StringAttr>(value);
  if (name && (name == "batch" || name == "sample"))
    return success();
  return op->emitOpError()
         << "expects 'sensitivity' to be \"batch\" or \"sample\", but got "
         << value;
}

static LogicalResult verifyDifferentiate(Operation *op, Attribute value) {
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function)
    return op->emitOpError()
           << "expects '" << kDifferentiateAttrName << "' on a function";
  auto dictionary = dyn_cast<DictionaryAttr>(value);
  if (!dictionary && !isa<UnitAttr>(value))
    return op->emitOpError()
           << "expects '" << kDifferentiateAttrName
           << "' to be a dictionary such as {wrt = [0, 2]}, but got " << value;
  for (NamedAttribute entry :
       dictionary ? dictionary.getValue() : ArrayRef<NamedAttribute>()) {
    if (entry.getName() == "average") {
      if (failed(verifyAverage(op, entry.getValue())))
        return failure();
      continue;
    }
    if (entry.getName() == "sensitivity") {
      if (failed(verifySensitivity(op, entry.getValue())))
        return failure();
      continue;
    }
    bool isWrt = entry.getName() == "wrt";
    if (!isWrt && entry.getName() != "of")
      return op->emitOpError()
             << "expects 'wrt', 'of', 'average' and 'sensitivity' in '"
             << kDifferentiateAttrName << "', but got '"
             << entry.getName().getValue() << "'";
    if (failed(verifyNumbers(op, entry, isWrt ? "argument" : "result",
                             isWrt ? function.getNumArguments()
                                   : function.getNumResults())))
      return failure();
  }
  return success();
}

/// Checks what is said of a loop.
static LogicalResult verifyLoop(Operation *op, NamedAttribute attribute) {
  StringRef name = attribute.getName();
  auto loop = dyn_cast<LoopLikeOpInterface>(op);
  if (!loop)
    return op->emitOpError()
           << "expects '" << name << "' on a loop, but got it on '"
           << op->getName() << "'";
  if (!isa<UnitAttr>(attribute.getValue()))
    return op->emitOpError()
           << "expects '" << name << "' to be a unit attribute, but got "
           << attribute.getValue();
  if (name == kDisjointAttrName)
    return success();
  int64_t products = 0;
  for (Region *region : loop.getLoopRegions())
    for (Operation &inner : region->getOps()) {
      products += isa<ContractOp>(inner);
      if (!isa<ContractOp, cf::AssertOp>(inner) && !isMemoryEffectFree(&inner))
        return op->emitOpError()
               << "expects '" << name
               << "' on a loop that does nothing but one product, but got '"
               << inner.getName() << "'";
    }
  if (products != 1 || op->getNumResults() != 0)
    return op->emitOpError()
           << "expects '" << name
           << "' on a loop of one product and no results, but got " << products
           << " and " << op->getNumResults();
  return success();
}

LogicalResult
SparseDropDialect::verifyOperationAttribute(Operation *op,
                                            NamedAttribute attribute) {
  StringRef name = attribute.getName();
  if (name == kDropoutAttrName)
    return verifyDropout(op, attribute.getValue());
  if (name == kDifferentiateAttrName)
    return verifyDifferentiate(op, attribute.getValue());
  if (name == kProductAttrName) {
    auto text = dyn_cast<StringAttr>(attribute.getValue());
    if (!text || !llvm::is_contained({"forward", "dgrad", "wgrad", "other"},
                                     text.getValue()))
      return op->emitOpError()
             << "expects '" << kProductAttrName
             << "' to be \"forward\", \"dgrad\", \"wgrad\" or \"other\"";
    return success();
  }
  if (name == kProductsAttrName || name == kMissedAttrName ||
      name == kConstantsAttrName || name == kOverlapsAttrName)
    return success();
  if (name == kGroupAttrName) {
    if (isa<DenseI64ArrayAttr>(attribute.getValue()))
      return success();
    return op->emitOpError() << "expects '" << kGroupAttrName
                             << "' to be the number of a group and the loops "
                                "of its rows, but got "
                             << attribute.getValue();
  }
  if (name == kDisjointAttrName || name == kGroupedAttrName)
    return verifyLoop(op, attribute);
  if (name == kKernelAttrName) {
    if (isa<KernelAttr>(attribute.getValue()))
      return success();
    return op->emitOpError()
           << "expects '" << kKernelAttrName
           << "' to be #sparsedrop.kernel, but got " << attribute.getValue();
  }
  return op->emitOpError() << "carries an unknown attribute '" << name << "'";
}

/// Checks an argument that holds something for a channel site.
static LogicalResult verifySiteArgument(FunctionOpInterface function,
                                        unsigned index,
                                        NamedAttribute attribute) {
  StringRef name = attribute.getName();
  if (!isa<StringAttr>(attribute.getValue()))
    return function->emitOpError()
           << "expects '" << name << "' to name a site, but got "
           << attribute.getValue();
  Type type = function.getArgumentTypes()[index];
  if (name == kRateAttrName && !type.isF32())
    return function->emitOpError()
           << "expects '" << name << "' on an f32 argument, but got " << type;
  auto tensor = dyn_cast<TensorType>(type);
  if (tensor && (!tensor.hasRank() || tensor.getRank() != 1 ||
                 !tensor.getElementType().isF32()))
    return function->emitOpError()
           << "expects '" << name << "' on a tensor<Cxf32> argument, but got "
           << type;
  for (unsigned i = 0; i < index; ++i)
    if (function.getArgAttr(i, name) == attribute.getValue())
      return function->emitOpError()
             << "expects '" << name << "' of site " << attribute.getValue()
             << " on one argument, but got it on " << i << " and " << index;
  return success();
}

LogicalResult SparseDropDialect::verifyRegionResultAttribute(
    Operation *op, unsigned regionIndex, unsigned resultIndex,
    NamedAttribute attribute) {
  StringRef name = attribute.getName();
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function || name != kStatisticAttrName)
    return op->emitOpError() << "carries an unknown attribute '" << name
                             << "' on result " << resultIndex;
  auto running = dyn_cast<IntegerAttr>(attribute.getValue());
  if (!running || running.getInt() < 0 ||
      running.getInt() >= function.getNumArguments())
    return op->emitOpError()
           << "expects '" << name << "' to be the number of one of "
           << function.getNumArguments() << " arguments, but got "
           << attribute.getValue();
  // What types they have is the pass's to check: lowering changes them.
  Type type = function.getResultTypes()[resultIndex];
  Type other = function.getArgumentTypes()[running.getInt()];
  if (other != type)
    return op->emitOpError()
           << "expects a statistic and its running value of the same type, but "
              "result "
           << resultIndex << " is " << type << " and argument "
           << running.getInt() << " is " << other;
  for (unsigned i = 0; i < resultIndex; ++i)
    if (function.getResultAttr(i, name) == attribute.getValue())
      return op->emitOpError()
             << "expects one statistic for argument " << running.getInt()
             << ", but got results " << i << " and " << resultIndex;
  return success();
}

LogicalResult
SparseDropDialect::verifyRegionArgAttribute(Operation *op, unsigned regionIndex,
                                            unsigned argIndex,
                                            NamedAttribute attribute) {
  StringRef name = attribute.getName();
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function)
    return op->emitOpError()
           << "expects '" << name << "' on an argument of a function";
  // After lowering an argument may be another type: only tensors and integers
  // are what the attributes speak about.
  Type type = function.getArgumentTypes()[argIndex];
  if (name == kSeedAttrName || name == kStepAttrName) {
    if (!type.isInteger(64))
      return op->emitOpError()
             << "expects '" << name << "' on an i64 argument, but got " << type;
    for (unsigned i = 0; i < argIndex; ++i)
      if (function.getArgAttr(i, name))
        return op->emitOpError()
               << "expects '" << name << "' on one argument, but got it on "
               << i << " and " << argIndex;
    return success();
  }
  if (name == kSensitivityAttrName || name == kImportanceAttrName ||
      name == kRateAttrName)
    return verifySiteArgument(function, argIndex, attribute);
  if (name == kDonateAttrName) {
    if (!isa<IntegerAttr>(attribute.getValue()))
      return op->emitOpError() << "expects '" << name
                               << "' to be the number of a result, but got "
                               << attribute.getValue();
    for (unsigned i = 0; i < argIndex; ++i)
      if (function.getArgAttr(i, name) == attribute.getValue())
        return op->emitOpError()
               << "expects one argument donated to a result, but " << i
               << " and " << argIndex << " are donated to result "
               << attribute.getValue();
    return success();
  }
  return op->emitOpError() << "carries an unknown argument attribute '" << name
                           << "'";
}
