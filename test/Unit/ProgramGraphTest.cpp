//===- ProgramGraphTest.cpp - Programs in graphs, on the interpreter ------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramTest.h"

#include <thread>

using namespace sparsedrop::test;

namespace {
class ProgramGraphTest : public ProgramTest {
protected:
  void SetUp() override {
    ProgramTest::SetUp();
    stream = sparsedrop_stream_create(device);
  }
  ~ProgramGraphTest() override { sparsedrop_stream_destroy(stream); }

  /// Twice a temporary, in one place, an upload from memory that changes, and a
  /// result: x[i] becomes x[i] + 11 for i < 16 and 1000 i + 3 for the others,
  /// the result x[i] + 1.
  void *step(int64_t *x, sparsedrop_stream *on) {
    int64_t table[32];
    for (int64_t i = 0; i < 32; ++i)
      table[i] = 1000 * i;
    EXPECT_OK(enter(on));
    void *result = sparsedrop_program_alloc(64, 256);
    void *first = sparsedrop_program_alloc(64, 256);
    sparsedrop_program_upload(first, table, 256);
    std::fill_n(table, 32, -1);
    add(result, x, 1, 1);
    for (int64_t i = 0; i < 2; ++i)
      add(first, first, i + 1, 1);
    sparsedrop_program_copy(x, first, 256);
    sparsedrop_program_free(first);
    void *second = sparsedrop_program_alloc(64, 256);
    EXPECT_EQ(second, first);
    add(second, result, 10, 1);
    sparsedrop_program_copy(x, second, 128);
    sparsedrop_program_free(second);
    EXPECT_OK(sparsedrop_program_leave());
    return result;
  }
  std::vector<int64_t> read(const void *address, size_t count = 32) {
    std::vector<int64_t> values(count, -1);
    EXPECT_OK(enter());
    sparsedrop_program_download(values.data(), address, 8 * count);
    EXPECT_OK(sparsedrop_program_leave());
    return values;
  }
  void write(uint64_t to, const std::vector<int64_t> &values) {
    EXPECT_OK(sparsedrop_device_upload(device, nullptr, to, values.data(),
                                       8 * values.size()));
    EXPECT_OK(sparsedrop_device_synchronize(device));
  }
  /// Addresses that programs get on a stream for blocks of 256 bytes, which
  /// the caller releases.
  std::vector<void *> takeBlocks(sparsedrop_stream *on, int count) {
    std::vector<void *> blocks;
    EXPECT_OK(enter(on));
    for (int i = 0; i < count; ++i)
      blocks.push_back(sparsedrop_program_alloc(64, 256));
    EXPECT_OK(sparsedrop_program_leave());
    return blocks;
  }
  void release(const std::vector<void *> &blocks) {
    for (void *block : blocks)
      EXPECT_OK(sparsedrop_program_release(device, block));
  }

  sparsedrop_stream *stream = nullptr;
};

bool contains(const std::vector<void *> &blocks, void *block) {
  return std::count(blocks.begin(), blocks.end(), block) != 0;
}
} // namespace

/// N launches are N calls, bit for bit, with poison in the graph's memory
/// before each.
TEST_F(ProgramGraphTest, LaunchesAreCalls) {
  std::vector<int64_t> start(32);
  for (size_t i = 0; i < 32; ++i)
    start[i] = 7 * i;
  uint64_t x = allocate(256), y = allocate(256);
  write(x, start);
  write(y, start);
  EXPECT_OK(sparsedrop_program_capture_begin(device, stream));
  void *result = step(reinterpret_cast<int64_t *>(x), stream);
  sparsedrop_graph *graph = sparsedrop_program_capture_end();
  ASSERT_NE(graph, nullptr) << sparsedrop_last_error();
  EXPECT_EQ(read(reinterpret_cast<void *>(x)), start);
  sparsedrop_program_statistics before = getStatistics();
  for (int i = 0; i < 4; ++i) {
    EXPECT_OK(sparsedrop_device_fill(
        device, nullptr, reinterpret_cast<uint64_t>(result), 0xA5, 1, 256));
    EXPECT_OK(sparsedrop_device_synchronize(device));
    EXPECT_OK(sparsedrop_graph_launch(graph, i % 2 ? stream : nullptr));
    EXPECT_OK(sparsedrop_device_synchronize(device));
    void *called = step(reinterpret_cast<int64_t *>(y), nullptr);
    EXPECT_EQ(read(result), read(called)) << i;
    EXPECT_EQ(read(reinterpret_cast<void *>(x)),
              read(reinterpret_cast<void *>(y)))
        << i;
    release({called});
  }
  // Values that are known without either.
  std::vector<int64_t> after = read(reinterpret_cast<void *>(x));
  for (int64_t i = 0; i < 32; ++i)
    EXPECT_EQ(after[i], i < 16 ? 7 * i + 4 * 11 : 1000 * i + 3) << i;
  // Only the calls count.
  EXPECT_EQ(getStatistics().launches, before.launches + 16);
  release({result});
  sparsedrop_graph_destroy(graph);
  EXPECT_EQ(getStatistics().bytesInUse, 0u);
}

