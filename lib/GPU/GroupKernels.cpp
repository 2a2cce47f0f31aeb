//===- GroupKernels.cpp - Ops that share a launch -------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A reduction, and ops behind it that work on the same rows: each row is some
// threads' own business, so that one launch can do all ops, one after another,
// for each row. What is in between and has nothing to do with them stays
// behind.
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "Buffers.h"
#include "Emitters.h"
#include "RemarkOptions.h"

#include "sparsedrop/Conversion/Reductions.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/MapVector.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_GROUPKERNELS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

namespace {
/// The rows of a buffer: its dimension that each row loop of the group indexes.
using RowDims = SmallVector<int64_t>;

/// Ops that will share a launch.
class Group {
public:
  explicit Group(LinalgOp first);

  /// Adds `op`, which is moved to the others, or says why it cannot.
  StringRef add(LinalgOp op);
  /// An op that stays where it is.
  void skip(Operation *op) { skipped.push_back(op); }
  void mark(int64_t number);
  size_t size() const { return members.size(); }

private:
  struct Member {
    LinalgOp op;
    SmallVector<int64_t> rows; ///< the loop that each row loop is
  };

  bool findRows(LinalgOp op, SmallVectorImpl<int64_t> &rows);
  std::optional<RowDims> getRowDims(LinalgOp op, OpOperand &operand,
                                    ArrayRef<int64_t> rows);
  bool isRowwise(LinalgOp op, ArrayRef<int64_t> rows);
  bool hasGoodShape(LinalgOp op, ArrayRef<int64_t> rows);
  void note(LinalgOp op, ArrayRef<int64_t> rows);
  bool collectDefinitions(Operation *op, llvm::SetVector<Operation *> &defs);

  bool isColumns;
  SmallVector<Member> members;
  SmallVector<Operation *> skipped;
  /// The rows of buffers that members access; those of `shared` have none.
  llvm::MapVector<Value, RowDims> buffers;
  llvm::SmallPtrSet<Value, 8> shared, touchedRoots, writtenRoots;
};
} // namespace

static bool isWritten(LinalgOp op, OpOperand &operand) {
  return op.isDpsInit(&operand);
}

Group::Group(LinalgOp first) {
  auto choice = first->getAttrOfType<KernelAttr>(kKernelAttrName);
  isColumns = choice.getFamily() == KernelFamily::ReduceColumns;
  SmallVector<int64_t> rows;
  for (auto [loop, type] : llvm::enumerate(first.getIteratorTypesArray()))
    if (type == utils::IteratorType::parallel)
      rows.push_back(static_cast<int64_t>(loop));
  members.push_back({first, rows});
  note(first, rows);
}

/// The dimensions of an operand that the rows index, if each of them does
/// plainly.
std::optional<RowDims> Group::getRowDims(LinalgOp op, OpOperand &operand,
                                         ArrayRef<int64_t> rows) {
  AffineMap map = op.getMatchingIndexingMap(&operand);
  RowDims dims;
  for (int64_t loop : rows) {
    std::optional<unsigned> dim = map.getResultPosition(
        getAffineDimExpr(static_cast<unsigned>(loop), op.getContext()));
    if (!dim)
      return std::nullopt;
    dims.push_back(*dim);
  }
  return dims;
}

/// Records what a member touches.
void Group::note(LinalgOp op, ArrayRef<int64_t> rows) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    Value root = getRoot(operand.get());
    touchedRoots.insert(root);
    if (isWritten(op, operand))
      writtenRoots.insert(root);
    // A buffer that is not always accessed by the same rows is nobody's.
    std::optional<RowDims> dims = getRowDims(op, operand, rows);
    auto [known, isNew] =
        buffers.insert({operand.get(), dims ? *dims : RowDims()});
    if (!dims || (!isNew && known->second != *dims))
      shared.insert(operand.get());
  }
}

