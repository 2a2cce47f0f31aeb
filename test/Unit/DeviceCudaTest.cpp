//===- DeviceCudaTest.cpp - GPUs, with a driver that is none --------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaTest.h"

using namespace sparsedrop::test;

/// In a process of its own: a driver that is open stays open.
TEST(DeviceDeathTest, NoDriver) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Setting setting("SPARSEDROP_CUDA_LIBRARY", "/nowhere/libcuda.so.1");
        int32_t count = 0;
        bool isThere = sparsedrop_device_count("cuda", &count) == 0;
        std::fputs(sparsedrop_last_error(), stderr);
        std::_Exit(isThere);
      },
      ::testing::ExitedWithCode(0),
      "there is no CUDA driver: /nowhere/libcuda.so.1: cannot open");
}

TEST(DeviceDeathTest, OldDriver) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Setting setting("SPARSEDROP_CUDA_LIBRARY", "libm.so.6");
        int32_t count = 0;
        bool isThere = sparsedrop_device_count("cuda", &count) == 0;
        std::fputs(sparsedrop_last_error(), stderr);
        std::_Exit(isThere);
      },
      ::testing::ExitedWithCode(0), "the CUDA driver has no cuInit: it is too");
}

TEST_F(CudaTest, Devices) {
  int32_t count = 0;
  EXPECT_OK(sparsedrop_device_count("cuda", &count));
  EXPECT_EQ(count, 2);
  EXPECT_EQ(sparsedrop_device_open("cuda", 2), nullptr);
  EXPECT_ERROR("there is no cuda device 2: there are 2");
  sparsedrop_device_info info;
  EXPECT_OK(sparsedrop_device_describe(device, &info));
  EXPECT_STREQ(info.name, "Fake GPU");
  EXPECT_EQ(info.arch, 90);
  EXPECT_EQ(info.processors, 132);
  EXPECT_EQ(info.maxShared, 232448);
  EXPECT_EQ(info.hasClusters, 1);
  EXPECT_EQ(info.isInterpreter, 0);
  EXPECT_EQ(info.memoryBytes, uint64_t(80) << 30);
  // A driver that is there, and no GPU.
  fail("cuDeviceGetCount", 100);
  EXPECT_OK(sparsedrop_device_count("cuda", &count));
  EXPECT_EQ(count, 0);
  fail("cuDeviceGetCount", 2);
  EXPECT_NE(sparsedrop_device_count("cuda", &count), 0);
  EXPECT_ERROR("cuDeviceGetCount: out of memory (CUDA_ERROR_OUT_OF_MEMORY)");
  fail("cuDevicePrimaryCtxRetain", 777);
  EXPECT_EQ(sparsedrop_device_open("cuda", 0), nullptr);
  EXPECT_ERROR("cuDevicePrimaryCtxRetain: unknown error (777)");
}

TEST_F(CudaTest, Memory) {
  uint64_t p = 0;
  EXPECT_OK(sparsedrop_device_alloc(device, 64, &p));
  char text[] = "sparse", back[8] = {};
  EXPECT_OK(sparsedrop_device_upload(device, nullptr, p, text, 7));
  EXPECT_OK(sparsedrop_device_copy(device, nullptr, p + 16, p, 7));
  EXPECT_OK(sparsedrop_device_download(device, nullptr, back, p + 16, 7));
  EXPECT_STREQ(back, "sparse");
  EXPECT_OK(sparsedrop_device_fill(device, nullptr, p, 0x1FF, 1, 3));
  EXPECT_OK(sparsedrop_device_fill(device, nullptr, p, 0x1FF, 2, 4));
  EXPECT_OK(sparsedrop_device_fill(device, nullptr, p, 0x1FF, 4, 5));
  EXPECT_OK(sparsedrop_device_synchronize(device));
  EXPECT_OK(sparsedrop_device_free(device, p));
  EXPECT_EQ(takeLog(), "cuMemAlloc 64\ncuMemcpyHtoDAsync 7 0\n"
                       "cuMemcpyDtoDAsync 7 0\ncuMemcpyDtoHAsync 7 0\n"
                       "cuMemsetD8Async 255 3\ncuMemsetD16Async 511 4\n"
                       "cuMemsetD32Async 511 5\ncuCtxSynchronize\ncuMemFree\n");
  // The caller's context comes back.
  EXPECT_EQ(find<int()>("fakeCudaGetDepth")(), 0);
  fail("cuMemAlloc", 2);
  EXPECT_NE(sparsedrop_device_alloc(device, 64, &p), 0);
  EXPECT_ERROR("cuMemAlloc: out of memory (CUDA_ERROR_OUT_OF_MEMORY)");
  EXPECT_EQ(p, 0u);
  void *host = sparsedrop_host_alloc(device, 10);
  EXPECT_OK(sparsedrop_host_free(device, host));
}

