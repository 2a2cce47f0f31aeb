//===- EmitEntryPoints.cpp - Guarded entry points -------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Conversion/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_EMITENTRYPOINTS
#include "sparsedrop/Conversion/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

static constexpr StringLiteral kInterfacePrefix = "_mlir_ciface_";
static constexpr StringLiteral kEntryPrefix = "sparsedrop_invoke_";
static constexpr StringLiteral kImageName = "sparsedrop_image";

/// Whether `op` holds kernels of a GPU, in whatever form.
static bool isKernels(Operation *op) {
  StringRef name = op->getName().getStringRef();
  return name == "gpu.module" || name == "gpu.binary";
}

/// Everything must be of the LLVM dialect now.
static LogicalResult checkLowered(ModuleOp module) {
  WalkResult result = module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op == module || isa<LLVM::LLVMDialect>(op->getDialect()))
      return WalkResult::advance();
    if (isKernels(op))
      return WalkResult::skip();
    op->emitError() << "cannot run: nothing lowers '" << op->getName() << "'";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

/// What the dialect says of functions and arguments has served its purpose, and
/// nothing translates it to LLVM IR.
static void dropAttributes(ModuleOp module) {
  auto drop = [](Operation *op) {
    if (isKernels(op))
      return;
    SmallVector<StringAttr> names;
    for (NamedAttribute attribute : op->getDiscardableAttrs())
      if (attribute.getName().getValue().starts_with("sparsedrop."))
        names.push_back(attribute.getName());
    for (StringAttr name : names)
      op->removeDiscardableAttr(name);
  };
  module->walk(drop);
  for (auto function : module.getOps<LLVM::LLVMFuncOp>())
    for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i)
      for (NamedAttribute attribute :
           llvm::to_vector(function_interface_impl::getArgAttrs(
               cast<FunctionOpInterface>(function.getOperation()), i)))
        if (attribute.getName().getValue().starts_with("sparsedrop."))
          function.removeArgAttr(i, attribute.getName());
}

/// The names that finalize-memref-to-llvm gives, and the runtime's.
static void renameAllocations(ModuleOp module, bool onDevice) {
  SymbolTable symbols(module);
  for (auto [generic, ours] :
       {std::pair<StringRef, StringRef>{"_mlir_memref_to_llvm_aligned_alloc",
                                        onDevice ? "sparsedrop_program_alloc"
                                                 : "sparsedrop_alloc"},
        {"_mlir_memref_to_llvm_free",
         onDevice ? "sparsedrop_program_free" : "sparsedrop_free"}}) {
    auto function = symbols.lookup<LLVM::LLVMFuncOp>(generic);
    if (!function)
      continue;
    StringAttr name = StringAttr::get(module.getContext(), ours);
    (void)SymbolTable::replaceAllSymbolUses(function.getOperation(), name,
                                            module);
    if (symbols.lookup(ours))
      function.erase();
    else
      symbols.setSymbolName(function, name);
  }
}

/// Where the host has no memory left, the function returns zeros, which nobody
/// is to read: the runtime has recorded the failure. (A device's programs go on
/// without doing anything.)
static void checkAllocations(ModuleOp module) {
  SmallVector<LLVM::CallOp> calls;
  module.walk([&](LLVM::CallOp op) {
    if (op.getCallee() == "sparsedrop_alloc")
      calls.push_back(op);
  });
  IRRewriter rewriter(module.getContext());
  for (LLVM::CallOp call : calls) {
    Location loc = call.getLoc();
    auto function = call->getParentOfType<LLVM::LLVMFuncOp>();
    Block *before = call->getBlock();
    Block *after =
        rewriter.splitBlock(before, std::next(Block::iterator(call)));
    Block *failure = rewriter.createBlock(&function.getBody());
    Type result = function.getFunctionType().getReturnType();
    SmallVector<Value> zeros;
    if (!isa<LLVM::LLVMVoidType>(result))
      zeros.push_back(LLVM::ZeroOp::create(rewriter, loc, result));
    LLVM::ReturnOp::create(rewriter, loc, zeros);
    rewriter.setInsertionPointToEnd(before);
    Value zero =
        LLVM::ZeroOp::create(rewriter, loc, call.getResult().getType());
    Value isThere = LLVM::ICmpOp::create(rewriter, loc, LLVM::ICmpPredicate::ne,
                                         call.getResult(), zero);
    LLVM::CondBrOp::create(rewriter, loc, isThere, after, failure);
  }
}

namespace {
/// Emits one entry point.
class EntryEmitter {
public:
  EntryEmitter(ModuleOp module, SymbolTable &symbols, bool onDevice)
      : module(module), symbols(symbols), builder(module.getContext()),
        onDevice(onDevice) {}

  void run(LLVM::LLVMFuncOp interface, LLVM::LLVMFuncOp function);

private:
  LLVM::LLVMFuncOp declare(StringRef name, Type result,
                           ArrayRef<Type> arguments);
  Value getImage(Location loc);
  void enter(Location loc, ValueRange place);
  LLVM::CallOp leave(Location loc);

