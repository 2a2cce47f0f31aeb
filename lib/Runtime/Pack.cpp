//===- Pack.cpp - Packing of operands -------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Pack.h"

#include <algorithm>
#include <cstring>

using namespace sparsedrop::runtime;

//===----------------------------------------------------------------------===//
// Half precision: conversions by bits, the same on every processor
//===----------------------------------------------------------------------===//

static float fromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

static uint32_t toBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

static float fromBf16(uint16_t half) {
  return fromBits(static_cast<uint32_t>(half) << 16);
}

static uint16_t toBf16(float value) {
  uint32_t bits = toBits(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return static_cast<uint16_t>(bits >> 16 | 0x40); // quiet NaN
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

static float fromF16(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  uint32_t exponent = half >> 10 & 0x1f, fraction = half & 0x3ffu;
  if (exponent == 0) // zero and subnormals: fraction * 2^-24, exactly
    return fromBits(toBits(static_cast<float>(fraction) * 0x1p-24f) | sign);
  if (exponent == 31)
    return fromBits(sign | 0x7f800000u | fraction << 13);
  return fromBits(sign | (exponent + 112) << 23 | fraction << 13);
}

static uint16_t toF16(float value) {
  uint32_t bits = toBits(value);
  uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u)
    return static_cast<uint16_t>(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
  if (magnitude >= 0x477ff000u) // 65520 and above round to infinity
    return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    // Subnormal: adding 0.5 lets the adder round to multiples of 2^-24.
    float shifted = fromBits(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (toBits(shifted) - 0x3f000000u));
  }
  uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

int64_t sparsedrop::runtime::getElementBytes(sparsedrop_type type) {
  switch (type) {
  case SPARSEDROP_F64:
    return 8;
  case SPARSEDROP_F32:
    return 4;
  case SPARSEDROP_BF16:
  case SPARSEDROP_F16:
    return 2;
  }
  return 0;
}

template <typename T>
T sparsedrop::runtime::load(const void *data, sparsedrop_type type,
                            int64_t offset) {
  switch (type) {
  case SPARSEDROP_F64:
    return static_cast<T>(static_cast<const double *>(data)[offset]);
  case SPARSEDROP_F32:
    return static_cast<T>(static_cast<const float *>(data)[offset]);
  case SPARSEDROP_BF16:
    return fromBf16(static_cast<const uint16_t *>(data)[offset]);
  case SPARSEDROP_F16:
    return fromF16(static_cast<const uint16_t *>(data)[offset]);
  }
  return 0;
}

template <typename T>
void sparsedrop::runtime::storeElement(void *data, sparsedrop_type type,
                                       int64_t offset, T value) {
  switch (type) {
  case SPARSEDROP_F64:
    static_cast<double *>(data)[offset] = static_cast<double>(value);
    return;
  case SPARSEDROP_F32:
    static_cast<float *>(data)[offset] = static_cast<float>(value);
    return;
  case SPARSEDROP_BF16:
    static_cast<uint16_t *>(data)[offset] = toBf16(static_cast<float>(value));
    return;
  case SPARSEDROP_F16:
    static_cast<uint16_t *>(data)[offset] = toF16(static_cast<float>(value));
    return;
  }
}

//===----------------------------------------------------------------------===//
// Lines: the innermost loop
//===----------------------------------------------------------------------===//

// Strided copies gain from gathers where the processor has them. Sanitizers
// cannot run the resolvers of cloned functions.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) &&                   \
    !(defined(__has_feature) && (__has_feature(address_sanitizer) ||          \
                                 __has_feature(thread_sanitizer)))
#define SPARSEDROP_CLONES                                                      \
  __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define SPARSEDROP_CLONES
#endif

SPARSEDROP_CLONES
static void copyStrided32(const float *source, int64_t stride, int64_t count,
                          float *target) {
  if (stride == 2) {
    for (int64_t i = 0; i < count; ++i)
      target[i] = source[2 * i];
    return;
  }
  if (stride == 3) {
    for (int64_t i = 0; i < count; ++i)
      target[i] = source[3 * i];
    return;
  }
  if (stride == 4) {
    for (int64_t i = 0; i < count; ++i)
      target[i] = source[4 * i];
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    target[i] = source[stride * i];
}

SPARSEDROP_CLONES
static void copyStrided64(const double *source, int64_t stride, int64_t count,
                          double *target) {
  for (int64_t i = 0; i < count; ++i)
    target[i] = source[stride * i];
}

static void copyLine(const void *data, sparsedrop_type type, int64_t offset,
                     int64_t stride, int64_t count, float *target) {
  if (type == SPARSEDROP_F32) {
    const float *source = static_cast<const float *>(data) + offset;
    if (stride == 1)
      std::memcpy(target, source, static_cast<size_t>(count) * sizeof(float));
    else
      copyStrided32(source, stride, count, target);
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    target[i] = load<float>(data, type, offset + i * stride);
}

static void copyLine(const void *data, sparsedrop_type type, int64_t offset,
                     int64_t stride, int64_t count, double *target) {
  if (type == SPARSEDROP_F64) {
    const double *source = static_cast<const double *>(data) + offset;
    if (stride == 1)
      std::memcpy(target, source, static_cast<size_t>(count) * sizeof(double));
    else
      copyStrided64(source, stride, count, target);
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    target[i] = load<double>(data, type, offset + i * stride);
}

//===----------------------------------------------------------------------===//
// Panels
//===----------------------------------------------------------------------===//

/// Calls visit(position, offset, stride, length) for the runs of columns
/// [first, first + count) along the innermost loop of the group.
template <typename Visit>
static void forEachRun(const LoopGroup &group, Operand operand, int64_t first,
                       int64_t count, Visit visit) {
  Loop inner = group.getInner();
  int64_t position = 0;
  while (position < count) {
    int64_t index = first + position;
    int64_t length =
        std::min(inner.extent - index % inner.extent, count - position);
    visit(position, group.getOffset(operand, index), inner.strides[operand],
          length);
    position += length;
  }
}

template <typename T>
void sparsedrop::runtime::pack(const View &view, const LoopGroup &rowLoops,
                               const LoopGroup &columnLoops, int64_t firstRow,
                               int64_t rows, int64_t firstColumn,
                               int64_t columns, T *packed) {
  for (int64_t row = 0; row < rows; ++row) {
    int64_t base =
        view.offset + rowLoops.getOffset(view.operand, firstRow + row);
    T *target = packed + row * columns;
    forEachRun(columnLoops, view.operand, firstColumn, columns,
               [&](int64_t position, int64_t offset, int64_t stride,
                   int64_t length) {
                 copyLine(view.data, view.type, base + offset, stride, length,
                          target + position);
               });
  }
}

template <typename T>
void sparsedrop::runtime::store(void *c, sparsedrop_type type, int64_t offset,
                                const LoopGroup &m, const LoopGroup &n,
                                int64_t firstRow, int64_t rows, int64_t columns,
                                const T *sums, int64_t ld, bool accumulate) {
  for (int64_t row = 0; row < rows; ++row) {
    int64_t base = offset + m.getOffset(C, firstRow + row);
    const T *line = sums + row * ld;
    forEachRun(n, C, 0, columns,
               [&](int64_t position, int64_t start, int64_t stride,
                   int64_t length) {
                 for (int64_t i = 0; i < length; ++i) {
                   int64_t at = base + start + i * stride;
                   T sum = line[position + i];
                   if (accumulate)
                     sum += load<T>(c, type, at);
                   storeElement<T>(c, type, at, sum);
                 }
               });
  }
}

#define INSTANTIATE(T)                                                         \
  template T sparsedrop::runtime::load<T>(const void *, sparsedrop_type,       \
                                          int64_t);                            \
  template void sparsedrop::runtime::storeElement<T>(void *, sparsedrop_type,  \
                                                     int64_t, T);              \
  template void sparsedrop::runtime::pack<T>(                                  \
      const View &, const LoopGroup &, const LoopGroup &, int64_t, int64_t,    \
      int64_t, int64_t, T *);                                                  \
  template void sparsedrop::runtime::store<T>(                                 \
      void *, sparsedrop_type, int64_t, const LoopGroup &, const LoopGroup &,  \
      int64_t, int64_t, int64_t, const T *, int64_t, bool);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE
