//===- ChooseKernels.cpp - Which kernel each op becomes -------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "Alignment.h"
#include "ChooseContraction.h"
#include "Emitters.h"
#include "RemarkOptions.h"
#include "Signature.h"

#include "sparsedrop/Conversion/Reductions.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Format.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_CHOOSEKERNELS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

static constexpr int64_t kThreads = 256;

static KernelAttr makeLoops(MLIRContext *context, KernelFamily family,
                            ArrayRef<int64_t> threads, int64_t vector = 1) {
  return KernelAttr::get(context, family, {}, {}, {}, threads, {vector}, 1, 1,
                         false, false, {}, {}, {});
}

/// The innermost loop of the operand of highest rank, if it is a plain one.
static std::optional<unsigned> getContiguousLoop(LinalgOp op) {
  AffineMap largest;
  for (OpOperand *input : op.getDpsInputOperands()) {
    AffineMap map = op.getMatchingIndexingMap(input);
    if (!largest || map.getNumResults() > largest.getNumResults())
      largest = map;
  }
  if (!largest || largest.getNumResults() == 0)
    return std::nullopt;
  auto dim = dyn_cast<AffineDimExpr>(largest.getResults().back());
  return dim ? std::optional<unsigned>(dim.getPosition()) : std::nullopt;
}

/// How many neighbouring columns a thread can move at a time: operands are
/// contiguous and aligned along the columns, or the same for all of them.
static int64_t getColumns(LinalgOp op) {
  int64_t width = 16;
  std::optional<unsigned> found = findColumn(op);
  if (!found)
    return 1;
  unsigned column = *found;
  AffineExpr expected = getAffineDimExpr(column, op.getContext());
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    if (!type)
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    if (!map.isFunctionOfDim(column))
      continue;
    for (AffineExpr expr : llvm::drop_end(map.getResults()))
      if (expr.isFunctionOfDim(column))
        return 1;
    if (map.getResults().back() != expected)
      return 1;
    width = std::min(width, getVectorWidth(operand.get()));
  }
  return width;
}

/// Whether tiles pay: both rows are longer than a sector of the cache, which
/// neighbours share anyway.
static bool isLargeTranspose(LinalgOp op) {
  constexpr int64_t kLeast = 16;
  if (!getTransposeProblem(op).empty())
    return false;
  auto isLarge = [&](OpOperand *operand) {
    auto type = cast<MemRefType>(operand->get().getType());
    int64_t extent = type.getShape().back();
    return ShapedType::isDynamic(extent) || extent >= kLeast;
  };
  return isLarge(op.getDpsInputOperand(0)) && isLarge(op.getDpsInitOperand(0));
}

static KernelAttr chooseLoops(LinalgOp op) {
  MLIRContext *context = op.getContext();
  if (isLargeTranspose(op))
    return chooseTranspose(op);
  if (op.getNumReductionLoops() == 0)
    return makeLoops(context, KernelFamily::Elementwise, {kThreads},
                     getColumns(op));
  if (!isSplittable(op))
    return makeLoops(context, KernelFamily::Serial, {kThreads});
  // Extents that are not known count as large.
  int64_t outputs = 1, reduction = 1;
  std::optional<unsigned> contiguous = getContiguousLoop(op);
  bool isColumn = false;
  for (auto [loop, type, range] :
       llvm::enumerate(op.getIteratorTypesArray(), op.getStaticLoopRanges())) {
    int64_t extent = ShapedType::isDynamic(range) ? 1024 : range;
    bool isReduction = type == utils::IteratorType::reduction;
    (isReduction ? reduction : outputs) *= extent;
    isColumn |= !isReduction && contiguous == loop;
  }
  if (isColumn)
    return makeLoops(context, KernelFamily::ReduceColumns,
                     {32, reduction >= 256 ? 32 : 8});
  if (reduction < 4 && outputs >= 1024)
    return makeLoops(context, KernelFamily::Serial, {kThreads});
  if (reduction >= 2048 || outputs < 8)
    return makeLoops(context, KernelFamily::ReduceRows,
                     {1, reduction >= 1024 ? 1024 : kThreads});
  return makeLoops(context, KernelFamily::ReduceRows, {kThreads / 32, 32});
}

