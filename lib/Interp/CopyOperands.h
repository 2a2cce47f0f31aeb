//===- CopyOperands.h - Operands of asynchronous copies ---------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_COPYOPERANDS_H
#define SPARSEDROP_LIB_INTERP_COPYOPERANDS_H

#include "Decoder.h"
#include "Machine.h"

namespace sparsedrop::ptx {

/// An address operand and the space that it is in.
struct AddressSource {
  Space space = Space::Generic;
  AddressOperand operand;

  uint64_t get(Warp &warp, unsigned lane) const {
    if (operand.is32)
      return static_cast<uint32_t>(warp.lanes<uint32_t>(operand.base)[lane] +
                                   static_cast<uint32_t>(operand.offset));
    return warp.lanes<uint64_t>(operand.base)[lane] + operand.offset;
  }
};

/// Reads an address operand; only shared memory has addresses of 32 bits, only
/// tensors have coordinates.
inline bool takeAddress(Decoder &decoder, const Operand &operand, Space space,
                        AddressSource &source, bool hasCoordinates = false) {
  if (operand.kind == Operand::Address &&
      operand.elements.size() != 1u + hasCoordinates)
    return decoder.fail(hasCoordinates ? "expected [tensor map, {coordinates}]"
                                       : "expected one address in brackets");
  std::optional<AddressOperand> address = decoder.address(operand);
  if (!address)
    return false;
  if (address->is32 && space != Space::Shared)
    return decoder.fail("expected an address of 64 bits");
  source.space = space;
  source.operand = *address;
  return true;
}

/// Reads an operand that is a value of `type`.
inline bool takeValue(Decoder &decoder, const Operand &operand, Type type,
                      uint32_t &slot) {
  std::optional<uint32_t> found = decoder.source(operand, type);
  if (found)
    slot = *found;
  return found.has_value();
}

/// Takes .shared, .shared::cta and, where it may be, .shared::cluster: Generic
/// if there is none of them.
inline Space takeSharedSpace(Decoder &decoder, bool mayBeCluster) {
  bool isShared = decoder.take("shared") || decoder.take("shared::cta") ||
                  (mayBeCluster && decoder.take("shared::cluster"));
  return isShared ? Space::Shared : Space::Generic;
}

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_COPYOPERANDS_H
