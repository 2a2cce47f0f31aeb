//===- SparseDropBytecode.cpp - Attributes and types in bytecode ----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each entry is a code and its parameters in the order of their definition.
// Codes and values of enumerations are never reused; what is added to an entry
// gets a new version, and older ones stay readable.
//
//===----------------------------------------------------------------------===//

#include "SparseDropBytecode.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Bytecode/BytecodeImplementation.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::sparsedrop;

namespace {
enum AttributeCode : uint64_t { kDropoutAttr = 0, kScaleModeAttr = 1 };
enum TypeCode : uint64_t { kPatternType = 0 };

constexpr uint64_t kVersion = 2;
struct Version : public DialectVersion {
  explicit Version(uint64_t number) : number(number) {}
  /// 1 has no temperature in annotations.
  uint64_t number;
};
} // namespace

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

template <typename Enum>
static void writeEnum(DialectBytecodeWriter &writer, Enum value) {
  writer.writeVarInt(static_cast<uint64_t>(value));
}

template <typename Enum>
static LogicalResult
readEnum(DialectBytecodeReader &reader, Enum &result,
         std::optional<Enum> (*symbolize)(uint32_t value)) {
  uint64_t value;
  if (failed(reader.readVarInt(value)))
    return failure();
  std::optional<Enum> known;
  if (value <= UINT32_MAX)
    known = symbolize(static_cast<uint32_t>(value));
  if (!known)
    return reader.emitError()
           << "unknown value " << value << " of a sparsedrop enumeration";
  result = *known;
  return success();
}

//===----------------------------------------------------------------------===//
// Entries
//===----------------------------------------------------------------------===//

static void write(DropoutAttr attr, DialectBytecodeWriter &writer) {
  writeEnum(writer, attr.getKind());
  writer.writeSignedVarInt(attr.getOperand());
  writer.writeAPFloatWithKnownSemantics(attr.getRate());
  writer.writeOwnedString(attr.getSite());
  writer.writeSignedVarInt(attr.getDim());
  writer.writeSignedVarInt(attr.getGranularity());
  writer.writeSignedVarInt(attr.getMaxPeriod());
  writer.writeSignedVarInts(attr.getTile());
  writeEnum(writer, attr.getOrder());
  writeEnum(writer, attr.getScale());
  writer.writeSignedVarInt(attr.getMultiple());
  writer.writeAPFloatWithKnownSemantics(attr.getTemperature());
  writer.writeOptionalAttribute(attr.getDistribution());
}

static FailureOr<APFloat> readTemperature(DialectBytecodeReader &reader) {
  FailureOr<const DialectVersion *> version =
      reader.getDialectVersion<SparseDropDialect>();
  if (succeeded(version) && static_cast<const Version *>(*version)->number < 2)
    return APFloat(DropoutAttr::kDefaultTemperature);
  return reader.readAPFloatWithKnownSemantics(APFloat::IEEEdouble());
}

static Attribute readDropout(DialectBytecodeReader &reader) {
  PatternKind kind;
  int64_t operand, dim, granularity, maxPeriod, multiple;
  StringRef site;
  SmallVector<int64_t> tile;
  TileOrder order;
  ScaleMode scale;
  DenseF64ArrayAttr distribution;
  if (failed(readEnum(reader, kind, symbolizePatternKind)) ||
      failed(reader.readSignedVarInt(operand)))
    return {};
  FailureOr<APFloat> rate =
      reader.readAPFloatWithKnownSemantics(APFloat::IEEEdouble());
  if (failed(rate) || failed(reader.readString(site)) ||
      failed(reader.readSignedVarInt(dim)) ||
      failed(reader.readSignedVarInt(granularity)) ||
      failed(reader.readSignedVarInt(maxPeriod)) ||
      failed(reader.readSignedVarInts(tile)) ||
      failed(readEnum(reader, order, symbolizeTileOrder)) ||
      failed(readEnum(reader, scale, symbolizeScaleMode)) ||
      failed(reader.readSignedVarInt(multiple)))
    return {};
  FailureOr<APFloat> temperature = readTemperature(reader);
  if (failed(temperature) || failed(reader.readOptionalAttribute(distribution)))
    return {};
  auto emitError = [&] { return reader.emitError(); };
  return DropoutAttr::getChecked(emitError, reader.getContext(), kind, operand,
                                 *rate, site, dim, granularity, maxPeriod,
                                 ArrayRef<int64_t>(tile), order, scale,
                                 multiple, *temperature, distribution);
}

