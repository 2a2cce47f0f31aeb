//===- KernelBuilder.cpp - A kernel and its launch ------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelBuilder.h"

#include "Product.h"

#include "sparsedrop-c/Device.h"
#include "sparsedrop/Conversion/SmallFloats.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::sparsedrop;

//===----------------------------------------------------------------------===//
// All kernels
//===----------------------------------------------------------------------===//

KernelModule::KernelModule(ModuleOp module, bool overlaps)
    : module(module), overlaps(overlaps) {
  kernels = module.lookupSymbol<gpu::GPUModuleOp>(kKernelModuleName);
  OpBuilder builder(module.getContext());
  if (!kernels) {
    builder.setInsertionPointToEnd(module.getBody());
    module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(),
                    builder.getUnitAttr());
    kernels =
        gpu::GPUModuleOp::create(builder, module.getLoc(), kKernelModuleName);
  }
  if (overlaps)
    kernels->setAttr(kOverlapsAttrName, builder.getUnitAttr());
}

void KernelModule::fail(Operation *op, int64_t count) {
  if (!failed)
    op->emitOpError() << "cannot become a kernel: it has " << count
                      << " iterations in a row, expected fewer than "
                      << kMostIterations;
  failed = true;
}

std::string KernelModule::makeName(StringRef name) {
  unsigned number = names[name]++;
  return number == 0 ? name.str() : (name + "_" + llvm::Twine(number)).str();
}

/// What a kernel does, without its name and where it comes from.
static std::string getText(LLVM::LLVMFuncOp kernel) {
  std::string name = kernel.getName().str(), text;
  kernel.setName("kernel");
  llvm::raw_string_ostream stream(text);
  kernel->print(stream, OpPrintingFlags().useLocalScope());
  kernel.setName(name);
  return text;
}

int64_t KernelModule::insert(LLVM::LLVMFuncOp kernel) {
  auto [it, isNew] = numbers.insert({getText(kernel), count});
  if (isNew)
    ++count;
  else
    kernel.erase();
  return it->second;
}

LLVM::GlobalOp KernelModule::getShared() {
  if (auto known = kernels.lookupSymbol<LLVM::GlobalOp>("smem"))
    return known;
  OpBuilder builder = OpBuilder::atBlockBegin(kernels.getBody());
  // 1024 is what swizzles of 128 bytes ask for.
  return LLVM::GlobalOp::create(
      builder, kernels.getLoc(),
      LLVM::LLVMArrayType::get(builder.getI8Type(), 0), /*isConstant=*/false,
      LLVM::Linkage::External, "smem", Attribute(), /*alignment=*/1024,
      kSharedSpace);
}

void KernelModule::declare(StringRef name, FunctionType type) {
  if (module.lookupSymbol(name))
    return;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  func::FuncOp::create(builder, module.getLoc(), name, type).setPrivate();
}

//===----------------------------------------------------------------------===//
// One kernel
//===----------------------------------------------------------------------===//

KernelBuilder::KernelBuilder(KernelModule &kernels, RewriterBase &host,
                             Operation *op, StringRef name, int64_t threads)
    : b(op->getLoc(), op->getContext()), host(host), kernels(kernels), op(op),
      loop(getGroupedLoop(op)), threads(threads) {
  host.setInsertionPoint(op);
  b.setInsertionPointToEnd(kernels.getKernels().getBody());
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), {});
  function = LLVM::LLVMFuncOp::create(b, kernels.makeName(name), type);
  b.setInsertionPointToStart(function.addEntryBlock(b));
}

Value KernelBuilder::addParameter(Value word, Type type) {
  if (Value known = parameters.lookup(word))
    return known;
  BlockArgument argument =
      function.getBody().front().addArgument(type, b.getLoc());
  words.push_back(word);
  return parameters[word] = argument;
}

