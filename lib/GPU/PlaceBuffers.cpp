//===- PlaceBuffers.cpp - What lies on the host and on the device ---------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "Buffers.h"
#include "KernelBuilder.h"
#include "RemarkOptions.h"

#include "sparsedrop/Conversion/SmallFloats.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/MapVector.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_PLACEBUFFERS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;
using namespace mlir::sparsedrop;
using linalg::LinalgOp;

static int64_t getBytes(Type element) {
  return element.isIndex()
             ? 8
             : std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8);
}

/// Whether an op is in the body of one that becomes a kernel.
static bool isInKernel(Operation *op) {
  return op->getParentOfType<LinalgOp>() || op->getParentOfType<ContractOp>();
}

namespace {
struct PlaceBuffers
    : public mlir::sparsedrop::impl::PlaceBuffersBase<PlaceBuffers> {
  void runOnOperation() override;

private:
  LogicalResult placeConstants();
  void placeHostBuffers();
  void moveList(memref::AllocOp list, ArrayRef<Operation *> pointers);
  bool isOnHost(Value buffer);
  void copyToHost(memref::ExtractAlignedPointerAsIndexOp pointer,
                  func::CallOp reader);
  Value download(OpBuilder &builder, Location loc, Value buffer);
  void lowerCopies();
  void mirrorReads();
  void lowerReads();
  void lowerWrites();
  void checkArguments();

  Value call(OpBuilder &builder, Location loc, StringRef name, Type result,
             ValueRange arguments);
  Value getAddress(OpBuilder &builder, Location loc, Value buffer);
  Value countBytes(OpBuilder &builder, Location loc, Value buffer);
  Value makeBuffer(OpBuilder &builder, Location loc, Value address,
                   MemRefType type, ValueRange sizes);
  Value allocateHost(OpBuilder &builder, Location loc, MemRefType type,
                     ValueRange sizes, Value bytes);

  llvm::SmallPtrSet<Value, 4> hostBuffers;
};
} // namespace

//===----------------------------------------------------------------------===//
// Addresses
//===----------------------------------------------------------------------===//

/// Calls a function of the runtime library; null if it returns nothing.
Value PlaceBuffers::call(OpBuilder &builder, Location loc, StringRef name,
                         Type result, ValueRange arguments) {
  SmallVector<Type> results;
  if (result)
    results.push_back(result);
  if (!getOperation().lookupSymbol(name)) {
    OpBuilder top = OpBuilder::atBlockBegin(getOperation().getBody());
    func::FuncOp::create(top, getOperation().getLoc(), name,
                         builder.getFunctionType(arguments.getTypes(), results))
        .setPrivate();
  }
  auto op = func::CallOp::create(builder, loc, name, results, arguments);
  return result ? op.getResult(0) : Value();
}

static Value toI64(OpBuilder &builder, Location loc, Value index) {
  return arith::IndexCastOp::create(builder, loc, builder.getI64Type(), index);
}

/// The address of the first element.
Value PlaceBuffers::getAddress(OpBuilder &builder, Location loc, Value buffer) {
  Type element = cast<MemRefType>(buffer.getType()).getElementType();
  Value base =
      memref::ExtractAlignedPointerAsIndexOp::create(builder, loc, buffer);
  Value offset = memref::ExtractStridedMetadataOp::create(builder, loc, buffer)
                     .getOffset();
  Value size = arith::ConstantIndexOp::create(builder, loc, getBytes(element));
  Value bytes = arith::MulIOp::create(builder, loc, offset, size);
  return toI64(builder, loc, arith::AddIOp::create(builder, loc, base, bytes));
}

/// Of a contiguous buffer.
Value PlaceBuffers::countBytes(OpBuilder &builder, Location loc, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  Value bytes = arith::ConstantIndexOp::create(builder, loc,
                                               getBytes(type.getElementType()));
  for (int64_t dim = 0; dim < type.getRank(); ++dim)
    bytes = arith::MulIOp::create(
        builder, loc, bytes, memref::DimOp::create(builder, loc, buffer, dim));
  return toI64(builder, loc, bytes);
}

