//===- Pack.cpp - Packing of operands -------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Pack.h"

#include "Clones.h"
#include "Half.h"

#include <algorithm>
#include <vector>

using namespace sparsedrop::runtime;

template <typename T>
T sparsedrop::runtime::load(const void *data, sparsedrop_type type,
                            int64_t offset) {
  switch (type) {
  case SPARSEDROP_F64:
    return static_cast<T>(static_cast<const double *>(data)[offset]);
  case SPARSEDROP_F32:
    return static_cast<T>(static_cast<const float *>(data)[offset]);
  case SPARSEDROP_BF16:
    return widen(static_cast<const Bf16 *>(data)[offset]);
  case SPARSEDROP_F16:
    return widen(static_cast<const F16 *>(data)[offset]);
  case SPARSEDROP_F8E4M3FN:
    return widen(static_cast<const E4m3 *>(data)[offset]);
  case SPARSEDROP_F8E5M2:
    return widen(static_cast<const E5m2 *>(data)[offset]);
  }
  return 0;
}

template <typename T>
void sparsedrop::runtime::storeElement(void *data, sparsedrop_type type,
                                       int64_t offset, T value) {
  switch (type) {
  case SPARSEDROP_F64:
    return narrow(value, static_cast<double *>(data)[offset]);
  case SPARSEDROP_F32:
    return narrow(value, static_cast<float *>(data)[offset]);
  case SPARSEDROP_BF16:
    return narrow(static_cast<float>(value), static_cast<Bf16 *>(data)[offset]);
  case SPARSEDROP_F16:
    return narrow(static_cast<float>(value), static_cast<F16 *>(data)[offset]);
  case SPARSEDROP_F8E4M3FN:
    return narrow(static_cast<float>(value), static_cast<E4m3 *>(data)[offset]);
  case SPARSEDROP_F8E5M2:
    return narrow(static_cast<float>(value), static_cast<E5m2 *>(data)[offset]);
  }
}

//===----------------------------------------------------------------------===//
// Lines: the innermost loop
//===----------------------------------------------------------------------===//

/// target[i] = source[i * stride]; the stride is known where that pays.
template <typename S, typename T>
static SPARSEDROP_INLINE void copyStep(const S *source, int64_t stride,
                                       int64_t count, T *target) {
  for (int64_t i = 0; i < count; ++i)
    target[i] = static_cast<T>(widen(source[i * stride]));
}

template <typename S, typename T>
static SPARSEDROP_INLINE void copyAny(const S *source, int64_t stride,
                                      int64_t count, T *target) {
  switch (stride) {
  case 1:
    return copyStep(source, 1, count, target);
  case 2:
    return copyStep(source, 2, count, target);
  case 3:
    return copyStep(source, 3, count, target);
  case 4:
    return copyStep(source, 4, count, target);
  default:
    return copyStep(source, stride, count, target);
  }
}

