//===- DeviceGraphTest.cpp - Graphs on the interpreter --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InterpTest.h"

#include <atomic>
#include <thread>

using namespace sparsedrop::test;

namespace {
class GraphTest : public InterpTest {
protected:
  void SetUp() override {
    InterpTest::SetUp();
    stream = sparsedrop_stream_create(device);
    binary = load(kPTX);
    ASSERT_NE(binary, nullptr) << sparsedrop_last_error();
    kernel = sparsedrop_binary_kernel(binary, "scale");
  }
  ~GraphTest() override {
    sparsedrop_stream_destroy(stream);
    sparsedrop_binary_destroy(binary);
  }

  std::vector<float> read(uint64_t p, size_t count) {
    std::vector<float> values(count, -1);
    EXPECT_OK(sparsedrop_device_download(device, nullptr, values.data(), p,
                                         4 * count));
    EXPECT_OK(sparsedrop_stream_synchronize(device, nullptr));
    return values;
  }
  void write(uint64_t p, const std::vector<float> &values) {
    EXPECT_OK(sparsedrop_device_upload(device, nullptr, p, values.data(),
                                       4 * values.size()));
    EXPECT_OK(sparsedrop_stream_synchronize(device, nullptr));
  }
  /// A graph of what `enqueue` does on `stream`.
  template <typename Enqueue> sparsedrop_graph *capture(Enqueue enqueue) {
    EXPECT_OK(sparsedrop_capture_begin(device, stream));
    enqueue();
    sparsedrop_graph *graph = sparsedrop_capture_end(device, stream);
    EXPECT_NE(graph, nullptr) << sparsedrop_last_error();
    return graph;
  }
  /// A graph of p[0 .. n) *= factor.
  sparsedrop_graph *captureScale(uint64_t p, uint32_t n, float factor) {
    return capture([&] { EXPECT_OK(scale(kernel, stream, p, n, factor)); });
  }
  /// A capture that `call` is refused in; nothing of it is left behind.
  template <typename Call> void expectRefused(Call call, const char *error) {
    EXPECT_OK(sparsedrop_capture_begin(device, stream));
    EXPECT_NE(call(), 0);
    EXPECT_ERROR(error);
    EXPECT_EQ(sparsedrop_capture_end(device, stream), nullptr);
    EXPECT_ERROR("the capture has failed: the stream is being captured: ");
    EXPECT_ERROR(error);
    EXPECT_OK(sparsedrop_stream_synchronize(device, stream));
  }

  sparsedrop_stream *stream = nullptr;
  sparsedrop_binary *binary = nullptr;
  sparsedrop_kernel *kernel = nullptr;
};
} // namespace

/// Everything that can be recorded; nothing runs before the launch, and each
/// launch does all of it again, with the values of the capture.
TEST_F(GraphTest, Replays) {
  std::vector<float> start = makeFloats(300), table = makeFloats(8);
  uint64_t p = allocate(1200), q = allocate(1200);
  write(p, start);
  write(q, std::vector<float>(300, 9));
  auto *pinned = static_cast<float *>(sparsedrop_host_alloc(device, 1200));
  std::fill_n(pinned, 300, -5.f);
  sparsedrop_graph *graph = capture([&] {
    EXPECT_OK(scale(kernel, stream, p, 300, 3));
    EXPECT_OK(sparsedrop_device_copy(device, stream, q, p, 800));
    EXPECT_OK(sparsedrop_device_fill(device, stream, q + 800, 0, 4, 50));
    EXPECT_OK(
        sparsedrop_device_upload(device, stream, q + 1000, table.data(), 32));
    EXPECT_OK(sparsedrop_device_download(device, stream, pinned + 1, q, 1036));
  });
  EXPECT_EQ(read(p, 300), start);
  // The graph has its own copy of the bytes.
  std::vector<float> uploaded = table;
  std::fill(table.begin(), table.end(), -1);
  float power = 1;
  for (int i = 0; i < 3; ++i) {
    // Poison, which the graph overwrites.
    write(q, std::vector<float>(300, -7));
    std::fill_n(pinned, 300, -5.f);
    EXPECT_OK(sparsedrop_graph_launch(graph, i == 1 ? nullptr : stream));
    EXPECT_OK(sparsedrop_device_synchronize(device));
    power *= 3;
    std::vector<float> after = read(q, 300), changed = read(p, 300);
    for (size_t j = 0; j < 300; ++j) {
      ASSERT_EQ(changed[j], power * start[j]) << j;
      ASSERT_EQ(after[j], j < 200   ? power * start[j]
                          : j < 250 ? 0
                          : j < 258 ? uploaded[j - 250]
                                    : -7)
          << j;
      ASSERT_EQ(pinned[j], j > 0 && j < 260 ? after[j - 1] : -5) << j;
    }
  }
  sparsedrop_graph_destroy(graph);
  EXPECT_OK(sparsedrop_host_free(device, pinned));
}

