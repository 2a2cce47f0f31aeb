//===- ProgramCudaTest.cpp - Programs on a driver without a GPU -----------===//
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
constexpr const char *kKernels[] = {"words", "scale", "lost"};
constexpr const char *kConstants[] = {"counter", "lost"};

sparsedrop_program_image makeImage() {
  sparsedrop_program_image image = {};
  image.size = sizeof(image);
  image.chip = "sm_90a";
  image.ptx = ".version 8.0";
  image.ptxBytes = 12;
  image.kernels = kKernels;
  image.kernelCount = 3;
  image.constants = kConstants;
  image.constantCount = 2;
  return image;
}

class ProgramCudaTest : public CudaTest {
protected:
  ~ProgramCudaTest() override { setMemory(SIZE_MAX); }

  void setMemory(size_t bytes) {
    find<void(size_t)>("fakeCudaSetMemory")(bytes);
  }
  size_t getUsed() { return find<size_t()>("fakeCudaGetUsed")(); }
  sparsedrop_program_statistics getStatistics() {
    sparsedrop_program_statistics statistics = {};
    sparsedrop_program_statistics_of(device, &statistics);
    return statistics;
  }
  /// `words` with two parameters.
  void launch() {
    int64_t parameters[] = {4096, 17};
    sparsedrop_program_launch(0, 3, 2, 1, 64, 0, parameters, 2, 0);
  }
  /// A section with nothing in it; its status.
  int32_t visit() {
    sparsedrop_program_enter(device, nullptr, &image);
    return sparsedrop_program_leave();
  }

  sparsedrop_program_image image = makeImage();
};
} // namespace

TEST_F(ProgramCudaTest, LoadsOnce) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_OK(sparsedrop_program_enter(device, nullptr, &image));
    launch();
    EXPECT_OK(sparsedrop_program_leave());
  }
  EXPECT_EQ(takeLog(), "cuModuleLoadDataEx .version 2\n"
                       "cuModuleGetFunction words\n"
                       "cuLaunchKernel 3 2 1 64 1 1 0 0 17\n"
                       "cuLaunchKernel 3 2 1 64 1 1 0 0 17\n"
                       "cuLaunchKernel 3 2 1 64 1 1 0 0 17\n");
  // Another image is another one, even with the same code.
  sparsedrop_program_image other = makeImage();
  EXPECT_OK(sparsedrop_program_enter(device, nullptr, &other));
  EXPECT_OK(sparsedrop_program_leave());
  EXPECT_EQ(takeLog(), "cuModuleLoadDataEx .version 2\n");
  EXPECT_EQ(find<int()>("fakeCudaGetDepth")(), 0);
}

TEST_F(ProgramCudaTest, Cubins) {
  std::string code("\x7f"
                   "ELF",
                   4);
  code.resize(64);
  image.cubin = code.data();
  image.cubinBytes = code.size();
  EXPECT_OK(visit());
  EXPECT_EQ(takeLog(), "cuModuleLoadDataEx ELF 2\n");
  // The PTX serves where the cubin does not; nobody hears of it.
  sparsedrop_program_image second = image;
  fail("ELF", 209);
  EXPECT_OK(sparsedrop_program_enter(device, nullptr, &second));
  launch();
  EXPECT_OK(sparsedrop_program_leave());
  EXPECT_EQ(takeLog(), "cuModuleLoadDataEx ELF 2\n"
                       "cuModuleLoadDataEx .version 2\n"
                       "cuModuleGetFunction words\n"
                       "cuLaunchKernel 3 2 1 64 1 1 0 0 17\n");
  sparsedrop_program_image third = image;
  third.ptx = nullptr;
  EXPECT_NE(sparsedrop_program_enter(device, nullptr, &third), 0);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_ERROR("cuModuleLoadDataEx: unknown error (209)");
  third.cubin = nullptr;
  EXPECT_NE(sparsedrop_program_enter(device, nullptr, &third), 0);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_ERROR("the program has no code for the device");
}