/// A contiguous buffer at an address (i64).
Value PlaceBuffers::makeBuffer(OpBuilder &builder, Location loc, Value address,
                               MemRefType type, ValueRange sizes) {
  LLVMTypeConverter converter(&getContext());
  auto structType = cast<LLVM::LLVMStructType>(converter.convertType(type));
  auto pointer = LLVM::LLVMPointerType::get(&getContext());
  Value base = LLVM::IntToPtrOp::create(builder, loc, pointer, address);
  auto descriptor = MemRefDescriptor::poison(builder, loc, structType);
  descriptor.setAllocatedPtr(builder, loc, base);
  descriptor.setAlignedPtr(builder, loc, base);
  descriptor.setConstantOffset(builder, loc, 0);
  Value stride =
      LLVM::ConstantOp::create(builder, loc, builder.getI64Type(), 1);
  size_t next = sizes.size();
  for (int64_t dim = type.getRank(); dim-- > 0;) {
    Value size =
        type.isDynamicDim(dim)
            ? toI64(builder, loc, sizes[--next])
            : LLVM::ConstantOp::create(builder, loc, builder.getI64Type(),
                                       type.getDimSize(dim))
                  .getResult();
    descriptor.setSize(builder, loc, dim, size);
    descriptor.setStride(builder, loc, dim, stride);
    stride = LLVM::MulOp::create(builder, loc, stride, size);
  }
  return UnrealizedConversionCastOp::create(builder, loc, type,
                                            Value(descriptor))
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// The elements of a constant, which those that a program changes are not.
static DenseElementsAttr getElements(memref::GlobalOp global) {
  return dyn_cast_if_present<DenseElementsAttr>(global.getConstantInitValue());
}

/// Constants that kernels read are variables of the kernels' module.
LogicalResult PlaceBuffers::placeConstants() {
  SmallVector<memref::GetGlobalOp> uses;
  getOperation().walk([&](memref::GetGlobalOp op) {
    bool isRead = llvm::any_of(op->getUsers(), [](Operation *user) {
      return !isa<memref::ExtractAlignedPointerAsIndexOp>(user);
    });
    if (isRead)
      uses.push_back(op);
  });
  for (memref::GetGlobalOp op : uses)
    if (!getElements(
            getOperation().lookupSymbol<memref::GlobalOp>(op.getName())))
      return op->emitOpError()
             << "cannot run on a device: expected a constant with a value, but "
                "got '"
             << op.getName() << "'";
  SmallVector<Attribute> names;
  llvm::MapVector<StringRef, int64_t> numbers;
  OpBuilder builder(&getContext());
  for (memref::GetGlobalOp op : uses) {
    auto [it, isNew] =
        numbers.insert({op.getName(), static_cast<int64_t>(numbers.size())});
    if (isNew)
      names.push_back(builder.getStringAttr(op.getName()));
    builder.setInsertionPoint(op);
    Value number =
        arith::ConstantIntOp::create(builder, op.getLoc(), it->second, 64);
    Value address = call(builder, op.getLoc(), "sparsedrop_program_constant",
                         builder.getI64Type(), number);
    op.replaceAllUsesWith(
        makeBuffer(builder, op.getLoc(), address, op.getType(), ValueRange()));
    op.erase();
  }
  if (names.empty())
    return success();
  KernelModule kernels(getOperation());
  builder.setInsertionPointToStart(kernels.getKernels().getBody());
  for (auto &[name, number] : numbers) {
    auto global = getOperation().lookupSymbol<memref::GlobalOp>(name);
    auto type = cast<MemRefType>(global.getType());
    DenseElementsAttr value = getElements(global);
    Type element = type.getElementType();
    if (element.isIndex() || element.isInteger(1)) {
      element = builder.getIntegerType(element.isIndex() ? 64 : 8);
      value = cast<DenseIntElementsAttr>(value).mapValues(
          element, [&](const APInt &bits) {
            return bits.zextOrTrunc(element.getIntOrFloatBitWidth());
          });
    } else if (isSmallFloat(element)) {
      // LLVM knows them by their bits.
      element = builder.getIntegerType(8);
      value = value.bitcast(element);
    }
    auto flat =
        value.reshape(RankedTensorType::get({value.getNumElements()}, element));
    LLVM::GlobalOp::create(
        builder, global.getLoc(),
        LLVM::LLVMArrayType::get(element,
                                 static_cast<unsigned>(value.getNumElements())),
        /*isConstant=*/true, LLVM::Linkage::External, name, flat,
        /*alignment=*/16, kGlobalSpace);
  }
  kernels.getKernels()->setAttr(kConstantsAttrName,
                                builder.getArrayAttr(names));
  return success();
}

//===----------------------------------------------------------------------===//
// Buffers of the host
//===----------------------------------------------------------------------===//

Value PlaceBuffers::allocateHost(OpBuilder &builder, Location loc,
                                 MemRefType type, ValueRange sizes,
                                 Value bytes) {
  Value alignment = arith::ConstantIntOp::create(builder, loc, 64, 64);
  Value address = call(builder, loc, "sparsedrop_alloc", builder.getI64Type(),
                       {alignment, bytes});
  return makeBuffer(builder, loc, address, type, sizes);
}

/// The calls that get the pointer, or what is computed from it. Where buffers
/// are freed, pointers are merely compared.
static SmallVector<func::CallOp> findCalls(Operation *pointer) {
  llvm::SetVector<Operation *> work(pointer->getUsers().begin(),
                                    pointer->getUsers().end());
  SmallVector<func::CallOp> calls;
  for (size_t i = 0; i < work.size(); ++i) {
    Operation *op = work[i];
    if (auto call = dyn_cast<func::CallOp>(op))
      calls.push_back(call);
    else if (!isa<arith::CmpIOp>(op))
      work.insert(op->getUsers().begin(), op->getUsers().end());
  }
  return calls;
}

/// What is computed from a pointer, computed from `address` instead.
static Value recompute(OpBuilder &builder, Value value, Value pointer,
                       Value address) {
  if (value == pointer)
    return address;
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumRegions() != 0 || isa<func::CallOp>(op))
    return value;
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(recompute(builder, operand, pointer, address));
  if (llvm::equal(operands, op->getOperands()))
    return value;
  Operation *copy = builder.clone(*op);
  copy->setOperands(operands);
  return copy->getResult(cast<OpResult>(value).getResultNumber());
}

