//===- sparsedrop-compile.cpp - Programs ahead of time --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ModeOption.h"
#include "OutputFile.h"
#include "ProgramFile.h"

#include "sparsedrop/GPU/Passes.h"
#include "sparsedrop/Target/Cubin.h"
#include "sparsedrop/Target/Executable.h"
#include "sparsedrop/Target/Header.h"
#include "sparsedrop/Target/HostCode.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace mlir::sparsedrop;
using run::OutputFile;
using run::writeFile;
namespace cl = llvm::cl;

static cl::OptionCategory category("sparsedrop-compile options");
static cl::opt<std::string> inputFile(cl::Positional, cl::Required,
                                      cl::desc("<file.mlir>"),
                                      cl::cat(category));
static cl::opt<std::string>
    output("o", cl::Required,
           cl::desc("File to write: .so, .o, .ll, .ptx or .cubin"),
           cl::value_desc("file"), cl::cat(category));
static cl::list<std::string>
    entries("entry",
            cl::desc("Functions to compile (default: all public ones)"),
            cl::CommaSeparated, cl::cat(category));
static cl::opt<std::string> target("target", cl::desc("nvptx (default) or cpu"),
                                   cl::init("nvptx"), cl::cat(category));
static cl::opt<std::string>
    chip("chip", cl::desc("GPU to compile for (default: sm_90a)"),
         cl::init("sm_90a"), cl::value_desc("sm_XY"), cl::cat(category));
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
static cl::opt<DropoutMode>
    mode("mode", cl::desc("What becomes of the annotated dropouts"),
         cl::init(DropoutMode::Compact), cl::cat(category),
         run::getModeValues());
static cl::opt<std::string> header("header", cl::desc("C header to write"),
                                   cl::value_desc("file.h"), cl::cat(category));
static cl::opt<std::string>
    ptxasPath("ptxas",
              cl::desc("ptxas to use (default: on the PATH, or of the "
                       "CUDA toolkit)"),
              cl::value_desc("path"), cl::cat(category));
static cl::opt<std::string>
    march("march",
          cl::desc("native: host code for the processor that this runs on "
                   "(default: for all of its kind)"),
          cl::value_desc("native"), cl::cat(category));

static int fail(const llvm::Twine &message) {
  llvm::WithColor::error(llvm::errs(), "sparsedrop-compile") << message << "\n";
  return 1;
}

static std::string toText(llvm::Error error) {
  return llvm::toString(std::move(error));
}

