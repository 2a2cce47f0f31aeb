//===- ContractTest.cpp - Products against plain loops --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr int64_t kA = SPARSEDROP_A, kB = SPARSEDROP_B, kC = SPARSEDROP_C;

/// Conversions written apart from the library's: by value, through ldexp.
double fromHalf(uint16_t bits, bool brain) {
  int exponentBits = brain ? 8 : 5, fractionBits = brain ? 7 : 10;
  int bias = (1 << (exponentBits - 1)) - 1;
  int exponent = bits >> fractionBits & ((1 << exponentBits) - 1);
  int fraction = bits & ((1 << fractionBits) - 1);
  if (exponent == (1 << exponentBits) - 1) {
    double special = fraction ? std::numeric_limits<double>::quiet_NaN()
                              : std::numeric_limits<double>::infinity();
    return bits & 0x8000 ? -special : special;
  }
  double magnitude = exponent == 0
                         ? std::ldexp(fraction, 1 - bias - fractionBits)
                         : std::ldexp(fraction + (1 << fractionBits),
                                      exponent - bias - fractionBits);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/// The same for 8 bits. e4m3 has no infinity and one NaN.
double fromByte(uint8_t bits, int32_t type) {
  bool isFine = type == SPARSEDROP_F8E4M3FN;
  int fractionBits = isFine ? 3 : 2, bias = isFine ? 7 : 15;
  int exponent = (bits & 0x7f) >> fractionBits;
  int fraction = bits & ((1 << fractionBits) - 1);
  double magnitude = exponent == 0
                         ? std::ldexp(fraction, 1 - bias - fractionBits)
                         : std::ldexp(fraction + (1 << fractionBits),
                                      exponent - bias - fractionBits);
  if (isFine ? (bits & 0x7f) == 0x7f : exponent == 31 && fraction != 0)
    magnitude = std::numeric_limits<double>::quiet_NaN();
  else if (!isFine && exponent == 31)
    magnitude = std::numeric_limits<double>::infinity();
  return bits & 0x80 ? -magnitude : magnitude;
}

/// The 16 bits of a multiple of 1/8 in [-2, 2], by search.
uint16_t findHalf(double value, bool brain) {
  static const auto table = [] {
    std::array<std::array<uint16_t, 33>, 2> found{};
    for (int kind = 0; kind < 2; ++kind)
      for (uint32_t bits = 0; bits < 0x10000; ++bits) {
        double eighths = 8 * fromHalf(static_cast<uint16_t>(bits), kind);
        if (std::abs(eighths) <= 16 && eighths == std::floor(eighths))
          found[kind][static_cast<size_t>(eighths + 16)] =
              static_cast<uint16_t>(bits);
      }
    return found;
  }();
  return table[brain][static_cast<size_t>(8 * value + 16)];
}

/// One operand: raw storage of some type with guard values around it.
struct Tensor {
  int32_t type;
  std::vector<uint8_t> bytes;

  Tensor(int32_t type, int64_t count)
      : type(type), bytes(static_cast<size_t>(count * width(type)), 0xFF) {}

  static int64_t width(int32_t type) {
    return type == SPARSEDROP_F64 ? 8 : type == SPARSEDROP_F32 ? 4 : 2;
  }
  int64_t size() const {
    return static_cast<int64_t>(bytes.size()) / width(type);
  }
  double get(int64_t i) const {
    const uint8_t *at = bytes.data() + i * width(type);
    if (type == SPARSEDROP_F64) {
      double value;
      std::memcpy(&value, at, 8);
      return value;
    }
    if (type == SPARSEDROP_F32) {
      float value;
      std::memcpy(&value, at, 4);
      return value;
    }
    uint16_t value;
    std::memcpy(&value, at, 2);
    return fromHalf(value, type == SPARSEDROP_BF16);
  }
  std::vector<double> values() const {
    std::vector<double> result;
    for (int64_t i = 0; i < size(); ++i)
      result.push_back(get(i));
    return result;
  }
  /// Stores multiples of 1/8 in [-2, 2], exact in all types, or any value in
  /// the two wide ones.
  void set(int64_t i, double value) {
    uint8_t *at = bytes.data() + i * width(type);
    auto narrow = static_cast<float>(value);
    if (type == SPARSEDROP_F64) {
      std::memcpy(at, &value, 8);
    } else if (type == SPARSEDROP_F32) {
      std::memcpy(at, &narrow, 4);
    } else {
      uint16_t half = findHalf(value, type == SPARSEDROP_BF16);
      std::memcpy(at, &half, 2);
    }
  }
};

/// Largest relative rounding error of a type.
double getRoundoff(int32_t type) {
  return type == SPARSEDROP_F64    ? 0x1p-53
         : type == SPARSEDROP_F32  ? 0x1p-24
         : type == SPARSEDROP_BF16 ? 0x1p-8
                                   : 0x1p-11;
}

/// A product, its reference, and the comparison.
struct Case {
  std::vector<sparsedrop_loop> loops;
  int32_t typeA = SPARSEDROP_F32, typeB = SPARSEDROP_F32,
          typeC = SPARSEDROP_F32;
  bool accumulate = false;

  using Stride = int64_t sparsedrop_loop::*;

  /// Elements before and after the first one that the loops reach.
  std::pair<int64_t, int64_t> reach(Stride stride) const {
    std::pair<int64_t, int64_t> result{0, 0};
    for (const sparsedrop_loop &loop : loops) {
      int64_t way = std::max<int64_t>(loop.extent - 1, 0) * (loop.*stride);
      (way < 0 ? result.first : result.second) += std::abs(way);
    }
    return result;
  }

  /// An operand with `guard` elements around it and where it begins.
  Tensor make(int32_t type, Stride stride, int64_t guard,
              int64_t &start) const {
    std::pair<int64_t, int64_t> ways = reach(stride);
    start = ways.first + guard;
    return {type, ways.first + ways.second + 1 + 2 * guard};
  }

  int64_t count(bool contracted) const {
    int64_t result = 1;
    for (const sparsedrop_loop &loop : loops)
      if ((loop.operands == (kA | kB)) == contracted)
        result *= loop.extent;
    return result;
  }

  /// Calls visit(atA, atB, atC) for all iterations, each loop on its own.
  template <typename Visit>
  void walk(size_t level, int64_t a, int64_t b, int64_t c,
            const Visit &visit) const {
    if (level == loops.size())
      return visit(a, b, c);
    const sparsedrop_loop &loop = loops[level];
    for (int64_t i = 0; i < loop.extent; ++i)
      walk(level + 1, a + i * loop.strideA, b + i * loop.strideB,
           c + i * loop.strideC, visit);
  }

  void check(std::mt19937 &random) const;
};

/// Runs the product and compares each element of C, and those around it, with
/// sums in long double.
void Case::check(std::mt19937 &random) const {
  int64_t startA, startB, startC;
  Tensor a = make(typeA, &sparsedrop_loop::strideA, 0, startA);
  Tensor b = make(typeB, &sparsedrop_loop::strideB, 0, startB);
  Tensor c = make(typeC, &sparsedrop_loop::strideC, 5, startC);
  std::uniform_real_distribution<double> real(-2, 2);
  auto fill = [&](Tensor &t) {
    bool wide = t.type == SPARSEDROP_F32 || t.type == SPARSEDROP_F64;
    for (int64_t i = 0; i < t.size(); ++i)
      t.set(i,
            wide ? real(random) : (static_cast<int>(random() % 33) - 16) / 8.0);
  };
  fill(a);
  fill(b);
  // Where C is not read it is poisoned: the bytes 0xFF are NaN in all types.
  if (accumulate)
    fill(c);
  Tensor before = c;
  auto size = static_cast<size_t>(c.size());
  std::vector<double> valuesA = a.values(), valuesB = b.values();
  std::vector<long double> sums(size, 0), magnitudes(size, 0);
  std::vector<bool> written(size, false);
  auto addTerm = [&](int64_t atA, int64_t atB, int64_t atC) {
    long double term = static_cast<long double>(valuesA[atA]) * valuesB[atB];
    sums[static_cast<size_t>(atC)] += term;
    magnitudes[static_cast<size_t>(atC)] += std::abs(term);
  };
  walk(0, startA, startB, startC, addTerm);
  // Elements whose sum has no terms are written as well.
  Case outputs = *this;
  for (sparsedrop_loop &loop : outputs.loops)
    if (loop.operands == (kA | kB))
      loop.extent = 1;
  auto mark = [&](int64_t, int64_t, int64_t atC) {
    written[static_cast<size_t>(atC)] = true;
  };
  outputs.walk(0, 0, 0, startC, mark);
  auto pointer = [](Tensor &t, int64_t at) {
    return t.bytes.data() + at * Tensor::width(t.type);
  };
  sparsedrop_contract(loops.data(), static_cast<int64_t>(loops.size()), typeA,
                      typeB, typeC, pointer(a, startA), pointer(b, startB),
                      pointer(c, startC), accumulate);
  double unit = typeC == SPARSEDROP_F64 ? 0x1p-53 : 0x1p-24;
  auto depth = static_cast<double>(count(/*contracted=*/true));
  for (int64_t i = 0; i < c.size(); ++i) {
    auto at = static_cast<size_t>(i);
    if (!written[at]) {
      ASSERT_EQ(0, std::memcmp(pointer(c, i), pointer(before, i),
                               static_cast<size_t>(Tensor::width(typeC))))
          << "element " << i << " is not part of C but was written";
      continue;
    }
    long double start = accumulate ? before.get(i) : 0;
    long double expected = start + sums[at];
    // Rounding both factors to the type of the sum and summing depth terms
    // and C in any order err by at most (depth + 3) u times the sum of
    // magnitudes (Higham, Accuracy and Stability, section 4.2), storing by
    // half a unit of C's type.
    double summing = static_cast<double>((depth + 3) * unit *
                                         (magnitudes[at] + std::abs(start)));
    // Below 2^-14 numbers of f16 are 2^-24 apart, however small they are.
    double least = typeC == SPARSEDROP_F16 ? 0x1p-25 : 0;
    double stored = static_cast<double>(std::abs(expected)) + summing;
    double bound = summing + std::max(getRoundoff(typeC) * stored, least);
    ASSERT_NEAR(static_cast<double>(expected), c.get(i), bound)
        << "element " << i;
  }
}

sparsedrop_loop loop(int64_t extent, int64_t operands, int64_t a, int64_t b,
                     int64_t c) {
  return {extent, operands, a, b, c};
}

/// A row-major matrix product with any layout of each operand.
Case matmul(int64_t m, int64_t n, int64_t k, bool transA, bool transB,
            bool transC) {
  Case result;
  result.loops = {loop(m, kA | kC, transA ? 1 : k, 0, transC ? 1 : n),
                  loop(n, kB | kC, 0, transB ? k : 1, transC ? m : 1),
                  loop(k, kA | kB, transA ? m : 1, transB ? 1 : n, 0)};
  return result;
}

TEST(Contract, AllLayouts) {
  std::mt19937 random(1);
  for (int64_t m : {1, 7, 64})
    for (int64_t n : {1, 5, 96})
      for (int64_t k : {1, 3, 65})
        for (int bits = 0; bits < 16; ++bits) {
          Case c = matmul(m, n, k, bits & 1, bits & 2, bits & 4);
          c.accumulate = bits & 8;
          ASSERT_NO_FATAL_FAILURE(c.check(random))
              << m << "x" << n << "x" << k << " layout " << bits;
        }
}

/// Few columns over a long depth: the result is the exact sum rounded once, so
/// that it cannot depend on how many columns are asked for.
TEST(Contract, NarrowProductsRoundOnce) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  constexpr int64_t rows = 67, depth = 1021, period = 3;
  std::vector<float> a(rows * depth), b(16 * period * depth);
  for (std::vector<float> *data : {&a, &b})
    for (float &value : *data)
      value = normal(random);
  for (int64_t columns : {1, 2, 5, 16})
    for (bool swapped : {false, true}) {
      sparsedrop_loop loops[] = {
          loop(rows, swapped ? kB | kC : kA | kC, depth, depth, columns),
          loop(columns, swapped ? kA | kC : kB | kC, period, period, 1),
          loop(depth, kA | kB, swapped ? 16 * period : 1,
               swapped ? 1 : 16 * period, 0)};
      std::vector<float> c(rows * columns, NAN);
      sparsedrop_contract(loops, 3, SPARSEDROP_F32, SPARSEDROP_F32,
                          SPARSEDROP_F32, swapped ? b.data() : a.data(),
                          swapped ? a.data() : b.data(), c.data(), 0);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) {
          long double sum = 0, magnitude = 0;
          for (int64_t k = 0; k < depth; ++k) {
            long double term = static_cast<long double>(a[i * depth + k]) *
                               b[16 * period * k + period * j];
            sum += term;
            magnitude += std::abs(term);
          }
          // One rounding to f32, and the sum's own in f64.
          double bound = static_cast<double>(0x1p-24L * std::abs(sum) +
                                             depth * 0x1p-53L * magnitude);
          ASSERT_NEAR(c[i * columns + j], static_cast<double>(sum), bound)
              << i << ", " << j << " of " << columns;
        }
    }
}