/// Lets a call have another buffer's address in place of a pointer.
static void passInstead(OpBuilder &builder, func::CallOp call, Value pointer,
                        Value buffer) {
  Value address = memref::ExtractAlignedPointerAsIndexOp::create(
      builder, call.getLoc(), buffer);
  for (OpOperand &operand : call->getOpOperands())
    operand.set(recompute(builder, operand.get(), pointer, address));
}

/// Whether another call follows before anything reads what one has filled.
static bool isOverwritten(Operation *filler, Value list,
                          const llvm::SetVector<Operation *> &fillers) {
  for (Operation *op = filler->getNextNode(); op; op = op->getNextNode()) {
    if (fillers.contains(op))
      return true;
    if (touches(op, list) && !isMemoryEffectFree(op))
      return false;
  }
  return false;
}

/// A list that a function of the host fills: there are two of it. The host
/// reads its own, the device's is filled when the function has returned.
void PlaceBuffers::moveList(memref::AllocOp list,
                            ArrayRef<Operation *> pointers) {
  OpBuilder builder(list->getContext());
  builder.setInsertionPointAfter(list);
  Location loc = list.getLoc();
  Value bytes = countBytes(builder, loc, list);
  Value host =
      allocateHost(builder, loc, list.getType(), list.getDynamicSizes(), bytes);
  llvm::SetVector<Operation *> fillers;
  for (Operation *pointer : pointers)
    for (func::CallOp filler : findCalls(pointer)) {
      builder.setInsertionPoint(filler);
      passInstead(builder, filler, pointer->getResult(0), host);
      fillers.insert(filler);
    }
  for (Operation *filler : fillers) {
    if (isOverwritten(filler, list, fillers))
      continue;
    builder.setInsertionPointAfter(filler);
    call(builder, loc, "sparsedrop_program_upload", Type(),
         {getAddress(builder, loc, list), getAddress(builder, loc, host),
          bytes});
  }
  getOperation().walk([&](Operation *op) {
    if (auto load = dyn_cast<memref::LoadOp>(op)) {
      if (!isInKernel(op) && load.getMemRef() == list)
        load->setOperand(0, host);
    } else if (auto dealloc = dyn_cast<memref::DeallocOp>(op)) {
      if (getRoot(dealloc.getMemref()) != list)
        return;
      builder.setInsertionPoint(op);
      call(builder, loc, "sparsedrop_free", Type(),
           getAddress(builder, loc, host));
    }
  });
  hostBuffers.insert(host);
}

