//===- JIT.cpp - Programs compiled and run in the process -----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Target/JIT.h"

#include "sparsedrop-c/Runtime.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <dlfcn.h>

using namespace mlir;
using namespace mlir::sparsedrop;

struct JIT::State {
  std::unique_ptr<llvm::orc::LLJIT> engine;
};

JIT::JIT() : state(std::make_unique<State>()) {}
JIT::~JIT() = default;

static void initializeTargets() {
  static bool done = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  (void)done;
}

/// The O2 pipeline of clang, with the host's vector width.
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

/// Symbols of the runtime library and of what it links (the C library and
/// libm). They are looked up there rather than in the process: a language that
/// loads this library does so without making its symbols global.
static llvm::Error addRuntime(llvm::orc::LLJIT &engine) {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void *>(&sparsedrop_fail), &info))
    return llvm::createStringError("cannot find the runtime library");
  auto generator = llvm::orc::DynamicLibrarySearchGenerator::Load(
      info.dli_fname, engine.getDataLayout().getGlobalPrefix());
  if (!generator)
    return generator.takeError();
  engine.getMainJITDylib().addGenerator(std::move(*generator));
  return llvm::Error::success();
}

std::unique_ptr<JIT> JIT::create(ModuleOp module) {
  initializeTargets();
  auto fail = [&](llvm::Error error) -> std::unique_ptr<JIT> {
    module.emitError() << "cannot compile for the host: "
                       << llvm::toString(std::move(error));
    return nullptr;
  };
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  auto context = std::make_unique<llvm::LLVMContext>();
  std::unique_ptr<llvm::Module> llvmModule =
      translateModuleToLLVMIR(module, *context);
  if (!llvmModule)
    return nullptr;

  auto host = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!host)
    return fail(host.takeError());
  host->setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
  auto machine = host->createTargetMachine();
  if (!machine)
    return fail(machine.takeError());
  llvmModule->setDataLayout((*machine)->createDataLayout());
  llvmModule->setTargetTriple((*machine)->getTargetTriple());
  // The vectoriser looks at each function's target, not at the machine's.
  for (llvm::Function &function : *llvmModule)
    if (!function.isDeclaration()) {
      function.addFnAttr("target-cpu", (*machine)->getTargetCPU());
      function.addFnAttr("target-features",
                         (*machine)->getTargetFeatureString());
    }
  optimize(*llvmModule, **machine);

  auto engine = llvm::orc::LLJITBuilder()
                    .setJITTargetMachineBuilder(std::move(*host))
                    .create();
  if (!engine)
    return fail(engine.takeError());
  if (llvm::Error error = addRuntime(**engine))
    return fail(std::move(error));
  if (llvm::Error error = (*engine)->addIRModule(llvm::orc::ThreadSafeModule(
          std::move(llvmModule), std::move(context))))
    return fail(std::move(error));
  std::unique_ptr<JIT> jit(new JIT());
  jit->state->engine = std::move(*engine);
  return jit;
}

void *JIT::lookup(Location loc, StringRef name) {
  auto address = state->engine->lookup(("sparsedrop_invoke_" + name).str());
  if (address)
    return address->toPtr<void *>();
  emitError(loc) << "cannot find the entry point of '" << name
                 << "': " << llvm::toString(address.takeError());
  return nullptr;
}
