//===- DeviceTest.cpp - The interpreter as a device -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InterpTest.h"

using namespace sparsedrop::test;

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

TEST(Device, KindsAndOrdinals) {
  int32_t count = 0;
  EXPECT_OK(sparsedrop_device_count("interp", &count));
  EXPECT_EQ(count, 1);
  EXPECT_EQ(sparsedrop_device_open("interp", 1), nullptr);
  EXPECT_ERROR("there is no interp device 1: there are 1");
  EXPECT_EQ(sparsedrop_device_open("rocm", 0), nullptr);
  EXPECT_ERROR("'rocm' is no kind of device: there are cuda and interp");
  EXPECT_NE(sparsedrop_device_count(nullptr, &count), 0);
}

TEST_F(InterpTest, Describe) {
  sparsedrop_device_info info;
  EXPECT_OK(sparsedrop_device_describe(device, &info));
  EXPECT_STREQ(info.name, "PTX interpreter (sm_90a)");
  EXPECT_EQ(info.arch, 90);
  EXPECT_EQ(info.maxShared, 227 * 1024);
  EXPECT_EQ(info.isInterpreter, 1);
  EXPECT_EQ(info.hasClusters, 1);
}

TEST(Device, Environment) {
  for (auto [variable, value, error] :
       {std::tuple("SPARSEDROP_INTERP_ARCH", "9o",
                   "SPARSEDROP_INTERP_ARCH: expected a number from 50 to 121, "
                   "but got '9o'"),
        std::tuple("SPARSEDROP_INTERP_THREADS", "0",
                   "SPARSEDROP_INTERP_THREADS: expected a number"),
        std::tuple("SPARSEDROP_INTERP_CHECKS", "race,typo",
                   "SPARSEDROP_INTERP_CHECKS: 'typo' is no check")}) {
    Setting setting(variable, value);
    EXPECT_EQ(sparsedrop_device_open("interp", 0), nullptr);
    EXPECT_ERROR(error);
  }
}

/// In a process of its own: a library that is open stays open.
TEST(DeviceDeathTest, NoLibrary) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Setting setting("SPARSEDROP_INTERP_LIBRARY", "/nowhere/lib.so");
        bool isThere = sparsedrop_device_open("interp", 0);
        std::fputs(sparsedrop_last_error(), stderr);
        std::_Exit(isThere);
      },
      ::testing::ExitedWithCode(0),
      "there is no interpreter: /nowhere/lib.so: cannot open");
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

TEST_F(InterpTest, CopiesAndFills) {
  uint64_t a = allocate(64), b = allocate(64);
  std::vector<uint8_t> bytes(64), expected(64);
  for (size_t i = 0; i < 64; ++i)
    bytes[i] = expected[i] = i;
  EXPECT_OK(sparsedrop_device_upload(device, nullptr, a, bytes.data(), 64));
  EXPECT_OK(sparsedrop_device_copy(device, nullptr, b, a, 64));
  EXPECT_OK(sparsedrop_device_copy(device, nullptr, b + 8, b, 16));
  EXPECT_OK(sparsedrop_device_fill(device, nullptr, b + 32, 0x12345678, 4, 2));
  EXPECT_OK(sparsedrop_device_fill(device, nullptr, b + 42, 0xABCD, 2, 3));
  EXPECT_OK(sparsedrop_device_fill(device, nullptr, b + 51, 0x99, 1, 3));
  std::vector<uint8_t> result(64);
  EXPECT_OK(sparsedrop_device_download(device, nullptr, result.data(), b, 64));
  EXPECT_OK(sparsedrop_device_synchronize(device));
  for (size_t i = 0; i < 16; ++i)
    expected[8 + i] = i;
  for (size_t i = 0; i < 8; ++i)
    expected[32 + i] = 0x12345678 >> 8 * (i % 4);
  for (size_t i = 0; i < 6; ++i)
    expected[42 + i] = 0xABCD >> 8 * (i % 2) & 0xFF;
  for (size_t i = 0; i < 3; ++i)
    expected[51 + i] = 0x99;
  EXPECT_EQ(result, expected);
  EXPECT_OK(sparsedrop_device_free(device, a));
  EXPECT_OK(sparsedrop_device_free(device, b));
}

TEST_F(InterpTest, MemoryErrors) {
  uint64_t address = 1, a = allocate(64);
  EXPECT_OK(sparsedrop_device_alloc(device, 0, &address));
  EXPECT_EQ(address, 0u);
  EXPECT_OK(sparsedrop_device_free(device, 0));
  EXPECT_NE(sparsedrop_device_alloc(device, ~0ull / 2, &address), 0);
  EXPECT_ERROR("there is no memory for");
  EXPECT_NE(sparsedrop_device_free(device, a + 4), 0);
  EXPECT_ERROR("is not the start of an allocation");
  EXPECT_NE(sparsedrop_device_fill(device, nullptr, a, 0, 3, 1), 0);
  EXPECT_ERROR("expected elements of 1, 2 or 4 bytes, but got 3");
  EXPECT_NE(sparsedrop_device_fill(device, nullptr, a + 2, 0, 4, 1), 0);
  EXPECT_ERROR("not a multiple of 4");
  uint8_t bytes[65] = {};
  EXPECT_OK(sparsedrop_device_upload(device, nullptr, a, bytes, 65));
  EXPECT_NE(sparsedrop_stream_synchronize(device, nullptr), 0);
  EXPECT_ERROR("an upload of 65 bytes at byte 0 of an allocation of 64 bytes");
  // Told once.
  EXPECT_OK(sparsedrop_stream_synchronize(device, nullptr));
  EXPECT_OK(
      sparsedrop_device_fill(device, nullptr, a, 0, 4, uint64_t(1) << 62));
  EXPECT_NE(sparsedrop_device_synchronize(device), 0);
  EXPECT_ERROR("there are no 4611686018427387904 elements to fill");
  void *host = sparsedrop_host_alloc(device, 100);
  EXPECT_NE(host, nullptr);
  EXPECT_OK(sparsedrop_host_free(device, host));
}

//===----------------------------------------------------------------------===//
// Binaries
//===----------------------------------------------------------------------===//

TEST_F(InterpTest, Variables) {
  sparsedrop_binary *binary = load(kPTX);
  ASSERT_NE(binary, nullptr) << sparsedrop_last_error();
  uint64_t address = 0, bytes = 0, result = allocate(4);
  EXPECT_OK(sparsedrop_binary_variable(binary, "counter", &address, &bytes));
  EXPECT_EQ(bytes, 4u);
  EXPECT_NE(sparsedrop_binary_variable(binary, "other", &address, &bytes), 0);
  EXPECT_ERROR("there is no variable 'other'");
  sparsedrop_kernel *count = sparsedrop_binary_kernel(binary, "count");
  for (int i = 0; i < 2; ++i)
    EXPECT_OK(Launcher(1, 1).add(result).run(count, nullptr));
  uint32_t last = 0;
  EXPECT_OK(sparsedrop_device_download(device, nullptr, &last, result, 4));
  EXPECT_OK(sparsedrop_device_synchronize(device));
  EXPECT_EQ(last, 8u);
  sparsedrop_binary_destroy(binary);
}

TEST_F(InterpTest, BadBinaries) {
  EXPECT_EQ(load(""), nullptr);
  EXPECT_ERROR("expected PTX or a cubin, but got nothing");
  EXPECT_EQ(load(std::string("\x7f"
                             "ELF\2\1",
                             6)),
            nullptr);
  EXPECT_ERROR("the interpreter executes PTX, but got machine code");
  EXPECT_EQ(load("hello"), nullptr);
  EXPECT_ERROR("PTX, line 1: ");
  std::string text = kPTX;
  EXPECT_EQ(load(text.substr(0, text.size() / 2)), nullptr);
  EXPECT_ERROR("PTX, line ");
  text.replace(text.find("mul.f32"), 7, "mul.f31");
  EXPECT_EQ(load(text), nullptr);
  EXPECT_ERROR("PTX, line 24: ");
}

TEST(Device, TargetOfAnotherDevice) {
  Setting setting("SPARSEDROP_INTERP_ARCH", "80");
  sparsedrop_device *device = sparsedrop_device_open("interp", 0);
  ASSERT_NE(device, nullptr);
  std::string text = kPTX;
  for (const char *target : {"sm_90", "sm_80", "sm_75"}) {
    text.replace(text.find("sm_"), 5, target);
    sparsedrop_binary *binary =
        sparsedrop_binary_load(device, text.data(), text.size());
    EXPECT_EQ(binary == nullptr, std::string(target) == "sm_90");
    if (!binary)
      EXPECT_ERROR("the PTX is for sm_90, but the device is sm_80");
    sparsedrop_binary_destroy(binary);
  }
  sparsedrop_device_close(device);
}

TEST_F(InterpTest, Kernels) {
  sparsedrop_binary *binary = load(kPTX);
  ASSERT_NE(binary, nullptr) << sparsedrop_last_error();
  EXPECT_EQ(sparsedrop_binary_kernel(binary, "shale"), nullptr);
  EXPECT_ERROR("there is no kernel 'shale': there are 'scale', 'count'");
  sparsedrop_kernel *kernel = sparsedrop_binary_kernel(binary, "scale");
  ASSERT_NE(kernel, nullptr);
  EXPECT_EQ(kernel, sparsedrop_binary_kernel(binary, "scale"));
  sparsedrop_kernel_info info;
  EXPECT_OK(sparsedrop_kernel_describe(kernel, &info));
  EXPECT_EQ(info.maxThreads, 256);
  EXPECT_EQ(info.parameterCount, 3);
  EXPECT_EQ(info.sharedBytes, 0u);
  EXPECT_GT(info.registers, 0);
  kernel = sparsedrop_binary_kernel(binary, "count");
  EXPECT_OK(sparsedrop_kernel_describe(kernel, &info));
  EXPECT_EQ(info.maxThreads, 1024);
  EXPECT_EQ(info.sharedBytes, 512u);
  sparsedrop_binary_destroy(binary);
}
