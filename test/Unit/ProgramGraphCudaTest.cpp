//===- ProgramGraphCudaTest.cpp - Programs in graphs, without a GPU -------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaTest.h"

#include "sparsedrop-c/Program.h"

using namespace sparsedrop::test;

namespace {
constexpr const char *kKernels[] = {"words", "scale"};
constexpr const char *kConstants[] = {"counter"};

sparsedrop_program_image makeImage() {
  sparsedrop_program_image image = {};
  image.size = sizeof(image);
  image.chip = "sm_90a";
  image.ptx = ".version 8.0";
  image.ptxBytes = 12;
  image.kernels = kKernels;
  image.kernelCount = 2;
  image.constants = kConstants;
  image.constantCount = 1;
  image.overlaps = 1;
  return image;
}

class ProgramGraphCudaTest : public CudaTest {
protected:
  void SetUp() override {
    CudaTest::SetUp();
    stream = sparsedrop_stream_wrap(device, reinterpret_cast<void *>(33));
  }
  ~ProgramGraphCudaTest() override {
    find<void(size_t)>("fakeCudaSetMemory")(SIZE_MAX);
    sparsedrop_stream_destroy(stream);
  }
  size_t countGraphs() { return find<size_t()>("fakeCudaCountGraphs")(); }
  void launch() {
    int64_t parameters[] = {4096, 17};
    sparsedrop_program_launch(0, 3, 2, 1, 64, 0, parameters, 2, 0);
  }
  int32_t enter() { return sparsedrop_program_enter(device, stream, &image); }

  sparsedrop_program_image image = makeImage();
  sparsedrop_stream *stream = nullptr;
};
} // namespace

/// All code is loaded before the capture; what is allocated in it is not.
TEST_F(ProgramGraphCudaTest, Order) {
  EXPECT_OK(sparsedrop_program_capture_begin(device, stream));
  EXPECT_EQ(takeLog(), "");
  EXPECT_OK(enter());
  EXPECT_EQ(takeLog(), "cuModuleLoadDataEx .version 2\n"
                       "cuModuleGetFunction words\ncuModuleGetFunction scale\n"
                       "cuStreamBeginCapture 33 2\n");
  void *p = sparsedrop_program_alloc(64, 256);
  int64_t word = 5;
  sparsedrop_program_upload(p, &word, 8);
  launch();
  sparsedrop_program_free(p);
  EXPECT_OK(sparsedrop_program_leave());
  EXPECT_EQ(takeLog(), "cuMemAlloc 256\ncuMemAllocHost 8\n"
                       "cuMemcpyHtoDAsync 8 33\n"
                       "cuLaunchKernelEx 3 64 0 6 1 0 0 1\n");
  // A second program of the same thread joins it.
  sparsedrop_program_image other = makeImage();
  EXPECT_OK(sparsedrop_program_enter(device, stream, &other));
  EXPECT_EQ(sparsedrop_program_alloc(64, 256), p);
  EXPECT_OK(sparsedrop_program_leave());
  EXPECT_EQ(takeLog(), "cuModuleLoadDataEx .version 2\n"
                       "cuModuleGetFunction words\n"
                       "cuModuleGetFunction scale\n");
  word = 9;
  sparsedrop_graph *graph = sparsedrop_program_capture_end();
  ASSERT_NE(graph, nullptr) << sparsedrop_last_error();
  std::memset(p, 0, 8);
  EXPECT_OK(sparsedrop_graph_launch(graph, nullptr));
  std::memcpy(&word, p, 8);
  EXPECT_EQ(word, 5);
  EXPECT_OK(sparsedrop_program_release(device, p));
  sparsedrop_graph_destroy(graph);
  EXPECT_EQ(countGraphs(), 0u);
}

