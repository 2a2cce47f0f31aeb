//===- TieDonated.cpp - Results in the buffers of arguments ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Utils/MemRefUtils.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/MapVector.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_TIEDONATED
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;

/// The argument that each donated result lies in, by number.
using Ties = llvm::MapVector<unsigned, unsigned>;

/// Reads the attributes of the arguments; an error when one cannot be kept.
static LogicalResult readTies(func::FuncOp function, Ties &ties) {
  for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i) {
    auto number = function.getArgAttrOfType<IntegerAttr>(i, kDonateAttrName);
    if (!number)
      continue;
    int64_t result = number.getInt();
    if (result < 0 || result >= function.getNumResults())
      return function.emitOpError()
             << "donates argument " << i << " to result " << result
             << ", but has " << function.getNumResults() << " results";
    Type from = function.getArgumentTypes()[i];
    Type to = function.getResultTypes()[result];
    auto fromType = dyn_cast<MemRefType>(from),
         toType = dyn_cast<MemRefType>(to);
    if (!fromType || !toType || fromType.getShape() != toType.getShape() ||
        fromType.getElementType() != toType.getElementType())
      return function.emitOpError()
             << "donates argument " << i << " of type " << from << " to result "
             << result << " of type " << to;
    if (!ties.insert({static_cast<unsigned>(result), i}).second)
      return function.emitOpError()
             << "donates two arguments to result " << result;
  }
  return success();
}

/// Whether `value` is `argument`, seen through casts and reshapes: these keep
/// the order of the elements, so that of equal shapes all lie where they lay.
static bool isArgument(Value value, Value argument) {
  while (value != argument &&
         isa_and_present<memref::CastOp, memref::ExpandShapeOp,
                         memref::CollapseShapeOp>(value.getDefiningOp()))
    value = cast<ViewLikeOpInterface>(value.getDefiningOp()).getViewSource();
  return value == argument;
}

/// A buffer of its own with the elements of `value`.
static Value copyOut(OpBuilder &builder, Location loc, Value value) {
  auto type = cast<MemRefType>(value.getType());
  SmallVector<Value> sizes;
  for (int64_t i = 0, e = type.getRank(); i < e; ++i)
    if (type.isDynamicDim(i))
      sizes.push_back(memref::DimOp::create(builder, loc, value, i));
  Value copy = memref::AllocOp::create(
      builder, loc, MemRefType::get(type.getShape(), type.getElementType()),
      sizes);
  memref::CopyOp::create(builder, loc, value, copy);
  return copy.getType() == type
             ? copy
             : memref::CastOp::create(builder, loc, type, copy).getResult();
}

/// Results that are not in their arguments are copied there, and the others
/// returned.
static void tieReturn(func::FuncOp function, func::ReturnOp exit,
                      const Ties &ties) {
  OpBuilder builder(exit);
  SmallVector<Value> values(exit.getOperands());
  llvm::SmallPtrSet<Value, 4> overwritten;
  for (auto [result, argument] : ties)
    if (!isArgument(values[result], function.getArgument(argument)))
      overwritten.insert(function.getArgument(argument));
  // What lies where a copy will go is moved out of the way.
  for (auto [i, value] : llvm::enumerate(values)) {
    auto it = ties.find(i);
    bool isInPlace =
        it != ties.end() && isArgument(value, function.getArgument(it->second));
    auto buffer = dyn_cast<MemrefValue>(value);
    if (!isInPlace && buffer &&
        overwritten.contains(memref::skipViewLikeOps(buffer)))
      value = copyOut(builder, exit.getLoc(), value);
  }
  SmallVector<Value> kept;
  for (auto [i, value] : llvm::enumerate(values)) {
    auto it = ties.find(i);
    if (it == ties.end()) {
      kept.push_back(value);
      continue;
    }
    Value target = function.getArgument(it->second);
    if (isArgument(value, target))
      continue;
    remark::missed(value.getLoc(), remark::RemarkOpts::name("Copied")
                                       .category("sparsedrop-tie-donated")
                                       .function(function.getName()))
        << remark::add("result {0} is copied to the donated argument {1}", i,
                       it->second);
    memref::CopyOp::create(builder, exit.getLoc(), value, target);
  }
  exit.getOperandsMutable().assign(kept);
}

/// Results end in their arguments' buffers, and are returned no more.
static void tieResults(func::FuncOp function, const Ties &ties) {
  llvm::BitVector erased(function.getNumResults());
  for (auto [result, argument] : ties) {
    erased.set(result);
    function.removeArgAttr(argument, kDonateAttrName);
  }
  function.walk([&](func::ReturnOp exit) { tieReturn(function, exit, ties); });
  (void)function.eraseResults(erased);
}

/// Calls take what they gave away for the results that are gone.
static void updateCall(func::CallOp call, const Ties &ties) {
  OpBuilder builder(call);
  SmallVector<Type> types;
  for (auto [i, type] : llvm::enumerate(call.getResultTypes()))
    if (!ties.contains(i))
      types.push_back(type);
  auto smaller = func::CallOp::create(builder, call.getLoc(), call.getCallee(),
                                      types, call.getOperands());
  unsigned next = 0;
  for (auto [i, result] : llvm::enumerate(call.getResults())) {
    auto it = ties.find(i);
    Value replacement = it == ties.end() ? smaller.getResult(next++)
                                         : call.getOperand(it->second);
    if (replacement.getType() != result.getType())
      replacement = memref::CastOp::create(builder, call.getLoc(),
                                           result.getType(), replacement);
    result.replaceAllUsesWith(replacement);
  }
  call.erase();
}

namespace {
struct TieDonated : public mlir::sparsedrop::impl::TieDonatedBase<TieDonated> {
  void runOnOperation() override {
    llvm::MapVector<func::FuncOp, Ties> functions;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      Ties ties;
      if (failed(readTies(function, ties)))
        return signalPassFailure();
      if (!ties.empty())
        functions.insert({function, std::move(ties)});
    }
    for (auto &[function, ties] : functions)
      tieResults(function, ties);
    SmallVector<func::CallOp> calls;
    getOperation().walk([&](func::CallOp call) { calls.push_back(call); });
    for (func::CallOp call : calls) {
      auto callee = getOperation().lookupSymbol<func::FuncOp>(call.getCallee());
      if (auto it = functions.find(callee); it != functions.end())
        updateCall(call, it->second);
    }
  }
};
} // namespace
