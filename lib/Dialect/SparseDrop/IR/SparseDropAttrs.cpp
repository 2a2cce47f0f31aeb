//===- SparseDropAttrs.cpp - The dropout annotation -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Syntax, checks and helpers of `#sparsedrop.dropout`.
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"
#include "sparsedrop/Sampling/Search.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/ADT/bit.h"

#include <cmath>

using namespace mlir;
using namespace mlir::sparsedrop;

#define GET_ATTRDEF_CLASSES
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDropAttrs.cpp.inc"

void SparseDropDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDropAttrs.cpp.inc"
      >();
}

namespace {
/// The parameters of an annotation while it is being parsed.
struct Parameters {
  PatternKind kind = PatternKind::Row;
  std::optional<int64_t> operand;
  std::optional<double> rate;
  std::optional<std::string> site;
  std::optional<int64_t> dim, granularity, maxPeriod, multiple;
  std::optional<double> temperature;
  std::optional<SmallVector<int64_t>> tile;
  std::optional<TileOrder> order;
  std::optional<ScaleMode> scale;
  DenseF64ArrayAttr distribution;
};
} // namespace

/// Parses a keyword of an enumeration, or says which ones there are.
template <typename Enum>
static ParseResult parseEnum(AsmParser &parser, std::optional<Enum> &value,
                             std::optional<Enum> (*symbolize)(StringRef),
                             StringRef expected) {
  SMLoc loc = parser.getCurrentLocation();
  std::string keyword;
  if (parser.parseKeywordOrString(&keyword))
    return failure();
  value = symbolize(keyword);
  if (!value)
    return parser.emitError(loc)
           << "expected " << expected << ", but got '" << keyword << "'";
  return success();
}

static ParseResult parseInteger(AsmParser &parser,
                                std::optional<int64_t> &value) {
  value.emplace();
  return parser.parseInteger(*value);
}

/// Parses a list in square brackets.
template <typename T, typename ParseElement>
static ParseResult parseList(AsmParser &parser, SmallVectorImpl<T> &values,
                             ParseElement parseElement) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&] {
    return parseElement(values.emplace_back());
  });
}

/// Numbers of annotations: 0.5 and 1 alike; a hexadecimal integer is the bits
/// of a value that has no decimal form, as in MLIR's own float attributes.
static ParseResult parseNumber(AsmParser &parser, double &value) {
  bool negative = succeeded(parser.parseOptionalMinus());
  uint64_t integer;
  OptionalParseResult result = parser.parseOptionalInteger(integer);
  if (!result.has_value()) {
    if (parser.parseFloat(value))
      return failure();
  } else {
    if (failed(*result))
      return failure();
    // No number of an annotation is as large in decimal.
    value = integer >> 53 ? llvm::bit_cast<double>(integer)
                          : static_cast<double>(integer);
  }
  value = negative ? -value : value;
  return success();
}

static ParseResult parseValue(AsmParser &parser, StringRef key, SMLoc keyLoc,
                              Parameters &parameters) {
  if (key == "operand")
    return parseInteger(parser, parameters.operand);
  if (key == "rate")
    return parseNumber(parser, parameters.rate.emplace());
  if (key == "site")
    return parser.parseString(&parameters.site.emplace());
  if (key == "dim")
    return parseInteger(parser, parameters.dim);
  if (key == "granularity")
    return parseInteger(parser, parameters.granularity);
  if (key == "max_period")
    return parseInteger(parser, parameters.maxPeriod);
  if (key == "multiple")
    return parseInteger(parser, parameters.multiple);
  if (key == "temperature")
    return parseNumber(parser, parameters.temperature.emplace());
  if (key == "tile")
    return parseList(parser, parameters.tile.emplace(),
                     [&](int64_t &v) { return parser.parseInteger(v); });
  if (key == "order")
    return parseEnum(parser, parameters.order, symbolizeTileOrder,
                     "'skewed' or 'linear'");
  if (key == "scale")
    return parseEnum(parser, parameters.scale, symbolizeScaleMode,
                     "'target', 'pattern', 'none', 'inverse' or 'energy'");
  if (key == "distribution") {
    SmallVector<double> values;
    if (parseList(parser, values,
                  [&](double &v) { return parseNumber(parser, v); }))
      return failure();
    parameters.distribution =
        DenseF64ArrayAttr::get(parser.getContext(), values);
    return success();
  }
  return parser.emitError(keyLoc)
         << "unknown parameter '" << key << "' of a dropout annotation";
}

/// The first parameter that does not belong to the kind, if there is one.
static StringRef findForeignParameter(const Parameters &parameters) {
  bool isTile = parameters.kind == PatternKind::Tile;
  bool isChannel = parameters.kind == PatternKind::Channel;
  if (isTile && parameters.granularity)
    return "granularity";
  if (!isTile && parameters.tile)
    return "tile";
  if (!isTile && parameters.order)
    return "order";
  if (!isChannel && parameters.multiple)
    return "multiple";
  if (!isChannel && parameters.temperature)
    return "temperature";
  if (isChannel && parameters.maxPeriod)
    return "max_period";
  if (isChannel && parameters.distribution)
    return "distribution";
  return {};
}