/// Blocks of a graph are nobody else's as long as it lives: not those of
/// temporaries, not a result that has been released, and trimming leaves them.
TEST_F(ProgramGraphTest, OwnsItsMemory) {
  uint64_t x = allocate(256);
  write(x, std::vector<int64_t>(32, 5));
  EXPECT_OK(sparsedrop_program_capture_begin(device, stream));
  void *result = step(reinterpret_cast<int64_t *>(x), stream);
  sparsedrop_graph *graph = sparsedrop_program_capture_end();
  ASSERT_NE(graph, nullptr) << sparsedrop_last_error();
  EXPECT_EQ(getStatistics().bytesInUse, 512u);
  EXPECT_EQ(getStatistics().allocations, 2u);
  release({result});
  EXPECT_EQ(getStatistics().bytesInUse, 512u);
  EXPECT_OK(sparsedrop_program_trim(device));
  for (sparsedrop_stream *on : {stream, (sparsedrop_stream *)nullptr}) {
    std::vector<void *> others = takeBlocks(on, 4);
    EXPECT_FALSE(contains(others, result));
    release(others);
  }
  // A second graph has memory of its own.
  EXPECT_OK(sparsedrop_program_capture_begin(device, stream));
  void *another = step(reinterpret_cast<int64_t *>(x), stream);
  sparsedrop_graph *second = sparsedrop_program_capture_end();
  ASSERT_NE(second, nullptr) << sparsedrop_last_error();
  EXPECT_NE(another, result);
  for (int i = 0; i < 2; ++i) {
    EXPECT_OK(sparsedrop_graph_launch(graph, stream));
    EXPECT_OK(sparsedrop_graph_launch(second, stream));
    EXPECT_OK(sparsedrop_device_synchronize(device));
  }
  EXPECT_EQ(read(another)[0], 5 + 3 * 11 + 1);
  // The graph goes; what nobody uses is any stream's.
  EXPECT_OK(sparsedrop_graph_launch(graph, stream));
  sparsedrop_graph_destroy(graph);
  EXPECT_EQ(getStatistics().bytesInUse, 512u);
  EXPECT_OK(sparsedrop_program_trim(device));
  sparsedrop_graph_destroy(second);
  // The result of the second is still used: its caller's.
  EXPECT_EQ(read(another)[0], 5 + 3 * 11 + 1);
  EXPECT_EQ(getStatistics().bytesInUse, 256u);
  std::vector<void *> blocks = takeBlocks(nullptr, 2);
  EXPECT_FALSE(contains(blocks, another));
  release({another});
  std::vector<void *> more = takeBlocks(stream, 1);
  EXPECT_TRUE(contains(more, another));
  release(blocks);
  release(more);
  EXPECT_EQ(getStatistics().bytesInUse, 0u);
}

