//===- ReverseSweep.h - Reverse-mode differentiation ------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_REVERSESWEEP_H
#define SPARSEDROP_LIB_TRANSFORMS_REVERSESWEEP_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {

/// The values that depend on what is differentiated, all of float or tensors of
/// it.
class Activity {
public:
  bool contains(Value value) const { return active.contains(value); }
  /// Adds `value` if gradients can flow through its type.
  bool insert(Value value);

  /// Adds what `op` and the ops in it compute from active values.
  void propagate(Operation &op);

private:
  DenseSet<Value> active;
};

/// A value whose only use is that it is multiplied by what was dropped, and its
/// dimension that the dropped channels are.
struct ChannelWeight {
  Value value;
  int64_t dim;
};

/// Walks ops backwards and builds the adjoints of their operands from those of
/// their results, at the insertion point of the rewriter.
class ReverseSweep {
public:
  ReverseSweep(RewriterBase &rewriter, Activity &activity)
      : rewriter(rewriter), activity(activity) {}

  bool isActive(Value value) const { return activity.contains(value); }

  /// The adjoint of `value`; null while nothing has flowed to it.
  Value lookup(Value value) const { return adjoints.lookup(value); }
  /// The adjoint of `value`, zeros where nothing has flowed to it.
  Value getOrZeros(Value value);
  /// Adds to the adjoint of `value`.
  void add(Value value, Value contribution);
  /// Replaces the adjoint of `value`, by a sum that holds it already.
  void set(Value value, Value adjoint) { adjoints[value] = adjoint; }

  /// Zeros of the type and the sizes of `value`.
  Value createZeros(Value value);

  /// `ops`, in the order of the program, last first. An op that cannot be
  /// differentiated is an error that names it.
  LogicalResult run(ArrayRef<Operation *> ops);

  RewriterBase &rewriter;
  Activity &activity;
  /// Sensitivities are sums of what single samples' losses change by.
  bool samplesApart = false;
  /// Adjoints that the sweep of an iteration begins with and of which each
  /// iteration reads or writes a slice of its own only.
  DenseSet<Value> ownSlices;
  /// By dropout: what the dropped value is a factor with.
  DenseMap<Operation *, ChannelWeight> weights;

private:
  LogicalResult reverse(Operation *op);

  DenseMap<Value, Value> adjoints;
};

//===----------------------------------------------------------------------===//
// Rules. Each adds to the adjoints of the active operands of one op that has
// an adjoint for some result; `std::nullopt` is "none of mine".
//===----------------------------------------------------------------------===//

/// Gives the value in the forward program at the place where code is emitted.
using ForwardValue = function_ref<Value(Value)>;

/// What flows to operand `index` of a scalar op with the adjoint `adjoint`: a
/// null value for nothing. Fails on an op without a rule. `isActive` tells
/// which operands matter to ties of a maximum.
FailureOr<Value> emitScalarGradient(OpBuilder &builder, Operation *op,
                                    unsigned index, Value adjoint,
                                    ForwardValue forward,
                                    function_ref<bool(Value)> isActive);

/// Structured ops: elementwise bodies, sums, maxima and minima.
LogicalResult reverseLinalg(ReverseSweep &sweep, linalg::LinalgOp op);

/// Ops of the tensor dialect and of this one.
std::optional<LogicalResult> reverseTensorOp(ReverseSweep &sweep,
                                             Operation *op);

/// Lets slices of what the sweep computed go to what it is computed from, so
/// that only the slice is computed: of the gradient of a padded operand, the
/// inside.
void narrowSlices(RewriterBase &rewriter, ArrayRef<Operation *> slices);

/// scf.for, scf.if.
std::optional<LogicalResult> reverseControlFlow(ReverseSweep &sweep,
                                                Operation *op);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_REVERSESWEEP_H
