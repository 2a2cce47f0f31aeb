//===- sparsedrop-tune.cpp - Measures kernels on a device -----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Inputs.h"
#include "ModeOption.h"
#include "OpenDevice.h"
#include "OutputFile.h"
#include "ProgramFile.h"
#include "Tuner.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/WithColor.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using namespace mlir::sparsedrop::tune;
namespace cl = llvm::cl;

static cl::OptionCategory category("sparsedrop-tune options");
static cl::opt<std::string> inputFile(cl::Positional, cl::Required,
                                      cl::desc("<file.mlir>"),
                                      cl::cat(category));
static cl::opt<std::string>
    tablePath("table", cl::Required,
              cl::desc("Table of kernels to add to; made if it is not there"),
              cl::value_desc("file"), cl::cat(category));
static cl::opt<std::string>
    entryName("entry", cl::desc("Function to run (default: the only one)"),
              cl::cat(category));
static cl::opt<std::string>
    deviceKind("device",
               cl::desc("Device to measure on: cuda (default) or "
                        "interp, whose times mean nothing for a GPU"),
               cl::init("cuda"), cl::cat(category));
static cl::opt<std::string>
    chip("chip", cl::desc("GPU to compile for (default: the device's)"),
         cl::value_desc("sm_XY"), cl::cat(category));
static cl::opt<bool> tf32("tf32",
                          cl::desc("Round the factors of f32 products to tf32"),
                          cl::cat(category));
static cl::opt<DropoutMode>
    mode("mode", cl::desc("What becomes of the annotated dropouts"),
         cl::init(DropoutMode::Compact), cl::cat(category),
         run::getModeValues());
static cl::opt<int64_t> seed("seed", cl::desc("Key of the draws"), cl::init(0),
                             cl::cat(category));
static cl::list<std::string>
    inputs("input", cl::desc("A .npy file for each argument, in order"),
           cl::value_desc("file"), cl::cat(category));
static cl::opt<uint64_t>
    randomSeed("random", cl::desc("Draw normal inputs from a seed instead"),
               cl::cat(category));
static cl::opt<int64_t>
    candidates("candidates",
               cl::desc("Kernels to measure for each product, the estimate's "
                        "choice among them (default: 12)"),
               cl::value_desc("N"), cl::init(12), cl::cat(category));
static cl::opt<int64_t>
    repeats("repeats", cl::desc("Steps to time for each kernel (default: 20)"),
            cl::value_desc("N"), cl::init(20), cl::cat(category));
static cl::opt<bool> again("again",
                           cl::desc("Measure products that the table has, too"),
                           cl::cat(category));

bool mlir::sparsedrop::tune::fail(const Twine &message) {
  llvm::WithColor::error(llvm::errs(), "sparsedrop-tune") << message << "\n";
  return false;
}

static bool fail(llvm::Error error) {
  return tune::fail(llvm::toString(std::move(error)));
}

static bool checkOptions() {
  if (candidates < 2)
    return tune::fail("expected at least 2 kernels in --candidates, but got " +
                      Twine(candidates));
  if (repeats < 1)
    return tune::fail("expected at least one step in --repeats, but got " +
                      Twine(repeats));
  return true;
}

/// The table that is there, or an empty one. Fails also where none can be
/// written: better now than after an hour.
static llvm::Expected<KernelTable> readTable(MLIRContext &context) {
  context.loadDialect<SparseDropDialect>();
  run::OutputFile probe(tablePath);
  if (llvm::Error error = probe.open())
    return error;
  if (!llvm::sys::fs::exists(tablePath))
    return KernelTable();
  return KernelTable::read(tablePath, &context);
}

static Request makeRequest(ModuleOp module, const run::OpenDevice &device) {
  Request request;
  request.module = module;
  request.entry = entryName;
  request.mode = mode;
  request.seed = seed;
  request.target.device = device.get();
  request.target.chip = chip.empty() ? device.getChip() : std::string(chip);
  request.target.tf32 = tf32;
  request.device = device.getInfo().name;
  if (device.getInfo().isInterpreter)
    request.device += ", whose times mean nothing for a GPU";
  request.candidates = static_cast<size_t>(candidates);
  request.repeats = repeats;
  request.path = tablePath;
  return request;
}

/// The products that the table lacks, or all with --again.
static SmallVector<TunableProduct> select(ArrayRef<TunableProduct> products,
                                          const KernelTable &table) {
  SmallVector<TunableProduct> selected;
  for (const TunableProduct &product : products)
    if (again || !table.find(product.signature))
      selected.push_back(product);
  return selected;
}

static bool tuneProgram(run::ProgramFile &file) {
  llvm::Expected<KernelTable> table = readTable(file.getContext());
  if (!table)
    return fail(table.takeError());
  run::OpenDevice device;
  if (llvm::Error error = device.open(deviceKind))
    return fail(std::move(error));
  Request request = makeRequest(file.getModule(), device);
  std::unique_ptr<Program> program =
      Program::compile(request.module, request.entry, request.mode,
                       /*instrument=*/false, request.target);
  if (!program)
    return false;
  std::optional<uint64_t> random;
  if (randomSeed.getNumOccurrences())
    random = randomSeed;
  llvm::Expected<std::vector<Tensor>> tensors =
      run::makeInputs(program->getExecutable(), inputs, random);
  if (!tensors)
    return fail(tensors.takeError());
  OwningOpRef<ModuleOp> buffers =
      program->getExecutable().lowerToDeviceBuffers();
  if (!buffers)
    return false;
  FailureOr<SmallVector<TunableProduct>> products = findTunableProducts(
      *buffers, request.target.chip, tf32, request.candidates);
  if (failed(products))
    return false;
  SmallVector<TunableProduct> selected = select(*products, *table);
  llvm::outs() << "device: " << request.device << "\n"
               << "products: " << products->size()
               << ", to measure: " << selected.size() << "\n";
  Tuner tuner(request, std::move(*table), std::move(*tensors));
  return tuner.run(selected);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(
      argc, argv,
      "Measures kernels of the products of an MLIR program on a device and "
      "keeps the fastest in a table\n\nEach product that the table lacks is "
      "tried with several kernels; those that compute the same as the "
      "estimate's choice count. sparsedrop-run, sparsedrop-compile and the "
      "libraries use the table (--kernel-table).\n");
  if (!checkOptions())
    return 1;
  run::ProgramFile file;
  if (llvm::Error error = file.load(inputFile))
    return fail(std::move(error)) ? 0 : 1;
  return file.getModule() && tuneProgram(file) ? 0 : 1;
}
