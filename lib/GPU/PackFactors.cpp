//===- PackFactors.cpp - Factors whose elements are no neighbours ---------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "Buffers.h"
#include "Product.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_PACKFACTORS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;

/// Lines of the other factor that a block of a large product has, and what an
/// unknown extent counts as.
static constexpr int64_t kTile = 128, kUnknown = 1024;
/// Times that blocks read a factor from which on a pack, which reads it once
/// and writes and reads what is kept, is cheaper than to read it as it is.
static constexpr int64_t kLeastReads = 4;

namespace {
/// A copy without gaps.
struct Pack {
  Value buffer;
  Operation *copy;     ///< that fills it
  Operation *lastUser; ///< behind which it is freed
};

struct PackFactors
    : public mlir::sparsedrop::impl::PackFactorsBase<PackFactors> {
  void runOnOperation() override {
    SmallVector<ContractOp> ops;
    getOperation().walk([&](ContractOp op) {
      if (op->getNumResults() == 0)
        ops.push_back(op);
    });
    for (ContractOp op : ops)
      for (unsigned factor : {0u, 1u})
        visit(op, factor);
    for (auto &[key, pack] : packs) {
      OpBuilder builder(pack.lastUser->getContext());
      builder.setInsertionPointAfter(pack.lastUser);
      memref::DeallocOp::create(builder, pack.lastUser->getLoc(), pack.buffer);
    }
  }

  void visit(ContractOp op, unsigned factor) {
    Product product(op);
    bool isFirst = factor == product.first;
    Role lines = isFirst ? Role::Rows : Role::Columns;
    Role others = isFirst ? Role::Columns : Role::Rows;
    if (product.isContiguous(factor, Role::Depth) ||
        product.isContiguous(factor, lines))
      return;
    int64_t reads = (product.count(others, kUnknown) + kTile - 1) / kTile;
    auto function = op->getParentOfType<FunctionOpInterface>();
    auto options = remark::RemarkOpts::name("Pack")
                       .category("sparsedrop-pack-factors")
                       .function(function ? function.getName() : StringRef());
    if (reads < kLeastReads) {
      remark::missed(op.getLoc(), options) << remark::add(
          "operand {0} has no neighbours in memory and is read as "
          "it is: blocks read it {1} times, a pack pays from {2}",
          factor, reads, kLeastReads);
      return;
    }
    bool isShared = use(op, factor);
    remark::passed(op.getLoc(), options) << remark::add(
        "operand {0} has no neighbours in memory and is packed{1}: "
        "blocks read it {2} times",
        factor, isShared ? ", shared with another product" : "", reads);
  }

  /// Lets `op` read a pack of a factor; whether there was one already.
  bool use(ContractOp op, unsigned factor) {
    Value buffer = op->getOperand(factor);
    Pack &pack = packs[{buffer, op->getBlock()}];
    bool isShared = pack.copy && isUnchanged(pack, op, getRoot(buffer));
    if (!isShared) {
      if (pack.copy) {
        OpBuilder builder(op->getContext());
        builder.setInsertionPointAfter(pack.lastUser);
        memref::DeallocOp::create(builder, op.getLoc(), pack.buffer);
      }
      make(op, buffer, pack);
    }
    op->setOperand(factor, pack.buffer);
    pack.lastUser = op;
    return isShared;
  }

  /// Whether nothing has written to the source since it was packed.
  static bool isUnchanged(const Pack &pack, ContractOp op, Value root) {
    for (Operation *between = pack.copy->getNextNode(); between != op;
         between = between->getNextNode())
      if (touches(between, root) && writes(between, root))
        return false;
    return true;
  }

  static void make(ContractOp op, Value buffer, Pack &pack) {
    OpBuilder builder(op);
    Location loc = op.getLoc();
    auto type = cast<MemRefType>(buffer.getType());
    SmallVector<Value> sizes;
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      if (type.isDynamicDim(dim))
        sizes.push_back(memref::DimOp::create(builder, loc, buffer, dim));
    pack.buffer = memref::AllocOp::create(
        builder, loc, MemRefType::get(type.getShape(), type.getElementType()),
        sizes);
    pack.copy = linalg::CopyOp::create(builder, loc, buffer, pack.buffer);
  }

  llvm::MapVector<std::pair<Value, Block *>, Pack> packs;
};
} // namespace
