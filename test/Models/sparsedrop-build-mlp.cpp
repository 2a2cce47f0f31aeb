//===- sparsedrop-build-mlp.cpp - Prints a built model --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Models/MLP.h"

#include "mlir/IR/AsmState.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

using namespace mlir;
using namespace mlir::sparsedrop;
namespace cl = llvm::cl;

static cl::list<int64_t> widths("widths", cl::CommaSeparated);
static cl::opt<int64_t> batch("batch");
static cl::list<std::string> rates("rates", cl::CommaSeparated,
                                   cl::desc("for each layer, or 'none'"));
static cl::opt<int64_t> granularity("granularity", cl::init(1));
static cl::list<int64_t> tile("tile", cl::CommaSeparated);
static cl::opt<std::string> order("order", cl::init("skewed"));
static cl::opt<int64_t> maxPeriod("max-period");
static cl::opt<std::string> scale("scale", cl::init("target"));
static cl::opt<std::string> activation("activation", cl::init("relu"));
static cl::opt<std::string> loss("loss", cl::init("cross_entropy"));
static cl::opt<std::string> optimizer("optimizer", cl::init("sgd"));
static cl::opt<bool> bias("bias", cl::init(true));
static cl::opt<double> momentum("momentum", cl::init(0.9));
static cl::opt<double> decay("decay");
static cl::opt<double> beta1("beta1", cl::init(0.9));
static cl::opt<double> beta2("beta2", cl::init(0.999));
static cl::opt<double> epsilon("epsilon", cl::init(1e-8));
static cl::opt<bool> lazy("lazy");
static cl::opt<std::string> dtype("dtype",
                                  cl::desc("f32, f64, bf16, f16 or tf32"));
static cl::opt<bool> names("names", cl::desc("print names, not generic IR"));

static std::optional<LayerDropout> getDropout(StringRef rate) {
  if (rate == "none")
    return std::nullopt;
  LayerDropout dropout;
  dropout.rate = std::strtod(rate.data(), nullptr);
  dropout.granularity = granularity;
  if (maxPeriod.getNumOccurrences())
    dropout.maxPeriod = maxPeriod;
  dropout.scale = symbolizeScaleMode(scale).value();
  llvm::append_range(dropout.tile, tile);
  dropout.order = symbolizeTileOrder(order).value();
  return dropout;
}

static MLPOptions getOptions(MLIRContext *context) {
  MLPOptions options;
  llvm::append_range(options.widths, widths);
  options.batch = batch;
  for (const std::string &rate : rates)
    options.dropout.push_back(getDropout(rate));
  // Numbers that are no value, for words that are none.
  options.activation = symbolizeActivation(activation).value_or(Activation(99));
  options.loss = symbolizeLoss(loss).value_or(Loss(99));
  options.optimizer = symbolizeOptimizer(optimizer).value_or(Optimizer(99));
  options.bias = bias;
  options.momentum = momentum;
  options.decay = decay;
  options.betas = {beta1, beta2};
  options.epsilon = epsilon;
  options.lazy = lazy;
  if (dtype == "f64")
    options.elementType = Float64Type::get(context);
  if (dtype == "bf16")
    options.elementType = BFloat16Type::get(context);
  if (dtype == "f16")
    options.elementType = Float16Type::get(context);
  if (dtype == "tf32") // which no model takes
    options.elementType = FloatTF32Type::get(context);
  return options;
}

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(argc, argv);
  MLIRContext context;
  auto module = buildMLP(UnknownLoc::get(&context), getOptions(&context));
  if (failed(module))
    return 1;
  OpPrintingFlags flags;
  if (names)
    flags.printNameLocAsPrefix();
  else
    flags.printGenericOpForm();
  (*module)->print(llvm::outs(), flags);
  llvm::outs() << '\n';
  return 0;
}
