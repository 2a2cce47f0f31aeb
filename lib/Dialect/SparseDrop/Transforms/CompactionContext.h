//===- CompactionContext.h - State of the compaction algebra ----*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the rules share: building compacts and expands, looking through chains
// of them, and remembering why a rule did not apply.
//
// The algebra runs in two sweeps. The first goes forward and pushes expands
// towards users (rules C1, C3 to C6), the second backward and pulls compacts
// towards producers (C1, C2, C6). Both are linear in the number of ops.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_TRANSFORMS_COMPACTIONCONTEXT_H
#define SPARSEDROP_LIB_TRANSFORMS_COMPACTIONCONTEXT_H

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::sparsedrop {

/// A pattern acting on one dimension of a value.
struct Line {
  Value pattern;
  int64_t dim;

  bool operator==(const Line &other) const {
    return pattern == other.pattern && dim == other.dim;
  }
};

/// The compacts that have been made, by value and line: a weight may have
/// thousands of users, which must not be searched for each of them. Forgets a
/// compact when it is erased.
class CompactMemo : public RewriterBase::ForwardingListener {
public:
  using Key = std::tuple<Value, Value, int64_t>;

  explicit CompactMemo(OpBuilder::Listener *next)
      : RewriterBase::ForwardingListener(next) {}

  CompactOp lookup(const Key &key) const { return compacts.lookup(key); }
  void insert(const Key &key, CompactOp op) {
    compacts[key] = op;
    keys[op] = key;
  }
  void notifyOperationErased(Operation *op) override {
    if (auto it = keys.find(op); it != keys.end()) {
      compacts.erase(it->second);
      keys.erase(it);
    }
    ForwardingListener::notifyOperationErased(op);
  }

private:
  DenseMap<Key, CompactOp> compacts;
  DenseMap<Operation *, Key> keys;
};

class CompactionContext {
public:
  CompactionContext(RewriterBase &rewriter, Operation *function)
      : rewriter(rewriter), function(function), dominance(function),
        outerListener(rewriter.getListener()), memo(outerListener) {
    rewriter.setListener(&memo);
  }
  ~CompactionContext() { rewriter.setListener(outerListener); }

  //===--------------------------------------------------------------------===//
  // Values
  //===--------------------------------------------------------------------===//

  /// `compact value, line`: what is under a matching expand or insert, or the
  /// one compact op of the value, created right behind its definition.
  Value getCompact(Value value, Line line);

  /// `expand source, line` of the type `type` at the insertion point.
  Value createExpand(Type type, Value source, Line line);

  /// Whether `value` is an expand along `line`, possibly under expands of other
  /// dimensions.
  static bool isExpand(Value value, Line line);

  /// The value under that expand.
  Value stripExpand(Value value, Line line);

  /// All lines along which `value` is an expand.
  static SmallVector<Line> getExpandLines(Value value);

  /// The lines of the compact ops that use `value`, each once.
  static SmallVector<Line> getCompactLines(Value value);

  /// Whether every use of `value` is a compact along `line`.
  static bool allUsesCompact(Value value, Line line);

  /// Whether the kept slice of `value` along `line` is replaced.
  static bool isUpdated(Value value, Line line);

  /// Replaces the compacts of `value` along `line`.
  void replaceCompacts(Value value, Line line, Value replacement);

  /// The size of the kept part of `line`.
  OpFoldResult getKeptCount(Line line);

  /// The pattern that, stretched by `factor`, is `pattern`; null if there is
  /// none. May repeat the op that draws it for coarser units, with the same
  /// draw.
  Value unstretch(Value pattern, int64_t factor);

  /// `pattern` stretched by `factor`.
  Value stretch(Value pattern, int64_t factor);

  bool dominates(Value value, Operation *op) {
    return dominance.properlyDominates(value, op);
  }

  //===--------------------------------------------------------------------===//
  // Remarks
  //===--------------------------------------------------------------------===//

  /// Reports that `op` became smaller along `line`.
  void reportCompacted(Operation *op, StringRef rule, Line line);

  /// Reports that `op` reads or computes (`what`) all units of `pattern`.
  void reportMissed(Operation *op, StringRef what, Value pattern,
                    StringRef reason);

  /// Remembers, in an attribute, why `op` stays as it is: for a remark at the
  /// end, and for reports.
  void noteReason(Operation *op, const Twine &reason) {
    op->setDiscardableAttr(kMissedAttrName,
                           StringAttr::get(op->getContext(), reason));
  }

  /// Reports the ops that still read or compute all units.
  void reportMissed();

  RewriterBase &rewriter;
  Operation *function;
  /// Set while a loop is rewritten on trial: no remarks.
  bool speculating = false;

private:
  void setInsertionPointAfter(Value value, Value pattern);

  DenseMap<std::pair<Value, int64_t>, Value> stretched, unstretched;

  DominanceInfo dominance;
  OpBuilder::Listener *outerListener;
  CompactMemo memo;
};

/// Name of the site that a pattern comes from, or "" when it cannot be told.
StringRef getSite(Value pattern);

//===----------------------------------------------------------------------===//
// The rules. Each takes one op and returns whether it changed the program.
//===----------------------------------------------------------------------===//

/// C3, C4, C5 on a structured op with expanded operands. On success `op` is
/// erased.
bool pushExpandsThroughLinalg(CompactionContext &context, linalg::LinalgOp op);

/// Splits a loop of `op` where one part of a joined operand ends and the next
/// begins, if a part is dropped along it. On success `op` is erased.
bool splitAtConcat(CompactionContext &context, linalg::LinalgOp op);

/// Computes the slices that the result of `op` is taken apart into, and nothing
/// else, one by one, if one of them is compacted. On success `op` is dead.
bool splitAtSlices(CompactionContext &context, Operation *op);

/// C1 and C6 on casts, reshapes, pads, concatenations and slices.
bool pushExpandsThroughTensorOp(CompactionContext &context, Operation *op);

/// C6 on scf.if and scf.for. `sweep` pushes expands through a block. On success
/// `op` is erased.
bool pushExpandsThroughControlFlow(CompactionContext &context, Operation *op,
                                   function_ref<void(Block &)> sweep);

/// C2 on a structured op with compacted results.
bool pullCompactsThroughLinalg(CompactionContext &context, linalg::LinalgOp op);

/// C1 and C6 on everything else that makes tensors.
bool pullCompactsThroughTensorOp(CompactionContext &context, Operation *op);

/// C6 on scf.if and scf.for. `sweep` pulls compacts through a block. Returns
/// the op that replaced `op`, if one did.
Operation *pullCompactsThroughControlFlow(CompactionContext &context,
                                          Operation *op,
                                          function_ref<void(Block &)> sweep);

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_TRANSFORMS_COMPACTIONCONTEXT_H
