//===- Specials.h - Special registers ---------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Special registers (ISA chapter 10) and addresses that depend on the warp are
// slots that are filled in when a frame is made. Those that change from read to
// read, the clocks, are read by mov alone.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_SPECIALS_H
#define SPARSEDROP_LIB_INTERP_SPECIALS_H

#include "Program.h"

#include <optional>
#include <string_view>

namespace sparsedrop::ptx {

/// In a SpecialSlot's id: the address of a .local variable of the frame, at the
/// offset in the low bits.
constexpr uint32_t kLocalAddress = 1u << 31;
/// The address of a .shared variable, at the offset in the low bits.
constexpr uint32_t kSharedAddress = 1u << 30;
/// The address of the launch's dynamic shared memory.
constexpr uint32_t kDynamicAddress = 1u << 29;
constexpr uint32_t kAddressOffset = kDynamicAddress - 1;

/// The id of a special register such as "%tid.x"; nothing if there is none.
std::optional<uint32_t> findSpecial(std::string_view name);
/// Whether it changes while a warp runs: clocks.
bool isVolatile(uint32_t special);
/// Bytes that it has: 4 or 8.
unsigned getSpecialSize(uint32_t special);
/// Its value for a lane.
uint64_t readSpecial(uint32_t special, Warp &warp, const Frame &frame,
                     unsigned lane);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_SPECIALS_H