TEST_F(ProgramGraphCudaTest, Failures) {
  // With what programs there has been no capture yet, nothing ends.
  EXPECT_EQ(sparsedrop_program_capture_end(), nullptr);
  EXPECT_ERROR("the thread is not capturing programs");
  EXPECT_NE(sparsedrop_program_capture_begin(device, nullptr), 0);
  EXPECT_ERROR("the default stream cannot be captured");
  auto expect = [&](auto call, const char *error) {
    EXPECT_OK(sparsedrop_program_capture_begin(device, stream));
    enter();
    call();
    launch();
    EXPECT_NE(sparsedrop_program_leave(), 0);
    EXPECT_ERROR(error);
    EXPECT_EQ(sparsedrop_program_capture_end(), nullptr);
    EXPECT_ERROR("the capture has failed: ");
    EXPECT_ERROR(error);
    EXPECT_EQ(countGraphs(), 0u);
    failNowhere();
  };
  int64_t word = 0;
  expect([&] { sparsedrop_program_read(&word, 8); },
         "the program needs a value of the device on the host, which a graph "
         "has only when it is launched: call the program without capturing it");
  fail("cuStreamBeginCapture", 900);
  expect([] {}, "cuStreamBeginCapture: unknown error (900)");
  fail("cuLaunchKernelEx", 1);
  expect([] {}, "cuLaunchKernelEx: invalid argument");
  fail("cuMemAllocHost", 2);
  expect([&] { sparsedrop_program_upload(&word, &word, 8); },
         "cuMemAllocHost: out of memory");
  // Nothing can be given back now, and the driver does not hear of waiting.
  EXPECT_OK(sparsedrop_program_enter(device, nullptr, &image));
  sparsedrop_program_free(sparsedrop_program_alloc(64, 4096));
  EXPECT_OK(sparsedrop_program_leave());
  size_t used = find<size_t()>("fakeCudaGetUsed")();
  find<void(size_t)>("fakeCudaSetMemory")(used);
  takeLog();
  expect([] { sparsedrop_program_alloc(64, 4096); },
         "cuMemAlloc: out of memory (CUDA_ERROR_OUT_OF_MEMORY); while a stream "
         "is captured, no unused blocks can be given back "
         "(sparsedrop_program_trim does that before)");
  EXPECT_EQ(takeLog().find("cuCtxSynchronize"), std::string::npos);
  EXPECT_OK(sparsedrop_program_trim(device));
  EXPECT_LT(find<size_t()>("fakeCudaGetUsed")(), used);
}

/// Captures that others began: the graph would use memory of the pool.
TEST_F(ProgramGraphCudaTest, CapturesOfOthers) {
  EXPECT_OK(sparsedrop_program_capture_begin(device, stream));
  sparsedrop_graph *own = sparsedrop_program_capture_end();
  ASSERT_NE(own, nullptr) << sparsedrop_last_error();
  auto expect = [&] {
    EXPECT_NE(sparsedrop_graph_launch(own, stream), 0);
    EXPECT_ERROR("the stream is being captured: it does not take graphs");
    EXPECT_NE(enter(), 0);
    EXPECT_NE(sparsedrop_program_leave(), 0);
    EXPECT_ERROR("the stream is being captured, but not by "
                 "sparsedrop_program_capture_begin() on this thread");
    EXPECT_NE(sparsedrop_program_capture_begin(device, stream), 0);
    EXPECT_ERROR("the stream is being captured already");
  };
  EXPECT_OK(sparsedrop_capture_begin(device, stream));
  expect();
  EXPECT_OK(sparsedrop_capture_cancel(device, stream));
  // By somebody who uses the driver itself.
  find<int(uintptr_t, int)>("cuStreamBeginCapture_v2")(33, 0);
  expect();
  uintptr_t graph = 0;
  find<int(uintptr_t, uintptr_t *)>("cuStreamEndCapture")(33, &graph);
  find<int(uintptr_t)>("cuGraphDestroy")(graph);
  EXPECT_OK(enter());
  EXPECT_OK(sparsedrop_program_leave());
  EXPECT_OK(sparsedrop_graph_launch(own, stream));
  sparsedrop_graph_destroy(own);
}
