//===- ParallelLoopsToRuntime.cpp - Parallel loops on the threads of the runtime
//-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"

#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_PARALLELLOOPSTORUNTIME
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

static constexpr StringLiteral kCallee = "sparsedrop_parallel_for";

/// Ops in all that a chunk should hold at least: some ten microseconds.
static constexpr int64_t kChunkWork = 1 << 16;
/// What an extent that is not known is taken for.
static constexpr int64_t kUnknownExtent = 256;

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

static std::optional<int64_t> getExtent(Value lower, Value upper, Value step) {
  std::optional<int64_t> lo = getConstantIntValue(lower);
  std::optional<int64_t> hi = getConstantIntValue(upper);
  std::optional<int64_t> by = getConstantIntValue(step);
  if (!lo || !hi || !by || *by <= 0)
    return std::nullopt;
  return std::max<int64_t>(0, (*hi - *lo + *by - 1) / *by);
}

/// Ops that one execution of `block` runs, roughly.
static int64_t estimateWork(Block &block) {
  int64_t work = 0;
  for (Operation &op : block) {
    int64_t inner =
        op.getDialect() && op.getDialect()->getNamespace() == "math" ? 10 : 1;
    for (Region &region : op.getRegions())
      for (Block &nested : region)
        inner += estimateWork(nested);
    if (auto loop = dyn_cast<scf::ForOp>(op))
      inner *=
          getExtent(loop.getLowerBound(), loop.getUpperBound(), loop.getStep())
              .value_or(kUnknownExtent);
    work += inner;
  }
  return work;
}

namespace {
/// How a parallel loop is cut.
struct Cut {
  unsigned dim;  ///< the loop that is cut
  int64_t grain; ///< its iterations a chunk holds at least
};
} // namespace

/// Cuts the outermost loop of more than one iteration; nothing for loops that
/// are known to be short.
static std::optional<Cut> chooseCut(scf::ParallelOp op) {
  int64_t work = std::max<int64_t>(1, estimateWork(*op.getBody()));
  Cut cut{0, 1};
  bool found = false;
  for (unsigned dim = 0, e = op.getNumLoops(); dim < e; ++dim) {
    std::optional<int64_t> extent = getExtent(
        op.getLowerBound()[dim], op.getUpperBound()[dim], op.getStep()[dim]);
    if (!found && extent != 1) {
      cut.dim = dim;
      found = true;
      continue;
    }
    work *= std::max<int64_t>(1, extent.value_or(kUnknownExtent));
  }
  if (!found)
    return std::nullopt;
  cut.grain = std::max<int64_t>(1, kChunkWork / work);
  std::optional<int64_t> extent =
      getExtent(op.getLowerBound()[cut.dim], op.getUpperBound()[cut.dim],
                op.getStep()[cut.dim]);
  if (extent && *extent <= cut.grain)
    return std::nullopt;
  return cut;
}

//===----------------------------------------------------------------------===//
// Outlining
//===----------------------------------------------------------------------===//

namespace {
/// Outlines one parallel loop.
class Outliner {
public:
  Outliner(scf::ParallelOp op, const Cut &cut, LLVMTypeConverter &converter)
      : op(op), cut(cut), converter(converter), builder(op.getContext()),
        loc(op.getLoc()) {}

  void run(StringRef name);

private:
  void collectCaptures();
  func::FuncOp createFunction(StringRef name);
  void buildLoops(IRMapping &mapping, Value lo, Value hi);
  Value cast(Value value, Type type) {
    return UnrealizedConversionCastOp::create(builder, loc, type, value)
        .getResult(0);
  }
  Value i64(int64_t value) {
    return LLVM::ConstantOp::create(builder, loc, builder.getI64Type(),
                                    builder.getI64IntegerAttr(value));
  }
  Value toI64(Value index) {
    return arith::IndexCastOp::create(builder, loc, builder.getI64Type(),
                                      index);
  }
  Value toIndex(Value integer) {
    return arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                      integer);
  }
  Value getField(Value structure, int64_t index) {
    return LLVM::GEPOp::create(
        builder, loc, pointerType, structType, structure,
        ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(index)});
  }

  scf::ParallelOp op;
  const Cut &cut;
  LLVMTypeConverter &converter;
  OpBuilder builder;
  Location loc;
  LLVM::LLVMPointerType pointerType;
  LLVM::LLVMStructType structType;
  SmallVector<Value> captures;
  SmallVector<Operation *> constants;
};
} // namespace

/// What the loop uses from outside: constants are repeated, the rest is passed.
void Outliner::collectCaptures() {
  llvm::SetVector<Value> used;
  getUsedValuesDefinedAbove(op.getRegion(), used);
  used.insert_range(op.getLowerBound());
  used.insert_range(op.getUpperBound());
  used.insert_range(op.getStep());
  SmallVector<Type> fields;
  for (Value value : used) {
    if (matchPattern(value, m_Constant())) {
      constants.push_back(value.getDefiningOp());
      continue;
    }
    captures.push_back(value);
    fields.push_back(converter.convertType(value.getType()));
  }
  pointerType = LLVM::LLVMPointerType::get(op.getContext());
  structType = LLVM::LLVMStructType::getLiteral(op.getContext(), fields);
}

