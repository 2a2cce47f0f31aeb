//===- ProgramTest.cpp - Programs on the interpreter ----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramTest.h"

#include <thread>

using namespace sparsedrop::test;

TEST_F(ProgramTest, Runs) {
  std::vector<int64_t> values(64), back(64);
  for (int64_t i = 0; i < 64; ++i)
    values[i] = i;
  ASSERT_EQ(enter(), 0) << sparsedrop_last_error();
  auto *p = static_cast<char *>(sparsedrop_program_alloc(256, 512));
  auto *q = static_cast<char *>(sparsedrop_program_alloc(16, 512));
  EXPECT_EQ(toWord(p) % 256, 0);
  EXPECT_EQ(toWord(q) % 256, 0);
  sparsedrop_program_upload(p, values.data(), 512);
  add(q, p, 1000, 2);
  add(p, q, 0x1200, 2);
  sparsedrop_program_copy(q, p, 256);
  sparsedrop_program_download(back.data(), q, 512);
  for (int64_t i = 0; i < 64; ++i)
    EXPECT_EQ(back[i], i < 32 ? i + 1000 + 0x1200 : i + 1000) << i;
  EXPECT_EQ(sparsedrop_program_read(p + 8, 8), 1 + 1000 + 0x1200);
  // 5608 + 3 = 0x15EB.
  EXPECT_EQ(sparsedrop_program_read(p + 24, 1), 0xEB);
  EXPECT_EQ(sparsedrop_program_read(p + 24, 2), 0x15EB);
  add(p, q, 1, 0);
  sparsedrop_program_upload(p, nullptr, 0);
  sparsedrop_program_copy(p, nullptr, 0);
  sparsedrop_program_download(nullptr, p, 0);
  sparsedrop_program_free(p);
  sparsedrop_program_free(q);
  EXPECT_OK(sparsedrop_program_leave());
  sparsedrop_program_statistics statistics = getStatistics();
  EXPECT_EQ(statistics.launches, 2u);
  EXPECT_EQ(statistics.copies, 1u);
  EXPECT_EQ(statistics.uploads, 1u);
  EXPECT_EQ(statistics.synchronizations, 4u);
  EXPECT_EQ(statistics.allocations, 2u);
  EXPECT_EQ(statistics.bytesInUse, 0u);
  EXPECT_EQ(statistics.bytesPeak, 1024u);
}

TEST_F(ProgramTest, Maps) {
  ASSERT_EQ(enter(), 0) << sparsedrop_last_error();
  auto *p = sparsedrop_program_alloc(256, 4096);
  EXPECT_GE(sparsedrop_program_processors(), 1);
  int64_t map[16], poison[16];
  std::fill_n(poison, 16, 0x5A5A);
  std::copy_n(poison, 16, map);
  // Every second of 32 rows of 64 elements of 16 bits.
  int64_t shape[] = {64, 0, 64, 1, 16, 256, 8, 1};
  sparsedrop_program_map(map, p, SPARSEDROP_MAP_BF16, 128, 2, shape);
  EXPECT_FALSE(std::equal(map, map + 16, poison));
  // Nothing there: no map.
  shape[4] = 0;
  sparsedrop_program_map(map, p, SPARSEDROP_MAP_BF16, 128, 2, shape);
  EXPECT_TRUE(std::all_of(map, map + 16, [](int64_t w) { return w == 0; }));
  EXPECT_OK(sparsedrop_program_leave());
}

TEST_F(ProgramTest, MapsThatDevicesRefuse) {
  struct {
    int64_t shape[8];
    int64_t offset;
    const char *message;
  } cases[] = {
      {{64, 0, 64, 1, 16, 258, 8, 1},
       0,
       "the stride of dimension 1 is 258 bytes"},
      {{64, 0, 64, 1, 16, 256, 257, 1},
       0,
       "the box size of dimension 1 is 257"},
      {{64, 0, 64, 1, 16, 256, 8, 9},
       0,
       "the element stride of dimension 1 is 9"},
      {{64, 0, 64, 1, 16, 256, 8, 1},
       2,
       "the global address is not a multiple of 16"},
      {{64, 0, 128, 1, 16, 256, 8, 1}, 0, "swizzle"},
  };
  for (const auto &each : cases) {
    ASSERT_EQ(enter(), 0) << sparsedrop_last_error();
    auto *p = static_cast<char *>(sparsedrop_program_alloc(256, 4096));
    int64_t map[16];
    sparsedrop_program_map(map, p + each.offset, SPARSEDROP_MAP_BF16, 128, 2,
                           each.shape);
    EXPECT_NE(sparsedrop_program_leave(), 0);
    EXPECT_NE(std::string(sparsedrop_last_error()).find(each.message),
              std::string::npos)
        << sparsedrop_last_error();
  }
}