/// A buffer of the device, an argument or computed, that functions of the host
/// read: each as it is by then, though one address serves all.
void PlaceBuffers::copyToHost(memref::ExtractAlignedPointerAsIndexOp pointer,
                              func::CallOp reader) {
  OpBuilder builder(reader);
  Location loc = reader.getLoc();
  Value host = download(builder, loc, pointer.getSource());
  passInstead(builder, reader, pointer, host);
  builder.setInsertionPointAfter(reader);
  call(builder, loc, "sparsedrop_free", Type(), getAddress(builder, loc, host));
}

/// A copy of `buffer` on the host, which waits for it.
Value PlaceBuffers::download(OpBuilder &builder, Location loc, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  SmallVector<Value> sizes;
  for (int64_t dim = 0; dim < type.getRank(); ++dim)
    if (type.isDynamicDim(dim))
      sizes.push_back(memref::DimOp::create(builder, loc, buffer, dim));
  Value bytes = countBytes(builder, loc, buffer);
  Value host = allocateHost(
      builder, loc, MemRefType::get(type.getShape(), type.getElementType()),
      sizes, bytes);
  call(builder, loc, "sparsedrop_program_download", Type(),
       {getAddress(builder, loc, host), getAddress(builder, loc, buffer),
        bytes});
  return host;
}

/// Whether the program itself computes the elements of an allocation.
static bool isComputed(ModuleOp module, Value root) {
  WalkResult result = module.walk([&](Operation *op) {
    bool isWriter = isa<linalg::LinalgOp, ContractOp, memref::CopyOp>(op) &&
                    touches(op, root) && writes(op, root);
    auto store = dyn_cast<memref::StoreOp>(op);
    isWriter |= store && getRoot(store.getMemRef()) == root;
    return isWriter ? WalkResult::interrupt() : WalkResult::advance();
  });
  return result.wasInterrupted();
}

void PlaceBuffers::placeHostBuffers() {
  llvm::MapVector<Operation *, SmallVector<Operation *>> lists;
  SmallVector<memref::ExtractAlignedPointerAsIndexOp> others;
  getOperation().walk([&](memref::ExtractAlignedPointerAsIndexOp op) {
    if (findCalls(op).empty())
      return;
    Operation *root = getRoot(op.getSource()).getDefiningOp();
    if (isa_and_present<memref::GetGlobalOp, memref::AllocaOp>(root))
      return;
    if (isa_and_present<memref::AllocOp>(root) &&
        !isComputed(getOperation(), root->getResult(0)))
      lists[root].push_back(op);
    else
      others.push_back(op);
  });
  for (auto &[list, pointers] : lists)
    moveList(cast<memref::AllocOp>(list), pointers);
  for (auto pointer : others)
    for (func::CallOp reader : findCalls(pointer))
      copyToHost(pointer, reader);
}

/// Whether the host may read and write the elements of a buffer itself.
bool PlaceBuffers::isOnHost(Value buffer) {
  Value root = getRoot(buffer);
  return hostBuffers.contains(buffer) || root.getDefiningOp<memref::AllocaOp>();
}

//===----------------------------------------------------------------------===//
// Single elements and copies
//===----------------------------------------------------------------------===//

void PlaceBuffers::lowerCopies() {
  IRRewriter rewriter(&getContext());
  SmallVector<memref::CopyOp> copies;
  getOperation().walk([&](memref::CopyOp op) {
    if (isa<MemRefType>(op.getSource().getType()) &&
        isa<MemRefType>(op.getTarget().getType()))
      copies.push_back(op);
  });
  for (memref::CopyOp op : copies) {
    rewriter.setInsertionPoint(op);
    if (op.getSource() == op.getTarget())
      rewriter.eraseOp(op);
    else
      rewriter.replaceOpWithNewOp<linalg::CopyOp>(op, op.getSource(),
                                                  op.getTarget());
  }
}

