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
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
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

/// What the code of processors without bf16 calls to round to it, and what no
/// library of a C compiler before GCC 13 has. To nearest, ties to even; of f64,
/// by way of f32 rounded to odd, so that nothing is rounded twice.
static constexpr llvm::StringLiteral kRoundToBF16 = R"(
define weak hidden bfloat @__truncsfbf2(float %x) {
  %bits = bitcast float %x to i32
  %kept = lshr i32 %bits, 16
  %odd = and i32 %kept, 1
  %half = add i32 %odd, 32767
  %sum = add i32 %bits, %half
  %rounded = lshr i32 %sum, 16
  %quiet = or i32 %kept, 64
  %isnan = fcmp uno float %x, %x
  %word = select i1 %isnan, i32 %quiet, i32 %rounded
  %short = trunc i32 %word to i16
  %result = bitcast i16 %short to bfloat
  ret bfloat %result
}

define weak hidden bfloat @__truncdfbf2(double %x) {
  %near = fptrunc double %x to float
  %back = fpext float %near to double
  %exact = fcmp ueq double %back, %x
  %bits = bitcast float %near to i32
  %size = call double @llvm.fabs.f64(double %x)
  %nearsize = call double @llvm.fabs.f64(double %back)
  %above = fcmp ogt double %nearsize, %size
  %down = sext i1 %above to i32
  %below = add i32 %bits, %down
  %odd = or i32 %below, 1
  %word = select i1 %exact, i32 %bits, i32 %odd
  %single = bitcast i32 %word to float
  %result = call bfloat @__truncsfbf2(float %single)
  ret bfloat %result
}

declare double @llvm.fabs.f64(double)
)";

/// Gives a module the functions above if any of its values is a bf16.
static bool addBF16(llvm::Module &module) {
  bool isUsed = llvm::any_of(module, [](llvm::Function &function) {
    return llvm::any_of(llvm::instructions(function), [](auto &instruction) {
      return instruction.getType()->getScalarType()->isBFloatTy();
    });
  });
  if (!isUsed)
    return true;
  llvm::SMDiagnostic error;
  std::unique_ptr<llvm::Module> functions =
      llvm::parseAssemblyString(kRoundToBF16, error, module.getContext());
  if (!functions)
    return false;
  functions->setDataLayout(module.getDataLayout());
  functions->setTargetTriple(module.getTargetTriple());
  return !llvm::Linker::linkModules(module, std::move(functions));
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
  if (!addBF16(*result)) {
    module.emitError() << "cannot add the rounding to bf16";
    return nullptr;
  }
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