TEST_F(ProgramTest, Constants) {
  ASSERT_EQ(enter(), 0) << sparsedrop_last_error();
  auto *weights = static_cast<char *>(sparsedrop_program_constant(0));
  ASSERT_NE(weights, nullptr) << sparsedrop_last_error();
  EXPECT_EQ(sparsedrop_program_constant(0), weights);
  EXPECT_EQ(sparsedrop_program_read(weights, 8), 40);
  EXPECT_EQ(sparsedrop_program_read(weights + 8, 8), 2);
  sparsedrop_program_check_argument(0, weights, 16);
  EXPECT_OK(sparsedrop_program_leave());
}

TEST_F(ProgramTest, Memory) {
  sparsedrop_stream *stream = sparsedrop_stream_create(device);
  ASSERT_EQ(enter(), 0) << sparsedrop_last_error();
  EXPECT_EQ(sparsedrop_program_alloc(64, 0), nullptr);
  sparsedrop_program_free(nullptr);
  void *p = sparsedrop_program_alloc(64, 1000);
  void *large = sparsedrop_program_alloc(64, 100000);
  EXPECT_NE(sparsedrop_program_alloc(64, 1000), p);
  sparsedrop_program_free(p);
  sparsedrop_program_free(large);
  // Another size that fits, but not a tiny one into a large place.
  EXPECT_EQ(sparsedrop_program_alloc(64, 900), p);
  EXPECT_NE(sparsedrop_program_alloc(64, 300), large);
  sparsedrop_program_free(p);
  // Never between streams: what one has freed may still be in use there.
  ASSERT_EQ(enter(stream), 0) << sparsedrop_last_error();
  void *other = sparsedrop_program_alloc(64, 1000);
  EXPECT_NE(other, p);
  EXPECT_OK(sparsedrop_program_leave());
  // A result is freed by its caller, and serves its own stream again.
  EXPECT_EQ(sparsedrop_program_alloc(64, 1000), p);
  EXPECT_OK(sparsedrop_program_release(device, other));
  EXPECT_NE(sparsedrop_program_alloc(64, 1000), other);
  ASSERT_EQ(enter(stream), 0) << sparsedrop_last_error();
  EXPECT_EQ(sparsedrop_program_alloc(64, 1000), other);
  EXPECT_OK(sparsedrop_program_leave());
  EXPECT_OK(sparsedrop_program_leave());
  // Once its stream has gone, everybody may have it.
  sparsedrop_stream_destroy(stream);
  EXPECT_OK(sparsedrop_program_release(device, other));
  EXPECT_EQ(enter(), 0);
  EXPECT_EQ(sparsedrop_program_alloc(64, 1000), other);
  EXPECT_OK(sparsedrop_program_leave());
  EXPECT_OK(sparsedrop_program_release(device, other));
  EXPECT_NE(sparsedrop_program_release(device, other), 0);
  EXPECT_ERROR("cannot free an address that no program has allocated");
  EXPECT_OK(sparsedrop_program_release(device, nullptr));
}

TEST_F(ProgramTest, Statistics) {
  ASSERT_EQ(enter(), 0) << sparsedrop_last_error();
  void *p = sparsedrop_program_alloc(64, 1024);
  sparsedrop_program_free(sparsedrop_program_alloc(64, 2048));
  EXPECT_EQ(getStatistics().bytesInUse, 1024u);
  EXPECT_EQ(getStatistics().bytesPeak, 3072u);
  sparsedrop_program_statistics_reset(device);
  EXPECT_EQ(getStatistics().bytesPeak, 1024u);
  EXPECT_EQ(getStatistics().allocations, 0u);
  sparsedrop_program_free(p);
  EXPECT_EQ(getStatistics().bytesInUse, 0u);
  EXPECT_EQ(getStatistics().bytesPeak, 1024u);
  EXPECT_OK(sparsedrop_program_leave());
  EXPECT_OK(sparsedrop_program_trim(device));
  EXPECT_EQ(getStatistics().synchronizations, 1u);
}

