//===- Tuner.cpp - Measures kernels and keeps the fastest -----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tuner.h"

#include "Agreement.h"
#include "Median.h"
#include "OutputFile.h"
#include "Steps.h"

#include "mlir/IR/Diagnostics.h"

#include <ctime>

using namespace mlir;
using namespace mlir::sparsedrop;
using namespace mlir::sparsedrop::tune;

/// Steps on which results are compared: two draws of the patterns.
static constexpr int64_t kCheckedSteps = 2;

double Variant::getMedian() const { return run::getMedian(times); }

double Variant::getSaved(const Variant &other) const {
  std::vector<double> differences;
  for (auto [mine, its] : llvm::zip(times, other.times))
    differences.push_back(its - mine);
  return run::getMedian(differences);
}

/// Today in UTC: 2026-01-31.
static std::string getDate() {
  std::time_t now = std::time(nullptr);
  char text[16];
  std::strftime(text, sizeof(text), "%Y-%m-%d", std::gmtime(&now));
  return text;
}

bool Tuner::run(ArrayRef<TunableProduct> products) {
  for (auto [i, product] : llvm::enumerate(products)) {
    printProduct(product, i + 1, products.size());
    if (!measure(product))
      return false;
  }
  return true;
}

bool Tuner::measure(const TunableProduct &product) {
  SmallVector<Variant> variants;
  // No entry at all: the cost model decides, for each product by itself.
  variants.push_back(
      {product.candidates.front(), compile(product.signature, {})});
  if (!variants.front().program || !computeReference(*variants.front().program))
    return false;
  for (KernelAttr kernel : ArrayRef(product.candidates).drop_front())
    variants.push_back(tryKernel(product.signature, kernel));
  if (!time(variants))
    return false;
  const Variant *best = &variants.front();
  for (const Variant &variant : variants)
    if (variant.problem.empty() &&
        variant.getSaved(variants.front()) > best->getSaved(variants.front()))
      best = &variant;
  printVariants(variants, *best);
  return keep(product.signature, *best, variants.front());
}

/// Compiles and runs the program with a kernel, and leaves why it does not
/// count. Its errors are no errors of the whole.
Variant Tuner::tryKernel(StringRef signature, KernelAttr kernel) {
  Variant variant{kernel, nullptr};
  ScopedDiagnosticHandler handler(
      kernel.getContext(), [&](Diagnostic &diagnostic) {
        if (diagnostic.getSeverity() == DiagnosticSeverity::Error &&
            variant.problem.empty())
          variant.problem = diagnostic.str();
      });
  variant.program = compile(signature, kernel);
  std::string problem =
      variant.program ? compare(*variant.program) : "cannot be compiled";
  // A diagnostic says more.
  if (variant.problem.empty())
    variant.problem = problem;
  return variant;
}

/// The program with the kernels of the table, but `kernel`, if there is one,
/// for `signature`. Null after a diagnostic.
std::unique_ptr<Program> Tuner::compile(StringRef signature,
                                        KernelAttr kernel) {
  auto used = std::make_shared<KernelTable>();
  for (const KernelTableEntry &entry : table.getEntries())
    if (entry.signature != signature)
      used->set(entry);
  if (kernel)
    used->set({signature.str(), kernel, 0, 0, 0, "", ""});
  Target target = request.target;
  target.measured = std::move(used);
  return Program::compile(request.module, request.entry, request.mode,
                          /*instrument=*/false, target);
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

/// False after a diagnostic.
bool Tuner::computeReference(Program &program) {
  tolerance =
      run::getTolerance(program.getUpstream(), inputs, request.target.tf32);
  reference.assign(kCheckedSteps, {});
  for (int64_t step = 0; step < kCheckedSteps; ++step) {
    // A step may write to what was given away to it.
    std::vector<Tensor> copies(inputs);
    if (!program.run(copies, request.seed, step, &reference[step]))
      return false;
  }
  return true;
}

/// What differs from the reference; empty if nothing does.
std::string Tuner::compare(Program &program) {
  for (int64_t step = 0; step < kCheckedSteps; ++step) {
    std::vector<Tensor> copies(inputs), results;
    if (!program.run(copies, request.seed, step, &results))
      return "failed to run";
    for (size_t i = 0; i < results.size(); ++i) {
      run::Comparison comparison = run::compare(results[i], reference[step][i]);
      if (!comparison.isWithin(tolerance))
        return "result " + std::to_string(i) + " of step " +
               std::to_string(step) + " differs: error " +
               comparison.describeError();
    }
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Times
//===----------------------------------------------------------------------===//

/// All that count, in turn, so that what changes on the machine meanwhile
/// changes all of them. False after an error of the first one.
bool Tuner::time(MutableArrayRef<Variant> variants) {
  Steps steps(request.target.device);
  if (!steps.prepare(variants.front().program->getExecutable(), inputs))
    return fail(sparsedrop_last_error());
  // The first step warms up: images, the pool of memory, clocks.
  for (int64_t i = -1; i < request.repeats; ++i)
    for (size_t k = 0; k < variants.size(); ++k) {
      // The order rotates, so that no kernel always follows the same one.
      Variant &variant =
          variants[(k + static_cast<size_t>(i + 1)) % variants.size()];
      if (!variant.problem.empty())
        continue;
      std::optional<double> time =
          steps.run(variant.program->getExecutable(), request.seed,
                    std::max<int64_t>(i, 0));
      if (!time)
        variant.problem =
            std::string("failed to run: ") + sparsedrop_last_error();
      else if (i >= 0)
        variant.times.push_back(*time);
    }
  if (!variants.front().problem.empty())
    return fail(variants.front().problem);
  return true;
}

bool Tuner::keep(StringRef signature, const Variant &best,
                 const Variant &estimate) {
  table.set({signature.str(), best.kernel, best.getMedian(),
             estimate.getMedian(), best.getSaved(estimate), request.device,
             getDate()});
  std::string text;
  llvm::raw_string_ostream stream(text);
  table.print(stream);
  if (llvm::Error error = run::writeFile(request.path, text))
    return fail(llvm::toString(std::move(error)));
  return true;
}
