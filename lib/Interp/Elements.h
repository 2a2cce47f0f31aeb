//===- Elements.h - What loads and stores move ------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_ELEMENTS_H
#define SPARSEDROP_LIB_INTERP_ELEMENTS_H

#include "Program.h"
#include "Shadow.h"

#include <cstring>

namespace sparsedrop::ptx {

class Decoder;

/// Elements of a load or store (ISA 9.7.9.8, 9.7.9.11).
struct Elements : InstData {
  std::vector<uint32_t> slots;
  uint8_t size = 0;         ///< bytes in memory
  uint8_t registerSize = 0; ///< bytes in the register: at least `size`
  bool isSigned = false;    ///< wider registers get the sign
  Access kind = Access::Read;
  bool acquires = false, releases = false;
};

/// Copies an element from memory into a register that may be wider.
template <unsigned Size>
inline void putElement(uint8_t *to, unsigned lane, const uint8_t *element,
                       const Elements &data) {
  if (data.registerSize == Size) {
    std::memcpy(to + lane * Size, element, Size);
    return;
  }
  uint8_t wide[16];
  bool isNegative = data.isSigned && (element[Size - 1] & 0x80);
  std::memset(wide, isNegative ? 0xFF : 0, sizeof(wide));
  std::memcpy(wide, element, Size);
  std::memcpy(to + lane * data.registerSize, wide, data.registerSize);
}

/// An access of a .param variable by its name: `data` has all but the place.
bool decodeParameter(Decoder &decoder, const Operand &address, bool isStore,
                     Elements &data);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_ELEMENTS_H