/// The exit code for an error, which it tells.
static int finish(llvm::Error error) {
  return error ? fail(toText(std::move(error))) : 0;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// The PTX of a lowered module, or of one without kernels.
static std::string getPtx(ModuleOp module) {
  for (auto binary : module.getOps<gpu::BinaryOp>())
    for (auto object : binary.getObjects().getAsRange<gpu::ObjectAttr>())
      if (object.getFormat() == gpu::CompilationTarget::Assembly)
        return object.getObject().getValue().str();
  return ".version 8.0\n.target " + chip + "\n.address_size 64\n";
}

/// Adds a cubin to the kernels of a module.
static void addCubin(ModuleOp module, StringRef cubin) {
  for (auto binary : module.getOps<gpu::BinaryOp>()) {
    SmallVector<Attribute> objects(binary.getObjects().getValue());
    auto first = cast<gpu::ObjectAttr>(objects.front());
    objects.push_back(gpu::ObjectAttr::get(
        module.getContext(), first.getTarget(), gpu::CompilationTarget::Binary,
        StringAttr::get(module.getContext(), cubin), DictionaryAttr(),
        gpu::KernelTableAttr()));
    binary.setObjectsAttr(ArrayAttr::get(module.getContext(), objects));
  }
}

/// Machine code if there is a ptxas; `isNeeded`: an error if not.
static int makeCubin(StringRef ptx, bool isNeeded, std::string &cubin) {
  std::string ptxas = ptxasPath.empty() ? findPtxas() : ptxasPath;
  if (ptxas.empty()) {
    if (isNeeded)
      return fail("ptxas was not found: a .cubin needs it (--ptxas=PATH)");
    llvm::WithColor::note(llvm::errs(), "sparsedrop-compile")
        << "ptxas was not found: the driver will compile the PTX\n";
    return 0;
  }
  llvm::Expected<std::string> bytes = assemble(ptxas, ptx, chip);
  if (!bytes)
    return fail(toText(bytes.takeError()));
  cubin = std::move(*bytes);
  return 0;
}

//===----------------------------------------------------------------------===//
// Host code
//===----------------------------------------------------------------------===//

static int writeShared(StringRef object) {
  llvm::SmallString<64> input;
  if (llvm::sys::fs::createTemporaryFile("sparsedrop", "o", input))
    return fail("cannot make a temporary file");
  llvm::FileRemover remover(input);
  OutputFile linked(output);
  if (llvm::Error error = writeFile(input, object))
    return finish(std::move(error));
  if (llvm::Error error = linked.open())
    return finish(std::move(error));
  if (llvm::Error error = linkShared(input, linked.getTemporaryName()))
    return fail(toText(std::move(error)));
  return finish(linked.keep());
}

static int writeHost(ModuleOp module, StringRef suffix) {
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine =
      makeHostMachine(march == "native");
  if (!machine)
    return fail(toText(machine.takeError()));
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> host =
      translateForHost(module, context, **machine);
  if (!host)
    return 1;
  if (suffix == ".ll") {
    std::string text;
    llvm::raw_string_ostream(text) << *host;
    return finish(writeFile(output, text));
  }
  llvm::Expected<std::string> object = compileObject(*host, **machine);
  if (!object)
    return fail(toText(object.takeError()));
  return suffix == ".o" ? finish(writeFile(output, *object))
                        : writeShared(*object);
}

/// The include guard of a file.
static std::string makeGuard(StringRef path) {
  std::string guard = llvm::sys::path::filename(path).upper();
  for (char &c : guard)
    if (!llvm::isAlnum(c))
      c = '_';
  return "SPARSEDROP_" + guard;
}

static int writeHeader(ArrayRef<std::unique_ptr<Executable>> programs,
                       OutputFile &file) {
  SmallVector<const Executable *> all;
  for (const std::unique_ptr<Executable> &program : programs)
    all.push_back(program.get());
  std::string source = llvm::sys::path::filename(inputFile).str();
  if (target == "nvptx")
    source += " for " + chip;
  llvm::Expected<std::string> text = makeHeader(all, makeGuard(header), source);
  return text ? finish(file.write(*text)) : fail(toText(text.takeError()));
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

static StringRef getSuffix() { return llvm::sys::path::extension(output); }

static int checkOptions() {
  bool isKernel = getSuffix() == ".ptx" || getSuffix() == ".cubin";
  if (!isKernel && getSuffix() != ".so" && getSuffix() != ".o" &&
      getSuffix() != ".ll")
    return fail("expected an output that ends with .so, .o, .ll, .ptx or "
                ".cubin, but got '" +
                output + "'");
  if (target != "nvptx" && target != "cpu")
    return fail("expected the target nvptx or cpu, but got '" + target + "'");
  if (target == "cpu" && isKernel)
    return fail("the target cpu has no " + getSuffix());
  if (target == "nvptx" && chip.empty())
    return fail("expected a chip such as sm_90a, but got ''");
  if (target == "cpu" && !kernelTable.empty())
    return fail("--kernel-table belongs to the target nvptx");
  if (!march.empty() && march != "native")
    return fail("expected the processor native, but got '" + march + "'");
  if (isKernel && !header.empty())
    return fail("a header needs host code: expected an output that ends with "
                ".so, .o or .ll, but got '" +
                output + "'");
  return 0;
}

/// The names of what is compiled, each once.
static std::vector<std::string> getEntries(ModuleOp module) {
  std::vector<std::string> names;
  for (const std::string &name : entries)
    if (!llvm::is_contained(names, name))
      names.push_back(name);
  if (!names.empty())
    return names;
  for (auto function : module.getOps<FunctionOpInterface>())
    if (function.isPublic() && !function.isExternal())
      names.push_back(function.getName().str());
  return names;
}

/// Nothing but entry points is seen from outside.
static void hideFunctions(ModuleOp module) {
  for (auto function : module.getOps<LLVM::LLVMFuncOp>())
    if (!function.isExternal() &&
        !function.getName().starts_with("sparsedrop_invoke_"))
      function.setLinkage(LLVM::Linkage::Internal);
}

/// One program for each name; none after an error.
static std::vector<std::unique_ptr<Executable>>
prepare(ModuleOp module, ArrayRef<std::string> names) {
  std::vector<std::unique_ptr<Executable>> programs;
  for (const std::string &name : names) {
    ExecutableOptions options;
    options.entry = name;
    options.mode = mode;
    options.tf32 = tf32;
    options.family = family;
    options.table = kernelTable;
    if (target == "nvptx")
      options.chip = chip;
    programs.push_back(Executable::prepare(module, options));
    if (!programs.back())
      return {};
  }
  return programs;
}

static int embed(ModuleOp module, StringRef cubin) {
  if (!cubin.empty())
    addCubin(module, cubin);
  PassManager pm(module.getContext());
  EmbedKernelsOptions options;
  options.chip = chip;
  pm.addPass(createEmbedKernels(options));
  return failed(pm.run(module));
}

static int compile(ModuleOp module) {
  std::vector<std::string> names = getEntries(module);
  if (names.empty())
    return fail("'" + inputFile + "' has no public function");
  std::vector<std::unique_ptr<Executable>> programs = prepare(module, names);
  if (programs.empty())
    return 1;
  // First, and kept last: no output without its header.
  OutputFile headerFile(header);
  if (!header.empty())
    if (int code = writeHeader(programs, headerFile))
      return code;
  SmallVector<StringRef> wanted(names.begin(), names.end());
  OwningOpRef<ModuleOp> lowered = programs.front()->lower(wanted);
  if (!lowered)
    return 1;
  if (target == "nvptx") {
    std::string ptx = getPtx(*lowered), cubin;
    if (getSuffix() == ".ptx")
      return finish(writeFile(output, ptx));
    if (int code = makeCubin(ptx, getSuffix() == ".cubin", cubin))
      return code;
    if (getSuffix() == ".cubin")
      return finish(writeFile(output, cubin));
    if (int code = embed(*lowered, cubin))
      return code;
  }
  hideFunctions(*lowered);
  if (int code = writeHost(*lowered, getSuffix()))
    return code;
  return header.empty() ? 0 : finish(headerFile.keep());
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv,
                              "Compiles functions of an MLIR file ahead of "
                              "time\n");
  if (int code = checkOptions())
    return code;
  run::ProgramFile file;
  if (llvm::Error error = file.load(inputFile))
    return finish(std::move(error));
  return file.getModule() ? compile(file.getModule()) : 1;
}
