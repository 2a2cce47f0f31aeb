//===- SparseDropKernelAttr.cpp - The choice of a kernel ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Syntax and checks of `#sparsedrop.kernel`.
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace mlir::sparsedrop;

namespace {
/// The lists of a choice by name.
struct Lists {
  SmallVector<int64_t> tile, warps, cluster, threads, vector, rows, depth,
      columns;

  SmallVector<int64_t> *find(StringRef key) {
    return llvm::StringSwitch<SmallVector<int64_t> *>(key)
        .Case("tile", &tile)
        .Case("warps", &warps)
        .Case("cluster", &cluster)
        .Case("threads", &threads)
        .Case("vector", &vector)
        .Case("rows", &rows)
        .Case("depth", &depth)
        .Case("columns", &columns)
        .Default(nullptr);
  }
};
} // namespace

Attribute KernelAttr::parse(AsmParser &parser, Type) {
  Lists lists;
  int64_t stages = 1, split = 1;
  bool tf32 = false, pingpong = false;
  std::string name;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseKeywordOrString(&name))
    return {};
  std::optional<KernelFamily> family = symbolizeKernelFamily(name);
  if (!family) {
    parser.emitError(loc)
        << "expected wgmma, tensor_core, plain, elementwise, "
           "transpose, reduce_rows, reduce_columns or serial, "
           "but got '"
        << name << "'";
    return {};
  }
  while (succeeded(parser.parseOptionalComma())) {
    StringRef key;
    loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&key))
      return {};
    if (key == "tf32" || key == "pingpong") {
      (key == "tf32" ? tf32 : pingpong) = true;
      continue;
    }
    SmallVector<int64_t> *list = lists.find(key);
    int64_t *number =
        key == "stages" ? &stages : (key == "split" ? &split : nullptr);
    if (!list && !number) {
      parser.emitError(loc)
          << "expected tile, warps, cluster, threads, vector, "
             "rows, columns, depth, stages, split, tf32 or pingpong, but got '"
          << key << "'";
      return {};
    }
    if (parser.parseEqual() ||
        (list ? parser.parseCommaSeparatedList(
                    AsmParser::Delimiter::Square,
                    [&] { return parser.parseInteger(list->emplace_back()); })
              : parser.parseInteger(*number)))
      return {};
  }
  if (parser.parseGreater())
    return {};
  auto emit = [&] { return parser.emitError(loc); };
  // The overload that TableGen made, since the class's storage is not known
  // here: each argument has its type.
  return KernelAttr::getChecked(
      function_ref<InFlightDiagnostic()>(emit), parser.getContext(), *family,
      ArrayRef<int64_t>(lists.tile), ArrayRef<int64_t>(lists.warps),
      ArrayRef<int64_t>(lists.cluster), ArrayRef<int64_t>(lists.threads),
      ArrayRef<int64_t>(lists.vector), stages, split, tf32, pingpong,
      ArrayRef<int64_t>(lists.rows), ArrayRef<int64_t>(lists.depth),
      ArrayRef<int64_t>(lists.columns));
}

void KernelAttr::print(AsmPrinter &printer) const {
  printer << "<" << stringifyKernelFamily(getFamily());
  auto list = [&](StringRef name, ArrayRef<int64_t> values) {
    if (values.empty())
      return;
    printer << ", " << name << " = [";
    llvm::interleaveComma(values, printer);
    printer << "]";
  };
  list("tile", getTile());
  list("warps", getWarps());
  list("cluster", getCluster());
  list("threads", getThreads());
  list("vector", getVector());
  list("rows", getRows());
  list("columns", getColumns());
  list("depth", getDepth());
  if (getStages() != 1)
    printer << ", stages = " << getStages();
  if (getSplit() != 1)
    printer << ", split = " << getSplit();
  if (getTf32())
    printer << ", tf32";
  if (getPingpong())
    printer << ", pingpong";
  printer << ">";
}

/// No number of a kernel is larger: products of some do not overflow.
static constexpr int64_t kMostNumber = 65536;
/// Parts that the depth of a product can be cut into.
static constexpr int64_t kMostParts = 256;

LogicalResult KernelAttr::verify(
    function_ref<InFlightDiagnostic()> emitError, KernelFamily family,
    ArrayRef<int64_t> tile, ArrayRef<int64_t> warps, ArrayRef<int64_t> cluster,
    ArrayRef<int64_t> threads, ArrayRef<int64_t> vector, int64_t stages,
    int64_t split, bool tf32, bool pingpong, ArrayRef<int64_t> rows,
    ArrayRef<int64_t> depth, ArrayRef<int64_t> columns) {
  auto check = [&](StringRef name, ArrayRef<int64_t> values, size_t count) {
    if (values.size() != count)
      return emitError() << "expected " << count << " numbers in '" << name
                         << "' of family '" << stringifyKernelFamily(family)
                         << "', but got " << values.size();
    for (int64_t value : values)
      if (value < 1 || value > kMostNumber)
        return emitError() << "expected '" << name << "' of at least 1"
                           << (value < 1 ? "" : " and at most 65536")
                           << ", but got " << value;
    return InFlightDiagnostic();
  };
  bool isTensorCore =
      family == KernelFamily::TensorCore || family == KernelFamily::Wgmma;
  bool isProduct = isTensorCore || family == KernelFamily::Plain;
  bool isTransposed = family == KernelFamily::Transpose;
  bool reduces = family == KernelFamily::ReduceRows ||
                 family == KernelFamily::ReduceColumns;
  if (failed(check("tile", tile,
                   isProduct      ? 3
                   : isTransposed ? 2
                                  : 0)) ||
      failed(check("warps", warps, isTensorCore ? 2 : 0)) ||
      failed(
          check("cluster", cluster,
                family == KernelFamily::Wgmma && !cluster.empty() ? 2 : 0)) ||
      failed(check("threads", threads, isProduct ? 0 : (reduces ? 2 : 1))) ||
      failed(check("vector", vector, isProduct ? 3 : 1)))
    return failure();
  if (pingpong && family != KernelFamily::Wgmma)
    return emitError()
           << "expected 'pingpong' of family 'wgmma', but got it of '"
           << stringifyKernelFamily(family) << "'";
  // Boxes of the loops of a role, which make up its part of the tile.
  auto checkBoxes = [&](StringRef name, ArrayRef<int64_t> boxes, int64_t side,
                        bool isKnown) {
    if (boxes.empty())
      return InFlightDiagnostic();
    size_t count = isKnown ? boxes.size() : 0;
    if (InFlightDiagnostic error = check(name, boxes, count); failed(error))
      return error;
    int64_t product = 1;
    for (int64_t box : boxes)
      product = std::min(product * box, kMostNumber + 1);
    if (product == tile[side])
      return InFlightDiagnostic();
    return emitError() << "expected '" << name << "' with the product "
                       << tile[side] << " as in 'tile', but got " << product;
  };
  bool isWgmma = family == KernelFamily::Wgmma;
  if (failed(checkBoxes("rows", rows, 0, isWgmma)) ||
      failed(checkBoxes("columns", columns, 1, isProduct)) ||
      failed(checkBoxes("depth", depth, 2, isWgmma)))
    return failure();
  for (int64_t value : vector)
    if (!llvm::isPowerOf2_64(value))
      return emitError() << "expected 'vector' of a power of two, but got "
                         << value;
  if (failed(check("stages", stages, 1)))
    return failure();
  if (failed(check("split", split, 1)))
    return failure();
  // One kernel adds all parts.
  if (split > kMostParts)
    return emitError() << "expected 'split' of at most " << kMostParts
                       << ", but got " << split;
  return success();
}