static ParseResult parseParameters(AsmParser &parser, Parameters &parameters) {
  std::optional<PatternKind> kind;
  if (parser.parseLess() || parseEnum(parser, kind, symbolizePatternKind,
                                      "'row', 'tile' or 'channel'"))
    return failure();
  parameters.kind = *kind;
  llvm::StringSet<> seen;
  while (succeeded(parser.parseOptionalComma())) {
    SMLoc loc = parser.getCurrentLocation();
    std::string key;
    if (parser.parseKeywordOrString(&key))
      return failure();
    if (!seen.insert(key).second)
      return parser.emitError(loc) << "parameter '" << key << "' given twice";
    if (parser.parseEqual() || parseValue(parser, key, loc, parameters))
      return failure();
  }
  return parser.parseGreater();
}

/// Kept counts suit vectors of eight, or else hold whole granules.
static int64_t getDefaultMultiple(int64_t granularity) {
  constexpr int64_t kVector = 8;
  bool fits = granularity > 0 &&
              (kVector % granularity == 0 || granularity % kVector == 0);
  return fits ? kVector : std::max<int64_t>(granularity, 1);
}

Attribute DropoutAttr::parse(AsmParser &parser, Type) {
  SMLoc loc = parser.getCurrentLocation();
  Parameters parameters;
  if (parseParameters(parser, parameters))
    return {};
  auto emitError = [&] { return parser.emitError(loc); };
  for (auto [name, present] :
       {std::pair<StringRef, bool>{"operand", parameters.operand.has_value()},
        {"rate", parameters.rate.has_value()},
        {"site", parameters.site.has_value()}})
    if (!present)
      return emitError() << "a dropout annotation needs '" << name << "'",
             nullptr;
  if (StringRef name = findForeignParameter(parameters); !name.empty())
    return emitError() << "'" << name << "' is not a parameter of kind '"
                       << stringifyPatternKind(parameters.kind) << "'",
           nullptr;
  if (parameters.dim && *parameters.dim < 0)
    return emitError() << "expected a dimension of at least 0, but got dim = "
                       << *parameters.dim,
           nullptr;
  if (parameters.maxPeriod && *parameters.maxPeriod < 1)
    return emitError() << "expected max_period of at least 1, but got "
                       << *parameters.maxPeriod,
           nullptr;

  bool isTile = parameters.kind == PatternKind::Tile;
  bool isChannel = parameters.kind == PatternKind::Channel;
  SmallVector<int64_t> tile;
  if (isTile)
    tile = parameters.tile.value_or(SmallVector<int64_t>{32, 32});
  return parser.getChecked<DropoutAttr>(
      loc, parser.getContext(), parameters.kind, *parameters.operand,
      APFloat(*parameters.rate), *parameters.site,
      parameters.dim.value_or(kNoDim), parameters.granularity.value_or(1),
      parameters.maxPeriod.value_or(0), tile,
      parameters.order.value_or(TileOrder::Skewed),
      parameters.scale.value_or(isChannel ? ScaleMode::Inverse
                                          : ScaleMode::Target),
      isChannel ? parameters.multiple.value_or(
                      getDefaultMultiple(parameters.granularity.value_or(1)))
                : 1,
      APFloat(parameters.temperature.value_or(kDefaultTemperature)),
      parameters.distribution);
}

void DropoutAttr::print(AsmPrinter &printer) const {
  printer << "<" << stringifyPatternKind(getKind())
          << ", operand = " << getOperand() << ", rate = ";
  printer.printFloat(getRate());
  printer << ", site = ";
  printer.printString(getSite());
  if (hasDim())
    printer << ", dim = " << getDim();
  if (getGranularity() != 1)
    printer << ", granularity = " << getGranularity();
  if (getMaxPeriod() != 0)
    printer << ", max_period = " << getMaxPeriod();
  if (getKind() == PatternKind::Tile) {
    if (getTile() != ArrayRef<int64_t>{32, 32})
      printer << ", tile = [" << getTile() << "]";
    if (getOrder() != TileOrder::Skewed)
      printer << ", order = " << stringifyTileOrder(getOrder());
  }
  if (getScale() != (isPeriodic() ? ScaleMode::Target : ScaleMode::Inverse))
    printer << ", scale = " << stringifyScaleMode(getScale());
  if (!isPeriodic() && getMultiple() != 8)
    printer << ", multiple = " << getMultiple();
  if (getTemperature().convertToDouble() != kDefaultTemperature) {
    printer << ", temperature = ";
    printer.printFloat(getTemperature());
  }
  if (getDistribution()) {
    printer << ", distribution = [";
    llvm::interleaveComma(getDistribution().asArrayRef(), printer.getStream(),
                          [&](double p) { printer.printFloat(APFloat(p)); });
    printer << "]";
  }
  printer << ">";
}

