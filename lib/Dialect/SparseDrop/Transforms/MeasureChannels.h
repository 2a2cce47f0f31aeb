//===- MeasureChannels.h - Sensitivities in the backward pass ---*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sensitivities and importances have no gradient: what a draw chooses is not
// differentiable, and neither is its scale. In the reverse sweep their adjoints
// are what was measured of the channels, which is then averaged into them.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_MEASURECHANNELS_H
#define SPARSEDROP_LIB_TRANSFORMS_MEASURECHANNELS_H

#include "ReverseSweep.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::sparsedrop {

/// Fills `sweep.weights` for the measured dropouts among `ops`, which are not
/// differentiated yet.
void findChannelWeights(ReverseSweep &sweep, ArrayRef<Operation *> ops);

/// What flows to the sensitivities and importances of a channel pattern from a
/// value x that it drops, where dx is the adjoint of x through this dropout
/// (paper, section C.3):
///
///     sensitivity S_c = |sum over the rest of x dx|
///     importance  I_c = mean of |x|
///
/// S is the change of the loss when channel c is removed, to first order, and 0
/// where c is dropped. Where x is multiplied by nothing but weights w, a
/// product y = sum of x w with the adjoint dy, the sum of x dx is that of x w
/// dy and so that of w dw: the weights, which are few, are read instead of the
/// activations. I is there for dropped channels, too: it may be measured where
/// x is read anyway.
///
/// With `sweep.samplesApart` S is the sum over samples (dimension 0, if that is
/// not the channels' own) of each one's |sum|, an ablation: changes of
/// different signs do not cancel.
void measureChannels(ReverseSweep &sweep, DropoutOp op, Value dx);

/// Whether `measureChannels` has something to measure for `op`.
bool isMeasured(const Activity &activity, DropoutOp op);

/// `old + (1 - average) * (measured - old)` at the channels that were kept,
/// `old` at others, for an argument of `function` that is marked as the
/// sensitivities or importances of a site. Fails if no draw in the body of
/// `function` reads it: the kept channels are not known then.
FailureOr<Value> updateChannels(ReverseSweep &sweep, func::FuncOp function,
                                BlockArgument argument, double average);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_MEASURECHANNELS_H
