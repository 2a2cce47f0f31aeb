//===- Scalars.cpp - Scalar arguments -------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Arguments.h"
#include "FloatFormats.h"

#include <cerrno>
#include <cmath>
#include <cstring>

using namespace sparsedrop;
using namespace sparsedrop::ptxtool;

/// An integer of `size` bytes: decimal or hexadecimal, within the type's range.
static bool parseInteger(const std::string &text, bool isSigned, unsigned size,
                         uint64_t &bits) {
  bool isNegative = !text.empty() && text[0] == '-';
  uint64_t magnitude = 0;
  if (!parseNumber(isNegative ? text.substr(1) : text, magnitude))
    return false;
  uint64_t most = ~0ull >> (64 - 8 * size + (isSigned ? 1 : 0));
  if (isNegative && !isSigned && magnitude)
    return false;
  if (magnitude > (isNegative ? most + 1 : most))
    return false;
  bits = isNegative ? 0 - magnitude : magnitude;
  return true;
}

static bool parseFloat(const std::string &text, double &value) {
  if (text.empty() || std::isspace(static_cast<unsigned char>(text[0])))
    return false;
  char *end = nullptr;
  value = std::strtod(text.c_str(), &end);
  return end && *end == '\0';
}

static uint64_t encodeFloat(std::string_view type, double value) {
  if (type == "f16")
    return ptx::toHalf(value);
  if (type == "bf16")
    return ptx::toBfloat16(value);
  uint64_t bits = 0;
  if (type == "f32") {
    float narrow = static_cast<float>(value);
    std::memcpy(&bits, &narrow, sizeof(narrow));
  } else {
    std::memcpy(&bits, &value, sizeof(value));
  }
  return bits;
}

static int getDigit(char c) {
  const char *digits = "0123456789abcdef";
  const char *found = c ? std::strchr(digits, c | 32) : nullptr;
  return found ? found - digits : -1;
}

static bool parseBytes(const std::string &text, std::vector<uint8_t> &bytes) {
  if (text.size() % 2)
    return false;
  for (size_t i = 0; i < text.size(); i += 2) {
    int high = getDigit(text[i]), low = getDigit(text[i + 1]);
    if (high < 0 || low < 0)
      return false;
    bytes.push_back(16 * high + low);
  }
  return true;
}

std::string Arguments::addScalar(std::string_view type,
                                 const std::string &value, Argument &argument) {
  if (type == "bytes")
    return parseBytes(value, argument.bytes)
               ? ""
               : "expected pairs of hexadecimal digits";
  const ElementType *element = findType(type);
  uint64_t bits = 0;
  bool isFloat = type.find('f') != std::string_view::npos;
  double number = 0;
  if (isFloat ? !parseFloat(value, number)
              : !parseInteger(value, type[0] == 'i', element->size, bits))
    return "'" + value + "' is no number of type " + std::string(type);
  if (isFloat)
    bits = encodeFloat(type, number);
  argument.bytes.resize(element->size);
  std::memcpy(argument.bytes.data(), &bits, element->size);
  return "";
}