TEST(Contract, EveryPeriodOfRowsAndColumns) {
  std::mt19937 random(2);
  for (int64_t period = 1; period <= 8; ++period)
    for (int side = 0; side < 8; ++side) {
      int64_t m = 33, n = 40, k = 29;
      int64_t am = side & 1 ? period : 1, ak = side & 2 ? period : 1,
              bn = side & 4 ? period : 1;
      Case c;
      c.loops = {loop(m, kA | kC, am * k * ak, 0, n),
                 loop(n, kB | kC, 0, bn, 1),
                 loop(k, kA | kB, ak, ak * n * bn, 0)};
      ASSERT_NO_FATAL_FAILURE(c.check(random)) << period << " " << side;
    }
}

TEST(Contract, Granules) {
  // Rows of B in blocks of 4 of every third block; columns of C likewise.
  std::mt19937 random(3);
  Case c;
  c.loops = {loop(6, kA | kC, 20, 0, 96), loop(5, kA | kB, 4, 12 * 31, 0),
             loop(4, kA | kB, 1, 31, 0), loop(8, kB | kC, 0, 4, 12),
             loop(4, kB | kC, 0, 1, 1)};
  for (bool accumulate : {false, true}) {
    c.accumulate = accumulate;
    ASSERT_NO_FATAL_FAILURE(c.check(random));
  }
}