/// The loops of `op` that are the group's rows, by a buffer that both access.
bool Group::findRows(LinalgOp op, SmallVectorImpl<int64_t> &rows) {
  for (OpOperand &operand : op->getOpOperands()) {
    auto known = buffers.find(operand.get());
    if (known == buffers.end() || shared.contains(operand.get()))
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    rows.clear();
    for (int64_t dim : known->second) {
      auto loop = dyn_cast<AffineDimExpr>(map.getResult(dim));
      if (!loop || op.getIteratorTypesArray()[loop.getPosition()] !=
                       utils::IteratorType::parallel)
        return false;
      if (llvm::is_contained(rows, loop.getPosition()))
        return false;
      rows.push_back(loop.getPosition());
    }
    return true;
  }
  return false;
}

/// Whether what one writes and another reads or writes is the same row's.
bool Group::isRowwise(LinalgOp op, ArrayRef<int64_t> rows) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    Value root = getRoot(operand.get());
    bool conflicts = isWritten(op, operand) ? touchedRoots.contains(root)
                                            : writtenRoots.contains(root);
    if (!conflicts)
      continue;
    auto known = buffers.find(operand.get());
    std::optional<RowDims> dims = getRowDims(op, operand, rows);
    if (known == buffers.end() || shared.contains(operand.get()) || !dims ||
        *dims != known->second)
      return false;
  }
  return true;
}

/// Whether one lane can as well do all of a row.
static bool isShort(LinalgOp op) {
  constexpr int64_t kMost = 64;
  int64_t iterations = 1;
  for (auto [type, range] :
       llvm::zip(op.getIteratorTypesArray(), op.getStaticLoopRanges()))
    if (type == utils::IteratorType::reduction)
      iterations *= ShapedType::isDynamic(range) ? kMost + 1 : range;
  return iterations <= kMost;
}

/// Inside of a row: only reductions, which can be split or are short, or none.
bool Group::hasGoodShape(LinalgOp op, ArrayRef<int64_t> rows) {
  unsigned inner = op.getNumLoops() - rows.size();
  if (op.getNumReductionLoops() == 0)
    return inner == 0 || !isColumns;
  if (isColumns || op.getNumReductionLoops() != inner)
    return false;
  return isSplittable(op) || isShort(op);
}

/// What has to be moved with `op`; false if something cannot be.
bool Group::collectDefinitions(Operation *op,
                               llvm::SetVector<Operation *> &defs) {
  Operation *last = members.back().op;
  llvm::SetVector<Value> values(op->operand_begin(), op->operand_end());
  for (Region &region : op->getRegions())
    region.walk([&](Operation *inner) {
      for (Value value : inner->getOperands())
        if (!region.isAncestor(value.getParentRegion()))
          values.insert(value);
    });
  for (Value value : values) {
    Operation *def = value.getDefiningOp();
    if (!def || def->getBlock() != last->getBlock() ||
        def->isBeforeInBlock(last) || defs.contains(def))
      continue;
    if (!isMemoryEffectFree(def) && !isa<memref::AllocOp>(def))
      return false;
    if (!collectDefinitions(def, defs))
      return false;
    defs.insert(def);
  }
  return true;
}

/// Whether all that an op accesses are its operands, and each is a buffer that
/// only its views are names of.
static bool hasPlainOperands(LinalgOp op) {
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  if (llvm::any_of(captured, [](Value value) {
        return isa<MemRefType>(value.getType());
      }))
    return false;
  return llvm::all_of(op->getOperands(), [](Value operand) {
    return !isa<MemRefType>(operand.getType()) || isOwnBuffer(getRoot(operand));
  });
}

/// Whether `op` may go before an op that stays behind.
static bool mayPass(LinalgOp op, Operation *other) {
  for (Value operand : other->getOperands())
    if (isa<MemRefType>(operand.getType()) && !isOwnBuffer(getRoot(operand)))
      return false;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    Value root = getRoot(operand.get());
    if (touches(other, root) &&
        (isWritten(op, operand) || !isa<LinalgOp, ContractOp>(other) ||
         writes(other, root)))
      return false;
  }
  return true;
}

