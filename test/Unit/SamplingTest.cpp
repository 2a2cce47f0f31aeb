//===- SamplingTest.cpp - Random bits, draws, rounding --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"
#include "sparsedrop/Sampling/Distribution.h"
#include "sparsedrop/Sampling/Philox.h"

#include "gtest/gtest.h"

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace sparsedrop;

namespace {

using Words = std::array<uint32_t, 4>;

Words philox(std::array<uint32_t, 2> key, Words counter) {
  Words out;
  sparsedrop_philox4x32_10(key.data(), counter.data(), out.data());
  return out;
}

// The philox4x32-10 lines of Random123's kat_vectors.
TEST(Philox, PublishedKnownAnswers) {
  uint32_t ones = 0xffffffff;
  EXPECT_EQ((Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}),
            philox({0, 0}, {0, 0, 0, 0}));
  EXPECT_EQ((Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}),
            philox({ones, ones}, {ones, ones, ones, ones}));
  EXPECT_EQ((Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}),
            philox({0xa4093822, 0x299f31d0},
                   {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}));
}

// Published with the FNV specification (RFC 9923).
TEST(SiteHash, PublishedKnownAnswers) {
  EXPECT_EQ(0xcbf29ce484222325u, sparsedrop_site_hash("", 0));
  EXPECT_EQ(0xaf63dc4c8601ec8cu, sparsedrop_site_hash("a", 1));
  EXPECT_EQ(0x85944171f73967e8u, sparsedrop_site_hash("foobar", 6));
}

TEST(SiteHash, IndexIsEightLittleEndianBytes) {
  std::string text = "fc1";
  uint64_t hash = sparsedrop_site_hash(text.data(), text.size());
  std::string longer =
      text + std::string("\x08\x07\x06\x05\x04\x03\x02\x81", 8);
  EXPECT_EQ(sparsedrop_site_hash(longer.data(), longer.size()),
            sparsedrop_site_hash_index(
                hash, static_cast<int64_t>(uint64_t{0x8102030405060708})));
}

const std::vector<int32_t> kA = {220700, 250700, 261500, 267100};
const std::vector<int32_t> kB = {313700, 143300, 110300, 96800,
                                 89500,  85000,  81800,  79600};
const std::vector<int32_t> kC = {0, 1000000};
const std::vector<int32_t> kD = {0, 0, 1000000};

struct DrawVector {
  std::string site;
  bool hasIndex;
  int64_t index, seed, step;
  const std::vector<int32_t> &millionths;
  uint64_t hash;
  int64_t period, bias;
};

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

// The table of docs/sampling.md, made by an independent program in Python.
// Vectors 2 and 3 lie on both sides of the limit between periods 1 and 2.
const DrawVector kDraws[] = {
    {"fc1", false, 0, 0, 0, kA, 0xdcc05318fee5d90d, 2, 0},
    {"fc1", false, 0, 0, 88814, kA, 0xdcc05318fee5d90d, 1, 0},
    {"fc1", false, 0, 0, 1082017, kA, 0xdcc05318fee5d90d, 2, 1},
    {"fc2", false, 0, 42, 1009, kB, 0xdcc05018fee5d3f4, 8, 5},
    {"", false, 0, 1, 1, kB, 0xcbf29ce484222325, 7, 2},
    {"schicht-\xc3\xa4", false, 0, -1, -4, kB, 0x2b9cff158481e667, 7, 5},
    {"lstm", true, 0, 7, 3, kA, 0x68c2caeda66763fb, 3, 2},
    {"lstm", true, -1, 7, 8, kB, 0x3325c69ea4129a73, 8, 7},
    {"encoder.layer.11", false, 0, 0x123456789abcdef, 1099511627781, kC,
     0xc56729f1d1ff96bc, 2, 1},
    {"fc1", false, 0, kMax, kMax, kD, 0xdcc05318fee5d90d, 3, 0},
};

TEST(Draw, Vectors) {
  for (const DrawVector &v : kDraws) {
    uint64_t hash = sparsedrop_site_hash(v.site.data(), v.site.size());
    if (v.hasIndex)
      hash = sparsedrop_site_hash_index(hash, v.index);
    EXPECT_EQ(v.hash, hash) << v.site;
    auto count = static_cast<int64_t>(v.millionths.size());
    int64_t packed = sparsedrop_draw(v.seed, v.step, hash, v.millionths.data(),
                                     count, count);
    EXPECT_EQ(v.period, packed & 0xffffffff) << v.site << " " << v.step;
    EXPECT_EQ(v.bias, packed >> 32) << v.site << " " << v.step;
  }
}

// From the same program.
TEST(ElementWord, Vectors) {
  uint64_t fc1 = sampling::siteHash("fc1", 3);
  uint64_t conv2 = sampling::siteHash("conv2", 5);
  EXPECT_EQ(0x5e3b7132u, sampling::elementWord(0, 0, fc1, 0));
  EXPECT_EQ(0x9a158103u, sampling::elementWord(0, 0, fc1, 3));
  EXPECT_EQ(0x265cc357u, sampling::elementWord(0, 0, fc1, 4));
  EXPECT_EQ(0xa985b18au, sampling::elementWord(9, 17, conv2, 8589934598));
}

/// Runs `call` in a guarded section; returns its error, "" if it had none.
template <typename Call> std::string getError(Call call) {
  sparsedrop_enter();
  call();
  return sparsedrop_leave() ? sparsedrop_last_error() : "";
}