/// The loop nest over [lo, hi) of the cut loop and all of the others.
void Outliner::buildLoops(IRMapping &mapping, Value lo, Value hi) {
  for (unsigned dim = 0, e = op.getNumLoops(); dim < e; ++dim) {
    Value lower = mapping.lookupOrDefault(op.getLowerBound()[dim]);
    Value upper = mapping.lookupOrDefault(op.getUpperBound()[dim]);
    Value step = mapping.lookupOrDefault(op.getStep()[dim]);
    if (dim == cut.dim) {
      // Chunks count iterations.
      Value first = arith::MulIOp::create(builder, loc, lo, step);
      Value last = arith::MulIOp::create(builder, loc, hi, step);
      upper = arith::AddIOp::create(builder, loc, lower, last);
      lower = arith::AddIOp::create(builder, loc, lower, first);
    }
    auto loop = scf::ForOp::create(builder, loc, lower, upper, step);
    mapping.map(op.getInductionVars()[dim], loop.getInductionVar());
    builder.setInsertionPointToStart(loop.getBody());
  }
  for (Operation &inner : op.getBody()->without_terminator())
    builder.clone(inner, mapping);
}

func::FuncOp Outliner::createFunction(StringRef name) {
  OpBuilder::InsertionGuard guard(builder);
  auto module = op->getParentOfType<ModuleOp>();
  builder.setInsertionPointToEnd(module.getBody());
  Type i64Type = builder.getI64Type();
  auto function = func::FuncOp::create(
      builder, loc, name,
      builder.getFunctionType({i64Type, i64Type, pointerType}, {}));
  function.setPrivate();
  Block *entry = function.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  IRMapping mapping;
  for (Operation *constant : constants)
    builder.clone(*constant, mapping);
  for (auto [i, value] : llvm::enumerate(captures)) {
    Value field = LLVM::LoadOp::create(
        builder, loc, structType.getBody()[i],
        getField(entry->getArgument(2), static_cast<int64_t>(i)));
    mapping.map(value, field.getType() == value.getType()
                           ? field
                           : cast(field, value.getType()));
  }
  Value lo = toIndex(entry->getArgument(0));
  Value hi = toIndex(entry->getArgument(1));
  auto result = func::ReturnOp::create(builder, loc);
  builder.setInsertionPoint(result);
  buildLoops(mapping, lo, hi);
  return function;
}

void Outliner::run(StringRef name) {
  collectCaptures();
  func::FuncOp function = createFunction(name);
  // The struct lives on the stack of the function, not of a loop around.
  builder.setInsertionPointToStart(
      &op->getParentOfType<func::FuncOp>().front());
  Value structure =
      LLVM::AllocaOp::create(builder, loc, pointerType, structType, i64(1), 8);
  builder.setInsertionPoint(op);
  for (auto [i, value] : llvm::enumerate(captures)) {
    Type type = structType.getBody()[i];
    Value field = type == value.getType() ? value : cast(value, type);
    LLVM::StoreOp::create(builder, loc, field,
                          getField(structure, static_cast<int64_t>(i)));
  }
  Value lower = op.getLowerBound()[cut.dim],
        upper = op.getUpperBound()[cut.dim], step = op.getStep()[cut.dim];
  Value span = arith::SubIOp::create(builder, loc, upper, lower);
  Value count = arith::CeilDivSIOp::create(builder, loc, span, step);
  Value address = cast(
      func::ConstantOp::create(builder, loc, function.getFunctionType(), name),
      pointerType);
  func::CallOp::create(
      builder, loc, kCallee, TypeRange(),
      ValueRange{i64(0), toI64(count), i64(cut.grain), address, structure});
  op.erase();
}

namespace {
struct ParallelLoopsToRuntime
    : public sparsedrop::impl::ParallelLoopsToRuntimeBase<
          ParallelLoopsToRuntime> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<scf::ParallelOp> loops;
    module.walk<WalkOrder::PreOrder>([&](scf::ParallelOp op) {
      if (op.getNumReductions() == 0 && op->getParentOfType<func::FuncOp>() &&
          !op->getParentOfType<scf::ForallOp>())
        loops.push_back(op);
      return WalkResult::skip();
    });
    LLVMTypeConverter converter(&getContext());
    unsigned count = 0;
    for (scf::ParallelOp op : loops)
      if (std::optional<Cut> cut = chooseCut(op)) {
        std::string name;
        do
          name = ("sparsedrop_loop_" + Twine(count++)).str();
        while (module.lookupSymbol(name));
        Outliner(op, *cut, converter).run(name);
      }
    if (count > 0 && !module.lookupSymbol(kCallee))
      declareCallee();
  }

  void declareCallee() {
    OpBuilder builder(&getContext());
    builder.setInsertionPointToStart(getOperation().getBody());
    Type i64 = builder.getI64Type();
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    func::FuncOp::create(
        builder, getOperation().getLoc(), kCallee,
        builder.getFunctionType({i64, i64, i64, pointer, pointer}, {}))
        .setPrivate();
  }
};
} // namespace