TEST_F(ProgramCudaTest, Images) {
  std::deque<sparsedrop_program_image> images;
  auto expect = [&](const char *chip, const char *error) {
    sparsedrop_program_image &other = images.emplace_back(makeImage());
    other.chip = chip;
    int32_t status = sparsedrop_program_enter(device, nullptr, &other);
    // It is the section that has failed.
    EXPECT_EQ(sparsedrop_program_leave(), status);
    EXPECT_EQ(status, *error ? 1 : 0) << (chip ? chip : "null");
    if (*error)
      EXPECT_ERROR(error);
  };
  expect("sm_80", "");
  expect("sm_90", "");
  expect("sm_100", "was compiled for sm_100, but the device is an sm_90");
  expect("sm_80a", "was compiled for sm_80a, but the device is an sm_90");
  for (const char *chip : {"sm_", "sm_9", "sm_90b", "sm_90ab", "sm_99999", "a",
                           "", "xm_90", "sm_ 90", "sm_-90"})
    expect(chip, "': expected a chip such as sm_80 or sm_90a");
  expect(nullptr, "does not say which chip it was compiled for");
  sparsedrop_program_image &changed = images.front();
  changed.ptxBytes = 5;
  EXPECT_NE(sparsedrop_program_enter(device, nullptr, &changed), 0);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_ERROR("a program's image has changed since it was loaded");
  auto expectImage = [&](const sparsedrop_program_image *other,
                         const char *error) {
    EXPECT_NE(sparsedrop_program_enter(device, nullptr, other), 0);
    EXPECT_NE(sparsedrop_program_leave(), 0);
    EXPECT_ERROR(error);
  };
  expectImage(nullptr, "size of a sparsedrop_program_image is 0, but expected");
  sparsedrop_program_image small = makeImage();
  small.size -= 8;
  expectImage(&small, "the size of a sparsedrop_program_image is 80, but");
  sparsedrop_program_image nameless = makeImage();
  nameless.kernels = nullptr;
  expectImage(&nameless, "expected names of the program's kernels");
  nameless = makeImage();
  nameless.constantCount = -1;
  expectImage(&nameless, "expected names of the program's kernels");
  EXPECT_NE(sparsedrop_program_enter(nullptr, nullptr, &image), 0);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_ERROR("a program was called without a device");
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_ERROR("leave was called outside of a section");
}

TEST_F(ProgramCudaTest, LaunchFailures) {
  auto expect = [&](auto call, const char *error) {
    takeLog();
    EXPECT_OK(sparsedrop_program_enter(device, nullptr, &image));
    call();
    std::string first = sparsedrop_last_error();
    launch();
    EXPECT_EQ(sparsedrop_program_alloc(64, 8), nullptr);
    EXPECT_NE(sparsedrop_program_leave(), 0);
    EXPECT_EQ(sparsedrop_last_error(), first);
    EXPECT_ERROR(error);
    return takeLog();
  };
  int64_t words[] = {255, 17, -1};
  auto start = [&](int64_t kernel, int64_t grid, int64_t threads,
                   int64_t shared, int64_t count) {
    return [=] {
      sparsedrop_program_launch(kernel, grid, 1, 1, threads, shared, words,
                                count, 0);
    };
  };
  EXPECT_OK(visit());
  fail("cuLaunchKernel", 1);
  // What failed does not run again, and neither does anything else.
  EXPECT_EQ(expect(start(0, 4, 64, 256, 2),
                   "kernel 'words' with a grid of 4x1x1, 64 threads, 256 bytes "
                   "of shared memory and parameters 0xff 0x11: cuLaunchKernel: "
                   "invalid argument (CUDA_ERROR_INVALID_VALUE)"),
            "cuModuleGetFunction words\n"
            "cuLaunchKernel 4 1 1 64 1 1 256 0 17\n");
  failNowhere();
  EXPECT_EQ(expect(start(0, 4, 64, 0, 3),
                   "parameters 0xff 0x11 0xffffffffffffffff: the kernel has 2 "
                   "parameters, but got 3"),
            "");
  expect(start(1, 4, 64, 0, 3), "parameter 1 has 4 bytes, but got 8");
  expect(start(0, 4, 600, 0, 2), "has 600 threads, but the kernel allows 512");
  expect(start(0, 4, 0, 0, 2), "the block 0x1x1 has no elements");
  expect(start(0, -1, 64, 0, 2), "a grid of -1x1x1, 64 threads, 0 bytes of "
                                 "shared memory and parameters 0xff 0x11: "
                                 "expected sizes from 0 to 2147483647");
  for (auto bad : {start(0, 1ll << 33, 64, 0, 2), start(0, 1, 1ll << 33, 0, 2),
                   start(0, 1, 64, -8, 2), start(0, 1, 64, 0, -1)})
    expect(bad, "expected sizes from 0 to 2147483647");
  expect(start(0, 1, 64, 232000, 2), "233024 bytes of shared memory, but Fake");
  expect(start(3, 1, 64, 0, 2), "the program has no kernel 3: there are 3");
  expect(start(-1, 1, 64, 0, 2), "the program has no kernel -1: there are 3");
  expect(start(2, 1, 64, 0, 2), "cuModuleGetFunction: unknown error (500): "
                                "kernel 'lost'");
  expect([] { sparsedrop_program_constant(2); },
         "the program has no constant 2: there are 2");
  expect([] { sparsedrop_program_constant(1); }, "variable 'lost'");
  // It did not become known by that.
  expect([] { EXPECT_EQ(sparsedrop_program_constant(1), nullptr); },
         "variable 'lost'");
  EXPECT_EQ(getStatistics().launches, 0u);
  // The next section works.
  sparsedrop_program_enter(device, nullptr, &image);
  launch();
  EXPECT_EQ(sparsedrop_program_constant(0), reinterpret_cast<void *>(4096));
  start(0, 0, 64, 0, 2)();
  EXPECT_OK(sparsedrop_program_leave());
  EXPECT_EQ(takeLog(), "cuLaunchKernel 3 2 1 64 1 1 0 0 17\n");
  EXPECT_EQ(getStatistics().launches, 1u);
}