  ModuleOp module;
  SymbolTable &symbols;
  OpBuilder builder;
  bool onDevice;
};
} // namespace

LLVM::LLVMFuncOp EntryEmitter::declare(StringRef name, Type result,
                                       ArrayRef<Type> arguments) {
  if (auto existing = symbols.lookup<LLVM::LLVMFuncOp>(name))
    return existing;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(module.getBody());
  auto function =
      LLVM::LLVMFuncOp::create(builder, module.getLoc(), name,
                               LLVM::LLVMFunctionType::get(result, arguments));
  symbols.insert(function);
  return function;
}

/// The kernels, which another pass embeds.
Value EntryEmitter::getImage(Location loc) {
  if (!symbols.lookup(kImageName)) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    symbols.insert(LLVM::GlobalOp::create(
        builder, module.getLoc(), builder.getI8Type(), /*isConstant=*/true,
        LLVM::Linkage::External, kImageName, Attribute()));
  }
  return LLVM::AddressOfOp::create(
      builder, loc, LLVM::LLVMPointerType::get(module.getContext()),
      kImageName);
}

void EntryEmitter::enter(Location loc, ValueRange place) {
  Type i32 = builder.getI32Type();
  Type pointer = LLVM::LLVMPointerType::get(module.getContext());
  Type none = LLVM::LLVMVoidType::get(module.getContext());
  if (!onDevice) {
    LLVM::CallOp::create(builder, loc, declare("sparsedrop_enter", none, {}),
                         ValueRange());
    return;
  }
  LLVM::LLVMFuncOp callee =
      declare("sparsedrop_program_enter", i32, {pointer, pointer, pointer});
  LLVM::CallOp::create(builder, loc, callee,
                       ValueRange{place[0], place[1], getImage(loc)});
}

LLVM::CallOp EntryEmitter::leave(Location loc) {
  StringRef name = onDevice ? "sparsedrop_program_leave" : "sparsedrop_leave";
  return LLVM::CallOp::create(
      builder, loc, declare(name, builder.getI32Type(), {}), ValueRange());
}

void EntryEmitter::run(LLVM::LLVMFuncOp interface, LLVM::LLVMFuncOp function) {
  Location loc = function.getLoc();
  Type pointer = LLVM::LLVMPointerType::get(module.getContext());
  Type i32 = builder.getI32Type();
  Type none = LLVM::LLVMVoidType::get(module.getContext());
  builder.setInsertionPointAfter(interface);
  SmallVector<Type> parameters(onDevice ? 3 : 1, pointer);
  auto entry = LLVM::LLVMFuncOp::create(
      builder, loc, (kEntryPrefix + function.getName()).str(),
      LLVM::LLVMFunctionType::get(i32, parameters));
  Value array = entry.addEntryBlock(builder)->getArguments().back();
  builder.setInsertionPointToStart(&entry.front());
  auto load = [&](int32_t index, Type type) -> Value {
    Value slot = LLVM::GEPOp::create(builder, loc, pointer, pointer, array,
                                     ArrayRef<LLVM::GEPArg>{index});
    return LLVM::LoadOp::create(builder, loc, type, slot);
  };
  enter(loc, entry.front().getArguments());

  // The C interface takes descriptors by pointer, like the array, and scalars
  // by value; structs of results go through a first pointer.
  Type result = function.getFunctionType().getReturnType();
  bool returnsStruct = isa<LLVM::LLVMStructType>(result);
  bool returnsScalar = !returnsStruct && result != none;
  SmallVector<Value> operands;
  int32_t slot = returnsScalar ? 1 : 0;
  for (Type type : interface.getFunctionType().getParams()) {
    Value address = load(slot++, pointer);
    operands.push_back(isa<LLVM::LLVMPointerType>(type)
                           ? address
                           : LLVM::LoadOp::create(builder, loc, type, address));
  }
  auto call = LLVM::CallOp::create(builder, loc, interface, operands);
  if (returnsScalar)
    LLVM::StoreOp::create(builder, loc, call.getResult(), load(0, pointer));
  LLVM::ReturnOp::create(builder, loc, leave(loc).getResult());
}

namespace {
struct EmitEntryPoints
    : public sparsedrop::impl::EmitEntryPointsBase<EmitEntryPoints> {
  using EmitEntryPointsBase::EmitEntryPointsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(checkLowered(module)))
      return signalPassFailure();
    dropAttributes(module);
    renameAllocations(module, device);
    checkAllocations(module);
    SymbolTable symbols(module);
    SmallVector<LLVM::LLVMFuncOp> interfaces;
    for (auto function : module.getOps<LLVM::LLVMFuncOp>())
      if (function.getName().starts_with(kInterfacePrefix) &&
          !function.isExternal())
        interfaces.push_back(function);
    for (LLVM::LLVMFuncOp interface : interfaces)
      if (auto function = symbols.lookup<LLVM::LLVMFuncOp>(
              interface.getName().drop_front(kInterfacePrefix.size())))
        EntryEmitter(module, symbols, device).run(interface, function);
  }
};
} // namespace
