//===- InterpTest.h - What tests of the interpreter share -------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TEST_UNIT_INTERPTEST_H
#define SPARSEDROP_TEST_UNIT_INTERPTEST_H

#include "DeviceTest.h"

namespace sparsedrop::test {

/// Two kernels and a variable.
inline constexpr const char *kPTX = R"(.version 8.0
.target sm_80
.address_size 64
.global .align 4 .u32 counter = 7;
.visible .entry scale(.param .u64 p, .param .u32 n, .param .f32 a)
.maxntid 256, 1, 1
{
  .reg .b64 %rd<4>;
  .reg .b32 %r<6>;
  .reg .f32 %f<4>;
  .reg .pred %p<2>;
  ld.param.u64 %rd1, [p];
  ld.param.u32 %r1, [n];
  ld.param.f32 %f1, [a];
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mov.u32 %r4, %tid.x;
  mad.lo.u32 %r5, %r2, %r3, %r4;
  setp.ge.u32 %p1, %r5, %r1;
  @%p1 bra END;
  mul.wide.u32 %rd2, %r5, 4;
  add.u64 %rd3, %rd1, %rd2;
  ld.global.f32 %f2, [%rd3];
  mul.f32 %f3, %f2, %f1;
  st.global.f32 [%rd3], %f3;
END:
  ret;
}
.visible .entry count(.param .u64 p)
{
  .reg .b64 %rd<4>;
  .reg .b32 %r<4>;
  .shared .align 16 .b8 buffer[512];
  ld.param.u64 %rd1, [p];
  mov.u64 %rd2, counter;
  atom.global.add.u32 %r1, [%rd2], 1;
  st.global.u32 [%rd1], %r1;
  ret;
}
)";

/// Floats that a kernel works on.
inline std::vector<float> makeFloats(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = i + 1;
  return values;
}

class InterpTest : public ::testing::Test {
protected:
  InterpTest() : device(sparsedrop_device_open("interp", 0)) {}
  ~InterpTest() override { sparsedrop_device_close(device); }

  void SetUp() override {
    ASSERT_NE(device, nullptr) << sparsedrop_last_error();
  }
  uint64_t allocate(uint64_t bytes) {
    uint64_t address = 0;
    EXPECT_OK(sparsedrop_device_alloc(device, bytes, &address));
    return address;
  }
  sparsedrop_binary *load(std::string_view text) {
    return sparsedrop_binary_load(device, text.data(), text.size());
  }
  /// Enqueues `scale` over `n` floats at `p`.
  int32_t scale(sparsedrop_kernel *kernel, sparsedrop_stream *stream,
                uint64_t p, uint32_t n, float a) {
    return Launcher((n + 127) / 128, 128)
        .add(p)
        .add(n)
        .add(a)
        .run(kernel, stream);
  }

  sparsedrop_device *device;
};

} // namespace sparsedrop::test

#endif // SPARSEDROP_TEST_UNIT_INTERPTEST_H
