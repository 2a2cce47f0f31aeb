//===- KernelLaunch.cpp - What the host does for a kernel -----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Words that the host computes become parameters. Where the op is in a grouped
// loop, each iteration writes a record instead, and the last one launches all:
//
//   parameter   [ record of group 0 | record of group 1 | ...
//   record      [ tensor maps | words | number of blocks ]
//
// A record is a multiple of 64 bytes, and all are at most 4096.
//
// The third number of a block tells its group. A group with fewer blocks than
// another one ends those it does not need.
//
//===----------------------------------------------------------------------===//

#include "KernelBuilder.h"

#include "sparsedrop-c/Device.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::sparsedrop;

static constexpr StringLiteral kLaunch = "sparsedrop_program_launch";
static constexpr StringLiteral kLaunchGroups =
    "sparsedrop_program_launch_groups";
static constexpr StringLiteral kCheckExtent = "sparsedrop_program_check_extent";
static constexpr StringLiteral kMap = "sparsedrop_program_map";
static constexpr StringLiteral kProcessors = "sparsedrop_program_processors";
/// Words of a tensor map, and the number that it begins at a multiple of.
static constexpr int64_t kMapWords = SPARSEDROP_MAP_BYTES / 8, kMapAlign = 8;
/// Words of all parameters (PTX ISA, "Kernel function parameters": more take
/// ISA 8.1).
static constexpr int64_t kMostWords = 4096 / 8;

//===----------------------------------------------------------------------===//
// The launch
//===----------------------------------------------------------------------===//

Value KernelBuilder::hostWord(int64_t value) {
  return arith::ConstantIntOp::create(host, op->getLoc(), value, 64);
}
Value KernelBuilder::hostWord(HostIndex index) {
  return host.createOrFold<arith::IndexCastOp>(op->getLoc(), host.getI64Type(),
                                               hostValue(index));
}

HostIndex KernelBuilder::hostProcessors() {
  kernels.declare(kProcessors, host.getFunctionType({}, {host.getI64Type()}));
  auto call = func::CallOp::create(host, op->getLoc(), kProcessors,
                                   host.getI64Type(), ValueRange());
  return arith::IndexCastOp::create(host, op->getLoc(), host.getIndexType(),
                                    call.getResult(0))
      .getResult();
}

/// On the stack of the function: loops around the op do not make it grow.
Value KernelBuilder::makeArray(int64_t words) {
  OpBuilder::InsertionGuard guard(host);
  host.setInsertionPointToStart(
      &op->getParentOfType<FunctionOpInterface>().front());
  return memref::AllocaOp::create(
      host, op->getLoc(),
      MemRefType::get({std::max<int64_t>(words, 1)}, host.getI64Type()));
}

void KernelBuilder::callHost(StringRef name, ValueRange arguments) {
  kernels.declare(name, host.getFunctionType(arguments.getTypes(), {}));
  func::CallOp::create(host, op->getLoc(), name, TypeRange(), arguments);
}

/// Writes a map to `address` (i64).
void KernelBuilder::encode(const Map &map, Value address) {
  Location loc = op->getLoc();
  Value shape = makeArray(static_cast<int64_t>(map.shape.size()));
  for (auto [i, value] : llvm::enumerate(map.shape))
    memref::StoreOp::create(host, loc, value, shape,
                            hostValue(hostConstant(static_cast<int64_t>(i))));
  Value words =
      memref::ExtractAlignedPointerAsIndexOp::create(host, loc, shape);
  callHost(kMap,
           {address, map.address, hostWord(map.type), hostWord(map.swizzle),
            hostWord(static_cast<int64_t>(map.shape.size() / 4)),
            hostWord(HostIndex(words))});
}

void KernelBuilder::waitForKernels() {
  hasWaited = true;
  if (!kernels.getOverlaps())
    return;
  NVVM::GriddepcontrolOp::create(b, NVVM::GridDepActionKind::wait);
  NVVM::GriddepcontrolOp::create(b, NVVM::GridDepActionKind::launch_dependents);
}

