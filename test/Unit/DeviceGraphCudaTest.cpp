//===- DeviceGraphCudaTest.cpp - Graphs on a driver without a GPU ---------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaTest.h"

using namespace sparsedrop::test;

namespace {
class GraphCudaTest : public CudaTest {
protected:
  void SetUp() override {
    CudaTest::SetUp();
    stream = sparsedrop_stream_wrap(device, reinterpret_cast<void *>(33));
  }
  ~GraphCudaTest() override {
    failNowhere();
    sparsedrop_stream_destroy(stream);
    EXPECT_EQ(find<int()>("fakeCudaGetDepth")(), 0);
  }
  size_t countGraphs() { return find<size_t()>("fakeCudaCountGraphs")(); }
  Launcher makeLauncher() {
    return Launcher(2, 64).add(uint64_t(4096)).add(7u).add(2.f);
  }

  sparsedrop_stream *stream = nullptr;
};
} // namespace

/// Older drivers do everything else.
TEST(DeviceDeathTest, DriverWithoutGraphs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Setting setting("SPARSEDROP_CUDA_LIBRARY", SPARSEDROP_FAKE_CUDA_OLD);
        sparsedrop_device *device = sparsedrop_device_open("cuda", 0);
        sparsedrop_stream *stream = sparsedrop_stream_create(device);
        bool works = sparsedrop_stream_synchronize(device, stream) == 0 &&
                     sparsedrop_capture_begin(device, stream) != 0;
        std::fputs(sparsedrop_last_error(), stderr);
        works &= sparsedrop_stream_synchronize(device, stream) == 0 &&
                 sparsedrop_device_synchronize(device) == 0;
        std::_Exit(works ? 0 : 1);
      },
      ::testing::ExitedWithCode(0),
      "the CUDA driver has no cuStreamBeginCapture: it is too old for graphs");
}

TEST_F(GraphCudaTest, Order) {
  sparsedrop_binary *binary = load();
  ASSERT_NE(binary, nullptr) << sparsedrop_last_error();
  sparsedrop_kernel *kernel = sparsedrop_binary_kernel(binary, "scale");
  uint64_t p = 0;
  EXPECT_OK(sparsedrop_device_alloc(device, 64, &p));
  char text[8] = "first";
  takeLog();
  EXPECT_OK(sparsedrop_capture_begin(device, stream));
  // Relaxed: memory may be allocated meanwhile.
  EXPECT_EQ(takeLog(), "cuStreamBeginCapture 33 2\n");
  EXPECT_OK(makeLauncher().run(kernel, stream));
  // Edges between launches that overlap come from the same attribute.
  EXPECT_OK(makeLauncher().setOverlaps().run(kernel, stream));
  EXPECT_OK(sparsedrop_device_upload(device, stream, p, text, 8));
  EXPECT_EQ(takeLog(), "cuLaunchKernel 2 1 1 64 1 1 0 33 7\n"
                       "cuLaunchKernelEx 2 64 0 6 1 0 0 1\n"
                       "cuMemAllocHost 8\ncuMemcpyHtoDAsync 8 33\n");
  std::strcpy(text, "other");
  sparsedrop_graph *graph = sparsedrop_capture_end(device, stream);
  ASSERT_NE(graph, nullptr) << sparsedrop_last_error();
  std::string log = takeLog();
  EXPECT_EQ(log, "cuStreamEndCapture 33\ncuGraphInstantiateWithFlags 0\n"
                 "cuEventCreate 2\ncuGraphDestroy\n");
  EXPECT_EQ(countGraphs(), 1u);
  for (int i = 0; i < 2; ++i) {
    std::memset(reinterpret_cast<void *>(p), 0, 8);
    EXPECT_OK(sparsedrop_graph_launch(graph, i ? stream : nullptr));
    log = takeLog();
    EXPECT_EQ(log.substr(0, log.rfind("cuEventRecord")),
              i ? "cuGraphLaunch 33\n" : "cuGraphLaunch 0\n");
    EXPECT_STREQ(reinterpret_cast<char *>(p), "first");
  }
  // The code stays as long as the graph, and nothing goes before it is done.
  sparsedrop_binary_destroy(binary);
  EXPECT_EQ(takeLog(), "");
  sparsedrop_graph_destroy(graph);
  log = takeLog();
  EXPECT_EQ(log.substr(0, 19), "cuEventSynchronize ");
  EXPECT_EQ(log.substr(log.find('\n') + 1),
            "cuGraphExecDestroy\ncuEventDestroy\ncuCtxSynchronize\n"
            "cuModuleUnload\ncuMemFreeHost\n");
  EXPECT_EQ(countGraphs(), 0u);
  EXPECT_OK(sparsedrop_device_free(device, p));
}