static Attribute readScaleMode(DialectBytecodeReader &reader) {
  ScaleMode mode;
  if (failed(readEnum(reader, mode, symbolizeScaleMode)))
    return {};
  return ScaleModeAttr::get(reader.getContext(), mode);
}

static Type readPattern(DialectBytecodeReader &reader) {
  PatternKind kind;
  int64_t granularity;
  SmallVector<int64_t> tile;
  TileOrder order;
  if (failed(readEnum(reader, kind, symbolizePatternKind)) ||
      failed(reader.readSignedVarInt(granularity)) ||
      failed(reader.readSignedVarInts(tile)) ||
      failed(readEnum(reader, order, symbolizeTileOrder)))
    return {};
  auto emitError = [&] { return reader.emitError(); };
  return PatternType::getChecked(emitError, reader.getContext(), kind,
                                 granularity, ArrayRef<int64_t>(tile), order);
}

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

namespace {
struct SparseDropBytecode : public BytecodeDialectInterface {
  explicit SparseDropBytecode(Dialect *dialect)
      : BytecodeDialectInterface(dialect) {}

  LogicalResult writeAttribute(Attribute attribute,
                               DialectBytecodeWriter &writer) const final {
    if (auto dropout = dyn_cast<DropoutAttr>(attribute)) {
      writer.writeVarInt(kDropoutAttr);
      write(dropout, writer);
      return success();
    }
    if (auto mode = dyn_cast<ScaleModeAttr>(attribute)) {
      writer.writeVarInt(kScaleModeAttr);
      writeEnum(writer, mode.getValue());
      return success();
    }
    return failure();
  }

  Attribute readAttribute(DialectBytecodeReader &reader) const final {
    uint64_t code;
    if (failed(reader.readVarInt(code)))
      return {};
    if (code == kDropoutAttr)
      return readDropout(reader);
    if (code == kScaleModeAttr)
      return readScaleMode(reader);
    reader.emitError() << "unknown code " << code
                       << " of a sparsedrop attribute";
    return {};
  }

  LogicalResult writeType(Type type,
                          DialectBytecodeWriter &writer) const final {
    auto pattern = dyn_cast<PatternType>(type);
    if (!pattern)
      return failure();
    writer.writeVarInt(kPatternType);
    writeEnum(writer, pattern.getKind());
    writer.writeSignedVarInt(pattern.getGranularity());
    writer.writeSignedVarInts(pattern.getTile());
    writeEnum(writer, pattern.getOrder());
    return success();
  }

  Type readType(DialectBytecodeReader &reader) const final {
    uint64_t code;
    if (failed(reader.readVarInt(code)))
      return {};
    if (code == kPatternType)
      return readPattern(reader);
    reader.emitError() << "unknown code " << code << " of a sparsedrop type";
    return {};
  }

  void writeVersion(DialectBytecodeWriter &writer) const final {
    writer.writeVarInt(kVersion);
  }

  std::unique_ptr<DialectVersion>
  readVersion(DialectBytecodeReader &reader) const final {
    uint64_t version;
    if (failed(reader.readVarInt(version)))
      return nullptr;
    if (version > kVersion) {
      reader.emitError() << "expected bytecode of the sparsedrop dialect up to "
                            "version "
                         << kVersion << ", but got " << version;
      return nullptr;
    }
    return std::make_unique<Version>(version);
  }
};
} // namespace

void mlir::sparsedrop::addBytecodeInterface(SparseDropDialect *dialect) {
  dialect->addInterfaces<SparseDropBytecode>();
}