Value KernelBuilder::getScalar(Value value) {
  Attribute constant;
  if (matchPattern(value, m_Constant(&constant)))
    return arith::ConstantOp::create(b, cast<TypedAttr>(constant));
  Type type = value.getType(), i64 = b.getI64Type();
  if (Value known = parameters.lookup(value)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&function.getBody().front());
    return known.getType() == type
               ? known
               : arith::IndexCastOp::create(b, type, known).getResult();
  }
  // The word that holds the scalar, and back.
  Location loc = op->getLoc();
  Value word = value;
  Type bits = type;
  if (isa<FloatType>(type)) {
    bits = b.getIntegerType(type.getIntOrFloatBitWidth());
    word = arith::BitcastOp::create(host, loc, bits, word);
  }
  if (type.isIndex())
    word = arith::IndexCastOp::create(host, loc, i64, word);
  else if (bits != i64)
    word = arith::ExtUIOp::create(host, loc, i64, word);
  BlockArgument argument =
      function.getBody().front().addArgument(i64, b.getLoc());
  words.push_back(word);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getBody().front());
  Value inside = argument;
  if (type.isIndex())
    inside = arith::IndexCastOp::create(b, type, inside);
  else if (bits != i64)
    inside = arith::TruncIOp::create(b, bits, inside);
  if (isa<FloatType>(type))
    inside = arith::BitcastOp::create(b, type, inside);
  return parameters[value] = inside;
}

Value KernelBuilder::getInt(HostIndex index, unsigned bits) {
  if (std::optional<int64_t> known = getConstantIntValue(index)) {
    if (bits == 32 && *known >= kMostIterations) {
      kernels.fail(op, *known);
      return constant(1, bits);
    }
    return constant(*known, bits);
  }
  Value value = cast<Value>(index);
  if (bits == 32)
    narrow.insert(value);
  Value word = parameters.lookup(value);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getBody().front());
  if (!word) {
    word = function.getBody().front().addArgument(b.getI64Type(), b.getLoc());
    words.push_back(
        arith::IndexCastOp::create(host, op->getLoc(), b.getI64Type(), value));
    parameters[value] = word;
  }
  if (word.getType().isIndex())
    word = arith::IndexCastOp::create(b, b.getI64Type(), word);
  return bits == 64 ? word
                    : arith::TruncIOp::create(b, b.getIntegerType(bits), word)
                          .getResult();
}

Value KernelBuilder::getAddress(Value buffer) {
  Location loc = op->getLoc();
  auto type = cast<MemRefType>(buffer.getType());
  unsigned bits = type.getElementType().isIndex()
                      ? 64
                      : type.getElementType().getIntOrFloatBitWidth();
  auto metadata = memref::ExtractStridedMetadataOp::create(host, loc, buffer);
  Value address =
      memref::ExtractAlignedPointerAsIndexOp::create(host, loc, buffer);
  HostIndex bytes = hostMul(metadata.getConstifiedMixedOffset(),
                            hostConstant(std::max(1u, bits / 8)));
  return hostWord(hostAdd(address, bytes));
}

Value KernelBuilder::getPointer(Value buffer) {
  if (Value known = parameters.lookup(buffer))
    return known;
  Value pointer =
      addParameter(getAddress(buffer),
                   LLVM::LLVMPointerType::get(b.getContext(), kGlobalSpace));
  return parameters[buffer] = pointer;
}

/// A value of enum sparsedrop_tensor_map_type.
static int64_t getMapType(Type element, bool roundsToTf32) {
  if (element.isF16())
    return SPARSEDROP_MAP_F16;
  if (element.isBF16())
    return SPARSEDROP_MAP_BF16;
  if (element.getIntOrFloatBitWidth() == 8)
    return SPARSEDROP_MAP_U8;
  assert(element.isF32() && "expected f16, bf16, f32 or 8 bits");
  return roundsToTf32 ? SPARSEDROP_MAP_TF32 : SPARSEDROP_MAP_F32;
}

Value KernelBuilder::getMap(Value buffer, ArrayRef<MapDim> dims,
                            int64_t swizzle, bool roundsToTf32) {
  Type element = cast<MemRefType>(buffer.getType()).getElementType();
  HostIndex bytes = hostConstant(element.getIntOrFloatBitWidth() / 8);
  Map map{getAddress(buffer), getMapType(element, roundsToTf32), swizzle, {}};
  for (const MapDim &dim : dims) {
    map.shape.push_back(hostWord(dim.extent));
    map.shape.push_back(hostWord(hostMul(dim.stride, bytes)));
    // The driver counts the elements that are passed over, too.
    map.shape.push_back(hostWord(dim.box * dim.step));
    map.shape.push_back(hostWord(dim.step));
  }
  maps.push_back(map);
  return function.getBody().front().insertArgument(
      static_cast<unsigned>(maps.size() - 1),
      LLVM::LLVMPointerType::get(b.getContext()), b.getLoc());
}

void KernelBuilder::setAttr(StringRef name, Attribute value) {
  function->setAttr(name, value);
}

//===----------------------------------------------------------------------===//
// Host arithmetic
//===----------------------------------------------------------------------===//

