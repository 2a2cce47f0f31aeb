//===- TensorMaps.cpp - Tensor maps as arguments --------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Arguments.h"
#include "TensorMap.h"

#include <algorithm>

using namespace sparsedrop;
using namespace sparsedrop::ptxtool;

//===----------------------------------------------------------------------===//
// Fields
//===----------------------------------------------------------------------===//

/// Copies a list into an array of `most` entries; false if it is longer.
template <typename T>
static bool putList(const std::string &text, size_t most, T *to,
                    size_t &count) {
  std::vector<uint64_t> numbers;
  if (!parseList(text, numbers) || numbers.size() > most)
    return false;
  for (uint64_t number : numbers)
    if (number > static_cast<T>(~T(0)))
      return false;
  std::copy(numbers.begin(), numbers.end(), to);
  count = numbers.size();
  return true;
}

static bool parseSwizzle(const std::string &word, ptx::TensorMapInfo &info) {
  using Info = ptx::TensorMapInfo;
  info.swizzle = word == "32"    ? Info::Swizzle32
                 : word == "64"  ? Info::Swizzle64
                 : word == "128" ? Info::Swizzle128
                                 : Info::NoSwizzle;
  return info.swizzle || word == "none";
}

static bool parseInterleave(const std::string &word, ptx::TensorMapInfo &info) {
  using Info = ptx::TensorMapInfo;
  info.interleave = word == "16"   ? Info::Interleave16
                    : word == "32" ? Info::Interleave32
                                   : Info::NoInterleave;
  return info.interleave || word == "none";
}

static bool parseFill(const std::string &word, ptx::TensorMapInfo &info) {
  info.fill =
      word == "nan" ? ptx::TensorMapInfo::NaN : ptx::TensorMapInfo::Zero;
  return word == "nan" || word == "zero";
}

/// TYPE:DIMS:STRIDES:BOX:ELEMENTSTRIDES:SWIZZLE:INTERLEAVE:FILL, of which what
/// comes after BOX may be left out. Returns what is wrong, else "".
static std::string parseFields(std::string rest, ptx::TensorMapInfo &info) {
  constexpr size_t kMost = ptx::TensorMapInfo::kMostRank;
  std::string type = takeField(rest), dims = takeField(rest),
              strides = takeField(rest), box = takeField(rest),
              steps = takeField(rest), swizzle = takeField(rest),
              interleave = takeField(rest), fill = takeField(rest);
  if (!rest.empty())
    return "'" + rest + "' is left after the fields of a tensor map";
  if (!ptx::parseTensorMapType(type, info.dataType))
    return "'" + type + "' is no type of a tensor map";
  size_t rank = 0, numStrides = 0, numBox = 0, numSteps = 0;
  if (!putList(dims, kMost, info.dims, rank) || rank == 0)
    return "'" + dims + "' is no list of 1 to 5 sizes";
  if (!putList(strides, kMost - 1, info.strides, numStrides) ||
      numStrides != rank - 1)
    return "'" + strides + "' is no list of " + std::to_string(rank - 1) +
           " strides";
  if (!putList(box, kMost, info.box, numBox) || numBox != rank)
    return "'" + box + "' is no box of " + std::to_string(rank) + " sizes";
  if (!putList(steps, kMost, info.elementStrides, numSteps) ||
      (numSteps && numSteps != rank))
    return "'" + steps + "' is no list of " + std::to_string(rank) +
           " element strides";
  info.rank = rank;
  if (!swizzle.empty() && !parseSwizzle(swizzle, info))
    return "'" + swizzle + "' is no swizzle: none, 32, 64 or 128";
  if (!interleave.empty() && !parseInterleave(interleave, info))
    return "'" + interleave + "' is no interleave: none, 16 or 32";
  if (!fill.empty() && !parseFill(fill, info))
    return "'" + fill + "' is no fill: zero or nan";
  return "";
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

/// The buffer that a map is over, which is taken from `rest`: IN.npy,
/// inout:IN:OUT or out:TYPE:SHAPE:OUT after an '@', an argument's number after
/// a '#'.
std::string Arguments::addTensorMapBuffer(std::string &rest, Argument &argument,
                                          uint64_t &address) {
  char kind = rest.empty() ? '\0' : rest[0];
  rest.erase(0, 1);
  if (kind == '#')
    return findPlace(takeField(rest), address);
  if (kind != '@')
    return "expected tensormap@BUFFER:... or tensormap#INDEX:...";
  std::string word = takeField(rest), error;
  if (word == "inout") {
    std::string input = takeField(rest), output = takeField(rest);
    error = addInOut(input + ":" + output, argument);
  } else if (word == "out") {
    std::string type = takeField(rest), shape = takeField(rest),
                output = takeField(rest);
    error = addOutput(type + ":" + shape + ":" + output, argument);
  } else {
    error = addInput(word, argument);
  }
  if (error.empty())
    address = buffers.back().address;
  return error;
}

std::string Arguments::addTensorMap(const std::string &text,
                                    Argument &argument) {
  std::string rest = text;
  ptx::TensorMapInfo info;
  std::string error = addTensorMapBuffer(rest, argument, info.address);
  if (error.empty())
    error = parseFields(rest, info);
  if (!error.empty())
    return error;
  argument.bytes.assign(ptx::TensorMapInfo::kBytes, 0);
  return ptx::encodeTensorMap(info, argument.bytes.data());
}

/// A map in device memory, and a pointer to it.
std::string Arguments::addTensorMapPointer(const std::string &text,
                                           Argument &argument) {
  std::string error = addTensorMap(text, argument);
  if (!error.empty())
    return error;
  Buffer buffer;
  buffer.isInput = true;
  buffer.array.descr = "|u1";
  buffer.array.elementSize = 1;
  buffer.array.shape = {argument.bytes.size()};
  buffer.array.data = argument.bytes;
  return addBuffer(std::move(buffer), argument);
}
