//===- Header.cpp - C headers of compiled programs ------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Target/Header.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// The C type of an element; 16-bit floats are their bits.
static StringRef getCType(Type type) {
  if (type.isF32())
    return "float";
  if (type.isF64())
    return "double";
  if (type.isInteger(1))
    return "uint8_t";
  if (type.isIndex())
    return "int64_t";
  switch (type.getIntOrFloatBitWidth()) {
  case 8:
    return isa<FloatType>(type) ? "uint8_t" : "int8_t";
  case 16:
    return isa<FloatType>(type) ? "uint16_t" : "int16_t";
  case 32:
    return "int32_t";
  default:
    return "int64_t";
  }
}

namespace {
/// Writes the function of one program.
class FunctionWriter {
public:
  FunctionWriter(llvm::raw_ostream &os, const Executable &program)
      : os(os), program(program) {}

  void write();

private:
  /// The place among all arguments of one among those that are not seed or
  /// step.
  size_t getArgumentOf(size_t input) const {
    ArrayRef<Slot> slots = program.getArguments();
    return program.getInputs()[input] - slots.begin();
  }
  void writeParameters();
  void writeDescriptor(size_t number, const Slot &slot);
  void writeCall();
  void writeResults();
  bool returnsSomething() const {
    return llvm::any_of(program.getResults(),
                        [](const Slot &slot) { return !slot.donor; });
  }

  llvm::raw_ostream &os;
  const Executable &program;
};
} // namespace

static void writeDescriptorType(llvm::raw_ostream &os, size_t rank) {
  os << "struct { void *allocated, *aligned; int64_t offset";
  if (rank > 0)
    os << llvm::formatv("; int64_t sizes[{0}], strides[{0}]", rank);
  os << "; }";
}

void FunctionWriter::writeParameters() {
  const char *separator = "";
  auto next = [&]() -> llvm::raw_ostream & {
    os << separator;
    separator = ",\n    ";
    return os;
  };
  if (program.isForDevice())
    next() << "sparsedrop_device *device, sparsedrop_stream *stream";
  for (auto [i, slot] : llvm::enumerate(program.getArguments())) {
    if (slot.isSeed || slot.isStep) {
      next() << "int64_t " << (slot.isSeed ? "seed" : "step");
      continue;
    }
    next() << getCType(slot.elementType) << (slot.isTensor ? " *" : " ")
           << "arg" << i;
    if (slot.isTensor)
      os << " /* " << describe(slot.elementType, slot.shape) << " */";
    for (auto [dim, extent] : llvm::enumerate(slot.shape))
      if (ShapedType::isDynamic(extent))
        next() << "int64_t arg" << i << "_dim" << dim;
  }
  for (auto [i, slot] : llvm::enumerate(program.getResults())) {
    if (slot.donor)
      continue;
    next() << getCType(slot.elementType) << (slot.isTensor ? " **" : " *")
           << "result" << i << " /* " << describe(slot.elementType, slot.shape)
           << " */";
    if (llvm::any_of(slot.shape, ShapedType::isDynamic))
      next() << "int64_t result" << i << "_dims[" << slot.shape.size() << "]";
  }
}

/// Of an array in row-major order.
void FunctionWriter::writeDescriptor(size_t number, const Slot &slot) {
  os << "  ";
  writeDescriptorType(os, slot.shape.size());
  os << llvm::formatv(" array{0} = {{arg{0}, arg{0}, 0", number);
  SmallVector<std::string> extents;
  for (auto [dim, extent] : llvm::enumerate(slot.shape))
    extents.push_back(ShapedType::isDynamic(extent)
                          ? llvm::formatv("arg{0}_dim{1}", number, dim).str()
                          : std::to_string(extent));
  if (!extents.empty()) {
    os << ", {" << llvm::join(extents, ", ") << "}, {";
    for (size_t dim = 0; dim < extents.size(); ++dim) {
      os << (dim == 0 ? "1" : ", 1");
      for (size_t inner = dim + 1; inner < extents.size(); ++inner)
        os << " * " << extents[inner];
    }
    os << "}";
  }
  os << "};\n";
}

void FunctionWriter::writeCall() {
  os << "  void *arguments[] = {";
  const char *separator = "";
  if (returnsSomething()) {
    os << "&results";
    separator = ", ";
  }
  for (auto [i, slot] : llvm::enumerate(program.getArguments())) {
    os << separator << "&";
    if (slot.isSeed || slot.isStep)
      os << (slot.isSeed ? "seed" : "step");
    else
      os << (slot.isTensor ? "array" : "arg") << i;
    separator = ", ";
  }
  os << (*separator ? "" : "0") << "};\n  int32_t status = sparsedrop_invoke_"
     << program.getEntryName() << "("
     << (program.isForDevice() ? "device, stream, " : "") << "arguments);\n";
}

