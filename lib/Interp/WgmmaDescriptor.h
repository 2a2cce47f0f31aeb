//===- WgmmaDescriptor.h - Matrices in shared memory ------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where a matrix descriptor says that the core matrices of an operand are (ISA
// 9.7.15.5.1). A chunk is 16 bytes along the major dimension; S is the bytes of
// the swizzle: 128, 64, 32.
//
//   K-major, chunk c of row r             from the start of the matrix
//     no swizzle   (r / 8) * stride + c * leading + (r % 8) * 16
//     swizzle S    (r / 8) * stride + (r % 8) * S + c * 16
//   MN-major, chunk c of column k
//     no swizzle   c * stride + (k / 8) * leading + (k % 8) * 16
//     swizzle S    (c / (S / 16)) * leading + (c % (S / 16)) * 16
//                  + (k / 8) * stride + (k % 8) * S
//
// The swizzle is one of shared addresses: bits 4 to 6 (128 bytes), 4 to 5 (64)
// or 4 (32) are changed by xor with the bits from 7 on, counted from the base
// offset where the pattern does not start at a multiple of 8 * S.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_WGMMADESCRIPTOR_H
#define SPARSEDROP_LIB_INTERP_WGMMADESCRIPTOR_H

#include <cstdint>
#include <string>

namespace sparsedrop::ptx {

/// A matrix descriptor; all in bytes.
struct MatrixDescriptor {
  uint32_t start = 0;   ///< shared address
  uint32_t leading = 0; ///< leading dimension byte offset
  uint32_t stride = 0;  ///< stride dimension byte offset
  uint32_t base = 0;    ///< base offset, in units of 128 bytes
  uint32_t swizzle = 0; ///< 0, 32, 64 or 128

  explicit MatrixDescriptor(uint64_t bits);
  /// What is wrong with a descriptor's bits, or "".
  static std::string validate(uint64_t bits);

  /// Shared address of a chunk: of row `line` of a K-major matrix, of column
  /// `line` of an MN-major one.
  uint32_t getChunk(bool isMNMajor, uint32_t line, uint32_t chunk) const {
    uint32_t inside = line % 8, group = line / 8;
    uint32_t address = start;
    if (!swizzle)
      address += inside * 16 + (isMNMajor ? chunk * stride + group * leading
                                          : group * stride + chunk * leading);
    else
      address += group * stride + inside * swizzle +
                 (isMNMajor ? chunk / (swizzle / 16) * leading +
                                  chunk % (swizzle / 16) * 16
                            : chunk * 16);
    uint32_t mask = swizzle ? swizzle / 16 - 1 : 0;
    return address ^ (((address >> 7) - base) & mask) << 4;
  }
};

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_WGMMADESCRIPTOR_H
