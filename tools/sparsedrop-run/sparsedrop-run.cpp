//===- sparsedrop-run.cpp - Runs a function of an MLIR file ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Actions.h"
#include "Inputs.h"
#include "ModeOption.h"
#include "Npy.h"
#include "OpenDevice.h"
#include "ProgramFile.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/WithColor.h"

#include <cmath>

using namespace mlir::sparsedrop::run;
namespace cl = llvm::cl;

static cl::OptionCategory category("sparsedrop-run options");
static cl::opt<std::string> inputFile(cl::Positional, cl::Required,
                                      cl::desc("<file.mlir>"),
                                      cl::cat(category));
static cl::opt<std::string>
    entryName("entry", cl::desc("Function to run (default: the only one)"),
              cl::cat(category));
static cl::opt<std::string> target("target", cl::desc("cpu (default) or nvptx"),
                                   cl::init("cpu"), cl::cat(category));
static cl::opt<std::string>
    device("device", cl::desc("Device of the target nvptx: cuda or interp"),
           cl::cat(category));
static cl::opt<std::string>
    chip("chip", cl::desc("GPU to compile for (default: the device's)"),
         cl::value_desc("sm_XY"), cl::cat(category));
static cl::opt<bool> tf32("tf32",
                          cl::desc("Round the factors of f32 products to tf32"),
                          cl::cat(category));
static cl::opt<std::string>
    family("family",
           cl::desc("Family of products where it can be obeyed: wgmma, "
                    "tensor_core or plain (default: the cheapest)"),
           cl::cat(category));
static cl::opt<std::string>
    kernelTable("kernel-table",
                cl::desc("Measured kernels of products, which go before the "
                         "estimate (sparsedrop-tune)"),
                cl::value_desc("file"), cl::cat(category));
static cl::opt<std::string>
    remarks("remarks-filter",
            cl::desc("Print remarks of passes whose name matches"),
            cl::value_desc("regex"), cl::cat(category));
static cl::opt<DropoutMode>
    modeName("mode", cl::desc("What becomes of the annotated dropouts"),
             cl::init(DropoutMode::Compact), cl::cat(category),
             getModeValues());
static cl::opt<int64_t> seed("seed", cl::desc("Key of the draws"), cl::init(0),
                             cl::cat(category));
static cl::opt<int64_t> step("step", cl::desc("Counter of the draws"),
                             cl::init(0), cl::cat(category));
static cl::list<std::string>
    inputs("input", cl::desc("A .npy file for each argument, in order"),
           cl::value_desc("file"), cl::cat(category));
static cl::opt<uint64_t>
    randomSeed("random", cl::desc("Draw normal inputs from a seed instead"),
               cl::cat(category));
static cl::opt<std::string>
    output("output", cl::desc("Write results to PREFIX.0.npy, PREFIX.1.npy"),
           cl::value_desc("prefix"), cl::cat(category));
static cl::opt<bool> doCheck("check", cl::desc("Compact against masked"),
                             cl::cat(category));
static cl::opt<int64_t> checkSteps("steps",
                                   cl::desc("Steps that --check goes through"),
                                   cl::init(1), cl::cat(category));
static cl::opt<double>
    tolerance("tolerance",
              cl::desc("Largest relative error that --check accepts"),
              cl::cat(category));
static cl::opt<int64_t>
    timeSteps("time", cl::desc("Time N steps in all modes, interleaved"),
              cl::value_desc("N"), cl::cat(category));
static cl::opt<bool>
    timeGraphs("graph",
               cl::desc("Beside the steps of --time, on the target nvptx, time "
                        "launches of their captured graphs"),
               cl::cat(category));
static cl::opt<std::string>
    reportFormat("report", cl::desc("Work of each product (text or json)"),
                 cl::ValueOptional, cl::init("none"), cl::cat(category));

static int fail(const llvm::Twine &message) {
  llvm::WithColor::error(llvm::errs(), "sparsedrop-run") << message << "\n";
  return 1;
}