/// To the caller, or back to the pool when the call has failed.
void FunctionWriter::writeResults() {
  os << "  if (status != 0) {\n";
  for (auto [i, slot] : llvm::enumerate(program.getResults()))
    if (!slot.donor && slot.isTensor)
      os << (program.isForDevice() ? "    if (device)\n      "
                                     "sparsedrop_program_release(device, "
                                   : "    sparsedrop_free(")
         << "results.r" << i << ".allocated);\n";
  os << "    return status;\n  }\n";
  for (auto [i, slot] : llvm::enumerate(program.getResults())) {
    if (slot.donor)
      continue;
    if (!slot.isTensor) {
      os << llvm::formatv("  *result{0} = results.r{0};\n", i);
      continue;
    }
    os << llvm::formatv("  *result{0} = ({1} *)results.r{0}.aligned + "
                        "results.r{0}.offset;\n",
                        i, getCType(slot.elementType));
    if (llvm::any_of(slot.shape, ShapedType::isDynamic))
      for (size_t dim = 0; dim < slot.shape.size(); ++dim)
        os << llvm::formatv(
            "  result{0}_dims[{1}] = results.r{0}.sizes[{1}];\n", i, dim);
  }
}

void FunctionWriter::write() {
  StringRef name = program.getEntryName();
  bool onDevice = program.isForDevice();
  os << "\nint32_t sparsedrop_invoke_" << name << "("
     << (onDevice ? "sparsedrop_device *device, sparsedrop_stream *stream, "
                  : "")
     << "void **arguments);\n\n";
  os << "/// Returns 0, or 1 with a line in sparsedrop_last_error().";
  for (auto [i, slot] : llvm::enumerate(program.getResults()))
    if (slot.donor)
      os << "\n/// Result " << i << " is written to arg"
         << getArgumentOf(*slot.donor) << ".";
  os << "\nstatic inline int32_t " << name << "(\n    ";
  writeParameters();
  os << ") {\n";
  if (returnsSomething()) {
    os << "  struct {\n";
    for (auto [i, slot] : llvm::enumerate(program.getResults())) {
      if (slot.donor)
        continue;
      os << "    ";
      if (slot.isTensor)
        writeDescriptorType(os, slot.shape.size());
      else
        os << getCType(slot.elementType);
      os << " r" << i << ";\n";
    }
    os << "  } results;\n  memset(&results, 0, sizeof(results));\n";
  }
  for (auto [i, slot] : llvm::enumerate(program.getArguments()))
    if (slot.isTensor)
      writeDescriptor(i, slot);
  writeCall();
  writeResults();
  os << "  return 0;\n}\n";
}

/// Words that no function of C or C++ can be called by.
static constexpr StringRef kKeywords =
    " alignas alignof and and_eq asm auto bitand bitor bool break case catch "
    "char class compl concept const const_cast consteval constexpr constinit "
    "continue decltype default delete do double dynamic_cast else enum "
    "explicit export extern false float for friend goto if inline int long "
    "main mutable namespace new noexcept not not_eq nullptr operator or or_eq "
    "private protected public register reinterpret_cast requires restrict "
    "return short signed sizeof static static_assert static_cast struct switch "
    "template this thread_local throw true try typedef typeid typename typeof "
    "union unsigned using virtual void volatile wchar_t while xor xor_eq ";

static bool isCName(StringRef name) {
  return !name.empty() && !llvm::isDigit(name.front()) &&
         llvm::all_of(name,
                      [](char c) { return llvm::isAlnum(c) || c == '_'; }) &&
         !kKeywords.contains((" " + name + " ").str());
}

llvm::Expected<std::string>
mlir::sparsedrop::makeHeader(ArrayRef<const Executable *> programs,
                             StringRef guard, StringRef source) {
  for (const Executable *program : programs)
    if (!isCName(program->getEntryName()))
      return llvm::createStringError(
          "a header needs names that C and C++ can have, but a function is "
          "called '" +
          program->getEntryName() + "'");
  std::string text;
  llvm::raw_string_ostream os(text);
  bool onDevice = programs.front()->isForDevice();
  os << "// Written by sparsedrop-compile from " << source << ".\n//\n"
     << (onDevice
             ? "// Arrays are memory of the device, contiguous, at multiples "
               "of "
               "16 bytes. Calls\n// return before the device is done. A result "
               "is "
               "freed by\n// sparsedrop_program_release(); a null stream is "
               "the "
               "default one. Elements of\n// f16 and bf16 are their bits.\n"
             : "// Arrays are contiguous. A result is freed by "
               "sparsedrop_free(). "
               "Elements of f16\n// and bf16 are their bits.\n")
     << "\n#ifndef " << guard << "\n#define " << guard << "\n\n#include "
     << (onDevice ? "\"sparsedrop-c/Program.h\"" : "\"sparsedrop-c/Runtime.h\"")
     << "\n\n#include <stdint.h>\n#include <string.h>\n\n#ifdef "
        "__cplusplus\nextern \"C\" {\n#endif\n";
  for (const Executable *program : programs)
    FunctionWriter(os, *program).write();
  os << "\n#ifdef __cplusplus\n}\n#endif\n\n#endif // " << guard << "\n";
  return text;
}