/// CUtensorMap's.
static void setMapAttrs(LLVM::LLVMFuncOp function, unsigned number,
                        int64_t words) {
  OpBuilder b(function.getContext());
  function.setArgAttr(
      number, LLVM::LLVMDialect::getByValAttrName(),
      TypeAttr::get(LLVM::LLVMArrayType::get(b.getI64Type(), words)));
  function.setArgAttr(number, LLVM::LLVMDialect::getAlignAttrName(),
                      b.getI64IntegerAttr(kMapAlign * 8));
  function.setArgAttr(number, NVVM::NVVMDialect::getGridConstantAttrName(),
                      b.getUnitAttr());
}

void KernelBuilder::finish(HostIndex gridX, HostIndex gridY, HostIndex gridZ,
                           int64_t sharedBytes) {
  LLVM::ReturnOp::create(b, ValueRange());
  if (!hasWaited) {
    b.setInsertionPointToStart(&function.getBody().front());
    waitForKernels();
  }
  if (loop)
    readRecord();
  SmallVector<Type> types(function.getBody().front().getArgumentTypes());
  function.setType(LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()), types));
  function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(),
                    b.getUnitAttr());
  function->setAttr("nvvm.reqntid", b.getDenseI32ArrayAttr(
                                        {static_cast<int32_t>(threads), 1, 1}));
  // One block of so many threads is as much as a multiprocessor needs: ptxas
  // would otherwise leave registers for two, and spill.
  // Records take registers that parameters do not.
  if (threads >= 1024 || loop)
    function->setAttr("nvvm.minctasm", b.getI32IntegerAttr(1));
  if (loop)
    setMapAttrs(function, 0, getMostGroups() * getRecordWords());
  for (size_t i = 0; i < maps.size() && !loop; ++i)
    setMapAttrs(function, static_cast<unsigned>(i), kMapWords);
  int64_t number = kernels.insert(function);
  for (Value extent : narrow)
    callHost(kCheckExtent, hostWord(HostIndex(extent)));
  if (loop)
    launchGroups(number, gridX, sharedBytes);
  else
    launch(number, gridX, gridY, gridZ, sharedBytes);
}

/// Words of all maps and all others.
int64_t KernelBuilder::getParameterWords() const {
  return static_cast<int64_t>(maps.size() * kMapWords + words.size());
}

/// Writes all parameters to an array from word `first` on; its address (i64).
Value KernelBuilder::writeParameters(Value array, Value first) {
  Location loc = op->getLoc();
  auto mapWords = static_cast<int64_t>(maps.size()) * kMapWords;
  auto getPlace = [&](int64_t word) {
    return hostValue(hostAdd(first, hostConstant(word)));
  };
  for (auto [i, value] : llvm::enumerate(words))
    memref::StoreOp::create(host, loc, value, array,
                            getPlace(mapWords + static_cast<int64_t>(i)));
  Value address =
      memref::ExtractAlignedPointerAsIndexOp::create(host, loc, array);
  for (size_t i = 0; i < maps.size(); ++i) {
    HostIndex place = getPlace(static_cast<int64_t>(i) * kMapWords);
    encode(maps[i],
           hostWord(hostAdd(address, hostMul(place, hostConstant(8)))));
  }
  return hostWord(HostIndex(address));
}

void KernelBuilder::launch(int64_t number, HostIndex gridX, HostIndex gridY,
                           HostIndex gridZ, int64_t sharedBytes) {
  int64_t count = getParameterWords();
  Value address = writeParameters(makeArray(count), hostValue(hostConstant(0)));
  callHost(kLaunch,
           {hostWord(number), hostWord(gridX), hostWord(gridY), hostWord(gridZ),
            hostWord(threads), hostWord(sharedBytes), address, hostWord(count),
            hostWord(static_cast<int64_t>(maps.size()))});
}

//===----------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------===//

/// Words from one record to the next.
int64_t KernelBuilder::getRecordWords() const {
  return llvm::alignTo(getParameterWords() + 1, kMapAlign);
}

int64_t KernelBuilder::getMostGroups() const {
  return std::max<int64_t>(kMostWords / getRecordWords(), 1);
}

HostIndex KernelBuilder::hostGroups() {
  if (!loop)
    return hostConstant(1);
  Value begin = loop.getLowerBound(), end = loop.getUpperBound();
  Value extent = host.createOrFold<arith::SubIOp>(op->getLoc(), end, begin);
  HostIndex count = hostCeilDiv(extent, HostIndex(loop.getStep()));
  // All launches have about as many.
  return hostCeilDiv(count, hostCeilDiv(count, getMostGroups()));
}

