//===- Executable.h - A function compiled in one mode -----------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TARGET_EXECUTABLE_H
#define SPARSEDROP_TARGET_EXECUTABLE_H

#include "sparsedrop/Pipelines/Pipelines.h"
#include "sparsedrop/Target/JIT.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"

#include <memory>
#include <optional>
#include <string>

namespace mlir::sparsedrop {

struct ToNVVMPipelineOptions;

/// "compact", "masked", "bernoulli" or "dense".
llvm::StringRef getName(DropoutMode mode);

/// Bytes of an element as compiled code stores it (i1 and i8 take one, index
/// eight); 0 for types that cannot be passed.
int64_t getElementBytes(Type type);

/// "256x10xf32"; unknown extents are "?".
std::string describe(Type elementType, ArrayRef<int64_t> shape);

/// An argument or a result of a compiled function: a tensor or a scalar.
struct Slot {
  Type elementType;
  SmallVector<int64_t> shape; ///< ShapedType::kDynamic where unknown
  bool isTensor = true, isSeed = false, isStep = false;
  /// Of a result: the argument, by its place among the inputs, that it ends in.
  std::optional<size_t> donor;
};

/// What to compile, and how.
struct ExecutableOptions {
  /// The function; the only public one when empty.
  std::string entry;
  DropoutMode mode = DropoutMode::Compact;
  SearchMethod method = SearchMethod::SGD;
  /// Candidate periods; all from 1 when empty.
  SmallVector<int64_t> periods;
  /// Sites at which nothing is dropped.
  SmallVector<std::string> exclude;
  /// Whether calls count the work of each product.
  bool instrument = false;
  /// The GPU to compile for (sm_80, sm_90a ...); empty: the host.
  std::string chip;
  /// Round the factors of f32 products to tf32, on a GPU.
  bool tf32 = false;
  /// The family of products on a GPU where it can be obeyed (wgmma, tensor_core
  /// or plain); empty: the cheapest.
  std::string family;
  /// File of measured kernels of products on a GPU, which go before the
  /// estimate (sparsedrop-tune); empty: none.
  std::string table;
  /// A table that is used instead, unless it is null.
  std::shared_ptr<const KernelTable> measured;
};

/// Where a program compiled for a GPU runs.
struct DevicePlace {
  sparsedrop_device *device = nullptr;
  sparsedrop_stream *stream = nullptr; ///< null: the default one
};

/// One function of a module, compiled for the host or for a GPU in one mode.
class Executable {
public:
  /// Contiguous memory in row-major order.
  struct Array {
    void *data = nullptr;
    SmallVector<int64_t> shape;
    /// What `sparsedrop_free` takes, or `sparsedrop_program_release` where the
    /// memory is a device's; null where the memory is an input's.
    void *allocation = nullptr;
    bool onDevice = false; ///< tensors of programs compiled for a GPU
  };
  /// Code for a device stays in the process: devices know kernels by the
  /// address of what holds them.
  ~Executable();

  /// What a call took.
  struct Costs {
    double seconds = 0;
    /// Most bytes of temporaries and results (of the whole process, when
    /// several threads call at once).
    int64_t peakBytes = 0;
  };

  /// Runs the pipelines on a copy of `module` and compiles it; an error has
  /// been emitted when the result is null.
  static std::unique_ptr<Executable> compile(ModuleOp module,
                                             const ExecutableOptions &options);

  /// The same up to machine code: what can be asked for its signature and be
  /// lowered, but not be called.
  static std::unique_ptr<Executable> prepare(ModuleOp module,
                                             const ExecutableOptions &options);

  /// The LLVM dialect for the host, with entry points of `entries` (all public
  /// functions when empty) and, for a GPU, a `gpu.binary` that
  /// `sparsedrop-embed-kernels` embeds. Null after an error.
  OwningOpRef<ModuleOp> lower(ArrayRef<StringRef> entries) const;

  /// The function on buffers for a GPU, in front of sparsedrop-choose-kernels.
  /// Null after an error.
  OwningOpRef<ModuleOp> lowerToDeviceBuffers() const;

  /// Calls the function on `inputs`: one for each argument that is neither seed
  /// nor step, of its type and of a shape that fits, which the caller has
  /// checked. Fills `results` with memory that the caller frees, or with the
  /// input that a result ends in. On failure returns false, leaves no result,
  /// and `sparsedrop_last_error()` tells why. Any number of threads may call at
  /// once.
  bool call(ArrayRef<Array> inputs, int64_t seed, int64_t step,
            SmallVectorImpl<Array> &results, Costs *costs = nullptr) const {
    return call({}, inputs, seed, step, results, costs);
  }
  /// The same on a device. Tensors lie in its memory, scalars on the host; the
  /// call returns before the device is done. Costs are those of the host, and
  /// bytes are not counted.
  bool call(const DevicePlace &place, ArrayRef<Array> inputs, int64_t seed,
            int64_t step, SmallVectorImpl<Array> &results,
            Costs *costs = nullptr) const;

  /// Whether it runs on a device.
  bool isForDevice() const { return !chip.empty(); }

  ArrayRef<Slot> getArguments() const { return arguments; }
  ArrayRef<Slot> getResults() const { return results; }
  /// Arguments other than seed and step.
  SmallVector<const Slot *> getInputs() const;
  StringRef getEntryName() const { return name; }
  DropoutMode getMode() const { return mode; }
  /// The module after `sparsedrop-pipeline`.
  ModuleOp getUpstream() const { return *upstream; }

private:
  bool findEntry(StringRef wanted);
  OwningOpRef<ModuleOp> cloneUpstream(ArrayRef<StringRef> entries) const;
  /// What the pipeline to kernels is asked for.
  void describeTarget(ToNVVMPipelineOptions &options) const;
  bool addSlots(Operation *function, ArrayRef<Type> types,
                SmallVectorImpl<Slot> &slots, StringRef what);
  bool compileForProcess();
  bool readResults(ArrayRef<uint64_t> storage, ArrayRef<Array> inputs,
                   SmallVectorImpl<Array> &outputs) const;

  OwningOpRef<ModuleOp> upstream;
  std::unique_ptr<JIT> jit;
  void *entry = nullptr;
  std::string name, chip, family, table;
  std::shared_ptr<const KernelTable> measured;
  bool tf32 = false;
  DropoutMode mode = DropoutMode::Compact;
  SmallVector<Slot> arguments, results;
};

} // namespace mlir::sparsedrop

#endif // SPARSEDROP_TARGET_EXECUTABLE_H
