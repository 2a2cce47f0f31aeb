//===- Npy.cpp - NumPy files ----------------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Npy.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>

using namespace mlir::sparsedrop::run;
using llvm::StringRef;

//===----------------------------------------------------------------------===//
// Headers
//===----------------------------------------------------------------------===//

namespace {
struct Header {
  std::string descr;
  bool fortran = false;
  llvm::SmallVector<int64_t> shape;
  size_t dataOffset = 0;
};
} // namespace

static llvm::Error makeError(StringRef path, const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 "'" + path + "': " + message);
}

/// The text behind `'key':` in the header's dictionary.
static StringRef getValue(StringRef dictionary, StringRef key) {
  size_t at = dictionary.find(("'" + key + "'").str());
  if (at == StringRef::npos)
    return {};
  StringRef rest = dictionary.drop_front(at + key.size() + 2).ltrim();
  return rest.consume_front(":") ? rest.ltrim() : StringRef();
}

static bool parseShape(StringRef text, llvm::SmallVectorImpl<int64_t> &shape) {
  if (!text.consume_front("("))
    return false;
  size_t close = text.find(')');
  if (close == StringRef::npos)
    return false;
  text = text.take_front(close);
  llvm::SmallVector<StringRef> parts;
  text.split(parts, ',', -1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    part = part.trim();
    int64_t extent;
    if (part.empty())
      continue;
    if (part.getAsInteger(10, extent) || extent < 0)
      return false;
    shape.push_back(extent);
  }
  return true;
}

static llvm::Expected<Header> parseHeader(StringRef path, StringRef data) {
  if (data.size() < 10 || !data.starts_with(StringRef("\x93NUMPY", 6)))
    return makeError(path, "not a .npy file");
  int major = data[6];
  size_t length, start;
  if (major == 1) {
    length = llvm::support::endian::read16le(data.data() + 8);
    start = 10;
  } else if ((major == 2 || major == 3) && data.size() >= 12) {
    length = llvm::support::endian::read32le(data.data() + 8);
    start = 12;
  } else {
    return makeError(path, "unknown version of the .npy format");
  }
  if (data.size() - start < length)
    return makeError(path, "truncated in its header");
  StringRef dictionary = data.substr(start, length);
  Header header;
  header.dataOffset = start + length;
  StringRef descr = getValue(dictionary, "descr");
  StringRef order = getValue(dictionary, "fortran_order");
  if (!descr.consume_front("'") ||
      !(order.starts_with("True") || order.starts_with("False")) ||
      !parseShape(getValue(dictionary, "shape"), header.shape))
    return makeError(path, "malformed header");
  header.descr = descr.take_until([](char c) { return c == '\''; }).str();
  header.fortran = order.starts_with("True");
  return header;
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// The dtype that holds a type in files.
static StringRef getDescr(mlir::Type type) {
  if (type.isF64())
    return "<f8";
  if (mlir::isa<mlir::FloatType>(type))
    return "<f4";
  if (type.isIndex() || type.isInteger(64))
    return "<i8";
  if (type.isInteger(32))
    return "<i4";
  if (type.isInteger(16))
    return "<i2";
  if (type.isInteger(8))
    return "|i1";
  return "|b1";
}

static bool matchesShape(llvm::ArrayRef<int64_t> actual,
                         llvm::ArrayRef<int64_t> expected) {
  if (actual.size() != expected.size())
    return false;
  for (auto [a, b] : llvm::zip(actual, expected))
    if (a != b && !mlir::ShapedType::isDynamic(b))
      return false;
  return true;
}

/// Position in a Fortran-order file of the element at row-major index `i`.
static int64_t getFortranIndex(llvm::ArrayRef<int64_t> shape, int64_t i) {
  llvm::SmallVector<int64_t> position(shape.size());
  for (size_t dim = shape.size(); dim-- > 0;) {
    position[dim] = i % shape[dim];
    i /= shape[dim];
  }
  int64_t index = 0, stride = 1;
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    index += position[dim] * stride;
    stride *= shape[dim];
  }
  return index;
}

