//===- ModelBuilder.cpp - Ops under names ---------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ModelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::sparsedrop;

Location ModelBuilder::getLoc(const Twine &name) const {
  return NameLoc::get(StringAttr::get(loc.getContext(), name), loc);
}

SmallVector<Type> ModelBuilder::getTypes(ArrayRef<NamedShape> shapes) const {
  return llvm::map_to_vector(shapes, [&](const NamedShape &named) -> Type {
    return RankedTensorType::get(named.shape,
                                 named.isWide ? wideType : elementType);
  });
}

//===----------------------------------------------------------------------===//
// Functions and values
//===----------------------------------------------------------------------===//

func::FuncOp ModelBuilder::startFunction(StringRef name,
                                         ArrayRef<NamedShape> arguments,
                                         ArrayRef<NamedShape> results) {
  values.clear();
  auto type = builder.getFunctionType(getTypes(arguments), getTypes(results));
  auto function = func::FuncOp::create(builder, getLoc(name), name, type);
  Block *entry = function.addEntryBlock();
  for (auto [named, argument] :
       llvm::zip_equal(arguments, entry->getArguments())) {
    argument.setLoc(getLoc(named.name));
    set(named.name, argument);
  }
  builder.setInsertionPointToEnd(entry);
  return function;
}

void ModelBuilder::endFunction(ValueRange results) {
  Operation *function = builder.getInsertionBlock()->getParentOp();
  func::ReturnOp::create(builder, loc, results);
  builder.setInsertionPointAfter(function);
}

Value ModelBuilder::operator[](StringRef name) const {
  Value value = values.lookup(name);
  assert(value && "no value of this name");
  return value;
}

Value ModelBuilder::set(const Twine &name, Value value) {
  return values[name.str()] = value;
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

Value ModelBuilder::createConstant(const Twine &name, double value, Type type) {
  return create<arith::ConstantOp>(name, builder.getFloatAttr(type, value));
}

Value ModelBuilder::createEmpty(const Twine &name, ArrayRef<int64_t> shape,
                                Type type) {
  return create<tensor::EmptyOp>(name, shape, type);
}

Value ModelBuilder::createFill(const Twine &name, Value value, Value init) {
  auto fill = linalg::FillOp::create(builder, getLoc(name), value, init);
  return set(name, fill.getResult(0));
}

/// Of the narrow form of a value.
static constexpr StringLiteral kNarrowSuffix = "_16";

Value ModelBuilder::createBody(ArrayRef<Operand> operands, ValueRange arguments,
                               Type type, Body body) {
  SmallVector<Value> values;
  for (auto [operand, argument] : llvm::zip_equal(operands, arguments)) {
    if (argument.getType() == wideType) {
      argument.setLoc(getLoc(operand.name));
      values.push_back(argument);
      continue;
    }
    argument.setLoc(getLoc(operand.name + kNarrowSuffix));
    values.push_back(
        createInBody<arith::ExtFOp>(operand.name, wideType, argument));
  }
  Value result = body(values);
  for (Value value : values)
    if (auto extension = value.getDefiningOp<arith::ExtFOp>();
        extension && extension->use_empty() && value != result)
      extension.erase();
  if (type == wideType)
    return result;
  StringAttr name = cast<NameLoc>(result.getLoc()).getName();
  return createInBody<arith::TruncFOp>(name.getValue() + kNarrowSuffix, type,
                                       result);
}

Value ModelBuilder::createGeneric(const Twine &name, ArrayRef<Operand> inputs,
                                  const Operand &out, Body body) {
  SmallVector<Operand> operands(inputs);
  operands.push_back(out);
  unsigned numLoops = 0;
  for (const Operand &operand : operands)
    for (unsigned loop : operand.loops)
      numLoops = std::max(numLoops, loop + 1);
  SmallVector<AffineMap> maps;
  for (const Operand &operand : operands)
    maps.push_back(AffineMap::getMultiDimMapWithTargets(numLoops, operand.loops,
                                                        builder.getContext()));
  SmallVector<utils::IteratorType> iterators(numLoops,
                                             utils::IteratorType::reduction);
  for (unsigned loop : out.loops)
    iterators[loop] = utils::IteratorType::parallel;
  SmallVector<Value> reads = llvm::map_to_vector(
      inputs, [](const Operand &operand) { return operand.value; });
  auto generic = linalg::GenericOp::create(
      builder, getLoc(name), out.value.getType(), reads, out.value, maps,
      iterators, [&](OpBuilder &nested, Location, ValueRange arguments) {
        OpBuilder::InsertionGuard guard(builder);
        builder.setInsertionPointToEnd(nested.getInsertionBlock());
        Type type = getElementTypeOrSelf(out.value.getType());
        linalg::YieldOp::create(builder, loc,
                                createBody(operands, arguments, type, body));
      });
  return set(name, generic.getResult(0));
}
