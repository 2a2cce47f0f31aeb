//===- Tuner.h - Measures kernels and keeps the fastest ---------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_TUNE_TUNER_H
#define SPARSEDROP_TOOLS_TUNE_TUNER_H

#include "Program.h"

#include "sparsedrop/GPU/KernelTable.h"
#include "sparsedrop/GPU/Tuning.h"

namespace mlir::sparsedrop::tune {

using run::Program;
using run::Target;
using run::Tensor;

/// What was asked for on the command line.
struct Request {
  ModuleOp module;
  std::string entry;
  DropoutMode mode = DropoutMode::Compact;
  int64_t seed = 0;
  Target target;      ///< without a table
  std::string device; ///< its name in entries
  size_t candidates = 12;
  int64_t repeats = 20;
  std::string path; ///< of the table
};

/// The program with one kernel for the product that is measured.
struct Variant {
  KernelAttr kernel;
  std::unique_ptr<Program> program;
  std::vector<double> times = {}; ///< microseconds of each step
  std::string problem = "";       ///< why it does not count; empty: it does

  double getMedian() const;
  /// Median of what each step took less than that of `other`.
  double getSaved(const Variant &other) const;
};

/// Measures the products of a program one after the other.
class Tuner {
public:
  Tuner(const Request &request, KernelTable table, std::vector<Tensor> inputs)
      : request(request), table(std::move(table)), inputs(std::move(inputs)) {}

  /// Measures each of `products`, writes the table after each. False after an
  /// error on stderr.
  bool run(ArrayRef<TunableProduct> products);

private:
  bool measure(const TunableProduct &product);
  std::unique_ptr<Program> compile(StringRef signature, KernelAttr kernel);
  Variant tryKernel(StringRef signature, KernelAttr kernel);
  bool computeReference(Program &program);
  std::string compare(Program &program);
  bool time(MutableArrayRef<Variant> variants);
  bool keep(StringRef signature, const Variant &best, const Variant &estimate);

  const Request &request;
  KernelTable table;
  std::vector<Tensor> inputs;
  /// Results of the cost model's choice, step by step, and how far others may
  /// be from them.
  std::vector<std::vector<Tensor>> reference;
  double tolerance = 0;
};

/// Prints an error and returns false.
bool fail(const Twine &message);

/// What is about to be measured.
void printProduct(const TunableProduct &product, size_t number, size_t count);
/// What came out; the first variant is the cost model's choice.
void printVariants(ArrayRef<Variant> variants, const Variant &best);

} // namespace mlir::sparsedrop::tune

#endif // SPARSEDROP_TOOLS_TUNE_TUNER_H
