//===- CallData.h - What a call hands over ----------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_CALLDATA_H
#define SPARSEDROP_LIB_INTERP_CALLDATA_H

#include "Program.h"

namespace sparsedrop::ptx {

/// A variable of a frame's .param space: a block of `stride` bytes for each
/// lane.
struct ParamPlace {
  uint32_t slot = 0;
  uint32_t size = 0;

  static uint32_t getStride(uint32_t size) { return (size + 15) / 16 * 16; }
  uint32_t getOffset(unsigned lane) const {
    return slot + lane * getStride(size);
  }
};

/// What a call instruction says.
struct CallData : InstData {
  const Code *callee = nullptr; ///< null: by address, in op[0]
  std::vector<ParamPlace> arguments, results;
};

/// Places of a function's parameters and results in its own frame.
inline std::vector<ParamPlace> getPlaces(const Code &code, uint32_t first,
                                         const std::vector<Variable> &list) {
  std::vector<ParamPlace> places;
  for (size_t i = 0; i < list.size(); ++i)
    places.push_back(
        {code.paramSlots[first + i], static_cast<uint32_t>(list[i].size)});
  return places;
}
inline std::vector<ParamPlace> getParameters(const Code &code) {
  return getPlaces(code, 0, code.function->parameters);
}
inline std::vector<ParamPlace> getResults(const Code &code) {
  return getPlaces(code, code.function->parameters.size(),
                   code.function->results);
}

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_CALLDATA_H