/// The source of an upload may change at once, long before its turn comes.
TEST_F(ProgramTest, UploadsAreCopied) {
  constexpr int64_t kBlocks = 2000;
  ASSERT_EQ(enter(), 0) << sparsedrop_last_error();
  void *p = sparsedrop_program_alloc(64, 256 * kBlocks);
  std::vector<int64_t> values(32 * kBlocks, 1);
  sparsedrop_program_upload(p, values.data(), 256 * kBlocks);
  for (int i = 0; i < 3; ++i)
    add(p, p, 1, kBlocks);
  int64_t word = 77;
  sparsedrop_program_upload(p, &word, 8);
  word = 5;
  EXPECT_EQ(sparsedrop_program_read(p, 8), 77);
  EXPECT_EQ(sparsedrop_program_read(static_cast<char *>(p) + 8, 8), 4);
  sparsedrop_program_free(p);
  EXPECT_OK(sparsedrop_program_leave());
}

/// Steps of two threads on streams of their own.
TEST_F(ProgramTest, Threads) {
  auto run = [&](int64_t seed, int64_t &result) {
    sparsedrop_stream *stream = sparsedrop_stream_create(device);
    for (int64_t step = 0; step < 20; ++step) {
      enter(stream);
      auto *p = static_cast<char *>(sparsedrop_program_alloc(64, 2560));
      auto *q = static_cast<char *>(sparsedrop_program_alloc(64, 2560));
      std::vector<int64_t> start(320, seed);
      sparsedrop_program_upload(p, start.data(), 2560);
      for (int64_t i = 0; i < 4; ++i) {
        add(q, p, step, 10);
        std::swap(p, q);
      }
      result += sparsedrop_program_read(p + 8 * (step + 300), 8);
      sparsedrop_program_free(p);
      sparsedrop_program_free(q);
      if (sparsedrop_program_leave() != 0)
        result = -1;
    }
    sparsedrop_stream_destroy(stream);
  };
  int64_t first = 0, second = 0;
  std::thread other(run, 1000, std::ref(first));
  run(5, second);
  other.join();
  EXPECT_EQ(first, 20 * 1000 + 4 * 190);
  EXPECT_EQ(second, 20 * 5 + 4 * 190);
  EXPECT_EQ(getStatistics().launches, 160u);
  EXPECT_EQ(getStatistics().bytesInUse, 0u);
}

TEST_F(ProgramTest, OtherChip) {
  Setting setting("SPARSEDROP_INTERP_ARCH", "80");
  sparsedrop_device *old = sparsedrop_device_open("interp", 0);
  std::deque<sparsedrop_program_image> images;
  auto enterOn = [&](sparsedrop_device *on, const char *chip) {
    sparsedrop_program_image &other = images.emplace_back(makeImage());
    other.chip = chip;
    sparsedrop_program_enter(on, nullptr, &other);
    return sparsedrop_program_leave();
  };
  EXPECT_OK(enterOn(old, "sm_80"));
  EXPECT_OK(enterOn(device, "sm_80"));
  EXPECT_NE(enterOn(old, "sm_90a"), 0);
  EXPECT_STREQ(
      sparsedrop_last_error(),
      "the program was compiled for sm_90a, but the device is an sm_80");
  sparsedrop_device_close(old);
}

TEST_F(ProgramTest, Arguments) {
  alignas(16) char host[64];
  uint64_t p = allocate(1024), q = allocate(1024);
  auto check = [&](uint64_t address, int64_t bytes) {
    enter();
    sparsedrop_program_check_argument(2, reinterpret_cast<void *>(address),
                                      bytes);
    add(nullptr, nullptr, 0, 1);
    return sparsedrop_program_leave();
  };
  uint64_t low = std::min(p, q), high = std::max(p, q);
  for (auto [address, bytes] :
       {std::pair<uint64_t, int64_t>{low, 1025},
        {low, high - low + 16}, // from one allocation to the other
        {reinterpret_cast<uintptr_t>(host), 8}}) {
    EXPECT_NE(check(address, bytes), 0);
    EXPECT_ERROR("argument 2 is at 0x");
    EXPECT_ERROR("are not memory of the device; is it an array of the host?");
  }
  EXPECT_NE(check(p + 4, 4), 0);
  EXPECT_ERROR("which is not a multiple of 16 bytes");
  // Nothing has run after a failure, or it would be told now.
  EXPECT_OK(sparsedrop_device_synchronize(device));
  EXPECT_EQ(getStatistics().launches, 0u);
  enter();
  sparsedrop_program_check_argument(2, reinterpret_cast<void *>(p), 1024);
  sparsedrop_program_check_argument(2, host + 1, 0);
  EXPECT_OK(sparsedrop_program_leave());
}

