//===- WgmmaDescriptor.cpp - Matrices in shared memory --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WgmmaDescriptor.h"

using namespace sparsedrop::ptx;

/// Bits 13-0 start, 29-16 leading, 45-32 stride, each in units of 16 bytes;
/// 51-49 base offset, 63-62 swizzle (ISA 9.7.15.5.1.2.2).
static constexpr uint64_t kUsedBits = 0xC00E3FFF3FFF3FFF;

static uint32_t decodeBytes(uint64_t bits, unsigned shift) {
  return (bits >> shift & 0x3FFF) << 4;
}

MatrixDescriptor::MatrixDescriptor(uint64_t bits)
    : start(decodeBytes(bits, 0)), leading(decodeBytes(bits, 16)),
      stride(decodeBytes(bits, 32)), base(bits >> 49 & 7) {
  constexpr uint32_t kSwizzles[] = {0, 128, 64, 32};
  swizzle = kSwizzles[bits >> 62];
}

std::string MatrixDescriptor::validate(uint64_t bits) {
  if (bits & ~kUsedBits)
    return "has bits that are reserved";
  MatrixDescriptor descriptor(bits);
  if (descriptor.base && !descriptor.swizzle)
    return "has a base offset, but no swizzle";
  return {};
}
