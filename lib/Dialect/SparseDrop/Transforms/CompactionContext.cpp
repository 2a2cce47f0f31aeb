//===- CompactionContext.cpp - State of the compaction algebra ------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CompactionContext.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace mlir::sparsedrop;

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

void CompactionContext::setInsertionPointAfter(Value value, Value pattern) {
  Operation *definition = value.getDefiningOp();
  // Arguments come before all ops of their block.
  bool isInner =
      pattern.getParentBlock() != value.getParentBlock() &&
      dominance.dominates(value.getParentBlock(), pattern.getParentBlock());
  bool patternIsLater = isInner;
  if (Operation *maker = pattern.getDefiningOp(); maker && !isInner)
    patternIsLater = definition
                         ? !dominance.properlyDominates(pattern, definition)
                         : pattern.getParentBlock() == value.getParentBlock();
  rewriter.setInsertionPointAfterValue(patternIsLater ? pattern : value);
}

Value CompactionContext::getCompact(Value value, Line line) {
  if (isExpand(value, line))
    return stripExpand(value, line);
  if (auto insert = value.getDefiningOp<InsertOp>();
      insert && Line{insert.getPattern(), insert.getDim()} == line)
    return insert.getSource();
  // It moves through an expand of another dimension at once, so that rules see
  // the expand.
  if (auto expand = value.getDefiningOp<ExpandOp>();
      expand && static_cast<int64_t>(expand.getDim()) != line.dim) {
    Value source = getCompact(expand.getSource(), line);
    OpBuilder::InsertionGuard guard(rewriter);
    if (dominance.properlyDominates(source, expand))
      rewriter.setInsertionPointAfter(expand);
    else
      rewriter.setInsertionPointAfterValue(source);
    SmallVector<int64_t> shape(expand.getType().getShape());
    shape[line.dim] =
        cast<RankedTensorType>(source.getType()).getDimSize(line.dim);
    return createExpand(
        expand.getType().clone(shape), source,
        {expand.getPattern(), static_cast<int64_t>(expand.getDim())});
  }
  // Of several dimensions the outermost is compacted first, so that all users
  // share what they read.
  if (auto outer = value.getDefiningOp<CompactOp>();
      outer && static_cast<int64_t>(outer.getDim()) > line.dim)
    return getCompact(getCompact(outer.getSource(), line),
                      {outer.getPattern(), outer.getDim()});
  OpBuilder::InsertionGuard guard(rewriter);
  setInsertionPointAfter(value, line.pattern);
  CompactMemo::Key key{value, line.pattern, line.dim};
  // The source may have been replaced since.
  CompactOp known = memo.lookup(key);
  if (known && known.getSource() == value) {
    if (known->getBlock() != rewriter.getInsertionBlock() ||
        rewriter.getInsertionPoint() != Block::iterator(known))
      rewriter.moveOpBefore(known, rewriter.getInsertionBlock(),
                            rewriter.getInsertionPoint());
    return known;
  }
  auto compact = CompactOp::create(rewriter, value.getLoc(), value,
                                   line.pattern, line.dim);
  memo.insert(key, compact);
  return compact;
}

Value CompactionContext::createExpand(Type type, Value source, Line line) {
  return ExpandOp::create(rewriter, source.getLoc(), type, source, line.pattern,
                          rewriter.getDenseI64ArrayAttr(line.dim));
}

OpFoldResult CompactionContext::getKeptCount(Line line) {
  return KeptCountOp::create(rewriter, line.pattern.getLoc(), line.pattern)
      .getResult();
}

//===----------------------------------------------------------------------===//
// Chains of expands
//===----------------------------------------------------------------------===//

bool CompactionContext::isExpand(Value value, Line line) {
  while (auto expand = value.getDefiningOp<ExpandOp>()) {
    if (Line{expand.getPattern(), expand.getDim()} == line)
      return true;
    if (expand.getDim() == line.dim)
      return false;
    value = expand.getSource();
  }
  return false;
}