TEST(Contract, Convolution) {
  // NHWC input 2x9x11x5, kernel 3x2x5x6, stride 2, dilation 1 and 2.
  std::mt19937 random(4);
  for (int64_t stride : {1, 2})
    for (int64_t dilation : {1, 2}) {
      int64_t h = (9 - 2 * dilation - 1) / stride + 1;
      int64_t w = (11 - dilation - 1) / stride + 1;
      Case c;
      c.loops = {loop(2, kA | kC, 9 * 11 * 5, 0, h * w * 6),
                 loop(h, kA | kC, stride * 55, 0, w * 6),
                 loop(w, kA | kC, stride * 5, 0, 6),
                 loop(6, kB | kC, 0, 1, 1),
                 loop(3, kA | kB, dilation * 55, 60, 0),
                 loop(2, kA | kB, dilation * 5, 30, 0),
                 loop(5, kA | kB, 1, 6, 0)};
      ASSERT_NO_FATAL_FAILURE(c.check(random)) << stride << dilation;
      c.accumulate = true;
      ASSERT_NO_FATAL_FAILURE(c.check(random)) << stride << dilation;
    }
}

TEST(Contract, EveryTypeTriple) {
  std::mt19937 random(5);
  for (int32_t a = 0; a < 4; ++a)
    for (int32_t b = 0; b < 4; ++b)
      for (int32_t c = 0; c < 4; ++c) {
        Case product = matmul(9, 17, 23, false, false, false);
        product.typeA = a;
        product.typeB = b;
        product.typeC = c;
        product.accumulate = (a + b + c) % 2;
        ASSERT_NO_FATAL_FAILURE(product.check(random)) << a << b << c;
      }
}

