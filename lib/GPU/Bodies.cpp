//===- Bodies.cpp - Bodies of structured ops in kernels -------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Bodies.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mlir::sparsedrop;

SmallVector<HostIndex> mlir::sparsedrop::getStrides(KernelBuilder &k,
                                                    Value buffer) {
  auto metadata =
      memref::ExtractStridedMetadataOp::create(k.host, k.b.getLoc(), buffer);
  return metadata.getConstifiedMixedStrides();
}

HostIndex mlir::sparsedrop::getExtent(KernelBuilder &k, Value buffer,
                                      int64_t dim) {
  auto type = cast<MemRefType>(buffer.getType());
  if (!type.isDynamicDim(dim))
    return k.hostConstant(type.getDimSize(dim));
  return getAsOpFoldResult(k.host.createOrFold<memref::DimOp>(
      k.b.getLoc(), buffer, k.hostValue(k.hostConstant(dim))));
}

Value mlir::sparsedrop::getElementPointer(KernelBuilder &k, Value buffer,
                                          AffineMap map, ValueRange indices) {
  Type element = cast<MemRefType>(buffer.getType()).getElementType();
  Value pointer = k.getPointer(buffer), sum;
  SmallVector<HostIndex> strides = getStrides(k, buffer);
  for (auto [expr, stride] : llvm::zip(map.getResults(), strides)) {
    if (isConstantIntValue(stride, 0))
      continue;
    Value index =
        affine::expandAffineExpr(k.b, k.b.getLoc(), expr, indices, {});
    Value term = k.mul(k.extend(index), k.getInt(stride, 64));
    sum = sum ? k.add(sum, term) : term;
  }
  return sum ? k.offset(pointer, sum, element) : pointer;
}

/// A load that a body makes of a buffer of the host's.
static Value inlineLoad(KernelBuilder &k, memref::LoadOp load,
                        IRMapping &mapping) {
  Value buffer = load.getMemRef();
  SmallVector<Value> indices;
  for (Value index : load.getIndices())
    indices.push_back(mapping.lookupOrDefault(index));
  AffineMap map =
      AffineMap::getMultiDimIdentityMap(indices.size(), k.b.getContext());
  return k.load(getElementPointer(k, buffer, map, indices),
                load.getMemRefType().getElementType());
}

/// A failed assertion ends the kernel, and with it the stream.
static void emitAssertion(KernelBuilder &k, Value condition) {
  Value fails = k.xorI(condition, k.constant(1, 1));
  auto branch = scf::IfOp::create(k.b, fails);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
  LLVM::Trap::create(k.b);
}

/// What an op of a body has in its regions, whose values are those of the
/// kernel already.
static void inlineRegions(KernelBuilder &k, Operation *op, ValueRange indices) {
  SmallVector<Operation *> ops;
  op->walk([&](Operation *inner) {
    if (inner != op &&
        isa<linalg::IndexOp, memref::LoadOp, cf::AssertOp>(inner))
      ops.push_back(inner);
  });
  for (Operation *inner : ops) {
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPoint(inner);
    IRMapping same;
    if (auto index = dyn_cast<linalg::IndexOp>(inner))
      index.replaceAllUsesWith(indices[index.getDim()]);
    else if (auto load = dyn_cast<memref::LoadOp>(inner))
      load.replaceAllUsesWith(inlineLoad(k, load, same));
    else
      emitAssertion(k, cast<cf::AssertOp>(inner).getArg());
    inner->erase();
  }
}

SmallVector<Value> mlir::sparsedrop::inlineBody(KernelBuilder &k, Block &body,
                                                ValueRange arguments,
                                                ValueRange indices) {
  IRMapping mapping;
  for (auto [argument, value] : llvm::zip(body.getArguments(), arguments))
    if (value)
      mapping.map(argument, value);
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(*body.getParent(), captured);
  for (Value value : captured)
    if (!isa<MemRefType>(value.getType()))
      mapping.map(value, k.getScalar(value));
  for (Operation &op : body.without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(op)) {
      mapping.map(index.getResult(), indices[index.getDim()]);
    } else if (auto load = dyn_cast<memref::LoadOp>(op)) {
      mapping.map(load.getResult(), inlineLoad(k, load, mapping));
    } else if (auto assertion = dyn_cast<cf::AssertOp>(op)) {
      emitAssertion(k, mapping.lookupOrDefault(assertion.getArg()));
    } else {
      inlineRegions(k, k.b.clone(op, mapping), indices);
    }
  }
  SmallVector<Value> results;
  for (Value value : body.getTerminator()->getOperands())
    results.push_back(mapping.lookupOrDefault(value));
  return results;
}