/// More than what a kernel may have without asking.
TEST_F(ProgramCudaTest, SharedMemory) {
  EXPECT_OK(sparsedrop_program_enter(device, nullptr, &image));
  int64_t words[] = {1, 17};
  sparsedrop_program_launch(0, 1, 1, 1, 64, 100000, words, 2, 0);
  EXPECT_OK(sparsedrop_program_leave());
  std::string log = takeLog();
  EXPECT_NE(log.find("cuFuncSetAttribute 8 100000\n"
                     "cuLaunchKernel 1 1 1 64 1 1 100000 0 17\n"),
            std::string::npos)
      << log;
}

TEST_F(ProgramCudaTest, OutOfMemory) {
  setMemory(1 << 20);
  sparsedrop_stream *stream = sparsedrop_stream_create(device);
  EXPECT_OK(sparsedrop_program_enter(device, stream, &image));
  sparsedrop_program_free(sparsedrop_program_alloc(64, 700000));
  EXPECT_OK(sparsedrop_program_leave());
  EXPECT_GE(getUsed(), 700000u);
  EXPECT_OK(sparsedrop_program_enter(device, nullptr, &image));
  void *kept = sparsedrop_program_alloc(64, 65536);
  takeLog();
  std::string before = sparsedrop_last_error();
  // What the other stream has left is given back first: no failure.
  void *p = sparsedrop_program_alloc(64, 800000);
  EXPECT_NE(p, nullptr);
  EXPECT_EQ(takeLog(), "cuMemAlloc 851968\ncuCtxSynchronize\ncuMemFree\n"
                       "cuMemAlloc 851968\n");
  EXPECT_EQ(sparsedrop_last_error(), before);
  EXPECT_EQ(sparsedrop_program_alloc(64, 300000), nullptr);
  EXPECT_EQ(sparsedrop_program_alloc(64, 8), nullptr);
  sparsedrop_program_free(p);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_ERROR("out of memory of the device: 300000 bytes were asked for, "
               "programs use 917504 of 85899345920 bytes: cuMemAlloc: out of "
               "memory (CUDA_ERROR_OUT_OF_MEMORY)");
  // The next call works, and nothing is lost.
  EXPECT_OK(sparsedrop_program_enter(device, nullptr, &image));
  EXPECT_EQ(sparsedrop_program_alloc(64, 800000), p);
  sparsedrop_program_free(p);
  sparsedrop_program_free(kept);
  EXPECT_EQ(sparsedrop_program_alloc(64, UINT64_MAX), nullptr);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_ERROR("18446744073709551615 bytes were asked for");
  EXPECT_EQ(getStatistics().bytesInUse, 0u);
  EXPECT_OK(sparsedrop_program_trim(device));
  EXPECT_EQ(getUsed(), 0u);
  sparsedrop_stream_destroy(stream);
}

/// What failed on the device is not lost when memory is given back.
TEST_F(ProgramCudaTest, FailureWhileTrimming) {
  setMemory(4096);
  EXPECT_OK(sparsedrop_program_enter(device, nullptr, &image));
  sparsedrop_program_free(sparsedrop_program_alloc(64, 256));
  fail("cuCtxSynchronize", 700);
  // There would be room for it, but what was computed is wrong.
  EXPECT_EQ(sparsedrop_program_alloc(64, 4096), nullptr);
  EXPECT_EQ(getUsed(), 0u);
  EXPECT_NE(sparsedrop_program_leave(), 0);
  EXPECT_ERROR("cuCtxSynchronize: unknown error (700)");
  EXPECT_NE(sparsedrop_program_trim(device), 0);
}