/// What goes wrong on the device is told by what waits for it.
TEST_F(ProgramTest, FailureOnTheDevice) {
  ASSERT_EQ(enter(), 0) << sparsedrop_last_error();
  void *p = sparsedrop_program_alloc(64, 256);
  add(p, p, 1, 1);
  EXPECT_EQ(sparsedrop_program_read(p, 8), 0);
  sparsedrop_program_free(p);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_ERROR("kernel add");
  EXPECT_ERROR("uninitialized");
  EXPECT_EQ(getStatistics().bytesInUse, 0u);
  EXPECT_EQ(enter(), 0);
  EXPECT_OK(sparsedrop_program_leave());
}

/// A failure of any other function of the library counts as well.
TEST_F(ProgramTest, FailureElsewhere) {
  ASSERT_EQ(enter(), 0) << sparsedrop_last_error();
  int64_t word = 1;
  void *p = sparsedrop_program_alloc(64, 256);
  EXPECT_EQ(sparsedrop_check_pattern(0, 0, 4), 1);
  add(p, p, 1, 1);
  sparsedrop_program_upload(p, &word, 8);
  sparsedrop_program_copy(p, p, 8);
  sparsedrop_program_download(&word, p, 8);
  EXPECT_EQ(sparsedrop_program_read(p, 8), 0);
  EXPECT_EQ(sparsedrop_program_alloc(64, 8), nullptr);
  EXPECT_EQ(sparsedrop_program_constant(0), nullptr);
  sparsedrop_program_check_argument(0, nullptr, 8);
  // Memory is given back all the same.
  sparsedrop_program_free(p);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_ERROR("period");
  EXPECT_EQ(word, 1);
  sparsedrop_program_statistics statistics = getStatistics();
  EXPECT_EQ(statistics.launches + statistics.copies + statistics.uploads +
                statistics.synchronizations + statistics.bytesInUse,
            0u);
}

TEST_F(ProgramTest, WrongCalls) {
  auto expect = [&](auto call, const char *error) {
    enter();
    call();
    EXPECT_NE(sparsedrop_program_leave(), 0);
    EXPECT_ERROR(error);
  };
  int64_t word = 0;
  expect([&] { sparsedrop_program_read(&word, 9); },
         "expected to read 1 to 8 bytes, but got 9");
  expect([&] { sparsedrop_program_read(&word, 0); }, "8 bytes, but got 0");
  expect([] { sparsedrop_program_alloc(512, 8); },
         "expected an alignment of at most 256 bytes, but got 512");
  expect([&] { sparsedrop_program_free(&word); },
         "cannot free an address that no program has allocated");
  sparsedrop_device *other = sparsedrop_device_open("interp", 0);
  sparsedrop_stream *stream = sparsedrop_stream_create(other);
  EXPECT_NE(enter(stream), 0);
  add(nullptr, nullptr, 0, 1);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_ERROR("the stream belongs to another device");
  sparsedrop_stream_destroy(stream);
  sparsedrop_device_close(other);
}

/// A failure of an inner program is one of the outer as well.
TEST_F(ProgramTest, Nested) {
  EXPECT_EQ(enter(), 0);
  EXPECT_EQ(enter(), 0);
  EXPECT_OK(sparsedrop_program_leave());
  void *p = sparsedrop_program_alloc(64, 8);
  EXPECT_NE(p, nullptr);
  EXPECT_EQ(enter(), 0);
  sparsedrop_program_constant(1);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_EQ(sparsedrop_program_alloc(64, 8), nullptr);
  sparsedrop_program_free(p);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_ERROR("the program has no constant 1");
}

/// A device takes its images and its memory with it, used or not: one that is
/// opened at the same address has neither.
TEST_F(ProgramTest, EndOfDevice) {
  for (int i = 0; i < 4; ++i) {
    int64_t words[32] = {i};
    ASSERT_EQ(enter(), 0) << sparsedrop_last_error();
    void *p = sparsedrop_program_alloc(64, 256);
    sparsedrop_program_free(sparsedrop_program_alloc(64, 256));
    sparsedrop_program_upload(p, words, 256);
    add(p, p, 5, 1);
    EXPECT_EQ(sparsedrop_program_read(p, 8), i + 5);
    EXPECT_OK(sparsedrop_program_leave());
    EXPECT_EQ(getStatistics().allocations, 2u);
    sparsedrop_device_close(device);
    device = sparsedrop_device_open("interp", 0);
  }
}

/// Without a section there is nobody to tell.
TEST_F(ProgramTest, OutsideDeathTest) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const char *error = "error: a program's function was called outside of a";
  auto one = ::testing::ExitedWithCode(1);
  EXPECT_EXIT(sparsedrop_program_alloc(64, 8), one, error);
  EXPECT_EXIT(sparsedrop_program_free(nullptr), one, error);
  EXPECT_EXIT(add(nullptr, nullptr, 0, 1), one, error);
}
