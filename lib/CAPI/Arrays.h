//===- Arrays.h - Strided arrays of callers ---------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_CAPI_ARRAYS_H
#define SPARSEDROP_LIB_CAPI_ARRAYS_H

#include "sparsedrop-c/Compiler.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLExtras.h"

#include <atomic>
#include <optional>
#include <string>
#include <vector>

namespace mlir::sparsedrop::capi {

/// What stands behind `sparsedrop_array::owner`: memory that the library
/// allocated. Arrays and tensors of DLPack share it.
class Owner {
public:
  enum class Source {
    Host,    ///< sparsedrop_alloc
    Program, ///< the pool of a stream
    Device   ///< sparsedrop_device_alloc
  };
  Owner(Source source, void *allocation, llvm::ArrayRef<int64_t> shape,
        sparsedrop_device *device = nullptr,
        sparsedrop_stream *stream = nullptr)
      : shape(shape.begin(), shape.end()), source(source),
        allocation(allocation), device(device), stream(stream) {}

  void retain() { ++count; }
  /// Frees the memory and the owner when nobody is left.
  void release();

  /// Work on `used` reads or writes the memory.
  void noteUse(sparsedrop_stream *used) {
    if (used != stream)
      noteUseElsewhere();
  }
  void noteUseElsewhere() { isUsedElsewhere = true; }
  bool isOnDevice() const { return source != Source::Host; }

  const std::vector<int64_t> shape;

private:
  ~Owner() = default;

  const Source source;
  void *const allocation;
  sparsedrop_device *const device;
  sparsedrop_stream *const stream; ///< that a pool gave it to
  std::atomic<int64_t> count{1};
  std::atomic<bool> isUsedElsewhere{false};
};

/// Bytes of an element of enum sparsedrop_type or sparsedrop_array_type; 0 for
/// other values.
int64_t getTypeBytes(int32_t type);

/// "f32", "i64" ...; "type 99" for other values.
std::string getTypeName(int32_t type);

/// "256x784xf32".
std::string describe(int32_t type, llvm::ArrayRef<int64_t> shape);

/// Number of elements; none when it does not fit 63 bits or an extent is
/// negative.
std::optional<int64_t> countElements(llvm::ArrayRef<int64_t> shape);

llvm::ArrayRef<int64_t> getShape(const sparsedrop_array &array);

/// Whether the elements lie in row-major order without gaps.
bool isContiguous(const sparsedrop_array &array);

/// What is wrong with `array` as an array of the slot; empty when nothing is.
std::string checkArray(const sparsedrop_array &array,
                       const sparsedrop_slot &slot);

/// The bytes that the array reaches, first and last + 1; equal when it is
/// empty.
std::pair<uintptr_t, uintptr_t> getRange(const sparsedrop_array &array);

/// Copies between `array` and row-major contiguous memory.
void copyFrom(const sparsedrop_array &array, void *contiguous);
void copyTo(const sparsedrop_array &array, const void *contiguous);

} // namespace mlir::sparsedrop::capi

#endif // SPARSEDROP_LIB_CAPI_ARRAYS_H
