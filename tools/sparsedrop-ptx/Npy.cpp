//===- Npy.cpp - Arrays in .npy files -------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Npy.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <unistd.h>

using namespace sparsedrop::ptxtool;

static constexpr ElementType kTypes[] = {
    {"u8", "|u1", 1},   {"i8", "|i1", 1},  {"u16", "<u2", 2},
    {"i16", "<i2", 2},  {"u32", "<u4", 4}, {"i32", "<i4", 4},
    {"u64", "<u8", 8},  {"i64", "<i8", 8}, {"f16", "<f2", 2},
    {"f32", "<f4", 4},  {"f64", "<f8", 8}, {"bool", "|b1", 1},
    {"bf16", "<u2", 2},
};

const ElementType *sparsedrop::ptxtool::findType(std::string_view name) {
  for (const ElementType &type : kTypes)
    if (type.name == name)
      return &type;
  return nullptr;
}

bool sparsedrop::ptxtool::countElements(const std::vector<uint64_t> &shape,
                                        uint64_t &count) {
  count = 1;
  for (uint64_t size : shape)
    if (__builtin_mul_overflow(count, size, &count))
      return false;
  return true;
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

namespace {
struct Closer {
  void operator()(std::FILE *file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Closer>;
} // namespace

/// The text after 'key': in a header, or empty.
static std::string_view findValue(std::string_view header,
                                  std::string_view key) {
  size_t at = header.find("'" + std::string(key) + "'");
  if (at == std::string_view::npos)
    return {};
  header.remove_prefix(at + key.size() + 2);
  size_t start = header.find_first_not_of(" :");
  return start == std::string_view::npos ? std::string_view()
                                         : header.substr(start);
}

/// "(3, 4)", "(3,)" or "()".
static bool parseShape(std::string_view text, std::vector<uint64_t> &shape) {
  if (text.empty() || text.front() != '(')
    return false;
  text.remove_prefix(1);
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    if (!text.empty() && text.front() == ')')
      return true;
    uint64_t value = 0;
    auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc())
      return false;
    shape.push_back(value);
    text.remove_prefix(end - text.data());
    if (text.empty() || (text.front() != ',' && text.front() != ')'))
      return false;
    if (text.front() == ',')
      text.remove_prefix(1);
  }
}

static std::string parseHeader(std::string_view header, Array &array) {
  std::string_view descr = findValue(header, "descr");
  size_t end = descr.empty() ? 0 : descr.find('\'', 1);
  if (descr.empty() || descr.front() != '\'' || end == std::string_view::npos)
    return "has a type that is not supported";
  array.descr = std::string(descr.substr(1, end - 1));
  for (const ElementType &type : kTypes)
    if (type.descr == array.descr)
      array.elementSize = type.size;
  if (!array.elementSize)
    return "has the type '" + array.descr + "', which is not supported";
  if (findValue(header, "fortran_order").substr(0, 5) != "False")
    return "is in Fortran order: numpy.ascontiguousarray() helps";
  if (!parseShape(findValue(header, "shape"), array.shape))
    return "has a shape that cannot be read";
  return "";
}

/// The header's text; false if the file is none or is cut off.
static bool readHeader(std::FILE *file, std::string &header) {
  uint8_t start[12] = {};
  if (std::fread(start, 1, 10, file) != 10 ||
      std::memcmp(start, "\x93NUMPY", 6) != 0)
    return false;
  uint64_t length = start[8] | start[9] << 8;
  if (start[6] < 1 || start[6] > 3)
    return false;
  if (start[6] > 1) {
    if (std::fread(start + 10, 1, 2, file) != 2)
      return false;
    length |= uint64_t(start[10]) << 16 | uint64_t(start[11]) << 24;
  }
  if (length > 1 << 20)
    return false;
  header.resize(length);
  return std::fread(header.data(), 1, length, file) == length;
}

std::string sparsedrop::ptxtool::readNpy(const std::string &path,
                                         Array &array) {
  std::string name = "'" + path + "' ";
  File file(std::fopen(path.c_str(), "rb"));
  if (!file)
    return name + "cannot be opened: " + std::strerror(errno);
  std::string header;
  if (!readHeader(file.get(), header))
    return name + "is not a .npy file";
  std::string error = parseHeader(header, array);
  if (!error.empty())
    return name + error;
  uint64_t bytes = 0;
  constexpr uint64_t kMost = uint64_t(1) << 36;
  if (!countElements(array.shape, bytes) ||
      __builtin_mul_overflow(bytes, uint64_t(array.elementSize), &bytes) ||
      bytes > kMost)
    return name + "is too large";
  // The file says how much there is before so much memory is asked for.
  std::error_code code;
  uint64_t size = std::filesystem::file_size(path, code);
  if (code || size < bytes)
    return name + "is cut off";
  array.data.resize(bytes);
  if (std::fread(array.data.data(), 1, bytes, file.get()) != bytes)
    return name + "is cut off";
  return "";
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

static std::string makeHeader(const Array &array) {
  std::string shape;
  for (uint64_t size : array.shape)
    shape += std::to_string(size) + ",";
  std::string text = "{'descr': '" + array.descr +
                     "', 'fortran_order': False, 'shape': (" + shape + "), }";
  size_t total = (10 + text.size() + 1 + 63) / 64 * 64;
  text.resize(total - 10 - 1, ' ');
  text += '\n';
  std::string header = "\x93NUMPY";
  header += '\x01';
  header += '\0';
  header += static_cast<char>(text.size() & 0xFF);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

static std::string describeFailure(const Output &output, const char *why) {
  return "'" + output.path + "' cannot be written: " + why;
}

static std::string writeWhole(const Output &output, const std::string &path) {
  const std::vector<uint8_t> &data = output.array.data;
  std::string header = makeHeader(output.array);
  std::FILE *file = std::fopen(path.c_str(), "wb");
  if (!file)
    return describeFailure(output, std::strerror(errno));
  bool isWhole =
      std::fwrite(header.data(), 1, header.size(), file) == header.size() &&
      std::fwrite(data.data(), 1, data.size(), file) == data.size();
  isWhole &= std::fclose(file) == 0;
  return isWhole ? "" : describeFailure(output, std::strerror(errno));
}

std::string sparsedrop::ptxtool::writeNpy(const std::vector<Output> &outputs) {
  std::string suffix = "." + std::to_string(getpid()) + ".tmp", error;
  for (const Output &output : outputs) {
    // What only renaming would notice.
    std::error_code code;
    if (error.empty() && std::filesystem::is_directory(output.path, code))
      error = describeFailure(output, "it is a directory");
    if (error.empty())
      error = writeWhole(output, output.path + suffix);
  }
  for (const Output &output : outputs) {
    std::string other = output.path + suffix;
    if (error.empty() && std::rename(other.c_str(), output.path.c_str()) != 0)
      error = describeFailure(output, std::strerror(errno));
    if (!error.empty())
      std::remove(other.c_str());
  }
  return error;
}