TEST(Contract, ZeroExtents) {
  std::mt19937 random(6);
  for (bool accumulate : {false, true}) {
    Case product = matmul(3, 4, 0, false, false, false);
    product.accumulate = accumulate;
    ASSERT_NO_FATAL_FAILURE(product.check(random));
    product = matmul(0, 4, 5, false, false, false);
    product.accumulate = accumulate;
    ASSERT_NO_FATAL_FAILURE(product.check(random));
  }
}

/// Any groups, orders, gaps and types.
TEST(Contract, RandomLoopNests) {
  std::mt19937 random(7);
  constexpr int64_t kKinds[] = {kA | kB | kC, kA | kC, kB | kC, kA | kB};
  for (int trial = 0; trial < 800; ++trial) {
    Case c;
    int64_t strides[3] = {1, 1, 1};
    size_t count = 1 + random() % 8;
    int64_t total = 1;
    for (size_t i = 0; i < count; ++i) {
      int64_t extents[] = {1, 2, 3, 5, 8, 13};
      sparsedrop_loop next{extents[random() % 6], kKinds[random() % 4], 0, 0,
                           0};
      total *= next.extent;
      if (total > 100000) // the reference takes its time
        break;
      int64_t *targets[] = {&next.strideA, &next.strideB, &next.strideC};
      for (int o = 0; o < 3; ++o) {
        if (!(next.operands >> o & 1))
          continue;
        strides[o] *= random() % 3 == 0 ? 1 + random() % 3 : 1;
        *targets[o] = random() % 8 ? strides[o] : -strides[o];
        strides[o] *= next.extent;
        // Reads may overlap and repeat; writes may not.
        if (o < 2 && random() % 8 == 0)
          *targets[o] = static_cast<int64_t>(random() % 3);
      }
      c.loops.push_back(next);
    }
    std::shuffle(c.loops.begin(), c.loops.end(), random);
    c.accumulate = random() % 2;
    c.typeA = c.typeB = c.typeC = trial % 2;
    if (trial % 4 == 0) {
      c.typeA = static_cast<int32_t>(random() % 4);
      c.typeB = static_cast<int32_t>(random() % 4);
      c.typeC = static_cast<int32_t>(random() % 4);
    }
    ASSERT_NO_FATAL_FAILURE(c.check(random)) << "trial " << trial;
  }
}

/// Large enough for several threads and panels.
TEST(Contract, Threads) {
  std::mt19937 random(8);
  int32_t threads = sparsedrop_threads();
  for (int32_t count : {1, 2, 3}) {
    sparsedrop_set_threads(count);
    Case c;
    c.loops = {loop(130, kA | kC, 2 * 210, 0, 150), loop(150, kB | kC, 0, 3, 1),
               loop(210, kA | kB, 2, 450, 0)};
    ASSERT_NO_FATAL_FAILURE(c.check(random));
  }
  sparsedrop_set_threads(threads);
}

