//===- Options.cpp - Options of models ------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ModelBuilder.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::sparsedrop;

/// Exclusive bound of widths and batches: products of two fit an int64_t.
static constexpr int64_t kLargestExtent = int64_t(1) << 31;

//===----------------------------------------------------------------------===//
// Keywords
//===----------------------------------------------------------------------===//

static constexpr StringLiteral kActivations[] = {"relu", "tanh", "sigmoid",
                                                 "gelu"};
static constexpr StringLiteral kLosses[] = {"cross_entropy", "mse"};
static constexpr StringLiteral kOptimizers[] = {"sgd", "momentum", "adam"};

template <typename Enum>
static StringRef stringify(ArrayRef<StringLiteral> keywords, Enum value) {
  size_t index = static_cast<size_t>(value);
  return index < keywords.size() ? StringRef(keywords[index]) : StringRef();
}

template <typename Enum>
static std::optional<Enum> symbolize(ArrayRef<StringLiteral> keywords,
                                     StringRef keyword) {
  const StringLiteral *found = llvm::find(keywords, keyword);
  if (found == keywords.end())
    return std::nullopt;
  return static_cast<Enum>(found - keywords.begin());
}

StringRef mlir::sparsedrop::stringifyActivation(Activation value) {
  return stringify(kActivations, value);
}
StringRef mlir::sparsedrop::stringifyLoss(Loss value) {
  return stringify(kLosses, value);
}
StringRef mlir::sparsedrop::stringifyOptimizer(Optimizer value) {
  return stringify(kOptimizers, value);
}

