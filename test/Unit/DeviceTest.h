//===- DeviceTest.h - What tests of devices share ---------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TEST_UNIT_DEVICETEST_H
#define SPARSEDROP_TEST_UNIT_DEVICETEST_H

#include "sparsedrop-c/Device.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

/// A call that has to succeed.
#define EXPECT_OK(call) EXPECT_EQ(call, 0) << sparsedrop_last_error()
/// The last failure's message contains `text`.
#define EXPECT_ERROR(text)                                                     \
  EXPECT_NE(std::string(sparsedrop_last_error()).find(text),                   \
            std::string::npos)                                                 \
      << sparsedrop_last_error()

namespace sparsedrop::test {

/// A variable of the environment, until the end of the scope.
class Setting {
public:
  Setting(const char *name, const char *value) : name(name) {
    setenv(name, value, 1);
  }
  ~Setting() { unsetenv(name); }

private:
  const char *name;
};

/// A launch with its parameters.
class Launcher {
public:
  Launcher(uint32_t grid, uint32_t block) {
    launch.size = sizeof(launch);
    launch.grid[0] = grid;
    launch.block[0] = block;
    for (int i = 1; i < 3; ++i)
      launch.grid[i] = launch.block[i] = 1;
  }
  template <typename T> Launcher &add(T value) {
    std::memcpy(values.emplace_back(sizeof(T)).data(), &value, sizeof(T));
    return *this;
  }
  Launcher &setShared(uint32_t bytes) {
    launch.sharedBytes = bytes;
    return *this;
  }
  Launcher &setCluster(uint32_t size) {
    launch.cluster[0] = size;
    launch.cluster[1] = launch.cluster[2] = 1;
    return *this;
  }
  Launcher &setOverlaps() {
    launch.overlaps = 1;
    return *this;
  }
  int32_t run(sparsedrop_kernel *kernel, sparsedrop_stream *stream) {
    std::vector<const void *> pointers;
    std::vector<uint64_t> sizes;
    for (const std::vector<char> &value : values) {
      pointers.push_back(value.data());
      sizes.push_back(value.size());
    }
    launch.parameters = pointers.data();
    launch.parameterBytes = sizes.data();
    launch.parameterCount = pointers.size();
    return sparsedrop_kernel_launch(kernel, stream, &launch);
  }

private:
  sparsedrop_launch launch = {};
  std::deque<std::vector<char>> values;
};

/// A valid tensor map: 64 rows of 100 f16, 256 bytes apart.
inline sparsedrop_tensor_map makeMap(uint64_t address) {
  sparsedrop_tensor_map map = {};
  map.size = sizeof(map);
  map.type = SPARSEDROP_MAP_F16;
  map.rank = 2;
  map.address = address;
  map.dims[0] = 100;
  map.dims[1] = 64;
  map.strides[0] = 256;
  map.box[0] = 64;
  map.box[1] = 32;
  map.swizzle = 128;
  return map;
}

} // namespace sparsedrop::test

#endif // SPARSEDROP_TEST_UNIT_DEVICETEST_H