/// Sizes beyond every block and panel, so that products are cut in all ways.
TEST(Contract, PanelsOfEveryKind) {
  std::mt19937 random(9);
  constexpr int32_t kWide = SPARSEDROP_F32, kBrain = SPARSEDROP_BF16;
  struct Size {
    const char *what;
    int64_t m, n, k;
    int32_t a, b, c;
  };
  constexpr Size kSizes[] = {
      {"A by blocks, sums kept over panels", 600, 3, 4200, kBrain, kWide,
       kBrain},
      {"A by blocks, C stored by block", 300, 1100, 40, kBrain, kWide, kBrain},
      {"A shared, C direct", 20, 700, 300, kBrain, kWide, kWide},
      {"B in panels of depth", 2, 40000, 300, kWide, kBrain, kWide},
      {"both packed, depth split", 40, 30, 9000, kBrain, kBrain, kBrain},
      {"depth split, nothing packed", 7, 5, 9001, kWide, kWide, kWide},
      {"one long sum", 1, 1, 50000, kWide, kWide, kWide},
      {"few sums of packed operands", 1, 9, 20000, kBrain, kWide, kWide},
      {"few sums, one column", 9, 1, 20000, kWide, kBrain, kWide},
      {"one column, cut", 700, 1, 900, kWide, kWide, kWide},
      {"one row, cut", 1, 700, 900, kWide, kWide, kWide}};
  int32_t threads = sparsedrop_threads();
  constexpr std::pair<int32_t, int> kThreadsAndLayouts[] = {
      {1, 0}, {2, 3}, {5, 5}};
  for (auto [count, bits] : kThreadsAndLayouts) {
    sparsedrop_set_threads(count);
    for (const Size &size : kSizes) {
      Case c = matmul(size.m, size.n, size.k, bits & 1, bits & 2, bits & 4);
      c.typeA = size.a;
      c.typeB = size.b;
      c.typeC = size.c;
      c.accumulate = bits & 1;
      ASSERT_NO_FATAL_FAILURE(c.check(random))
          << size.what << ", layout " << bits << ", threads " << count;
    }
  }
  sparsedrop_set_threads(threads);
}

/// More unrounded sums than are kept at a time. Factors do not depend on the
/// depth, so that each element is depth times a product of powers of two, exact
/// in bf16: 600 has seven significant bits.
TEST(Contract, BandsOfRows) {
  constexpr int64_t kRows = 4200, kColumns = 2100, kDepth = 600;
  std::vector<float> a(kRows), b(kColumns);
  for (size_t i = 0; i < a.size(); ++i)
    a[i] = static_cast<float>(1 << i % 7);
  for (size_t j = 0; j < b.size(); ++j)
    b[j] = static_cast<float>(1 << j % 5);
  std::vector<uint16_t> c(kRows * kColumns, 0xFFFF);
  sparsedrop_loop loops[] = {loop(kRows, kA | kC, 1, 0, kColumns),
                             loop(kColumns, kB | kC, 0, 1, 1),
                             loop(kDepth, kA | kB, 0, 0, 0)};
  sparsedrop_contract(loops, 3, SPARSEDROP_F32, SPARSEDROP_F32, SPARSEDROP_BF16,
                      a.data(), b.data(), c.data(), 0);
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < kColumns; ++j)
      ASSERT_EQ(600.0 * (1 << i % 7) * (1 << j % 5),
                fromHalf(c[static_cast<size_t>(i * kColumns + j)], true))
          << i << " " << j;
}

/// Images outermost in C: too large for one temporary, so one product each.
TEST(Contract, OuterLoopsOfC) {
  std::mt19937 random(10);
  constexpr int64_t kSide = 20, kPadded = kSide + 2, kIn = 24, kOut = 64;
  Case c;
  c.loops = {loop(2, kA | kC, kIn * kPadded * kPadded, 0, kOut * kSide * kSide),
             loop(kSide, kA | kC, kPadded, 0, kSide),
             loop(kSide, kA | kC, 1, 0, 1),
             loop(kOut, kB | kC, 0, kIn * 9, kSide * kSide),
             loop(kIn, kA | kB, kPadded * kPadded, 9, 0),
             loop(3, kA | kB, kPadded, 3, 0),
             loop(3, kA | kB, 1, 1, 0)};
  for (bool accumulate : {false, true}) {
    c.accumulate = accumulate;
    ASSERT_NO_FATAL_FAILURE(c.check(random));
  }
}

