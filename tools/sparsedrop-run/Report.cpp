//===- Report.cpp - What each product costs -------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Actions.h"

#include "sparsedrop/Target/Report.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::sparsedrop::run;
using mlir::sparsedrop::ProductReport;

static void printLine(StringRef name, StringRef product, StringRef site,
                      StringRef shape, const sparsedrop_product_counts &counts,
                      StringRef reason) {
  llvm::outs() << llvm::format(
      "%-28s %-8s %-20s %-18s %14.0f %14.0f %14.0f %6.3f  %s\n",
      name.str().c_str(), product.str().c_str(), site.str().c_str(),
      shape.str().c_str(), counts.denseFlops, counts.actualFlops,
      counts.expectedFlops,
      counts.denseFlops > 0 ? counts.actualFlops / counts.denseFlops : 1.0,
      reason.str().c_str());
}

static void printTable(const Request &request, const Program &program,
                       ArrayRef<ProductReport> products) {
  llvm::outs() << "function " << program.getEntryName() << ", mode "
               << getName(request.mode) << ", seed " << request.seed
               << ", step " << request.step << "\n\n"
               << llvm::format("%-28s %-8s %-20s %-18s %14s %14s %14s %6s\n",
                               "location", "product", "site", "shape",
                               "dense ops", "actual ops", "expected ops",
                               "kept");
  for (const ProductReport &product : products) {
    StringRef location = product.location;
    if (location.size() > 28)
      location = location.take_back(28);
    printLine(location, product.product, product.site, product.shape,
              product.counts, product.reason);
  }
  printLine("total", "", "", "", mlir::sparsedrop::sumProducts(products), "");
  llvm::outs() << "\ntemporaries, most at once: " << program.getPeakBytes()
               << " bytes\n";
  if (request.target.device) {
    const sparsedrop_program_statistics &device = program.getStatistics();
    llvm::outs() << "kernels launched: " << device.launches
                 << ", times the host waited: " << device.synchronizations
                 << "\n";
  }
}

int mlir::sparsedrop::run::report(const Request &request,
                                  ArrayRef<Tensor> inputs, bool json) {
  std::unique_ptr<Program> program = Program::compile(
      request.module, request.entry, request.mode, true, request.target);
  if (!program)
    return 1;
  sparsedrop_reset_counts();
  std::vector<Tensor> copies(inputs.begin(), inputs.end());
  if (!program->run(copies, request.seed, request.step, nullptr))
    return 1;
  std::vector<ProductReport> products = readProducts(program->getExecutable());
  if (json)
    llvm::outs() << llvm::formatv(
        "{0:2}\n", makeReport(program->getExecutable(), products, request.seed,
                              request.step, program->getPeakBytes(),
                              program->getStatistics().launches,
                              program->getStatistics().synchronizations));
  else
    printTable(request, *program, products);
  return 0;
}