TEST_F(CudaTest, StreamsAndEvents) {
  sparsedrop_stream *own = sparsedrop_stream_create(device);
  sparsedrop_stream *wrapped =
      sparsedrop_stream_wrap(device, reinterpret_cast<void *>(33));
  sparsedrop_event *event = sparsedrop_event_create(device);
  EXPECT_EQ(takeLog(), "cuStreamCreate 1\ncuEventCreate 0\n");
  EXPECT_OK(sparsedrop_event_record(event, wrapped));
  EXPECT_OK(sparsedrop_stream_wait(device, nullptr, event));
  EXPECT_EQ(takeLog(), "cuEventRecord 500 33\ncuStreamWaitEvent 0 500 0\n");
  int32_t isDone = 0;
  EXPECT_OK(sparsedrop_stream_query(device, own, &isDone));
  EXPECT_EQ(isDone, 1);
  fail("cuStreamQuery", 600);
  EXPECT_OK(sparsedrop_stream_query(device, own, &isDone));
  EXPECT_EQ(isDone, 0);
  fail("cuEventQuery", 2);
  EXPECT_NE(sparsedrop_event_query(event, &isDone), 0);
  EXPECT_ERROR("cuEventQuery: out of memory");
  double took = 0;
  EXPECT_OK(sparsedrop_event_elapsed(event, event, &took));
  EXPECT_EQ(took, 1.5);
  fail("cuStreamSynchronize", 2);
  EXPECT_NE(sparsedrop_stream_synchronize(device, wrapped), 0);
  EXPECT_ERROR("cuStreamSynchronize: out of memory");
  takeLog();
  sparsedrop_stream_destroy(own);
  sparsedrop_stream_destroy(wrapped);
  sparsedrop_event_destroy(event);
  EXPECT_EQ(takeLog(), "cuStreamDestroy\ncuEventDestroy\n");
}

TEST_F(CudaTest, Binaries) {
  sparsedrop_binary *binary = load();
  ASSERT_NE(binary, nullptr) << sparsedrop_last_error();
  EXPECT_EQ(takeLog(), "cuModuleLoadDataEx .version 2\n");
  uint64_t address = 0, bytes = 0;
  EXPECT_OK(sparsedrop_binary_variable(binary, "counter", &address, &bytes));
  EXPECT_EQ(address, 4096u);
  EXPECT_EQ(bytes, 16u);
  EXPECT_NE(sparsedrop_binary_variable(binary, "x", &address, &bytes), 0);
  EXPECT_ERROR("cuModuleGetGlobal: unknown error (500): variable 'x'");
  EXPECT_EQ(sparsedrop_binary_kernel(binary, "x"), nullptr);
  EXPECT_ERROR("cuModuleGetFunction: unknown error (500): kernel 'x'");
  takeLog();
  sparsedrop_kernel *kernel = sparsedrop_binary_kernel(binary, "scale");
  EXPECT_EQ(kernel, sparsedrop_binary_kernel(binary, "scale"));
  // The driver is asked once.
  EXPECT_EQ(takeLog(), "cuModuleGetFunction scale\n");
  sparsedrop_kernel_info info;
  EXPECT_OK(sparsedrop_kernel_describe(kernel, &info));
  EXPECT_EQ(info.maxThreads, 512);
  EXPECT_EQ(info.sharedBytes, 1024u);
  EXPECT_EQ(info.constBytes, 12u);
  EXPECT_EQ(info.localBytes, 8u);
  EXPECT_EQ(info.registers, 40);
  EXPECT_EQ(info.parameterCount, 3);
  sparsedrop_binary_destroy(binary);
  EXPECT_EQ(takeLog(), "cuCtxSynchronize\ncuModuleUnload\n");
  fail("cuModuleLoadDataEx", 1);
  EXPECT_EQ(load(), nullptr);
  EXPECT_ERROR("cuModuleLoadDataEx: invalid argument (CUDA_ERROR_INVALID_VALUE)"
               ": ptxas application ptx input, line 3; error: no;fatal");
}

TEST_F(CudaTest, CutOffCode) {
  std::string elf("\x7f"
                  "ELF",
                  4),
      fat("\x50\xed\x55\xba", 4);
  elf.resize(64);
  elf[40] = 100; // where the table of sections is
  elf[58] = 64;  // bytes of a section's header
  elf[60] = 2;   // how many there are
  EXPECT_EQ(sparsedrop_binary_load(device, elf.data(), elf.size()), nullptr);
  EXPECT_ERROR("the machine code is cut off: expected 228 bytes, but got 64");
  fat.resize(16);
  fat[6] = 16; // bytes of the header
  fat[8] = 50; // and of what is behind it
  EXPECT_EQ(sparsedrop_binary_load(device, fat.data(), fat.size()), nullptr);
  EXPECT_ERROR("the machine code is cut off: expected 66 bytes, but got 16");
  EXPECT_EQ(takeLog(), "");
}

