//===- ContractionsToRuntime.cpp - Contractions to runtime calls ----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"
#include "sparsedrop/Conversion/Passes.h"
#include "sparsedrop/Conversion/Products.h"
#include "sparsedrop/Conversion/RuntimeTypes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_CONTRACTIONSTORUNTIME
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using linalg::LinalgOp;
using mlir::sparsedrop::Accesses;
using mlir::sparsedrop::matchProduct;

static constexpr StringLiteral kCallee = "sparsedrop_contract";

std::optional<int32_t> mlir::sparsedrop::getRuntimeType(Type type) {
  if (type.isF32())
    return SPARSEDROP_F32;
  if (type.isF64())
    return SPARSEDROP_F64;
  if (type.isBF16())
    return SPARSEDROP_BF16;
  if (type.isF16())
    return SPARSEDROP_F16;
  if (isa<Float8E4M3FNType>(type))
    return SPARSEDROP_F8E4M3FN;
  if (isa<Float8E5M2Type>(type))
    return SPARSEDROP_F8E5M2;
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// The call
//===----------------------------------------------------------------------===//

namespace {
/// Emits the call for one product.
class ContractEmitter {
public:
  ContractEmitter(RewriterBase &rewriter, LinalgOp op)
      : rewriter(rewriter), op(op), loc(op.getLoc()) {}

  void run(const Accesses &accesses, bool accumulate);

private:
  Value i64(int64_t value) {
    return arith::ConstantIntOp::create(rewriter, loc, value, 64);
  }
  Value i32(int32_t value) {
    return arith::ConstantIntOp::create(rewriter, loc, value, 32);
  }
  Value toI64(OpFoldResult index) {
    Value value = getValueOrCreateConstantIndexOp(rewriter, loc, index);
    return rewriter.createOrFold<arith::IndexCastOp>(loc, rewriter.getI64Type(),
                                                     value);
  }
  Value allocateLoops(int64_t count);
  Value getPointer(memref::ExtractStridedMetadataOp metadata, Value buffer);
  Value getStride(memref::ExtractStridedMetadataOp metadata,
                  ArrayRef<SmallVector<int64_t>> dims, unsigned loop,
                  bool &isUsed);

  RewriterBase &rewriter;
  LinalgOp op;
  Location loc;
};
} // namespace

/// The array of loops, on the stack of the function: loops around the op do
/// not make it grow. Inside of a parallel loop every iteration has its own.
Value ContractEmitter::allocateLoops(int64_t count) {
  OpBuilder::InsertionGuard guard(rewriter);
  Block *scope = &op->getParentOfType<func::FuncOp>().front();
  if (auto parallel = op->getParentOfType<scf::ParallelOp>())
    scope = parallel.getBody();
  if (auto forall = op->getParentOfType<scf::ForallOp>())
    scope = forall.getBody();
  rewriter.setInsertionPointToStart(scope);
  return memref::AllocaOp::create(
      rewriter, loc, MemRefType::get({count, 5}, rewriter.getI64Type()));
}

Value ContractEmitter::getPointer(memref::ExtractStridedMetadataOp metadata,
                                  Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  Value address =
      memref::ExtractAlignedPointerAsIndexOp::create(rewriter, loc, buffer);
  Value bytes = arith::ConstantIndexOp::create(
      rewriter, loc, type.getElementTypeBitWidth() / 8);
  Value offset =
      rewriter.createOrFold<arith::MulIOp>(loc, metadata.getOffset(), bytes);
  return toI64(rewriter.createOrFold<arith::AddIOp>(loc, address, offset));
}

/// The stride of an operand along a loop: the sum of its dimensions' strides
/// times the loop's coefficients.
Value ContractEmitter::getStride(memref::ExtractStridedMetadataOp metadata,
                                 ArrayRef<SmallVector<int64_t>> dims,
                                 unsigned loop, bool &isUsed) {
  Value sum = arith::ConstantIndexOp::create(rewriter, loc, 0);
  for (auto [dim, coefficients] : llvm::enumerate(dims)) {
    int64_t coefficient = coefficients[loop];
    if (coefficient == 0)
      continue;
    isUsed = true;
    Value factor = arith::ConstantIndexOp::create(rewriter, loc, coefficient);
    Value stride = rewriter.createOrFold<arith::MulIOp>(
        loc, metadata.getStrides()[dim], factor);
    sum = rewriter.createOrFold<arith::AddIOp>(loc, sum, stride);
  }
  return toI64(sum);
}

void ContractEmitter::run(const Accesses &accesses, bool accumulate) {
  rewriter.setInsertionPoint(op);
  unsigned loops = op.getNumLoops();
  SmallVector<Range> ranges = op.createLoopRanges(rewriter, loc);
  SmallVector<memref::ExtractStridedMetadataOp, 3> metadata;
  for (Value operand : op->getOperands())
    metadata.push_back(
        memref::ExtractStridedMetadataOp::create(rewriter, loc, operand));
  Value array = allocateLoops(loops);
  auto store = [&](unsigned loop, int64_t field, Value value) {
    SmallVector<Value> indices{
        arith::ConstantIndexOp::create(rewriter, loc, loop),
        arith::ConstantIndexOp::create(rewriter, loc, field)};
    memref::StoreOp::create(rewriter, loc, value, array, indices);
  };
  for (unsigned loop = 0; loop < loops; ++loop) {
    int64_t operands = 0;
    for (unsigned o = 0; o < 3; ++o) {
      bool isUsed = false;
      store(loop, 2 + o, getStride(metadata[o], accesses[o], loop, isUsed));
      operands |= isUsed ? 1 << o : 0;
    }
    store(loop, 0, toI64(ranges[loop].size));
    store(loop, 1, i64(operands));
  }
  SmallVector<Value> arguments{
      toI64(memref::ExtractAlignedPointerAsIndexOp::create(rewriter, loc, array)
                .getResult()),
      i64(loops)};
  for (Value operand : op->getOperands())
    arguments.push_back(i32(*mlir::sparsedrop::getRuntimeType(
        cast<MemRefType>(operand.getType()).getElementType())));
  for (auto [o, operand] : llvm::enumerate(op->getOperands()))
    arguments.push_back(getPointer(metadata[o], operand));
  arguments.push_back(i32(accumulate));
  func::CallOp::create(rewriter, loc, kCallee, TypeRange(), arguments);
  rewriter.eraseOp(op);
}

//===----------------------------------------------------------------------===//
// Fills that a product absorbs
//===----------------------------------------------------------------------===//

/// The zero fill of the output right before `op`: nothing in between can see
/// the output's memory.
static linalg::FillOp findZeroFill(LinalgOp op) {
  Value output = op.getDpsInits()[0];
  for (Operation *previous = op->getPrevNode(); previous;
       previous = previous->getPrevNode()) {
    auto fill = dyn_cast<linalg::FillOp>(previous);
    if (fill && fill.getOutputs()[0] == output)
      return matchPattern(fill.getInputs()[0], m_AnyZeroFloat())
                 ? fill
                 : linalg::FillOp();
    bool touchesBuffers = llvm::any_of(previous->getOperandTypes(),
                                       llvm::IsaPred<BaseMemRefType>);
    if (previous->getNumRegions() != 0 ||
        (touchesBuffers && !isMemoryEffectFree(previous)))
      return {};
  }
  return {};
}

/// Whether each output has factors of its own, which no other output reads:
/// there is nothing that BLAS could use twice, and loops go through memory in
/// order.
static bool isSumOfPairs(LinalgOp op, const Accesses &accesses) {
  auto isIndexed = [&](unsigned operand, unsigned loop) {
    return llvm::any_of(accesses[operand],
                        [&](ArrayRef<int64_t> dim) { return dim[loop] != 0; });
  };
  bool hasOutputs = false;
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
    if (!isIndexed(0, loop) || !isIndexed(1, loop))
      return false;
    hasOutputs |= isIndexed(2, loop);
  }
  return hasOutputs;
}

