//===- KernelBuilder.h - A kernel and its launch ----------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels are written at the level of scf, arith and llvm, as `llvm.func` in
// one `gpu.module`. Each parameter is a word of eight bytes: an address, a
// stride, an extent or a scalar of the host. What the host knows to be constant
// is a constant in the kernel. KernelLaunch.cpp has what the host does.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_GPU_KERNELBUILDER_H
#define SPARSEDROP_LIB_GPU_KERNELBUILDER_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/StringMap.h"

namespace mlir::sparsedrop {

/// The address spaces of NVPTX.
enum AddressSpace : unsigned { kGlobalSpace = 1, kSharedSpace = 3 };

inline constexpr StringLiteral kKernelModuleName = "sparsedrop_kernels";

/// Iterations that kernels count with i32: numbers of threads behind the last
/// one must not overflow.
inline constexpr int64_t kMostIterations = (int64_t(1) << 31) - (1 << 25);

/// All kernels of a module. Equal ones are there once.
class KernelModule {
public:
  /// `overlaps`: kernels may begin before the one before them has ended.
  explicit KernelModule(ModuleOp module, bool overlaps = false);

  ModuleOp getModule() { return module; }
  bool getOverlaps() const { return overlaps; }
  gpu::GPUModuleOp getKernels() { return kernels; }
  /// A name that no kernel has yet: `name`, a number appended where needed.
  std::string makeName(StringRef name);
  /// The number of a finished kernel, which is erased if an equal one is there.
  int64_t insert(LLVM::LLVMFuncOp kernel);
  /// The dynamic shared memory of all kernels, `smem`.
  LLVM::GlobalOp getShared();
  /// Reports that `op` has more iterations than a kernel can count.
  void fail(Operation *op, int64_t count);
  bool hasFailed() const { return failed; }
  /// A function of the runtime library.
  void declare(StringRef name, FunctionType type);

private:
  ModuleOp module;
  gpu::GPUModuleOp kernels;
  llvm::StringMap<int64_t> numbers;
  int64_t count = 0;
  bool overlaps;
  bool failed = false;
  llvm::StringMap<unsigned> names;
};

/// An extent, stride or count that the host may know when it compiles.
using HostIndex = OpFoldResult;

/// A dimension of an array that bulk copies cut boxes out of.
struct MapDim {
  HostIndex extent; ///< elements
  HostIndex stride; ///< elements; not read of the innermost dimension
  int64_t box;      ///< elements of a box in shared memory
  int64_t step = 1; ///< from one of them to the next
};

/// One kernel while it is written, for the op that it replaces.
class KernelBuilder {
public:
  KernelBuilder(KernelModule &kernels, RewriterBase &host, Operation *op,
                StringRef name, int64_t threads);

  /// Writes the kernel.
  ImplicitLocOpBuilder b;
  /// Writes before the op that is replaced.
  RewriterBase &host;

  //===--------------------------------------------------------------------===//
  // Values of the host in the kernel
  //===--------------------------------------------------------------------===//

  /// A scalar; indices stay indices.
  Value getScalar(Value value);
  /// An extent or a stride, as i32 or as i64. Calls check that what becomes i32
  /// is below kMostIterations.
  Value getInt(HostIndex index, unsigned bits = 32);
  /// The address of the first element of a buffer, in global memory.
  Value getPointer(Value buffer);
  /// The tensor map of an array that begins where `buffer` does, of `dims` from
  /// the innermost to the outermost; rows of boxes in shared memory are
  /// permuted as `swizzle` (bytes) says. Copies round f32 to tf32 if
  /// `roundsToTf32`. A pointer to a parameter.
  Value getMap(Value buffer, ArrayRef<MapDim> dims, int64_t swizzle,
               bool roundsToTf32);
  /// An attribute of the kernel's function.
  void setAttr(StringRef name, Attribute value);
  /// Multiprocessors of the device.
  HostIndex hostProcessors();
  /// Whether one launch does all iterations of the loop around the op.
  bool isGrouped() { return loop != nullptr; }
  /// How many of them at most, which are groups of blocks; 1 without a loop. To
  /// be asked last: what the kernel has as parameters limits it.
  HostIndex hostGroups();

  //===--------------------------------------------------------------------===//
  // Host arithmetic on indices
  //===--------------------------------------------------------------------===//

