//===- Lanes.h - Loops over the lanes of a warp -----------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_LANES_H
#define SPARSEDROP_LIB_INTERP_LANES_H

#include "Program.h"

namespace sparsedrop::ptx {

/// Calls run(lane) for the lanes of a mask; for a whole warp, in a plain loop
/// that the compiler can vectorize.
template <typename Run> inline void forEachLane(LaneMask mask, Run run) {
  if (mask == kAllLanes) {
    for (unsigned lane = 0; lane < kNumLanes; ++lane)
      run(lane);
    return;
  }
  for (; mask; mask &= mask - 1)
    run(static_cast<unsigned>(__builtin_ctz(mask)));
}

/// An unsigned integer of a number of bytes.
template <unsigned Size> struct UnsignedOf;
template <> struct UnsignedOf<1> {
  using Type = uint8_t;
};
template <> struct UnsignedOf<2> {
  using Type = uint16_t;
};
template <> struct UnsignedOf<4> {
  using Type = uint32_t;
};
template <> struct UnsignedOf<8> {
  using Type = uint64_t;
};
template <> struct UnsignedOf<16> {
  using Type = unsigned __int128;
};
template <unsigned Size> using Unsigned = typename UnsignedOf<Size>::Type;

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_LANES_H