/// Convolutions of any stride and dilation, their weight gradients too.
TEST(Contract, RandomConvolutions) {
  std::mt19937 random(11);
  auto draw = [&](int64_t lo, int64_t hi) {
    return lo +
           static_cast<int64_t>(random() % static_cast<uint64_t>(hi - lo + 1));
  };
  for (int trial = 0; trial < 120; ++trial) {
    int64_t out = draw(1, 9), taps = draw(1, 4), step = draw(1, 3),
            gap = draw(1, 3), in = draw(1, 12), filters = draw(1, 40);
    int64_t side = (out - 1) * step + (taps - 1) * gap + 1;
    bool channelsLast = trial % 2, gradient = trial % 3 == 0;
    int64_t pixel = channelsLast ? in : 1, line = pixel * side;
    int64_t channel = channelsLast ? 1 : side * side;
    int64_t result = channelsLast ? filters : 1;
    int64_t plane = channelsLast ? 1 : out * out;
    // Operands in the roles (image, filter, result).
    auto add = [&](Case &c, int64_t extent, int64_t image, int64_t filter,
                   int64_t target) {
      sparsedrop_loop next{extent, 0, image, gradient ? target : filter,
                           gradient ? filter : target};
      next.operands =
          (image ? kA : 0) | (next.strideB ? kB : 0) | (next.strideC ? kC : 0);
      c.loops.push_back(next);
    };
    Case c;
    add(c, out, step * line, 0, result * out);
    add(c, out, step * pixel, 0, result);
    add(c, filters, 0, channelsLast ? 1 : in * taps * taps, plane);
    add(c, in, channel, channelsLast ? filters : taps * taps, 0);
    add(c, taps, gap * line, channelsLast ? in * filters * taps : taps, 0);
    add(c, taps, gap * pixel, channelsLast ? in * filters : 1, 0);
    std::shuffle(c.loops.begin(), c.loops.end(), random);
    c.typeA = c.typeB = c.typeC =
        trial % 5 == 0 ? SPARSEDROP_F16 : SPARSEDROP_F32;
    c.accumulate = random() % 2;
    ASSERT_NO_FATAL_FAILURE(c.check(random)) << "trial " << trial;
  }
}

/// Windows that overlap in memory, which BLAS refuses as a matrix, on either
/// side and above the size of plain loops; repeated reads as well.
TEST(Contract, OverlappingWindows) {
  std::mt19937 random(13);
  for (int64_t step : {0, 1, 2, 6, 7})
    for (bool swap : {false, true}) {
      Case c;
      c.loops = {loop(50, kA | kC, step, 0, 40), loop(40, kB | kC, 0, 1, 1),
                 loop(7, kA | kB, 1, 40, 0)};
      if (swap)
        c.loops = {loop(50, kB | kC, 0, step, 1), loop(40, kA | kC, 1, 0, 50),
                   loop(7, kA | kB, 40, 1, 0)};
      ASSERT_NO_FATAL_FAILURE(c.check(random)) << step << swap;
    }
}

TEST(Contract, ManyItems) {
  std::mt19937 random(12);
  for (int64_t size : {1, 3, 12, 40}) {
    Case c = matmul(size, size + 1, size + 2, false, true, false);
    c.loops.insert(c.loops.begin() + 1,
                   loop(67, kA | kB | kC, size * (size + 2),
                        (size + 1) * (size + 2), size * (size + 1)));
    ASSERT_NO_FATAL_FAILURE(c.check(random)) << size;
    // Heads between rows and features, as in attention; 16-bit C.
    c.loops = {loop(5, kA | kB | kC, size, size, size),
               loop(9, kA | kC, 5 * size, 0, 5 * size),
               loop(size, kB | kC, 0, 1, 1),
               loop(size, kA | kB, 1, 5 * size, 0)};
    c.typeC = SPARSEDROP_F16;
    ASSERT_NO_FATAL_FAILURE(c.check(random)) << size;
  }
}

TEST(Contract, SeveralCallersAtOnce) {
  std::vector<std::thread> callers;
  for (unsigned i = 0; i < 4; ++i)
    callers.emplace_back([i] {
      std::mt19937 random(20 + i);
      for (int repeat = 0; repeat < 4; ++repeat) {
        Case c = matmul(120, 130, 140, repeat & 1, repeat & 2, false);
        c.typeB = repeat ? SPARSEDROP_F32 : SPARSEDROP_BF16;
        c.check(random);
      }
    });
  for (std::thread &caller : callers)
    caller.join();
}

