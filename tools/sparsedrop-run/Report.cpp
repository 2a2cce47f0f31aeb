//===- Report.cpp - What each product costs -------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Actions.h"

#include "sparsedrop-c/Runtime.h"
#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace mlir::sparsedrop::run;

namespace {
/// One line of the report.
struct Product {
  DictionaryAttr attributes;
  sparsedrop_product_counts counts;

  StringRef get(StringRef name) const {
    auto text = attributes.getAs<StringAttr>(name);
    return text ? text.getValue() : "";
  }
};
} // namespace

/// Counts of a single execution come as they are; of several, summed.
static std::vector<Product> readProducts(const Program &program) {
  std::vector<Product> products;
  auto list = program.getUpstream()->getAttrOfType<ArrayAttr>(
      mlir::sparsedrop::kProductsAttrName);
  if (!list)
    return products;
  for (auto attributes : list.getAsRange<DictionaryAttr>()) {
    Product product{attributes, {}};
    sparsedrop_product_counts_of(attributes.getAs<IntegerAttr>("id").getInt(),
                                 &product.counts);
    products.push_back(product);
  }
  return products;
}

static llvm::json::Object makeWork(double flops, double bytes) {
  return llvm::json::Object{{"flops", static_cast<int64_t>(flops)},
                            {"bytes", static_cast<int64_t>(bytes)}};
}

static sparsedrop_product_counts sum(ArrayRef<Product> products) {
  sparsedrop_product_counts total{};
  for (const Product &product : products) {
    total.denseFlops += product.counts.denseFlops;
    total.denseBytes += product.counts.denseBytes;
    total.actualFlops += product.counts.actualFlops;
    total.actualBytes += product.counts.actualBytes;
    total.expectedFlops += product.counts.expectedFlops;
  }
  return total;
}

static void printJson(const Request &request, const Program &program,
                      ArrayRef<Product> products) {
  llvm::json::Array ops;
  for (const Product &product : products)
    ops.push_back(llvm::json::Object{
        {"loc", product.get("loc")},
        {"site", product.get("site")},
        {"kind", product.get("kind")},
        {"product", product.get("product")},
        {"dense",
         makeWork(product.counts.denseFlops, product.counts.denseBytes)},
        {"actual",
         makeWork(product.counts.actualFlops, product.counts.actualBytes)},
        {"expected_flops", product.counts.expectedFlops},
        {"shape", product.get("shape")},
        {"reason", product.get("reason")}});
  sparsedrop_product_counts total = sum(products);
  llvm::json::Value report = llvm::json::Object{
      {"version", 1},
      {"function", program.getEntryName()},
      {"mode", getName(request.mode)},
      {"seed", request.seed},
      {"step", request.step},
      {"ops", std::move(ops)},
      {"totals",
       llvm::json::Object{
           {"dense", makeWork(total.denseFlops, total.denseBytes)},
           {"actual", makeWork(total.actualFlops, total.actualBytes)},
           {"expected_flops", total.expectedFlops}}},
      {"temporaries_peak_bytes", program.getPeakBytes()},
      {"launches", 0}};
  llvm::outs() << llvm::formatv("{0:2}\n", report);
}

static void printLine(StringRef name, StringRef site, StringRef shape,
                      const sparsedrop_product_counts &counts,
                      StringRef reason) {
  llvm::outs() << llvm::format(
      "%-28s %-20s %-18s %14.0f %14.0f %14.0f %6.3f  %s\n", name.str().c_str(),
      site.str().c_str(), shape.str().c_str(), counts.denseFlops,
      counts.actualFlops, counts.expectedFlops,
      counts.denseFlops > 0 ? counts.actualFlops / counts.denseFlops : 1.0,
      reason.str().c_str());
}

static void printTable(const Request &request, const Program &program,
                       ArrayRef<Product> products) {
  llvm::outs() << "function " << program.getEntryName() << ", mode "
               << getName(request.mode) << ", seed " << request.seed
               << ", step " << request.step << "\n\n"
               << llvm::format("%-28s %-20s %-18s %14s %14s %14s %6s\n",
                               "product", "site", "shape", "dense ops",
                               "actual ops", "expected ops", "kept");
  for (const Product &product : products) {
    StringRef loc = product.get("loc");
    if (loc.size() > 28)
      loc = loc.take_back(28);
    printLine(loc, product.get("site"), product.get("shape"), product.counts,
              product.get("reason"));
  }
  printLine("total", "", "", sum(products), "");
  llvm::outs() << "\ntemporaries, most at once: " << program.getPeakBytes()
               << " bytes\n";
}

int mlir::sparsedrop::run::report(const Request &request,
                                  ArrayRef<Tensor> inputs, bool json) {
  std::unique_ptr<Program> program =
      Program::compile(request.module, request.entry, request.mode, true);
  if (!program)
    return 1;
  sparsedrop_reset_counts();
  if (!program->run(inputs, request.seed, request.step, nullptr))
    return 1;
  std::vector<Product> products = readProducts(*program);
  if (json)
    printJson(request, *program, products);
  else
    printTable(request, *program, products);
  return 0;
}