TEST_F(CudaTest, Launches) {
  sparsedrop_binary *binary = load();
  sparsedrop_kernel *kernel = sparsedrop_binary_kernel(binary, "scale");
  ASSERT_NE(kernel, nullptr) << sparsedrop_last_error();
  takeLog();
  auto make = [&](uint32_t grid, uint32_t block) {
    return Launcher(grid, block).add(uint64_t(64)).add(17u).add(2.f);
  };
  EXPECT_OK(make(3, 128).run(kernel, nullptr));
  EXPECT_EQ(takeLog(), "cuLaunchKernel 3 1 1 128 1 1 0 0 17\n");
  // The driver is told of more shared memory, and only once.
  for (uint32_t shared : {100000, 90000, 150000})
    EXPECT_OK(make(1, 32).setShared(shared).run(kernel, nullptr));
  EXPECT_EQ(takeLog(), "cuFuncSetAttribute 8 100000\n"
                       "cuLaunchKernel 1 1 1 32 1 1 100000 0 17\n"
                       "cuLaunchKernel 1 1 1 32 1 1 90000 0 17\n"
                       "cuFuncSetAttribute 8 150000\n"
                       "cuLaunchKernel 1 1 1 32 1 1 150000 0 17\n");
  for (uint32_t cluster : {2, 16, 16})
    EXPECT_OK(make(32, 64).setCluster(cluster).run(kernel, nullptr));
  EXPECT_EQ(takeLog(), "cuLaunchKernelEx 32 64 0 4 2 1 1 1\n"
                       "cuFuncSetAttribute 14 1\n"
                       "cuLaunchKernelEx 32 64 0 4 16 1 1 1\n"
                       "cuLaunchKernelEx 32 64 0 4 16 1 1 1\n");
  // Programmatic serialization is attribute 6.
  EXPECT_OK(make(3, 128).setOverlaps().run(kernel, nullptr));
  EXPECT_OK(make(32, 64).setCluster(2).setOverlaps().run(kernel, nullptr));
  EXPECT_EQ(takeLog(), "cuLaunchKernelEx 3 128 0 6 1 0 0 1\n"
                       "cuLaunchKernelEx 32 64 0 4 2 1 1 2 6 1\n");
  auto expect = [&](Launcher launcher, const char *error) {
    EXPECT_NE(launcher.run(kernel, nullptr), 0);
    EXPECT_ERROR(error);
  };
  expect(make(0, 1), "kernel 'scale': the grid 0x1x1 has no elements");
  expect(make(1, 513), "has 513 threads, but the kernel allows 512");
  expect(make(1, 1).setShared(232000), "needs 233024 bytes of shared memory");
  expect(make(3, 1).setCluster(2), "is not a multiple of the cluster 2x1x1");
  expect(make(17, 1).setCluster(17), "the cluster 17x1x1 is too large");
  expect(make(1, 1).add(1), "the kernel has 3 parameters, but got 4");
  expect(Launcher(1, 1).add(1).add(17u).add(2.f),
         "parameter 0 has 8 bytes, but got 4");
  EXPECT_EQ(takeLog(), "");
  fail("cuLaunchKernel", 1);
  expect(make(1, 1), "cuLaunchKernel: invalid argument");
  sparsedrop_binary_destroy(binary);
}

TEST_F(CudaTest, TensorMaps) {
  sparsedrop_tensor_map map = makeMap(4096);
  // The driver wants its map aligned to 64 bytes; callers need not know.
  alignas(64) uint8_t bytes[SPARSEDROP_MAP_BYTES + 1] = {};
  map.promotion = 256;
  map.fillsNaN = 1;
  EXPECT_OK(sparsedrop_tensor_map_encode(device, &map, bytes + 1));
  EXPECT_EQ(bytes[0], 0);
  EXPECT_EQ(bytes[128], 0x5A);
  EXPECT_EQ(takeLog(), "cuTensorMapEncodeTiled 6 2 100 256 64 1 0 3 3 1 1\n");
  fail("cuTensorMapEncodeTiled", 1);
  EXPECT_NE(sparsedrop_tensor_map_encode(device, &map, bytes), 0);
  EXPECT_ERROR(
      "cuTensorMapEncodeTiled: invalid argument "
      "(CUDA_ERROR_INVALID_VALUE): type 6, dimensions 100,64, strides "
      "256, box 64,32, element strides 1,1, interleave 0, swizzle 128, "
      "address modulo 16 0");
}
