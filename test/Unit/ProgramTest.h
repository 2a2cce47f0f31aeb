//===- ProgramTest.h - What tests of programs share -------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TEST_UNIT_PROGRAMTEST_H
#define SPARSEDROP_TEST_UNIT_PROGRAMTEST_H

#include "InterpTest.h"

#include "sparsedrop-c/Program.h"

namespace sparsedrop::test {

/// `add`: p[i] = q[i] + v of 64-bit words, a thread for each.
inline constexpr const char *kProgram = R"(.version 8.0
.target sm_80
.address_size 64
.global .align 16 .u64 weights[2] = {40, 2};
.visible .entry add(.param .u64 p, .param .u64 q, .param .u64 v)
{
  .reg .b64 %rd<8>;
  .reg .b32 %r<6>;
  ld.param.u64 %rd1, [p];
  ld.param.u64 %rd2, [q];
  ld.param.u64 %rd3, [v];
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mov.u32 %r4, %tid.x;
  mad.lo.u32 %r5, %r2, %r3, %r4;
  mul.wide.u32 %rd4, %r5, 8;
  add.u64 %rd1, %rd1, %rd4;
  add.u64 %rd2, %rd2, %rd4;
  ld.global.u64 %rd5, [%rd2];
  add.u64 %rd5, %rd5, %rd3;
  st.global.u64 [%rd1], %rd5;
  ret;
}
)";

inline constexpr const char *kKernels[] = {"add"};
inline constexpr const char *kConstants[] = {"weights"};

inline sparsedrop_program_image makeImage() {
  sparsedrop_program_image image = {};
  image.size = sizeof(image);
  image.chip = "sm_80";
  image.ptx = kProgram;
  image.ptxBytes = std::strlen(kProgram) + 1;
  // Machine code is for GPUs.
  image.cubin = "code";
  image.cubinBytes = 4;
  image.kernels = kKernels;
  image.kernelCount = 1;
  image.constants = kConstants;
  image.constantCount = 1;
  return image;
}

inline int64_t toWord(const void *pointer) {
  return static_cast<int64_t>(reinterpret_cast<uintptr_t>(pointer));
}

/// to[i] = from[i] + value in the current section, for i < 32 * blocks.
inline void add(void *to, const void *from, int64_t value, int64_t blocks) {
  int64_t words[] = {toWord(to), toWord(from), value};
  sparsedrop_program_launch(0, blocks, 1, 1, 32, 0, words, 3, 0);
}

class ProgramTest : public InterpTest {
protected:
  int32_t enter(sparsedrop_stream *stream = nullptr) {
    return sparsedrop_program_enter(device, stream, &image);
  }
  sparsedrop_program_statistics getStatistics() {
    sparsedrop_program_statistics statistics = {};
    sparsedrop_program_statistics_of(device, &statistics);
    return statistics;
  }

  sparsedrop_program_image image = makeImage();
};

} // namespace sparsedrop::test

#endif // SPARSEDROP_TEST_UNIT_PROGRAMTEST_H