  Value hostValue(HostIndex index);
  HostIndex hostMul(HostIndex lhs, HostIndex rhs);
  HostIndex hostAdd(HostIndex lhs, HostIndex rhs);
  HostIndex hostMin(HostIndex lhs, HostIndex rhs);
  HostIndex hostMax(HostIndex lhs, HostIndex rhs);
  HostIndex hostDiv(HostIndex lhs, HostIndex rhs);
  HostIndex hostCeilDiv(HostIndex lhs, int64_t rhs);
  HostIndex hostCeilDiv(HostIndex lhs, HostIndex rhs);
  HostIndex hostConstant(int64_t value) { return host.getIndexAttr(value); }

  //===--------------------------------------------------------------------===//
  // Device arithmetic; constants fold
  //===--------------------------------------------------------------------===//

  Value constant(int64_t value, unsigned bits = 32);
  Value add(Value lhs, Value rhs);
  Value sub(Value lhs, Value rhs);
  Value mul(Value lhs, Value rhs);
  Value divU(Value lhs, Value rhs);
  Value remU(Value lhs, Value rhs);
  Value andI(Value lhs, Value rhs);
  Value xorI(Value lhs, Value rhs);
  Value less(Value lhs, Value rhs);
  Value minS(Value lhs, Value rhs);
  Value select(Value condition, Value lhs, Value rhs);
  Value both(Value lhs, Value rhs) { return andI(lhs, rhs); }
  /// To i64, i32 or index.
  Value extend(Value value, unsigned bits = 64);
  Value toIndex(Value value);

  /// Numbers of the thread and the block, i32.
  Value threadId();
  Value blockId(unsigned dim = 0);
  Value gridSize(unsigned dim = 0);

  //===--------------------------------------------------------------------===//
  // Memory
  //===--------------------------------------------------------------------===//

  /// `pointer` moved by elements.
  Value offset(Value pointer, Value elements, Type element);
  /// Loads `count` neighbouring elements: a scalar, or a vector that is aligned
  /// to its size.
  Value load(Value pointer, Type element, int64_t count = 1);
  void store(Value value, Value pointer, Type element);
  /// A vector for a store.
  Value join(ValueRange values);
  /// Element `i` of a vector that was loaded; a scalar is its only element.
  Value split(Value vector, int64_t i, Type element);

  /// Dynamic shared memory from byte `offset` on.
  Value sharedMemory(int64_t offset = 0);
  /// All threads of the block.
  void barrier();
  /// Keeps LLVM from unrolling a loop: copies of a body take registers.
  void keepRolled(Operation *loop);

  //===--------------------------------------------------------------------===//
  // The launch
  //===--------------------------------------------------------------------===//

  /// Waits for the kernels before this one, if it may have begun before their
  /// end, and lets the next one begin; nothing touches global memory before.
  /// Kernels that do not say where wait at their start.
  void waitForKernels();
  /// Ends the kernel and launches it before the op; groups are launched by the
  /// last of them, `gridY` and `gridZ` are 1 for them.
  void finish(HostIndex gridX, HostIndex gridY, HostIndex gridZ,
              int64_t sharedBytes = 0);

private:
  /// What the host writes a tensor map of.
  struct Map {
    Value address; ///< i64
    int64_t type, swizzle;
    SmallVector<Value> shape; ///< words
  };

  Value addParameter(Value word, Type type);
  Value getAddress(Value buffer);
  Value makeArray(int64_t words);
  void encode(const Map &map, Value address);
  void callHost(StringRef name, ValueRange arguments);
  Value writeParameters(Value array, Value first);
  void launch(int64_t number, HostIndex gridX, HostIndex gridY, HostIndex gridZ,
              int64_t sharedBytes);
  int64_t getParameterWords() const;
  int64_t getRecordWords() const;
  int64_t getMostGroups() const;
  void readRecord();
  void launchGroups(int64_t number, HostIndex gridX, int64_t sharedBytes);
  Value hostWord(int64_t value);
  Value hostWord(HostIndex index);

  KernelModule &kernels;
  Operation *op;
  scf::ForOp loop; ///< the loop whose iterations are groups, or null
  LLVM::LLVMFuncOp function;
  int64_t threads;
  bool hasWaited = false;
  /// The first parameters.
  SmallVector<Map> maps;
  /// Words of the host, and the value each is in the kernel.
  SmallVector<Value> words;
  /// Extents of the host that are i32 in the kernel.
  llvm::SetVector<Value> narrow;
  DenseMap<Value, Value> parameters;
};

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_LIB_GPU_KERNELBUILDER_H