/// Parameters are read from the record of the block's group, if it has so many
/// blocks.
void KernelBuilder::readRecord() {
  Block &entry = function.getBody().front();
  Type i64 = b.getI64Type();
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  BlockArgument records = entry.insertArgument(0u, pointer, b.getLoc());
  b.setInsertionPointToStart(&entry);
  auto move = [&](Value from, Value words) {
    return LLVM::GEPOp::create(b, pointer, i64, from, ValueRange(words));
  };
  Value record =
      move(records, mul(extend(blockId(2)), constant(getRecordWords(), 64)));
  auto mapCount = static_cast<int64_t>(maps.size());
  for (BlockArgument argument : entry.getArguments().drop_front()) {
    int64_t i = argument.getArgNumber() - 1;
    bool isMap = i < mapCount;
    int64_t word = isMap ? i * kMapWords : i - mapCount + mapCount * kMapWords;
    Value value = move(record, constant(word, 64));
    if (!isMap)
      value = load(value, i64);
    if (!isMap && argument.getType() != i64)
      value = LLVM::IntToPtrOp::create(b, argument.getType(), value);
    argument.replaceAllUsesWith(value);
  }
  entry.eraseArguments(1, entry.getNumArguments() - 1);
  Value count = load(move(record, constant(getParameterWords(), 64)), i64);
  Value isThere = less(extend(blockId()), count);
  Block *body = entry.splitBlock(b.getInsertionPoint());
  Block *end = b.createBlock(&function.getBody());
  LLVM::ReturnOp::create(b, ValueRange());
  b.setInsertionPointToEnd(&entry);
  LLVM::CondBrOp::create(b, isThere, body, end);
}

/// The last iteration, or the last for which there is room, launches all that
/// have written records.
void KernelBuilder::launchGroups(int64_t number, HostIndex gridX,
                                 int64_t sharedBytes) {
  Location loc = op->getLoc();
  int64_t most = getMostGroups(), record = getRecordWords();
  auto equal = [&](Value lhs, Value rhs) {
    return arith::CmpIOp::create(host, loc, arith::CmpIPredicate::eq, lhs, rhs);
  };
  Value behind = arith::SubIOp::create(host, loc, loop.getInductionVar(),
                                       loop.getLowerBound());
  Value iteration = arith::DivUIOp::create(host, loc, behind, loop.getStep());
  Value share = hostValue(hostGroups());
  Value group = arith::RemUIOp::create(host, loc, iteration, share);
  Value array = makeArray(most * record);
  Value first = hostValue(hostMul(group, hostConstant(record)));
  Value address = writeParameters(array, first), own = hostWord(gridX);
  memref::StoreOp::create(
      host, loc, own, array,
      hostValue(hostAdd(first, hostConstant(getParameterWords()))));
  // The grid is as wide as that of the widest group so far.
  Value widest = makeArray(1), zero = hostValue(hostConstant(0));
  Value before = memref::LoadOp::create(host, loc, widest, zero);
  Value larger = arith::MaxSIOp::create(host, loc, before, own);
  Value width =
      arith::SelectOp::create(host, loc, equal(group, zero), own, larger);
  memref::StoreOp::create(host, loc, width, widest, zero);
  Value next =
      arith::AddIOp::create(host, loc, loop.getInductionVar(), loop.getStep());
  Value isEnd = arith::CmpIOp::create(host, loc, arith::CmpIPredicate::sge,
                                      next, loop.getUpperBound());
  HostIndex groups = hostAdd(group, hostConstant(1));
  Value isFull = equal(hostValue(groups), share);
  Value isLast = arith::OrIOp::create(host, loc, isEnd, isFull);
  auto branch = scf::IfOp::create(host, loc, isLast);
  OpBuilder::InsertionGuard guard(host);
  host.setInsertionPointToStart(branch.thenBlock());
  // The product is gone.
  loop->removeAttr(kGroupedAttrName);
  callHost(kLaunchGroups,
           {hostWord(number), width, hostWord(groups), hostWord(threads),
            hostWord(sharedBytes), address, hostWord(most * record)});
}
