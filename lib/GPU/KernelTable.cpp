//===- KernelTable.cpp - Measured kernels of products ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/KernelTable.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cmath>

using namespace mlir;
using namespace mlir::sparsedrop;

static constexpr int64_t kVersion = 1;

const KernelTableEntry *KernelTable::find(StringRef signature) const {
  auto place = places.find(signature);
  return place == places.end() ? nullptr : &entries[place->second];
}

void KernelTable::set(KernelTableEntry entry) {
  auto [place, isNew] = places.try_emplace(entry.signature, entries.size());
  if (isNew)
    entries.push_back(std::move(entry));
  else
    entries[place->second] = std::move(entry);
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// What a value is, for errors.
static StringRef describe(const llvm::json::Value *value) {
  if (!value)
    return "nothing";
  switch (value->kind()) {
  case llvm::json::Value::Null:
    return "null";
  case llvm::json::Value::Boolean:
    return "a boolean";
  case llvm::json::Value::Number:
    return "a number";
  case llvm::json::Value::String:
    return "a string";
  case llvm::json::Value::Array:
    return "an array";
  case llvm::json::Value::Object:
    return "an object";
  }
  return "";
}

namespace {
/// Reads one entry; the first thing that is wrong is kept.
class EntryReader {
public:
  EntryReader(const llvm::json::Object &object, MLIRContext *context)
      : object(object), context(context) {}

  KernelTableEntry read() {
    KernelTableEntry entry;
    entry.signature = readText("signature");
    if (entry.signature.empty())
      refuse("expected a signature that is not empty");
    entry.kernel = readKernel();
    entry.step = readTime("step_us", /*isSpan=*/true);
    entry.estimateStep = readTime("estimate_step_us", /*isSpan=*/true);
    entry.saved = readTime("saved_us", /*isSpan=*/false);
    entry.device = readText("device");
    entry.date = readText("date");
    return entry;
  }

  /// Empty if all is well.
  StringRef getProblem() const { return problem; }

private:
  void refuse(const Twine &message) {
    if (problem.empty())
      problem = message.str();
  }
  void refuse(StringRef key, StringRef expected) {
    refuse("expected " + expected + " in '" + key + "', but got " +
           describe(object.get(key)));
  }
  std::string readText(StringRef key) {
    if (std::optional<StringRef> text = object.getString(key))
      return text->str();
    refuse(key, "a string");
    return "";
  }
  double readTime(StringRef key, bool isSpan) {
    std::optional<double> time = object.getNumber(key);
    if (!time)
      refuse(key, "microseconds");
    else if (!std::isfinite(*time) || (isSpan && *time < 0))
      refuse("expected microseconds of at least 0 in '" + key + "'");
    return time.value_or(0);
  }
  KernelAttr readKernel();

  const llvm::json::Object &object;
  MLIRContext *context;
  std::string problem;
};
} // namespace

KernelAttr EntryReader::readKernel() {
  std::string text = readText("kernel"), message;
  if (!problem.empty())
    return {};
  // The parser of attributes recurses where they are nested, this one is not.
  if (!StringRef(text).starts_with("#sparsedrop.kernel<")) {
    refuse("expected #sparsedrop.kernel in 'kernel', but got '" +
           StringRef(text).take_front(80) + "'");
    return {};
  }
  Attribute attribute;
  {
    ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
      if (message.empty())
        message = diagnostic.str();
    });
    attribute = parseAttribute(text, context);
  }
  auto kernel = dyn_cast_if_present<KernelAttr>(attribute);
  if (!kernel)
    refuse("'kernel' does not parse: " + message);
  else if (kernel.getFamily() != KernelFamily::Wgmma &&
           kernel.getFamily() != KernelFamily::TensorCore &&
           kernel.getFamily() != KernelFamily::Plain)
    refuse("expected a kernel of the family wgmma, tensor_core or plain, but "
           "got " +
           stringifyKernelFamily(kernel.getFamily()));
  return kernel;
}

