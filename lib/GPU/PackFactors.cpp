//===- PackFactors.cpp - Factors whose elements are no neighbours ---------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "Buffers.h"
#include "ChooseContraction.h"
#include "Product.h"
#include "RemarkOptions.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/MapVector.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_PACKFACTORS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;

/// Lines of the other factor that a block of a large product has.
static constexpr int64_t kTile = 128;
/// Times that blocks read a factor from which on a pack, which reads it once
/// and writes and reads what is kept, is cheaper than to read it as it is.
static constexpr int64_t kLeastReads = 4;
/// The same where wgmma reads the pack and mma.sync, at 0.6 of the speed, what
/// there is: 2.7e-15 s less for each line of the other factor (495 TFLOP/s of
/// tf32), for 8 bytes an element at 3.35 TB/s.
static constexpr int64_t kLeastReadsOfTf32 = 8;

/// Whether wgmma could read a factor if only the depth were its innermost
/// dimension: elements of other than 16 bits.
static bool wantsDepth(const Product &product, unsigned factor,
                       const Chip &chip) {
  bool isAsked = !chip.family || chip.family == KernelFamily::Wgmma;
  return chip.wgmma && isAsked &&
         product.getElement(factor).getIntOrFloatBitWidth() != 16 &&
         getFactorProblem(product, KernelFamily::Wgmma, chip.tf32).empty() &&
         ContractOp(product.op).getMap(factor).isProjectedPermutation() &&
         !product.isContiguous(factor, Role::Depth);
}

/// Whether bulk copies can read a factor as it is, or it would be packed.
static bool isReadable(const Product &product, unsigned factor,
                       const Chip &chip) {
  unsigned bits = product.getElement(factor).getIntOrFloatBitWidth();
  return wantsDepth(product, factor, chip) ||
         product.getVectorWidth(factor, Role::Depth) * bits == 128;
}

/// The dimensions of a factor with the depth innermost.
static SmallVector<int64_t> getDepthOrder(const Product &product,
                                          unsigned factor, Role lines) {
  AffineMap map = ContractOp(product.op).getMap(factor);
  SmallVector<int64_t> order;
  for (Role role : {Role::Batch, lines, Role::Depth})
    for (unsigned loop : product.get(role))
      for (auto [dim, expr] : llvm::enumerate(map.getResults()))
        if (expr.isFunctionOfDim(loop))
          order.push_back(static_cast<int64_t>(dim));
  return order;
}