/// Two graphs, each with its own parameters, in any order, and an empty one.
TEST_F(GraphTest, SeveralGraphs) {
  uint64_t p = allocate(64);
  write(p, std::vector<float>(16, 1));
  sparsedrop_graph *twice = captureScale(p, 16, 2);
  sparsedrop_graph *thrice = captureScale(p, 8, 3);
  sparsedrop_graph *nothing = capture([] {});
  for (sparsedrop_graph *graph : {thrice, twice, nothing, twice, thrice, twice})
    EXPECT_OK(sparsedrop_graph_launch(graph, nullptr));
  std::vector<float> expected(16, 8);
  std::fill_n(expected.begin(), 8, 72);
  EXPECT_EQ(read(p, 16), expected);
  sparsedrop_graph_destroy(twice);
  EXPECT_OK(sparsedrop_graph_launch(thrice, stream));
  EXPECT_OK(sparsedrop_stream_synchronize(device, stream));
  EXPECT_EQ(read(p, 1)[0], 216);
  sparsedrop_graph_destroy(thrice);
  sparsedrop_graph_destroy(nothing);
  sparsedrop_graph_destroy(nullptr);
}

/// Handles go in any order; the graph has what it needs.
TEST_F(GraphTest, OutlivesHandles) {
  std::vector<float> start = makeFloats(4096);
  uint64_t p = allocate(16384);
  write(p, start);
  auto *result = static_cast<float *>(sparsedrop_host_alloc(device, 16384));
  sparsedrop_graph *graph = capture([&] {
    EXPECT_OK(scale(kernel, stream, p, 4096, 2));
    EXPECT_OK(sparsedrop_device_download(device, stream, result, p, 16384));
  });
  sparsedrop_stream_destroy(stream);
  stream = nullptr;
  sparsedrop_binary_destroy(binary);
  binary = nullptr;
  sparsedrop_stream *other = sparsedrop_stream_create(device);
  for (int i = 0; i < 4; ++i)
    EXPECT_OK(sparsedrop_graph_launch(graph, i % 2 ? other : nullptr));
  sparsedrop_stream_destroy(other);
  sparsedrop_device_close(device);
  device = nullptr;
  // Launches may still run: it waits for them.
  sparsedrop_graph_destroy(graph);
  for (size_t i = 0; i < 4096; ++i)
    ASSERT_EQ(result[i], 16 * start[i]);
  std::free(result); // what sparsedrop_host_free does; the device has gone
}

/// Launches of one graph come one after the other, on whatever streams: what
/// one leaves at its end is never what another is in the midst of.
TEST_F(GraphTest, LaunchesFromThreads) {
  constexpr uint32_t kCount = 2048;
  const std::vector<float> expected(kCount, 256);
  uint64_t p = allocate(4 * kCount), end = allocate(4 * kCount);
  write(end, expected);
  std::vector<float> ones(kCount, 1);
  sparsedrop_graph *graph = capture([&] {
    EXPECT_OK(
        sparsedrop_device_upload(device, stream, p, ones.data(), 4 * kCount));
    for (int i = 0; i < 8; ++i)
      EXPECT_OK(scale(kernel, stream, p, kCount, 2));
    EXPECT_OK(sparsedrop_device_copy(device, stream, end, p, 4 * kCount));
  });
  std::atomic<int> wrong{0};
  auto work = [&] {
    sparsedrop_stream *own = sparsedrop_stream_create(device);
    std::vector<float> found(kCount);
    for (int i = 0; i < 20; ++i) {
      wrong += sparsedrop_graph_launch(graph, own);
      wrong += sparsedrop_device_download(device, own, found.data(), end,
                                          4 * kCount);
      wrong += sparsedrop_stream_synchronize(device, own);
      wrong += found != expected;
    }
    sparsedrop_stream_destroy(own);
  };
  std::thread first(work), second(work);
  first.join();
  second.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(read(p, kCount), expected);
  sparsedrop_graph_destroy(graph);
}