/// One element as a buffer of rank 0.
static Value getElement(OpBuilder &builder, Location loc, Value buffer,
                        ValueRange indices) {
  auto type = cast<MemRefType>(buffer.getType());
  if (type.getRank() == 0)
    return buffer;
  SmallVector<OpFoldResult> offsets = getAsOpFoldResult(indices);
  SmallVector<OpFoldResult> ones(type.getRank(), builder.getIndexAttr(1));
  auto scalar = cast<MemRefType>(memref::SubViewOp::inferRankReducedResultType(
      {}, type, offsets, ones, ones));
  return memref::SubViewOp::create(builder, loc, scalar, buffer, offsets, ones,
                                   ones);
}

static void noteHostRead(memref::LoadOp op, StringRef text) {
  remark::missed(op.getLoc(),
                 getRemarkOptions(op, "HostRead", "sparsedrop-place-buffers"))
      << remark::add("{0}", text);
}

/// Whether a function that `loop` calls knows the address of `root`.
static bool passesAddress(Operation *loop, Value root) {
  WalkResult result = loop->getParentOfType<func::FuncOp>()->walk(
      [&](memref::ExtractAlignedPointerAsIndexOp pointer) {
        bool isPassed =
            getRoot(pointer.getSource()) == root &&
            llvm::any_of(findCalls(pointer), [&](func::CallOp reader) {
              return loop->isAncestor(reader);
            });
        return isPassed ? WalkResult::interrupt() : WalkResult::advance();
      });
  return result.wasInterrupted();
}

/// Whether `loop` may change the memory of `root`.
static bool mayWrite(Operation *loop, Value root) {
  if (passesAddress(loop, root))
    return true;
  WalkResult result = loop->walk([&](Operation *op) {
    bool isKernel = isa<LinalgOp, ContractOp>(op);
    if (!touches(op, root) || isMemoryEffectFree(op) ||
        isa<memref::LoadOp>(op) || (op->getNumRegions() != 0 && !isKernel) ||
        (isKernel && !writes(op, root)))
      return WalkResult::advance();
    return WalkResult::interrupt();
  });
  return result.wasInterrupted();
}

/// The outermost loop around a read of the host in which the array stays what
/// it is; null if there is none.
static Operation *findQuietLoop(memref::LoadOp load) {
  Value root = getRoot(load.getMemRef());
  Operation *found = nullptr;
  if (!isOwnBuffer(root))
    return found;
  for (auto loop = load->getParentOfType<LoopLikeOpInterface>();
       loop && loop.isDefinedOutsideOfLoop(load.getMemRef()) &&
       !mayWrite(loop, root);
       loop = loop->getParentOfType<LoopLikeOpInterface>())
    found = loop;
  return found;
}

/// Whether to fetch all of an array costs about as much as to fetch an element:
/// what a bus moves while a host waits for a device (some 10 us, 20 GB/s).
static bool isQuicklyFetched(MemRefType type) {
  constexpr int64_t kMostBytes = 1 << 18;
  return type.hasStaticShape() && type.getLayout().isIdentity() &&
         type.getNumElements() * getBytes(type.getElementType()) <= kMostBytes;
}

/// The host waits once, before a loop, for what it reads in each iteration.
void PlaceBuffers::mirrorReads() {
  llvm::MapVector<std::pair<Operation *, Value>, SmallVector<memref::LoadOp>>
      reads;
  getOperation().walk([&](memref::LoadOp op) {
    if (isInKernel(op) || isOnHost(op.getMemRef()) ||
        !isQuicklyFetched(op.getMemRefType()))
      return;
    if (Operation *loop = findQuietLoop(op))
      reads[{loop, op.getMemRef()}].push_back(op);
  });
  for (auto &[place, loads] : reads) {
    auto [loop, buffer] = place;
    noteHostRead(loads.front(), "the host waits for the device to read an "
                                "array before a loop");
    OpBuilder builder(loop);
    Value host = download(builder, loop->getLoc(), buffer);
    hostBuffers.insert(host);
    for (memref::LoadOp load : loads)
      load->setOperand(0, host);
    builder.setInsertionPointAfter(loop);
    call(builder, loop->getLoc(), "sparsedrop_free", Type(),
         getAddress(builder, loop->getLoc(), host));
  }
}