/// Codes of each function, after which nothing is left.
TEST_F(GraphCudaTest, Failures) {
  fail("cuStreamBeginCapture", 900);
  EXPECT_NE(sparsedrop_capture_begin(device, stream), 0);
  EXPECT_ERROR("cuStreamBeginCapture: unknown error (900)");
  EXPECT_OK(sparsedrop_device_synchronize(device));
  const char *symbols[] = {"cuStreamEndCapture", "cuGraphInstantiateWithFlags",
                           "cuEventCreate"};
  for (const char *symbol : symbols) {
    failNowhere();
    EXPECT_OK(sparsedrop_capture_begin(device, stream));
    fail(symbol, 2);
    EXPECT_EQ(sparsedrop_capture_end(device, stream), nullptr);
    EXPECT_EQ(sparsedrop_last_error(),
              std::string(symbol) +
                  ": out of memory (CUDA_ERROR_OUT_OF_MEMORY)");
    EXPECT_EQ(countGraphs(), 0u) << symbol;
    EXPECT_OK(sparsedrop_device_synchronize(device));
  }
  failNowhere();
  EXPECT_OK(sparsedrop_capture_begin(device, stream));
  sparsedrop_graph *graph = sparsedrop_capture_end(device, stream);
  ASSERT_NE(graph, nullptr) << sparsedrop_last_error();
  fail("cuGraphLaunch", 1);
  EXPECT_NE(sparsedrop_graph_launch(graph, stream), 0);
  EXPECT_ERROR("cuGraphLaunch: invalid argument (CUDA_ERROR_INVALID_VALUE)");
  failNowhere();
  EXPECT_OK(sparsedrop_graph_launch(graph, stream));
  sparsedrop_graph_destroy(graph);
  EXPECT_EQ(countGraphs(), 0u);
}

/// The driver does not hear of what would break the capture.
TEST_F(GraphCudaTest, Refusals) {
  uint64_t p = 0;
  EXPECT_OK(sparsedrop_device_alloc(device, 64, &p));
  void *pinned = sparsedrop_host_alloc(device, 64);
  char host[64];
  int32_t isDone = 0;
  sparsedrop_event *event = sparsedrop_event_create(device);
  EXPECT_OK(sparsedrop_capture_begin(device, stream));
  takeLog();
  EXPECT_NE(sparsedrop_device_synchronize(device), 0);
  EXPECT_ERROR("a stream of the device is being captured");
  EXPECT_OK(sparsedrop_device_download(device, stream, pinned, p, 64));
  sparsedrop_graph *graph = sparsedrop_capture_end(device, stream);
  ASSERT_NE(graph, nullptr) << sparsedrop_last_error();
  sparsedrop_graph_destroy(graph);
  EXPECT_OK(sparsedrop_capture_begin(device, stream));
  takeLog();
  EXPECT_NE(sparsedrop_stream_synchronize(device, stream), 0);
  EXPECT_NE(sparsedrop_stream_query(device, stream, &isDone), 0);
  EXPECT_NE(sparsedrop_device_download(device, stream, host, p, 64), 0);
  EXPECT_NE(sparsedrop_event_record(event, stream), 0);
  EXPECT_NE(sparsedrop_stream_wait(device, stream, event), 0);
  EXPECT_EQ(takeLog(), "");
  EXPECT_EQ(sparsedrop_capture_end(device, stream), nullptr);
  EXPECT_ERROR("the capture has failed: the stream is being captured: nobody "
               "can wait for it");
  EXPECT_EQ(takeLog(), "cuStreamEndCapture 33\ncuGraphDestroy\n");
  EXPECT_EQ(countGraphs(), 0u);
  // Streams that the driver knows to be captured, through another handle.
  EXPECT_OK(sparsedrop_capture_begin(device, stream));
  sparsedrop_stream *same =
      sparsedrop_stream_wrap(device, reinterpret_cast<void *>(33));
  EXPECT_NE(sparsedrop_capture_begin(device, same), 0);
  EXPECT_ERROR("the stream is being captured already");
  sparsedrop_stream_destroy(same);
  // What is behind our back breaks it.
  find<int(uintptr_t)>("cuStreamSynchronize")(33);
  EXPECT_EQ(sparsedrop_capture_end(device, stream), nullptr);
  EXPECT_ERROR("cuStreamEndCapture: unknown error (901)");
  // A stream that goes ends its capture.
  sparsedrop_stream *own = sparsedrop_stream_create(device);
  EXPECT_OK(sparsedrop_capture_begin(device, own));
  takeLog();
  sparsedrop_stream_destroy(own);
  std::string log = takeLog();
  EXPECT_EQ(log.substr(0, 19), "cuStreamEndCapture ");
  EXPECT_EQ(log.substr(log.find('\n') + 1),
            "cuGraphDestroy\ncuStreamDestroy\n");
  EXPECT_EQ(countGraphs(), 0u);
  sparsedrop_event_destroy(event);
  EXPECT_OK(sparsedrop_host_free(device, pinned));
  EXPECT_OK(sparsedrop_device_free(device, p));
}
