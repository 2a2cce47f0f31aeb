//===- Npy.h - Arrays in .npy files -----------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_PTX_NPY_H
#define SPARSEDROP_TOOLS_PTX_NPY_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sparsedrop::ptxtool {

/// A type of elements: what the command line calls it, NumPy's name of it, and
/// its bytes.
struct ElementType {
  std::string_view name;  ///< "f32"
  std::string_view descr; ///< "<f4"
  unsigned size;
};

/// The type of a name, "f32"; bf16 is kept in u16. Null if there is none.
const ElementType *findType(std::string_view name);

/// An array in C order.
struct Array {
  std::string descr;
  unsigned elementSize = 0;
  std::vector<uint64_t> shape;
  std::vector<uint8_t> data;
};

/// Reads a .npy file of version 1 to 3: little endian, C order. Returns what is
/// wrong with it, else "".
std::string readNpy(const std::string &path, Array &array);

/// An array and the file that it goes into.
struct Output {
  std::string path;
  Array array;
};

/// Writes .npy files, by others that take their names at the end, so that there
/// are all of them, whole, or none. Returns what went wrong, else "".
std::string writeNpy(const std::vector<Output> &outputs);

/// The number of elements, or false if it does not fit 64 bits.
bool countElements(const std::vector<uint64_t> &shape, uint64_t &count);

} // namespace sparsedrop::ptxtool

#endif // SPARSEDROP_TOOLS_PTX_NPY_H