/// The host waits for elements that it reads.
void PlaceBuffers::lowerReads() {
  SmallVector<memref::LoadOp> loads;
  getOperation().walk([&](memref::LoadOp op) {
    if (!isInKernel(op) && !isOnHost(op.getMemRef()))
      loads.push_back(op);
  });
  for (memref::LoadOp op : loads) {
    noteHostRead(op, "the host waits for the device to read an element");
    OpBuilder builder(op);
    Location loc = op.getLoc();
    Type type = op.getType();
    Value element = getElement(builder, loc, op.getMemRef(), op.getIndices());
    Value bytes =
        arith::ConstantIntOp::create(builder, loc, getBytes(type), 64);
    Value word =
        call(builder, loc, "sparsedrop_program_read", builder.getI64Type(),
             {getAddress(builder, loc, element), bytes});
    if (type.isIndex()) {
      word = arith::IndexCastOp::create(builder, loc, type, word);
    } else {
      unsigned bits = type.getIntOrFloatBitWidth();
      if (bits != 64)
        word = arith::TruncIOp::create(builder, loc,
                                       builder.getIntegerType(bits), word);
      if (isa<FloatType>(type))
        word = arith::BitcastOp::create(builder, loc, type, word);
    }
    op.replaceAllUsesWith(word);
    op.erase();
  }
}

void PlaceBuffers::lowerWrites() {
  SmallVector<memref::StoreOp> stores;
  getOperation().walk([&](memref::StoreOp op) {
    if (!isInKernel(op) && !isOnHost(op.getMemRef()))
      stores.push_back(op);
  });
  for (memref::StoreOp op : stores) {
    OpBuilder builder(op);
    Value element =
        getElement(builder, op.getLoc(), op.getMemRef(), op.getIndices());
    linalg::FillOp::create(builder, op.getLoc(), op.getValue(), element);
    op.erase();
  }
}

/// Entry points check their arrays before anything else.
void PlaceBuffers::checkArguments() {
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    if (function.isExternal() || !function.isPublic())
      continue;
    OpBuilder builder = OpBuilder::atBlockBegin(&function.front());
    Location loc = function.getLoc();
    for (BlockArgument argument : function.getArguments()) {
      if (!isa<MemRefType>(argument.getType()))
        continue;
      Value number = arith::ConstantIntOp::create(builder, loc,
                                                  argument.getArgNumber(), 64);
      call(builder, loc, "sparsedrop_program_check_argument", Type(),
           {number, getAddress(builder, loc, argument),
            countBytes(builder, loc, argument)});
    }
  }
}

/// Whether kernels can load and store elements of a type.
static bool isStorable(Type element) {
  if (element.isIndex() || isa<FloatType>(element))
    return true;
  return element.isSignlessInteger() &&
         llvm::is_contained({1, 8, 16, 32, 64},
                            element.getIntOrFloatBitWidth());
}

/// Names the first array whose elements no kernel can load.
static LogicalResult checkElements(ModuleOp module) {
  WalkResult result = module.walk([](Operation *op) {
    for (Type type :
         llvm::concat<Type>(llvm::to_vector(op->getOperandTypes()),
                            llvm::to_vector(op->getResultTypes()))) {
      auto buffer = dyn_cast<MemRefType>(type);
      if (!buffer || isStorable(buffer.getElementType()))
        continue;
      op->emitOpError() << "cannot run on a device: expected an array of "
                           "floats, index or integers without sign of 1, 8, "
                           "16, 32 or 64 bits, but got elements of type "
                        << buffer.getElementType();
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

void PlaceBuffers::runOnOperation() {
  if (failed(checkElements(getOperation())) || failed(placeConstants()))
    return signalPassFailure();
  placeHostBuffers();
  lowerCopies();
  mirrorReads();
  lowerReads();
  lowerWrites();
  checkArguments();
}
