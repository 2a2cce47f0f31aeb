//===- MLP.h - Builds annotated multilayer perceptrons ----------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A front end in a hundred lines of interface: from a few numbers to a module
// that sparsedrop-pipeline turns into a training step.
// python/sparsedrop/models.py writes the same program as text.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_MODELS_MLP_H
#define SPARSEDROP_MODELS_MLP_H

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>
#include <string>

namespace mlir::sparsedrop {

/// What a hidden layer applies to each unit: "relu", "tanh", "sigmoid", "gelu"
/// (the exact one, with erf).
enum class Activation { ReLU, Tanh, Sigmoid, GELU };

/// What training makes small: "cross_entropy" of the softmax of the logits with
/// a target of probabilities, the mean over the batch; "mse", the mean of the
/// squared differences over all elements.
enum class Loss { CrossEntropy, MeanSquaredError };

/// How parameters follow their gradient: "sgd"; "momentum", m = momentum * m +
/// g; "adam", whose first steps are not corrected (the caller knows the number
/// of the step and can put the correction into the learning rate).
enum class Optimizer { SGD, Momentum, Adam };

/// The keyword of a value; empty for numbers that are no value.
StringRef stringifyActivation(Activation value);
StringRef stringifyLoss(Loss value);
StringRef stringifyOptimizer(Optimizer value);

/// The value of a keyword, if it is one.
std::optional<Activation> symbolizeActivation(StringRef keyword);
std::optional<Loss> symbolizeLoss(StringRef keyword);
std::optional<Optimizer> symbolizeOptimizer(StringRef keyword);

/// A dropout where a layer reads what a hidden layer hands on: of its units, or
/// of tiles of the weights that they meet (see #sparsedrop.dropout).
struct LayerDropout {
  /// Share of units that is dropped, in [0, 1).
  double rate = 0;
  /// Neighbouring units that are dropped together, at least 1.
  int64_t granularity = 1;
  /// Longest period, from 1 to 1024; by default what the rate asks for.
  std::optional<int64_t> maxPeriod;
  /// `Target` or `Pattern`.
  ScaleMode scale = ScaleMode::Target;
  /// Rows (outputs) and columns (inputs) of the tiles of weights that are
  /// dropped instead of units, at most as many as the layer has; empty: units.
  SmallVector<int64_t, 2> tile = {};
  TileOrder order = TileOrder::Skewed;
};

/// Name and shape of an argument.
struct NamedShape {
  std::string name;
  SmallVector<int64_t> shape;
  /// Whether it is of f32 where the model's element type has 16 bits.
  bool isWide = false;
};

/// A multilayer perceptron and how it is trained.
struct MLPOptions {
  /// Of the input, the hidden layers and the output: at least two, each in
  /// [1, 2^31).
  SmallVector<int64_t> widths;
  /// Rows of the input, in [1, 2^31).
  int64_t batch = 0;
  /// One for each hidden layer, or none at all. Site "hidden1" is that of the
  /// first.
  SmallVector<std::optional<LayerDropout>> dropout;
  Activation activation = Activation::ReLU;
  Loss loss = Loss::CrossEntropy;
  Optimizer optimizer = Optimizer::SGD;
  /// Whether layers add a bias.
  bool bias = true;
  /// Of the optimizer "momentum", in [0, 1).
  double momentum = 0.9;
  /// Decoupled weight decay, in [0, 1): each step multiplies the parameters by
  /// 1 - learning rate * decay.
  double decay = 0;
  /// Of Adam, each in [0, 1).
  std::pair<double, double> betas = {0.9, 0.999};
  /// Of Adam, in (0, 1].
  double epsilon = 1e-8;
  /// Leaves the parameters and the state of dropped units as they are: momentum
  /// does not carry them on, nothing decays. With momentum, decay or Adam this
  /// is a different optimizer, which touches the kept slice only.
  bool lazy = false;
  /// f32, f64, bf16 or f16; f32 when null. Where it has 16 bits, so have the
  /// input, the parameters, the activations and the gradients, each rounded
  /// once; target, loss, state and learning rate are f32, and so is the
  /// arithmetic of biases, activations, updates and the loss. Nothing scales
  /// the loss: what is small is lost in a gradient of f16.
  Type elementType;

  /// Parameters in order: of layer i the weight "wi" of shape (inputs, outputs)
  /// and, if there are biases, "bi" of shape (outputs). Widths must be valid.
  SmallVector<NamedShape> getParameters() const;

  /// What the optimizer keeps from step to step, each of its parameter's shape:
  /// nothing for SGD, "m_w1" and so on for momentum, then "v_w1" and so on for
  /// Adam.
  SmallVector<NamedShape> getState() const;

  /// The dropout of the units of hidden layer `layer` (from 1), unless it drops
  /// none.
  const LayerDropout *getUnitDropout(size_t layer) const;
};

/// Checks the options; emits one error at `loc` and fails if they are bad.
LogicalResult verifyOptions(Location loc, const MLPOptions &options);

/// Builds a module with
///
///   @loss(x, target, parameters...) -> loss, marked for
///   sparsedrop-differentiate
///   @predict(x, parameters...) -> logits, the same forward pass
///   @loss_grad, the declaration of what sparsedrop-differentiate defines
///   @step(x, target, parameters..., state..., learning_rate)
///       -> loss, new parameters..., new state...
///
/// where x is (batch, first width), target and logits are (batch, last width),
/// loss and learning_rate have rank 0, and parameters and state are donated to
/// their results. Draws take the seed and the step that sparsedrop-materialize
/// appends to the arguments; with `lazy`, @step has them from the start.
///
/// Everything is located at `loc`, under a name that
/// `OpPrintingFlags::printNameLocAsPrefix` shows. Loads the dialects that the
/// module needs into the context of `loc`, so it must not be called while that
/// context runs passes. Emits one error at `loc` and fails if an option is bad.
FailureOr<OwningOpRef<ModuleOp>> buildMLP(Location loc,
                                          const MLPOptions &options);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_MODELS_MLP_H