namespace {
/// A copy without gaps.
struct Pack {
  Value buffer;
  Operation *copy;     ///< that fills it
  Operation *lastUser; ///< behind which it is freed
};

/// What is said about a pack, and when it pays.
struct Wish {
  SmallVector<int64_t> order; ///< of the dimensions of the pack
  int64_t leastReads;
  StringRef why;
};

struct PackFactors
    : public mlir::sparsedrop::impl::PackFactorsBase<PackFactors> {
  using PackFactorsBase::PackFactorsBase;

  void runOnOperation() override {
    FailureOr<Chip> target = getChip(getOperation().getLoc(), chip);
    if (failed(target))
      return signalPassFailure();
    target->tf32 = tf32;
    target->family = symbolizeKernelFamily(family);
    SmallVector<ContractOp> ops;
    getOperation().walk([&](ContractOp op) {
      if (op->getNumResults() == 0)
        ops.push_back(op);
    });
    for (ContractOp op : ops) {
      // Both are decided on before one changes.
      std::optional<Wish> wishes[2] = {getWish(op, 0, *target),
                                       getWish(op, 1, *target)};
      for (unsigned factor : {0u, 1u})
        if (wishes[factor])
          visit(op, factor, *wishes[factor]);
    }
    for (auto &[key, pack] : packs)
      free(pack);
  }

  /// The pack that a factor could do with, if any.
  static std::optional<Wish> getWish(ContractOp op, unsigned factor,
                                     const Chip &chip) {
    Product product(op);
    Role lines = factor == product.first ? Role::Rows : Role::Columns;
    bool isPacked = product.isContiguous(factor, Role::Depth) ||
                    product.isContiguous(factor, lines);
    if (wantsDepth(product, factor, chip) &&
        isReadable(product, 1 - factor, chip)) {
      // Nothing but wgmma has tensor cores for floats of 8 bits.
      bool isTf32 = product.getElement(factor).isF32();
      return Wish{getDepthOrder(product, factor, lines),
                  !isTf32 ? 1 : (isPacked ? kLeastReadsOfTf32 : kLeastReads),
                  "is not contiguous along the depth, as wgmma wants it,"};
    }
    if (isPacked)
      return std::nullopt;
    auto rank = static_cast<int64_t>(op.getMap(factor).getNumResults());
    return Wish{llvm::to_vector(llvm::seq<int64_t>(0, rank)), kLeastReads,
                "has no neighbours in memory"};
  }

  void visit(ContractOp op, unsigned factor, const Wish &wish) {
    Product product(op);
    Role others = factor == product.first ? Role::Columns : Role::Rows;
    int64_t reads = (product.count(others) + kTile - 1) / kTile;
    auto options = getRemarkOptions(op, "Pack", "sparsedrop-pack-factors");
    if (reads < wish.leastReads) {
      remark::missed(op.getLoc(), options)
          << remark::add("operand {0} {1} and is read as it is: blocks read it "
                         "{2} times, a pack pays from {3}",
                         factor, wish.why, reads, wish.leastReads);
      return;
    }
    bool isShared = use(op, factor, wish.order);
    remark::passed(op.getLoc(), options) << remark::add(
        "operand {0} {1} and is packed{2}: blocks read it {3} times", factor,
        wish.why, isShared ? ", shared with another product" : "", reads);
  }

  /// Lets `op` read a pack of a factor; whether there was one already.
  bool use(ContractOp op, unsigned factor, ArrayRef<int64_t> order) {
    Value buffer = op->getOperand(factor);
    AffineMap permutation = AffineMap::getPermutationMap(
        SmallVector<unsigned>(order.begin(), order.end()), op->getContext());
    Pack &pack = packs[{buffer, op->getBlock(), permutation}];
    bool isShared = pack.copy && isUnchanged(pack, op, getRoot(buffer));
    if (!isShared) {
      if (pack.copy)
        free(pack);
      make(op, buffer, order, pack);
    }
    op->setOperand(factor, pack.buffer);
    auto maps =
        llvm::to_vector(op.getIndexingMaps().getAsValueRange<AffineMapAttr>());
    maps[factor] = permutation.compose(maps[factor]);
    op.setIndexingMapsAttr(Builder(op).getAffineMapArrayAttr(maps));
    pack.lastUser = op;
    return isShared;
  }

  static void free(const Pack &pack) {
    OpBuilder builder(pack.lastUser->getContext());
    builder.setInsertionPointAfter(pack.lastUser);
    memref::DeallocOp::create(builder, pack.lastUser->getLoc(), pack.buffer);
  }

  /// Whether nothing has written to the source since it was packed.
  static bool isUnchanged(const Pack &pack, ContractOp op, Value root) {
    for (Operation *between = pack.copy->getNextNode(); between != op;
         between = between->getNextNode())
      if (touches(between, root) && writes(between, root))
        return false;
    return true;
  }

  static void make(ContractOp op, Value buffer, ArrayRef<int64_t> order,
                   Pack &pack) {
    OpBuilder builder(op);
    Location loc = op.getLoc();
    auto type = cast<MemRefType>(buffer.getType());
    SmallVector<Value> sizes;
    SmallVector<int64_t> shape;
    for (int64_t dim : order) {
      shape.push_back(type.getDimSize(dim));
      if (type.isDynamicDim(dim))
        sizes.push_back(memref::DimOp::create(builder, loc, buffer, dim));
    }
    pack.buffer = memref::AllocOp::create(
        builder, loc, MemRefType::get(shape, type.getElementType()), sizes);
    if (llvm::is_sorted(order))
      pack.copy = linalg::CopyOp::create(builder, loc, buffer, pack.buffer);
    else
      pack.copy =
          linalg::TransposeOp::create(builder, loc, buffer, pack.buffer, order);
  }

  llvm::MapVector<std::tuple<Value, Block *, AffineMap>, Pack> packs;
};
} // namespace