/// Every 16-bit number through a product with 1 and back, and to f32.
TEST(Contract, EveryHalf) {
  constexpr int64_t kCount = 0x10000;
  std::vector<uint16_t> in(kCount), out(kCount);
  std::vector<float> wide(kCount);
  for (int64_t i = 0; i < kCount; ++i)
    in[static_cast<size_t>(i)] = static_cast<uint16_t>(i);
  float one = 1;
  // One contracted iteration of extent 1 makes it an outer product.
  std::vector<sparsedrop_loop> loops = {loop(kCount, kA | kC, 1, 0, 1)};
  for (int32_t type : {SPARSEDROP_BF16, SPARSEDROP_F16}) {
    sparsedrop_contract(loops.data(), 1, type, SPARSEDROP_F32, type, in.data(),
                        &one, out.data(), 0);
    sparsedrop_contract(loops.data(), 1, type, SPARSEDROP_F32, SPARSEDROP_F32,
                        in.data(), &one, wide.data(), 0);
    for (size_t i = 0; i < kCount; ++i) {
      double value = fromHalf(in[i], type == SPARSEDROP_BF16);
      double back = fromHalf(out[i], type == SPARSEDROP_BF16);
      if (std::isnan(value)) {
        ASSERT_TRUE(std::isnan(back) && std::isnan(wide[i])) << i;
        continue;
      }
      // Adding the product to a sum of zero may lose the sign of a zero.
      ASSERT_TRUE(value == 0 ? back == 0 : in[i] == out[i]) << i;
      ASSERT_EQ(value, static_cast<double>(wide[i])) << i;
    }
  }
}

/// Every 8-bit number to f32 and back.
TEST(Contract, EveryByte) {
  constexpr int64_t kCount = 0x100;
  std::vector<uint8_t> in(kCount), out(kCount);
  std::vector<float> wide(kCount);
  for (int64_t i = 0; i < kCount; ++i)
    in[static_cast<size_t>(i)] = static_cast<uint8_t>(i);
  float one = 1;
  sparsedrop_loop loops[] = {loop(kCount, kA | kC, 1, 0, 1)};
  for (int32_t type : {SPARSEDROP_F8E4M3FN, SPARSEDROP_F8E5M2}) {
    sparsedrop_contract(loops, 1, type, SPARSEDROP_F32, type, in.data(), &one,
                        out.data(), 0);
    sparsedrop_contract(loops, 1, type, SPARSEDROP_F32, SPARSEDROP_F32,
                        in.data(), &one, wide.data(), 0);
    for (size_t i = 0; i < kCount; ++i) {
      double value = fromByte(in[i], type), back = fromByte(out[i], type);
      if (std::isnan(value)) {
        ASSERT_TRUE(std::isnan(back) && std::isnan(wide[i])) << i;
        continue;
      }
      ASSERT_TRUE(value == 0 ? back == 0 : in[i] == out[i]) << i;
      ASSERT_EQ(value, static_cast<double>(wide[i])) << i;
    }
  }
}

/// Halfway between two neighbours of 8 bits and a step to either side; the last
/// is halfway to what would be the next number: infinity, or NaN.
TEST(Contract, RoundsBytesToNearestEven) {
  sparsedrop_loop loops[] = {loop(3, kA | kC, 1, 0, 1)};
  float one = 1;
  for (int32_t type : {SPARSEDROP_F8E4M3FN, SPARSEDROP_F8E5M2}) {
    uint8_t last = type == SPARSEDROP_F8E4M3FN ? 0x7e : 0x7b;
    for (uint8_t bits = 0; bits <= last; ++bits) {
      double low = fromByte(bits, type);
      double high = bits < last ? fromByte(static_cast<uint8_t>(bits + 1), type)
                                : 2 * low - fromByte(bits - 1, type);
      auto middle = static_cast<float>((low + high) / 2);
      float sums[3] = {std::nextafter(middle, 0.0f), middle,
                       std::nextafter(middle, INFINITY)};
      for (uint8_t sign : {0, 0x80}) {
        uint8_t out[3];
        sparsedrop_contract(loops, 1, SPARSEDROP_F32, SPARSEDROP_F32, type,
                            sums, &one, out, 0);
        // The sign of a zero may be lost.
        ASSERT_EQ(bits == 0 ? 0 : bits | sign, out[0] & (bits ? 0xff : 0x7f));
        ASSERT_EQ(bits + (bits & 1), out[1] & 0x7f) << int(bits);
        ASSERT_EQ((bits + 1) | sign, out[2]) << int(bits);
        for (float &sum : sums)
          sum = -sum;
      }
    }
    float huge[3] = {1e30f, INFINITY, NAN};
    uint8_t out[3];
    sparsedrop_contract(loops, 1, 0, 0, type, huge, &one, out, 0);
    EXPECT_EQ(last + 1, out[0]);
    EXPECT_EQ(last + 1, out[1]);
    EXPECT_TRUE(std::isnan(fromByte(out[2], type)));
  }
}

