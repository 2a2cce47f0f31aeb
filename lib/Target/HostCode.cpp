//===- HostCode.cpp - Code for the host -----------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Target/HostCode.h"

#include "Commands.h"

#include "sparsedrop-c/Runtime.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"

#include <dlfcn.h>

using namespace mlir;
using namespace mlir::sparsedrop;

/// The O2 pipeline of clang, with the machine's vector width.
static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = true;
  tuning.SLPVectorization = true;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2)
      .run(module, modules);
}

std::unique_ptr<llvm::Module>
mlir::sparsedrop::translateForHost(ModuleOp module, llvm::LLVMContext &context,
                                   llvm::TargetMachine &machine) {
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  std::unique_ptr<llvm::Module> result =
      translateModuleToLLVMIR(module, context);
  if (!result)
    return nullptr;
  result->setDataLayout(machine.createDataLayout());
  result->setTargetTriple(machine.getTargetTriple());
  // The vectoriser looks at each function's target, not at the machine's.
  for (llvm::Function &function : *result)
    if (!function.isDeclaration()) {
      function.addFnAttr("target-cpu", machine.getTargetCPU());
      function.addFnAttr("target-features", machine.getTargetFeatureString());
    }
  optimize(*result, machine);
  return result;
}

llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
mlir::sparsedrop::makeHostMachine(bool native) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  llvm::Triple triple(llvm::sys::getDefaultTargetTriple());
  std::string error,
      processor = native ? llvm::sys::getHostCPUName().str() : "";
  llvm::SubtargetFeatures features;
  if (native)
    for (auto &[feature, isThere] : llvm::sys::getHostCPUFeatures())
      features.AddFeature(feature, isThere);
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return llvm::createStringError(error);
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, processor, features.getString(), llvm::TargetOptions(),
      llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Default));
}

llvm::Expected<std::string>
mlir::sparsedrop::compileObject(llvm::Module &module,
                                llvm::TargetMachine &machine) {
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr,
                                  llvm::CodeGenFileType::ObjectFile))
    return llvm::createStringError("no object files for this machine");
  passes.run(module);
  return bytes.str().str();
}

std::string mlir::sparsedrop::findRuntime() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void *>(&sparsedrop_fail), &info))
    return "";
  llvm::SmallString<128> path;
  if (llvm::sys::fs::real_path(info.dli_fname, path))
    return info.dli_fname;
  return path.str().str();
}

llvm::Error mlir::sparsedrop::linkShared(StringRef object, StringRef output) {
  std::string runtime = findRuntime();
  if (runtime.empty())
    return llvm::createStringError("cannot find the runtime library");
  std::string linker = findProgram({"clang-22", "clang", "cc", "gcc"}, {});
  if (linker.empty())
    return llvm::createStringError(
        "no linker was found: expected clang-22, clang, cc or gcc on the PATH");
  std::string folder = llvm::sys::path::parent_path(runtime).str();
  std::string rpath = "-Wl,-rpath,$ORIGIN:" + folder;
  return runProgram(linker, {"-shared", "-o", output, object, runtime, "-lm",
                             rpath, "-Wl,--no-undefined"});
}