/// What a check finds in a replay is its stream's failure, each time; what is
/// behind it does not run.
TEST_F(GraphTest, FailingReplays) {
  uint64_t p = allocate(64), after = allocate(64);
  write(p, std::vector<float>(16, 1));
  write(after, std::vector<float>(16, 1));
  sparsedrop_graph *graph = capture([&] {
    EXPECT_OK(scale(kernel, stream, p, 17, 2));
    EXPECT_OK(scale(kernel, stream, after, 16, 2));
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_OK(sparsedrop_graph_launch(graph, stream));
    EXPECT_NE(sparsedrop_stream_synchronize(device, stream), 0);
    EXPECT_ERROR("kernel scale, line 23, block (0,0,0), thread (16,0,0): "
                 "bounds: ");
    EXPECT_OK(sparsedrop_stream_synchronize(device, stream));
    EXPECT_EQ(read(after, 16), std::vector<float>(16, 1));
  }
  // Nobody asks the stream: the device has it, also when the graph has gone.
  EXPECT_OK(sparsedrop_graph_launch(graph, stream));
  sparsedrop_graph_destroy(graph);
  sparsedrop_stream_destroy(stream);
  stream = sparsedrop_stream_create(device);
  EXPECT_NE(sparsedrop_device_synchronize(device), 0);
  EXPECT_ERROR("bounds: ");
}

/// A launch after one that failed works as if nothing had been, and memory that
/// has gone is found.
TEST_F(GraphTest, ReplaysAfterFailures) {
  uint64_t p = allocate(64), after = allocate(64);
  write(after, std::vector<float>(16, 1));
  sparsedrop_graph *graph = capture([&] {
    EXPECT_OK(scale(kernel, stream, p, 16, 2));
    EXPECT_OK(scale(kernel, stream, after, 16, 2));
  });
  EXPECT_OK(sparsedrop_graph_launch(graph, stream));
  EXPECT_NE(sparsedrop_stream_synchronize(device, stream), 0);
  EXPECT_ERROR("uninitialized: ");
  EXPECT_EQ(read(after, 16), std::vector<float>(16, 1));
  write(p, std::vector<float>(16, 3));
  EXPECT_OK(sparsedrop_graph_launch(graph, stream));
  EXPECT_OK(sparsedrop_stream_synchronize(device, stream));
  EXPECT_EQ(read(p, 16), std::vector<float>(16, 6));
  EXPECT_EQ(read(after, 16), std::vector<float>(16, 2));
  EXPECT_OK(sparsedrop_device_free(device, p));
  EXPECT_OK(sparsedrop_graph_launch(graph, stream));
  EXPECT_NE(sparsedrop_stream_synchronize(device, stream), 0);
  EXPECT_ERROR("kernel scale, line 23");
  EXPECT_EQ(read(after, 16), std::vector<float>(16, 2));
  sparsedrop_graph_destroy(graph);
}

/// A launch on a stream that has failed does nothing, but one before it may
/// still run when the graph goes.
TEST_F(GraphTest, WaitsForLaunchesBeforeFailures) {
  constexpr uint32_t kCount = 2048;
  uint64_t p = allocate(4 * kCount), q = allocate(64);
  write(p, std::vector<float>(kCount, 1));
  write(q, std::vector<float>(16, 1));
  auto *pinned = static_cast<float *>(sparsedrop_host_alloc(device, 4));
  *pinned = -1;
  sparsedrop_graph *graph = capture([&] {
    for (int i = 0; i < 20; ++i)
      EXPECT_OK(scale(kernel, stream, p, kCount, 2));
    EXPECT_OK(sparsedrop_device_download(device, stream, pinned, p, 4));
  });
  sparsedrop_stream *failed = sparsedrop_stream_create(device);
  EXPECT_OK(scale(kernel, failed, q, 17, 2));
  EXPECT_OK(sparsedrop_graph_launch(graph, stream));
  EXPECT_OK(sparsedrop_graph_launch(graph, failed));
  sparsedrop_graph_destroy(graph);
  EXPECT_EQ(*pinned, 1 << 20);
  EXPECT_NE(sparsedrop_stream_synchronize(device, failed), 0);
  EXPECT_ERROR("bounds: ");
  sparsedrop_stream_destroy(failed);
  EXPECT_OK(sparsedrop_host_free(device, pinned));
}

TEST_F(GraphTest, WaitsAreRefused) {
  uint64_t p = allocate(64);
  write(p, std::vector<float>(16, 1));
  float host[16] = {};
  int32_t isDone = 0;
  sparsedrop_event *event = sparsedrop_event_create(device);
  sparsedrop_graph *other = captureScale(p, 16, 2);
  const char *waiting = "nobody can wait for it before its graph is launched";
  const char *events = "it neither records events nor waits for them";
  expectRefused([&] { return sparsedrop_stream_synchronize(device, stream); },
                waiting);
  expectRefused(
      [&] { return sparsedrop_stream_query(device, stream, &isDone); },
      waiting);
  expectRefused(
      [&] { return sparsedrop_device_download(device, stream, host, p, 64); },
      "a copy to the host needs page-locked memory (sparsedrop_host_alloc)");
  void *pinned = sparsedrop_host_alloc(device, 63);
  expectRefused(
      [&] { return sparsedrop_device_download(device, stream, pinned, p, 64); },
      "a copy to the host needs page-locked memory");
  EXPECT_OK(sparsedrop_host_free(device, pinned));
  expectRefused([&] { return sparsedrop_event_record(event, stream); }, events);
  expectRefused([&] { return sparsedrop_stream_wait(device, stream, event); },
                events);
  expectRefused([&] { return sparsedrop_graph_launch(other, stream); },
                "it does not take graphs");
  // The device cannot be waited for, other streams can.
  EXPECT_OK(sparsedrop_capture_begin(device, stream));
  EXPECT_NE(sparsedrop_device_synchronize(device), 0);
  EXPECT_ERROR("a stream of the device is being captured: nobody can wait");
  EXPECT_EQ(read(p, 16), std::vector<float>(16, 1));
  EXPECT_OK(scale(kernel, stream, p, 16, 5));
  sparsedrop_graph *graph = sparsedrop_capture_end(device, stream);
  ASSERT_NE(graph, nullptr) << sparsedrop_last_error();
  EXPECT_OK(sparsedrop_graph_launch(graph, nullptr));
  EXPECT_EQ(read(p, 16), std::vector<float>(16, 5));
  EXPECT_OK(sparsedrop_device_synchronize(device));
  sparsedrop_graph_destroy(graph);
  sparsedrop_graph_destroy(other);
  sparsedrop_event_destroy(event);
}

TEST_F(GraphTest, WrongCaptures) {
  uint64_t p = allocate(64);
  write(p, std::vector<float>(16, 1));
  EXPECT_NE(sparsedrop_capture_begin(device, nullptr), 0);
  EXPECT_ERROR("the default stream cannot be captured: expected a stream");
  EXPECT_EQ(sparsedrop_capture_end(device, stream), nullptr);
  EXPECT_ERROR("the stream is not being captured");
  EXPECT_OK(sparsedrop_capture_cancel(device, stream));
  EXPECT_OK(sparsedrop_capture_begin(device, stream));
  EXPECT_NE(sparsedrop_capture_begin(device, stream), 0);
  EXPECT_ERROR("the stream is being captured already");
  // What is cancelled has never been; the stream is as before.
  EXPECT_OK(scale(kernel, stream, p, 16, 5));
  EXPECT_OK(sparsedrop_capture_cancel(device, stream));
  EXPECT_OK(scale(kernel, stream, p, 16, 2));
  EXPECT_OK(sparsedrop_stream_synchronize(device, stream));
  EXPECT_EQ(read(p, 16), std::vector<float>(16, 2));
  // A launch that is refused is not recorded.
  sparsedrop_graph *graph = capture([&] {
    EXPECT_NE(Launcher(1, 257).add(p).add(16u).add(2.f).run(kernel, stream), 0);
    EXPECT_OK(scale(kernel, stream, p, 16, 3));
  });
  EXPECT_OK(sparsedrop_graph_launch(graph, nullptr));
  EXPECT_EQ(read(p, 16), std::vector<float>(16, 6));
  sparsedrop_device *other = sparsedrop_device_open("interp", 0);
  sparsedrop_stream *foreign = sparsedrop_stream_create(other);
  EXPECT_NE(sparsedrop_graph_launch(graph, foreign), 0);
  EXPECT_ERROR("the stream belongs to another device");
  EXPECT_NE(sparsedrop_capture_begin(device, foreign), 0);
  EXPECT_ERROR("the stream belongs to another device");
  // A stream that goes takes its capture with it.
  float value = 1;
  EXPECT_OK(sparsedrop_capture_begin(other, foreign));
  EXPECT_OK(sparsedrop_device_upload(other, foreign, p, &value, 4));
  sparsedrop_stream_destroy(foreign);
  EXPECT_OK(sparsedrop_device_synchronize(other));
  sparsedrop_device_close(other);
  sparsedrop_graph_destroy(graph);
}