TEST(Draw, RefusesPeriodsAboveTheUnits) {
  int64_t packed = 0;
  auto drawB = [&](int64_t units) {
    return getError(
        [&] { packed = sparsedrop_draw(0, 0, 0, kB.data(), 8, units); });
  };
  EXPECT_EQ("", drawB(8));
  EXPECT_EQ("the distribution gives period 8 a probability, but there are only "
            "7 units",
            drawB(7));
  EXPECT_EQ(1, packed);
  // Periods without a probability do not count.
  int32_t padded[] = {400000, 600000, 0, 0};
  EXPECT_EQ("", getError([&] { sparsedrop_draw(0, 0, 0, padded, 4, 2); }));
}

TEST(Draw, RefusesWhatIsNoDistribution) {
  const char *message = "expected a distribution of millionths that are at "
                        "least 0 and sum to 1000000";
  int32_t low[] = {400000, 599999}, negative[] = {-1, 1000001};
  int64_t packed = 0;
  for (int32_t *millionths : {low, negative, static_cast<int32_t *>(nullptr)}) {
    EXPECT_EQ(message, getError([&] {
                packed = sparsedrop_draw(3, 4, 5, millionths, 2, 9);
              }));
    EXPECT_EQ(1, packed);
  }
  EXPECT_EQ(message, getError([&] { sparsedrop_draw(3, 4, 5, low, 0, 9); }));
}

TEST(CheckPattern, AcceptsExactlyPatterns) {
  for (int64_t units = 0; units <= 4; ++units)
    for (int64_t period = -1; period <= 5; ++period)
      for (int64_t bias = -1; bias <= 5; ++bias) {
        int64_t packed = 0;
        std::string error = getError(
            [&] { packed = sparsedrop_check_pattern(period, bias, units); });
        // No units: the dense pattern only.
        bool isPattern = period >= 1 && (period <= units || period == 1) &&
                         bias >= 0 && bias < period;
        EXPECT_EQ(isPattern, error.empty()) << units << period << bias;
        EXPECT_EQ(isPattern ? period + bias * 4294967296 : 1, packed);
      }
  // The packed result has 32 bits for the period.
  EXPECT_NE("", getError([] {
              sparsedrop_check_pattern(int64_t{1} << 32, 0, int64_t{1} << 40);
            }));
}

TEST(RoundDistribution, SumsToAMillion) {
  uint32_t random = 1;
  for (size_t count = 1; count <= 40; ++count) {
    std::vector<double> p(count);
    double sum = 0;
    for (double &value : p) {
      random = random * 1664525 + 1013904223;
      // Some are zero, some are tiny.
      value =
          random % 5 == 0 ? 0 : std::exp2(-static_cast<double>(random >> 27));
      sum += value;
    }
    p[0] += sum == 0;
    for (double &value : p)
      value /= sum == 0 ? 1 : sum;
    std::vector<int32_t> millionths(count);
    ASSERT_EQ(0, sparsedrop_round_distribution(
                     p.data(), static_cast<int64_t>(count), millionths.data()));
    int64_t total = 0;
    for (size_t i = 0; i < count; ++i) {
      total += millionths[i];
      // Largest remainders: at most one away from p, and zero stays zero.
      EXPECT_LT(std::abs(millionths[i] - p[i] * 1e6), 1 + 1e-9);
      EXPECT_TRUE(p[i] > 0 || millionths[i] == 0);
    }
    EXPECT_EQ(1000000, total) << count;
  }
}

std::vector<int32_t> roundAll(const std::vector<double> &p) {
  std::vector<int32_t> millionths(p.size(), -1);
  EXPECT_EQ(0, sparsedrop_round_distribution(
                   p.data(), static_cast<int64_t>(p.size()), millionths.data()))
      << sparsedrop_last_error();
  return millionths;
}

TEST(RoundDistribution, LargestRemaindersThenLowerIndex) {
  using Result = std::vector<int32_t>;
  EXPECT_EQ((Result{333334, 333333, 333333}),
            roundAll({1.0 / 3, 1.0 / 3, 1.0 / 3}));
  // Remainders .25, .5 and .25.
  EXPECT_EQ((Result{250000, 250001, 499999}),
            roundAll({0.25000025, 0.2500005, 0.49999925}));
  // 0.29 * 10^6 is 289999.99... in double precision.
  EXPECT_EQ((Result{290000, 0, 710000}), roundAll({0.29, 0, 0.71}));
  // Sums that are off by a little less than 1e-6.
  EXPECT_EQ((Result{500000, 500000}), roundAll({0.5, 0.5000009}));
  EXPECT_EQ((Result{500000, 500000}), roundAll({0.5000005, 0.5000004}));
  EXPECT_EQ((Result{500000, 500000}), roundAll({0.5, 0.4999991}));
  EXPECT_EQ((Result{0, 1000000}), roundAll({0, 0.9999991}));
}

TEST(RoundDistribution, Failures) {
  double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> bad[] = {
      {0.5, nan},      {infinity, 0}, {1.5, -0.5}, {0.5, 0.499998},
      {0.5, 0.500002}, {0, 0},        {}};
  for (const std::vector<double> &p : bad) {
    std::vector<int32_t> millionths(2);
    EXPECT_EQ(1, sparsedrop_round_distribution(p.data(),
                                               static_cast<int64_t>(p.size()),
                                               millionths.data()));
    EXPECT_STRNE("", sparsedrop_last_error());
  }
}

} // namespace