/// What a measurement says for a kernel.
static std::string describe(const KernelTableEntry &entry) {
  std::string text;
  llvm::raw_string_ostream(text)
      << llvm::format("measured: %.1f us a step, %.1f us ", entry.step,
                      std::abs(entry.saved))
      << (entry.saved < 0 ? "more" : "less")
      << " than with the estimate's choice (" << entry.device << ", "
      << entry.date << ")";
  return text;
}

namespace {
struct ChooseKernels
    : public mlir::sparsedrop::impl::ChooseKernelsBase<ChooseKernels> {
  using ChooseKernelsBase::ChooseKernelsBase;
  ChooseKernels(ChooseKernelsOptions options,
                std::shared_ptr<const KernelTable> measured)
      : ChooseKernelsBase(std::move(options)), measured(std::move(measured)) {}

  void runOnOperation() override {
    FailureOr<Chip> target = getChip(getOperation().getLoc(), chip);
    if (failed(target) || failed(readTable()))
      return signalPassFailure();
    target->tf32 = tf32;
    if (!family.empty()) {
      target->family = symbolizeKernelFamily(family);
      if (target->family != KernelFamily::Wgmma &&
          target->family != KernelFamily::TensorCore &&
          target->family != KernelFamily::Plain) {
        emitError(getOperation().getLoc())
            << "expected the family wgmma, tensor_core or plain, but got '"
            << family << "'";
        return signalPassFailure();
      }
    }
    WalkResult result = getOperation().walk([&](Operation *op) {
      if (auto known = op->getAttrOfType<KernelAttr>(kKernelAttrName))
        return checkChip(op, known, *target);
      if (auto contract = dyn_cast<ContractOp>(op))
        choose(contract, *target);
      else if (auto linalgOp = dyn_cast<LinalgOp>(op))
        if (linalgOp.hasPureBufferSemantics())
          op->setAttr(kKernelAttrName, chooseLoops(linalgOp));
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

  /// The file of the option, unless the table is here already.
  LogicalResult readTable() {
    current = measured;
    if (current || table.empty())
      return success();
    llvm::Expected<KernelTable> read = KernelTable::read(table, &getContext());
    if (!read)
      return emitError(getOperation().getLoc())
             << "table of kernels " << llvm::toString(read.takeError());
    current = std::make_shared<const KernelTable>(std::move(*read));
    return success();
  }

  /// What the user chose has to be there.
  WalkResult checkChip(Operation *op, KernelAttr known, const Chip &target) {
    if (known.getFamily() != KernelFamily::Wgmma || target.wgmma)
      return WalkResult::advance();
    op->emitOpError() << "asks for a kernel of family 'wgmma', which " << chip
                      << " does not have; expected sm_90a";
    return WalkResult::interrupt();
  }

  /// What was measured, or the cost model's choice.
  void choose(ContractOp op, const Chip &target) {
    if (current && useTable(op, target))
      return;
    ContractionChoice choice = chooseContraction(op, target);
    op->setAttr(kKernelAttrName, choice.kernel);
    note(op, choice.reason, choice.isFallback);
  }

  /// Whether the table has a kernel for the op.
  bool useTable(ContractOp op, const Chip &target) {
    std::string signature = getSignature(op, target);
    const KernelTableEntry *entry = current->find(signature);
    if (!entry) {
      note(op, "not measured: " + signature, /*isMissed=*/true);
      return false;
    }
    std::string problem = getKernelProblem(op, entry->kernel, target);
    if (!problem.empty()) {
      std::string kernel;
      llvm::raw_string_ostream(kernel) << entry->kernel;
      note(op, "the measured " + kernel + " cannot be obeyed: " + problem,
           /*isMissed=*/true);
      return false;
    }
    op->setAttr(kKernelAttrName, entry->kernel);
    note(op, describe(*entry), /*isMissed=*/false);
    return true;
  }

  void note(ContractOp op, const std::string &text, bool isMissed) {
    auto options = getRemarkOptions(op, "Kernel", "sparsedrop-choose-kernels");
    if (isMissed)
      remark::missed(op.getLoc(), options) << remark::add("{0}", text);
    else
      remark::passed(op.getLoc(), options) << remark::add("{0}", text);
  }

  /// What the pass was made with, and what this run uses; null: none.
  std::shared_ptr<const KernelTable> measured, current;
};
} // namespace

std::unique_ptr<Pass> mlir::sparsedrop::createChooseKernels(
    ChooseKernelsOptions options, std::shared_ptr<const KernelTable> measured) {
  return std::make_unique<ChooseKernels>(std::move(options),
                                         std::move(measured));
}
