//===- ModelBuilder.h - Ops under names -------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the model builders share. Values have names, by which the parts of a
// function find each other and which printed IR shows.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_MODELS_MODELBUILDER_H
#define SPARSEDROP_LIB_MODELS_MODELBUILDER_H

#include "sparsedrop/Models/MLP.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

namespace mlir::sparsedrop {

/// The annotation of a product that reads dropped units; emits one error at
/// `loc` and returns null if a parameter is bad.
DropoutAttr getAnnotation(Location loc, const LayerDropout &dropout,
                          StringRef site);

/// The result of one function after the other. A function's values are known by
/// their names.
class ModelBuilder {
public:
  /// Loops of a structured op that an operand is indexed by, in order.
  using Loops = SmallVector<unsigned, 2>;

  /// An operand of a structured op.
  struct Operand {
    StringRef name; ///< in the body
    Value value;
    Loops loops;
  };

  /// Makes the result of a structured op from its block's arguments.
  using Body = function_ref<Value(ValueRange)>;

  /// Builds at the end of `module`, with `elementType` in tensors and in
  /// bodies; where it has 16 bits, bodies and what is wide are of f32.
  ModelBuilder(ModuleOp module, Type elementType)
      : builder(OpBuilder::atBlockEnd(module.getBody())), loc(module.getLoc()),
        elementType(elementType), wideType(elementType) {
    if (elementType.getIntOrFloatBitWidth() < 32)
      wideType = builder.getF32Type();
  }

  /// A location with a name.
  Location getLoc(const Twine &name) const;
  /// Tensor types of all shapes.
  SmallVector<Type> getTypes(ArrayRef<NamedShape> shapes) const;
  OpBuilder &getBuilder() { return builder; }
  Type getElementType() const { return elementType; }
  /// What bodies compute in.
  Type getWideType() const { return wideType; }
  bool isNarrow() const { return elementType != wideType; }

  /// Starts a function and forgets all values but its arguments.
  func::FuncOp startFunction(StringRef name, ArrayRef<NamedShape> arguments,
                             ArrayRef<NamedShape> results);
  /// Ends the function that was started last.
  void endFunction(ValueRange results);

  /// The value of the current function under a name.
  Value operator[](StringRef name) const;
  /// Puts a value under a name.
  Value set(const Twine &name, Value value);

  /// An op with one result, outside of bodies under its name.
  template <typename OpT, typename... Args>
  Value create(const Twine &name, Args &&...args) {
    return set(name, createInBody<OpT>(name, std::forward<Args>(args)...));
  }
  /// An op with one result; the name is for readers only.
  template <typename OpT, typename... Args>
  Value createInBody(const Twine &name, Args &&...args) {
    return OpT::create(builder, getLoc(name), std::forward<Args>(args)...);
  }

  Value createConstant(const Twine &name, double value, Type type);
  /// A constant for bodies.
  Value createConstant(const Twine &name, double value) {
    return createConstant(name, value, wideType);
  }
  Value createEmpty(const Twine &name, ArrayRef<int64_t> shape, Type type);
  Value createFill(const Twine &name, Value value, Value init);
  /// A structured op with one result, of the type of `out`. Loops that `out` is
  /// indexed by are parallel, the others reductions; operand maps are
  /// projected permutations. The body works on wide values: what is read is
  /// extended before it, its result is rounded after it.
  Value createGeneric(const Twine &name, ArrayRef<Operand> inputs,
                      const Operand &out, Body body);

private:
  /// The result of `body` for the arguments of the block that the builder is
  /// in, rounded to `type`.
  Value createBody(ArrayRef<Operand> operands, ValueRange arguments, Type type,
                   Body body);

  OpBuilder builder;
  Location loc;
  Type elementType;
  Type wideType;
  llvm::StringMap<Value> values;
};

/// All layers of a perceptron on the value "x", with the parameters under their
/// names; the result is "y" of shape (batch, last width).
Value buildForward(ModelBuilder &builder, const MLPOptions &options);

/// The loss of "y" and "target", a tensor of rank 0.
Value buildLoss(ModelBuilder &builder, const MLPOptions &options);

/// What updates read: the learning rate as a scalar, the optimizer's constants.
void buildUpdateConstants(ModelBuilder &builder, const MLPOptions &options);

/// The pattern of each hidden layer that drops units, "p1" of the first, as the
/// materialized @loss draws it. Reads "seed" and "step".
void buildPatterns(ModelBuilder &builder, const MLPOptions &options);

/// Updates a parameter and its state by the value "dNAME", in their place: the
/// new parameter, then its new state in the order of `getState`. With `lazy`,
/// the kept slices only; reads the patterns.
SmallVector<Value> buildUpdate(ModelBuilder &builder, const MLPOptions &options,
                               StringRef parameter);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_MODELS_MODELBUILDER_H