std::optional<Activation>
mlir::sparsedrop::symbolizeActivation(StringRef keyword) {
  return symbolize<Activation>(kActivations, keyword);
}
std::optional<Loss> mlir::sparsedrop::symbolizeLoss(StringRef keyword) {
  return symbolize<Loss>(kLosses, keyword);
}
std::optional<Optimizer>
mlir::sparsedrop::symbolizeOptimizer(StringRef keyword) {
  return symbolize<Optimizer>(kOptimizers, keyword);
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

SmallVector<NamedShape> MLPOptions::getParameters() const {
  SmallVector<NamedShape> parameters;
  for (size_t i = 1; i < widths.size(); ++i) {
    parameters.push_back({"w" + std::to_string(i), {widths[i - 1], widths[i]}});
    if (bias)
      parameters.push_back({"b" + std::to_string(i), {widths[i]}});
  }
  return parameters;
}

const LayerDropout *MLPOptions::getUnitDropout(size_t layer) const {
  if (layer < 1 || layer > dropout.size() || !dropout[layer - 1] ||
      dropout[layer - 1]->rate == 0 || !dropout[layer - 1]->tile.empty())
    return nullptr;
  return &*dropout[layer - 1];
}

SmallVector<NamedShape> MLPOptions::getState() const {
  SmallVector<NamedShape> state;
  auto add = [&](StringRef kind) {
    for (NamedShape &parameter : getParameters())
      state.push_back(
          {(kind + parameter.name).str(), parameter.shape, /*isWide=*/true});
  };
  if (optimizer != Optimizer::SGD)
    add("m_");
  if (optimizer == Optimizer::Adam)
    add("v_");
  return state;
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

static LogicalResult verifyShapes(Location loc, const MLPOptions &options) {
  if (options.widths.size() < 2)
    return emitError(loc) << "expected at least two widths, but got "
                          << options.widths.size();
  for (int64_t width : options.widths)
    if (width < 1 || width >= kLargestExtent)
      return emitError(loc) << "expected widths in [1, " << kLargestExtent
                            << "), but got " << width;
  if (options.batch < 1 || options.batch >= kLargestExtent)
    return emitError(loc) << "expected a batch in [1, " << kLargestExtent
                          << "), but got " << options.batch;
  Type type = options.elementType;
  if (type && !type.isF32() && !type.isF64() && !type.isBF16() && !type.isF16())
    return emitError(loc)
           << "expected an element type of f32, f64, bf16 or f16, but got "
           << type;
  return success();
}

/// Checks that `value` has a keyword.
template <typename Enum>
static LogicalResult verifyEnum(Location loc, StringRef name,
                                ArrayRef<StringLiteral> keywords, Enum value) {
  if (!stringify(keywords, value).empty())
    return success();
  return emitError(loc) << "expected " << name << " to be one of "
                        << llvm::join(keywords, ", ") << ", but got "
                        << static_cast<int64_t>(value);
}

/// Checks that `value` is in [0, 1), and no NaN.
static LogicalResult verifyShare(Location loc, StringRef name, double value) {
  if (value >= 0 && value < 1)
    return success();
  return emitError(loc) << "expected " << name << " in [0, 1), but got "
                        << value;
}

static LogicalResult verifyTraining(Location loc, const MLPOptions &options) {
  if (failed(verifyEnum(loc, "activation", kActivations, options.activation)) ||
      failed(verifyEnum(loc, "loss", kLosses, options.loss)) ||
      failed(verifyEnum(loc, "optimizer", kOptimizers, options.optimizer)) ||
      failed(verifyShare(loc, "momentum", options.momentum)) ||
      failed(verifyShare(loc, "decay", options.decay)) ||
      failed(verifyShare(loc, "betas", options.betas.first)) ||
      failed(verifyShare(loc, "betas", options.betas.second)))
    return failure();
  // Written so that NaN fails.
  if (!(options.epsilon > 0 && options.epsilon <= 1))
    return emitError(loc) << "expected epsilon in (0, 1], but got "
                          << options.epsilon;
  return success();
}

DropoutAttr mlir::sparsedrop::getAnnotation(Location loc,
                                            const LayerDropout &dropout,
                                            StringRef site) {
  // What the attribute reads as "by default" or says of all kinds.
  if (dropout.maxPeriod && *dropout.maxPeriod < 1) {
    emitError(loc) << "expected max_period of at least 1, but got "
                   << *dropout.maxPeriod;
    return {};
  }
  if (dropout.scale != ScaleMode::Target &&
      dropout.scale != ScaleMode::Pattern) {
    emitError(loc) << "expected scale to be one of target, pattern, but got '"
                   << stringifyScaleMode(dropout.scale) << "'";
    return {};
  }
  bool isTile = !dropout.tile.empty();
  if (isTile && dropout.granularity != 1) {
    emitError(loc) << "expected a granularity of 1 with tiles, but got "
                   << dropout.granularity;
    return {};
  }
  // An exact match, or the base class's template would be chosen.
  auto emit = [&] { return emitError(loc); };
  return DropoutAttr::getChecked(
      function_ref<InFlightDiagnostic()>(emit), loc.getContext(),
      isTile ? PatternKind::Tile : PatternKind::Row,
      /*operand=*/int64_t(isTile), APFloat(dropout.rate), site,
      DropoutAttr::kNoDim, dropout.granularity, dropout.maxPeriod.value_or(0),
      ArrayRef<int64_t>(dropout.tile), dropout.order, dropout.scale,
      /*multiple=*/int64_t(1), APFloat(DropoutAttr::kDefaultTemperature),
      /*distribution=*/DenseF64ArrayAttr());
}

LogicalResult mlir::sparsedrop::verifyOptions(Location loc,
                                              const MLPOptions &options) {
  if (failed(verifyShapes(loc, options)) ||
      failed(verifyTraining(loc, options)))
    return failure();
  size_t hidden = options.widths.size() - 2;
  if (!options.dropout.empty() && options.dropout.size() != hidden)
    return emitError(loc) << "expected " << hidden
                          << " dropouts, one for each hidden layer, but got "
                          << options.dropout.size();
  loc.getContext()->loadDialect<SparseDropDialect>();
  for (const std::optional<LayerDropout> &dropout : options.dropout)
    if (dropout && !getAnnotation(loc, *dropout, "hidden"))
      return failure();
  return success();
}