Value CompactionContext::stripExpand(Value value, Line line) {
  auto expand = value.getDefiningOp<ExpandOp>();
  assert(expand && "expected an expand along the line");
  if (Line{expand.getPattern(), expand.getDim()} == line)
    return expand.getSource();
  Value source = stripExpand(expand.getSource(), line);
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfter(expand);
  SmallVector<int64_t> shape(expand.getType().getShape());
  shape[line.dim] =
      cast<RankedTensorType>(source.getType()).getDimSize(line.dim);
  return createExpand(expand.getType().clone(shape), source,
                      {expand.getPattern(), expand.getDim()});
}

SmallVector<Line> CompactionContext::getExpandLines(Value value) {
  SmallVector<Line> lines;
  while (auto expand = value.getDefiningOp<ExpandOp>()) {
    lines.push_back({expand.getPattern(), expand.getDim()});
    value = expand.getSource();
  }
  return lines;
}

//===----------------------------------------------------------------------===//
// Uses that are compacts
//===----------------------------------------------------------------------===//

SmallVector<Line> CompactionContext::getCompactLines(Value value) {
  SmallVector<Line> lines;
  for (Operation *user : value.getUsers()) {
    auto compact = dyn_cast<CompactOp>(user);
    if (!compact)
      continue;
    Line line{compact.getPattern(), compact.getDim()};
    if (!llvm::is_contained(lines, line))
      lines.push_back(line);
  }
  return lines;
}

bool CompactionContext::allUsesCompact(Value value, Line line) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    auto compact = dyn_cast<CompactOp>(user);
    return compact && Line{compact.getPattern(), compact.getDim()} == line;
  });
}

bool CompactionContext::isUpdated(Value value, Line line) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    auto insert = dyn_cast<InsertOp>(user);
    return insert && insert.getDest() == value &&
           Line{insert.getPattern(), insert.getDim()} == line;
  });
}

void CompactionContext::replaceCompacts(Value value, Line line,
                                        Value replacement) {
  for (Operation *user : llvm::make_early_inc_range(value.getUsers())) {
    auto compact = dyn_cast<CompactOp>(user);
    if (!compact || !(Line{compact.getPattern(), compact.getDim()} == line))
      continue;
    Value result = replacement;
    if (result.getType() != compact.getType()) {
      OpBuilder::InsertionGuard guard(rewriter);
      rewriter.setInsertionPoint(compact);
      result = tensor::CastOp::create(rewriter, compact.getLoc(),
                                      compact.getType(), replacement);
    }
    rewriter.replaceOp(compact, result);
  }
}

//===----------------------------------------------------------------------===//
// Stretched patterns
//===----------------------------------------------------------------------===//

Value CompactionContext::stretch(Value pattern, int64_t factor) {
  if (factor == 1)
    return pattern;
  Value &result = stretched[{pattern, factor}];
  if (result)
    return result;
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfterValue(pattern);
  auto type = cast<PatternType>(pattern.getType());
  result = StretchPatternOp::create(
      rewriter, pattern.getLoc(),
      PatternType::get(type.getContext(), PatternKind::Row,
                       type.getGranularity() * factor),
      pattern, factor);
  unstretched[{result, factor}] = pattern;
  return result;
}

/// The op that makes `pattern`, on a dimension whose units are `factor` times
/// coarser. The number of units, and with it the draw, stays what it was:
/// ceil((n / f) / (g / f)) = ceil(n / g) where f divides both.
static Value refinePattern(RewriterBase &rewriter, Operation *maker,
                           int64_t factor) {
  auto type = cast<PatternType>(maker->getResult(0).getType());
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfter(maker);
  Operation *refined = rewriter.clone(*maker);
  unsigned extent =
      isa<SampleOp>(maker)
          ? cast<SampleOp>(maker).getExtents().getBeginOperandIndex()
          : cast<MakePatternOp>(maker).getExtents().getBeginOperandIndex();
  rewriter.setInsertionPoint(refined);
  Location loc = maker->getLoc();
  Value divisor = arith::ConstantIndexOp::create(rewriter, loc, factor);
  Value quotient = rewriter.createOrFold<arith::DivUIOp>(
      loc, refined->getOperand(extent), divisor);
  rewriter.modifyOpInPlace(refined, [&] {
    refined->setOperand(extent, quotient);
    refined->getResult(0).setType(PatternType::get(
        type.getContext(), PatternKind::Row, type.getGranularity() / factor));
  });
  return refined->getResult(0);
}