/// Checks the length, the signs, the sum and the mean of a distribution.
static LogicalResult
verifyDistribution(function_ref<InFlightDiagnostic()> emitError,
                   ArrayRef<double> distribution, double rate,
                   int64_t maxPeriod) {
  if (static_cast<int64_t>(distribution.size()) != maxPeriod)
    return emitError() << "expected a distribution of " << maxPeriod
                       << " entries (max_period), but got "
                       << distribution.size();
  double sum = 0, mean = 0;
  for (auto [i, p] : llvm::enumerate(distribution)) {
    if (!std::isfinite(p) || p < 0)
      return emitError() << "expected probabilities of at least 0, but entry "
                         << i << " of the distribution is " << p;
    sum += p;
    mean += p * i / (i + 1.0);
  }
  if (std::abs(sum - 1) > 1e-6)
    return emitError() << "expected a distribution that sums to 1, but got "
                       << sum;
  if (std::abs(mean - rate) > 1e-3)
    return emitError() << "expected a distribution whose mean drop rate is "
                       << rate << ", but got " << mean;
  return success();
}

LogicalResult DropoutAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  PatternKind kind, int64_t operand,
                                  APFloat rate, StringRef site, int64_t dim,
                                  int64_t granularity, int64_t maxPeriod,
                                  ArrayRef<int64_t> tile, TileOrder order,
                                  ScaleMode scale, int64_t multiple,
                                  APFloat temperature,
                                  DenseF64ArrayAttr distribution) {
  double rateValue = rate.convertToDouble();
  // Written so that NaN fails.
  if (!(rateValue >= 0 && rateValue < 1))
    return emitError() << "expected a rate in [0, 1), but got " << rateValue;
  if (operand < 0)
    return emitError() << "expected an operand index of at least 0, but got "
                       << operand;
  if (site.empty())
    return emitError() << "expected a site name, but got an empty string";
  if (granularity < 1)
    return emitError() << "expected a granularity of at least 1, but got "
                       << granularity;
  if (multiple < 1)
    return emitError() << "expected a multiple of at least 1, but got "
                       << multiple;
  if (multiple % granularity != 0 && granularity % multiple != 0 &&
      kind == PatternKind::Channel)
    return emitError() << "expected a multiple and a granularity of which one "
                          "divides the other, but got "
                       << multiple << " and " << granularity;
  if (temperature.isZero() || temperature.isNaN())
    return emitError() << "expected a temperature other than 0, but got "
                       << temperature.convertToDouble();
  if (maxPeriod > sampling::kLongestPeriod)
    return emitError() << "expected max_period of at most "
                       << sampling::kLongestPeriod << ", but got " << maxPeriod;
  if (maxPeriod < 0)
    return emitError() << "expected max_period of at least 1, but got "
                       << maxPeriod;
  bool isTile = kind == PatternKind::Tile;
  if (isTile && (tile.size() != 2 || tile[0] < 1 || tile[1] < 1))
    return emitError()
           << "expected a tile of two sizes of at least 1, but got [" << tile
           << "]";
  bool channelScale = scale == ScaleMode::None || scale == ScaleMode::Inverse ||
                      scale == ScaleMode::Energy;
  if (channelScale != (kind == PatternKind::Channel))
    return emitError() << "scale '" << stringifyScaleMode(scale)
                       << "' does not belong to kind '"
                       << stringifyPatternKind(kind) << "'";
  if (!distribution)
    return success();
  int64_t periods =
      maxPeriod ? maxPeriod : sampling::defaultMaxPeriod(rateValue);
  return verifyDistribution(emitError, distribution.asArrayRef(), rateValue,
                            periods);
}

int64_t DropoutAttr::getEffectiveMaxPeriod() const {
  return getMaxPeriod() ? getMaxPeriod()
                        : sampling::defaultMaxPeriod(getRateAsDouble());
}

DropoutAttr
DropoutAttr::withDistribution(ArrayRef<double> probabilities) const {
  return get(getContext(), getKind(), getOperand(), getRate(), getSite(),
             getDim(), getGranularity(), getMaxPeriod(), getTile(), getOrder(),
             getScale(), getMultiple(), getTemperature(),
             DenseF64ArrayAttr::get(getContext(), probabilities));
}

bool DropoutAttr::sameSite(DropoutAttr other) const {
  return getKind() == other.getKind() && getSite() == other.getSite() &&
         getRate().bitwiseIsEqual(other.getRate()) &&
         getGranularity() == other.getGranularity() &&
         getEffectiveMaxPeriod() == other.getEffectiveMaxPeriod() &&
         getTile() == other.getTile() && getOrder() == other.getOrder() &&
         getScale() == other.getScale() &&
         getMultiple() == other.getMultiple() &&
         getTemperature().bitwiseIsEqual(other.getTemperature()) &&
         getDistribution() == other.getDistribution();
}