/// Whether brackets are nested deeper than in any table: LLVM's parser
/// recurses.
static bool isDeep(StringRef contents) {
  constexpr int64_t kMostDepth = 16;
  int64_t depth = 0;
  bool inString = false;
  for (size_t i = 0; i < contents.size(); ++i) {
    char c = contents[i];
    if (c == '"')
      inString = !inString;
    else if (inString)
      i += c == '\\';
    else if (c == '[' || c == '{')
      ++depth;
    else if (c == ']' || c == '}')
      --depth;
    if (depth > kMostDepth)
      return true;
  }
  return false;
}

/// What is wrong with the entries of a list; empty if all are in the table.
static std::string addEntries(const llvm::json::Array &list,
                              MLIRContext *context, KernelTable &table) {
  for (auto [number, value] : llvm::enumerate(list)) {
    std::string where = "entry " + std::to_string(number) + ": ";
    const llvm::json::Object *object = value.getAsObject();
    if (!object)
      return where + "expected an object, but got " + describe(&value).str();
    EntryReader reader(*object, context);
    KernelTableEntry entry = reader.read();
    if (!reader.getProblem().empty())
      return where + reader.getProblem().str();
    if (const KernelTableEntry *other = table.find(entry.signature))
      return where + "has the signature of entry " +
             std::to_string(other - table.getEntries().begin()) + ": " +
             entry.signature;
    table.set(std::move(entry));
  }
  return "";
}

llvm::Expected<KernelTable>
KernelTable::parse(StringRef contents, StringRef name, MLIRContext *context) {
  auto fail = [&](const Twine &message) {
    return llvm::createStringError("'" + name + "': " + message);
  };
  if (isDeep(contents))
    return fail("is no table of kernels: brackets are nested too deep");
  llvm::Expected<llvm::json::Value> json = llvm::json::parse(contents);
  if (!json)
    return fail("is no JSON: " + llvm::toString(json.takeError()));
  const llvm::json::Object *root = json->getAsObject();
  if (!root)
    return fail("expected an object, but got " + describe(&*json));
  std::optional<int64_t> version = root->getInteger("version");
  if (!version)
    return fail("expected a table of kernels with a 'version', but got " +
                describe(root->get("version")));
  if (*version != kVersion)
    return fail("expected a table of version " + Twine(kVersion) +
                ", but got version " + Twine(*version));
  const llvm::json::Array *list = root->getArray("entries");
  if (!list)
    return fail("expected an array in 'entries', but got " +
                describe(root->get("entries")));
  KernelTable table;
  std::string problem = addEntries(*list, context, table);
  if (!problem.empty())
    return fail(problem);
  return table;
}

llvm::Expected<KernelTable> KernelTable::read(StringRef path,
                                              MLIRContext *context) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!file)
    return llvm::createStringError("'" + path +
                                   "': " + file.getError().message());
  return parse((*file)->getBuffer(), path, context);
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// To nanoseconds: finer is noise.
static void printTime(llvm::json::OStream &json, StringRef key,
                      double microseconds) {
  json.attributeBegin(key);
  json.rawValue([&](llvm::raw_ostream &stream) {
    stream << llvm::format("%.3f", microseconds);
  });
  json.attributeEnd();
}

void KernelTable::print(llvm::raw_ostream &stream) const {
  llvm::json::OStream json(stream, /*IndentSize=*/2);
  json.object([&] {
    json.attribute("version", kVersion);
    json.attributeArray("entries", [&] {
      for (const KernelTableEntry &entry : entries)
        json.object([&] {
          std::string kernel;
          llvm::raw_string_ostream(kernel) << entry.kernel;
          json.attribute("signature", entry.signature);
          json.attribute("kernel", kernel);
          printTime(json, "step_us", entry.step);
          printTime(json, "estimate_step_us", entry.estimateStep);
          printTime(json, "saved_us", entry.saved);
          json.attribute("device", llvm::json::fixUTF8(entry.device));
          json.attribute("date", entry.date);
        });
    });
  });
  stream << "\n";
}
