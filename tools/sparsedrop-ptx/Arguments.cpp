//===- Arguments.cpp - Arguments of the kernel ----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Arguments.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

using namespace sparsedrop;
using namespace sparsedrop::ptxtool;

//===----------------------------------------------------------------------===//
// Words
//===----------------------------------------------------------------------===//

std::string sparsedrop::ptxtool::takeField(std::string &rest, char separator) {
  size_t at = std::min(rest.find(separator), rest.size());
  std::string field = rest.substr(0, at);
  rest.erase(0, at + 1);
  return field;
}

bool sparsedrop::ptxtool::parseNumber(const std::string &text,
                                      uint64_t &number) {
  bool isHex = text.size() > 2 && text[0] == '0' && (text[1] | 32) == 'x';
  const char *digits = isHex ? "0123456789abcdefABCDEF" : "0123456789";
  size_t start = isHex ? 2 : 0;
  if (text.size() <= start ||
      text.find_first_not_of(digits, start) != std::string::npos)
    return false;
  errno = 0;
  number = std::strtoull(text.c_str(), nullptr, isHex ? 16 : 10);
  return errno == 0;
}

bool sparsedrop::ptxtool::parseList(const std::string &text,
                                    std::vector<uint64_t> &numbers) {
  if (text.empty())
    return true;
  std::string rest = text + ",";
  while (!rest.empty()) {
    numbers.push_back(0);
    if (!parseNumber(takeField(rest, ','), numbers.back()))
      return false;
  }
  return true;
}

static void putBytes(Argument &argument, const void *bytes, size_t size) {
  argument.bytes.resize(size);
  std::memcpy(argument.bytes.data(), bytes, size);
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

std::string Arguments::addBuffer(Buffer buffer, Argument &argument) {
  uint64_t count = 0;
  if (!countElements(buffer.array.shape, count) ||
      __builtin_mul_overflow(count, uint64_t(buffer.array.elementSize),
                             &buffer.size))
    return "has a shape that is too large";
  ptx::Allocation *allocation = memory.allocate(buffer.size);
  if (!allocation)
    return "needs " + std::to_string(buffer.size) +
           " bytes of memory, which there are not";
  buffer.address = allocation->address;
  putBytes(argument, &buffer.address, sizeof(buffer.address));
  argument.buffer = buffers.size();
  buffers.push_back(std::move(buffer));
  return "";
}

std::string Arguments::addInput(const std::string &path, Argument &argument) {
  Buffer buffer;
  buffer.isInput = true;
  std::string error = readNpy(path, buffer.array);
  return error.empty() ? addBuffer(std::move(buffer), argument) : error;
}

std::string Arguments::addInOut(const std::string &rest, Argument &argument) {
  std::string output = rest, input = takeField(output);
  if (output.empty())
    return "expected inout:IN.npy:OUT.npy";
  std::string error = addInput(input, argument);
  if (error.empty())
    buffers.back().output = output;
  return error;
}

std::string Arguments::addOutput(const std::string &rest, Argument &argument) {
  Buffer buffer;
  buffer.output = rest;
  std::string name = takeField(buffer.output);
  std::string shape = takeField(buffer.output);
  const ElementType *type = findType(name);
  if (!type)
    return "'" + name +
           "' is no type of elements: u8 to u64, i8 to i64, f16, "
           "bf16, f32, f64";
  if (!parseList(shape, buffer.array.shape))
    return "'" + shape + "' is no shape, such as 64,32";
  if (buffer.output.empty())
    return "expected out:TYPE:SHAPE:OUT.npy";
  buffer.array.descr = std::string(type->descr);
  buffer.array.elementSize = type->size;
  return addBuffer(std::move(buffer), argument);
}

std::string Arguments::findPlace(const std::string &text, uint64_t &address) {
  std::string offsetText = text, indexText = takeField(offsetText, '+');
  uint64_t index = 0, offset = 0;
  if (!parseNumber(indexText, index) ||
      (!offsetText.empty() && !parseNumber(offsetText, offset)))
    return "'" + text + "' is no INDEX or INDEX+OFFSET";
  if (index >= arguments.size() || arguments[index].buffer < 0)
    return "argument " + indexText + " is no buffer that comes before";
  address = buffers[arguments[index].buffer].address + offset;
  return "";
}

std::string Arguments::addPointer(const std::string &rest, Argument &argument) {
  uint64_t address = 0;
  std::string error = findPlace(rest, address);
  putBytes(argument, &address, sizeof(address));
  return error;
}

void Arguments::reset() {
  for (Buffer &buffer : buffers) {
    auto *data = reinterpret_cast<uint8_t *>(buffer.address);
    const ptx::Allocation *allocation = memory.find(buffer.address);
    std::memset(data, 0xFF, buffer.size);
    if (allocation)
      std::memset(allocation->written, buffer.isInput, buffer.size);
    if (buffer.isInput)
      std::copy(buffer.array.data.begin(), buffer.array.data.end(), data);
  }
}

std::string Arguments::writeOutputs() {
  std::vector<Output> outputs;
  for (const Buffer &buffer : buffers) {
    if (buffer.output.empty())
      continue;
    const auto *data = reinterpret_cast<const uint8_t *>(buffer.address);
    Array array = {buffer.array.descr,
                   buffer.array.elementSize,
                   buffer.array.shape,
                   {data, data + buffer.size}};
    outputs.push_back({buffer.output, std::move(array)});
  }
  return writeNpy(outputs);
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

std::string Arguments::add(const std::string &text) {
  Argument argument;
  argument.text = text;
  std::string rest = text, word = takeField(rest), error;
  if (text == "null")
    argument.bytes.assign(8, 0);
  else if (text.rfind("tensormap", 0) == 0)
    error = addTensorMap(text.substr(9), argument);
  else if (word == "inout")
    error = addInOut(rest, argument);
  else if (word == "out")
    error = addOutput(rest, argument);
  else if (rest.rfind("tensormap", 0) == 0 && word == "ptr")
    error = addTensorMapPointer(rest.substr(9), argument);
  else if (word == "ptr")
    error = addPointer(rest, argument);
  else if (word != text && (word == "bytes" || findType(word)))
    error = addScalar(word, rest, argument);
  else
    error = addInput(text, argument);
  if (!error.empty())
    return "--arg=" + text + ": " + error;
  arguments.push_back(std::move(argument));
  return "";
}

std::string Arguments::layOut(const ptx::Code &kernel,
                              std::vector<uint8_t> &parameters) const {
  const ptx::Function &function = *kernel.function;
  if (function.parameters.size() != arguments.size())
    return "kernel '" + function.name + "' has " +
           std::to_string(function.parameters.size()) +
           " parameters, but there are " + std::to_string(arguments.size()) +
           " --arg";
  parameters.assign(kernel.parameterBytes, 0);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const ptx::Variable &parameter = function.parameters[i];
    const Argument &argument = arguments[i];
    if (parameter.size != argument.bytes.size())
      return "parameter " + std::to_string(i) + " ('" + parameter.name +
             "') of kernel '" + function.name + "' has " +
             std::to_string(parameter.size) +
             " bytes, but --arg=" + argument.text + " has " +
             std::to_string(argument.bytes.size());
    std::copy(argument.bytes.begin(), argument.bytes.end(),
              parameters.begin() + kernel.paramOffsets.at(i));
  }
  return "";
}