static void declareCallee(ModuleOp module) {
  OpBuilder builder(module.getContext());
  Type i64 = builder.getI64Type(), i32 = builder.getI32Type();
  builder.setInsertionPointToStart(module.getBody());
  auto declaration = func::FuncOp::create(
      builder, module.getLoc(), kCallee,
      builder.getFunctionType({i64, i64, i32, i32, i32, i64, i64, i64, i32},
                              {}));
  declaration.setPrivate();
}

namespace {
/// A product that will be replaced.
struct Match {
  LinalgOp op;
  Accesses accesses;
};

struct ContractionsToRuntime
    : public sparsedrop::impl::ContractionsToRuntimeBase<
          ContractionsToRuntime> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    std::vector<Match> matches;
    getOperation().walk([&](LinalgOp op) {
      if (!op.hasPureBufferSemantics())
        return;
      FailureOr<Accesses> accesses = matchProduct(rewriter, op);
      if (succeeded(accesses) && !isSumOfPairs(op, *accesses))
        matches.push_back({op, *accesses});
    });
    for (Match &match : matches) {
      linalg::FillOp fill = findZeroFill(match.op);
      ContractEmitter(rewriter, match.op)
          .run(match.accesses, /*accumulate=*/!fill);
      if (fill)
        rewriter.eraseOp(fill);
    }
    if (!matches.empty() && !getOperation().lookupSymbol(kCallee))
      declareCallee(getOperation());
  }
};
} // namespace