TEST_F(ProgramCudaTest, Arguments) {
  uint64_t p = 0;
  EXPECT_OK(sparsedrop_device_alloc(device, 1024, &p));
  void *pinned = sparsedrop_host_alloc(device, 1024);
  alignas(16) char host[64];
  auto check = [&](uint64_t address, int64_t bytes) {
    sparsedrop_program_enter(device, nullptr, &image);
    sparsedrop_program_check_argument(3, reinterpret_cast<void *>(address),
                                      bytes);
    return sparsedrop_program_leave();
  };
  EXPECT_OK(check(p, 1024));
  EXPECT_OK(check(p + 16, 1008));
  EXPECT_OK(check(5, 0));
  EXPECT_NE(check(p, 1025), 0);
  EXPECT_ERROR("1025 bytes from there are not memory of the device");
  EXPECT_NE(check(p + 8, 8), 0);
  EXPECT_ERROR("argument 3 is at 0x");
  EXPECT_ERROR("which is not a multiple of 16 bytes");
  for (void *address : {pinned, static_cast<void *>(host)}) {
    EXPECT_NE(check(reinterpret_cast<uint64_t>(address), 8), 0);
    EXPECT_ERROR("are not memory of the device; is it an array of the host?");
  }
  EXPECT_NE(check(p, INT64_MAX), 0);
  EXPECT_NE(check(UINT64_MAX - 15, INT64_MAX), 0);
  // The memory of device 1 is not that of device 0.
  sparsedrop_device *other = sparsedrop_device_open("cuda", 0);
  std::swap(device, other);
  EXPECT_NE(check(p, 16), 0);
  EXPECT_ERROR("not memory of the device");
  std::swap(device, other);
  sparsedrop_device_close(other);
  EXPECT_OK(sparsedrop_host_free(device, pinned));
  EXPECT_OK(sparsedrop_device_free(device, p));
}

TEST_F(ProgramCudaTest, WaitsForPinnedSources) {
  auto *pinned = static_cast<char *>(sparsedrop_host_alloc(device, 16));
  char host[16] = {};
  EXPECT_OK(sparsedrop_program_enter(device, nullptr, &image));
  void *p = sparsedrop_program_alloc(64, 16);
  takeLog();
  sparsedrop_program_upload(p, host, 16);
  EXPECT_EQ(takeLog(), "cuMemcpyHtoDAsync 16 0\n");
  sparsedrop_program_upload(p, pinned, 16);
  EXPECT_EQ(takeLog(), "cuMemcpyHtoDAsync 16 0\ncuStreamSynchronize 0\n");
  sparsedrop_program_free(p);
  EXPECT_OK(sparsedrop_program_leave());
  EXPECT_EQ(getStatistics().uploads, 2u);
  EXPECT_EQ(getStatistics().synchronizations, 1u);
  EXPECT_OK(sparsedrop_host_free(device, pinned));
}

/// Handles of one CUstream share a pool; a stream that goes leaves its memory
/// to the others, once its work is done.
TEST_F(ProgramCudaTest, Streams) {
  auto allocate = [&](sparsedrop_stream *stream) {
    EXPECT_OK(sparsedrop_program_enter(device, stream, &image));
    void *p = sparsedrop_program_alloc(64, 5000);
    sparsedrop_program_free(p);
    EXPECT_OK(sparsedrop_program_leave());
    return p;
  };
  auto *native = reinterpret_cast<void *>(33);
  sparsedrop_stream *first = sparsedrop_stream_wrap(device, native);
  void *p = allocate(first);
  sparsedrop_stream_destroy(first);
  sparsedrop_stream *second = sparsedrop_stream_wrap(device, native);
  EXPECT_EQ(allocate(second), p);
  sparsedrop_stream *own = sparsedrop_stream_create(device);
  void *q = allocate(own);
  EXPECT_NE(q, p);
  EXPECT_NE(allocate(nullptr), q);
  takeLog();
  sparsedrop_stream_destroy(own);
  std::string log = takeLog();
  EXPECT_EQ(log.substr(0, 20), "cuStreamSynchronize ");
  EXPECT_NE(log.find("\ncuStreamDestroy\n"), std::string::npos);
  sparsedrop_stream *next = sparsedrop_stream_create(device);
  EXPECT_EQ(allocate(next), q);
  sparsedrop_stream_destroy(next);
  sparsedrop_stream_destroy(second);
}

/// With the last handle, images and memory go.
TEST_F(ProgramCudaTest, EndOfDevice) {
  EXPECT_OK(sparsedrop_program_enter(device, nullptr, &image));
  EXPECT_NE(sparsedrop_program_alloc(64, 5000), nullptr);
  sparsedrop_program_free(sparsedrop_program_alloc(64, 600));
  EXPECT_OK(sparsedrop_program_leave());
  takeLog();
  sparsedrop_device_close(device);
  EXPECT_EQ(takeLog(), "cuCtxSynchronize\ncuMemFree\ncuMemFree\n"
                       "cuCtxSynchronize\ncuModuleUnload\n"
                       "cuDevicePrimaryCtxRelease 1\n");
  EXPECT_EQ(getUsed(), 0u);
  device = sparsedrop_device_open("cuda", 1);
  EXPECT_OK(visit());
}