Value CompactionContext::unstretch(Value pattern, int64_t factor) {
  if (factor == 1)
    return pattern;
  Value &result = unstretched[{pattern, factor}];
  if (result)
    return result;
  Operation *maker = pattern.getDefiningOp();
  if (auto stretch = dyn_cast_or_null<StretchPatternOp>(maker)) {
    if (static_cast<int64_t>(stretch.getFactor()) != factor)
      return {};
    return result = stretch.getSource();
  }
  auto type = cast<PatternType>(pattern.getType());
  if (!isa_and_present<SampleOp, MakePatternOp>(maker) ||
      type.getKind() != PatternKind::Row || type.getGranularity() % factor != 0)
    return {};
  result = refinePattern(rewriter, maker, factor);
  stretched[{result, factor}] = pattern;
  return result;
}

//===----------------------------------------------------------------------===//
// Remarks
//===----------------------------------------------------------------------===//

StringRef mlir::sparsedrop::getSite(Value pattern) {
  while (Operation *op = pattern.getDefiningOp()) {
    if (auto sample = dyn_cast<SampleOp>(op))
      return sample.getSite();
    if (!isDerivedPattern(op))
      break;
    pattern = op->getOperand(0);
  }
  return "";
}

static remark::RemarkOpts getRemarkOptions(StringRef name,
                                           Operation *function) {
  StringRef functionName;
  if (auto interface = dyn_cast<FunctionOpInterface>(function))
    functionName = interface.getName();
  return remark::RemarkOpts::name(name)
      .category("sparsedrop-compact")
      .function(functionName);
}

void CompactionContext::reportCompacted(Operation *op, StringRef rule,
                                        Line line) {
  op->removeDiscardableAttr(kMissedAttrName);
  if (speculating)
    return;
  auto sample = line.pattern.getDefiningOp<SampleOp>();
  auto inFlight =
      remark::passed(op->getLoc(), getRemarkOptions("Compacted", function));
  inFlight << remark::add("{0} compacted by rule {1} at site \"{2}\"",
                          op->getName().getStringRef(), rule,
                          getSite(line.pattern));
  if (sample)
    inFlight << remark::metric("ExpectedKeep",
                               1 - sample.getRate().convertToDouble());
}

/// A pattern whose work `op` does not save: of an operand that it reads all
/// units of, or of a result that it computes all units of.
static Value getMissedPattern(Operation *op, StringRef &what) {
  if (isa<ExpandOp, CompactOp, InsertOp>(op))
    return {};
  for (Value operand : op->getOperands())
    if (auto expand = operand.getDefiningOp<ExpandOp>()) {
      what = "reads";
      return expand.getPattern();
    }
  if (!isa<linalg::LinalgOp>(op))
    return {};
  for (Operation *user : op->getUsers())
    if (auto compact = dyn_cast<CompactOp>(user)) {
      what = "computes";
      return compact.getPattern();
    }
  return {};
}

void CompactionContext::reportMissed(Operation *op, StringRef what,
                                     Value pattern, StringRef reason) {
  remark::missed(op->getLoc(), getRemarkOptions("NotCompacted", function))
      << remark::add("{0} {1} all units of site \"{2}\": {3}",
                     op->getName().getStringRef(), what, getSite(pattern),
                     reason);
}

void CompactionContext::reportMissed() {
  function->walk([&](Operation *op) {
    StringRef what;
    Value pattern = getMissedPattern(op, what);
    auto reason = op->getAttrOfType<StringAttr>(kMissedAttrName);
    if (!pattern) {
      // Reports tell of products, also where the pattern acts further behind.
      auto product = dyn_cast<linalg::LinalgOp>(op);
      if (!product || product.getNumReductionLoops() == 0)
        op->removeDiscardableAttr(kMissedAttrName);
      return;
    }
    if (!reason)
      noteReason(op, "no rule moves through this op");
    reason = op->getAttrOfType<StringAttr>(kMissedAttrName);
    reportMissed(op, what, pattern, reason.getValue());
  });
}
