//===- Arguments.h - Arguments of the kernel --------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_PTX_ARGUMENTS_H
#define SPARSEDROP_TOOLS_PTX_ARGUMENTS_H

#include "DeviceMemory.h"
#include "Npy.h"
#include "Program.h"

namespace sparsedrop::ptxtool {

/// Device memory that an argument points to.
struct Buffer {
  uint64_t address = 0;
  uint64_t size = 0; ///< bytes
  Array array;       ///< type and shape; data of inputs
  bool isInput = false;
  std::string output; ///< where it is written to, or empty
};

/// A parameter's bytes.
struct Argument {
  std::string text; ///< as on the command line
  std::vector<uint8_t> bytes;
  int buffer = -1; ///< in Arguments::buffers
};

/// The --arg options of a command line.
class Arguments {
public:
  explicit Arguments(ptx::DeviceMemory &memory) : memory(memory) {}

  /// Adds one; returns what is wrong with it, else "".
  std::string add(const std::string &text);
  /// The kernel's parameters: their number and sizes must be those that it
  /// declares. Returns what is wrong, else "".
  std::string layOut(const ptx::Code &kernel,
                     std::vector<uint8_t> &parameters) const;
  /// Gives inputs their first contents again, and outputs none.
  void reset();
  /// Writes the outputs; returns what went wrong, else "".
  std::string writeOutputs();

private:
  std::string addScalar(std::string_view type, const std::string &value,
                        Argument &argument);
  std::string addInput(const std::string &path, Argument &argument);
  std::string addInOut(const std::string &rest, Argument &argument);
  std::string addOutput(const std::string &rest, Argument &argument);
  std::string addPointer(const std::string &rest, Argument &argument);
  std::string addTensorMap(const std::string &rest, Argument &argument);
  std::string addTensorMapPointer(const std::string &rest, Argument &argument);
  std::string addTensorMapBuffer(std::string &rest, Argument &argument,
                                 uint64_t &address);
  std::string addBuffer(Buffer buffer, Argument &argument);
  std::string findPlace(const std::string &text, uint64_t &address);

  ptx::DeviceMemory &memory;
  std::vector<Argument> arguments;
  std::vector<Buffer> buffers;
};

/// The text up to the next `separator`, which is taken from `rest` with it.
std::string takeField(std::string &rest, char separator = ':');
/// Numbers between commas, decimal and not negative.
bool parseList(const std::string &text, std::vector<uint64_t> &numbers);
/// A number in decimal or, with 0x, hexadecimal.
bool parseNumber(const std::string &text, uint64_t &number);

} // namespace sparsedrop::ptxtool

#endif // SPARSEDROP_TOOLS_PTX_ARGUMENTS_H
