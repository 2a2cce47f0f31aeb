//===- Report.cpp - What each product of a program costs ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Target/Report.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;
using namespace mlir::sparsedrop;

std::vector<ProductReport>
mlir::sparsedrop::readProducts(const Executable &executable) {
  std::vector<ProductReport> products;
  auto list =
      executable.getUpstream()->getAttrOfType<ArrayAttr>(kProductsAttrName);
  if (!list)
    return products;
  for (auto attributes : list.getAsRange<DictionaryAttr>()) {
    auto get = [&](StringRef name) {
      auto text = attributes.getAs<StringAttr>(name);
      return text ? text.str() : std::string();
    };
    // Calls have been inlined: what another public function computes is not
    // part of this one.
    std::string function = get("function");
    Operation *symbol =
        SymbolTable::lookupSymbolIn(executable.getUpstream(), function);
    if (function != executable.getEntryName() && symbol &&
        SymbolTable::getSymbolVisibility(symbol) ==
            SymbolTable::Visibility::Public)
      continue;
    ProductReport &product = products.emplace_back(ProductReport{get("loc"),
                                                                 get("site"),
                                                                 get("kind"),
                                                                 get("product"),
                                                                 get("shape"),
                                                                 get("reason"),
                                                                 {}});
    sparsedrop_product_counts_of(attributes.getAs<IntegerAttr>("id").getInt(),
                                 &product.counts);
  }
  return products;
}

sparsedrop_product_counts
mlir::sparsedrop::sumProducts(ArrayRef<ProductReport> products) {
  sparsedrop_product_counts total{};
  for (const ProductReport &product : products) {
    total.denseFlops += product.counts.denseFlops;
    total.denseBytes += product.counts.denseBytes;
    total.actualFlops += product.counts.actualFlops;
    total.actualBytes += product.counts.actualBytes;
    total.expectedFlops += product.counts.expectedFlops;
  }
  return total;
}

static llvm::json::Object makeWork(double flops, double bytes) {
  return llvm::json::Object{{"flops", static_cast<int64_t>(flops)},
                            {"bytes", static_cast<int64_t>(bytes)}};
}

llvm::json::Value mlir::sparsedrop::makeReport(const Executable &executable,
                                               ArrayRef<ProductReport> products,
                                               int64_t seed, int64_t step,
                                               int64_t peakBytes,
                                               uint64_t launches,
                                               uint64_t waits) {
  llvm::json::Array ops;
  for (const ProductReport &product : products) {
    const sparsedrop_product_counts &counts = product.counts;
    ops.push_back(llvm::json::Object{
        {"loc", product.location},
        {"site", product.site},
        {"kind", product.kind},
        {"product", product.product},
        {"dense", makeWork(counts.denseFlops, counts.denseBytes)},
        {"actual", makeWork(counts.actualFlops, counts.actualBytes)},
        {"expected_flops", counts.expectedFlops},
        {"shape", product.shape},
        {"reason", product.reason}});
  }
  sparsedrop_product_counts total = sumProducts(products);
  return llvm::json::Object{
      {"version", 1},
      {"function", executable.getEntryName()},
      {"mode", getName(executable.getMode())},
      {"seed", seed},
      {"step", step},
      {"ops", std::move(ops)},
      {"totals",
       llvm::json::Object{
           {"dense", makeWork(total.denseFlops, total.denseBytes)},
           {"actual", makeWork(total.actualFlops, total.actualBytes)},
           {"expected_flops", total.expectedFlops}}},
      {"temporaries_peak_bytes", peakBytes},
      {"launches", static_cast<int64_t>(launches)},
      {"synchronizations", static_cast<int64_t>(waits)}};
}