/// target[i * stride] = (accumulate ? target[i * stride] : 0) + sums[i].
template <typename S, typename T>
static SPARSEDROP_INLINE void storeStep(const T *sums, int64_t count, S *target,
                                        int64_t stride, bool accumulate) {
  using Narrow = decltype(widen(S()));
  if (!accumulate) {
    for (int64_t i = 0; i < count; ++i)
      narrow(static_cast<Narrow>(sums[i]), target[i * stride]);
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    narrow(static_cast<Narrow>(static_cast<T>(widen(target[i * stride])) +
                               sums[i]),
           target[i * stride]);
}

template <typename S, typename T>
static SPARSEDROP_INLINE void storeAny(const T *sums, int64_t count, S *target,
                                       int64_t stride, bool accumulate) {
  if (stride == 1)
    storeStep(sums, count, target, 1, accumulate);
  else
    storeStep(sums, count, target, stride, accumulate);
}

// Templates cannot be cloned, so each pair of types is a function.
#define SPARSEDROP_LINES(S, T)                                                 \
  SPARSEDROP_CLONES                                                            \
  static void copyLine(const S *source, int64_t stride, int64_t count,         \
                       T *target) {                                            \
    copyAny(source, stride, count, target);                                    \
  }                                                                            \
  SPARSEDROP_CLONES                                                            \
  static void storeLine(const T *sums, int64_t count, S *target,               \
                        int64_t stride, bool accumulate) {                     \
    storeAny(sums, count, target, stride, accumulate);                         \
  }
SPARSEDROP_LINES(float, float)
SPARSEDROP_LINES(double, float)
SPARSEDROP_LINES(Bf16, float)
SPARSEDROP_LINES(F16, float)
SPARSEDROP_LINES(E4m3, float)
SPARSEDROP_LINES(E5m2, float)
SPARSEDROP_LINES(float, double)
SPARSEDROP_LINES(double, double)
SPARSEDROP_LINES(Bf16, double)
SPARSEDROP_LINES(F16, double)
SPARSEDROP_LINES(E4m3, double)
SPARSEDROP_LINES(E5m2, double)
#undef SPARSEDROP_LINES

/// Calls visit with `data` as a pointer of its element type.
template <typename Visit>
static void withType(const void *data, sparsedrop_type type, Visit visit) {
  switch (type) {
  case SPARSEDROP_F64:
    return visit(static_cast<const double *>(data));
  case SPARSEDROP_F32:
    return visit(static_cast<const float *>(data));
  case SPARSEDROP_BF16:
    return visit(static_cast<const Bf16 *>(data));
  case SPARSEDROP_F16:
    return visit(static_cast<const F16 *>(data));
  case SPARSEDROP_F8E4M3FN:
    return visit(static_cast<const E4m3 *>(data));
  case SPARSEDROP_F8E5M2:
    return visit(static_cast<const E5m2 *>(data));
  }
}

//===----------------------------------------------------------------------===//
// Panels
//===----------------------------------------------------------------------===//

namespace {
/// A stretch of columns along the innermost loop of their group.
struct Run {
  int64_t position, offset, stride, length;
};
} // namespace

/// The runs that make up `range`: worked out once for all rows.
static std::vector<Run> getRuns(const LoopGroup &group, Operand operand,
                                Range range) {
  Loop inner = group.getInner();
  std::vector<Run> runs;
  for (int64_t position = 0; position < range.count;) {
    int64_t index = range.begin + position;
    int64_t length =
        std::min(inner.extent - index % inner.extent, range.count - position);
    runs.push_back({position, group.getOffset(operand, index),
                    inner.strides[operand], length});
    position += length;
  }
  return runs;
}

template <typename T>
void sparsedrop::runtime::pack(const View &view, const LoopGroup &rowLoops,
                               const LoopGroup &columnLoops, Range rows,
                               Range columns, T *packed) {
  std::vector<Run> runs = getRuns(columnLoops, view.operand, columns);
  withType(view.data, view.type, [&](auto *data) {
    for (int64_t row = 0; row < rows.count; ++row) {
      auto *source = data + view.offset +
                     rowLoops.getOffset(view.operand, rows.begin + row);
      T *target = packed + row * columns.count;
      for (const Run &run : runs)
        copyLine(source + run.offset, run.stride, run.length,
                 target + run.position);
    }
  });
}

template <typename T>
void sparsedrop::runtime::store(const View &c, const LoopGroup &m,
                                const LoopGroup &n, Range rows, Range columns,
                                const T *sums, int64_t ld, bool accumulate) {
  std::vector<Run> runs = getRuns(n, C, columns);
  std::vector<T> zeros(sums ? 0 : static_cast<size_t>(columns.count), T(0));
  withType(c.data, c.type, [&](auto *data) {
    using S = std::remove_const_t<std::remove_pointer_t<decltype(data)>>;
    for (int64_t row = 0; row < rows.count; ++row) {
      S *target =
          const_cast<S *>(data) + c.offset + m.getOffset(C, rows.begin + row);
      const T *line = sums ? sums + row * ld : zeros.data();
      for (const Run &run : runs)
        storeLine(line + run.position, run.length, target + run.offset,
                  run.stride, accumulate);
    }
  });
}

#define INSTANTIATE(T)                                                         \
  template T sparsedrop::runtime::load<T>(const void *, sparsedrop_type,       \
                                          int64_t);                            \
  template void sparsedrop::runtime::storeElement<T>(void *, sparsedrop_type,  \
                                                     int64_t, T);              \
  template void sparsedrop::runtime::pack<T>(                                  \
      const View &, const LoopGroup &, const LoopGroup &, Range, Range, T *);  \
  template void sparsedrop::runtime::store<T>(const View &, const LoopGroup &, \
                                              const LoopGroup &, Range, Range, \
                                              const T *, int64_t, bool);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE
