//===- CudaTest.h - What tests of a driver without a GPU share --*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TEST_UNIT_CUDATEST_H
#define SPARSEDROP_TEST_UNIT_CUDATEST_H

#include "DeviceTest.h"

#include <dlfcn.h>

namespace sparsedrop::test {

/// FakeCuda.cpp, which the runtime opens as its driver.
class CudaTest : public ::testing::Test {
protected:
  CudaTest() : setting("SPARSEDROP_CUDA_LIBRARY", SPARSEDROP_FAKE_CUDA) {
    library = dlopen(SPARSEDROP_FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
    device = sparsedrop_device_open("cuda", 1);
    takeLog();
  }
  ~CudaTest() override {
    failNowhere();
    sparsedrop_device_close(device);
  }
  void SetUp() override {
    ASSERT_NE(library, nullptr) << dlerror();
    ASSERT_NE(device, nullptr) << sparsedrop_last_error();
  }

  template <typename Function> Function *find(const char *name) {
    return reinterpret_cast<Function *>(dlsym(library, name));
  }
  std::string takeLog() { return find<const char *()>("fakeCudaTakeLog")(); }
  void fail(const char *name, int result) {
    find<void(const char *, int)>("fakeCudaFail")(name, result);
  }
  void failNowhere() { fail("", 0); }
  sparsedrop_binary *load() {
    return sparsedrop_binary_load(device, ".version 8.0", 12);
  }

  Setting setting;
  void *library;
  sparsedrop_device *device;
};

} // namespace sparsedrop::test

#endif // SPARSEDROP_TEST_UNIT_CUDATEST_H
