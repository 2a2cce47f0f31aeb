//===- SparseDropTypes.cpp - The pattern type -----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::sparsedrop;

#define GET_TYPEDEF_CLASSES
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDropTypes.cpp.inc"

void SparseDropDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDropTypes.cpp.inc"
      >();
}

PatternType PatternType::get(MLIRContext *context, PatternKind kind,
                             int64_t granularity) {
  static constexpr int64_t kDefaultTile[] = {32, 32};
  ArrayRef<int64_t> tile;
  if (kind == PatternKind::Tile)
    tile = ArrayRef<int64_t>(kDefaultTile);
  return get(context, kind, granularity, tile, TileOrder::Skewed);
}

static ParseResult parseKind(AsmParser &parser, PatternKind &kind) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef keyword;
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<PatternKind> parsed = symbolizePatternKind(keyword);
  if (!parsed)
    return parser.emitError(loc)
           << "expected 'row', 'tile' or 'channel', but got '" << keyword
           << "'";
  kind = *parsed;
  return success();
}

Type PatternType::parse(AsmParser &parser) {
  SMLoc loc = parser.getCurrentLocation();
  PatternKind kind;
  if (parser.parseLess() || parseKind(parser, kind))
    return {};
  int64_t granularity = 1;
  SmallVector<int64_t> tile;
  TileOrder order = TileOrder::Skewed;
  if (kind == PatternKind::Tile)
    tile = {32, 32};
  while (succeeded(parser.parseOptionalComma())) {
    SMLoc keyLoc = parser.getCurrentLocation();
    StringRef key;
    if (parser.parseKeyword(&key) || parser.parseEqual())
      return {};
    if (key == "granularity" && kind != PatternKind::Tile) {
      if (parser.parseInteger(granularity))
        return {};
    } else if (key == "tile" && kind == PatternKind::Tile) {
      tile.clear();
      if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&] {
            return parser.parseInteger(tile.emplace_back());
          }))
        return {};
    } else if (key == "order" && kind == PatternKind::Tile) {
      StringRef keyword;
      if (parser.parseKeyword(&keyword))
        return {};
      std::optional<TileOrder> parsed = symbolizeTileOrder(keyword);
      if (!parsed) {
        parser.emitError(keyLoc)
            << "expected 'skewed' or 'linear', but got '" << keyword << "'";
        return {};
      }
      order = *parsed;
    } else {
      parser.emitError(keyLoc)
          << "unknown parameter '" << key << "' of a pattern of kind '"
          << stringifyPatternKind(kind) << "'";
      return {};
    }
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<PatternType>(loc, parser.getContext(), kind,
                                        granularity, tile, order);
}

void PatternType::print(AsmPrinter &printer) const {
  printer << "<" << stringifyPatternKind(getKind());
  if (getGranularity() != 1)
    printer << ", granularity = " << getGranularity();
  if (getKind() == PatternKind::Tile) {
    if (getTile() != ArrayRef<int64_t>{32, 32})
      printer << ", tile = [" << getTile() << "]";
    if (getOrder() != TileOrder::Skewed)
      printer << ", order = " << stringifyTileOrder(getOrder());
  }
  printer << ">";
}

LogicalResult PatternType::verify(function_ref<InFlightDiagnostic()> emitError,
                                  PatternKind kind, int64_t granularity,
                                  ArrayRef<int64_t> tile, TileOrder order) {
  if (granularity < 1)
    return emitError() << "expected a granularity of at least 1, but got "
                       << granularity;
  if (kind != PatternKind::Tile)
    return success();
  if (tile.size() != 2 || tile[0] < 1 || tile[1] < 1)
    return emitError()
           << "expected a tile of two sizes of at least 1, but got [" << tile
           << "]";
  return success();
}