/// Halfway between two neighbours, and a step to either side of it.
TEST(Contract, RoundsToNearestEven) {
  sparsedrop_loop loops[] = {loop(3, kA | kC, 1, 0, 1)};
  float one = 1;
  for (int32_t type : {SPARSEDROP_BF16, SPARSEDROP_F16}) {
    bool brain = type == SPARSEDROP_BF16;
    uint16_t last = brain ? 0x7f7f : 0x7bff;
    for (uint16_t bits = 0; bits < last; ++bits) {
      double low = fromHalf(bits, brain);
      double high = fromHalf(static_cast<uint16_t>(bits + 1), brain);
      // Halfway between subnormals of bf16 is exact in f32 as well.
      auto middle = static_cast<float>((low + high) / 2);
      float sums[3] = {std::nextafter(middle, 0.0f), middle,
                       std::nextafter(middle, INFINITY)};
      uint16_t out[3];
      sparsedrop_contract(loops, 1, SPARSEDROP_F32, SPARSEDROP_F32, type, sums,
                          &one, out, 0);
      ASSERT_EQ(bits, out[0]) << bits;
      ASSERT_EQ(bits + (bits & 1), out[1]) << bits;
      ASSERT_EQ(bits + 1, out[2]) << bits;
    }
  }
  // The same for what lies beyond the largest f16.
  float large[3] = {65519.996f, 65520.0f, 1e30f};
  uint16_t out[3];
  sparsedrop_contract(loops, 1, 0, 0, SPARSEDROP_F16, large, &one, out, 0);
  EXPECT_EQ(0x7bff, out[0]);
  EXPECT_EQ(0x7c00, out[1]);
  EXPECT_EQ(0x7c00, out[2]);
}

/// 256 + (1 + 2^-9) is 258 in bf16; rounding the sum first would give 256.
TEST(Contract, AccumulatesWithOneRounding) {
  float a[2] = {1, 0x1p-9f}, b[2] = {1, 1};
  sparsedrop_loop loops[] = {loop(2, kA | kB, 1, 1, 0)};
  uint16_t c = 0x4380; // 256
  sparsedrop_contract(loops, 1, 0, 0, SPARSEDROP_BF16, a, b, &c, 1);
  EXPECT_EQ(0x4381, c); // 258
}

/// What is kept propagates NaN and infinity, also times zero.
TEST(Contract, PropagatesNaN) {
  for (int64_t m : {1, 5, 40})
    for (int64_t n : {1, 40}) {
      constexpr int64_t kDepth = 64;
      std::vector<float> a(static_cast<size_t>(m * kDepth), 0),
          b(static_cast<size_t>(kDepth * n), 1), c(static_cast<size_t>(m * n));
      b[static_cast<size_t>(7 * n)] = INFINITY; // B[7, 0]
      Case product = matmul(m, n, kDepth, false, false, false);
      sparsedrop_contract(product.loops.data(), 3, 0, 0, 0, a.data(), b.data(),
                          c.data(), 0);
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j)
          EXPECT_EQ(j == 0, std::isnan(c[static_cast<size_t>(i * n + j)]))
              << m << "x" << n << " at " << i << " " << j;
    }
}

/// A panel that no machine has memory for.
TEST(Contract, OutOfMemoryLeavesC) {
  sparsedrop_loop loops[] = {loop(int64_t{1} << 44, kB | kC, 0, 0, 1),
                             loop(3, kA | kB, 1, 1, 0)};
  uint16_t b[3] = {0, 0, 0};
  float a[3] = {1, 1, 1}, c = 7;
  sparsedrop_enter();
  sparsedrop_contract(loops, 2, SPARSEDROP_F32, SPARSEDROP_BF16, SPARSEDROP_F32,
                      a, b, &c, 0);
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_NE(std::string(sparsedrop_last_error()).find("out of memory"),
            std::string::npos);
  EXPECT_EQ(7, c);
}

TEST(Contract, RefusesOtherLoops) {
  sparsedrop_loop bad = loop(2, kA, 1, 0, 0);
  float a[2] = {1, 1}, b = 1, c = 7;
  sparsedrop_enter();
  sparsedrop_contract(&bad, 1, 0, 0, 0, a, &b, &c, 0);
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_NE(std::string(sparsedrop_last_error()).find("loop"),
            std::string::npos);
  EXPECT_EQ(7, c);
  bad.operands = kA | kC;
  sparsedrop_enter();
  sparsedrop_contract(&bad, 1, 0, 9, 0, a, &b, &c, 0);
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_EQ(7, c);
  bad.extent = -2;
  sparsedrop_loop huge[] = {loop(INT64_MAX, kA | kC, 0, 0, 1),
                            loop(3, kB | kC, 0, 0, 1)};
  sparsedrop_enter();
  sparsedrop_contract(&bad, 1, 0, 0, 0, a, &b, &c, 0);
  EXPECT_EQ(1, sparsedrop_leave());
  sparsedrop_enter();
  sparsedrop_contract(huge, 2, 0, 0, 0, a, &b, &c, 0);
  EXPECT_EQ(1, sparsedrop_leave());
  EXPECT_EQ(7, c);
}

} // namespace