/// One line a result: shape, norm and first values.
static void printSummary(llvm::ArrayRef<Tensor> results) {
  for (auto [i, result] : llvm::enumerate(results)) {
    double norm = 0;
    int64_t size = result.size();
    for (int64_t j = 0; j < size; ++j)
      norm += result.get(j) * result.get(j);
    llvm::outs() << "result " << i << ": "
                 << describe(result.elementType, result.shape) << ", norm "
                 << llvm::format("%.6g", std::sqrt(norm)) << ", [";
    for (int64_t j = 0; j < std::min<int64_t>(size, 4); ++j)
      llvm::outs() << (j ? ", " : "") << llvm::format("%.6g", result.get(j));
    llvm::outs() << (size > 4 ? ", ...]\n" : "]\n");
  }
}

static int writeResults(llvm::ArrayRef<Tensor> results) {
  if (llvm::Error error = writeNpyFiles(output, results))
    return fail(llvm::toString(std::move(error)));
  return 0;
}

static int checkOptions() {
  if (target != "cpu" && target != "nvptx")
    return fail("expected the target cpu or nvptx, but got '" + target + "'");
  if (target == "cpu" && (!device.empty() || !chip.empty() || tf32 ||
                          !family.empty() || !kernelTable.empty()))
    return fail("--device, --chip, --tf32, --family and --kernel-table belong "
                "to the target nvptx");
  if (timeSteps.getNumOccurrences() && timeSteps < 1)
    return fail("expected at least one step in --time, but got " +
                llvm::Twine(timeSteps));
  if (timeGraphs && (target == "cpu" || !timeSteps.getNumOccurrences()))
    return fail("--graph belongs to --time on the target nvptx");
  if (checkSteps < 1)
    return fail("expected at least one step in --steps, but got " +
                llvm::Twine(checkSteps));
  if (tolerance.getNumOccurrences() && !(tolerance >= 0))
    return fail("expected a tolerance of at least 0");
  if (reportFormat != "none" && !reportFormat.empty() &&
      reportFormat != "json" && reportFormat != "text")
    return fail("expected --report, --report=text or --report=json");
  return 0;
}

/// Opens what --target and --device name.
static int openTarget(OpenDevice &opened, Target &made) {
  if (target == "cpu")
    return 0;
  if (llvm::Error error = opened.open(device))
    return fail(llvm::toString(std::move(error)));
  made.device = opened.get();
  made.chip = chip.empty() ? opened.getChip() : std::string(chip);
  made.tf32 = tf32;
  made.family = family;
  made.table = kernelTable;
  return 0;
}

/// All that was asked for, on the parsed module.
static int run(mlir::ModuleOp module) {
  OpenDevice opened;
  Target made;
  if (int code = openTarget(opened, made))
    return code;
  Request request{module, entryName, modeName, seed, step, made};
  std::unique_ptr<Program> program = Program::compile(
      module, request.entry, request.mode, false, request.target);
  if (!program)
    return 1;
  std::optional<uint64_t> random;
  if (randomSeed.getNumOccurrences())
    random = randomSeed;
  llvm::Expected<std::vector<Tensor>> drawn =
      makeInputs(program->getExecutable(), inputs, random);
  if (!drawn)
    return fail(llvm::toString(drawn.takeError()));
  std::vector<Tensor> tensors = std::move(*drawn);
  bool quiet = false;
  if (doCheck) {
    std::optional<double> limit;
    if (tolerance.getNumOccurrences())
      limit = tolerance;
    if (int code = check(request, *program, tensors, limit, checkSteps))
      return code;
    quiet = true;
  }
  if (timeSteps.getNumOccurrences()) {
    if (int code = time(request, tensors, timeSteps, timeGraphs))
      return code;
    quiet = true;
  }
  if (reportFormat != "none") {
    if (int code = report(request, tensors, reportFormat == "json"))
      return code;
    quiet = true;
  }
  if (quiet && output.empty())
    return 0;
  std::vector<Tensor> results;
  if (!program->run(tensors, seed, step, &results))
    return 1;
  if (!output.empty())
    return writeResults(results);
  printSummary(results);
  return 0;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "Runs a function of an MLIR file\n");
  if (int code = checkOptions())
    return code;
  ProgramFile file;
  if (remarks.getNumOccurrences())
    if (llvm::Error error = file.enableRemarks(remarks))
      return fail(llvm::toString(std::move(error)));
  if (llvm::Error error = file.load(inputFile))
    return fail(llvm::toString(std::move(error)));
  return file.getModule() ? run(file.getModule()) : 1;
}