TEST_F(ProgramGraphTest, FailuresEndCleanly) {
  uint64_t x = allocate(256);
  write(x, std::vector<int64_t>(32, 5));
  auto expect = [&](auto call, const char *error) {
    EXPECT_OK(sparsedrop_program_capture_begin(device, stream));
    EXPECT_OK(enter(stream));
    void *p = sparsedrop_program_alloc(64, 256);
    add(p, reinterpret_cast<void *>(x), 1, 1);
    call(p);
    sparsedrop_program_free(p);
    EXPECT_NE(sparsedrop_program_leave(), 0);
    EXPECT_ERROR(error);
    EXPECT_EQ(sparsedrop_program_capture_end(), nullptr);
    EXPECT_ERROR("the capture has failed: ");
    EXPECT_ERROR(error);
    EXPECT_EQ(getStatistics().bytesInUse, 0u);
    EXPECT_OK(sparsedrop_stream_synchronize(device, stream));
    EXPECT_OK(sparsedrop_device_synchronize(device));
  };
  int64_t word = 0;
  const char *waiting = "the program needs a value of the device on the host";
  expect([&](void *p) { sparsedrop_program_read(p, 8); }, waiting);
  expect([&](void *p) { sparsedrop_program_download(&word, p, 8); }, waiting);
  expect([&](void *) { sparsedrop_program_constant(7); },
         "the program has no constant 7");
  expect([&](void *) { sparsedrop_check_pattern(0, 0, 4); }, "period");
  EXPECT_EQ(getStatistics().synchronizations, 0u);
  // A failure of an earlier program is not forgotten by a later one.
  EXPECT_OK(sparsedrop_program_capture_begin(device, stream));
  EXPECT_NE(sparsedrop_program_capture_begin(device, stream), 0);
  EXPECT_ERROR("the thread is capturing programs already");
  EXPECT_OK(enter(stream));
  sparsedrop_program_constant(7);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_OK(enter(stream));
  EXPECT_OK(sparsedrop_program_leave());
  EXPECT_NE(sparsedrop_program_trim(device), 0);
  EXPECT_ERROR("a stream of the device is being captured");
  EXPECT_EQ(sparsedrop_program_capture_end(), nullptr);
  EXPECT_ERROR("the program has no constant 7");
  // Only the thread that captures may enter.
  EXPECT_OK(sparsedrop_program_capture_begin(device, stream));
  EXPECT_OK(enter(stream));
  std::thread other([&] {
    EXPECT_NE(enter(stream), 0);
    EXPECT_NE(sparsedrop_program_leave(), 0);
    EXPECT_ERROR("the stream is being captured, but not by");
    // On another stream it does what it always does.
    EXPECT_OK(enter());
    sparsedrop_program_free(sparsedrop_program_alloc(64, 256));
    EXPECT_OK(sparsedrop_program_leave());
    // A thread that ends takes its capture with it.
    sparsedrop_stream *own = sparsedrop_stream_create(device);
    EXPECT_OK(sparsedrop_program_capture_begin(device, own));
    EXPECT_OK(enter(own));
    EXPECT_NE(sparsedrop_program_alloc(64, 256), nullptr);
    EXPECT_OK(sparsedrop_program_leave());
    sparsedrop_stream_destroy(own);
  });
  other.join();
  EXPECT_OK(sparsedrop_program_leave());
  sparsedrop_graph *graph = sparsedrop_program_capture_end();
  EXPECT_NE(graph, nullptr) << sparsedrop_last_error();
  sparsedrop_graph_destroy(graph);
  EXPECT_OK(sparsedrop_device_synchronize(device));
}

/// A stream whose capture others end records nothing more, and runs nothing.
TEST_F(ProgramGraphTest, EndedByOthers) {
  uint64_t x = allocate(256);
  write(x, std::vector<int64_t>(32, 5));
  EXPECT_OK(sparsedrop_program_capture_begin(device, stream));
  EXPECT_OK(enter(stream));
  EXPECT_OK(sparsedrop_program_leave());
  EXPECT_OK(sparsedrop_capture_cancel(device, stream));
  EXPECT_NE(enter(stream), 0);
  auto *p = reinterpret_cast<void *>(x);
  add(p, p, 1, 1);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_ERROR("somebody else has ended the capture of the stream");
  EXPECT_EQ(sparsedrop_program_capture_end(), nullptr);
  EXPECT_OK(sparsedrop_device_synchronize(device));
  EXPECT_EQ(read(p), std::vector<int64_t>(32, 5));
}

/// A capture without programs, and handles that go before the graph.
TEST_F(ProgramGraphTest, OutlivesHandles) {
  EXPECT_OK(sparsedrop_program_capture_begin(device, stream));
  sparsedrop_graph *empty = sparsedrop_program_capture_end();
  ASSERT_NE(empty, nullptr) << sparsedrop_last_error();
  uint64_t x = allocate(256);
  write(x, std::vector<int64_t>(32, 5));
  EXPECT_OK(sparsedrop_program_capture_begin(device, stream));
  void *result = step(reinterpret_cast<int64_t *>(x), stream);
  // The capture still has it.
  sparsedrop_stream_destroy(stream);
  stream = nullptr;
  sparsedrop_graph *graph = sparsedrop_program_capture_end();
  ASSERT_NE(graph, nullptr) << sparsedrop_last_error();
  EXPECT_OK(sparsedrop_graph_launch(graph, nullptr));
  EXPECT_OK(sparsedrop_graph_launch(graph, nullptr));
  EXPECT_EQ(read(result)[3], 5 + 11 + 1);
  EXPECT_OK(sparsedrop_graph_launch(empty, nullptr));
  EXPECT_OK(sparsedrop_graph_launch(graph, nullptr));
  sparsedrop_device_close(device);
  device = nullptr;
  sparsedrop_graph_destroy(empty);
  sparsedrop_graph_destroy(graph);
}