StringRef Group::add(LinalgOp op) {
  SmallVector<int64_t> rows;
  if (!hasPlainOperands(op))
    return "it may access a buffer by another name, or in its body";
  if (!findRows(op, rows))
    return "it has no rows of the group's";
  if (!hasGoodShape(op, rows))
    return "it does more in a row than reduce or map";
  if (!isRowwise(op, rows))
    return "it needs what other rows write";
  // Fills that it begins from come along.
  llvm::SetVector<Operation *> defs, fills;
  for (OpOperand &init : op.getDpsInitsMutable())
    if (linalg::FillOp fill = findFill(op, init))
      fills.insert(fill);
  for (Operation *fill : fills) {
    Value root = getRoot(cast<linalg::FillOp>(fill).getOutputs()[0]);
    bool isSeen = touchedRoots.contains(root) ||
                  llvm::any_of(skipped, [&](Operation *other) {
                    return other != fill && touches(other, root);
                  });
    if (isSeen)
      return "others see what is filled before it";
  }
  for (Operation *other : skipped)
    if (!fills.contains(other) && !mayPass(op, other))
      return "it needs an op that stays behind";
  if (!collectDefinitions(op, defs))
    return "it uses a value that is computed behind the group";
  for (Operation *fill : fills) {
    if (!collectDefinitions(fill, defs))
      return "it begins from a value that is computed behind the group";
    if (members.back().op->isBeforeInBlock(fill))
      defs.insert(fill);
    llvm::erase(skipped, fill);
  }
  Operation *last = members.back().op;
  // Members follow each other: nothing is between them.
  for (Operation *def : defs)
    def->moveBefore(members.front().op);
  op->moveAfter(last);
  members.push_back({op, rows});
  note(op, rows);
  return {};
}

void Group::mark(int64_t number) {
  for (Member &member : members) {
    SmallVector<int64_t> numbers{number};
    llvm::append_range(numbers, member.rows);
    member.op->setAttr(kGroupAttrName, DenseI64ArrayAttr::get(
                                           member.op->getContext(), numbers));
  }
}

/// Whether the runtime copies to or from buffers here, by their addresses.
static bool movesMemory(Operation *op) {
  auto call = dyn_cast<func::CallOp>(op);
  return call && call.getCallee().starts_with("sparsedrop_program_");
}

/// Whether a group may begin with `op`: a reduction whose rows are some
/// threads' own.
static bool isLeader(LinalgOp op) {
  auto choice = op->getAttrOfType<KernelAttr>(kKernelAttrName);
  if (!choice || op->hasAttr(kGroupAttrName))
    return false;
  return (choice.getFamily() == KernelFamily::ReduceRows ||
          choice.getFamily() == KernelFamily::ReduceColumns) &&
         op.getNumParallelLoops() > 0 && hasPlainOperands(op);
}

namespace {
struct GroupKernels
    : public mlir::sparsedrop::impl::GroupKernelsBase<GroupKernels> {
  void runOnOperation() override {
    SmallVector<LinalgOp> leaders;
    getOperation().walk([&](LinalgOp op) {
      if (op.hasPureBufferSemantics() && isLeader(op))
        leaders.push_back(op);
    });
    for (LinalgOp leader : leaders)
      if (!leader->hasAttr(kGroupAttrName))
        grow(leader);
  }

  /// Adds what follows in the block.
  void grow(LinalgOp leader) {
    Group group(leader);
    for (Operation *op = leader->getNextNode(), *next; op; op = next) {
      next = op->getNextNode();
      if (movesMemory(op))
        break;
      auto candidate = dyn_cast<LinalgOp>(op);
      bool mayJoin = candidate && candidate.hasPureBufferSemantics() &&
                     !op->hasAttr(kGroupAttrName) && !isa<linalg::FillOp>(op);
      if (mayJoin) {
        StringRef problem = group.add(candidate);
        explain(candidate, problem);
        if (problem.empty())
          continue;
      }
      if (!isMemoryEffectFree(op) && !isa<memref::AllocOp>(op))
        group.skip(op);
    }
    if (group.size() > 1)
      group.mark(count++);
  }

  void explain(LinalgOp op, StringRef problem) {
    auto options = getRemarkOptions(op, "Launch", "sparsedrop-group-kernels");
    if (problem.empty())
      remark::passed(op.getLoc(), options)
          << remark::add("shares the launch of a reduction");
    else
      remark::missed(op.getLoc(), options) << remark::add(
          "does not share the launch of a reduction: {0}", problem);
  }

  int64_t count = 0;
};
} // namespace