Value KernelBuilder::hostValue(HostIndex index) {
  return getValueOrCreateConstantIndexOp(host, op->getLoc(), index);
}

/// Folds to an attribute where both sides are constant.
template <typename OpTy>
static HostIndex fold(KernelBuilder &k, Location loc, HostIndex lhs,
                      HostIndex rhs) {
  Value result =
      k.host.createOrFold<OpTy>(loc, k.hostValue(lhs), k.hostValue(rhs));
  return getAsOpFoldResult(result);
}

HostIndex KernelBuilder::hostMul(HostIndex lhs, HostIndex rhs) {
  return fold<arith::MulIOp>(*this, op->getLoc(), lhs, rhs);
}
HostIndex KernelBuilder::hostAdd(HostIndex lhs, HostIndex rhs) {
  return fold<arith::AddIOp>(*this, op->getLoc(), lhs, rhs);
}
HostIndex KernelBuilder::hostMin(HostIndex lhs, HostIndex rhs) {
  return fold<arith::MinSIOp>(*this, op->getLoc(), lhs, rhs);
}
HostIndex KernelBuilder::hostMax(HostIndex lhs, HostIndex rhs) {
  return fold<arith::MaxSIOp>(*this, op->getLoc(), lhs, rhs);
}
HostIndex KernelBuilder::hostDiv(HostIndex lhs, HostIndex rhs) {
  return fold<arith::DivUIOp>(*this, op->getLoc(), lhs, rhs);
}
HostIndex KernelBuilder::hostCeilDiv(HostIndex lhs, int64_t rhs) {
  return rhs == 1 ? lhs : hostCeilDiv(lhs, hostConstant(rhs));
}
HostIndex KernelBuilder::hostCeilDiv(HostIndex lhs, HostIndex rhs) {
  Value one = hostValue(hostConstant(1));
  HostIndex less = fold<arith::SubIOp>(*this, op->getLoc(), rhs, one);
  return fold<arith::DivUIOp>(*this, op->getLoc(), hostAdd(lhs, less), rhs);
}

//===----------------------------------------------------------------------===//
// Device arithmetic
//===----------------------------------------------------------------------===//

Value KernelBuilder::constant(int64_t value, unsigned bits) {
  return arith::ConstantIntOp::create(b, value, bits);
}
Value KernelBuilder::add(Value lhs, Value rhs) {
  return b.createOrFold<arith::AddIOp>(lhs, rhs);
}
Value KernelBuilder::sub(Value lhs, Value rhs) {
  return b.createOrFold<arith::SubIOp>(lhs, rhs);
}
Value KernelBuilder::mul(Value lhs, Value rhs) {
  return b.createOrFold<arith::MulIOp>(lhs, rhs);
}
Value KernelBuilder::divU(Value lhs, Value rhs) {
  return b.createOrFold<arith::DivUIOp>(lhs, rhs);
}
Value KernelBuilder::remU(Value lhs, Value rhs) {
  return b.createOrFold<arith::RemUIOp>(lhs, rhs);
}
Value KernelBuilder::andI(Value lhs, Value rhs) {
  return b.createOrFold<arith::AndIOp>(lhs, rhs);
}
Value KernelBuilder::xorI(Value lhs, Value rhs) {
  return b.createOrFold<arith::XOrIOp>(lhs, rhs);
}
Value KernelBuilder::less(Value lhs, Value rhs) {
  return b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::slt, lhs, rhs);
}
Value KernelBuilder::minS(Value lhs, Value rhs) {
  return b.createOrFold<arith::MinSIOp>(lhs, rhs);
}
Value KernelBuilder::select(Value condition, Value lhs, Value rhs) {
  return b.createOrFold<arith::SelectOp>(condition, lhs, rhs);
}
Value KernelBuilder::extend(Value value, unsigned bits) {
  Type type = b.getIntegerType(bits);
  if (value.getType() == type)
    return value;
  if (value.getType().isIndex())
    return b.createOrFold<arith::IndexCastOp>(type, value);
  return value.getType().getIntOrFloatBitWidth() < bits
             ? b.createOrFold<arith::ExtSIOp>(type, value)
             : b.createOrFold<arith::TruncIOp>(type, value);
}
Value KernelBuilder::toIndex(Value value) {
  return value.getType().isIndex()
             ? value
             : b.createOrFold<arith::IndexCastOp>(b.getIndexType(), value);
}