/// The elements behind the header, converted to the argument's type.
static llvm::Expected<Tensor> readElements(StringRef path, const Header &header,
                                           StringRef data,
                                           mlir::Type elementType) {
  Tensor tensor{elementType, header.shape, {}};
  bool widened = isWidened(elementType);
  int64_t width = getElementBytes(elementType), fileWidth = widened ? 4 : width;
  // The sizes of a header may be anything: count so that nothing overflows.
  int64_t count = 1;
  for (int64_t extent : header.shape)
    if (__builtin_mul_overflow(count, extent, &count))
      return makeError(path, "its shape is too large for memory");
  auto available =
      static_cast<int64_t>(data.size() - header.dataOffset) / fileWidth;
  if (count > available)
    return makeError(path, "truncated: expected " + llvm::Twine(count) +
                               " elements, but got " + llvm::Twine(available));
  if (header.dataOffset + static_cast<size_t>(count * fileWidth) != data.size())
    return makeError(path, "expected " + llvm::Twine(count) +
                               " elements, but there is more behind them");
  tensor.bytes.resize(static_cast<size_t>(count * width));
  for (int64_t i = 0; i < count; ++i) {
    int64_t index = header.fortran ? getFortranIndex(header.shape, i) : i;
    const char *at = data.data() + header.dataOffset + fileWidth * index;
    if (widened) {
      float value;
      std::memcpy(&value, at, sizeof(value));
      tensor.set(i, value);
    } else {
      std::memcpy(tensor.bytes.data() + i * width, at,
                  static_cast<size_t>(width));
    }
  }
  return tensor;
}

llvm::Expected<Tensor>
mlir::sparsedrop::run::readNpy(StringRef path, mlir::Type elementType,
                               llvm::ArrayRef<int64_t> shape) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                          /*RequiresNullTerminator=*/false);
  if (!file)
    return makeError(path, file.getError().message());
  StringRef data = (*file)->getBuffer();
  auto header = parseHeader(path, data);
  if (!header)
    return header.takeError();
  StringRef expected = getDescr(elementType);
  if (header->descr != expected)
    return makeError(path, "expected elements of dtype '" + expected +
                               "' for " + describe(elementType, shape) +
                               ", but got '" + header->descr + "'");
  if (!matchesShape(header->shape, shape))
    return makeError(path, "expected the shape of " +
                               describe(elementType, shape) + ", but got " +
                               describe(elementType, header->shape));
  return readElements(path, *header, data, elementType);
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

static std::string makeHeader(const Tensor &tensor) {
  std::string shape;
  for (int64_t extent : tensor.shape)
    shape += std::to_string(extent) + ",";
  std::string dictionary =
      ("{'descr': '" + getDescr(tensor.elementType) +
       "', 'fortran_order': False, 'shape': (" + shape + "), }")
          .str();
  // The data starts at a multiple of 64.
  size_t total = (10 + dictionary.size() + 1 + 63) / 64 * 64;
  dictionary.append(total - 10 - dictionary.size() - 1, ' ');
  dictionary += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(dictionary.size() & 0xff);
  header += static_cast<char>(dictionary.size() >> 8);
  return header + dictionary;
}

static void writeElements(llvm::raw_ostream &stream, const Tensor &tensor) {
  stream << makeHeader(tensor);
  if (!isWidened(tensor.elementType)) {
    stream.write(reinterpret_cast<const char *>(tensor.bytes.data()),
                 tensor.bytes.size());
    return;
  }
  for (int64_t i = 0, e = tensor.size(); i < e; ++i) {
    auto value = static_cast<float>(tensor.get(i));
    stream.write(reinterpret_cast<const char *>(&value), sizeof(value));
  }
}

/// The file beside `path` that a tensor is written to first.
static llvm::Expected<llvm::sys::fs::TempFile>
writeTemporary(StringRef path, const Tensor &tensor) {
  auto file = llvm::sys::fs::TempFile::create(path + ".%%%%%%.tmp");
  if (!file)
    return makeError(path, llvm::toString(file.takeError()));
  llvm::raw_fd_ostream stream(file->FD, /*shouldClose=*/false);
  writeElements(stream, tensor);
  stream.flush();
  if (!stream.has_error())
    return file;
  std::string message = stream.error().message();
  stream.clear_error();
  llvm::consumeError(file->discard());
  return makeError(path, message);
}

llvm::Error
mlir::sparsedrop::run::writeNpyFiles(StringRef prefix,
                                     llvm::ArrayRef<Tensor> tensors) {
  std::vector<llvm::sys::fs::TempFile> files;
  std::vector<std::string> paths;
  llvm::Error error = llvm::Error::success();
  for (size_t i = 0; i < tensors.size() && !error; ++i) {
    paths.push_back((prefix + "." + llvm::Twine(i) + ".npy").str());
    if (llvm::sys::fs::is_directory(paths.back()))
      error = makeError(paths.back(), "is a directory");
    else if (auto file = writeTemporary(paths.back(), tensors[i]))
      files.push_back(std::move(*file));
    else
      error = file.takeError();
  }
  bool written = !error;
  for (size_t i = 0; i < files.size(); ++i) {
    if (error) {
      llvm::consumeError(files[i].discard());
      continue;
    }
    if (llvm::Error kept = files[i].keep(paths[i])) {
      error = makeError(paths[i], llvm::toString(std::move(kept)));
      for (size_t j = 0; written && j < i; ++j)
        llvm::sys::fs::remove(paths[j]);
    }
  }
  return error;
}
