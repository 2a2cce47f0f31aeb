//===- Arrays.cpp - Strided arrays of callers -----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Arrays.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace mlir::sparsedrop::capi;
using llvm::ArrayRef;
using llvm::SmallVector;

namespace {
struct TypeInfo {
  int32_t type;
  const char *name;
  int64_t bytes;
};
} // namespace

static const TypeInfo kTypes[] = {{SPARSEDROP_F32, "f32", 4},
                                  {SPARSEDROP_F64, "f64", 8},
                                  {SPARSEDROP_BF16, "bf16", 2},
                                  {SPARSEDROP_F16, "f16", 2},
                                  {SPARSEDROP_F8E4M3FN, "f8E4M3FN", 1},
                                  {SPARSEDROP_F8E5M2, "f8E5M2", 1},
                                  {SPARSEDROP_I1, "i1", 1},
                                  {SPARSEDROP_I8, "i8", 1},
                                  {SPARSEDROP_I16, "i16", 2},
                                  {SPARSEDROP_I32, "i32", 4},
                                  {SPARSEDROP_I64, "i64", 8},
                                  {SPARSEDROP_INDEX, "index", 8}};

static const TypeInfo *findType(int32_t type) {
  const TypeInfo *found = llvm::find_if(
      kTypes, [&](const TypeInfo &info) { return info.type == type; });
  return found == std::end(kTypes) ? nullptr : found;
}

int64_t mlir::sparsedrop::capi::getTypeBytes(int32_t type) {
  const TypeInfo *info = findType(type);
  return info ? info->bytes : 0;
}

std::string mlir::sparsedrop::capi::getTypeName(int32_t type) {
  const TypeInfo *info = findType(type);
  return info ? info->name : ("type " + llvm::Twine(type)).str();
}

std::string mlir::sparsedrop::capi::describe(int32_t type,
                                             ArrayRef<int64_t> shape) {
  std::string text;
  for (int64_t extent : shape)
    text += (extent == SPARSEDROP_DYNAMIC ? "?" : std::to_string(extent)) + "x";
  return text + getTypeName(type);
}

std::optional<int64_t>
mlir::sparsedrop::capi::countElements(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t extent : shape)
    if (extent < 0 || llvm::MulOverflow(count, extent, count))
      return std::nullopt;
  return count;
}

ArrayRef<int64_t>
mlir::sparsedrop::capi::getShape(const sparsedrop_array &array) {
  return {array.shape, static_cast<size_t>(array.rank)};
}

bool mlir::sparsedrop::capi::isContiguous(const sparsedrop_array &array) {
  if (!array.strides || llvm::is_contained(getShape(array), 0))
    return true;
  int64_t expected = 1;
  for (int32_t dim = array.rank; dim-- > 0;) {
    if (array.shape[dim] != 1 && array.strides[dim] != expected)
      return false;
    expected *= array.shape[dim];
  }
  return true;
}

static bool fits(ArrayRef<int64_t> shape, const sparsedrop_slot &slot) {
  ArrayRef<int64_t> wanted(slot.shape, static_cast<size_t>(slot.rank));
  return shape.size() == wanted.size() &&
         llvm::all_of(llvm::zip(shape, wanted), [](auto pair) {
           return std::get<1>(pair) == SPARSEDROP_DYNAMIC ||
                  std::get<0>(pair) == std::get<1>(pair);
         });
}

std::string mlir::sparsedrop::capi::checkArray(const sparsedrop_array &array,
                                               const sparsedrop_slot &slot) {
  if (array.rank < 0 || (array.rank > 0 && !array.shape))
    return "has no shape";
  ArrayRef<int64_t> shape = getShape(array);
  if (array.type != slot.type || !fits(shape, slot))
    return "expected " +
           describe(slot.type, {slot.shape, static_cast<size_t>(slot.rank)}) +
           ", but got " + describe(array.type, shape);
  std::optional<int64_t> count = countElements(shape);
  int64_t bytes = getTypeBytes(array.type);
  if (!count || llvm::MulOverflow(*count, bytes, bytes))
    return "is too large: " + describe(array.type, shape);
  if (*count > 0 && !array.data)
    return "has no data";
  if (reinterpret_cast<uintptr_t>(array.data) %
          static_cast<uintptr_t>(getTypeBytes(array.type)) !=
      0)
    return "is not aligned to its elements of " +
           std::to_string(getTypeBytes(array.type)) + " bytes";
  return "";
}

std::pair<uintptr_t, uintptr_t>
mlir::sparsedrop::capi::getRange(const sparsedrop_array &array) {
  auto start = reinterpret_cast<uintptr_t>(array.data);
  if (llvm::is_contained(getShape(array), 0))
    return {start, start};
  // Offsets of the outermost elements; strides may be negative.
  int64_t low = 0, high = 0, dense = 1;
  for (int32_t dim = array.rank; dim-- > 0;) {
    int64_t stride = array.strides ? array.strides[dim] : dense;
    int64_t reach = stride * (array.shape[dim] - 1);
    (reach < 0 ? low : high) += reach;
    dense *= array.shape[dim];
  }
  int64_t bytes = getTypeBytes(array.type);
  return {start + static_cast<uintptr_t>(low * bytes),
          start + static_cast<uintptr_t>((high + 1) * bytes)};
}

/// Calls body(strided byte offset, contiguous byte offset, bytes) for each run
/// of the innermost dimension that is one element or contiguous.
template <typename Body>
static void forEachRun(const sparsedrop_array &array, Body body) {
  ArrayRef<int64_t> shape = getShape(array);
  int64_t width = getTypeBytes(array.type), rank = array.rank;
  if (llvm::is_contained(shape, 0))
    return;
  if (rank == 0)
    return body(int64_t{0}, int64_t{0}, width);
  SmallVector<int64_t> index(static_cast<size_t>(rank), 0);
  int64_t inner = shape.back(), step = array.strides[rank - 1];
  for (int64_t position = 0;;) {
    int64_t offset = 0;
    for (int64_t dim = 0; dim + 1 < rank; ++dim)
      offset += index[dim] * array.strides[dim];
    if (step == 1)
      body(offset * width, position * width, inner * width);
    else
      for (int64_t i = 0; i < inner; ++i)
        body((offset + i * step) * width, (position + i) * width, width);
    position += inner;
    int64_t dim = rank - 1;
    while (dim-- > 0 && ++index[dim] == shape[dim])
      index[dim] = 0;
    if (dim < 0)
      return;
  }
}

void mlir::sparsedrop::capi::copyFrom(const sparsedrop_array &array,
                                      void *contiguous) {
  forEachRun(array, [&](int64_t strided, int64_t dense, int64_t bytes) {
    std::memcpy(static_cast<char *>(contiguous) + dense,
                static_cast<const char *>(array.data) + strided,
                static_cast<size_t>(bytes));
  });
}

void mlir::sparsedrop::capi::copyTo(const sparsedrop_array &array,
                                    const void *contiguous) {
  forEachRun(array, [&](int64_t strided, int64_t dense, int64_t bytes) {
    std::memcpy(static_cast<char *>(array.data) + strided,
                static_cast<const char *>(contiguous) + dense,
                static_cast<size_t>(bytes));
  });
}