Value KernelBuilder::threadId() {
  return NVVM::ThreadIdXOp::create(b, b.getI32Type());
}

Value KernelBuilder::blockId(unsigned dim) {
  if (dim == 0)
    return NVVM::BlockIdXOp::create(b, b.getI32Type());
  if (dim == 1)
    return NVVM::BlockIdYOp::create(b, b.getI32Type());
  return NVVM::BlockIdZOp::create(b, b.getI32Type());
}

Value KernelBuilder::gridSize(unsigned dim) {
  if (dim == 0)
    return NVVM::GridDimXOp::create(b, b.getI32Type());
  return NVVM::GridDimYOp::create(b, b.getI32Type());
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// What lies in memory for an element: booleans take a byte. LLVM knows floats
/// of 8 bits by their bits.

static Type getStored(Type element) {
  if (element.isIndex())
    return IntegerType::get(element.getContext(), 64);
  if (element.isInteger(1) || isSmallFloat(element))
    return IntegerType::get(element.getContext(), 8);
  return element;
}

Value KernelBuilder::offset(Value pointer, Value elements, Type element) {
  return LLVM::GEPOp::create(b, pointer.getType(), getStored(element), pointer,
                             ValueRange(extend(elements)));
}

/// Between a float of 8 bits and what lies in memory.
static Value castStored(ImplicitLocOpBuilder &b, Value value, Type type) {
  return value.getType() == type
             ? value
             : arith::BitcastOp::create(b, type, value).getResult();
}

/// What an access of some bytes may count on.

static unsigned getAlignment(int64_t bytes) {
  return static_cast<unsigned>(std::min<int64_t>(bytes, 16));
}

Value KernelBuilder::load(Value pointer, Type element, int64_t count) {
  Type stored = getStored(element);
  int64_t bytes = stored.getIntOrFloatBitWidth() / 8 * count;
  Type type = count == 1 ? stored : VectorType::get({count}, stored);
  Value value = LLVM::LoadOp::create(b, type, pointer, getAlignment(bytes));
  if (element.isIndex())
    return arith::IndexCastOp::create(b, element, value);
  if (element.isInteger(1))
    return arith::TruncIOp::create(b, element, value);
  return count == 1 ? castStored(b, value, element) : value;
}

void KernelBuilder::store(Value value, Value pointer, Type element) {
  Type stored = getStored(element);
  int64_t bytes = stored.getIntOrFloatBitWidth() / 8;
  if (element.isIndex())
    value = arith::IndexCastOp::create(b, stored, value);
  else if (element.isInteger(1))
    value = arith::ExtUIOp::create(b, stored, value);
  if (auto vector = dyn_cast<VectorType>(value.getType()))
    bytes *= vector.getNumElements();
  else
    value = castStored(b, value, stored);

  LLVM::StoreOp::create(b, value, pointer, getAlignment(bytes));
}

Value KernelBuilder::join(ValueRange values) {
  Type stored = getStored(values[0].getType());
  auto type = VectorType::get({static_cast<int64_t>(values.size())}, stored);
  Value vector = LLVM::PoisonOp::create(b, type);
  for (auto [i, value] : llvm::enumerate(values))
    vector =
        LLVM::InsertElementOp::create(b, vector, castStored(b, value, stored),
                                      constant(static_cast<int64_t>(i)));
  return vector;
}

Value KernelBuilder::split(Value vector, int64_t i, Type element) {
  if (!isa<VectorType>(vector.getType()))
    return vector;
  Value part = LLVM::ExtractElementOp::create(b, vector, constant(i));
  return castStored(b, part, element);
}

Value KernelBuilder::sharedMemory(int64_t bytes) {
  LLVM::GlobalOp global = kernels.getShared();
  Value base = LLVM::AddressOfOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext(), kSharedSpace),
      global.getSymName());
  return bytes == 0 ? base : offset(base, constant(bytes, 64), b.getI8Type());
}

void KernelBuilder::keepRolled(Operation *loop) {
  MLIRContext *context = b.getContext();
  auto unroll = LLVM::LoopUnrollAttr::get(context, b.getBoolAttr(true), {}, {},
                                          {}, {}, {}, {});
  loop->setAttr("llvm.loop_annotation",
                LLVM::LoopAnnotationAttr::get(context, {}, {}, {}, unroll, {},
                                              {}, {}, {}, {}, {}, {}, {}, {},
                                              {}, {}));
}

void KernelBuilder::barrier() { NVVM::Barrier0Op::create(b); }
