//===- ContractTest.cpp - Products against plain loops --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace {

constexpr int64_t kA = SPARSEDROP_A, kB = SPARSEDROP_B, kC = SPARSEDROP_C;

/// Conversions written apart from the library's: by value, through ldexp.
double fromHalf(uint16_t bits, bool brain) {
  int exponentBits = brain ? 8 : 5, fractionBits = brain ? 7 : 10;
  int bias = (1 << (exponentBits - 1)) - 1;
  int exponent = bits >> fractionBits & ((1 << exponentBits) - 1);
  int fraction = bits & ((1 << fractionBits) - 1);
  double magnitude =
      exponent == 0
          ? std::ldexp(fraction, 1 - bias - fractionBits)
          : std::ldexp(fraction + (1 << fractionBits),
                       exponent - bias - fractionBits);
  return bits & 0x8000 ? -magnitude : magnitude;
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
  /// Small multiples of 1/8 in [-2, 2], exact in all types.
  void set(int64_t i, double value) {
    uint8_t *at = bytes.data() + i * width(type);
    auto narrow = static_cast<float>(value);
    if (type == SPARSEDROP_F64) {
      std::memcpy(at, &value, 8);
    } else if (type == SPARSEDROP_F32) {
      std::memcpy(at, &narrow, 4);
    } else {
      uint16_t half = 0;
      for (uint32_t bits = 0; bits < 0x10000; ++bits)
        if (fromHalf(static_cast<uint16_t>(bits), type == SPARSEDROP_BF16) ==
                value &&
            (bits & 0x7fff) < 0x7c00u)
          half = static_cast<uint16_t>(bits);
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

  static int64_t span(const std::vector<sparsedrop_loop> &loops,
                      int64_t sparsedrop_loop::*stride) {
    int64_t last = 0;
    for (const sparsedrop_loop &loop : loops)
      last += std::max<int64_t>(loop.extent - 1, 0) * (loop.*stride);
    return last + 1;
  }

  void check(std::mt19937 &random) const {
    constexpr int64_t kGuard = 5;
    Tensor a(typeA, span(loops, &sparsedrop_loop::strideA));
    Tensor b(typeB, span(loops, &sparsedrop_loop::strideB));
    Tensor c(typeC, span(loops, &sparsedrop_loop::strideC) + 2 * kGuard);
    auto draw = [&] { return (static_cast<int>(random() % 33) - 16) / 8.0; };
    std::vector<double> halves;
    for (Tensor *t : {&a, &b})
      for (int64_t i = 0; i < t->size(); ++i)
        t->set(i, draw());
    // Where C is not read it is poisoned: the bytes 0xFF are NaN in all types.
    if (accumulate)
      for (int64_t i = 0; i < c.size(); ++i)
        c.set(i, draw());
    Tensor before = c;
    std::vector<long double> sums(static_cast<size_t>(c.size()), 0),
        magnitudes(static_cast<size_t>(c.size()), 0);
    std::vector<bool> written(static_cast<size_t>(c.size()), false);
    int64_t depth = 1, total = 1, outputs = 1;
    for (const sparsedrop_loop &loop : loops) {
      total *= loop.extent;
      if (loop.operands == (kA | kB))
        depth *= loop.extent;
      else
        outputs *= loop.extent;
    }
    for (int64_t i = 0; i < total; ++i) {
      int64_t rest = i, atA = 0, atB = 0, atC = kGuard;
      for (const sparsedrop_loop &loop : loops) {
        int64_t index = rest % loop.extent;
        rest /= loop.extent;
        atA += index * loop.strideA;
        atB += index * loop.strideB;
        atC += index * loop.strideC;
      }
      long double term =
          static_cast<long double>(a.get(atA)) * b.get(atB);
      sums[atC] += term;
      magnitudes[atC] += std::abs(term);
      written[atC] = true;
    }
    // Elements whose sum has no terms are written as well.
    if (depth == 0)
      for (int64_t i = 0; i < outputs; ++i) {
        int64_t rest = i, atC = kGuard;
        for (const sparsedrop_loop &loop : loops) {
          if (loop.operands == (kA | kB))
            continue;
          atC += rest % loop.extent * loop.strideC;
          rest /= loop.extent;
        }
        written[atC] = true;
      }
    sparsedrop_contract(loops.data(), static_cast<int64_t>(loops.size()), typeA,
                        typeB, typeC, a.bytes.data(), b.bytes.data(),
                        c.bytes.data() + kGuard * Tensor::width(typeC),
                        accumulate);
    double unit = typeC == SPARSEDROP_F64 ? 0x1p-53 : 0x1p-24;
    for (int64_t i = 0; i < c.size(); ++i) {
      if (!written[i]) {
        int64_t width = Tensor::width(typeC);
        ASSERT_EQ(0, std::memcmp(c.bytes.data() + i * width,
                                 before.bytes.data() + i * width, width))
            << "element " << i << " is not part of C but was written";
        continue;
      }
      long double start = accumulate ? before.get(i) : 0;
      long double expected = start + sums[i];
      // Summing depth terms in any order errs by at most (depth + 1) u times
      // the sum of magnitudes (Higham, Accuracy and Stability, section 4.2),
      // storing by half a unit of C's type.
      double bound = static_cast<double>(
          (depth + 2) * unit * (magnitudes[i] + std::abs(start)) +
          getRoundoff(typeC) * std::abs(expected) + 1e-30);
      ASSERT_NEAR(static_cast<double>(expected), c.get(i), bound)
          << "element " << i;
    }
  }
};

sparsedrop_loop loop(int64_t extent, int64_t operands, int64_t a, int64_t b,
                     int64_t c) {
  return {extent, operands, a, b, c};
}

/// A row-major matrix product with any layout of each operand.
Case matmul(int64_t m, int64_t n, int64_t k, bool transA, bool transB,
            bool transC) {
  Case result;
  result.loops = {
      loop(m, kA | kC, transA ? 1 : k, 0, transC ? 1 : n),
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
  for (int trial = 0; trial < 400; ++trial) {
    Case c;
    int64_t strides[3] = {1, 1, 1};
    size_t count = 1 + random() % 6;
    for (size_t i = 0; i < count; ++i) {
      int64_t extents[] = {1, 2, 3, 5, 8, 13};
      sparsedrop_loop next{extents[random() % 6], kKinds[random() % 4], 0, 0,
                           0};
      int64_t *targets[] = {&next.strideA, &next.strideB, &next.strideC};
      for (int o = 0; o < 3; ++o) {
        if (!(next.operands >> o & 1))
          continue;
        strides[o] *= random() % 3 == 0 ? 1 + random() % 3 : 1;
        *targets[o] = strides[o];
        strides[o] *= next.extent;
      }
      c.loops.push_back(next);
    }
    std::shuffle(c.loops.begin(), c.loops.end(), random);
    c.accumulate = random() % 2;
    c.typeA = c.typeB = c.typeC = random() % 2 ? SPARSEDROP_F64
                                               : SPARSEDROP_F32;
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
    c.loops = {loop(130, kA | kC, 2 * 210, 0, 150),
               loop(150, kB | kC, 0, 3, 1),
               loop(210, kA | kB, 2, 450, 0)};
    ASSERT_NO_FATAL_FAILURE(c.check(random));
  }
  sparsedrop_set_threads(threads);
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
}

} // namespace
